"""What a task holds, counted: questions and judgements per language and split, passages per collection, lengths.

Whatever is not on this machine is said to be missing, with the reason, and the rest is counted all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from xqgbench.errors import MissingData, UnknownName
from xqgbench.measures import countable
from xqgbench.measures.tokens import word_tokenizer
from xqgbench.types import Countable, Judgements, Progress, Query, Task, TaskCard, silent

#: Passages whose tokens and generated queries are looked at, unless told otherwise.
PASSAGES = 10_000
#: Larger collections are not read to their end; their number is what the card says.
WHOLE = 2_000_000
#: Passages between two reports of progress.
STEP = 1_000

Tokenize = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class Length:
    """Mean length of texts; ``tokens`` are NLTK word tokens, as R@kt counts them."""

    characters: float
    tokens: float


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of one language in one split.

    Attributes:
        missing: why they cannot be counted; empty if they were.
        questions: how many there are; where they are missing, how many the card expects (0 if it does not say).
        counted: those with an answer that R@kt looks for (all but "yes" and "no"); None if the task has no answers.
        judged: those with judged passages; None if the task judges no passages, as for the next two.
        judgements, relevant: judged pairs of question and passage, and those with a grade above 0.
    """

    split: str
    language: str
    control: bool = False
    missing: str = ""
    questions: int = 0
    counted: int | None = None
    judged: int | None = None
    judgements: int | None = None
    relevant: int | None = None
    length: Length | None = None

    @property
    def relevant_per_query(self) -> float | None:
        return self.relevant / self.judged if self.relevant is not None and self.judged else None


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection of passages.

    Attributes:
        languages: whose questions are searched in it.
        passages: how many there are; 0 where nobody knows.
        known_from: ``counted``, ``card``, ``about`` (roughly, from the card) or ``at least`` (counted so far).
        looked_at: how many ``length`` and ``generated`` come from, the first ones.
        generated: language -> mean number of generated queries per passage.
        missing: why no passage could be looked at; empty if some were.
    """

    name: str
    languages: tuple[str, ...]
    passages: int
    known_from: str
    looked_at: int = 0
    length: Length | None = None
    generated: Mapping[str, float] = field(default_factory=dict)
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Census:
    """All counts of a task."""

    task: str
    version: str
    questions: tuple[Questions, ...]
    collections: tuple[Collection, ...]

    def describe(self) -> dict[str, Any]:
        """JSON-ready."""
        described = asdict(self)
        for entry, found in zip(described["questions"], self.questions, strict=True):
            entry["relevant_per_query"] = found.relevant_per_query
        return described


def census(task: Task, languages: Sequence[str] = (), passages: int = PASSAGES, progress: Progress = silent) -> Census:
    """Count a task.

    Args:
        languages: some of the card's; all if empty.
        passages: how many passages of a collection are looked at for tokens and generated queries.

    Raises:
        UnknownName: a language that the task does not have.
        DataError: a file that is here cannot be read as what the card says it is.
    """
    card = task.card
    for language in languages:
        if language not in card.query_languages:
            raise UnknownName(f"language of {card.name}", language, card.query_languages)
    chosen = tuple(language for language in card.query_languages if not languages or language in languages)
    tokenize = word_tokenizer()
    questions = []
    for number, language in enumerate(chosen):
        progress("questions", number, len(chosen))
        questions.append(_questions(task, language, tokenize))
    if isinstance(task, Countable):
        questions += _training(task, card, chosen, tokenize)
    searched: dict[str, list[str]] = {}
    for language in chosen:
        searched.setdefault(task.collection(language), []).append(language)
    collections = tuple(
        _collection(task, name, tuple(own), passages, tokenize, progress) for name, own in searched.items()
    )
    return Census(card.name, card.version, tuple(questions), collections)


def likely_passages(card: TaskCard, language: str) -> tuple[int, str]:
    """How many passages the card says that a language is searched in, and how surely: ``card`` or ``about``."""
    exact = card.passages_in(language)
    return (exact, "card") if exact else (card.about_passages, "about")


def _questions(task: Task, language: str, tokenize: Tokenize) -> Questions:
    split, control = task.card.split, language in task.card.control_languages
    try:
        queries = task.queries(language)
        judged = task.filed_judgements(language) if isinstance(task, Countable) else task.judgements(language)
    except MissingData as error:
        return Questions(split, language, control, str(error), task.card.expected_queries.get(language, 0))
    return _counted(split, language, queries, judged, control, tokenize)


def _counted(
    split: str, language: str, queries: Sequence[Query], judged: Judgements, control: bool, tokenize: Tokenize
) -> Questions:
    grades = [grade for own in judged.qrels.values() for grade in own.values()]
    return Questions(
        split,
        language,
        control,
        questions=len(queries),
        counted=sum(bool(countable(answers)) for answers in judged.answers.values()) if judged.answers else None,
        judged=len(judged.qrels) if judged.qrels else None,
        judgements=len(grades) if judged.qrels else None,
        relevant=sum(grade > 0 for grade in grades) if judged.qrels else None,
        length=_length([query.text for query in queries], tokenize),
    )


def _training(task: Countable, card: TaskCard, languages: Sequence[str], tokenize: Tokenize) -> Iterator[Questions]:
    """Counts of the training questions; nothing if the card has none."""
    found: dict[str, list[tuple[Query, tuple[str, ...]]]] = {}
    try:
        for query, answers in task.training():
            found.setdefault(query.language, []).append((query, answers))
    except MissingData as error:
        yield from (Questions("training", language, missing=str(error)) for language in languages)
        return
    for language in languages:
        own = found.get(language, [])
        if own:
            judged = Judgements(answers={f"{n}": answers for n, (_, answers) in enumerate(own)})
            yield _counted("training", language, [query for query, _ in own], judged, False, tokenize)


def _collection(
    task: Task, name: str, languages: tuple[str, ...], most: int, tokenize: Tokenize, progress: Progress
) -> Collection:
    """Look at the first passages; go on to the end where the collection is not huge."""
    language, count = languages[0], 0
    likely, known_from = likely_passages(task.card, language)
    texts: list[str] = []
    generated: dict[str, int] = {}
    try:
        stream = zip(task.passages(language), task.generated_queries(language), strict=True)
        for count, (passage, own) in enumerate(stream, 1):
            if count <= most:
                texts.append(passage.text)
                for other, queries in own.items():
                    generated[other] = generated.get(other, 0) + len(queries)
            elif likely > WHOLE or count > WHOLE:
                likely, known_from = (likely, known_from) if likely else (count, "at least")
                break
            if count % STEP == 0:
                progress(f"passages {name}", count, min(likely, most) if likely > WHOLE else likely or None)
        else:
            likely, known_from = count, "counted"
    except MissingData as error:
        return Collection(name, languages, likely, known_from, missing=str(error))
    means = {other: number / len(texts) for other, number in sorted(generated.items())}
    return Collection(name, languages, likely, known_from, len(texts), _length(texts, tokenize), means)


def _length(texts: Iterable[str], tokenize: Tokenize) -> Length | None:
    sizes = [(len(text), len(tokenize(text))) for text in texts]
    if not sizes:
        return None
    return Length(sum(c for c, _ in sizes) / len(sizes), sum(t for _, t in sizes) / len(sizes))
