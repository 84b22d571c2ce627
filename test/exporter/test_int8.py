"""The parts of int8: calibration, rounding, and that an export repeats itself."""

import numpy as np
import pytest
from small_models import TESTDATA, export, make_config

from quadrate_export import calibration, verify
from quadrate_export import layout as layouts
from quadrate_export.recipe import Scheme, rounded
from quadrate_export.rounding import Rounder, scales
from quadrate_export.samples import Sample

BERT = TESTDATA / "models/bert-mean"
XLMR = TESTDATA / "models/xlmr-rerank"


@pytest.mark.parametrize("directory", [BERT, XLMR])
def test_calibration_is_framed_and_bounded(directory):
    layout = layouts.parse(layouts.read_json(directory / "config.json"))
    sequences = calibration.make(layout, directory / "tokenizer.json", 40)
    frame = next(ids for ids, _ in sequences if len(ids) == 2)
    for ids, types in sequences:
        assert (ids[0], ids[-1]) == tuple(frame) and len(ids) == len(types) <= 40
        assert 0 <= min(ids) and max(ids) < layout.vocabulary
    assert {len(ids) for ids, _ in sequences} >= {2, 3, 40}
    assert any(any(types) for _, types in sequences) == layout.has_types
    assert sequences == calibration.make(layout, directory / "tokenizer.json", 40)


def test_calibration_without_a_tokenizer():
    layout = layouts.parse(make_config())
    sequences = calibration.make(layout, None, 60)
    assert sequences and all(0 < len(ids) <= 60 and max(ids) < layout.vocabulary for ids, _ in sequences)


def test_rounding_for_inputs_beats_rounding_entries():
    rng = np.random.default_rng(0)
    inputs = (rng.standard_normal((600, 40)) @ rng.standard_normal((40, 200))).astype(np.float32)
    inputs[:, 3] *= 30
    weight = rng.standard_normal((200, 24)).astype(np.float32)
    columns, scale = Rounder(inputs).round(weight, 127), scales(weight, 127)
    plain = np.rint(weight / scale) * scale
    np.testing.assert_array_equal(columns.scale, scale)
    assert np.abs(columns.values.astype(int)).max() <= 127

    def loss(other):
        return np.square(inputs @ (other - weight)).mean()

    assert loss(columns.values * columns.scale) < 0.3 * loss(plain)


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric", "floor", "fixed"])
def test_rows_are_rounded_to_half_a_step(kind):
    rows = np.random.default_rng(0).standard_normal((50, 64)).astype(np.float32)
    rows = np.maximum(rows, -0.17) if kind == "floor" else rows
    got = rounded(rows, Scheme(kind))
    reach = np.abs(rows).max() if kind == "fixed" else np.abs(rows).max(axis=1, keepdims=True)
    assert (np.abs(got - rows) <= 1.2 * reach / 127).all() and np.abs(got - rows).max() > 0


def test_rows_of_zeros_stay_zero():
    for kind in ("symmetric", "asymmetric", "floor"):
        assert not rounded(np.zeros((2, 8), np.float32), Scheme(kind)).any()


def test_the_same_model_gives_the_same_bytes(make_model, tmp_path):
    directory = make_model()
    for name in ("first", "second"):
        export(directory, tmp_path / name, variants=("int8",))
    first, second = ((tmp_path / name / "model_int8.onnx").read_bytes() for name in ("first", "second"))
    assert first == second


@pytest.mark.parametrize("directory", [BERT, XLMR])
def test_an_answer_is_its_own_in_any_company(directory, tmp_path):
    content, _ = export(directory, tmp_path / "out", variants=("int8",))
    layout = layouts.parse(layouts.read_json(directory / "config.json"))
    session = verify.open_session(tmp_path / "out" / content["variants"]["int8"]["file"])
    rng = np.random.default_rng(3)
    samples = []
    for length in (1, 2, 5, 17, 60):
        ids = rng.integers(2, layout.vocabulary, length).tolist()
        samples.append(Sample("", None, ids, [0] * length))
    alone = np.concatenate([verify.run(session, layout, [sample]) for sample in samples])
    for order in ([0, 4], [4, 3, 2, 1, 0], [1, 1, 1], [2, 0, 3]):
        together = verify.run(session, layout, [samples[index] for index in order])
        np.testing.assert_allclose(together, alone[order], atol=1e-5, rtol=0)
