"""Exports what the graph builder does not know: any text model of transformers, by PyTorch.

The second route of scripts/export_onnx.sh. It needs PyTorch and transformers,
which have an environment of their own (requirements.txt), and takes folder,
manifest, samples and checks from the package quadrate_export beside it. It does
not decide which route a model takes (quadrate_export/route.py does), and writes
no int8.
"""

import os

# Before transformers is loaded: it asks the hub nothing that was not asked for by the source.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# It warns of every operator that is not ONNX's own.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
