"""The conformance suite: built-in plugins pass it, and every check of it fails for somebody."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from tests.conftest import Bigrams, TaskWriter
from xqgbench import registry
from xqgbench.augmentations.plain import Plain
from xqgbench.augmentations.xqg import XQG
from xqgbench.cli import main
from xqgbench.conformance import Outcome, augmentation, check_augmentation, check_retriever, check_task, retriever, task
from xqgbench.conformance.sample import First
from xqgbench.errors import MissingData
from xqgbench.tasks import open_task
from xqgbench.types import Chunk, Judgements, Passage, Query, Task, TaskVectors, Vectors


def by_name(outcomes: Iterable[Outcome]) -> dict[str, Outcome]:
    return {outcome.check: outcome for outcome in outcomes}


def failed(outcomes: Iterable[Outcome]) -> dict[str, str]:
    return {outcome.check: outcome.measured for outcome in outcomes if outcome.verdict == "failed"}


# Retrievers


class Mine(Bigrams):
    """Conforms; the broken ones below differ from it in one thing each."""

    def __init__(self, **info: Any) -> None:
        super().__init__("mine", dim=128)
        self.info = replace(self.info, license="CC0-1.0", trained_on=(), **info)


class DropsARow(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return super().encode_queries(texts)[: 32 if len(texts) == 33 else None]


class FailsOnNoTexts(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return np.stack([super(FailsOnNoTexts, self).encode_queries([text])[0] for text in texts])


class HasZeroVectors(Mine):
    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, similarity="dot")

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        vectors = super().encode_queries(texts)
        vectors[[text == "1969" for text in texts]] = 0
        return vectors


class SaysAlwaysTheSame(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return np.ones((len(texts), self.info.dim), dtype=np.float32)


class Drifts(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return super().encode_queries(texts) + np.float32(self.calls % 2)


class LooksAtItsNeighbours(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        vectors = super().encode_queries(texts)
        return vectors + vectors.mean(axis=0, keepdims=True) if len(texts) else vectors


class LooksAtItsPlace(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return super().encode_queries(texts) + np.arange(len(texts), dtype=np.float32)[:, None]


class TakesListsAlone(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return super().encode_queries([*texts] if isinstance(texts, list) else [texts[0]] * len(texts))


class ReadsNoTitles(Mine):
    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        return self.encode_queries([passage.text for passage in passages])


class TripsOverEmoji(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        vectors = super().encode_queries(texts)
        vectors[["🙂" in text for text in texts]] = np.nan
        return vectors


class HasNoVectorForSymbols(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        vectors = super().encode_queries(texts)
        vectors[[bool(text) and text.isascii() and not any(map(str.isalnum, text)) for text in texts]] = 0
        vectors[["🙂" in text for text in texts]] = 0
        return vectors


class SaysOneThingInJapanese(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return super().encode_queries(["?" if text.endswith("。") else text for text in texts])


class FailsOnLongTexts(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        if max(map(len, texts), default=0) > 5_000:
            raise IndexError("index out of range in self")  # what torch says of positions that a model does not have
        return super().encode_queries(texts)


class ChangesWhatItIsGiven(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        if isinstance(texts, list):
            texts[:] = [text.casefold() for text in texts]
        return super().encode_queries([text.casefold() for text in texts])


class SeedsTheWorld(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        np.random.seed(1)
        return super().encode_queries(texts)


class IsAnotherEachTime(Mine):
    number = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.shift = np.float32(next(self.number))

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return super().encode_queries(texts) + self.shift


#: What is broken -> the check that must fail, and the others that then fail too.
BROKEN: dict[Callable[[], Mine], set[str]] = {
    lambda: Mine(passage_length=-1): {"info is complete", "passage length is as stated"},
    DropsARow: {"one row per text"},
    FailsOnNoTexts: {"no texts give no rows"},
    HasZeroVectors: {"vectors have a length"},
    SaysAlwaysTheSame: {"different texts differ", "titles are read"},
    Drifts: {"twice the same", "alone as in a batch", "in any order", "a list or a tuple"},
    LooksAtItsNeighbours: {"alone as in a batch"},
    LooksAtItsPlace: {"in any order", "alone as in a batch"},
    TakesListsAlone: {"a list or a tuple"},
    ReadsNoTitles: {"titles are read"},
    lambda: Mine(title_join=": "): {"titles are joined as stated"},
    lambda: Mine(query_prompt="query: ", passage_prompt="passage: "): {"roles are as stated"},
    lambda: Mine(query_length=32): {"query length is as stated"},
    lambda: Mine(passage_length=128): {"passage length is as stated"},
    TripsOverEmoji: {"odd texts are encoded"},
    HasNoVectorForSymbols: {"odd texts are encoded"},
    FailsOnLongTexts: {"long texts are encoded"},
    ChangesWhatItIsGiven: {"what is given is left alone"},
    SeedsTheWorld: {"random numbers are left alone"},
    IsAnotherEachTime: {"a second instance agrees"},
}


def test_a_plain_retriever_passes_every_check() -> None:
    outcomes = by_name(check_retriever(Mine(), Mine))
    assert {name for name, outcome in outcomes.items() if outcome.verdict != "passed"} == {
        "translations are found",  # these two
        "speed",  # have no verdict
    }


@pytest.mark.parametrize("make", BROKEN)
def test_a_broken_retriever_fails_the_check_for_it_and_is_still_put_through_the_others(
    make: Callable[[], Mine],
) -> None:
    outcomes = list(check_retriever(make(), make))
    assert BROKEN[make] <= set(failed(outcomes))
    assert len(outcomes) == len(retriever.CHECKS) + 1
    if make not in (SaysAlwaysTheSame, Drifts, LooksAtItsPlace):  # which have no right vector for anything
        assert set(failed(outcomes)) == BROKEN[make]


def test_every_check_of_retrievers_can_fail() -> None:
    names = {check.__name__.replace("_", " ") for check in retriever.CHECKS} | {"a second instance agrees"}
    assert names - set().union(*BROKEN.values()) == {"translations are found", "speed"}


def test_a_failure_says_what_is_wrong() -> None:
    assert "vectors are those of ' '" in failed(check_retriever(Mine(title_join=": ")))["titles are joined as stated"]
    assert "an emoji: " in failed(check_retriever(TripsOverEmoji()))["odd texts are encoded"]
    assert "index out of range in self" in failed(check_retriever(FailsOnLongTexts()))["long texts are encoded"]
    long = by_name(check_retriever(FailsOnLongTexts()))["long texts are encoded"]
    assert "in encode_queries" in long.traceback


class GivesFloat64(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Any:
        return super().encode_queries(texts).astype(np.float64)


class CutsTexts(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return super().encode_queries([text[:60] for text in texts])


class HasTwoEncoders(Mine):
    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        return super().encode_passages(passages)[:, ::-1].copy()


class HasNoVectorForNothing(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        vectors = super().encode_queries(texts)
        vectors[[not text.strip() for text in texts]] = 0
        return vectors


@pytest.mark.parametrize(
    ("made", "check", "said"),
    [
        (Bigrams(revision=None), "info is complete", "not stated: revision, license, trained_on"),
        (Mine(libraries=("no-such-distribution",)), "info is complete", "no-such-distribution"),
        (GivesFloat64(), "one row per text", "converted: float64"),
        (CutsTexts(query_length=64), "query length is as stated", "nothing behind 16 words matters"),
        (CutsTexts(), "passage length is as stated", "nothing behind 600 words matters"),
        (HasTwoEncoders(), "roles are as stated", "are there two encoders?"),
        (SaysOneThingInJapanese(), "translations are found", "; all have one vector in ja"),
        (HasNoVectorForNothing(), "odd texts are encoded", "would be refused, for an empty text, spaces"),
    ],
)
def test_what_is_no_fault_but_should_be_known_is_noted(made: Bigrams, check: str, said: str) -> None:
    outcomes = by_name(check_retriever(made))
    assert outcomes[check].verdict == "note"
    assert said in outcomes[check].measured
    assert not failed(outcomes.values())


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "measured"),
    [
        ("e5-small", {"alone as in a batch": "the same to the last bit", "roles are as stated": "'passage: '"}),
        ("use-m3", {"roles are as stated": "both encode alike"}),
        ("minilm-en", {"roles are as stated": "both encode alike", "query length is as stated": "256 tokens"}),
    ],
)
def test_the_built_in_retrievers_conform(name: str, measured: dict[str, str]) -> None:
    outcomes = by_name(check_retriever(registry.retriever(name), lambda: registry.retriever(name)))
    assert not failed(outcomes.values())
    moved = re.search(r"by up to (\S+) of", outcomes["alone as in a batch"].measured)
    assert float(moved[1] if moved else 0) < 1e-5
    usual = {"twice the same": "last bit", "a second instance agrees": "last bit", "vectors have a length": "unit"}
    for check, said in {**usual, **measured}.items():
        assert outcomes[check].verdict == "passed"
        assert said in outcomes[check].measured


# Tasks


class Twice(First):
    def queries(self, language: str) -> Sequence[Query]:
        return [*super().queries(language), *super().queries(language)]


class JudgesAnybody(First):
    def judgements(self, language: str) -> Judgements:
        return Judgements(qrels={"nobody": {"p0": 1}})


class JudgesAnything(First):
    def judgements(self, language: str) -> Judgements:
        return Judgements(qrels={f"{language}-1": {"p9": 1}})


class RepeatsPassages(First):
    def passages(self, language: str) -> Iterator[Passage]:
        return itertools.chain(super().passages(language), super().passages(language))


class TurnsPassages(First):
    turns = itertools.count()

    def passages(self, language: str) -> Iterator[Passage]:
        passages = list(super().passages(language))
        return iter(passages[:: 1 if next(self.turns) % 2 else -1])


class LacksARow(First):
    def generated_queries(self, language: str) -> Iterator[Any]:
        return itertools.islice(super().generated_queries(language), 3)


class LacksJapanese(First):
    def queries(self, language: str) -> Sequence[Query]:
        if language == "ja":
            raise MissingData("no Japanese here")
        return super().queries(language)


BROKEN_TASKS: dict[Callable[[Task], Task], str] = {
    Twice: "questions are sound",
    JudgesAnybody: "judgements are of questions",
    JudgesAnything: "judged passages exist",
    RepeatsPassages: "passages are sound",
    TurnsPassages: "passages come again",
    LacksARow: "generated queries are aligned",
}


@pytest.fixture
def small(write_task: TaskWriter) -> Task:
    return open_task("small", write_task())


@pytest.mark.parametrize("broken", BROKEN_TASKS)
def test_a_broken_task_fails_the_check_for_it(broken: Callable[[Task], Task], small: Task) -> None:
    assert not failed(check_task(small))
    outcomes = list(check_task(broken(small)))
    assert BROKEN_TASKS[broken] in failed(outcomes)
    assert len(outcomes) == len(task.CHECKS)


def test_every_check_of_tasks_can_fail_but_that_of_missing_files_which_notes() -> None:
    names = {check.__name__.replace("_", " ") for check in task.CHECKS}
    assert names - set(BROKEN_TASKS.values()) == {"languages are here"}


def test_a_task_is_checked_in_the_languages_that_are_here(small: Task) -> None:
    outcomes = by_name(check_task(LacksJapanese(small)))
    assert outcomes["languages are here"].verdict == "note"
    assert "missing for ja" in outcomes["languages are here"].measured
    assert not failed(outcomes.values())


def test_a_task_of_which_nothing_is_here_cannot_be_checked() -> None:
    with pytest.raises(MissingData, match="xor-tydi"):
        check_task(open_task("xor-tydi"))


@pytest.mark.parametrize("name", ["xqg-mini", "xquad", "xquad-mono", "xquad-human", "afriqa", "miracl-sample"])
def test_the_tasks_conform_as_far_as_their_files_are_here(name: str, request: pytest.FixtureRequest) -> None:
    folder = None if name == "xqg-mini" else request.getfixturevalue("shared")
    assert not failed(check_task(open_task(name, data_dir=folder)))


# Augmentations


class LacksAName(Plain):
    description = MappingProxyType({"alpha": 0.1})


class CallsItselfOtherwise(Plain):
    label = "xqg:alpha=0.2"


class GroupsAtRandom(Plain):
    number = itertools.count()

    def index(self, task: Task, language: str) -> str:
        return str(next(self.number))


class GroupsTooMuch(XQG):
    def index(self, task: Task, language: str) -> str:
        return ""


class DropsAQuery(Plain):
    def queries(self, vectors: TaskVectors, language: str) -> Vectors:
        return vectors.queries(language)[1:]


class TurnsChunks(Plain):
    def passages(self, vectors: TaskVectors, language: str) -> Iterator[Chunk]:
        return ((ids[::-1], rows[::-1]) for ids, rows in vectors.passages(language))


class CentresChunks(Plain):
    def passages(self, vectors: TaskVectors, language: str) -> Iterator[Chunk]:
        return ((ids, rows - rows.mean(axis=0)) for ids, rows in vectors.passages(language))


class AlwaysWeighs(XQG):
    @classmethod
    def parse(cls, parameters: str) -> XQG:
        return XQG.parse("alpha=0.5")


BROKEN_AUGMENTATIONS: dict[str, Callable[[], Any]] = {
    "it can be written down": LacksAName,
    "its label names it": CallsItselfOtherwise,
    "languages are grouped steadily": GroupsAtRandom,
    "a group has the same passages": lambda: GroupsTooMuch(XQG.parse("languages=query").fusion),
    "queries have a vector each": DropsAQuery,
    "passages have a vector each": TurnsChunks,
    "chunks do not matter": CentresChunks,
    "weight zero changes nothing": AlwaysWeighs,
}


@pytest.mark.parametrize("check", BROKEN_AUGMENTATIONS)
def test_a_broken_augmentation_fails_the_check_for_it(check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if check == "weight zero changes nothing":  # which makes it again, by its name
        monkeypatch.setitem(registry.AUGMENTATIONS, "xqg", f"{__name__}:AlwaysWeighs")
    outcomes = list(check_augmentation(BROKEN_AUGMENTATIONS[check](), open_task("xqg-mini")))
    assert check in failed(outcomes)
    assert len(outcomes) == len(augmentation.CHECKS)


def test_every_check_of_augmentations_can_fail() -> None:
    assert set(BROKEN_AUGMENTATIONS) == {check.__name__.replace("_", " ") for check in augmentation.CHECKS}


@pytest.mark.parametrize("name", ["none", "xqg", "xqg:alpha=0.2,reduce=mean,languages=query", "xqg:renormalise=true"])
def test_the_built_in_augmentations_conform(name: str) -> None:
    outcomes = list(check_augmentation(registry.augmentation(name), open_task("xqg-mini")))
    assert [outcome.verdict for outcome in outcomes] == ["passed"] * len(augmentation.CHECKS)


# The command


def test_the_command_prints_a_line_for_every_check_and_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--model", f"{__name__}:Mine"]) == 0
    title, *lines, verdict = capsys.readouterr().out.strip().splitlines()
    assert title == "retriever mine"
    checks = [line for line in lines if not line.startswith(" ")]
    assert len(checks) == len(retriever.CHECKS) + 1
    assert {line[:4] for line in checks} == {"pass", "note"}
    assert verdict == "'mine' keeps the contract of a retriever: 19 checks passed, 2 left a note."


class EndsTheProgram(Mine):
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        raise SystemExit(0)


def test_a_retriever_that_ends_the_program_fails_and_the_other_checks_run_all_the_same() -> None:
    outcomes = by_name(check_retriever(EndsTheProgram()))
    assert outcomes["twice the same"].verdict == "failed"
    assert outcomes["twice the same"].measured.startswith("SystemExit")
    assert "speed" in outcomes


def test_the_command_exits_with_1_if_something_failed_and_shows_where_with_debug(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["check", "--model", f"{__name__}:FailsOnLongTexts"]
    assert main(words) == 1
    shown = capsys.readouterr().out
    assert "FAIL  long texts are encoded" in shown
    assert shown.strip().splitlines()[-1].startswith("'mine' does not keep the contract of a retriever: 1 of 21 checks")
    assert "Traceback" not in shown
    assert main([*words, "--debug"]) == 1
    assert "in encode_queries" in capsys.readouterr().out


def test_the_command_checks_several_things_and_prints_json(
    write_task: TaskWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_task()
    words = ["check", "--model", f"{__name__}:ReadsNoTitles", "--task", "small", "--augment", "xqg", "--json"]
    assert main([*words, "--tasks-dir", str(folder)]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["name"], one["passed"]) for one in found] == [
        ("retriever", "mine", False),
        ("task", "small", True),
        ("augmentation", "xqg", True),
    ]
    titles = next(check for check in found[0]["checks"] if check["check"] == "titles are read")
    assert titles["verdict"] == "failed"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "--model, --task or --augment"),
        (["--model", "e5-smal"], 2, "Did you mean 'e5-small'"),
        (["--task", "xqg-min"], 2, "Did you mean 'xqg-mini'"),
        (["--augment", "xqq"], 2, "Did you mean 'xqg'"),
        (["--task", "xor-tydi"], 3, "xqgbench tasks download xor-tydi"),
    ],
)
def test_what_does_not_exist_cannot_be_checked(
    words: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *words]) == code
    assert said in capsys.readouterr().err
