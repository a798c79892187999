"""Texts to vectors, fast: batches of like length under a budget of tokens, tokenised while others are encoded.

Which texts share a batch follows from the texts of one call alone, never from timing, so that a repeated call gives
the same vectors to the last bit on the same machine.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from xqgbench.types import Vectors

#: Texts tokenised at once; all of a piece are padded alike at first, so a few batches' worth.
PIECE = 256
#: Texts whose tokens are in memory at once; a whole number of pieces.
WINDOW = 4_096

#: What a tokenizer makes of texts: name -> tensor (texts, tokens), padded on one side, ``attention_mask`` among them;
#: what is no tensor holds for all texts.
Features = Mapping[str, Any]
Rows = npt.NDArray[np.int64]


def encode(
    texts: Sequence[str],
    tokenise: Callable[[list[str]], Features],
    forwards: Sequence[Callable[[Features], Vectors]],
    dim: int,
    budget: int,
) -> Vectors:
    """Vectors of texts, float32 (texts, dim).

    Args:
        tokenise: called by one thread only.
        forwards: each encodes a batch, (texts, dim); one runs at a time in each, all of them at once.
        budget: padded tokens per batch; a text that is longer is a batch by itself, so 1 means one text per batch.
    """
    vectors = np.empty((len(texts), dim), dtype=np.float32)
    for start in range(0, len(texts), WINDOW):
        window = texts[start : start + WINDOW]
        # The longest come first: what does not fit into memory is known at once.
        order = np.array(sorted(range(len(window)), key=lambda i: (-len(window[i].encode()), i)), dtype=np.int64)
        pieces = [order[i : i + PIECE] for i in range(0, len(order), PIECE)]
        for rows, found in _encoded(window, pieces, tokenise, forwards, budget):
            vectors[start + rows] = found
    return vectors


def _encoded(
    texts: Sequence[str],
    pieces: Sequence[Rows],
    tokenise: Callable[[list[str]], Features],
    forwards: Sequence[Callable[[Features], Vectors]],
    budget: int,
) -> Iterator[tuple[Rows, Vectors]]:
    free: queue.SimpleQueue[Callable[[Features], Vectors]] = queue.SimpleQueue()
    for forward in forwards:
        free.put(forward)

    def run(features: Features) -> Vectors:
        forward = free.get()
        try:
            return forward(features)
        finally:
            free.put(forward)

    tokeniser, encoders = ThreadPoolExecutor(1), ThreadPoolExecutor(len(forwards))
    jobs: list[tuple[Rows, Future[Vectors]]] = []
    try:
        tokenised = tokeniser.map(tokenise, [[texts[i] for i in rows] for rows in pieces])
        for rows, features in zip(pieces, tokenised, strict=True):
            jobs += [(rows[part], encoders.submit(run, batch)) for part, batch in batches(features, len(rows), budget)]
        for rows, job in jobs:
            yield rows, job.result()
    finally:  # also where one of them failed, or the user has stopped it
        tokeniser.shutdown(wait=False, cancel_futures=True)
        encoders.shutdown(wait=True, cancel_futures=True)


def batches(features: Features, size: int, budget: int) -> Iterator[tuple[Rows, Features]]:
    """Some of ``size`` rows, of like length, cropped to the longest of them; the longest rows first.

    Features that are no rows of tokens (of models that are no transformers) stay one batch.
    """
    mask = features.get("attention_mask")
    tensors = {name: value for name, value in features.items() if hasattr(value, "shape")}
    if mask is None or mask.ndim != 2 or any(value.shape != mask.shape for value in tensors.values()):
        yield np.arange(size), features
        return
    lengths, width = mask.sum(dim=1).numpy(), mask.shape[1]
    padded_left = bool(((mask[:, 0] == 0) & (mask[:, -1] == 1)).any())
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = max(int(lengths[order[start]]), 1)
        rows = order[start : start + max(1, budget // longest)]
        columns = slice(width - longest, width) if padded_left else slice(0, longest)
        yield rows, {**features, **{name: value[rows][:, columns] for name, value in tensors.items()}}
        start += len(rows)
