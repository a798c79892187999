"""What the commands print."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from xqgbench.types import Progress, RetrieverInfo, silent

if TYPE_CHECKING:
    from xqgbench.comparison import Comparison, Row
    from xqgbench.evaluation import Evaluation
    from xqgbench.leaderboard import Board
    from xqgbench.rescoring import Rescored
    from xqgbench.results import Result
    from xqgbench.sweep import Sweep

#: Width of tables where the output is no terminal, so that a pipe or a file gets whole rows.
WIDE = 160


def new_console() -> Console:
    """A console as wide as the terminal, or wide enough for whole rows."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)


def new_table(*columns: tuple[str, str]) -> Table:
    """A table with named columns, each ``left`` or ``right``."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, side in columns:
        table.add_column(name, justify="right" if side == "right" else "left", overflow="fold")
    return table


@contextlib.contextmanager
def progress(hidden: bool) -> Iterator[Progress]:
    """A progress callback drawn as one bar per kind of work, on stderr."""
    if hidden:
        yield silent
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<26}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bars = Bars(*columns, console=Console(stderr=True), transient=True)
    known: dict[str, Any] = {}

    def report(what: str, done: int, total: int | None) -> None:
        bars.start()  # at the first report, so that an error before it leaves no empty line; later ones do nothing
        if what not in known:
            known[what] = bars.add_task(what, total=total)
        bars.update(known[what], completed=done, total=total)

    try:
        yield report
    finally:
        if known:
            bars.stop()


@dataclass(frozen=True)
class _Pair:
    """What a table of scores shows: one system, or a second one compared with it, each by what it is called there."""

    first: Result
    second: Result | None
    comparisons: Mapping[str, Comparison]
    names: tuple[str, str]
    control_gap: str


def assumed(info: RetrieverInfo) -> None:
    """What nobody said of a retriever and was guessed, and how to say it; nothing where nothing was."""
    if info.assumed:
        click.echo(
            f"Note: assumed of {info.name}: {'; '.join(info.assumed)}. Say otherwise with --set NAME=VALUE.", err=True
        )


def evaluation(found: Evaluation) -> None:
    """The table of one evaluation."""
    plain, augmented = found.plain, found.augmented
    names = ("plain", f"+{augmented.details['augmentation']['name']}" if augmented else "")
    _scores(_Pair(plain, augmented, found.comparisons, names, "the plain retriever"))


def rescored(found: Rescored) -> None:
    """The table of a run made elsewhere."""
    result, against = found.result, found.against
    if against:
        _scores(_Pair(against, result, found.comparisons, (against.system, result.system), against.system))
    else:
        _scores(_Pair(result, None, {}, (result.system, ""), result.system))


def _scores(pair: _Pair) -> None:
    console, first = new_console(), pair.first
    shown = pair.second or first
    measure = shown.main_measure
    counted = "" if shown.denominator == "strict" else f", {shown.denominator} denominator"
    console.print()
    console.print(Text(f"{shown.task} {shown.task_version}, {shown.system}, {measure}{counted}", style="bold"))
    if pair.second is None:
        console.print(_alone(first, measure))
    else:
        console.print(_comparison(pair, measure))
        console.print(Text(_legend(pair.comparisons[measure]), style="dim"))
    if first.complete:
        if len(_measures(pair)) > 1:
            console.print(_other_measures(pair, measure))
        for language in first.controls:
            control, macro = first.mean(language, measure), first.macro(measure)
            console.print(
                f"Gap of {pair.control_gap}: {control:.4f} in {language} (control) - {macro:.4f} (macro) = "
                f"{control - macro:+.4f}."
            )
    else:
        console.print(_subset(pair))


def _measures(pair: _Pair) -> tuple[str, ...]:
    return tuple(pair.comparisons) if pair.second else pair.first.measures


def _alone(result: Result, measure: str) -> Table:
    table = new_table(("language", "left"), ("queries", "right"), (result.system, "right"))
    for language in result.languages:
        row = (str(result.count(language, measure)), f"{result.mean(language, measure):.4f}")
        table.add_row(language, *row, end_section=language == result.languages[-1])
    if result.complete:
        count = sum(result.count(language, measure) for language in result.languages)
        row = (str(count), f"{result.macro(measure):.4f}")
        table.add_row("macro", *row, style="bold", end_section=bool(result.controls))
    for language in result.controls:
        row = (str(result.count(language, measure)), f"{result.mean(language, measure):.4f}")
        table.add_row(f"{language} (control)", *row)
    return table


def _comparison(pair: _Pair, measure: str) -> Table:
    comparison = pair.comparisons[measure]
    table = new_table(
        ("language", "left"),
        ("queries", "right"),
        *[(name, "right") for name in pair.names],
        ("difference", "right"),
        ("95 % interval", "right"),
        ("p (Holm)", "right"),
        ("", "left"),
    )
    for row in comparison.rows:
        table.add_row(*_cells(row), end_section=row is comparison.rows[-1])
    if comparison.macro:
        table.add_row(*_cells(comparison.macro), style="bold", end_section=bool(comparison.controls))
    for row in comparison.controls:
        name, *cells = _cells(row)
        table.add_row(f"{name} (control)", *cells)
    return table


def _subset(pair: _Pair) -> Text:
    """What to know of an evaluation of some languages: the mean of every measure, which is no macro average."""
    first, second = pair.first, pair.second
    of = f"{len(first.languages)} of {len(first.card_languages)} languages"
    lines = [f"Incomplete: {of} were evaluated, so there is no macro average."]
    if first.languages:
        lines[0] += f" Means of these {len(first.languages)}:"
    for measure in _measures(pair) if first.languages else ():
        after = f", {second.system} {second.macro(measure):.4f}" if second else ""
        lines.append(f"  {measure}: {first.system} {first.macro(measure):.4f}{after}")
    return Text("\n".join(lines))


def _other_measures(pair: _Pair, main: str) -> Table:
    """Macro averages of the measures that the table above does not show."""
    from xqgbench.comparison import p_text

    columns = [("measure, macro", "left"), (pair.names[0], "right")]
    if pair.second:
        columns += [(pair.names[1], "right"), ("difference", "right"), ("p, uncorrected", "right")]
    table = new_table(*columns)
    for measure in (name for name in _measures(pair) if name != main):
        cells = [f"{pair.first.macro(measure):.4f}"]
        if pair.second:
            row = pair.comparisons[measure].macro
            assert row is not None  # as the result is complete
            cells += [f"{row.after:.4f}", f"{row.difference:+.4f}", p_text(row.p)]
        table.add_row(measure, *cells)
    return table


def _cells(row: Row) -> tuple[str, ...]:
    from xqgbench.comparison import p_text

    mark = "*" if row.significant else ("too few" if not row.attainable else "")
    return (
        row.language,
        str(row.queries),
        f"{row.before:.4f}",
        f"{row.after:.4f}",
        f"{row.difference:+.4f}",
        f"[{row.low:+.4f}, {row.high:+.4f}]",
        p_text(row.p_corrected),
        mark,
    )


def _legend(comparison: Comparison) -> str:
    lines = [
        f"* p <= 0.05, two-sided randomisation test by cluster ({comparison.clusters} in all, seed {comparison.seed}).",
        "p: corrected over the languages of the task (Holm); macro is the one primary test.",
        "95 % interval: cluster bootstrap, not corrected.",
    ]
    detectable = [row.detectable for row in comparison.rows if row.detectable is not None]
    if detectable and comparison.macro and comparison.macro.detectable is not None:
        lines.append(
            f"Found with 80 % power: a true difference of {comparison.macro.detectable:.4f} or more (macro), "
            f"{min(detectable):.4f} to {max(detectable):.4f} (a language, corrected)."
        )
    if any(not row.attainable for row in comparison.rows):
        lines.append("too few: so few independent queries can never reach p <= 0.05 after correction.")
    return "\n".join(lines)


def written(found: Evaluation, folders: Sequence[tuple[Path, str]]) -> None:
    """What was encoded and where the results are."""
    console = new_console()
    parts = [result for result in (found.plain, found.augmented) if result is not None]
    encoded = sum(result.details["timings"]["texts_encoded"] for result in parts)
    seconds = sum(result.details["timings"]["seconds"] for result in parts)
    origin = f"{encoded} texts encoded" if encoded else "all vectors from the store"
    if found.plain.details["source"] != "measured":
        origin = "all vectors made elsewhere"
    console.print(f"\n{seconds:.1f} s, {origin}. Domain: {found.plain.details['domain']}.", soft_wrap=True)
    _folders(folders)


def rescored_written(found: Rescored, folders: Sequence[tuple[Path, str]]) -> None:
    """Where the result of a run made elsewhere is."""
    details = found.result.details
    files = ", ".join(details["run"]["files"])
    new_console().print(Text(f"\nRe-scored from {files}. Domain: {details['domain']}."), soft_wrap=True)
    _folders(folders)


def _folders(folders: Sequence[tuple[Path, str]]) -> None:
    console = new_console()
    notes = {
        "written": "",
        "unchanged": "  (stood there already, with these very scores; left as it was)",
        "replaced": "  (replaced what stood there, which was another result)",
    }
    for folder, status in folders:
        note = notes[status]
        console.print(Text(f"results: {folder}{note}"), soft_wrap=True)
    console.print("Rank it among the others: xqgbench leaderboard")


def json_of(folders: Sequence[tuple[Path, str]]) -> None:
    """The results as JSON on stdout: one object per system, as in ``result.json``."""
    systems = [
        json.loads((folder / "result.json").read_text(encoding="utf-8")) | {"folder": str(folder)}
        for folder, _ in folders
    ]
    print(json.dumps(systems, indent=1))


def sweep(found: Sweep, path: Path, as_json: bool) -> None:
    """The curve over a parameter, and the cross-validated choice."""
    if as_json:
        print(json.dumps(found.describe(), ensure_ascii=False, indent=1))
        return
    console, plain = new_console(), found.plain
    measure = plain.main_measure
    console.print(Text(f"\n{plain.task} {plain.task_version}, {plain.system}+{found.augment}, {measure}", style="bold"))
    table = new_table((found.parameter, "left"), ("macro", "right"), *[(lang, "right") for lang in plain.languages])
    rows = [("plain", plain), *zip(found.values, found.points, strict=True), ("chosen", found.cross_validated)]
    for name, result in rows:
        means = [f"{result.mean(language, measure):.4f}" for language in plain.languages]
        last = name == "plain" or result is found.points[-1]
        table.add_row(name, f"{result.macro(measure):.4f}", *means, end_section=last)
    console.print(table)
    macro = found.comparison.macro
    assert macro is not None  # a sweep is over all languages
    from xqgbench.comparison import p_text

    folds = ", ".join(found.chosen)
    console.print(f"chosen: each question at the {found.parameter} that is best on the other folds ({folds})")
    console.print(
        f"cross-validated against plain: {macro.difference:+.4f} [{macro.low:+.4f}, {macro.high:+.4f}], "
        f"p {p_text(macro.p)}"
    )
    console.print(Text(f"written: {path}"), soft_wrap=True)


def boards(found: Sequence[Board], output: Path) -> None:
    """The leaderboard in short, and where it is."""
    console = new_console()
    for board in found:
        console.print(Text(f"\n{board.title}, {board.measure}, depth {board.depth}", style="bold"))
        table = new_table(
            ("rank", "right"),
            ("system", "left"),
            (board.average, "right"),
            *[(lang, "right") for lang in board.languages],
            *[(f"{lang} (control)", "right") for lang in board.controls],
        )
        for entry in board.entries:
            means = board.means(entry)
            table.add_row(
                str(entry.rank), Text(entry.result.system), f"{entry.result.macro(board.measure):.4f}", *means
            )
        console.print(table)
    if not found:
        console.print("no results found")
    console.print(Text(f"written: {output / 'README.md'}"), soft_wrap=True)
