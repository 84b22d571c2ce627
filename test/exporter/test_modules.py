"""sentence-transformers' modules, lengths, prompts and score activations."""

import pytest
from small_models import export, make_config, write_json

from quadrate_export.errors import ExportError

POOLED = ["Transformer", "Pooling"]
MEAN = {"pooling_mode_mean_tokens": True}
SBERT, ST = "sentence_bert_config.json", "config_sentence_transformers.json"


def test_without_modules_mean_pooling_is_assumed_with_a_warning(make_model, tmp_path):
    content, lines = export(make_model(), tmp_path / "out")
    assert content["pooling"] == "mean" and content["normalize"] is False
    assert any("warning" in line and "mean pooling" in line for line in lines)


def test_pooling_can_be_named_for_bare_models_only(make_model, tmp_path):
    content, lines = export(make_model("bare"), tmp_path / "out", pooling="cls")
    assert content["pooling"] == "cls" and not any("warning" in line for line in lines)
    with pytest.raises(ExportError, match="--pooling"):
        export(make_model("listed", modules=POOLED, pooling=MEAN), tmp_path / "other", pooling="cls")


def test_the_newer_spelling_of_pooling(make_model, tmp_path):
    directory = make_model(modules=POOLED, pooling={"embedding_dimension": 32, "pooling_mode": "lasttoken"})
    content, _ = export(directory, tmp_path / "out")
    assert content["pooling"] == "last" and content["modules"] == ["last"]


@pytest.mark.parametrize(
    ("modules", "pooling", "word"),
    [
        (["Transformer", "Pooling", "LayerNorm"], MEAN, "LayerNorm"),
        (["Transformer", "Pooling", "Normalize", "Dense"], MEAN, "Normalize, Dense"),
        (["Transformer"], MEAN, "Transformer"),
        (["StaticEmbedding", "Normalize"], MEAN, "StaticEmbedding"),
        (POOLED, {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, "several"),
        (POOLED, {"pooling_mode": ["mean", "max"]}, "several"),
        (POOLED, {"pooling_mode_weightedmean_tokens": True}, "weightedmean"),
    ],
)
def test_modules_that_are_refused(make_model, tmp_path, modules, pooling, word):
    directory = make_model(modules=modules, pooling=pooling)
    with pytest.raises(ExportError, match=word):
        export(directory, tmp_path / "out")


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        ({"in_features": 16, "out_features": 8}, "takes 16 numbers but is given 32"),
        ({"in_features": 32, "out_features": 8, "activation": "torch.nn.modules.activation.ReLU"}, "ReLU"),
        ({"in_features": 32, "out_features": 8, "use_residual": True}, "residual"),
        ({"in_features": 32, "out_features": 8, "module_input_name": "token_embeddings"}, "token_embeddings"),
    ],
)
def test_dense_layers_that_are_refused(make_model, tmp_path, layer, word):
    directory = make_model(modules=[*POOLED, "Dense"], pooling=MEAN, dense=[dict(layer)])
    with pytest.raises(ExportError, match=word):
        export(directory, tmp_path / "out")


def test_prompts(make_model, tmp_path):
    config = {"prompts": {"query": "query: ", "document": "", "title": "t: "}, "default_prompt_name": "query"}
    directory = make_model(modules=POOLED, pooling=MEAN, files={ST: config})
    content, _ = export(directory, tmp_path / "out")
    assert content["prompts"] == {"query": "query: ", "title": "t: "}
    assert content["default_prompt"] == "query"


def test_a_default_prompt_that_is_empty_is_none(make_model, tmp_path):
    config = {"prompts": {"document": ""}, "default_prompt_name": "document"}
    content, _ = export(make_model(modules=POOLED, pooling=MEAN, files={ST: config}), tmp_path / "out")
    assert content["prompts"] == {} and content["default_prompt"] == ""


def test_pooling_without_the_prompt_is_refused_where_there_are_prompts(make_model, tmp_path):
    pooling = MEAN | {"include_prompt": False}
    export(make_model("a", modules=POOLED, pooling=pooling), tmp_path / "a-out")
    directory = make_model("b", modules=POOLED, pooling=pooling, files={ST: {"prompts": {"q": "q: "}}})
    with pytest.raises(ExportError, match="include_prompt"):
        export(directory, tmp_path / "b-out")


@pytest.mark.parametrize(
    ("sbert", "tokenizer", "expected"),
    [
        ({"max_seq_length": 50}, {"model_max_length": 70}, 50),
        ({"max_seq_length": 70}, {"model_max_length": 50}, 70),
        ({"max_seq_length": 512}, None, 80),
        ({"max_seq_length": None}, {"model_max_length": 64}, 64),
        (None, {"model_max_length": 64}, 64),
        (None, {"model_max_length": int(1e30)}, 80),
        (None, {"model_max_length": 1e30}, 80),
        (None, None, 80),
    ],
)
def test_max_length(make_model, tmp_path, sbert, tokenizer, expected):
    files = {SBERT: sbert, "tokenizer_config.json": tokenizer}
    directory = make_model(files={name: value for name, value in files.items() if value is not None})
    content, _ = export(directory, tmp_path / "out")
    assert content["max_length"] == expected
    assert all(len(entry["ids"]) <= expected for entry in content["reference"])


def test_max_length_by_hand(make_model, tmp_path):
    directory = make_model(config=make_config("xlm-roberta"))
    content, _ = export(directory, tmp_path / "out", max_length=20)
    assert content["max_length"] == 20
    assert all(len(entry["ids"]) <= 20 for entry in content["reference"])
    for wrong in (79, 3, 0, -1):
        with pytest.raises(ExportError, match=f"{wrong} is not between 4 and 78"):
            export(directory, tmp_path / "out", max_length=wrong)


@pytest.mark.parametrize(
    ("labels", "config", "outer", "expected"),
    [
        (1, {}, {}, "sigmoid"),
        (3, {}, {}, "softmax"),
        (3, {"problem_type": "multi_label_classification"}, {}, "sigmoid"),
        (1, {"problem_type": "regression"}, {}, "none"),
        (1, {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, {}, "none"),
        (1, {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, {}, "none"),
        (1, {}, {"activation_fn": "torch.nn.modules.activation.Sigmoid"}, "sigmoid"),
    ],
)
def test_score_activation(make_model, tmp_path, labels, config, outer, expected):
    config = make_config(head="ForSequenceClassification", labels=labels, **config)
    content, _ = export(make_model(config=config, files={ST: outer}), tmp_path / "out")
    assert content["activation"] == expected
    assert content["labels"] == [f"label {index}" for index in range(labels)]
    assert content["problem_type"] == config.get("problem_type", "")


def test_an_unknown_score_activation_is_refused(make_model, tmp_path):
    named = {"activation_fn": "torch.nn.modules.activation.Softplus"}
    config = make_config(head="ForSequenceClassification", labels=1, sentence_transformers=named)
    with pytest.raises(ExportError, match="Softplus"):
        export(make_model(config=config), tmp_path / "out")


def test_a_cross_encoder_may_list_its_transformer(make_model, tmp_path):
    config = make_config(head="ForSequenceClassification", labels=1)
    content, _ = export(make_model("a", config=config, modules=["Transformer"]), tmp_path / "out")
    assert content["task"] == "rerank" and content["modules"] == [] and content["pooling"] == "none"
    with pytest.raises(ExportError, match="Dense"):
        export(make_model("b", config=config, modules=["Transformer", "Dense"]), tmp_path / "b-out")


def test_lower_casing_outside_the_tokenizer_is_refused(make_model, tmp_path):
    lower = {SBERT: {"do_lower_case": True}}
    export(make_model("bert", files=lower), tmp_path / "bert-out")
    directory = make_model("xlmr", config=make_config("xlm-roberta"), files=lower)
    with pytest.raises(ExportError, match="do_lower_case"):
        export(directory, tmp_path / "xlmr-out")


def test_broken_module_lists_are_named(make_model, tmp_path):
    directory = make_model(modules=POOLED, pooling=MEAN)
    write_json(directory / "modules.json", {"type": "Transformer"})
    with pytest.raises(ExportError, match=r"modules\.json"):
        export(directory, tmp_path / "out")
