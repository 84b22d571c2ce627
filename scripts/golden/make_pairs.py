"""Writes tokenizer/hf/testdata/pairs.json: rows of token ids as Hugging Face's tokenizers lay them out.

Run it from the repository's root, after the models it names are there:

    python scripts/golden/make_pairs.py

It needs the PyPI package tokenizers alone, of version 0.22 as the server links: 0.23 gives
the odd token of an odd budget to either text when both are longer than the whole row. The
tests need neither the package nor the script. Each row is [a, b, max_length, keep_end, ids, ones]: a and b are places in texts (b is -1 in a
single), ids the row with its special tokens, and the last `ones` type ids are 1. The same
seed gives the same bytes.
"""

import hashlib
import json
import random
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tokenizer" / "hf" / "testdata" / "pairs.json"
TOKENIZERS = {
    "bert": "var/models/all-MiniLM-L6-v2/tokenizer.json",
    "xlm-roberta": "testdata/models/xlmr-rerank/tokenizer.json",
}
PAIRS, SINGLES = 200, 60

EDGES = [
    "",
    " ",
    "\n\t ",
    "\ufeff",
    "\u200b\u200d",
    "a",
    "?!",
    "  two  spaces  ",
    "line\nline\r\nline",
    "caf\u00e9 cafe\u0301",
    "\ufb01nal \u2460 \uff21\uff22 \u2026 \u00bd",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1f0\U0001f1f7 \u2764\ufe0f",
    "x" * 99,
    "x" * 101,
    "[SEP] and </s> and <mask> in a text",
    "https://example.com/a?b=c&d=%20#e",
    "\ufffd\u0007\u00ad",
    "3.14159 -1e-7 0x7F 1,000,000",
    "\ud55c\uad6d\uc5b4\U00020000\u4e2d\u6587 \u306b\u307b\u3093\u3054",
    "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u0928\u092e\u0938\u094d\u0924\u0947",
]


def make_texts(rng: random.Random) -> list[str]:
    lines = (ROOT / "scripts" / "golden" / "corpus.txt").read_text(encoding="utf-8").splitlines()
    words = [word for line in lines for word in line.split()]
    texts = EDGES + [line for line in lines if line]
    for size in (1, 2, 3, 5, 8, 20, 60):
        texts += [" ".join(rng.choices(words, k=size)) for _ in range(4)]
    return list(dict.fromkeys(texts))


def make_row(tokenizer: Tokenizer, rng: random.Random, texts: list[str], pair: bool) -> list:
    a, b = rng.randrange(len(texts)), rng.randrange(len(texts)) if pair else -1
    max_length, keep_end = rng.choice([8, 9, 12, 16, 17, 24, 31, 48, 512]), rng.random() < 0.25
    tokenizer.enable_truncation(max_length, strategy="longest_first", direction="left" if keep_end else "right")
    row = tokenizer.encode(texts[a], texts[b]) if pair else tokenizer.encode(texts[a])
    ones = sum(row.type_ids)
    if row.type_ids != [0] * (len(row.ids) - ones) + [1] * ones:
        raise SystemExit(f"type ids of another shape: {row.type_ids}")
    return [a, b, max_length, keep_end, row.ids, ones]


def main() -> None:
    if not tokenizers.__version__.startswith("0.22."):
        raise SystemExit(f"tokenizers {tokenizers.__version__} is there, and 0.22 is needed")
    rng = random.Random(20)
    texts = make_texts(rng)
    out = {"texts": texts, "tokenizers": {}}
    for name, path in TOKENIZERS.items():
        data = (ROOT / path).read_bytes()
        tokenizer = Tokenizer.from_str(data.decode("utf-8"))
        tokenizer.no_padding()
        rows = [make_row(tokenizer, rng, texts, pair) for pair in [True] * PAIRS + [False] * SINGLES]
        out["tokenizers"][name] = {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "rows": rows}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(dump(out), encoding="utf-8")


def dump(out: dict) -> str:
    """JSON with a row a line."""
    models = [
        f'"{name}":{{"path":{json.dumps(t["path"])},"sha256":"{t["sha256"]}","rows":[\n'
        + ",\n".join(json.dumps(row, separators=(",", ":")) for row in t["rows"])
        + "\n]}"
        for name, t in out["tokenizers"].items()
    ]
    texts = ",\n".join(json.dumps(text) for text in out["texts"])
    joined = ",\n".join(models)
    return f'{{"texts":[\n{texts}\n],\n"tokenizers":{{{joined}}}}}\n'


if __name__ == "__main__":
    main()
