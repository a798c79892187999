"""From result folders to ranked rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xqgbench import results
from xqgbench.comparison import Comparison, compare, ranks
from xqgbench.results import Result


@dataclass(frozen=True)
class Entry:
    """A row: a complete result, its rank among the board's systems, and how it compares with its plain counterpart.

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
        """How the scores came about: ``measured`` here, re-scored from a submitted run, or copied from a paper."""
        return str(self.result.details["source"])


@dataclass(frozen=True)
class Board:
    """The systems that may be compared: one task version, one depth, all languages.

    Attributes:
        entries: best rank first, and within a rank the best macro average.
        controls: control languages that any of the systems was evaluated in.
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
    controls: tuple[str, ...] = ()

    def means(self, entry: Entry) -> list[str]:
        """The means of an entry as text: languages, then controls; empty where a control was not evaluated."""
        result = entry.result
        return [
            f"{result.mean(language, self.measure):.4f}" if language in result.scored else ""
            for language in (*self.languages, *self.controls)
        ]


def boards(folder: Path) -> list[Board]:
    """One board per task, version of its card, and depth found under ``folder``, in the order of their names."""
    groups: dict[tuple[str, str, str, int], list[Result]] = {}
    for path in sorted(folder.glob("*/[!.]*/result.json")):  # not what a killed run left aside
        result = results.read_result(path.parent)
        groups.setdefault((result.task, result.task_version, result.card_sha256, result.depth), []).append(result)
    return [_board(key, found) for key, found in sorted(groups.items())]


def _board(key: tuple[str, str, str, int], found: list[Result]) -> Board:
    complete = [result for result in found if result.complete]
    measure = found[0].main_measure
    complete.sort(key=lambda result: (-result.macro(measure), result.system))
    places = ranks(complete, measure)
    systems = {result.system: result for result in complete}
    entries = [
        Entry(place, result, _against_plain(result, systems)) for place, result in zip(places, complete, strict=True)
    ]
    return Board(
        *key,
        measure=measure,
        languages=complete[0].languages if complete else (),
        entries=tuple(sorted(entries, key=lambda entry: entry.rank)),
        incomplete=tuple(sorted(result.system for result in found if not result.complete)),
        controls=tuple(dict.fromkeys(language for result in complete for language in result.controls)),
    )


def _against_plain(result: Result, systems: Mapping[str, Result]) -> Comparison | None:
    kept = result.details["comparison"]
    plain = systems.get(kept["against"]) if kept else None
    return compare(plain, result, result.main_measure, kept["seed"]) if plain else None
