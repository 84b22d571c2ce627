"""Builds fused ONNX graphs of BERT-family encoders straight from safetensors.

A model goes in as a Hugging Face directory and comes out as a folder with one
ONNX file a variant, its tokenizer and a manifest, quadrate.json. The package
needs no PyTorch: the graph is written node by node, so its attention is fused
by construction and does not depend on what an optimiser recognises. It does
not know how the folder is served.
"""

import os

# ONNX Runtime reports its use to its makers unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "3"
