"""The models: exact shapes of three real ones, with random weights and a small real tokenizer."""

import json
from dataclasses import dataclass
from pathlib import Path

# As in the config.json of BAAI/bge-reranker-v2-m3 and BAAI/bge-m3: XLM-RoBERTa large with 8192
# positions; and of sentence-transformers/all-MiniLM-L6-v2.
_XLMR_LARGE = {
    "model_type": "xlm-roberta", "vocab_size": 250002, "hidden_size": 1024, "num_hidden_layers": 24,
    "num_attention_heads": 16, "intermediate_size": 4096, "max_position_embeddings": 8194, "type_vocab_size": 1,
    "layer_norm_eps": 1e-05, "hidden_act": "gelu", "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
}
_MINILM = {
    "model_type": "bert", "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6,
    "num_attention_heads": 12, "intermediate_size": 1536, "max_position_embeddings": 512, "type_vocab_size": 2,
    "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 0, "architectures": ["BertModel"],
}
_CLASSIFIER = {"architectures": ["XLMRobertaForSequenceClassification"], "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}


@dataclass(frozen=True)
class Shape:
    name: str
    config: dict
    rerank: bool
    pooling: str  # of an embedding model: cls or mean
    max_length: int


SHAPES = {
    "bge-reranker-v2-m3": Shape("bge-reranker-v2-m3", _XLMR_LARGE | _CLASSIFIER, True, "", 8192),
    "bge-m3": Shape("bge-m3", _XLMR_LARGE | {"architectures": ["XLMRobertaModel"]}, False, "cls", 8192),
    "minilm": Shape("minilm", _MINILM, False, "mean", 256),
}


def small(shape: Shape) -> Shape:
    """The same kind of model, small enough to try the whole check on a CPU in a minute."""
    heads = shape.config["num_attention_heads"]
    reduced = {"hidden_size": 8 * heads, "intermediate_size": 32 * heads, "num_hidden_layers": 2}
    return Shape(shape.name, shape.config | reduced, shape.rerank, shape.pooling, min(shape.max_length, 512))


def write_source(shape: Shape, tokenizer: Path, folder: Path) -> None:
    """Writes config.json, tokenizer.json and sentence-transformers' files of a model without weights.

    tokenizer is a BERT tokenizer.json, whose words the workloads are made of; XLM-RoBERTa models
    get the same words under XLM-RoBERTa's special tokens and template.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = json.loads(tokenizer.read_text(encoding="utf-8"))
    if shape.config["model_type"] == "xlm-roberta":
        words = _as_xlmr(words)
    files = {"config.json": shape.config, "tokenizer.json": words, "tokenizer_config.json": {"model_max_length": shape.max_length}}
    if not shape.rerank:
        files["modules.json"] = [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ]
        files["sentence_bert_config.json"] = {"max_seq_length": shape.max_length}
        files["1_Pooling/config.json"] = {
            "word_embedding_dimension": shape.config["hidden_size"],
            "pooling_mode_cls_token": shape.pooling == "cls",
            "pooling_mode_mean_tokens": shape.pooling == "mean",
        }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _as_xlmr(bert: dict) -> dict:
    """A BERT tokenizer with XLM-RoBERTa's special tokens, ids of these and template."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    old = sorted(bert["model"]["vocab"].items(), key=lambda item: item[1])
    kept = [token for token, _ in old if not (token.startswith("[") and token.endswith("]") and len(token) > 2)]
    vocabulary = {token: i for i, token in enumerate(special + kept)}
    begin, end = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("<s>", "</s>"))
    first, second = ({"Sequence": {"id": part, "type_id": 0}} for part in "AB")
    return bert | {
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
            for i, token in enumerate(special)
        ],
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [begin, first, end],
            "pair": [begin, first, end, end, second, end],
            "special_tokens": {
                token: {"id": token, "ids": [vocabulary[token]], "tokens": [token]} for token in ("<s>", "</s>")
            },
        },
        "model": bert["model"] | {"vocab": vocabulary, "unk_token": "<unk>"},
    }
