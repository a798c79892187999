"""What comes out of a retriever, checked before anything is built on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xqgbench.errors import RetrieverError
from xqgbench.types import RetrieverInfo, Vectors


def checked(output: Any, ids: Sequence[str], info: RetrieverInfo, what: str) -> Vectors:
    """Vectors as the harness uses them: float32 (len(ids), dim), finite, of unit length if compared by cosine.

    Args:
        output: whatever the retriever returned for the texts named by ``ids``.
        what: what was encoded ("passage", "query", "generated query"), for messages.

    Raises:
        RetrieverError: wrong type, number of rows or dimension; NaN or infinite values; a zero vector under cosine.
    """
    try:
        raw = np.asarray(output)
        if raw.dtype.kind not in "fiub":
            raise TypeError(f"its values are of type {raw.dtype}")
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which is refused below
            vectors = np.ascontiguousarray(raw, dtype=np.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise RetrieverError(
            f"retriever '{info.name}' returned {type(output).__name__} for {len(ids)} {what} texts, which is no array "
            f"of numbers ({error}). Return a float32 numpy array of shape ({len(ids)}, {info.dim})."
        ) from None
    if vectors.ndim != 2 or vectors.shape[0] != len(ids):
        raise RetrieverError(
            f"retriever '{info.name}' returned shape {vectors.shape} for {len(ids)} {what} texts; one row per text, "
            f"({len(ids)}, {info.dim}), is needed. First text of the batch: '{ids[0] if ids else ''}'."
        )
    if vectors.shape[1] != info.dim:
        raise RetrieverError(
            f"retriever '{info.name}' returned {what} vectors of dimension {vectors.shape[1]}, but its info says "
            f"dim={info.dim}. Correct one of the two."
        )
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        bad = int(np.argmin(finite))
        raise RetrieverError(
            f"retriever '{info.name}' returned a NaN or infinite vector for {what} '{ids[bad]}' "
            f"({int((~finite).sum())} of {len(ids)} in this batch). Encode that text alone to see why; half precision "
            f"overflow is the usual reason."
        )
    return normalised(vectors, ids, info, what) if info.similarity == "cosine" else vectors


def normalised(vectors: Vectors, ids: Sequence[str], info: RetrieverInfo, what: str) -> Vectors:
    """Rows scaled to unit length (norms in float64, so that a row does not depend on its neighbours)."""
    norms = np.sqrt(np.sum(vectors.astype(np.float64) ** 2, axis=1))
    if (norms == 0).any():
        bad = ids[int(np.argmin(norms))]
        raise RetrieverError(
            f"retriever '{info.name}' returned a zero vector for {what} '{bad}', which has no cosine. Use "
            f"similarity='dot' if zero vectors are meant."
        )
    unit: Vectors = (vectors / norms[:, None]).astype(np.float32)
    return unit


def halved(vectors: Vectors, ids: Sequence[str], info: RetrieverInfo, what: str) -> npt.NDArray[np.float16]:
    """Vectors rounded to float16.

    Raises:
        RetrieverError: a vector has values too large for it, or is not zero but would be.
    """
    with np.errstate(over="ignore"):  # becomes infinite, which is refused below
        half = vectors.astype(np.float16)
    lost = ~np.isfinite(half).all(axis=1) | (vectors.any(axis=1) & ~half.any(axis=1))
    if lost.any():
        bad = int(np.argmax(lost))
        raise RetrieverError(
            f"retriever '{info.name}': the vector of {what} '{ids[bad]}' cannot be kept as float16 (its largest value "
            f"is {np.abs(vectors[bad]).max():.6g}, and float16 holds 6e-08 to 65504). Keep float32: leave out "
            f"--store-dtype float16."
        )
    return half
