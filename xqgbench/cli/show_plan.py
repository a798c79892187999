"""What ``xqgbench plan`` prints."""

from __future__ import annotations

import json

from rich.text import Text

from xqgbench.cli import figures
from xqgbench.cli.show import new_console, new_table
from xqgbench.planning import Plan


def plan(found: Plan, as_json: bool) -> None:
    """A table of the time, then disk, memory, warnings and notes."""
    if as_json:
        print(json.dumps(found.describe(), ensure_ascii=False, indent=1))
        return
    console = new_console()
    console.print(Text(f"\n{found.task} {found.version}, {found.system}, {' '.join(found.languages)}", style="bold"))
    columns = ("texts", "tokens", "texts / s", "spread", "time")
    table = new_table(("", "left"), *((name, "right") for name in columns))
    for work in found.work:
        texts = figures.number(work.texts, found.known_from if work.what != "queries" else "")
        rate = work.rate
        table.add_row(
            f"encoding {work.what}",
            texts,
            figures.amount(work.tokens),
            f"{rate.median:,.1f}",
            f"{rate.low:,.1f} to {rate.high:,.1f}",
            figures.duration(work.seconds[0]),
        )
    reading = "not timed" if found.reading is None else figures.duration(found.reading)
    table.add_row(
        f"reading, {found.passes:.0f} times", figures.number(found.passages, found.known_from), "", "", "", reading
    )
    table.add_row("searching", "", "", "", "", figures.duration(found.searching), end_section=True)
    usual, least, most = found.seconds
    table.add_row(
        "in all", "", "", "", f"{figures.duration(least)} to {figures.duration(most)}", figures.duration(usual)
    )
    console.print(table)
    console.print(
        Text(f"disk: {figures.size(found.disk)} in {found.store}, where {figures.size(found.free)} are free"),
        soft_wrap=True,
    )
    parts = ", ".join(f"{name} {figures.size(count)}" for name, count in found.memory.items() if count)
    console.print(f"memory: about {figures.size(sum(found.memory.values()))} ({parts})")
    for warning in found.warnings:
        console.print(Text(warning, style="bold red"), soft_wrap=True)
    timed = ", ".join(f"{work.rate.texts} {work.what} of {work.rate.characters:.0f} characters" for work in found.work)
    console.print(
        f"Timed: {timed}. tokens: NLTK's English word tokens, by the means of these texts. Loading the model, and "
        "writing and reading the store, are not in it."
    )
    if found.stored:
        console.print(
            f"The store holds {figures.size(found.stored)} of this retriever's vectors already, of this task or others"
            ". What it has is not encoded again, and not subtracted here.",
            soft_wrap=True,
        )
    for note in found.notes:
        console.print(Text(note), soft_wrap=True)
