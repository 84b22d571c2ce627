"""What a model is shown while its int8 weights are chosen.

A few sentences in many languages, code and scraps, all at their own lengths and
joined to the longest that the model takes; then sequences that no text gives
but a request may: random tokens, one token over and over, special tokens in the
middle. Ranges and weights then fit more than fluent English. Nothing is fetched,
and the same model gives the same sequences.
"""

import zlib
from pathlib import Path

import numpy as np

from .layout import Layout
from .samples import load_tokenizer

Sequence = tuple[list[int], list[int]]  # ids and token types

_TEXTS = Path(__file__).with_name("calibration.txt")
_LONGEST = 256  # tokens; longer inputs have the same values at more positions
_RANDOM_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 126) * 2
_REPEATED_LENGTHS = (3, 5, 9, 16, 30, 60, 90, 120)
_MIXED_LENGTHS = (3, 9, 30, 90) * 2


def make(layout: Layout, tokenizer: Path | None, max_length: int) -> list[Sequence]:
    """About six thousand tokens; without a tokenizer random ids only."""
    limit = min(max_length, _LONGEST)
    frame = _Frame(tokenizer)
    texts = frame.texts(limit) if tokenizer else []
    rng = np.random.default_rng(zlib.crc32(f"calibration {layout.vocabulary}".encode()))
    low = min(layout.pad_id + 1, layout.vocabulary - 1)
    random = [rng.integers(low, layout.vocabulary, length).tolist() for length in _RANDOM_LENGTHS]
    repeated = [[int(rng.integers(low, layout.vocabulary))] * length for length in _REPEATED_LENGTHS]
    mixed = [rng.integers(low, layout.vocabulary, length) for length in _MIXED_LENGTHS]
    for ids in mixed:
        ids[rng.integers(0, len(ids), max(1, len(ids) // 4))] = rng.choice(frame.specials or ids)
    made = [[], *random, *repeated, *(ids.tolist() for ids in mixed)]
    bodies = texts + [ids[: limit - frame.size] for ids in made if ids or tokenizer]
    sequences = [
        frame.around(ids, types=layout.has_types and index % 4 == 3) for index, ids in enumerate(bodies)
    ]
    return [item for item in sequences if max(item[0]) < layout.vocabulary]


class _Frame:
    """The special tokens that a tokenizer puts around a text; none without a tokenizer."""

    def __init__(self, tokenizer: Path | None):
        self._tokenizer = load_tokenizer(tokenizer) if tokenizer else None
        ids = self._tokenizer.encode("").ids if tokenizer else []
        plain = self._tokenizer.encode("a", add_special_tokens=False).ids if tokenizer else []
        whole = self._tokenizer.encode("a").ids if tokenizer else []
        self._before = next((at for at in range(len(whole)) if whole[at : at + len(plain)] == plain), 0)
        self.specials = ids
        self.size = len(ids)

    def texts(self, limit: int) -> list[list[int]]:
        """The tokens of every text cut to limit, and of all texts joined and cut into such pieces."""
        lines = _TEXTS.read_text(encoding="utf-8").splitlines()
        tokens = [item.ids for item in self._tokenizer.encode_batch(lines, add_special_tokens=False)]
        room = limit - self.size
        joined = [token for ids in tokens for token in ids]
        pieces = [joined[start : start + room] for start in range(0, len(joined), room)]
        return [ids[:room] for ids in tokens] + pieces

    def around(self, ids: list[int], types: bool) -> Sequence:
        """The special tokens around ids; with types, the second half is given token type 1."""
        whole = [*self.specials[: self._before], *ids, *self.specials[self._before :]]
        half = len(whole) // 2 if types else len(whole)
        return whole, [int(index >= half) for index in range(len(whole))]
