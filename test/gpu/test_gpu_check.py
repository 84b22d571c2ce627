"""The parts of the GPU check that need no GPU: shapes, tokenizers, comparison, wrong usage."""

import json
import pathlib

import numpy as np
import pytest
from gpu_check import check, cli, engine, parity, report, server, shapes
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
BERT = ROOT / "var/src/all-MiniLM-L6-v2/tokenizer.json"


def test_shapes_have_the_sizes_of_the_real_models():
    # Weights of embeddings, layers and head as the models' pages give them: 568 M, 568 M, 22.7 M.
    for name, millions in (("bge-reranker-v2-m3", 568), ("bge-m3", 568), ("minilm", 22.7)):
        c = shapes.SHAPES[name].config
        d, ffn = c["hidden_size"], c["intermediate_size"]
        embeddings = d * (c["vocab_size"] + c["max_position_embeddings"] + c["type_vocab_size"] + 2)
        layer = 4 * (d * d + d) + 2 * d * ffn + ffn + d + 4 * d
        total = embeddings + c["num_hidden_layers"] * layer
        assert abs(total / 1e6 - millions) < 0.01 * millions, name


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_a_word_is_a_token(name, tmp_path):
    shape = shapes.SHAPES[name]
    shapes.write_source(shape, BERT, tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    words = "the market needs a good answer"
    pair = tokenizer.encode(words, words)
    assert len(tokenizer.encode(words).ids) == 8
    assert len(pair.ids) == (16 if shape.config["model_type"] == "xlm-roberta" else 15)
    if shape.config["model_type"] == "xlm-roberta":
        assert pair.ids[0] == 0 and pair.ids[7:9] == [2, 2] and pair.ids[-1] == 2
        assert max(tokenizer.encode("zebra ⊗ 서울").ids) < shape.config["vocab_size"]


def test_small_models_keep_their_kind():
    for shape in shapes.SHAPES.values():
        tiny = shapes.small(shape)
        assert tiny.config["model_type"] == shape.config["model_type"] and tiny.rerank == shape.rerank
        assert tiny.config["hidden_size"] % tiny.config["num_attention_heads"] == 0


def test_logits_that_are_off_or_swapped_do_not_pass():
    want = np.array([1.0, 2.0, 3.0])
    assert parity.compare(want + 0.01, want, "fp16").passed
    assert not parity.compare(want + 0.03, want, "fp16").passed
    swapped = parity.compare(np.array([1.0, 3.0, 2.0]), want, "fp16")
    assert not swapped.passed and swapped.swapped == 1
    # Two scores closer than the tolerance may change places.
    close = np.array([1.0, 1.005, 3.0])
    assert parity.compare(np.array([1.006, 1.0, 3.0]), close, "fp16").passed


def test_vectors_are_judged_by_their_cosine():
    want = np.eye(3)
    assert parity.compare(want, want, "fp16").passed
    turned = want.copy()
    turned[2] = [0.1, 0, np.sqrt(0.99)]
    found = parity.compare(turned, want, "fp16")
    assert not found.passed and found.cosine == pytest.approx(np.sqrt(0.99))


def test_inputs_are_of_all_lengths_and_distinct():
    texts = parity.inputs(64, 400)
    lengths = [len(text.split()) for text in texts]
    assert len(set(texts)) == 64 and min(lengths) <= 3 and max(lengths) >= 380


def test_report_is_written_as_it_grows(tmp_path):
    out = tmp_path / "report.md"
    made = report.Report(out, "Title")
    made.section("One")
    made.table(["a", "b"], [[1234.5, None], [0.012345, "x"]])
    assert out.read_text().splitlines() == ["# Title", "", "## One", "", "| a | b |", "|---|---|", "| 1,234 | – |", "| 0.0123 | x |"]


def spread(value):
    return {"median": value, "min": value, "max": value}


def test_figures_that_a_system_has_not_are_dashes(tmp_path):
    # As quadrate-enginebench writes them: with several callers ONNX Runtime alone runs a round at
    # once and has no latencies, and without a peak there is no MFU.
    rates = {"tokens_per_second": spread(2000.0), "items_per_second": spread(10.0)}
    found = {"provider": "cuda", "start_up_seconds": 1.0, "workloads": [{
        "workload": "W3", "concurrency": 64, "ratios": [{"figure": "throughput", "over": "alone", "ratio": spread(0.97)}],
        "systems": [{"system": "engine", **rates, "p50_ms": spread(3.0), "p99_ms": spread(5.0), "padding_efficiency": 0.95, "mfu": spread(0.4)},
                    {"system": "alone", **rates}]}]}
    out = tmp_path / "report.md"
    engine.tell(report.Report(out, "Title"), "fp16", found)
    assert "| W3 | 64 | engine | 2,000 | 10 | 3 | 5 | 0.95 | 0.4 |" in out.read_text()
    assert "| W3 | 64 | alone | 2,000 | 10 | – | – | – | – |" in out.read_text()


def test_whatever_goes_wrong_the_others_are_checked(tmp_path, monkeypatch):
    options = check.Options("cpu", ["fp32"], list(shapes.SHAPES.values()), 1, 4, tmp_path, BERT, tmp_path)
    program = tmp_path / "quadrate"
    program.write_text("#!/bin/sh\necho quadrate 1\n")
    program.chmod(0o755)
    made = check.Check(options, server.Tools(program, program, program, program), report.Report(tmp_path / "report.md", "Title"))
    monkeypatch.setattr(check.Check, "_export", lambda *_: {}["p50_ms"])
    made.run()
    assert made.failures == [f"{name}: KeyError: 'p50_ms'" for name in shapes.SHAPES]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--models", "gpt"], "there are bge-reranker-v2-m3, bge-m3, minilm"),
    (["--variants", "fp8", "--provider", "cpu"], "there are fp32, fp16, packed, trt"),
    (["--bin", "/nowhere"], "there is no /nowhere/quadrate"),
])
def test_wrong_usage_says_what_is_right(arguments, message, capsys, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("quadrate", "quadrate-bench", "quadrate-enginebench", "libonnxruntime.so"):
        (tools / name).write_text("")
    with pytest.raises(SystemExit) as stop:
        cli.main(["--bin", str(tools), "--library", str(tools / "libonnxruntime.so"), "--work", str(tmp_path / "work"), *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_configurations_are_json(tmp_path):
    shapes.write_source(shapes.SHAPES["bge-m3"], BERT, tmp_path)
    assert json.loads((tmp_path / "1_Pooling/config.json").read_text())["pooling_mode_cls_token"]
