"""quadrate-export: the exporter's own command line, one at a time on a volume."""

import argparse
import os
import tempfile
import time
from pathlib import Path

from . import child, folders, hub, lock, log

PROGRESS_S = 5.0
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def models_folder() -> Path:
    return Path(os.environ.get("QUADRATE_MODELS_DIR") or "/models")


def environment(cache: hub.Cache) -> dict[str, str]:
    """The exporter's: a home that can be written, and PyTorch's absence explained."""
    given = {"HF_HOME": str(cache.folder), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    if os.path.exists(_AUTHORITIES):
        given["SSL_CERT_FILE"] = _AUTHORITIES  # Python looks where Debian's openssl would have put them
    given |= {"QUADRATE_MODELS_DIR": str(models_folder()), "QUADRATE_TORCH_PYTHON": str(child.ROOT / "quadrate_fetch/no-torch")}
    own = {name: value for name, value in os.environ.items() if value}
    if not os.access(own.get("HOME", "/"), os.W_OK):
        own["HOME"] = tempfile.gettempdir()
    return given | own


def refuse_root() -> None:
    if os.geteuid() == 0:
        log.error(
            "models are not exported as root: what is written would belong to root, and files from elsewhere are "
            "read. Run the container as its own user, 10001, and give that user the volume (chown -R 10001 VOLUME)"
        )
        raise SystemExit(1)


def export(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        return _check()
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--out", type=Path)
    known = parser.parse_known_args(arguments)[0]
    out = known.out
    cache = hub.Cache(models_folder(), os.environ)
    if not arguments or {"-h", "--help", "--version", "--dry-run"} & set(arguments):
        return run(arguments, cache, "", None)
    refuse_root()
    with lock.held(out.absolute().parent if out else models_folder()):
        if out:
            folders.sweep(out.absolute())
        status = run(arguments, cache, "export", None)
        if status == 0 and known.model:
            cache.forget(known.model)
        return status


def run(arguments: list[str], cache: hub.Cache, model: str, each) -> int:
    """Runs the exporter, and says how far it is while it says nothing itself."""
    started, before = time.monotonic(), cache.size()

    def progress() -> None:
        fetched = max(0, cache.size() - before)
        log.info("still at work", model=model, fetched_mib=round(fetched / 2**20, 1), seconds=round(time.monotonic() - started))

    return child.run(arguments, environment(cache), each, PROGRESS_S, progress)


def _check() -> int:
    """Whether this Python can load what the exporter needs; an image's build asks."""
    from quadrate_export import __version__, export, source  # noqa: F401

    import onnxruntime  # behind quadrate_export, which has it report to nobody

    print(f"quadrate_export {__version__}, ONNX Runtime {onnxruntime.__version__}")
    return 0
