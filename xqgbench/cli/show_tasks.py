"""What the commands about tasks print."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from xqgbench.cli import figures
from xqgbench.cli.show import WIDE, new_console, new_table
from xqgbench.errors import MissingData
from xqgbench.types import Progress, TaskCard

if TYPE_CHECKING:
    from rich.progress import TaskID

    from xqgbench.download import Outcome
    from xqgbench.inventory import Availability
    from xqgbench.pooling import Unjudged
    from xqgbench.precomputed import Exported
    from xqgbench.validation import Report

#: Findings of a check that are listed unless all are asked for.
FEW = 5
#: Characters for the languages of a task, in a wide table and in one of 80 columns.
LANGUAGES, FEW_LANGUAGES = 34, 19


def tasks(found: Sequence[tuple[TaskCard, Availability]], as_json: bool) -> None:
    """The tasks, and what of them is here."""
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
            "about_passages",
            "expected_queries",
        )
        listed = [
            {k: getattr(card, k) for k in kept}
            | {"bytes": here.bytes, "bundled": here.bundled, "network": here.network, "languages_here": here.languages}
            for card, here in found
        ]
        print(json.dumps(listed, indent=1))
        return
    console = new_console()
    wide = console.width >= WIDE
    table = new_table(
        ("name", "left"),
        ("languages", "left"),
        ("passages", "right"),
        ("queries", "right"),
        ("measure", "left"),
        ("size", "right"),
        ("network", "left"),
        *([("title", "left")] if wide else []),
    )
    if not wide:
        table.padding = 0
    for card, here in found:
        table.add_row(
            card.name,
            figures.languages(card.languages, LANGUAGES if wide else FEW_LANGUAGES),
            figures.passages(card),
            figures.number(sum(card.expected_queries.values())),
            card.main_measure,
            "bundled" if here.bundled else figures.size(here.bytes),
            here.network,
            *([Text(card.title)] if wide else []),
        )
    console.print(table)
    console.print(
        "size: of the download. network: whether one is needed; 'no, here' as the files are here, 'some' as those of "
        "some languages are. More of one: xqgbench tasks show NAME"
    )


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


@contextlib.contextmanager
def transfers() -> Iterator[Progress]:
    """A progress callback drawn on stderr as one bar per file, in bytes, that goes when the file is here."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bars = Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    current: dict[str, TaskID] = {}

    def report(what: str, done: int, total: int | None) -> None:
        if what not in current:
            for task in current.values():
                bars.remove_task(task)
            current.clear()
            bars.start()
            current[what] = bars.add_task(what, total=total)
        bars.update(current[what], completed=done, total=total)

    try:
        yield report
    finally:
        if current:  # else nothing was drawn, and an error would stand below an empty line
            bars.stop()


def downloaded(outcomes: Sequence[Outcome]) -> None:
    """What was fetched, line by line, and how much there is now."""
    console = new_console()
    for outcome in outcomes:
        if outcome.state == "fetched":
            console.print(Text(f"fetched {outcome.path} ({outcome.bytes:,} bytes)"), soft_wrap=True)
    here = [outcome for outcome in outcomes if outcome.state in ("here", "fetched")]
    fetched = [outcome for outcome in outcomes if outcome.state == "fetched"]
    text = f"{len(here)} of {len(outcomes)} files here ({sum(outcome.bytes for outcome in here):,} bytes)"
    if fetched:
        text += f", {len(fetched)} of them fetched now ({sum(outcome.bytes for outcome in fetched):,} bytes)"
    if unchecked := [outcome for outcome in here if not outcome.checked]:
        text += f", {len(unchecked)} without a hash to check them by"
    if outcomes:
        console.print(Text(text), soft_wrap=True)


def read_elsewhere(names: Sequence[str]) -> None:
    """What ir_datasets has now."""
    for name in names:
        new_console().print(Text(f"read with ir_datasets: {name}"), soft_wrap=True)


def require_nothing_by_hand(card: TaskCard, outcomes: Sequence[Outcome]) -> None:
    """List the files that have no address.

    Raises:
        MissingData: there are some.
    """
    absent = [outcome for outcome in outcomes if outcome.state == "by hand"]
    for outcome in absent:
        new_console().print(Text(f"by hand: {outcome.path}"), soft_wrap=True)
    if absent:
        hint = f" {card.homepage} explains where they are." if card.homepage else ""
        raise MissingData(
            f"task '{card.name}': {len(absent)} of its files have no address; put them there by hand, or name the "
            f"folder that holds them with --data-dir DIR.{hint}"
        )


def exported(written: Sequence[Exported], folder: Path, task: str) -> None:
    """The files of texts, and what is to be done with them."""
    console = new_console()
    for file in written:
        texts = f"{file.texts:,} texts" if not file.missing else f"not written: {file.missing}"
        console.print(Text(f"{folder / file.name}: {texts}"), soft_wrap=True)
    wanted = f"a .npy beside each, one row per line, and {folder / 'vectors.json'} filled in"
    console.print(Text(f"Wanted back: {wanted}."), soft_wrap=True)
    console.print(Text(f"Evaluate them: xqgbench eval --vectors {folder} --task {task}"), soft_wrap=True)


def complaints(errors: Sequence[Exception]) -> None:
    """What could not be listed, on stderr."""
    console = Console(stderr=True, highlight=False)
    for error in errors:
        console.print(Text(f"left out: {error}"), soft_wrap=True)
