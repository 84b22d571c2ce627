"""What the image's programs run. main.py export ARGUMENT...: the exporter, one at a time on a volume.
main.py serve ARGUMENT...: fetches what QUADRATE_FETCH names, then becomes the server."""

import sys
from pathlib import Path

# Isolated (python3 -I), so that neither the working folder nor the caller's settings decide what is imported.
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "site-packages")]

from quadrate_fetch import child, command, serve  # noqa: E402

child.end_at_once()
sys.exit({"export": command.export, "serve": serve.serve}[sys.argv[1]](sys.argv[2:]))
