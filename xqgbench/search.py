"""Exact top-k search whose outcome depends on the vectors alone.

A float32 matrix product ranks differently on different machines, chunk sizes and thread counts when scores almost
tie. So faiss proposes candidates, with a rigorous bound on its rounding error deciding whether any passage could be
missing, and the candidates are scored again in float64, each row summed in one fixed order. Equal scores are ordered
by passage id.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from xqgbench.types import Chunk, Ranking, Vectors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Candidates fetched beyond the depth: near-ties around the last rank rarely need more.
MARGIN = 16
#: Query-passage pairs scored at once in float64; bounds memory, not the outcome.
PAIRS = 16_384


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
        if len(queries) and len(ids):
            rows, columns = _candidates(queries, norms, vectors, depth, best.floor)
            best.add(rows, pair_scores(queries, vectors, rows, columns), np.asarray(ids, dtype=np.str_)[columns])
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

    The classical bound |fl(q.p) - q.p| <= d u / (1 - d u) |q| |p| (Higham 2002, section 3.1) holds for every order of
    summation, so for every BLAS; 2 d u is used for it, with u = 2**-24.
    """
    import faiss

    n, dim = vectors.shape
    longest = float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors).max(initial=0.0))) * (1 + 1e-4)
    error = norms * longest * (2 * dim * 2.0**-24)
    fetch = min(n, depth + MARGIN)
    near, found = faiss.knn(queries, vectors, fetch, metric=faiss.METRIC_INNER_PRODUCT)
    # An exact score is at least its float32 score less the error: a lower bound of the depth-th best.
    if fetch >= depth:
        floor = np.maximum(floor, near[:, depth - 1] - error)
    rows, places = np.nonzero(near >= (floor - error)[:, None])
    columns = found[rows, places]
    if fetch == n:
        return rows, columns
    open_ended = np.flatnonzero(near[:, -1] >= floor - error)
    if not len(open_ended):
        return rows, columns
    keep = ~np.isin(rows, open_ended)
    more = [np.flatnonzero(vectors @ queries[q] >= floor[q] - error[q]) for q in open_ended]
    again = np.repeat(open_ended, [len(m) for m in more])
    return np.concatenate([rows[keep], again]), np.concatenate([columns[keep], *more])


class _Best:
    """The best candidates so far, merged only when enough have come together to be worth a sort."""

    def __init__(self, queries: int, depth: int) -> None:
        self.depth = depth
        self.floor: Floats = np.full(queries, -np.inf)
        self._parts: list[tuple[Ints, Floats, npt.NDArray[np.str_]]] = []
        self._waiting = 0

    def add(self, rows: Ints, scores: Floats, ids: npt.NDArray[np.str_]) -> None:
        self._parts.append((rows, scores, ids))
        self._waiting += len(rows)
        if self._waiting >= len(self.floor) * self.depth // 4:
            self._merge()

    def _merge(self) -> tuple[Ints, Floats, npt.NDArray[np.str_]]:
        if not self._parts:
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.str_)
        rows, scores, ids = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = np.lexsort((ids, -scores, rows))
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
