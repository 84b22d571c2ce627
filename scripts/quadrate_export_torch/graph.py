"""Traces a network into an ONNX file and writes it as the graph builder writes its own."""

import logging
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import torch
from onnx import TensorProto, numpy_helper
from onnx.external_data_helper import load_external_data_for_model
from onnx.helper import make_opsetid, make_tensor_value_info

from quadrate_export.graph import ALIGNMENT, CONTRIB, OPSET, SMALL, refer, side_file

from .networks import Network

_ROWS, _LENGTH = 2, 11  # of the trace; neither appears in the graph


def write(network: Network, path: Path, inputs: list[str], dimensions: int, inline_limit: int) -> list[Path]:
    """Writes the network to path; returns the files written, the graph's own first."""
    with TemporaryDirectory(prefix=".trace-", dir=path.parent) as folder:
        traced = Path(folder) / "model.onnx"
        _trace(network, traced, inputs)
        model = onnx.load(traced, load_external_data=False)
        load_external_data_for_model(model, folder)
    _declare(model, network.output, inputs, dimensions)
    return _store(model, path, inline_limit)


def optimise(path: Path, heads: int, hidden: int, inline_limit: int) -> int:
    """Lets ONNX Runtime's offline optimiser look for attention; returns how many it fused.

    The file is replaced only when it found some. This is for models that compute
    their attention themselves; what it knows are patterns, BERT's above all.
    """
    from onnxruntime.transformers import optimizer

    logging.getLogger("onnxruntime").setLevel(logging.ERROR)
    optimised = optimizer.optimize_model(
        str(path), model_type="bert", num_heads=heads, hidden_size=hidden, opt_level=0
    )
    count = sum(node.op_type in ("Attention", "MultiHeadAttention") for node in optimised.model.graph.node)
    if count:
        _clean(optimised.model)
        if CONTRIB not in {item.domain for item in optimised.model.opset_import}:
            optimised.model.opset_import.append(make_opsetid(CONTRIB, 1))
        _store(optimised.model, path, inline_limit)
    return count


def _trace(network: Network, path: Path, inputs: list[str]) -> None:
    feeds = {
        "input_ids": torch.ones(_ROWS, _LENGTH, dtype=torch.int64),
        "attention_mask": torch.ones(_ROWS, _LENGTH, dtype=torch.int64),
        "token_type_ids": torch.zeros(_ROWS, _LENGTH, dtype=torch.int64),
    }
    feeds["attention_mask"][0, _LENGTH // 2 :] = 0
    axes = {name: {0: "batch", 1: "length"} for name in inputs} | {network.output: {0: "batch"}}
    with warnings.catch_warnings(), torch.inference_mode():
        # The exporter warns of every Python number in the model; the checks with other shapes
        # than the trace's are what tells whether one of them matters.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            tuple(feeds[name] for name in inputs),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=[network.output],
            dynamic_axes=axes,
            custom_opsets={CONTRIB: 1},
        )


def _declare(model: onnx.ModelProto, output: str, inputs: list[str], dimensions: int) -> None:
    """States all inputs, also those that a trace has no use for, and the output's width."""
    del model.graph.input[:]
    for name in inputs:
        model.graph.input.append(make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]))
    shape = model.graph.output[0].type.tensor_type.shape
    del shape.dim[:]
    shape.dim.add(dim_param="batch")
    shape.dim.add(dim_value=dimensions)
    _clean(model)


def _clean(model: onnx.ModelProto) -> None:
    """Removes what says how and where the file was made, and nothing of what it computes."""
    del model.metadata_props[:]
    del model.graph.value_info[:]
    model.producer_name, model.producer_version, model.doc_string = "quadrate_export_torch", "", ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]


def _store(model: onnx.ModelProto, path: Path, inline_limit: int) -> list[Path]:
    tensors = model.graph.initializer
    for tensor in tensors:
        if not tensor.HasField("raw_data"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    if sum(len(tensor.raw_data) for tensor in tensors) <= inline_limit:
        path.write_bytes(model.SerializeToString())
        return [path]
    side = side_file(path)
    with side.open("wb") as file:
        for tensor in tensors:
            if len(tensor.raw_data) >= SMALL:
                file.seek(-file.tell() % ALIGNMENT, 1)
                refer(tensor, side.name, file.tell(), len(tensor.raw_data))
                file.write(tensor.raw_data)
                tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    return [path, side]
