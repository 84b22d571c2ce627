"""Writes stand-ins for NVIDIA's libraries, so that ONNX Runtime's GPU providers load where none are.

Usage: gpu_stubs.py OUT PROVIDER_LIBRARY...

The providers then read the options they are given with their own parser. Every function reports
that there is no device, except those that count and describe it: one GPU is said to be there.
Needs readelf and a C compiler.
"""

import pathlib
import re
import subprocess
import sys

SPECIAL = {
    "cudaGetDeviceCount": "int cudaGetDeviceCount(int *count) { *count = 1; return 0; }",
    "cudaGetErrorString": 'const char *cudaGetErrorString(int e) { (void)e; return "no device: a stand-in library"; }',
    "cudaGetErrorName": 'const char *cudaGetErrorName(int e) { (void)e; return "cudaErrorNoDevice"; }',
    # A C++ object without data, whose virtual functions all give nothing: no plugins.
    "getPluginRegistry": """static void *nothing(void) { return NULL; }
#define FOUR nothing, nothing, nothing, nothing
static void *table[] = {FOUR, FOUR, FOUR, FOUR, FOUR, FOUR, FOUR, FOUR};
static void **registry = table;
void *getPluginRegistry(void) { return &registry; }""",
    "getInferLibVersion": "int getInferLibVersion(void) { return 101300; }",
}
DRIVER = """
int cuInit(unsigned flags) { (void)flags; return 0; }
int cuDriverGetVersion(int *v) { *v = 13000; return 0; }
int cuDeviceGet(int *device, int number) { *device = number; return number == 0 ? 0 : 101; }
int cuDeviceGetName(char *name, int size, int device) { (void)device; return snprintf(name, size, "Stand-in (GPU)") < 0; }
int cuDeviceGetAttribute(int *value, int which, int device) { (void)device; *value = which == 75 ? 9 : 0; return 0; }
"""


def readelf(option: str, file: str) -> list[str]:
    return subprocess.run(["readelf", option, "-W", file], check=True, capture_output=True, text=True).stdout.splitlines()


def wanted(file: str) -> dict[str, set[str]]:
    """The functions that a provider takes from each of NVIDIA's libraries; "" those that name none."""
    libraries = {m[1]: set() for line in readelf("-d", file) if (m := re.search(r"\(NEEDED\).*\[(lib(?:cu|nv)[^\]]*)\]", line))}
    libraries[""] = set()
    for line in readelf("--dyn-syms", file):
        fields = line.split()
        if len(fields) < 8 or fields[6] != "UND" or fields[4] != "GLOBAL" or fields[7] == "Provider_GetHost":
            continue
        name, _, library = fields[7].partition("@")
        if library.strip("@") in libraries:
            libraries[library.strip("@")].add(name)
    return libraries


def build(out: pathlib.Path, library: str, names: set[str], versioned: bool) -> None:
    source = ["#include <stdio.h>", *(SPECIAL.get(n, f"int {n}(void) {{ return 100; }}") for n in sorted(names))]
    if library.startswith("libcuda.so"):
        source.append(DRIVER)
    (out / "stub.c").write_text("\n".join(source) + "\n")
    (out / "stub.map").write_text(f"{library} {{ global: *; }};\n")
    script = [f"-Wl,--version-script={out / 'stub.map'}"] if versioned else []
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", out / library, out / "stub.c", f"-Wl,-soname,{library}", *script], check=True)


def main(out: pathlib.Path, providers: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    all_names: dict[str, set[str]] = {}
    for file in providers:
        for library, names in wanted(file).items():
            all_names.setdefault(library, set()).update(names)
    nameless = all_names.pop("")
    for library, names in all_names.items():
        own = {n for n in nameless if n.startswith("cu")} if library.startswith("libcuda.so") else set()
        if library.startswith("libnvinfer"):
            own = {n for n in nameless if re.match(r"create|get", n)}
        build(out, library, names | own, versioned=bool(names))
    for name in ("stub.c", "stub.map"):
        (out / name).unlink()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
