"""Writes testdata/exported: tiny models as the PyTorch route exports them, and their goldens.

Run it from the repository's root with scripts/golden/requirements.txt. The
results are committed, so that tests need neither this script nor its libraries.

  modernbert-embed  ModernBERT embedder, cls pooling, local attention in two layers of three
  qwen3-embed       Qwen3 embedder, last-token pooling, <|endoftext|> from the template, a prompt
  qwen3-rerank      Qwen3 reranker by yes and no, in the layout of Qwen3-Reranker

testdata/golden/NAME.json holds the answers of sentence-transformers and, for the
reranker, of transformers by the recipe of the model card: one text, padded on
the left. tokenizer/hf/testdata/prompts.json holds rows of that recipe, cut at
several lengths.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent)]

import make_goldens  # noqa: E402
import make_pairs  # noqa: E402
import texts  # noqa: E402
import tiny_transformers as tiny  # noqa: E402
import torch  # noqa: E402
from quadrate_export import source  # noqa: E402
from quadrate_export.export import Request  # noqa: E402
from quadrate_export_torch.export import TorchExporter  # noqa: E402
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast  # noqa: E402

TASK = "Given a web search query, retrieve relevant passages that answer the query"
SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
ROWS = 300


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny.write(folder / "modernbert-embed", "modernbert", tiny.MODERNBERT | SIZES, pooling="cls", seed=1)
        tiny.write(
            folder / "qwen3-embed",
            "qwen3",
            tiny.QWEN3 | SIZES | {"num_key_value_heads": 1},
            head="ForCausalLM",
            pooling="last",
            tokenizer=tiny.qwen_tokenizer(end=True),
            prompts={"query": f"Instruct: {TASK}\nQuery:", "document": ""},
            seed=2,
        )
        tiny.write(
            folder / "qwen3-rerank",
            "qwen3",
            tiny.QWEN3 | SIZES | {"num_key_value_heads": 1},
            head="ForCausalLM",
            pooling=None,
            tokenizer=tiny.qwen_tokenizer(end=False),
            seed=3,
        )
        for path in sorted(folder.iterdir()):
            task = "rerank" if path.name.endswith("rerank") else None
            out = ROOT / "testdata" / "exported" / path.name
            request = Request(source.Source(path, f"tiny/{path.name}", ""), out, task=task, force=True)
            TorchExporter(request).run()
        # The server leaves NUL out, which WordPiece does as well, and byte-level BPE does not.
        without_nul = {key: text for key, text in texts.EMBEDDERS.items() if "\0" not in text}
        for name in ("modernbert-embed", "qwen3-embed"):
            model = make_goldens.load_embedder(folder / name)
            path = ROOT / "testdata" / "golden" / f"{name}.json"
            make_goldens.write(path, make_goldens.embeddings(name, model, without_nul))
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "qwen3-rerank" / "tokenizer.json"),
            pad_token="<|endoftext|>",
            padding_side="left",
        )
        make_goldens.write(
            ROOT / "testdata" / "golden" / "qwen3-rerank.json", scores(folder / "qwen3-rerank", tokenizer)
        )
        write_prompts(tokenizer)


def joint_text(query: str, document: str) -> str:
    return f"<Instruct>: {TASK}\n<Query>: {query}\n<Document>: {document}"


def row(tokenizer: PreTrainedTokenizerFast, query: str, document: str, limit: int) -> list[int]:
    """The model card's recipe for one pair."""
    before, behind = (tokenizer.encode(text, add_special_tokens=False) for text in (PREFIX, SUFFIX))
    room = limit - len(before) - len(behind)
    ids = tokenizer(joint_text(query, document), truncation="longest_first", max_length=room)["input_ids"]
    return before + ids + behind


def judged(tokenizer: PreTrainedTokenizerFast, query: str, limit: int) -> bool:
    """Whether a query leaves the document a quarter of the row; longer ones the server cuts, the card does not."""
    room = limit - len(row(tokenizer, "", "", limit)) + len(tokenizer.encode(joint_text("", "")))
    return len(tokenizer.encode(f"<Instruct>: {TASK}\n<Query>: {query}\n")) <= room - room // 4 - 1


def scores(folder: Path, tokenizer: PreTrainedTokenizerFast) -> dict:
    """logit(yes) - logit(no) of each pair alone, and in one batch padded on the left."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    yes, no = (tokenizer.convert_tokens_to_ids(name) for name in ("yes", "no"))
    limit = model.config.max_position_embeddings
    rows = []
    with torch.inference_mode():
        for name, (text, pair) in texts.PAIRS.items():
            if not judged(tokenizer, text, limit):
                continue
            ids = row(tokenizer, text, pair, limit)
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
            item = {"name": name, "text": text, "pair": pair, "ids": ids}
            rows.append(item | {"logits": make_goldens.numbers((logits[yes] - logits[no])[None])})
        padded = tokenizer.pad({"input_ids": [item["ids"] for item in rows]}, return_tensors="pt")
        for item, logits in zip(rows, model(**padded).logits[:, -1], strict=True):
            item["logits_batched"] = make_goldens.numbers((logits[yes] - logits[no])[None])
    return make_goldens.header("qwen3-rerank") | {"max_length": limit, "items": rows}


def write_prompts(tokenizer: PreTrainedTokenizerFast) -> None:
    """Rows [query, document, limit, ids] for the pair prompt; queries leave a quarter of the row."""
    rng = random.Random(7)
    words = [
        *make_pairs.make_texts(rng),
        "ends with a blank ",
        "ends with a line\n",
        "?\n\n",
        ">",
        "<",
        "\n<",
    ]
    words += ["<|im_end|> and <think> in a text", "e\u0301", "\u0301", "a" * 300]
    words = list(dict.fromkeys(words))
    before, behind = (tokenizer.encode(text, add_special_tokens=False) for text in (PREFIX, SUFFIX))
    rows = []
    while len(rows) < ROWS:
        first, second = rng.randrange(len(words)), rng.randrange(len(words))
        fixed = len(before) + len(behind)
        query = tokenizer.encode(f"<Instruct>: {TASK}\n<Query>: {words[first]}\n")
        limit = fixed + rng.choice((640 - fixed, len(query) * 4 // 3 + rng.randrange(6, 60)))
        if limit <= 640 and judged(tokenizer, words[first], limit):
            rows.append([first, second, limit, row(tokenizer, words[first], words[second], limit)])
    prompt = {
        "prefix": before,
        "query_prefix": f"<Instruct>: {TASK}\n<Query>: ",
        "query_suffix": "\n",
        "document_prefix": "<Document>: ",
        "suffix": behind,
    }
    dump = {"separators": (",", ":"), "ensure_ascii": False}
    lines = ",\n".join(json.dumps(item[:3] + [item[3][len(before) : -len(behind)]], **dump) for item in rows)
    path = ROOT / "tokenizer" / "hf" / "testdata" / "prompts.json"
    path.write_text(
        f'{{"texts":{json.dumps(words, **dump)},\n"prompt":{json.dumps(prompt, **dump)},\n"rows":[\n{lines}]}}\n',
        encoding="utf-8",
    )
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
