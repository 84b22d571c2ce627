"""Answers of a variant on the GPU against fp32 on the CPU, over the same server code."""

import random
from dataclasses import dataclass

import numpy as np

from .server import Server

# fp16 keeps 11 bits; over 24 layers logits of size 5 move by less than this.
TOLERANCE = {"fp32": 2e-3, "fp16": 2e-2, "packed": 2e-2, "trt": 2e-2}
MIN_COSINE = {"fp32": 0.99999, "fp16": 0.999, "packed": 0.999, "trt": 0.999}
_WORDS = "the time year people way day man thing woman life child world school state family student group country".split()


@dataclass(frozen=True)
class Parity:
    largest: float  # difference of a logit, or of a number of a unit vector
    cosine: float | None  # the smallest, of embeddings
    spread: float  # standard deviation of the logits; 0 for embeddings
    swapped: int  # pairs of documents in another order though their scores differ by more than the tolerance
    passed: bool


def inputs(count: int, longest: int, seed: int = 7) -> list[str]:
    """Texts of 1 to longest words, the lengths spread evenly on a logarithmic scale."""
    draw = random.Random(seed)
    lengths = np.unique(np.geomspace(1, longest, count).astype(int))
    lengths = np.resize(lengths, count)
    return [" ".join(draw.choices(_WORDS, k=int(n))) + f" {i}" for i, n in enumerate(lengths)]


def answers(server: Server, rerank: bool, texts: list[str]) -> np.ndarray:
    """Logits [n], or unit vectors [n, dimensions], in input order."""
    if not rerank:
        data = server.ask("/v1/embeddings", {"model": "default", "input": texts})["data"]
        return np.array([item["embedding"] for item in data], np.float64)
    body = {"model": "default", "query": "what is the way of the world", "documents": texts, "raw_scores": True}
    scores = np.empty(len(texts))
    for result in server.ask("/v1/rerank", body)["results"]:
        scores[result["index"]] = result["relevance_score"]
    return scores


def compare(got: np.ndarray, want: np.ndarray, variant: str) -> Parity:
    largest = float(np.abs(got - want).max())
    limit = TOLERANCE[variant]
    if want.ndim == 2:
        cosine = float(np.min(np.sum(got * want, axis=1) / np.linalg.norm(got, axis=1) / np.linalg.norm(want, axis=1)))
        return Parity(largest, cosine, 0.0, 0, bool(cosine >= MIN_COSINE[variant]))
    clear = np.abs(want[:, None] - want[None, :]) > limit
    swapped = int(np.sum(clear & (np.sign(got[:, None] - got[None, :]) != np.sign(want[:, None] - want[None, :]))) // 2)
    spread = float(want.std())
    return Parity(largest, None, spread, swapped, bool(largest <= limit and swapped == 0))
