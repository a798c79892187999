"""The records and protocols that every other module speaks in.

Nothing here computes. Arrays are C-contiguous float32 of shape (rows, dimensions) unless a docstring says otherwise.
Queries, judgements, runs and scores are kept per language, because query ids recur across the languages of a task.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from xqgbench.errors import InvalidParameter
from xqgbench.limits import Limits

Vectors = npt.NDArray[np.float32]
Similarity = Literal["dot", "cosine"]
#: How the store keeps vectors.
StoreDtype = Literal["float32", "float16"]
Domain = Literal["in-domain", "out-of-domain", "unknown"]
#: What a model computes in; vectors leave it as float32 all the same.
Dtype = Literal["float32", "bfloat16", "float16"]

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


@dataclass(frozen=True, slots=True)
class RetrieverInfo:
    """What identifies a retriever: all that can change one of its vectors, and what a reader of a result must know.

    Attributes:
        dim: dimensions of its vectors.
        similarity: ``cosine`` vectors are normalised by the harness, before any fusion.
        revision: hash or pinned revision of the weights. Without one, xqgbench encodes a few fixed texts at every
            start and keeps vectors apart by the outcome, so that changed weights are never mistaken for the old ones.
        query_prompt, passage_prompt: text that the retriever itself puts before what it encodes.
        query_length, passage_length: tokens after which texts are cut; None where unknown.
        title_join: what stands between title and text of a passage.
        pooling: how token vectors become one vector, where the retriever leaves a choice.
        trained_on: data sets in its training data; None where not public.
        libraries: distributions whose version can change a vector.
        notes: anything else that should be known.
        assumed: what nobody said and was guessed; shown to the user before anything is encoded.
        dtype: what the model computes in.
        deterministic: each text is encoded alone, so that its vector depends on no other.
        texts_per_call: how many texts it wants at once, to batch them by itself; 0 where any number will do. Not part
            of its identity.
    """

    name: str
    dim: int
    similarity: Similarity = "cosine"
    revision: str | None = None
    query_prompt: str = ""
    passage_prompt: str = ""
    query_length: int | None = None
    passage_length: int | None = None
    title_join: str = " "
    pooling: str = ""
    license: str = ""
    trained_on: tuple[str, ...] | None = None
    libraries: tuple[str, ...] = ()
    notes: str = ""
    assumed: tuple[str, ...] = ()
    dtype: Dtype = "float32"
    deterministic: bool = False
    texts_per_call: int = 0

    def __post_init__(self) -> None:
        for name in ("trained_on", "libraries", "assumed"):
            value = getattr(self, name)
            if isinstance(value, str):  # ("squad") is a string: its comma is missing
                raise InvalidParameter(
                    f"RetrieverInfo '{self.name}': {name}={value!r} must be a tuple of names, ({value!r},)."
                )
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        try:
            object.__setattr__(self, "dim", operator.index(self.dim))
        except TypeError:
            raise InvalidParameter(f"RetrieverInfo '{self.name}': dim={self.dim!r} must be a whole number.") from None


@runtime_checkable
class Retriever(Protocol):
    """All that a plugin needs. Generated queries go through ``encode_queries`` like test queries."""

    @property
    def info(self) -> RetrieverInfo: ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts into float32 (n, dim)."""
        ...

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Encode n passages into float32 (n, dim)."""
        ...


@dataclass(frozen=True, slots=True)
class Loading:
    """How a retriever is loaded, beside its name.

    Attributes:
        path: local checkpoint folder for a name whose weights are on the hub.
        settings: setting -> value, in the place of what its card or its files say (``pooling``, ``query_prompt`` ...).
        dtype: what the model computes in.
        device: ``cpu``, ``cuda:1``, or several, ``cuda:0,cuda:1``; empty for all GPUs, or the processor without any.
        deterministic: encode each text alone, so that no vector depends on other texts; slower.
        trust_remote_code: run Python code that comes with a checkpoint.
    """

    path: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    dtype: Dtype = "float32"
    device: str = ""
    deterministic: bool = False
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A retriever known by name (an entry of ``retrievers/models.toml``).

    Attributes:
        factory: ``module:callable``; called with the card and a ``Loading``.
        extra: the extra of xqgbench that installs what it needs.
        hub_id, hub_revision: where the weights are on the Hugging Face hub; empty if they come with a package, or are
            not public.
        query_hub_id, query_hub_revision: the same of a second encoder, for queries; empty where one encodes both.
        size: download size, for people ("711 MB").
        checkpoint: whether it is one of the Hugging Face kind, which a ``Loading`` applies to.
        settings: how a checkpoint encodes (``retrievers.settings.Settings``).
    """

    name: str
    description: str
    languages: str
    dim: int
    similarity: Similarity
    license: str
    size: str
    extra: str = "models"
    factory: str = "xqgbench.retrievers.checkpoints:from_card"
    hub_id: str = ""
    hub_revision: str = ""
    query_hub_id: str = ""
    query_hub_revision: str = ""
    checkpoint: bool = True
    trained_on: tuple[str, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


#: A stretch of a collection: passage ids and their vectors, row for row. The vectors are read-only, and may be a file
#: mapped into memory: whoever keeps them longer than needed keeps their memory.
Chunk = tuple[Sequence[str], Vectors]


@dataclass(frozen=True, slots=True)
class GeneratedChunk:
    """Generated queries of a stretch of passages, reduced while they streamed.

    Attributes:
        means: language -> float32 (passages, dim), the mean of the passage's generated-query vectors.
        counts: language -> int64 (passages,), how many there were; where 0 the mean is a row of zeros.
    """

    means: Mapping[str, Vectors]
    counts: Mapping[str, npt.NDArray[np.int64]]


class TaskVectors(Protocol):
    """The vectors of one retriever on one task, encoded when asked for and kept in the store. Augmentations use it."""

    @property
    def task(self) -> Task: ...

    def queries(self, language: str) -> Vectors:
        """Vectors of the queries of a language, (queries, dim), in the order of ``task.queries``."""
        ...

    def passages(self, language: str) -> Iterator[Chunk]:
        """Vectors of the collection of a language, chunk by chunk."""
        ...

    def generated(self, language: str, languages: Sequence[str], per_language: int) -> Iterator[GeneratedChunk]:
        """Reduced vectors of the first ``per_language`` generated queries in ``languages``.

        Aligned with ``passages``.
        """
        ...


class Augmentation(Protocol):
    """A way to change retrieval without changing the retriever; ``none`` and ``xqg`` are built in.

    ``label`` stands in system names (empty for none); ``description`` goes into results and signatures.
    """

    @property
    def label(self) -> str: ...

    @property
    def description(self) -> Mapping[str, Any]: ...

    def index(self, task: Task, language: str) -> str:
        """Languages of one collection with an equal ``index`` are searched in one pass.

        Raises:
            XqgbenchError: if the task lacks what the augmentation needs. Called for every language before anything
                is encoded.
        """
        ...

    def queries(self, vectors: TaskVectors, language: str) -> Vectors:
        """Query vectors to search with, (queries, dim)."""
        ...

    def passages(self, vectors: TaskVectors, language: str) -> Iterator[Chunk]:
        """Passage vectors to search in."""
        ...


@dataclass(frozen=True, slots=True)
class Ranking:
    """The passages retrieved for one query, best first.

    Attributes:
        passage_ids: at most ``depth`` ids; equal scores stand in ascending order of id.
        scores: float64, the true similarities, non-increasing.
    """

    passage_ids: tuple[str, ...]
    scores: npt.NDArray[np.float64]

    def rank_scores(self) -> dict[str, float]:
        """Strictly decreasing scores derived from the ranks alone, for tools that break ties their own way."""
        n = len(self.passage_ids)
        return {passage: float(n - rank) for rank, passage in enumerate(self.passage_ids)}


#: query id -> ranking, for one language.
Run = Mapping[str, Ranking]


@dataclass(frozen=True, slots=True)
class RunFile:
    """A run that was made elsewhere, as its file holds it.

    Attributes:
        kind: ``trec``, ``ranx`` or ``predictions`` (XOR-Retrieve's official format).
        rankings: (language, query id) -> ranking, whole; the language is empty where the file does not say it.
        texts: passage id -> text, of predictions alone: they hold texts and no ids, so the ids are made from the texts.
    """

    kind: Literal["trec", "ranx", "predictions"]
    rankings: Mapping[tuple[str, str], Ranking]
    texts: Mapping[str, str] = field(default_factory=dict)
