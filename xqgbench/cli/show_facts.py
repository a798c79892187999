"""What ``xqgbench tasks show`` and ``xqgbench tasks stats`` print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from xqgbench.cli import figures
from xqgbench.cli.show import new_console, new_table
from xqgbench.types import TaskCard

if TYPE_CHECKING:
    from xqgbench.census import Census, Collection, Length, Questions
    from xqgbench.inventory import Availability, Stock

#: Files of a source, and reasons why something is missing, that are named.
FIRST, REASONS = 3, 3


def card(found: TaskCard, here: Availability, sources: Sequence[Stock], as_json: bool) -> None:
    """Everything that a card says."""
    if as_json:
        print(json.dumps(_described(found, here, sources), ensure_ascii=False, indent=1))
        return
    console = new_console()
    console.print(Text(f"\n{found.name} {found.version}: {found.title}\n", style="bold"))
    console.print(Text(" ".join(found.description.split())))
    console.print()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(found):
        table.add_row(name, Text(value))
    console.print(table)
    for source in sources:
        _source(console, source)
    if not sources:
        console.print(Text(f"\nfiles: ir_datasets fetches those of {found.settings.get('id', '')} at first use"))
    some = f"; here: {' '.join(here.languages)}" if here.network == "some" else ""
    console.print(f"\nneeds a network: {here.network}{some}")


def _facts(found: TaskCard) -> list[tuple[str, str]]:
    passages = figures.number(
        found.expected_passages or found.about_passages, "" if found.expected_passages else "about"
    )
    if found.expected_collections:
        passages += f" in {len(found.expected_collections)} collections"
    queries = ", ".join(f"{language} {count:,}" for language, count in found.expected_queries.items())
    facts = [
        ("languages", " ".join(found.languages)),
        ("controls", " ".join(found.control_languages)),
        ("passages", " ".join(filter(None, (passages, found.passage_language and f"({found.passage_language})")))),
        ("generated queries", " ".join(found.generated_languages)),
        ("queries", f"{figures.number(sum(found.expected_queries.values()))} ({queries})" if queries else "?"),
        ("split", found.split),
        ("measures", ", ".join(f"{m} (main)" if m == found.main_measure else m for m in found.measures)),
        ("cluster", found.cluster),
        ("format", found.format),
        ("settings", ", ".join(f"{name} = {value!r}" for name, value in found.settings.items())),
        ("origin", ", ".join(found.origin)),
        ("license", found.license),
        ("homepage", found.homepage),
        ("citation", " ".join(found.citation.split())),
    ]
    return [(name, value) for name, value in facts if value]


def _source(console: Console, source: Stock) -> None:
    total, there = len(source.files), len(source.found)
    names = ", ".join(source.files[:FIRST]) + (f" and {total - FIRST} more" if total > FIRST else "")
    state = "here" if there == total else f"{there} of {total} here" if there else "missing"
    optional = ", optional" if source.optional else ""
    console.print(Text(f"\n{source.key}{optional}: {state}", style="bold" if there == total else ""))
    lines = [
        f"{total} file{'s' if total > 1 else ''}: {names}",
        f"from: {source.origin}",
        f"pinned by: {source.pinned}",
    ]
    lines += [f"size: {figures.size(source.bytes)}"] if source.bytes else []
    lines += [f"found: {place}" for place in _places(source)]
    for line in lines:
        console.print(Text(f"  {line}"), soft_wrap=True)


def _places(source: Stock) -> list[str]:
    """The file if there is one, else the folders."""
    if len(source.found) == 1:
        return [str(next(iter(source.found.values())))]
    return list(dict.fromkeys(f"{path.parent}/" for path in source.found.values()))


def _described(found: TaskCard, here: Availability, sources: Sequence[Stock]) -> dict[str, Any]:
    described = {
        name: value for name, value in asdict(found).items() if name not in ("sources", "folder", "generated_by")
    }
    described["sources"] = {
        source.key: {name: value for name, value in asdict(source).items() if name != "key"}
        | {"found": {name: str(path) for name, path in source.found.items()}}
        for source in sources
    }
    described |= {"folder": str(found.folder), "bundled": here.bundled, "bytes": here.bytes, "network": here.network}
    return described | {"languages_here": here.languages}


def stats(found: Census, as_json: bool) -> None:
    """Questions per language and split, collections, generated queries."""
    if as_json:
        print(json.dumps(found.describe(), ensure_ascii=False, indent=1))
        return
    console = new_console()
    console.print(Text(f"\n{found.task} {found.version}", style="bold"))
    for split in dict.fromkeys(entry.split for entry in found.questions):
        console.print(_questions([entry for entry in found.questions if entry.split == split], split))
    console.print(_collections(found.collections))
    if any(entry.generated for entry in found.collections):
        console.print(_generated(found.collections))
    console.print(
        "counted: with an answer other than yes and no, the denominator of R@kt. characters, tokens: means; tokens are "
        "NLTK's English word tokens, as R@kt counts them, and say little where words are written together."
    )
    told = [*(entry.missing for entry in found.questions), *(entry.missing for entry in found.collections)]
    reasons = dict.fromkeys(reason for reason in told if reason)
    if reasons:
        console.print("( ): not here; the number that the card expects.")
    for reason in list(reasons)[:REASONS]:
        console.print(Text(f"missing: {reason}"), soft_wrap=True)
    if len(reasons) > REASONS:
        console.print(f"... and {len(reasons) - REASONS} more; --json has them all")


def _questions(entries: Sequence[Questions], split: str) -> Table:
    parts = [part for part in ("counted", "judged", "judgements") if any(getattr(e, part) is not None for e in entries)]
    graded = [("relevant / query", "right")] if "judged" in parts else []
    names = ("questions", *parts)
    table = new_table(
        (split, "left"), *((name, "right") for name in names), *graded, ("characters", "right"), ("tokens", "right")
    )
    own = [entry for entry in entries if not entry.control]
    for entry in entries:
        name = f"{entry.language} (control)" if entry.control else entry.language
        questions = f"({figures.number(entry.questions)})" if entry.missing else f"{entry.questions:,}"
        counts = [_count(getattr(entry, part)) for part in parts]
        ratio = [_ratio(entry)] if graded else []
        last = len(own) > 1 and entry is own[-1]
        table.add_row(name, questions, *counts, *ratio, *_lengths(entry.length), end_section=last)
        if last:
            table.add_row("sum", *_sums(own, parts), style="bold")
    return table


def _sums(entries: Sequence[Questions], parts: Sequence[str]) -> list[str]:
    """The sums over all languages; where one is not here, only the number of questions that the card expects."""
    total = f"{sum(entry.questions for entry in entries):,}"
    if any(entry.missing for entry in entries):
        return [f"({total})"]
    return [total, *(_sum([getattr(entry, part) for entry in entries]) for part in parts)]


def _collections(entries: Sequence[Collection]) -> Table:
    table = new_table(
        ("collection", "left"),
        ("searched by", "left"),
        ("passages", "right"),
        ("characters", "right"),
        ("tokens", "right"),
        ("of", "left"),
    )
    for entry in entries:
        count = figures.number(entry.passages, entry.known_from)
        whole = entry.known_from == "counted" and entry.looked_at == entry.passages
        looked = "all" if whole else f"first {entry.looked_at:,}" if entry.looked_at else "not here"
        shown = count if entry.known_from in ("counted", "at least") else f"({count})"
        languages = figures.languages(entry.languages, 24)
        table.add_row(Text(entry.name), languages, shown, *_lengths(entry.length), looked)
    return table


def _generated(entries: Sequence[Collection]) -> Table:
    """Generated queries per passage and in all, by language; in all only roughly unless every passage was looked at."""
    table = new_table(
        ("generated queries", "left"), ("per passage", "right"), ("in all", "right"), ("collection", "left")
    )
    for entry in entries:
        exact = entry.looked_at == entry.passages
        for language, mean in entry.generated.items():
            total = figures.number(round(mean * entry.passages), "" if exact else "about")
            table.add_row(language, f"{mean:.2f}", total, Text(entry.name))
    return table


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _sum(values: Sequence[int | None]) -> str:
    return "" if None in values else f"{sum(value or 0 for value in values):,}"


def _ratio(entry: Questions) -> str:
    return "" if entry.relevant_per_query is None else f"{entry.relevant_per_query:.2f}"


def _lengths(length: Length | None) -> tuple[str, str]:
    return (f"{length.characters:.1f}", f"{length.tokens:.1f}") if length else ("", "")
