"""What checks find, and how they are run."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from xqgbench.errors import XqgbenchError

T = TypeVar("T")
Verdict = Literal["passed", "failed", "note"]
#: (verdict, what was measured), as a check returns them.
Finding = tuple[Verdict, str]
Check = Callable[[T], Finding]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check that was run.

    Attributes:
        check: its name, which is that of its function.
        measured: what it saw, for people.
        traceback: where it was raised, if the check failed because something was raised.
    """

    check: str
    verdict: Verdict
    measured: str
    traceback: str = ""


def passed(outcomes: Iterable[Outcome]) -> bool:
    """Whether none of the checks failed."""
    return all(outcome.verdict != "failed" for outcome in outcomes)


def run(checks: Iterable[Check[T]], subject: T) -> Iterator[Outcome]:
    """The outcome of every check, as soon as it is known; what a check raises is its outcome."""
    for check in checks:
        name = check.__name__.replace("_", " ")
        try:
            yield Outcome(name, *check(subject))
        except (Exception, SystemExit) as error:  # with its code, perhaps 0, all would seem to have passed
            said = str(error) if isinstance(error, XqgbenchError) else f"{type(error).__name__}: {error}"
            yield Outcome(name, "failed", said, traceback.format_exc())
