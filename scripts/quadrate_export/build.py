"""Puts a model's graph together: inputs, encoder, head."""

import numpy as np
from onnx import TensorProto

from .arithmetic import Arithmetic, Float
from .checkpoint import Checkpoint
from .encoder import CpuEncoder, Encoder
from .graph import Graph
from .heads import Head, build_tokens
from .int8 import RECIPE, Int8, Int8Encoder
from .modules import Modules
from .packed import Packed
from .quantiser import Calibration, Quantiser
from .recipe import Recipe
from .standard import StandardEncoder, StandardFloat


_ENCODERS = {"fp32": CpuEncoder, "int8": Int8Encoder, "trt": StandardEncoder}


def build(
    checkpoint: Checkpoint,
    modules: Modules,
    variant: str,
    tokens: bool = False,
    calibration: Calibration | None = None,
    recipe: Recipe = RECIPE,
) -> Graph:
    """The graph of one variant, with int64 [batch, length] inputs.

    Its output is float32 [batch, dimensions], or with tokens the states before
    any pooling, [batch, length, hidden]. int8 needs calibration; recipe says how it
    quantises.
    """
    graph = Graph()
    for name in checkpoint.layout.inputs:
        graph.input(name, ["batch", "length"])
    # Written-out attention reads the mask itself.
    counted = variant != "trt" or (modules.pooling == "last" and not tokens)
    lengths = _lengths(graph) if counted else ""
    if variant == "int8":
        arithmetic = Int8(graph, checkpoint, Quantiser(checkpoint, calibration, recipe), recipe)
    else:
        arithmetic = _arithmetic(graph, checkpoint, variant, lengths)
    encoder = _ENCODERS.get(variant, Encoder)(graph, checkpoint, arithmetic)
    if tokens:
        build_tokens(graph, encoder.build(lengths, None), checkpoint.layout.hidden, arithmetic.dtype)
        return graph
    head = Head(graph, checkpoint, modules, arithmetic.dtype)
    head.build(encoder.build(lengths, head.selection(lengths)))
    return graph


def _lengths(graph: Graph) -> str:
    """Int32 [batch] of true lengths, at least one: attention over no token at all may give NaN."""
    axis = graph.constant("lengths/axis", [1], np.int64)
    total = graph.node("ReduceSum", ["attention_mask", axis], "lengths/total", keepdims=0)
    one = graph.constant("lengths/least", 1, np.int64)
    least = graph.node("Max", [total, one], "lengths/at_least_one")
    return graph.node("Cast", [least], "lengths", to=TensorProto.INT32)


def _arithmetic(graph: Graph, checkpoint: Checkpoint, variant: str, lengths: str) -> Arithmetic:
    if variant == "packed":
        return Packed(graph, checkpoint, lengths)
    if variant == "trt":
        return StandardFloat(graph, checkpoint)
    return Float(graph, checkpoint, np.float16 if variant == "fp16" else np.float32)
