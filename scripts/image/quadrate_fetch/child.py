"""Runs the exporter as a process of its own, which a signal ends at once."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PATHS = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'site-packages')!r}]; "
_RUN = _PATHS + "from quadrate_export.cli import main; sys.exit(main())"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run(arguments: list[str], environment: dict[str, str], each: Callable[[str], None] | None, every: float, idle) -> int:
    """Its exit status. each is given every line of its output; None: it has this process's streams.

    idle() is called every so many seconds while it runs. A signal kills it with all that it has
    started and ends this process, as the signal would have.
    """
    output = None if each is None else subprocess.PIPE
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    child = subprocess.Popen(
        # Its place is /, since a folder with the model's name where it runs would win over the hub.
        [sys.executable, "-I", "-B", "-c", _RUN, *arguments],
        env=environment, cwd="/", start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=output, stderr=subprocess.STDOUT if output else None, text=True, errors="replace",
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, mask),
    )

    def end(number: int, _) -> None:
        os.killpg(child.pid, signal.SIGKILL)
        # Not sys.exit: nothing here may hold up a container that is told to stop.
        os._exit(128 + number)

    before = {number: signal.signal(number, end) for number in SIGNALS}
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    reader = threading.Thread(target=_read, args=(child, each), daemon=True)
    reader.start()
    try:
        return _wait(child, every, idle)
    finally:
        reader.join()
        for number, handler in before.items():
            signal.signal(number, handler)


def end_at_once() -> None:
    """Has signals end this process; what runs as a container's first has no such default."""
    for number in SIGNALS:
        signal.signal(number, lambda number, _: os._exit(128 + number))


def _read(child: subprocess.Popen, each) -> None:
    for line in child.stdout or ():
        if line := line.rstrip():
            each(line)


def _wait(child: subprocess.Popen, every: float, idle) -> int:
    while True:
        try:
            return child.wait(every)
        except subprocess.TimeoutExpired:
            idle()
