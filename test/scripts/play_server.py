"""Plays bin/quadrate: healthcheck, and a server that is ready at once, later, or never.

The state: ready (it is now), never (it does not become so), fails (it ends at its start), deaf (it
does not stop at a SIGTERM), told (the upstreams' addresses in its environment).
"""

import os
import signal
import sys
import time

from playing import end, log, state


def main(words: list[str]) -> None:
    if words[:1] == ["healthcheck"]:
        with state() as s:
            sys.exit(0 if s.get("ready") else 1)
    log(words)
    # Who reads the process's number may signal it: that waits until it is heeded.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with state() as s:
        if s.get("fails"):
            end("quadrate: listen tcp 0.0.0.0:8000: bind: address already in use")
        s["told"] = {k: v for k, v in os.environ.items() if k.endswith("_BASE_URL")}
        s["process"] = os.getpid()
        s["ready"] = not s.get("never")
        deaf = s.get("deaf")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    while True:
        time.sleep(60)


def stop(*_) -> None:
    log(["stopped"])
    with state() as s:
        s["ready"] = False
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[2:])
