"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend or to look at: where it is (an id, or a language), and what it is."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check.

    Attributes:
        looked_at: how many texts, answers or judgements it looked at; 0 where there was nothing for it to look at.
        problems: what is wrong.
        doubts: what may be right but should be read by somebody.
        note: what it measured, or why it looked at nothing.
    """

    name: str
    looked_at: int
    problems: tuple[Problem, ...] = ()
    doubts: tuple[Problem, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one task; it passed if none of them found a problem."""

    task: str
    version: str
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        return not any(outcome.problems for outcome in self.outcomes)

    def describe(self) -> dict[str, Any]:
        """JSON-ready."""
        checks = [asdict(outcome) for outcome in self.outcomes]
        return {"task": self.task, "version": self.version, "passed": self.passed, "checks": checks}
