"""Tiny random checkpoints of architectures that only transformers knows, each with a real tokenizer.

Used by make_exported.py and by test/torch. The same seed gives the same bytes.
"""

import json
import shutil
from pathlib import Path

import torch
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from quadrate_export_torch.networks import spread

CORPUS = Path(__file__).resolve().parent / "corpus.txt"
VOCABULARY = 420

# The first step of Qwen2's tokenizer and its successors: contractions, words with one character before
# them, single digits, punctuation with the line's end after it, line ends, blanks.
QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 320,
}
QWEN3 = SIZES | {"num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 640}
MODERNBERT = SIZES | {"num_hidden_layers": 3, "local_attention": 16, "global_attn_every_n_layers": 3}

POOLING = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "last": "pooling_mode_lasttoken",
    "max": "pooling_mode_max_tokens",
}


def qwen_tokenizer(end: bool) -> Tokenizer:
    """Byte-level BPE as Qwen's, small; end puts <|endoftext|> behind every text, as its embedders do."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    # Words and punctuation before a line's end, so that merges across it are there to be met.
    lines = [*_corpus(), *["yes", "no", "?\n\n", ".\n", "!\r\n", ">: ", "\n\n"] * 50]
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in QWEN_SPECIALS])
    tokenizer.add_tokens(
        [AddedToken(name, special=False, normalized=False) for name in ("<think>", "</think>")]
    )
    byte_level = processors.ByteLevel(trim_offsets=False)
    if end:
        eos = ("<|endoftext|>", tokenizer.token_to_id("<|endoftext|>"))
        template = processors.TemplateProcessing(
            single="$A <|endoftext|>", pair="$A $B:1 <|endoftext|>:1", special_tokens=[eos]
        )
        tokenizer.post_processor = processors.Sequence([byte_level, template])
    else:
        tokenizer.post_processor = byte_level
    return tokenizer


def bert_tokenizer() -> Tokenizer:
    """Byte-level BPE with [CLS] and [SEP] around a text, as ModernBERT has it."""
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(BERT_SPECIALS),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    return tokenizer


def write(
    folder: Path,
    model_type: str,
    sizes: dict,
    *,
    head: str = "",
    pooling: str | None = "mean",
    tokenizer: Tokenizer | None = None,
    prompts: dict[str, str] | None = None,
    dense: int = 0,
    max_length: int | None = None,
    seed: int = 0,
    **config,
) -> Path:
    """A checkpoint directory. head is "", ForCausalLM or ForSequenceClassification; pooling None: no modules."""
    tokenizer = tokenizer or bert_tokenizer()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pad = tokenizer.token_to_id("[PAD]") if tokenizer.token_to_id("[PAD]") is not None else None
    if pad is None:
        pad = tokenizer.token_to_id("<|endoftext|>")
    options = sizes | {"vocab_size": tokenizer.get_vocab_size(), "pad_token_id": pad} | config
    for name in ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"):
        options.setdefault(name, pad)
    torch.manual_seed(seed)
    classes = {"": AutoModel, "ForCausalLM": AutoModelForCausalLM}
    kind = classes.get(head, AutoModelForSequenceClassification)
    model = kind.from_config(AutoConfig.for_model(model_type, **options)).eval()
    spread(model)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    limit = max_length or options["max_position_embeddings"]
    specials = {"pad_token": tokenizer.id_to_token(pad)}
    _json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": limit} | specials,
    )
    if pooling is not None:
        _modules(folder, pooling, dense, sizes.get("hidden_size") or sizes["dim"])
    if prompts:
        _json(folder / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": None})
    return folder


def _modules(folder: Path, pooling: str, dense: int, hidden: int) -> None:
    names = ["Transformer", "Pooling", *(["Dense"] if dense else []), "Normalize"]
    paths = ["", "1_Pooling", *(["2_Dense"] if dense else []), f"{2 + bool(dense)}_Normalize"]
    _json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{name}"}
            for index, (name, path) in enumerate(zip(names, paths, strict=True))
        ],
    )
    (folder / "1_Pooling").mkdir()
    flags = {flag: name == pooling for name, flag in POOLING.items()}
    _json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": hidden} | flags)
    (folder / paths[-1]).mkdir()
    if dense:
        from safetensors.torch import save_file

        (folder / "2_Dense").mkdir()
        kind = "torch.nn.modules.activation.Tanh"
        sizes = {"in_features": hidden, "out_features": dense, "bias": True, "activation_function": kind}
        _json(folder / "2_Dense" / "config.json", sizes)
        tensors = {
            "linear.weight": torch.randn(dense, hidden) * hidden**-0.5,
            "linear.bias": torch.randn(dense),
        }
        save_file(tensors, folder / "2_Dense" / "model.safetensors")


def _corpus() -> list[str]:
    return [line for line in CORPUS.read_text(encoding="utf-8").splitlines() if line]


def _json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
