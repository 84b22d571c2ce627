"""Writes tokenizer/hf/testdata/tokens.json: tokens, their places and decoded texts, by tokenizers.

Run it from the repository's root, after the models it names are there:

    python scripts/golden/make_tokens.py

It needs the PyPI package tokenizers alone, of version 0.22 as the server links. The tests need
neither the package nor the script. Of each text there is a row [ids, places, names, kept, skipped]:
ids with special tokens, places as bytes [start, stop, …] of the text, names of the special
tokens (null for the others), and what the ids are decoded to with special tokens and without.
Python counts places in characters; they are turned into bytes here. "trim" has the file's
post-processor take spaces out of places, as RoBERTa's does.
"""

import json
from pathlib import Path

import tokenizers
from make_pairs import EDGES, ROOT
from tokenizers import Tokenizer

OUT = ROOT / "tokenizer" / "hf" / "testdata" / "tokens.json"
TOKENIZERS = {
    "minilm": ("var/models/all-MiniLM-L6-v2/tokenizer.json", False),
    "xlm-roberta": ("testdata/models/xlmr-rerank/tokenizer.json", False),
    "qwen": ("testdata/exported/qwen3-embed/tokenizer.json", False),
    "modernbert": ("testdata/exported/modernbert-embed/tokenizer.json", False),
    "qwen-trimmed": ("testdata/exported/qwen3-embed/tokenizer.json", True),
}
MORE = [
    "Hello, world!",
    "서울은 대한민국의 수도이다.",
    "Москва — столица России, ё й.",
    "👍🏽 and 👩‍👩‍👧 and 🇰🇷",
    " leading and trailing ",
    "tabs\tand\nlines\r\nand  many   spaces",
    "ÀÉÎ ﬁne ½ … ㎏ ﷺ",
    "un\u0301believable\u0301 naïve",
    "日本語のテキスト、中文文本。",
    "a[SEP]b</s>c<|endoftext|>d [MASK]",
    "x" * 40,
    "The quick brown fox jumps over the lazy dog.",
]


def load(path: str, trim: bool) -> Tokenizer:
    content = json.loads((ROOT / path).read_text(encoding="utf-8"))
    if trim:
        content["post_processor"]["processors"][0]["trim_offsets"] = True
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def make_row(tokenizer: Tokenizer, text: str) -> list:
    row = tokenizer.encode(text)
    starts = [0]
    for letter in text:
        starts.append(starts[-1] + len(letter.encode()))
    places, names = [], []
    for (start, stop), special, token in zip(row.offsets, row.special_tokens_mask, row.tokens, strict=True):
        places += [starts[start], starts[stop]]
        names.append(token if special else None)
    kept = tokenizer.decode(row.ids, skip_special_tokens=False)
    return [row.ids, places, names, kept, tokenizer.decode(row.ids)]


def main() -> None:
    if not tokenizers.__version__.startswith("0.22."):
        raise SystemExit(f"tokenizers {tokenizers.__version__} is there, and 0.22 is needed")
    texts = list(dict.fromkeys(EDGES + MORE))
    lines = []
    for name, (path, trim) in TOKENIZERS.items():
        tokenizer = load(path, trim)
        rows = [json.dumps(make_row(tokenizer, text), separators=(",", ":")) for text in texts]
        head = f'"{name}":{{"path":{json.dumps(path)},"trim":{json.dumps(trim)},"rows":[\n'
        lines.append(head + ",\n".join(rows) + "\n]}")
    joined = ",\n".join(json.dumps(text) for text in texts)
    OUT.write_text(f'{{"texts":[\n{joined}\n],\n"tokenizers":{{{",".join(lines)}}}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
