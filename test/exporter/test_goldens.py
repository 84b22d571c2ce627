"""Exports against what transformers and sentence-transformers answered (testdata/golden)."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from small_models import TESTDATA, export

from quadrate_export import layout as layouts
from quadrate_export import verify
from quadrate_export.samples import Sample, load_tokenizer

MINILM = Path(__file__).resolve().parents[2] / "var/src/all-MiniLM-L6-v2"
SOURCES = {"minilm": MINILM} | {
    name: TESTDATA / "models" / name
    for name in ("bert-mean", "bert-cls", "bert-classify", "xlmr-rerank", "xlmr-labels")
}


def load(name):
    return json.loads((TESTDATA / "golden" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(params=SOURCES)
def name(request):
    if not SOURCES[request.param].is_dir():
        pytest.skip(f"{SOURCES[request.param].name} is not set up")
    return request.param


@pytest.mark.parametrize(("variant", "limit"), [("fp32", 1e-5), ("trt", 1e-5), ("int8", None)])
def test_goldens(name, tmp_path, variant, limit):
    golden = load(name)
    content, _ = export(SOURCES[name], tmp_path / "out", variants=(variant,))
    layout = layouts.parse(layouts.read_json(SOURCES[name] / "config.json"))
    session = verify.open_session(tmp_path / "out" / content["variants"][variant]["file"])
    samples = [
        Sample(item["text"], None, item["ids"], item.get("type_ids", [0] * len(item["ids"])))
        for item in golden["items"]
    ]
    alone = np.concatenate([verify.run(session, layout, [sample]) for sample in samples])
    together = in_batches(session, layout, samples)
    expected = np.stack([answer(item) for item in golden["items"]])
    if content["normalize"]:
        alone, together = verify.unit(alone), verify.unit(together)
    difference = max(np.abs(alone - expected).max(), np.abs(together - expected).max())
    print(f"\n{name} {variant}: {len(samples)} goldens, largest difference {difference:.1e}")
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)
    if limit is not None:
        assert difference <= (limit if layout.task == "embed" else 1e-4)
    elif layout.task == "embed":
        cosine = (verify.unit(alone) * verify.unit(expected)).sum(axis=1)
        print(f"cosine: smallest {cosine.min():.4f}, mean {cosine.mean():.4f}")
        assert cosine.min() > (0.995 if name == "minilm" else 0.99)
    else:
        assert difference < 0.1 * np.ptp(expected)


def in_batches(session, layout, samples, size=15):
    """Rows of padded batches of companions near in length, in the order of samples."""
    order = sorted(range(len(samples)), key=lambda index: len(samples[index].ids))
    rows = [None] * len(samples)
    for start in range(0, len(order), size):
        part = order[start : start + size]
        for index, row in zip(part, verify.run(session, layout, [samples[i] for i in part]), strict=True):
            rows[index] = row
    return np.stack(rows)


def answer(item):
    if "vector" in item:
        return np.frombuffer(base64.b64decode(item["vector"]), dtype="<f4")
    return np.array(item["logits"], dtype=np.float32)


def test_ids_are_those_of_the_tokenizer_file(name):
    golden = load(name)
    tokenizer = load_tokenizer(SOURCES[name] / "tokenizer.json")
    tokenizer.enable_truncation(golden["max_length"])
    config = SOURCES[name] / "config_sentence_transformers.json"
    prompts = json.loads(config.read_text()).get("prompts", {}) if config.is_file() else {}
    for item in golden["items"]:
        text = prompts.get(item.get("prompt"), "") + item["text"]
        assert tokenizer.encode(text, item.get("pair")).ids == item["ids"], item["name"]


def test_minilm_goldens_cover_the_limit():
    golden = load("minilm")
    lengths = {item["name"]: len(item["ids"]) for item in golden["items"]}
    assert len(lengths) >= 64 and golden["dimensions"] == 384
    assert [lengths[f"tokens_{count}"] for count in (254, 255, 256, 257, 300)] == [254, 255, 256, 256, 256]
    assert golden["reference_batch_difference"] < 1e-6


def test_rerank_goldens_cover_truncation():
    golden = load("xlmr-rerank")
    lengths = [len(item["ids"]) for item in golden["items"]]
    assert max(lengths) == golden["max_length"] == 128 and lengths.count(128) >= 10
    assert min(lengths) == 4, "an empty document is still a pair"
    for item in golden["items"]:
        np.testing.assert_allclose(item["logits"], item["logits_batched"], atol=2e-5)


@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_order_of_documents(tmp_path, variant):
    if not MINILM.is_dir():
        pytest.skip("all-MiniLM-L6-v2 is not set up")
    content, _ = export(MINILM, tmp_path / "out", variants=(variant,))
    layout = layouts.parse(layouts.read_json(MINILM / "config.json"))
    session = verify.open_session(tmp_path / "out" / content["variants"][variant]["file"])
    tokenizer = load_tokenizer(MINILM / "tokenizer.json")
    for entry in load("minilm_rerank")["sets"]:
        encodings = tokenizer.encode_batch([entry["query"], *entry["documents"]])
        samples = [Sample("", None, item.ids, item.type_ids) for item in encodings]
        vectors = verify.unit(verify.run(session, layout, samples))
        scores = vectors[1:] @ vectors[0]
        order = np.argsort(-scores, kind="stable").tolist()
        if variant == "int8":
            assert order[:3] == entry["order"][:3]
        else:
            np.testing.assert_allclose(scores, entry["scores"], atol=1e-5, rtol=0)
            assert order == entry["order"]
