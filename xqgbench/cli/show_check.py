"""What ``xqgbench check`` prints."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from rich.text import Text

from xqgbench.cli.show import new_console
from xqgbench.conformance import Outcome, passed

MARKS = {"passed": ("pass", ""), "note": ("note", "yellow"), "failed": ("FAIL", "bold red")}
#: Characters of verdict and check, before what was measured.
INDENT = 38


def outcomes(kind: str, name: str, found: Iterable[Outcome], quiet: bool, debug: bool) -> list[Outcome]:
    """A line per check as soon as it is known, then the verdict; returns the outcomes."""
    if quiet:
        return list(found)
    console, known = new_console(), []
    console.print(Text(f"\n{kind} {name}", style="bold"))
    for outcome in found:
        known.append(outcome)
        mark, style = MARKS[outcome.verdict]
        begin = f"{mark}  {outcome.check}".ljust(INDENT)
        line = textwrap.fill(outcome.measured, console.width, initial_indent=begin, subsequent_indent=" " * INDENT)
        console.print(Text(line, style=style), soft_wrap=True)
        if debug and outcome.traceback:
            console.print(Text(outcome.traceback), soft_wrap=True)
    console.print(Text(_verdict(kind, name, known), style="bold" if passed(known) else "bold red"), soft_wrap=True)
    return known


def _verdict(kind: str, name: str, found: Sequence[Outcome]) -> str:
    counts = {verdict: sum(outcome.verdict == verdict for outcome in found) for verdict in MARKS}
    a = "an" if kind[0] in "aeiou" else "a"
    if counts["failed"]:
        failed = f"{counts['failed']} of {len(found)} checks failed"
        return f"'{name}' does not keep the contract of {a} {kind}: {failed}. --debug shows where something was raised."
    return f"'{name}' keeps the contract of {a} {kind}: {counts['passed']} checks passed, {counts['note']} left a note."


def as_json(found: Iterable[tuple[str, str, Sequence[Outcome]]]) -> None:
    """The outcomes as JSON on stdout, one object for each thing that was checked."""
    listed = [
        {
            "kind": kind,
            "name": name,
            "passed": passed(outcomes),
            "checks": [{k: v for k, v in asdict(outcome).items() if k != "traceback"} for outcome in outcomes],
        }
        for kind, name, outcomes in found
    ]
    print(json.dumps(listed, ensure_ascii=False, indent=1))
