"""What the commands about tasks print."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from xqgbench.cli.show import new_console, new_table
from xqgbench.types import TaskCard

if TYPE_CHECKING:
    from xqgbench.pooling import Unjudged
    from xqgbench.validation import Report

#: Findings of a check that are listed unless all are asked for.
FEW = 5


def tasks(cards: Sequence[TaskCard], as_json: bool) -> None:
    """The tasks."""
    if as_json:
        kept = (
            "name",
            "title",
            "version",
            "languages",
            "measures",
            "main_measure",
            "license",
            "expected_passages",
            "expected_queries",
        )
        print(json.dumps([{k: getattr(card, k) for k in kept} for card in cards], indent=1))
        return
    table = new_table(
        ("name", "left"),
        ("version", "left"),
        ("languages", "left"),
        ("passages", "right"),
        ("queries", "right"),
        ("measure", "left"),
        ("title", "left"),
    )
    for card in cards:
        queries = sum(card.expected_queries.values())
        table.add_row(
            card.name,
            card.version,
            " ".join(card.languages),
            f"{card.expected_passages:,}",
            f"{queries:,}",
            card.main_measure,
            card.title,
        )
    new_console().print(table)


def report(found: Report, everything: bool, as_json: bool) -> None:
    """What the checks of a task found."""
    if as_json:
        print(json.dumps(found.describe(), ensure_ascii=False, indent=1))
        return
    console = new_console()
    console.print(Text(f"\n{found.task} {found.version}", style="bold"))
    table = new_table(
        ("check", "left"), ("looked at", "right"), ("problems", "right"), ("doubts", "right"), ("", "left")
    )
    for outcome in found.outcomes:
        counts = (f"{outcome.looked_at:,}", str(len(outcome.problems)), str(len(outcome.doubts)))
        table.add_row(outcome.name, *counts, Text(outcome.note), style="bold red" if outcome.problems else "")
    console.print(table)
    for kind in ("problems", "doubts"):
        for outcome in found.outcomes:
            listed = getattr(outcome, kind)
            for problem in listed if everything else listed[:FEW]:
                console.print(Text(f"{kind[:-1]}, {outcome.name}: {problem.where}: {problem.what}"), soft_wrap=True)
            if len(listed) > FEW and not everything:
                console.print(f"... and {len(listed) - FEW} more {kind} of {outcome.name}; --all lists them")
    problems = sum(len(outcome.problems) for outcome in found.outcomes)
    console.print(Text("passed" if found.passed else f"failed: {problems} problems", style="bold"))


def pool(found: Iterator[Unjudged]) -> None:
    """What is to be judged, as JSON lines; the count on stderr."""
    queries = passages = 0
    for entry in found:
        queries, passages = queries + 1, passages + len(entry.passages)
        record = {
            "lang": entry.query.language,
            "id": entry.query.id,
            "question": entry.query.text,
            "answers": entry.answers,
            "relevant": entry.relevant,
            "unjudged": entry.passages,
        }
        print(json.dumps(record, ensure_ascii=False))
    Console(stderr=True, highlight=False).print(f"{passages} passages to be judged for {queries} queries")


def complaints(errors: Sequence[Exception]) -> None:
    """What could not be listed, on stderr."""
    console = Console(stderr=True, highlight=False)
    for error in errors:
        console.print(Text(f"left out: {error}"), soft_wrap=True)
