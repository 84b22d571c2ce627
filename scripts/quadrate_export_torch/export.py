"""The exporter of the PyTorch route: what quadrate_export.export leaves to a route, by transformers."""

import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from torch import nn

from quadrate_export import manifest, samples, verify
from quadrate_export.errors import ExportError
from quadrate_export.export import Exporter, Request
from quadrate_export.parts import Part, References, seconds

from . import attention, description, graph, networks, prompt, reference

_VARIANTS = ("fp32", "fp16")
_INT8 = (
    "int8 is written for BERT, RoBERTa and XLM-RoBERTa only (--route builder): ONNX Runtime's own dynamic "
    "quantisation, which would do for any graph, lets texts in a batch change each other's answers"
)
_PAIR_LENGTH = 8192  # what the makers of Qwen3-Reranker cut pairs to; its positions go further
# Vectors of norm one in float32 against float64: deep models with outliers need more room than BERT.
_FP32_EMBED = {"max_abs": 1e-4, "min_cosine": 0.99999}


def _refuse(request: Request) -> None:
    """What only the graph builder writes."""
    if "int8" in request.variants:
        raise ExportError(_INT8)
    other = [name for name in request.variants if name not in _VARIANTS]
    if other:
        raise ExportError(
            f"{', '.join(other)} cannot be had by the PyTorch route, which writes {', '.join(_VARIANTS)}"
        )
    if request.tokens:
        raise ExportError("--outputs tokens cannot be had by the PyTorch route")


class TorchExporter(Exporter):
    """Runs one request by tracing the model that transformers loads."""

    def __init__(self, request, report=print):
        _refuse(request)
        self._unfused = ""  # why attention is not fused, once that is known
        super().__init__(request, report)

    def _describe(self) -> description.Description:
        request = self._request
        path, directory = self._config_path, self._directory
        self._transformers = description.load_config(path, request.trust_remote_code)
        found = description.describe(path, directory, self._transformers, request.task, request.source.name)
        self._prompt = self._answers = None
        if found.generative:
            if directory is None:
                raise ExportError("a generative reranker needs a tokenizer: give --tokenizer")
            tokenizer = samples.load_tokenizer(directory / "tokenizer.json")
            self._prompt = prompt.qwen3(tokenizer, request.instruction or prompt.INSTRUCTION)
            prompt.check_template(directory, self._prompt, tokenizer)
            self._answers = prompt.answers(directory, tokenizer)
        elif request.instruction:
            raise ExportError(
                "--instruction is for generative rerankers; embedders are given prompts at request"
            )
        return found

    def _choose_max_length(self) -> int:
        chosen = super()._choose_max_length()
        return min(chosen, _PAIR_LENGTH) if self._prompt and not self._request.max_length else chosen

    def _settings(self) -> list:
        return ["torch", self._layout.task, self._prompt and self._prompt.manifest(), self._answers]

    def _tools(self) -> dict[str, str]:
        return manifest.tools() | {name: version(name) for name in ("torch", "transformers")}

    def _extras(self) -> dict:
        return {"pair_prompt": self._prompt.manifest()} if self._prompt else {}

    def _open(self) -> nn.Module:
        started = time.monotonic()
        request, trust = self._request, self._request.trust_remote_code
        if request.random:
            model = networks.random(self._transformers, self._layout, request.random.seed, trust)
        else:
            model = networks.load(self._directory, self._transformers, self._layout, trust)
        limit = networks.position_limit(model, self._layout.position_limit)
        if limit < self._max_length:
            self._report(f"maximum length: {limit}, the rows of the position table")
            self._max_length = limit
        if networks.token_types(model):
            self._layout.inputs.append("token_type_ids")
        count = sum(parameter.numel() for parameter in model.parameters())
        self._report(f"loaded {type(model).__name__}, {count / 1e6:.1f} M parameters, {seconds(started)}")
        return model

    def _references(self, model: nn.Module) -> References:
        started = time.monotonic()
        path, encoder = self._tokenizer(), None
        if self._prompt:
            encoder = prompt.PairEncoder(samples.load_tokenizer(path), self._prompt)
        inputs = samples.make(self._layout, path, self._max_length, encoder, self._layout.window)
        sequences = [(sample.ids, sample.types) for sample in inputs]
        outputs, precision = reference.outputs(model, self._layout, self._modules, self._answers, sequences)
        if not all(np.isfinite(output).all() for output in outputs):
            raise ExportError("transformers gives numbers that are not finite: are the weights whole?")
        self._report(f"reference: {len(inputs)} inputs by transformers in {precision}, {seconds(started)}")
        return References(inputs, outputs, states=[])

    def _make(self, made: Path, part: Part, model: nn.Module, references: References) -> dict:
        entry = super()._make(made, part, model, references)
        if not self._unfused:
            return entry
        note = f"attention is not fused ({self._unfused}): slower on a GPU than it could be"
        return entry | {"note": "; ".join(filter(None, [entry.get("note"), note]))}

    def _write(self, made: Path, part: Part, model: nn.Module) -> tuple[list[Path], int]:
        path = made / part.file
        network = self._network(model, part.variant)
        files, count = self._fused(network, path)
        if count == 0:
            files, count = self._unfused_files(network, path)
        if count not in (0, self._layout.layers):
            raise ExportError(
                f"{path.name} has {count} fused attention operators for {self._layout.layers} layers"
            )
        if count == 0:
            self._report(f"warning: attention of {self._layout.architecture} is not fused: {self._unfused}")
        verify.check_valid(path)
        return files, count

    def _fused(self, network: networks.Network, path: Path) -> tuple[list[Path], int]:
        """Attention by construction: an operator for each call of the library's interface."""
        attention.install(network.model)
        try:
            return self._trace(network, path)
        except attention.CannotFuse as reason:
            self._unfused = str(reason)
            return [], 0

    def _unfused_files(self, network: networks.Network, path: Path) -> tuple[list[Path], int]:
        """The library's eager attention, and what the offline optimiser finds in it."""
        attention.eager(network.model)
        files, _ = self._trace(network, path)
        heads, limit = self._transformers.num_attention_heads, self._request.inline_limit
        count = graph.optimise(path, heads, self._layout.hidden, limit)
        self._unfused = "" if count else self._unfused or "the model computes it in a way of its own"
        return files, count

    def _trace(self, network: networks.Network, path: Path) -> tuple[list[Path], int]:
        width, limit = self._modules.dimensions(self._layout), self._request.inline_limit
        files = graph.write(network, path, self._layout.inputs, width, limit)
        return files, verify.count_attention(path)

    def _network(self, model: nn.Module, name: str) -> networks.Network:
        if name == "fp16":
            # Buffers stay as they are: rotary frequencies lose their meaning in float16.
            for parameter in model.parameters():
                parameter.data = parameter.data.half()
        if self._answers:
            return networks.YesNo(model, *self._answers)
        return networks.Classifier(model) if self._layout.labels else networks.Embedder(model, self._modules)

    def _tolerance(self, variant: str, references: References) -> dict[str, float]:
        if variant == "fp32" and self._layout.task == "embed":
            return dict(_FP32_EMBED)
        return super()._tolerance(variant, references)
