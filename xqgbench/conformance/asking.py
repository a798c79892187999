"""Retrievers asked for vectors, and two answers compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xqgbench.conformance.report import Finding
from xqgbench.encode import called
from xqgbench.types import Passage, Retriever, Vectors

#: How far a vector may move, as a share of its length. Rounding in float32 moves it by 1e-6, in bfloat16, whose numbers
#: have 8 bits, by up to this; neighbours that leak through padding move it by more.
TOLERANCE = 1e-2


def queries(retriever: Retriever, texts: Sequence[str]) -> Vectors:
    """Vectors as the harness uses them; raises where it would."""
    return called(retriever.encode_queries, texts, [text[:30] for text in texts], retriever.info, "query")


def passages(retriever: Retriever, wanted: Sequence[Passage]) -> Vectors:
    """Vectors as the harness uses them; raises where it would."""
    return called(retriever.encode_passages, wanted, [passage.id for passage in wanted], retriever.info, "passage")


def bare(texts: Sequence[str]) -> list[Passage]:
    """Passages of these texts, without titles."""
    return [Passage(f"text-{number}", "", text) for number, text in enumerate(texts, 1)]


def roles(retriever: Retriever, texts: Sequence[str]) -> tuple[tuple[str, Callable[[Any], Any], list[Any]], ...]:
    """Per role its name, what encodes it, and the texts as that takes them."""
    return ("query", retriever.encode_queries, list(texts)), ("passage", retriever.encode_passages, bare(texts))


def apart(vectors: Vectors, others: Vectors) -> float:
    """The largest distance between a row and its counterpart, as a share of the latter's length."""
    distances = np.linalg.norm(vectors.astype(np.float64) - others, axis=1)
    lengths = np.linalg.norm(others.astype(np.float64), axis=1)
    return float(np.max(distances / np.where(lengths == 0, 1, lengths), initial=0))


def agreement(vectors: Vectors, others: Vectors) -> Finding:
    """Whether two encodings of the same texts are the same."""
    if vectors.tobytes() == others.tobytes():
        return "passed", "the same to the last bit"
    distance = apart(vectors, others)
    if distance <= TOLERANCE:
        return "note", f"the same but for rounding: vectors move by up to {distance:.1g} of their length"
    return "failed", f"vectors move by {distance:.2g} of their length, where rounding explains {TOLERANCE:g} at most"


def worst(*findings: Finding) -> Finding:
    """The one with the gravest verdict."""
    return max(findings, key=lambda finding: ("passed", "note", "failed").index(finding[0]))
