"""Makes the small random models under testdata/models: real layouts, real tokenizers, no meaning.

Run once; the results are committed, so that tests need neither this script nor
its libraries. The same seed gives the same bytes.

  bert-mean      BERT embedder, mean pooling, normalised, prompts, float32, in two shards
  bert-cls       BERT embedder, cls pooling, a dense layer with tanh, float16
  xlmr-rerank    XLM-RoBERTa cross-encoder, pad id 1, positions from 2, bfloat16
  bert-classify  BERT classifier with three labels, tanh GELU, float16
  xlmr-labels    XLM-RoBERTa classifier with four labels, of which a text may have several
"""

import argparse
import io
import json
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import ml_dtypes
import numpy as np
import sentencepiece
from safetensors.numpy import save
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from quadrate_export import layout as layouts  # noqa: E402
from quadrate_export.weights import RandomWeights  # noqa: E402

CORPUS = HERE / "corpus.txt"
WORDPIECE_SIZE = 1400
UNIGRAM_SIZE = 1300

BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
XLMR_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]

# A cut-down NFKC: enough for the normaliser's work to show, in 2 KB and not in 300.
NORMALISER_RULES = [
    ("\u00a0", " "), ("\u3000", " "), ("\t", " "), ("\n", " "), ("\r", " "), ("\u200b", " "), ("\ufeff", ""),
    ("ﬁ", "fi"), ("ﬂ", "fl"), ("ﬀ", "ff"), ("…", "..."), ("½", "1\u20442"), ("²", "2"), ("℃", "°C"), ("™", "TM"),
    ("e\u0301", "é"), ("a\u0300", "à"), ("u\u0308", "ü"), ("o\u0308", "ö"), ("и\u0306", "й"), ("е\u0308", "ё"),
    *((chr(code), chr(code - 0xFEE0)) for code in range(0xFF01, 0xFF5F)),
]  # fmt: skip

TINY = {
    "hidden_size": 48,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "intermediate_size": 96,
    "hidden_act": "gelu",
    "attention_probs_dropout_prob": 0.1,
    "hidden_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 96,
    "position_embedding_type": "absolute",
    "use_cache": True,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=HERE.parent.parent / "testdata" / "models")
    out = parser.parse_args().out
    wordpiece, unigram = make_wordpiece(), train_unigram()
    make_bert_mean(out / "bert-mean", wordpiece)
    make_bert_cls(out / "bert-cls", wordpiece)
    make_bert_classify(out / "bert-classify", wordpiece)
    make_xlmr_rerank(out / "xlmr-rerank", unigram)
    make_xlmr_labels(out / "xlmr-labels", unigram)
    for folder in sorted(out.iterdir()):
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{folder.name}: {size / 1000:.0f} kB")


def make_bert_mean(folder: Path, tokenizer: Tokenizer) -> None:
    config = bert_config(tokenizer, ["BertModel"])
    start(folder, config, tokenizer, bert_tokenizer_config(96))
    tensors = random_tensors(config, seed=1, dtype=np.float32)
    names = sorted(tensors)
    middle = len(names) // 2
    shards = [names[:middle], names[middle:]]
    weight_map = {}
    for index, shard in enumerate(shards, start=1):
        file = f"model-{index:05}-of-{len(shards):05}.safetensors"
        write_tensors(folder / file, {name: tensors[name] for name in shard})
        weight_map |= dict.fromkeys(shard, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    write_json(
        folder / "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": weight_map},
    )
    write_modules(folder, ["Transformer", "Pooling", "Normalize"])
    write_pooling(folder, "pooling_mode_mean_tokens")
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    prompts = {"query": "query: ", "document": "passage: "}
    write_json(
        folder / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": None}
    )


def make_bert_cls(folder: Path, tokenizer: Tokenizer) -> None:
    config = bert_config(tokenizer, ["BertForMaskedLM"])
    start(folder, config, tokenizer, bert_tokenizer_config(96))
    tensors = random_tensors(config, seed=2, dtype=np.float16)
    write_tensors(folder / "model.safetensors", add_prefix(tensors, "bert."))
    write_modules(folder, ["Transformer", "Pooling", "Dense"])
    write_pooling(folder, "pooling_mode_cls_token")
    dense = folder / "2_Dense"
    dense.mkdir()
    write_json(
        dense / "config.json",
        {
            "in_features": 48,
            "out_features": 32,
            "bias": True,
            "activation_function": "torch.nn.modules.activation.Tanh",
        },
    )
    shapes = {"linear.weight": (32, 48), "linear.bias": (32,)}
    random = RandomWeights(shapes, seed=22)
    write_tensors(dense / "model.safetensors", {name: random.read(name) for name in shapes})


def make_bert_classify(folder: Path, tokenizer: Tokenizer) -> None:
    config = bert_config(tokenizer, ["BertForSequenceClassification"])
    config |= {
        "hidden_act": "gelu_pytorch_tanh",
        "num_hidden_layers": 2,
        "id2label": {"0": "negative", "1": "neutral", "2": "positive"},
        "label2id": {"negative": 0, "neutral": 1, "positive": 2},
        "problem_type": "single_label_classification",
    }
    start(folder, config, tokenizer, bert_tokenizer_config(96))
    tensors = add_prefix(random_tensors(config, seed=3, dtype=np.float16), "bert.")
    write_tensors(folder / "model.safetensors", tensors)


def make_xlmr_rerank(folder: Path, tokenizer: Tokenizer) -> None:
    config = xlmr_config(tokenizer, ["LABEL_0"]) | {"output_past": True}
    start(folder, config, tokenizer, xlmr_tokenizer_config())
    tensors = add_prefix(random_tensors(config, seed=4, dtype=ml_dtypes.bfloat16), "roberta.")
    (folder / "model.safetensors").write_bytes(save_bfloat16(tensors))


def make_xlmr_labels(folder: Path, tokenizer: Tokenizer) -> None:
    config = xlmr_config(tokenizer, ["travel", "food", "science", "other"])
    config |= {"num_hidden_layers": 2, "problem_type": "multi_label_classification"}
    start(folder, config, tokenizer, xlmr_tokenizer_config())
    tensors = add_prefix(random_tensors(config, seed=5, dtype=np.float16), "roberta.")
    write_tensors(folder / "model.safetensors", tensors)


def xlmr_config(tokenizer: Tokenizer, labels: list[str]) -> dict:
    return TINY | {
        "model_type": "xlm-roberta",
        "architectures": ["XLMRobertaForSequenceClassification"],
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": 130,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-05,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def xlmr_tokenizer_config() -> dict:
    return {
        "tokenizer_class": "XLMRobertaTokenizer",
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
        "model_max_length": 128,
    }


def bert_config(tokenizer: Tokenizer, architectures: list[str]) -> dict:
    return TINY | {
        "model_type": "bert",
        "architectures": architectures,
        "vocab_size": tokenizer.get_vocab_size(),
        "type_vocab_size": 2,
        "pad_token_id": 0,
    }


def bert_tokenizer_config(max_length: int) -> dict:
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "model_max_length": max_length,
    }


def start(folder: Path, config: dict, tokenizer: Tokenizer, tokenizer_config: dict) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_json(folder / "config.json", config)
    write_json(folder / "tokenizer_config.json", tokenizer_config)
    special = {key: value for key, value in tokenizer_config.items() if key.endswith("_token")}
    write_json(folder / "special_tokens_map.json", special)
    (folder / "tokenizer.json").write_text(tokenizer.to_str() + "\n", encoding="utf-8")


def random_tensors(config: dict, seed: int, dtype) -> dict[str, np.ndarray]:
    layout = layouts.parse(config)
    shapes = layouts.shapes(layout)
    random = RandomWeights(shapes, seed)
    return {name: random.read(name).astype(dtype) for name in shapes}


def add_prefix(tensors: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name if name.startswith("classifier") else prefix + name: tensor for name, tensor in tensors.items()
    }


def write_tensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    path.write_bytes(save(tensors, metadata={"format": "pt"}))


def save_bfloat16(tensors: dict[str, np.ndarray]) -> bytes:
    """A safetensors file of bfloat16, which the library does not write from numpy."""
    data = save(
        {name: tensor.view(np.float16) for name, tensor in tensors.items()}, metadata={"format": "pt"}
    )
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].replace(b'"dtype":"F16"', b'"dtype":"BF16"').rstrip()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def write_modules(folder: Path, names: list[str]) -> None:
    items = [
        {
            "idx": index,
            "name": str(index),
            "path": "" if index == 0 else f"{index}_{name}",
            "type": f"sentence_transformers.models.{name}",
        }
        for index, name in enumerate(names)
    ]
    (folder / "modules.json").write_text(json.dumps(items, indent=1) + "\n")


def write_pooling(folder: Path, flag: str) -> None:
    flags = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")
    config = {"word_embedding_dimension": 48} | {
        f"pooling_mode_{name}": f"pooling_mode_{name}" == flag for name in flags
    }
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", config)


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def wordpiece_vocabulary() -> dict[str, int]:
    """Characters, frequent words and frequent pieces of words.

    Counted here and not trained with the library, whose trainer breaks ties
    differently at every run.
    """
    normalizer = normalizers.BertNormalizer(lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    text = normalizer.normalize_str(CORPUS.read_text(encoding="utf-8"))
    words = Counter(word for word, _ in splitter.pre_tokenize_str(text))
    pieces = Counter()
    for word, count in words.items():
        for size in range(2, min(len(word), 6)):
            pieces[word[:size]] += count
            pieces["##" + word[-size:]] += count
    letters = sorted({letter for word in words for letter in word})
    vocabulary = BERT_SPECIALS + letters + ["##" + letter for letter in letters]
    for counts, limit in ((pieces, WORDPIECE_SIZE - 200), (words, WORDPIECE_SIZE)):
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        vocabulary += [token for token in ranked if token not in vocabulary][
            : max(0, limit - len(vocabulary))
        ]
    return {token: index for index, token in enumerate(vocabulary)}


def make_wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(wordpiece_vocabulary(), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(BERT_SPECIALS)
    cls, sep = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
    )
    tokenizer.decoder = decoders.WordPiece()
    # Published tokenizers carry both of these; whoever loads the file has to switch them off.
    tokenizer.enable_truncation(max_length=48)
    tokenizer.enable_padding(length=48)
    return tokenizer


def train_unigram() -> Tokenizer:
    """A Unigram model trained by sentencepiece and laid out as XLM-RoBERTa's tokenizer.json."""
    pieces, charsmap = train_sentencepiece()
    vocabulary = [(token, 0.0) for token in XLMR_SPECIALS]
    vocabulary += [piece for piece in pieces if piece[0] not in ("<unk>", "<s>", "</s>")]
    vocabulary.append(("<mask>", 0.0))
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens([*XLMR_SPECIALS, AddedToken("<mask>", lstrip=True, special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return tokenizer


def train_sentencepiece() -> tuple[list[tuple[str, float]], bytes]:
    """Pieces with their scores, and the compiled normaliser."""
    from sentencepiece import sentencepiece_model_pb2 as protobuf

    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as rules:
        for source, target in NORMALISER_RULES:
            codes = [" ".join(f"{ord(char):04X}" for char in text) for text in (source, target)]
            rules.write("\t".join(codes) + "\n")
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS.read_text(encoding="utf-8").splitlines()),
            model_writer=model,
            model_type="unigram",
            vocab_size=UNIGRAM_SIZE,
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_tsv=rules.name,
            num_threads=1,
            minloglevel=2,
        )
    parsed = protobuf.ModelProto.FromString(model.getvalue())
    pieces = [(piece.piece, piece.score) for piece in parsed.pieces]
    return pieces, parsed.normalizer_spec.precompiled_charsmap


if __name__ == "__main__":
    main()
