"""Task cards, the files they name, and tasks: cards opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from xqgbench.limits import Limits
from xqgbench.types.texts import Judgements, Passage, Query


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    Attributes:
        path: where it is, relative to the card or to the task's folder of downloaded data; it may be compressed there.
        sha256: hash of its content, decompressed; empty where only ``url`` pins it, by a revision.
        url: where it can be had; empty if it comes with the card, or has to be got by hand.
        archive: url of the zip or tar file that holds it as ``path``; empty if there is none.
        language: the language whose texts it holds; empty if it serves all.
        aliases: other names that copies of it go by.
    """

    path: str
    sha256: str = ""
    url: str = ""
    archive: str = ""
    language: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """All files of one kind (questions, passages, qrels ...) of a task.

    Attributes:
        files: in reading order.
        folder: name of the folder below the data directory; tasks that share files share it.
        revision: commit or version of the data set that ``files`` come from, for people and for results.
        bytes: size of all of it as downloaded; 0 where unknown.
        optional: evaluations can do without it (training questions, say).
    """

    files: tuple[SourceFile, ...]
    folder: str
    revision: str = ""
    bytes: int = 0
    optional: bool = False


class Files(Protocol):
    """The files of a task on this machine; what formats are given. Each is checked against its hash once."""

    def __contains__(self, key: str) -> bool:
        """Whether the card has a source of that name."""
        ...

    def paths(self, key: str, language: str = "") -> Sequence[Path]:
        """Files of a source, those of ``language`` if it has files per language.

        Raises:
            MissingData: one of them is not here.
            DataError: one of them is not the one that the card describes.
        """
        ...

    def here(self, key: str, language: str = "") -> bool:
        """Whether ``paths`` would find all of them."""
        ...


@dataclass(frozen=True, slots=True)
class TaskCard:
    """What ``tasks/<name>.toml`` says, checked.

    Attributes:
        languages: the languages of the queries; they are averaged into ``macro`` and form one Holm family.
        control_languages: languages of further queries, such as those of the passages' own language, that are
            evaluated and shown beside the others but are in no average and no Holm family.
        generated_languages: the languages that passages have generated queries in; empty if there are none.
        passage_language: the language of the passages; empty if they are in the language of their queries, or mixed.
        cluster: what queries must share to move together in significance tests: ``passage`` (a judged passage) or
            ``query`` (nothing; every query stands for itself).
        format, settings: how the files are read; the format says which settings it knows.
        names: language -> what the data set itself calls it, for paths with ``{name}``.
        homepage: where the data set is explained.
        origin: names of the data sets the questions or passages come from; compared with what a retriever was trained
            on to tell in-domain from out-of-domain.
        expected_passages: how many there must be, in all collections together; 0 where unknown.
        expected_collections: language -> number of passages, where each language has a collection of its own.
        about_passages: how many there are, roughly, where nobody has published the number; shown and planned with,
            never held against the files.
        expected_queries: language -> number of queries the files must hold.
        untested: languages with too few queries for a test: their scores count, their differences are never marked.
        generated_by: the files that ``--generated-queries`` took them from, each by its name and first digits of its
            sha256; empty where they come with the task.
        limits: bounds that ``xqgbench tasks check`` holds the texts to.
        sha256: hash of the card file.
        folder: the folder that source paths are relative to.
    """

    name: str
    title: str
    description: str
    version: str
    format: str
    languages: tuple[str, ...]
    generated_languages: tuple[str, ...]
    split: str
    sources: Mapping[str, Source]
    measures: tuple[str, ...]
    main_measure: str
    cluster: Literal["query", "passage"]
    license: str
    citation: str
    origin: tuple[str, ...]
    expected_passages: int
    expected_queries: Mapping[str, int]
    sha256: str
    folder: Path
    control_languages: tuple[str, ...] = ()
    passage_language: str = ""
    limits: Limits = field(default_factory=Limits)
    settings: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    homepage: str = ""
    generated_by: str = ""
    untested: tuple[str, ...] = ()
    expected_collections: Mapping[str, int] = field(default_factory=dict)
    about_passages: int = 0

    @property
    def file(self) -> Path:
        """The card's own file, to name where something in it is wrong."""
        return self.folder / f"{self.name}.toml"

    def passages_in(self, language: str) -> int:
        """How many passages the collection of a language must hold; 0 where unknown."""
        return self.expected_collections.get(language, 0) if self.expected_collections else self.expected_passages

    @property
    def query_languages(self) -> tuple[str, ...]:
        """All languages that there are queries in: those of the average, then the controls."""
        return (*self.languages, *self.control_languages)


class Task(Protocol):
    """A card opened: its texts and judgements. Formats implement it.

    A language whose files are not here raises ``MissingData``; the others of the task do not depend on it.

    ``passages`` and ``generated_queries`` are streams read from disk at each call, in the same order; the collection
    never has to fit in memory.
    """

    @property
    def card(self) -> TaskCard: ...

    def collection(self, language: str) -> str:
        """Name of the passage collection that ``language`` is searched in; languages may share one."""
        ...

    def queries(self, language: str) -> Sequence[Query]: ...

    def judgements(self, language: str) -> Judgements: ...

    def passages(self, language: str) -> Iterator[Passage]: ...

    def generated_queries(self, language: str) -> Iterator[Mapping[str, Sequence[str]]]:
        """Per passage, in the order of ``passages``: language -> generated queries (empty where there are none)."""
        ...


@runtime_checkable
class Countable(Protocol):
    """What a task may know beyond ``Task``, for statistics of its files. Formats need not implement it."""

    def training(self) -> Iterator[tuple[Query, tuple[str, ...]]]:
        """Training questions of all languages with their accepted answers; none where the card has none.

        Raises:
            MissingData: the card has some, but they are not here.
        """
        ...

    def filed_judgements(self, language: str) -> Judgements:
        """As ``Task.judgements``, without reading the collection to see that every judged passage exists."""
        ...
