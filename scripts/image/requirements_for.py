"""Writes the lines of requirements.txt that a Python of the given version needs, without their markers.

pip chooses wheels for another Python than its own, but reads markers as its own.
Usage: requirements_for.py VERSION <requirements.txt    (by a Python that has packaging)
"""

import platform
import sys

from packaging.requirements import Requirement


def main() -> None:
    version = sys.argv[1]
    target = {"python_version": version, "python_full_version": f"{version}.0", "sys_platform": "linux"}
    target |= {"platform_machine": platform.machine(), "platform_system": "Linux", "os_name": "posix"}
    lines = (line for line in sys.stdin if not line.lstrip().startswith("#"))
    for entry in "".join(lines).replace("\\\n", " ").splitlines():
        wanted, *hashes = entry.split("--hash=")
        if not wanted.strip():
            continue
        requirement = Requirement(wanted)
        if requirement.marker is None or requirement.marker.evaluate(target):
            print(f"{requirement.name}{requirement.specifier}", *(f"--hash={sum.strip()}" for sum in hashes))


main()
