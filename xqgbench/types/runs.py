"""Ranked passages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Ranking:
    """The passages retrieved for one query, best first.

    Attributes:
        passage_ids: at most ``depth`` ids; equal scores stand in ascending order of id.
        scores: float64, the true similarities, non-increasing.
    """

    passage_ids: tuple[str, ...]
    scores: npt.NDArray[np.float64]

    def rank_scores(self) -> dict[str, float]:
        """Strictly decreasing scores derived from the ranks alone, for tools that break ties their own way."""
        n = len(self.passage_ids)
        return {passage: float(n - rank) for rank, passage in enumerate(self.passage_ids)}


#: query id -> ranking, for one language.
Run = Mapping[str, Ranking]


@dataclass(frozen=True, slots=True)
class RunFile:
    """A run that was made elsewhere, as its file holds it.

    Attributes:
        kind: ``trec``, ``ranx`` or ``predictions`` (XOR-Retrieve's official format).
        rankings: (language, query id) -> ranking, whole; the language is empty where the file does not say it.
        texts: passage id -> text, of predictions alone: they hold texts and no ids, so the ids are made from the texts.
    """

    kind: Literal["trec", "ranx", "predictions"]
    rankings: Mapping[tuple[str, str], Ranking]
    texts: Mapping[str, str] = field(default_factory=dict)
