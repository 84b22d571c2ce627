"""Writes testdata/golden: what the reference libraries answer for the texts in texts.py.

Needs scripts/golden/requirements.txt, the models under testdata/models and a
directory with sentence-transformers/all-MiniLM-L6-v2. Vectors and logits are
float32 on the CPU; each text is computed alone unless a name says otherwise.
Vectors are base64 of little-endian float32.
"""

import argparse
import base64
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np  # noqa: E402
import texts  # noqa: E402
import torch  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minilm", type=Path, default=ROOT / "var/src/all-MiniLM-L6-v2")
    parser.add_argument("--models", type=Path, default=ROOT / "testdata/models")
    parser.add_argument("--out", type=Path, default=ROOT / "testdata/golden")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    minilm = load_embedder(options.minilm)
    write(options.out / "minilm.json", embeddings(MINILM, minilm, texts.MINILM))
    write(options.out / "minilm_rerank.json", ranking(MINILM, minilm))
    for name in ("bert-mean", "bert-cls"):
        model = load_embedder(options.models / name)
        write(options.out / f"{name}.json", embeddings(name, model, texts.EMBEDDERS))
    for name, pairs in (
        ("xlmr-rerank", texts.PAIRS),
        ("bert-classify", texts.CLASSIFY),
        ("xlmr-labels", texts.CLASSIFY),
    ):
        write(options.out / f"{name}.json", logits(name, options.models / name, pairs))


def load_embedder(directory: Path) -> SentenceTransformer:
    return SentenceTransformer(str(directory), device="cpu", model_kwargs={"dtype": torch.float32})


def embeddings(name: str, model: SentenceTransformer, items: dict[str, str]) -> dict:
    """Vectors without a prompt and, where the model has prompts, with the query prompt."""
    rows = [embedding(model, key, text, None) for key, text in items.items()]
    if model.prompts.get("query"):
        rows += [
            embedding(model, f"{key}_query", items[key], "query")
            for key in ("word", "sentence", "korean", "empty", "long")
        ]
    vectors = model.encode(list(items.values()), batch_size=16, convert_to_numpy=True)
    alone = np.stack([decode(row["vector"]) for row in rows[: len(items)]])
    return header(name) | {
        "dimensions": vectors.shape[1],
        "max_length": model.max_seq_length,
        # What batching alone does to the reference's own answers.
        "reference_batch_difference": float(f"{np.abs(vectors - alone).max():.2g}"),
        "items": rows,
    }


def embedding(model: SentenceTransformer, name: str, text: str, prompt: str | None) -> dict:
    vector = model.encode([text], prompt_name=prompt, convert_to_numpy=True)[0]
    full = (model.prompts[prompt] if prompt else "") + text
    ids = model.preprocess([full])["input_ids"][0].tolist()
    row = {"name": name, "text": text, "ids": ids, "vector": encode(vector)}
    return row | {"prompt": prompt} if prompt else row


def ranking(name: str, model: SentenceTransformer) -> dict:
    """Documents of each query by cosine, best first."""
    sets = []
    for key, (query, documents) in texts.QUERIES.items():
        vectors = model.encode([query, *documents], batch_size=1, convert_to_numpy=True).astype(np.float64)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        scores = vectors[1:] @ vectors[0]
        order = np.argsort(-scores, kind="stable")
        gap = float(-np.diff(scores[order]).max())
        if gap < 1e-4:
            raise SystemExit(f"{key}: two documents are {gap:.1e} apart, too near to have an order")
        sets.append(
            {
                "name": key,
                "query": query,
                "documents": documents,
                "scores": [float(f"{score:.7f}") for score in scores],
                "order": order.tolist(),
                "smallest_gap": float(f"{gap:.2g}"),
            }
        )
    return header(name) | {"sets": sets}


def logits(name: str, directory: Path, pairs: dict[str, tuple[str, str | None]]) -> dict:
    """Logits of each pair alone, and in one batch padded to the longest."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32).eval()
    options = {"truncation": "longest_first", "max_length": tokenizer.model_max_length}
    rows = []
    with torch.inference_mode():
        for key, (text, pair) in pairs.items():
            # As lists: an empty second text alone would be taken for none at all.
            inputs = tokenizer([text], None if pair is None else [pair], return_tensors="pt", **options)
            row = {"name": key, "text": text} | ({"pair": pair} if pair is not None else {})
            row["ids"] = inputs["input_ids"][0].tolist()
            if "token_type_ids" in inputs:
                row["type_ids"] = inputs["token_type_ids"][0].tolist()
            row["logits"] = numbers(model(**inputs).logits[0])
            rows.append(row)
        padded = tokenizer.pad(
            {key: [row[source] for row in rows] for key, source in sources(rows)}, return_tensors="pt"
        )
        for row, values in zip(rows, model(**padded).logits, strict=True):
            row["logits_batched"] = numbers(values)
    return header(name) | {
        "max_length": tokenizer.model_max_length,
        "labels": [model.config.id2label[index] for index in range(model.config.num_labels)],
        "items": rows,
    }


def sources(rows: list[dict]) -> list[tuple[str, str]]:
    keys = [("input_ids", "ids"), ("token_type_ids", "type_ids")]
    return [(key, source) for key, source in keys if source in rows[0]]


def header(name: str) -> dict:
    libraries = ("torch", "transformers", "sentence-transformers", "tokenizers", "numpy")
    return {
        "model": name,
        "libraries": {library: version(library) for library in libraries}
        | {"python": platform.python_version()},
    }


def numbers(values: torch.Tensor) -> list[float]:
    return [float(f"{value:.9g}") for value in values.tolist()]


def encode(vector: np.ndarray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def decode(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def write(path: Path, content: dict) -> None:
    """One line a key, one line an item."""
    parts = []
    for key, value in content.items():
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if key in ("items", "sets"):
            rows = [json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in value]
            text = "[\n" + ",\n".join(rows) + "\n]"
        parts.append(f"{json.dumps(key)}:{text}")
    path.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
