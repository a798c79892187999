"""All checks of a task, from one pass over its texts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xqgbench.limits import Limits
from xqgbench.measures import countable
from xqgbench.types import Judgements, Passage, Progress, Query, Task, silent
from xqgbench.validation import frames as template
from xqgbench.validation import texts as of_text
from xqgbench.validation.leakage import Likeness
from xqgbench.validation.report import Outcome, Problem, Report

#: How many passages of a collection are looked at, unless told otherwise.
PASSAGES = 20_000
#: Fewer texts than this say nothing about the habits of a language's writer.
ENOUGH = 50
#: A text that the identifier gives another language is a doubt; this share of them in a language is a problem.
MISTAKEN = 0.1


@dataclass
class _Texts:
    """Everything looked at. Generated queries are (id, text) per language; passages stand per collection."""

    task: Task
    queries: dict[str, Sequence[Query]]
    judgements: dict[str, Judgements]
    passages: dict[str, dict[str, Passage]] = field(default_factory=dict)
    generated: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    cut: bool = False

    def asked(self) -> Iterator[tuple[str, str, str]]:
        """Language, id and text of every test question."""
        for language, queries in self.queries.items():
            for query in queries:
                yield language, query.id, query.text

    def made(self) -> Iterator[tuple[str, str, str]]:
        """Language, id and text of every generated query."""
        return ((language, id_, text) for language, own in self.generated.items() for id_, text in own)

    def all_queries(self) -> Iterator[tuple[str, str, str]]:
        """Language, id and text of every test question and every generated query."""
        return itertools.chain(self.asked(), self.made())

    def all_passages(self) -> Iterator[Passage]:
        return itertools.chain.from_iterable(own.values() for own in self.passages.values())

    @property
    def limits(self) -> Limits:
        return self.task.card.limits

    @property
    def counted_queries(self) -> int:
        return sum(map(len, self.queries.values())) + sum(map(len, self.generated.values()))

    @property
    def counted(self) -> int:
        """How many questions, generated queries and passages there are."""
        return self.counted_queries + sum(map(len, self.passages.values()))


def check(task: Task, passages: int = PASSAGES, progress: Progress = silent, languages: Sequence[str] = ()) -> Report:
    """Run a task through every check.

    Args:
        passages: how many passages of each collection are looked at, the first ones.
        languages: only these of the card's; all if empty.

    Raises:
        UnknownName: a language that the task does not have.
        DataError: the task's files cannot be read as what its card says they are; that is found first.
    """
    found = _read(task, passages, progress, languages or task.card.query_languages)
    outcomes = []
    for number, (name, run) in enumerate(CHECKS.items()):
        progress(name, number, len(CHECKS))
        outcomes.append(run(found))
    return Report(task.card.name, task.card.version, (_schema(found), *outcomes))


def _read(task: Task, most: int, progress: Progress, languages: Sequence[str]) -> _Texts:
    found = _Texts(
        task,
        {language: task.queries(language) for language in languages},
        {language: task.judgements(language) for language in languages},
    )
    for language in languages:
        collection = task.collection(language)
        if collection in found.passages:
            continue
        own = found.passages[collection] = {}
        stream = zip(task.passages(language), task.generated_queries(language), strict=True)
        for passage, generated in itertools.islice(stream, most):
            own[passage.id] = passage
            for wanted, queries in generated.items():
                named = ((f"{passage.id}/{wanted}/{i}", text) for i, text in enumerate(queries, 1))
                found.generated.setdefault(wanted, []).extend(named)
            progress("reading passages", len(own), task.card.expected_passages or None)
        found.cut |= next(stream, None) is not None
    return found


def _schema(found: _Texts) -> Outcome:
    """Reading has refused what is wrong here: hashes, fields, ids, counts, judgements of unknown passages."""
    passages = sum(map(len, found.passages.values()))
    queries = sum(map(len, found.queries.values()))
    generated = sum(map(len, found.generated.values()))
    counts = f"{passages:,} passages, {queries:,} questions, {generated:,} generated queries"
    return Outcome("schema", passages + queries, note=counts + (", the first of more" if found.cut else ""))


def _hygiene(found: _Texts) -> Outcome:
    problems = [Problem(id_, flaw) for _, id_, text in found.all_queries() for flaw in of_text.flaws(text)]
    for passage in found.all_passages():
        problems += [
            Problem(passage.id, flaw) for text in (passage.title, passage.text) for flaw in of_text.flaws(text)
        ]
    return Outcome("text", found.counted, tuple(problems))


def _lengths(found: _Texts) -> Outcome:
    problems, limits = [], found.limits
    fewest, most = limits.query_characters
    for _, id_, text in found.all_queries():
        if not fewest <= len(text) <= most:
            problems.append(Problem(id_, f"{len(text)} characters, where {fewest} to {most} are allowed"))
    fewest, most = limits.passage_words
    for passage in found.all_passages():
        words = len(passage.text.split())
        if not fewest <= words <= most:
            problems.append(Problem(passage.id, f"{words} words, where {fewest} to {most} are allowed"))
    for id_, answer in _answers(found):
        if len(answer.split()) > limits.answer_words:
            problems.append(Problem(id_, f"answer '{answer}' has more than {limits.answer_words} words"))
    return Outcome("length", found.counted, tuple(problems))


def _script(found: _Texts) -> Outcome:
    problems = []
    for language, id_, text in found.all_queries():
        share = of_text.script_share(text, language)
        if share < found.limits.script:
            wanted = "+".join(of_text.scripts(language))
            problems.append(
                Problem(id_, f"{share:.0%} of the letters are {wanted}, the script of '{language}': {text}")
            )
        elif foreign := of_text.foreign_letters(text, language):
            problems.append(
                Problem(id_, f"{foreign} letters of a third script, neither {language}'s nor Latin: {text}")
            )
    return Outcome("script", found.counted_queries, tuple(problems))


def _language(found: _Texts) -> Outcome:
    texts: dict[str, list[tuple[str, str]]] = {}
    for language, id_, text in found.all_queries():
        texts.setdefault(language, []).append((id_, text))
    own = found.task.card.passage_language
    if own:
        texts.setdefault(own, []).extend((passage.id, passage.text) for passage in found.all_passages())
    problems, doubts, known = [], [], of_text.known_languages()
    looked, unknown = 0, sorted(set(texts) - known)
    for language in sorted(set(texts) & known):
        named = [(id_, of_text.identified(text), text) for id_, text in texts[language]]
        mistaken = [Problem(id_, f"looks like '{other}': {text}") for id_, other, text in named if other != language]
        if len(mistaken) > max(MISTAKEN * len(named), 1):
            problems.append(Problem(language, f"{len(mistaken)} of {len(named)} texts look like another language"))
        doubts += mistaken
        looked += len(named)
    agree = f"{1 - len(doubts) / looked:.1%} agree" if looked else ""
    note = f"the identifier does not know {', '.join(unknown)}" if unknown else ""
    return Outcome("language", looked, tuple(problems), tuple(doubts), "; ".join(filter(None, (agree, note))))


def _answers_stand(found: _Texts) -> Outcome:
    problems: list[Problem] = []
    doubts: list[Problem] = []
    looked = elsewhere = 0
    for language, judged in found.judgements.items():
        passages = found.passages[found.task.collection(language)]
        questions = {query.id: of_text.normalised(query.text) for query in found.queries[language]}
        for id_, answers in judged.answers.items():
            wanted = countable(answers)
            given = [a for a in wanted if of_text.normalised(a) in questions[id_]]
            doubts += [Problem(id_, f"the question holds its answer '{answer}'") for answer in given]
            grades = judged.qrels.get(id_)
            if not grades or not wanted:
                continue
            looked += len(wanted)
            relevant = [passages[p].text for p, grade in grades.items() if grade > 0 and p in passages]
            absent = [answer for answer in wanted if relevant and not any(answer in text for text in relevant)]
            listed = problems if len(absent) == len(wanted) else doubts
            listed += [Problem(id_, f"answer '{answer}' stands in no relevant passage") for answer in absent]
            unread = [p.id for p in passages.values() if p.id not in grades and any(a in p.text for a in wanted)]
            elsewhere += len(unread)
            doubts += [
                Problem(id_, f"an accepted answer stands in {passage}, which is not judged") for passage in unread
            ]
    note = f"{elsewhere} unjudged passages hold an accepted answer" if looked else "no answers with judged passages"
    return Outcome("answers", looked, tuple(problems), tuple(doubts), note)


def _duplicates(found: _Texts) -> Outcome:
    problems: list[Problem] = []
    doubts: list[Problem] = []  # a generator that samples may well ask one thing twice
    for listed, kind, texts in (
        (problems, "question", found.asked()),
        (doubts, "generated query", found.made()),
    ):
        first: dict[tuple[str, str], str] = {}
        for language, id_, text in texts:
            earlier = first.setdefault((language, of_text.normalised(text)), id_)
            if earlier != id_:
                listed.append(Problem(id_, f"the same {kind} as {earlier}: {text}"))
    for own in found.passages.values():
        seen: dict[str, str] = {}
        for passage in own.values():
            earlier = seen.setdefault(of_text.normalised(passage.text), passage.id)
            if earlier != passage.id:
                problems.append(Problem(passage.id, f"the same text as passage {earlier}"))
    return Outcome("duplicates", found.counted, tuple(problems), tuple(doubts))


def _leakage(found: _Texts) -> Outcome:
    problems, limit, most = [], found.limits.near_duplicate, 0.0
    for language in sorted(set(found.generated) & set(found.queries)):
        questions = found.queries[language]
        likeness = Likeness([query.text for query in questions])
        texts = found.generated[language]
        nearest, degrees = likeness.nearest([text for _, text in texts])
        most = max(most, float(degrees.max(initial=0.0)))
        for (id_, text), number, degree in zip(texts, nearest, degrees, strict=True):
            if degree >= limit:
                question = questions[number]
                problems.append(Problem(id_, f"likeness {degree:.2f} to {question.id}: {text} / {question.text}"))
    looked = sum(map(len, found.generated.values()))
    note = f"likeness at most {most:.2f}, {limit} is refused" if looked else "no generated queries"
    return Outcome("leakage", looked, tuple(problems), note=note)


def _frames(found: _Texts) -> Outcome:
    problems, looked, worst = [], 0, 0.0
    kinds: dict[str, Mapping[str, list[str]]] = {
        "questions": {lang: [query.text for query in queries] for lang, queries in found.queries.items()},
        "generated queries": {lang: [text for _, text in own] for lang, own in found.generated.items()},
    }
    for kind, per_language in kinds.items():
        for language, texts in per_language.items():
            if len(texts) < ENOUGH:
                continue
            looked += len(texts)
            repeated, common, frame = template.shares(texts)
            worst = max(worst, repeated)
            if repeated > found.limits.repeated_frames:
                limit = f"{found.limits.repeated_frames:.0%} are allowed"
                problems.append(Problem(language, f"{repeated:.0%} of {kind} share a frame with another; {limit}"))
            if common > found.limits.common_frame:
                limit = f"{found.limits.common_frame:.0%} are allowed"
                problems.append(Problem(language, f"{common:.0%} of {kind} have the frame '{frame}'; {limit}"))
    note = f"at most {worst:.0%} of a language's texts share a frame" if looked else f"fewer than {ENOUGH} texts"
    return Outcome("frames", looked, tuple(problems), note=note)


def _answers(found: _Texts) -> Iterator[tuple[str, str]]:
    return ((id_, a) for judged in found.judgements.values() for id_, own in judged.answers.items() for a in own)


CHECKS: Mapping[str, Callable[[_Texts], Outcome]] = {
    "text": _hygiene,
    "length": _lengths,
    "script": _script,
    "language": _language,
    "answers": _answers_stand,
    "duplicates": _duplicates,
    "leakage": _leakage,
    "frames": _frames,
}
