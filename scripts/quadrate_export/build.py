"""Puts a model's graph together: inputs, encoder, head."""

import numpy as np
from onnx import TensorProto

from .arithmetic import Arithmetic, Float
from .checkpoint import Checkpoint
from .encoder import Encoder
from .graph import Graph
from .heads import Head
from .int8 import Int8
from .modules import Modules


def build(checkpoint: Checkpoint, modules: Modules, variant: str) -> Graph:
    """The graph of one variant: int64 [batch, length] inputs, float32 [batch, dimensions] output."""
    graph = Graph()
    for name in checkpoint.layout.inputs:
        graph.input(name, ["batch", "length"])
    axis = graph.constant("lengths/axis", [1], np.int64)
    total = graph.node("ReduceSum", ["attention_mask", axis], "lengths/total", keepdims=0)
    lengths = graph.node("Cast", [total], "lengths", to=TensorProto.INT32)
    arithmetic = _arithmetic(graph, checkpoint, variant)
    head = Head(graph, checkpoint, modules, arithmetic.dtype)
    head.build(Encoder(graph, checkpoint, arithmetic).build(lengths, head.select(lengths)))
    return graph


def _arithmetic(graph: Graph, checkpoint: Checkpoint, variant: str) -> Arithmetic:
    if variant == "int8":
        return Int8(graph, checkpoint)
    return Float(graph, checkpoint, np.float16 if variant == "fp16" else np.float32)
