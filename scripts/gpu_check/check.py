"""The check itself: for each model and variant build, compare, measure, stop."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import engine, machine, measure, parity
from .report import Report
from .server import CheckError, Server, Tools
from .shapes import Shape, write_source

_LONGEST_PARITY_TEXT = 400  # words


@dataclass
class Options:
    """What to check and how long."""

    provider: str
    variants: list[str]
    shapes: list[Shape]
    seconds: float
    texts: int
    work: Path
    tokenizer: Path
    exporter: Path
    seed: int = 1


@dataclass
class Check:
    options: Options
    tools: Tools
    report: Report
    failures: list[str] = field(default_factory=list)

    def run(self) -> None:
        self._head()
        for shape in self.options.shapes:
            self.report.section(shape.name)
            try:
                folder = self._export(shape)
                self._model(shape, folder)
            except Exception as error:  # the other models are measured all the same
                self._fail(shape.name, error)
        self.report.section("Outcome")
        self.report.text("Everything passed." if not self.failures else "\n".join(f"- FAILED: {f}" for f in self.failures))

    def _fail(self, what: str, error: Exception) -> None:
        # What was not foreseen tells little without its kind.
        words = f"{what}: {error}" if isinstance(error, CheckError) else f"{what}: {type(error).__name__}: {error}"
        self.failures.append(words)
        self.report.text(f"**FAILED** {words}")

    def _head(self) -> None:
        self.report.section("Machine")
        version = subprocess.run([self.tools.program, "version"], capture_output=True, text=True, timeout=60, check=True).stdout
        found = machine.facts() | {"Server": version.strip().replace("\n", "; "), "Library": self.tools.library.name}
        self.report.table(["what", "is"], [[name, value] for name, value in found.items()])

    def _export(self, shape: Shape) -> Path:
        source, out = self.options.work / "sources" / shape.name, self.options.work / "models" / shape.name
        write_source(shape, self.options.tokenizer, source)
        command = [self.options.exporter, "--random", source / "config.json", "--seed", str(self.options.seed),
                   "--tokenizer", source, "--variant", ",".join(self.options.variants), "--out", out]
        done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
        if done.returncode != 0:
            raise CheckError(f"export: {done.stderr.strip().splitlines()[-1:]}")
        sizes = {file.name: file.stat().st_size / 2**20 for file in sorted(out.glob("model*")) if file.is_file()}
        self.report.text("Files: " + ", ".join(f"{name} {size:,.0f} MiB" for name, size in sizes.items()) + ".")
        return out

    def _model(self, shape: Shape, folder: Path) -> None:
        texts = parity.inputs(self.options.texts, min(_LONGEST_PARITY_TEXT, shape.max_length - 32))
        with self._serve(shape, folder, "cpu", "fp32") as server:
            want = parity.answers(server, shape.rerank, texts)
        rows = {"parity": [], "start": [], "http": [], "stop": []}
        for variant in self.options.variants:
            try:
                self._variant(shape, folder, variant, texts, want, rows)
            except Exception as error:  # the other variants are measured all the same
                self._fail(f"{shape.name} {variant}", error)
        self._tables(rows)
        for variant in self.options.variants:
            try:
                self._engine(shape, folder, variant)
            except Exception as error:
                self._fail(f"{shape.name} {variant} in process", error)

    def _engine(self, shape: Shape, folder: Path, variant: str) -> None:
        out = self.options.work / "results" / f"{shape.name}-{variant}-engine.json"
        provider = self._provider(variant)
        workloads = "W1" if shape.rerank else "W2,W3,W4"
        found = measure.in_process(
            self.tools, folder, provider, variant, ["-workload", workloads, "-sweep", "batch,sessions", "-tensorrt-cache", self.options.work / "trt"], self.options.seconds, out)
        if found["provider"] != provider:
            raise CheckError(f"asked for {provider}, ran on {found['provider']}")
        engine.tell(self.report, variant, found)

    def _provider(self, variant: str) -> str:
        return "tensorrt" if variant == "trt" and self.options.provider != "cpu" else self.options.provider

    def _serve(self, shape: Shape, folder: Path, provider: str, variant: str) -> Server:
        return Server(self.tools, folder, "rerank" if shape.rerank else "embed", provider, variant, self.options.work)

    def _variant(self, shape: Shape, folder: Path, variant: str, texts: list[str], want: np.ndarray, rows: dict) -> None:
        provider = self._provider(variant)
        with self._serve(shape, folder, provider, variant) as server:
            ran = server.loaded().get("provider")
            if ran != provider:
                raise CheckError(f"asked for {provider}, ran on {ran}")
            found = parity.compare(parity.answers(server, shape.rerank, texts), want, variant)
            rows["parity"].append([variant, found.largest, found.cosine, found.spread, found.swapped, "yes" if found.passed else "NO"])
            if not found.passed:
                self.failures.append(f"{shape.name} {variant}: differs from the CPU's fp32 by {found.largest:.2g}")
            with measure.Memory(server) as memory:
                rows["http"] += self._http(shape, server, variant)
            rows["start"].append([variant, server.start_seconds, memory.device, memory.resident, memory.highest])
            answered, failed, status, seconds = measure.terminate_under_load(server, shape.rerank)
            rows["stop"].append([variant, answered, failed, status, seconds])
            if status != 0 or failed:
                self.failures.append(f"{shape.name} {variant}: SIGTERM under load lost {failed} requests, exit status {status}")

    def _http(self, shape: Shape, server: Server, variant: str) -> list[list]:
        plans = [("W1", 1), ("W1", 4)] if shape.rerank else [("W4", 1), ("W2", 1), ("W2", 8), ("W3", 64)]
        rows = []
        for name, concurrency in plans:
            out = self.options.work / "results" / f"{shape.name}-{variant}-{name}-{concurrency}"
            for result in measure.over_http(self.tools, server, name, concurrency, self.options.seconds, out):
                latency, rate = result["latency_ms"], result["throughput"]
                rows.append([variant, result["workload"], concurrency, latency["p50"], latency["p95"], latency["p99"],
                             rate["items_per_second"], rate["tokens_per_second"], sum(result["errors"].values())])
        return rows

    def _tables(self, rows: dict) -> None:
        self.report.text("Against fp32 on the CPU:")
        self.report.table(["variant", "largest difference", "min cosine", "spread of logits", "swapped", "passed"], rows["parity"])
        self.report.text("Start and memory (MiB, while measured over HTTP):")
        self.report.table(["variant", "start s", "GPU", "RSS", "highest RSS"], rows["start"])
        self.report.text("Over HTTP, closed loop:")
        self.report.table(["variant", "workload", "concurrency", "p50 ms", "p95 ms", "p99 ms", "items/s", "tokens/s", "errors"], rows["http"])
        self.report.text("SIGTERM with 16 requests in flight:")
        self.report.table(["variant", "answered", "failed", "exit status", "seconds"], rows["stop"])
