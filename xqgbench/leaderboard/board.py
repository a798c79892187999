"""From result folders to ranked rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xqgbench import results
from xqgbench.comparison import Comparison, compare, ranks
from xqgbench.results import Result


@dataclass(frozen=True)
class Entry:
    """A row: a result, its rank among the board's systems, and how it compares with its plain counterpart.

    The comparison is made anew from the scores of both, if both are on the board.
    """

    rank: int
    result: Result
    comparison: Comparison | None

    @property
    def domain(self) -> str:
        return str(self.result.details["domain"])

    @property
    def source(self) -> str:
        """How the scores came about: ``measured`` here, ``from vectors`` or ``re-scored`` from a run made elsewhere."""
        return str(self.result.details["source"])


@dataclass(frozen=True)
class Board:
    """The systems that may be compared: one task version, one depth, the same languages, the same queries.

    Attributes:
        languages: those that were evaluated.
        of: how many languages the card has; where it has more, there is no macro average, and the mean of those
            evaluated is called so (``average``).
        entries: best rank first, and within a rank the best average.
        controls: control languages that any of the systems was evaluated in.
        denominator: ``official`` where queries that the systems' runs lack are not counted; such systems share a board
            only if they lack the same.
    """

    task: str
    version: str
    card_sha256: str
    depth: int
    measure: str
    languages: tuple[str, ...]
    of: int
    entries: tuple[Entry, ...]
    controls: tuple[str, ...] = ()
    denominator: str = "strict"

    @property
    def complete(self) -> bool:
        return len(self.languages) == self.of

    @property
    def average(self) -> str:
        """What the mean over the languages may be called."""
        return "macro" if self.complete else f"mean of {len(self.languages)}"

    @property
    def title(self) -> str:
        """Task and version, how many languages where they are not all, and the denominator if it is not strict."""
        some = "" if self.complete else f", {len(self.languages)} of {self.of} languages"
        counted = "" if self.denominator == "strict" else f", {self.denominator} denominator"
        return f"{self.task} {self.version}{some}{counted}"

    @property
    def measures(self) -> tuple[str, ...]:
        """Every measure that any of the systems was scored by."""
        return tuple(dict.fromkeys(measure for entry in self.entries for measure in entry.result.measures))

    @property
    def queries(self) -> int:
        """How many queries the average is made of, in all languages together."""
        result = self.entries[0].result
        return sum(result.count(language, self.measure) for language in self.languages)

    def means(self, entry: Entry) -> list[str]:
        """The means of an entry as text: languages, then controls; empty where a control was not evaluated."""
        result = entry.result
        return [
            f"{result.mean(language, self.measure):.4f}" if language in result.scored else ""
            for language in (*self.languages, *self.controls)
        ]


def boards(folder: Path) -> list[Board]:
    """One board per task, version of its card, depth and set of languages found under ``folder``, by their names.

    Complete boards come before those of fewer languages, and these before those of another denominator.
    """
    groups: dict[tuple[str, str, str, int, str, bool, tuple[str, ...]], list[Result]] = {}
    for path in sorted(folder.glob("*/[!.]*/result.json")):  # not what a killed run left aside
        result = results.read_result(path.parent)
        key = (result.task, result.task_version, result.card_sha256, result.depth)
        groups.setdefault((*key, _counted(result), not result.complete, result.languages), []).append(result)
    return [_board(found) for _, found in sorted(groups.items())]


def _counted(result: Result) -> str:
    """What distinguishes the queries that count: nothing where all judged ones do, else a hash of those that do."""
    if result.denominator == "strict":
        return ""
    names = [[language, *sorted(result.scores[language][result.main_measure])] for language in result.languages]
    return f"{result.denominator} {hashlib.sha256(json.dumps(names).encode()).hexdigest()}"


def _board(found: list[Result]) -> Board:
    first = found[0]
    measure = first.main_measure
    found.sort(key=lambda result: (-result.macro(measure), result.system))
    places = ranks(found, measure)
    systems = {result.system: result for result in found}
    entries = [
        Entry(place, result, _against_plain(result, systems)) for place, result in zip(places, found, strict=True)
    ]
    return Board(
        first.task,
        first.task_version,
        first.card_sha256,
        first.depth,
        measure,
        first.languages,
        len(first.languages) if first.complete else len(first.card_languages),
        tuple(sorted(entries, key=lambda entry: entry.rank)),
        tuple(dict.fromkeys(language for result in found for language in result.controls)),
        first.denominator,
    )


def _against_plain(result: Result, systems: Mapping[str, Result]) -> Comparison | None:
    kept = result.details["comparison"]
    plain = systems.get(kept["against"]) if kept else None
    return compare(plain, result, result.main_measure, kept["seed"]) if plain else None
