"""Tables of what quadrate-enginebench measured in process."""

from .report import Report


def tell(report: Report, variant: str, found: dict) -> None:
    """Adds one variant's results: engine against ONNX Runtime alone, sweeps, peak."""
    peaks = ", ".join(f"{rate / 1e12:.3g} T/s in {precision}" for precision, rate in found.get("peak_operations_per_second", {}).items())
    words = [f"In process, {variant} on {found['provider']}: loaded in {found['start_up_seconds']:.2f} s"]
    if peaks:
        words.append(f"measured peak {peaks}; MFU is of {found.get('mfu_of', 'the peak')}")
    report.text("; ".join(words) + ".")
    rows = [row for workload in found["workloads"] for row in _rows(workload)]
    report.table(["workload", "callers", "system", "tokens/s", "items/s", "p50 ms", "p99 ms", "padding efficiency", "MFU"], rows)
    _ratios(report, found["workloads"])
    if found.get("batch_sweep"):
        report.text("ONNX Runtime alone by batch size and length:")
        report.table(["length", "rows", "run ms", "tokens/s"],
                     [[p["length"], p["rows"], p["run_ms"], p["tokens_per_second"]] for p in found["batch_sweep"]])
    if found.get("session_sweep"):
        report.text("By number of sessions:")
        report.table(["sessions", "threads each", "tokens/s"],
                     [[p["sessions"], p["threads_each"], p["tokens_per_second"]] for p in found["session_sweep"]])


def _rows(workload: dict) -> list[list]:
    return [
        [workload["workload"], workload["concurrency"], s["system"], s["tokens_per_second"]["median"], s["items_per_second"]["median"],
         _median(s, "p50_ms"), _median(s, "p99_ms"), s.get("padding_efficiency"), _median(s, "mfu")]
        for s in workload["systems"]
    ]


def _median(system: dict, figure: str) -> float | None:
    """None where the system has no such figure: ONNX Runtime alone runs a round's requests at once."""
    return system[figure]["median"] if figure in system else None


def _ratios(report: Report, workloads: list[dict]) -> None:
    rows = [
        [w["workload"], r["figure"], r["over"], r["ratio"]["median"], r["ratio"]["min"], r["ratio"]["max"]]
        for w in workloads for r in w["ratios"]
    ]
    if rows:
        report.table(["workload", "figure", "over", "ratio", "from", "to"], rows)
