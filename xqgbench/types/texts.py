"""Texts and what is judged of them, and how long work reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: What long work calls as it goes on: (what is being done, how much is done, how much there is or None).
Progress = Callable[[str, int, "int | None"], None]


def silent(what: str, done: int, total: int | None) -> None:
    """The progress callback that shows nothing."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A unit of retrieval. ``title`` may be empty, ``text`` may not."""

    id: str
    title: str
    text: str

    def joined(self, separator: str) -> str:
        """Title and text as one string; the text alone where there is no title."""
        return f"{self.title}{separator}{self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Query:
    """A test question in one language."""

    id: str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Judgements:
    """What counts as right for the queries of one language; either mapping may be empty.

    Attributes:
        qrels: query id -> passage id -> grade (0 and below: judged not relevant).
        answers: query id -> accepted answer strings, for measures that look for an answer in the retrieved text.
    """

    qrels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
