"""Writes reference.json, against which the page's arithmetic is tested.

    pip install numpy==2.4.6 scipy==1.17.1
    python make.py && npm --prefix ../../.. run format

Vectors are float32, as the server sends them; all that is said of them is computed in double precision.
"""

import json
import pathlib

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from scipy.stats import kendalltau, rankdata, spearmanr

random = np.random.default_rng(7)


def vectors(rows, cols, spread):
    """Rows whose dimensions vary differently and do not have the mean 0."""
    return np.round(random.normal(0.3, 1, (rows, cols)) * np.linspace(1, spread, cols), 4).astype(np.float32)


def cosine(v):
    unit = v.astype(float) / np.linalg.norm(v.astype(float), axis=1, keepdims=True)
    return unit @ unit.T


def pca(v):
    centred = v.astype(float) - v.astype(float).mean(axis=0)
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    two = vt[:2]
    two = two * np.sign(two[range(2), np.abs(two).argmax(axis=1)])[:, None]
    return {"points": (centred @ two.T).ravel().tolist(), "explained": (s**2 / (s**2).sum())[:2].tolist()}


def clusters(similarity):
    """The leaves of each node above the leaves, by average linkage, lowest node first."""
    distance = 1 - similarity
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    nodes = [[i] for i in range(len(similarity))]
    for left, right, _, _ in tree:
        nodes.append(sorted(nodes[int(left)] + nodes[int(right)]))
    return nodes[len(similarity) :]


def correlation(a, b):
    return {
        "a": a.tolist(),
        "b": b.tolist(),
        "ranks": rankdata(-a).tolist(),
        "spearman": float(spearmanr(a, b).statistic),
        "kendall": float(kendalltau(a, b, variant="b").statistic),
    }


def matrices():
    shapes = [(12, 8, 0.2), (5, 20, 1.0), (40, 6, 0.5)]
    for v in (vectors(*shape) for shape in shapes):
        similarity = cosine(v)
        yield {
            "rows": v.shape[0],
            "cols": v.shape[1],
            "data": v.ravel().tolist(),
            "cosine": np.round(similarity, 9).ravel().tolist(),
            "clusters": clusters(similarity),
            **pca(v),
        }


def correlations():
    for n, values in [(2, 9), (10, 1000), (25, 4), (60, 12), (60, 2)]:
        yield correlation(random.integers(0, values, n).astype(float), random.integers(0, values, n).astype(float))
    a = np.round(random.normal(size=50), 4)
    yield correlation(a, np.round(a + random.normal(scale=0.5, size=50), 4))
    yield correlation(a, -a)


reference = {"matrices": list(matrices()), "correlations": list(correlations())}
pathlib.Path(__file__).with_name("reference.json").write_text(json.dumps(reference, separators=(",", ":")) + "\n")
