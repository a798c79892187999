"""Exact top-k search whose outcome depends on the vectors alone.

A float32 matrix product ranks differently on different machines, chunk sizes and thread counts when scores almost
tie. So it only chooses candidates, with a rigorous bound on its rounding error such that none can be missing; the
candidates are scored again in float64, each row summed in one fixed order. Equal scores are ordered by passage id.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from xqgbench.types import Chunk, Ranking, Vectors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]

#: Queries multiplied with a chunk at once; bounds memory, not the outcome.
QUERIES = 2_048
#: Query-passage pairs scored at once in float64; few enough to stay in the processor's cache.
PAIRS = 1_024


def search(queries: Vectors, chunks: Iterable[Chunk], depth: int) -> list[Ranking]:
    """The ``depth`` passages of highest inner product per query.

    Args:
        queries: float32 (queries, dim).
        chunks: passage ids and float32 (passages, dim), streamed once; ids must be distinct over all chunks.
        depth: how many passages to keep per query, at least 1.

    Returns:
        One ranking per query; shorter than ``depth`` only if there are fewer passages.
    """
    best = _Best(len(queries), depth)
    norms = np.sqrt(np.sum(queries.astype(np.float64) ** 2, axis=1))
    for ids, vectors in chunks:
        names = np.asarray(ids, dtype=np.str_)
        for start in range(0, len(queries) if len(ids) else 0, QUERIES):
            block = slice(start, start + QUERIES)
            rows, columns = _candidates(queries[block], norms[block], vectors, depth, best.floor[block])
            best.add(rows + start, pair_scores(queries[block], vectors, rows, columns), names[columns])
        del vectors  # a mapped file is given back before the next one is asked for
    return best.rankings()


def pair_scores(queries: Vectors, vectors: Vectors, rows: Ints, columns: Ints) -> Floats:
    """float64 inner products of query ``rows[i]`` with passage ``columns[i]``; products of float32 are exact in it."""
    scores = np.empty(len(rows), dtype=np.float64)
    for start in range(0, len(rows), PAIRS):
        part = slice(start, start + PAIRS)
        products = queries[rows[part]].astype(np.float64) * vectors[columns[part]]
        scores[part] = products.sum(axis=1)
    return scores


def _candidates(queries: Vectors, norms: Floats, vectors: Vectors, depth: int, floor: Floats) -> tuple[Ints, Ints]:
    """Pairs (query, passage) that hold every pair whose exact score can still enter the top ``depth``.

    |fl(q.p) - q.p| <= d u / (1 - d u) |q| |p| for every order of summation, so for every BLAS (Higham 2002, "Accuracy
    and Stability of Numerical Algorithms", section 3.1); 2 d u is used for it, with u = 2**-24, and 2**-149 for each
    product that may underflow.
    """
    longest = np.sqrt(np.sum(vectors.astype(np.float64) ** 2, axis=1).max())
    error = norms * longest * (2 * vectors.shape[1] * 2.0**-24) + vectors.shape[1] * 2.0**-149
    if len(vectors) >= depth and np.isinf(floor).any():
        floor = np.maximum(floor, _depth_th_best(queries, vectors, depth) - error)
    with np.errstate(over="ignore", invalid="ignore"):  # huge vectors: what overflows is kept and scored exactly
        scores = queries @ vectors.T
        # The float32 nearest to the limit may lie above it: one step down keeps the comparison safe.
        limits = np.nextafter((floor - error).astype(np.float32), np.float32(-np.inf))
        found = np.flatnonzero(~(scores < limits[:, None]))
    return found // len(vectors), found % len(vectors)


def _depth_th_best(queries: Vectors, vectors: Vectors, depth: int) -> Floats:
    """Float32 score of the ``depth``-th best passage of each query."""
    import faiss

    best = faiss.knn(queries, vectors, depth, metric=faiss.METRIC_INNER_PRODUCT)[0]
    return np.asarray(best[:, -1], dtype=np.float64)


class _Best:
    """The best candidates so far, merged only when enough have come together to be worth a sort."""

    def __init__(self, queries: int, depth: int) -> None:
        self.depth = depth
        self.floor: Floats = np.full(queries, -np.inf)
        self._parts: list[tuple[Ints, Floats, Names]] = []
        self._waiting = 0

    def add(self, rows: Ints, scores: Floats, ids: Names) -> None:
        self._parts.append((rows, scores, ids))
        self._waiting += len(rows)
        if self._waiting >= len(self.floor) * self.depth // 4:
            self._merge()

    def _merge(self) -> tuple[Ints, Floats, Names]:
        if not self._parts:
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.str_)
        rows, scores, ids = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = np.lexsort((-scores, rows))
        if ((rows[order][1:] == rows[order][:-1]) & (scores[order][1:] == scores[order][:-1])).any():
            order = np.lexsort((ids, -scores, rows))  # ids cost more to sort by than scores, and rarely matter
        rows, scores, ids = rows[order], scores[order], ids[order]
        starts = np.searchsorted(rows, np.arange(len(self.floor)))
        keep = np.arange(len(rows)) - starts[rows] < self.depth
        rows, scores, ids = rows[keep], scores[keep], ids[keep]
        full = np.bincount(rows, minlength=len(self.floor)) == self.depth
        last = np.searchsorted(rows, np.arange(len(self.floor)), side="right") - 1
        self.floor[full] = scores[last[full]]
        self._parts, self._waiting = [(rows, scores, ids)], 0
        return rows, scores, ids

    def rankings(self) -> list[Ranking]:
        rows, scores, ids = self._merge()
        bounds = np.searchsorted(rows, np.arange(len(self.floor) + 1))
        return [Ranking(tuple(ids[a:b].tolist()), scores[a:b]) for a, b in itertools.pairwise(bounds)]
