"""Where what comes from the hub is kept until it is exported."""

import os
import shutil
from pathlib import Path

_CACHE = ".cache"


class Cache:
    """Files of the hub, below HF_HOME where that is set, else on the volume: /tmp is often memory."""

    def __init__(self, models: Path, environ):
        self._own = not environ.get("HF_HOME")
        self.folder = models / _CACHE if self._own else Path(environ["HF_HOME"])

    def size(self) -> int:
        """The bytes that are there, those of unfinished downloads included."""
        total = 0
        for place, _, names in os.walk(self.folder):
            for name in names:
                try:
                    found = os.lstat(os.path.join(place, name))
                except OSError:
                    continue  # renamed meanwhile
                total += min(found.st_size, found.st_blocks * 512)
        return total

    def forget(self, model: str) -> None:
        """Removes a model's files, which nobody needs once it is exported. HF_HOME is its owner's."""
        if not self._own:
            return
        shutil.rmtree(self.folder / "hub" / f"models--{model.replace('/', '--')}", ignore_errors=True)
        shutil.rmtree(self.folder / "xet", ignore_errors=True)
