"""The texts that a model is checked with, when it is exported and whenever it is loaded."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from .errors import ExportError
from .layout import Layout

_PARAGRAPH = (
    "A retrieval system first finds a few hundred candidate passages with vectors that were computed "
    "in advance, and then reads each candidate together with the question to put them in order. The "
    "first step is cheap and a little blind; the second one is slow and sees how the words of both "
    "texts meet. Long passages matter here, because an engine that pads, cuts or masks them wrongly "
    "gives plausible numbers that are quietly off, and nobody notices until the answers get worse."
)
_TEXTS = (
    "Hello",
    "?!",
    "The quick brown fox jumps over the lazy dog.",
    "서울은 대한민국의 수도이며 가장 큰 도시이다.",
    "Сколько времени нужно, чтобы доехать от Москвы до Казани на поезде?",
    "def add(a, b):\n    return a + b  # 1 + 1 == 2",
    "How do I reset my password if I no longer have access to my e-mail?",
    _PARAGRAPH,
)
_PAIRS = (
    ("What is the capital of France?", "Paris is the capital and largest city of France."),
    ("What is the capital of France?", "Bananas are rich in potassium."),
    ("?!", "..."),
    ("한국의 수도는 어디인가요?", "서울은 대한민국의 수도이며 가장 큰 도시이다."),
    ("Сколько ехать до Казани?", "Поезд от Москвы до Казани идёт около двенадцати часов."),
    ("how does reranking work", _PARAGRAPH),
    (_PARAGRAPH, "Yes."),
)
_RANDOM_LENGTHS = (3, 4, 7, 12, 33, 96)


@dataclass(frozen=True)
class Sample:
    """One input as the model is fed it; pair is None for single texts."""

    text: str
    pair: str | None
    ids: list[int]
    types: list[int]


def make(
    layout: Layout, tokenizer: Path | None, max_length: int, encoder=None, longer_than: int = 0
) -> list[Sample]:
    """Samples for a model, none longer than max_length; random ids without a tokenizer.

    encoder stands in for the tokenizer where pairs are not laid out by it.
    longer_than asks for one text of more words than that, for models whose layers
    see no further.
    """
    if tokenizer is None:
        return _random(layout, max_length)
    encoder = encoder or load_tokenizer(tokenizer)
    singles = [] if layout.task == "rerank" else [(text, None) for text in _TEXTS]
    pairs = list(_PAIRS) if layout.task == "rerank" else []
    if longer_than:
        long = " ".join([_PARAGRAPH] * (2 + 2 * longer_than // len(_PARAGRAPH.split())))
        (pairs if layout.task == "rerank" else singles).append((long, "Yes." if pairs else None))
    if layout.task == "classify":
        singles, pairs = singles[:5], list(_PAIRS[:3])
    samples = [_fitting(encoder, text, pair, max_length) for text, pair in singles + pairs]
    for sample in samples:
        if max(sample.ids) >= layout.vocabulary:
            raise ExportError(
                f"tokenizer.json gives id {max(sample.ids)} for {sample.text[:20]!r}, "
                f"config.json has vocab_size {layout.vocabulary}"
            )
    return samples


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer with its own truncation and padding switched off."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ExportError(f"{path} is not a readable tokenizer.json: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _fitting(tokenizer: Tokenizer, text: str, pair: str | None, limit: int) -> Sample:
    """The sample, its longer text shortened from the end until it fits."""
    while True:
        encoding: Encoding = tokenizer.encode(text, pair)
        if len(encoding.ids) <= limit:
            return Sample(text, pair, encoding.ids, encoding.type_ids)
        if pair is None or len(text) > len(pair):
            text = _shorter(text, limit)
        else:
            pair = _shorter(pair, limit)


def _shorter(text: str, limit: int) -> str:
    if len(text) <= 1:
        raise ExportError(f"a maximum length of {limit} leaves no room for a text of one character")
    return text[: len(text) * 9 // 10].rstrip() or text[0]


def _random(layout: Layout, max_length: int) -> list[Sample]:
    samples = []
    for length in sorted({min(length, max_length) for length in _RANDOM_LENGTHS}):
        rng = np.random.default_rng(zlib.crc32(f"{layout.vocabulary} {length}".encode()))
        low = min(layout.pad_id + 1, layout.vocabulary - 1)
        ids = rng.integers(low, layout.vocabulary, length).tolist()
        samples.append(Sample("", None, ids, [0] * length))
    return samples
