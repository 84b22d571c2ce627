"""What the machine is: GPU, driver, processor, memory; and what a process takes of it."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

_ISA = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8")


def query(fields: str, extra: tuple[str, ...] = ()) -> list[list[str]]:
    """Rows of nvidia-smi's answer, [] where there is none."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", f"--query-{fields}", "--format=csv,noheader,nounits", *extra]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]


def facts() -> dict[str, str]:
    """Name to value, for the head of the report."""
    found = {}
    for name, memory, driver, capability in query("gpu=name,memory.total,driver_version,compute_cap"):
        found["GPU"] = f"{name}, {int(memory) / 1024:.0f} GiB, compute capability {capability}, driver {driver}"
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    flags = next((line.split(":", 1)[1].split() for line in text.splitlines() if line.startswith("flags")), [])
    model = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), platform.machine())
    found["Processor"] = f"{model}; {len(os.sched_getaffinity(0))} cores; {' '.join(flag for flag in _ISA if flag in flags)}"
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found["Memory"] = f"{pages / 2**30:.0f} GiB"
    return found


def device_memory(pid: int) -> float | None:
    """MiB of GPU memory in use: the process's own where the driver tells, else the whole device's."""
    for row in query("compute-apps=pid,used_memory"):
        if row[0] == str(pid) and row[1].isdigit():
            return float(row[1])
    rows = query("gpu=memory.used")
    return float(rows[0][0]) if rows else None


def host_memory(pid: int) -> tuple[float, float]:
    """MiB resident now and at its highest."""
    values = {}
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(("VmRSS:", "VmHWM:")):
            name, value = line.split(":", 1)
            values[name] = int(value.split()[0]) / 1024
    return values["VmRSS"], values["VmHWM"]
