"""One exporter at a time on a volume, whoever shares it."""

import errno
import fcntl
import os
from contextlib import contextmanager
from pathlib import Path

from . import log

NAME = ".quadrate-export.lock"
_CANNOT_LOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def held(folder: Path):
    """Holds the lock of folder, waiting for it; it goes with the process, however that ends.

    Where there can be no lock it goes on without: an export is put in place whole or not at all,
    so that two of them cost work and nothing else. A volume that is read-only has no other writer.
    """
    file = _open(folder / NAME)
    try:
        if file is not None:
            _lock(file, folder)
        yield
    finally:
        if file is not None:
            os.close(file)


def _open(path: Path) -> int | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)
    except OSError as error:
        log.warn("the volume cannot be locked; going on without", path=str(path), error=error.strerror)
        return None


def _lock(file: int, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("another is exporting into this volume; waiting until it is done", folder=str(folder))
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _CANNOT_LOCK:
            raise
        log.warn("the volume's file system has no locks; going on without", folder=str(folder))
