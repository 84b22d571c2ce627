"""Generative rerankers: the layout of a pair and the score."""

import json

import numpy as np
import onnx
import pytest
import torch
from exported import export, run
from quadrate_export.errors import ExportError
from quadrate_export_torch import prompt
from tiny_transformers import QWEN3, bert_tokenizer, qwen_tokenizer
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM

PAIRS = [
    ("What is the capital of France?", "Paris is the capital of France."),
    ("?!", "..."),
    ("two\n\nlines\n", "\n indented\n"),
    ("", ""),
]


@pytest.fixture(scope="module")
def tokenizer():
    return qwen_tokenizer(end=False)


def make_reranker(make, tokenizer, **options):
    return make("qwen3", QWEN3, head="ForCausalLM", pooling=None, tokenizer=tokenizer, **options)


def test_scores_are_the_share_of_yes(make, tokenizer):
    directory = make_reranker(make, tokenizer)
    folder, manifest, _ = export(directory, task="rerank")
    assert (manifest["task"], manifest["dimensions"], manifest["activation"]) == ("rerank", 1, "sigmoid")
    rows = [prompt.qwen3(tokenizer).encode(tokenizer, *pair) for pair in PAIRS]
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    answers = torch.tensor([tokenizer.token_to_id("no"), tokenizer.token_to_id("yes")])
    with torch.inference_mode():
        want = [
            model(input_ids=torch.tensor([row])).logits[0, -1, answers].softmax(0)[1].item() for row in rows
        ]
    got = 1 / (1 + np.exp(-run(folder, rows)[:, 0]))
    assert np.abs(got - want).max() <= 1e-5
    assert np.ptp(got) > 0.01
    # Of the output layer, [vocabulary, hidden], only a difference of two rows is in the graph.
    sizes = [tuple(tensor.dims) for tensor in onnx.load(folder / "model.onnx").graph.initializer]
    assert (32, 1) in sizes and (tokenizer.get_vocab_size(), 32) in sizes
    assert sizes.count((32, tokenizer.get_vocab_size())) == 0


def test_two_halves_have_the_ids_of_the_joint_text(tokenizer):
    laid_out = prompt.qwen3(tokenizer, "Find it")
    for query, document in PAIRS:
        joint = f"<Instruct>: Find it\n<Query>: {query}\n<Document>: {document}"
        middle = tokenizer.encode(joint, add_special_tokens=False).ids
        assert laid_out.encode(tokenizer, query, document) == [*laid_out.prefix, *middle, *laid_out.suffix]
    assert laid_out.prefix[0] == tokenizer.token_to_id("<|im_start|>")
    assert tokenizer.decode(laid_out.suffix, skip_special_tokens=False).endswith("<think>\n\n</think>\n\n")


def test_manifest_has_the_prompt_and_the_instruction(make, tokenizer):
    _, manifest, _ = export(make_reranker(make, tokenizer), task="rerank", instruction="Find the answer")
    assert manifest["pair_prompt"]["query_prefix"] == "<Instruct>: Find the answer\n<Query>: "
    assert manifest["pair_prompt"]["document_prefix"] == "<Document>: "
    first = manifest["pair_prompt"]["prefix"]
    assert all(item["ids"][: len(first)] == first for item in manifest["reference"])


def test_a_name_says_what_a_language_model_is_for(make, tokenizer):
    directory = make_reranker(make, tokenizer, name="Tiny-Reranker")
    assert export(directory)[1]["task"] == "rerank"


def test_a_language_model_needs_a_purpose(make, tokenizer):
    directory = make_reranker(make, tokenizer)
    with pytest.raises(ExportError, match="--task embed .*--task rerank"):
        export(directory)
    _, manifest, _ = export(directory, task="embed", pooling="last")
    assert (manifest["task"], manifest["pooling"]) == ("embed", "last")


def test_logit_score_names_the_answers(make, tokenizer):
    directory = make_reranker(make, tokenizer)
    modules = [("", "Transformer"), ("1_LogitScore", "LogitScore")]
    listed = [{"idx": i, "name": str(i), "path": p, "type": f"st.{n}"} for i, (p, n) in enumerate(modules)]
    (directory / "modules.json").write_text(json.dumps(listed))
    (directory / "1_LogitScore").mkdir()
    config = directory / "1_LogitScore" / "config.json"
    config.write_text(json.dumps({"true_token_id": 30, "false_token_id": 31}))
    folder, manifest, _ = export(directory)
    assert manifest["task"] == "rerank"
    row = manifest["reference"][0]["ids"]
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([row])).logits[0, -1]
    assert abs(float(logits[30] - logits[31]) - run(folder, [row])[0, 0]) <= 1e-4
    config.write_text(json.dumps({"true_token_id": 30, "false_token_id": None}))
    with pytest.raises(ExportError, match="scores by one token"):
        export(directory, force=True)


TEMPLATE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n<Instruct>: '
    "Given a web search query, retrieve relevant passages that answer the query\n"
    '<Query>: {{ messages | selectattr("role", "eq", "query") | map(attribute="content") | first }}\n'
    '<Document>: {{ messages | selectattr("role", "eq", "document") | map(attribute="content") | first }}'
    '<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n{{ "" }}'
)


def test_a_chat_template_must_say_the_same(make, tokenizer):
    directory = make_reranker(make, tokenizer)
    (directory / "chat_template.jinja").write_text(TEMPLATE)
    assert export(directory, task="rerank")[1]["task"] == "rerank"
    (directory / "chat_template.jinja").write_text(TEMPLATE.replace("<Document>:", "The <Document>:"))
    with pytest.raises(ExportError, match="in another way"):
        export(directory, task="rerank", force=True)


def test_a_tokenizer_of_another_kind_is_refused(make):
    with pytest.raises(ExportError, match="no tokenizer of a Qwen3-Reranker"):
        prompt.qwen3(bert_tokenizer())
    other = bert_tokenizer()
    other.add_special_tokens([AddedToken(name, special=True) for name in ("<|im_start|>", "<|im_end|>")])
    with pytest.raises(ExportError, match="in two halves"):
        prompt.qwen3(other)  # puts [CLS] and [SEP] around the joint text


def test_pairs_have_the_makers_length_unless_told_otherwise(make, tokenizer):
    directory = make_reranker(make, tokenizer, max_position_embeddings=9000)
    assert export(directory, task="rerank")[1]["max_length"] == 8192
    assert export(directory, task="rerank", max_length=8500, force=True)[1]["max_length"] == 8500
