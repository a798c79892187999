"""From result folders to ranked rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqgbench import results
from xqgbench.comparison import ranks
from xqgbench.results import Result


@dataclass(frozen=True)
class Entry:
    """A row: a complete result and its rank among the board's systems."""

    rank: int
    result: Result

    @property
    def domain(self) -> str:
        return str(self.result.details["domain"])

    @property
    def source(self) -> str:
        """How the scores came about: ``measured`` here, re-scored from a submitted run, or copied from a paper."""
        return str(self.result.details["source"])

    @property
    def comparison(self) -> Mapping[str, Any] | None:
        """Rows of the augmented system against the plain one on the main measure, as ``result.json`` keeps them."""
        kept = self.result.details["comparison"]
        return None if kept is None else kept["measures"][self.result.main_measure]

    @property
    def against(self) -> str:
        kept = self.result.details["comparison"]
        return "" if kept is None else str(kept["against"])


@dataclass(frozen=True)
class Board:
    """The systems that may be compared: one task version, one depth, all languages.

    Attributes:
        entries: best macro average first; equal ranks cannot be told apart statistically.
        incomplete: systems left out because not all languages of the card were evaluated.
    """

    task: str
    version: str
    card_sha256: str
    depth: int
    measure: str
    languages: tuple[str, ...]
    entries: tuple[Entry, ...]
    incomplete: tuple[str, ...]


def boards(folder: Path) -> list[Board]:
    """One board per task, version of its card, and depth found under ``folder``, in the order of their names."""
    groups: dict[tuple[str, str, str, int], list[Result]] = {}
    for path in sorted(folder.glob("*/[!.]*/result.json")):  # not what a killed run left aside
        result = results.read(path.parent)
        card = str(result.details["task"]["card_sha256"])
        groups.setdefault((result.task, result.task_version, card, result.depth), []).append(result)
    return [_board(key, found) for key, found in sorted(groups.items())]


def _board(key: tuple[str, str, str, int], found: list[Result]) -> Board:
    complete = [result for result in found if result.complete]
    measure = found[0].main_measure
    complete.sort(key=lambda result: (-result.macro(measure), result.system))
    places = ranks(complete, measure)
    return Board(
        *key,
        measure=measure,
        languages=complete[0].languages if complete else (),
        entries=tuple(
            Entry(rank, result) for rank, result in sorted(zip(places, complete, strict=True), key=lambda pair: pair[0])
        ),
        incomplete=tuple(sorted(result.system for result in found if not result.complete)),
    )
