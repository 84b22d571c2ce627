"""The trt variant: standard operators only, checked in full on the CPU and by numpy in float16."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from small_models import export, make_config, random_samples, truth

from quadrate_export import layout as layouts
from quadrate_export import verify
from quadrate_export.errors import ExportError

LENGTHS = [1, 2, 3, 7, 16, 31, 60]
FILE = "model_trt.onnx"
POOLED = ["Transformer", "Pooling"]


def compare(directory, out, config, limit=2e-5):
    content, _ = export(directory, out, variants=("trt",))
    session, layout = verify.open_session(out / FILE), layouts.parse(config)
    samples = random_samples(config, LENGTHS)
    expected = truth(directory, samples)
    alone = np.concatenate([verify.run(session, layout, [sample]) for sample in samples])
    together = verify.run(session, layout, samples)
    assert alone.dtype == np.float32 and alone.shape == expected.shape
    np.testing.assert_allclose(alone, expected, atol=limit, rtol=0)
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)
    return content["variants"]["trt"]


@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("labels", [0, 1, 3])
def test_architectures_and_heads(make_model, tmp_path, model_type, labels):
    head = "ForSequenceClassification" if labels else "Model"
    config = make_config(model_type, head, labels)
    prefix = "" if not labels else "bert." if model_type == "bert" else "roberta."
    entry = compare(make_model(config=config, prefix=prefix), tmp_path / "out", config)
    assert entry["attention_nodes"] == 2 and entry["passed"] is False and "TensorRT" in entry["note"]
    assert entry["measured"]["max_abs"] <= 1e-4, "the file itself is as exact as fp32"


@pytest.mark.parametrize(
    "flag", ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken"]
)
def test_poolings(make_model, tmp_path, flag):
    config = make_config(type_vocab_size=1)
    directory = make_model(config=config, modules=POOLED, pooling={f"pooling_mode_{flag}": True})
    compare(directory, tmp_path / "out", config)


@pytest.mark.parametrize("activation", ["gelu_new", "relu"])
def test_activations(make_model, tmp_path, activation):
    config = make_config(hidden_act=activation)
    compare(make_model(config=config), tmp_path / "out", config)


@pytest.fixture
def written(make_model, tmp_path):
    config = make_config("xlm-roberta")
    export(make_model(config=config), tmp_path / "out", variants=("trt",))
    path = tmp_path / "out" / FILE
    return path, onnx.load(path), config


def test_every_operator_is_onnx_own(written):
    _, model, _ = written
    assert {node.domain for node in model.graph.node} == {""}
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 17)]
    outputs = {name for node in model.graph.node for name in node.output}
    read = {name for node in model.graph.node for name in node.input} | {model.graph.output[0].name}
    assert outputs <= read, "nothing is computed for nobody"


def test_shapes_are_fixed_but_for_batch_and_length(written):
    _, model, _ = written
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    shapes = {item.name: item.type.tensor_type.shape.dim for item in inferred.graph.value_info}
    named = {dim.dim_param for dims in shapes.values() for dim in dims if not dim.HasField("dim_value")}
    assert "batch" in named and "length" in named
    last = [dims[-1] for name, dims in shapes.items() if name.startswith("encoder") and "scores" not in name]
    widths = [dim for dim in last if dim.HasField("dim_value")]
    assert len(widths) > 40 and {dim.dim_value for dim in widths} >= {32, 48, 96, 8}


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
@pytest.mark.parametrize("pooling", ["mean_tokens", "max_tokens"])
def test_an_engine_in_float16_stays_finite_and_near(make_model, tmp_path, model_type, pooling):
    config = make_config(model_type)
    directory = make_model(config=config, modules=POOLED, pooling={f"pooling_mode_{pooling}": True})
    export(directory, tmp_path / "out", variants=("trt",))
    session = ReferenceEvaluator(halved(onnx.load(tmp_path / "out" / FILE)))
    samples, layout = random_samples(config, LENGTHS), layouts.parse(config)
    got = verify.run(session, layout, samples)
    assert got.dtype == np.float16 and np.isfinite(got).all()
    cosine = (verify.unit(got) * verify.unit(truth(directory, samples))).sum(axis=1)
    assert cosine.min() > 0.999


def halved(model):
    """The model with every float32 number in float16."""
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype(np.float16)
            assert np.isfinite(values).all(), tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for node in model.graph.node:
        if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT:
            node.attribute[0].i = TensorProto.FLOAT16
    for output in model.graph.output:
        output.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


def test_the_gate_refuses_fused_operators(written):
    path, model, config = written
    node = next(node for node in model.graph.node if node.op_type == "Erf")
    node.op_type, node.domain = "Gelu", "com.microsoft"
    onnx.save(model, path)
    with pytest.raises(ExportError, match="operators outside of ONNX: Gelu"):
        verify.check_standard(path, layouts.parse(config), pooled_by_product=True)


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        ("Softmax", "1 Softmax for 2"),
        ("LayerNormalization", "4 LayerNormalization for 5"),
        ("MatMul", "12 MatMul for 13"),
    ],
)
def test_the_gate_counts(written, operator, message):
    path, model, config = written
    assert verify.check_standard(path, layouts.parse(config), pooled_by_product=True) == 2
    node = next(node for node in model.graph.node if node.op_type == operator)
    node.op_type = "Identity"
    onnx.save(model, path)
    with pytest.raises(ExportError, match=f"has {message}$"):
        verify.check_standard(path, layouts.parse(config), pooled_by_product=True)
