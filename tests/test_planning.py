"""What an evaluation will take: counted by hand, measured against the real thing, and said before it starts."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from tests.conftest import PASSAGES, Bigrams, TaskWriter, jsonl
from xqgbench import registry, tasks
from xqgbench.cli import main
from xqgbench.encode import CHUNK
from xqgbench.errors import MissingData, RetrieverError, UnknownName
from xqgbench.evaluation import evaluate
from xqgbench.planning import Plan, plan, timing
from xqgbench.planning.timing import WARM_UP
from xqgbench.types import Passage, Vectors

T = TypeVar("T")

BIGRAMS = "tests.conftest:Bigrams"


@pytest.fixture(autouse=True)
def _no_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that this machine happens to have downloaded is seen, and nothing is fetched."""
    monkeypatch.setenv("XQGBENCH_DATA", str(tmp_path / "downloads"))
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "ir_datasets"))


class Paced(Bigrams):
    """Bigrams that take a known time per text."""

    def __init__(self, passage: float, query: float) -> None:
        super().__init__()
        self.pace = {"passage": passage, "query": query}
        self.seen: list[int] = []

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        time.sleep(self.pace["query"] * len(texts))
        self.seen.append(len(texts))
        return super().encode_queries(texts)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        time.sleep(self.pace["passage"] * len(passages))
        self.seen.append(len(passages))
        return Bigrams.encode_queries(self, [passage.joined(" ") for passage in passages])


def planned(name: str, augment: str = "none", languages: Sequence[str] = (), folder: Path | None = None) -> Plan:
    task = tasks.open_task(name, folder, fetch=False)
    return plan(Bigrams(), task, registry.augmentation(augment), languages)


def texts(found: Plan) -> dict[str, int]:
    return {work.what: work.texts for work in found.work}


# How many texts


def test_the_texts_of_a_task_are_what_its_evaluation_encodes(write_task: TaskWriter) -> None:
    folder = write_task()
    found = planned("small", "xqg", folder=folder)
    evaluation = evaluate(Bigrams(), "small", "xqg", tasks_dir=folder)
    assert evaluation.augmented is not None
    results = (evaluation.plain, evaluation.augmented)
    assert sum(texts(found).values()) == sum(r.details["timings"]["texts_encoded"] for r in results)
    assert texts(found) == {"passages": 4, "queries": 4, "generated queries": 16}


@pytest.mark.parametrize(
    ("augment", "languages", "generated"),
    [
        ("xqg:per_language=1", (), 8),
        ("xqg:languages=fi", (), 8),
        ("xqg:languages=query", ("ja",), 8),
        ("xqg:languages=query", (), 16),
    ],
)
def test_only_the_generated_queries_that_are_used_count(
    write_task: TaskWriter, augment: str, languages: tuple[str, ...], generated: int
) -> None:
    found = planned("small", augment, languages, write_task())
    assert found.generated == texts(found)["generated queries"] == generated


def test_generated_queries_per_passage_are_counted_not_assumed(write_task: TaskWriter) -> None:
    passages = [dict(p) for p in PASSAGES]
    passages[0]["generated_queries"] = {"fi": ["yksi", "kaksi", "kolme"]}
    assert planned("small", "xqg", folder=write_task(passages=jsonl(passages))).generated == 3 + 3 * 4


def test_without_an_augmentation_no_generated_query_counts(write_task: TaskWriter) -> None:
    found = planned("small", folder=write_task())
    assert (found.generated, texts(found)) == (0, {"passages": 4, "queries": 4})
    assert found.known_from == "counted"


def test_a_collection_that_is_not_here_is_planned_with_the_cards_numbers() -> None:
    found = planned("xor-tydi", "xqg")
    assert (found.passages, found.known_from, found.queries) == (18_000_000, "about", 2_110)
    assert found.generated == 18_000_000 * 35
    assert found.reading is None
    assert any("xqg-mini" in note for note in found.notes)
    assert any("not in the total" in note for note in found.notes)


def test_every_language_has_the_collection_that_it_is_searched_in() -> None:
    found = planned("miracl", languages=("sw", "yo"))
    assert (found.passages, found.known_from, found.queries) == (131_924 + 49_043, "card", 482 + 119)


def test_a_task_of_ir_datasets_is_planned_and_not_fetched(tmp_path: Path) -> None:
    found = planned("mr-tydi-v1.0", languages=("sw",))
    assert (found.passages, found.queries, found.reading) == (136_689, 670, None)
    assert not list(tmp_path.glob("ir_datasets/mr-tydi/*"))


# Time


def test_the_rates_are_those_of_the_retriever(write_task: TaskWriter) -> None:
    """4 ms a passage and 2 ms a query, at least: sleeping takes longer on a busy machine, never shorter."""
    retriever = Paced(0.004, 0.002)
    found = plan(retriever, tasks.open_task("xqg-mini"), registry.augmentation("xqg"))
    rates = {work.what: work.rate for work in found.work}
    for what, most in (("passages", 250), ("queries", 500), ("generated queries", 500)):
        rate = rates[what]
        assert most / 3 < rate.median <= most
        assert rate.low <= rate.median <= rate.high <= most
        assert rate.texts == 64
    usual, least, shortest = found.seconds[0], found.seconds[1], 300 / 250 + (800 + 10_500) / 500
    assert shortest <= least <= usual < 3 * shortest


def test_a_slow_retriever_gets_a_small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 0.1 s a text the whole sample would take half a minute; it is given a second for each kind of text."""
    monkeypatch.setattr(timing, "PATIENCE", 1.0)
    started = time.perf_counter()
    found = plan(Paced(0.1, 0.1), tasks.open_task("xqg-mini"), registry.augmentation("none"), sample=150)
    assert time.perf_counter() - started < 12
    assert all(0 < work.rate.texts < 20 for work in found.work)


def test_few_texts_are_repeated_to_make_a_sample(write_task: TaskWriter) -> None:
    found = planned("small", folder=write_task())
    assert [work.rate.texts for work in found.work] == [64, 64]


def test_the_sample_is_spread_over_languages(write_task: TaskWriter) -> None:
    seen: list[str] = []

    class Noting(Bigrams):
        def encode_queries(self, texts: Sequence[str]) -> Vectors:
            seen.extend(texts)
            return super().encode_queries(texts)

    task = tasks.open_task("xqg-mini")
    plan(Noting(), task, registry.augmentation("none"), sample=16)
    first = {task.queries(language)[0].text for language in task.card.query_languages}
    assert first <= set(seen)


def test_reading_is_planned_for_every_pass(write_task: TaskWriter) -> None:
    """To check judgements, to encode, for the answers' texts; and again, twice, and once more with xQG."""
    folder = write_task()
    assert planned("small", folder=folder).passes == 3
    assert planned("small", "xqg", folder=folder).passes == 6
    assert planned("small", "xqg:languages=query", folder=folder).passes == 8
    found = planned("small", "xqg", folder=folder)
    assert found.reading is not None
    assert 0 < found.reading < 1


@pytest.mark.models
def test_a_real_model_is_timed_on_the_task() -> None:
    """A passage of a hundred words takes several times as long as a question; how long is no matter of a test."""
    task = tasks.open_task("xqg-mini")
    found = plan(registry.retriever("e5-small"), task, registry.augmentation("xqg"), ["fi", "te"], sample=16)
    rates = {work.what: work.rate.median for work in found.work}
    assert 0 < 2 * rates["passages"] < rates["queries"]
    texts = {work.what: work.texts for work in found.work}
    assert texts == {"passages": 300, "queries": 200, "generated queries": 300 * 7 * 5}


# Disk and memory


def test_disk_is_what_the_store_really_takes(write_task: TaskWriter, tmp_path: Path) -> None:
    """Files of vectors after an evaluation, each of which has a header of 128 bytes."""
    store, task = tmp_path / "store", tasks.open_task("small", write_task())
    found = plan(Bigrams(), task, registry.augmentation("xqg"), store=store)
    assert not store.exists()
    evaluate(Bigrams(), task, "xqg", store=store)
    files = list(store.rglob("*.npy"))
    assert found.disk == sum(path.stat().st_size for path in files) - 128 * len(files)
    again = plan(Bigrams(), task, registry.augmentation("xqg"), store=store)
    assert again.stored == sum(path.stat().st_size for path in files)


def test_a_disk_that_is_too_small_is_warned_of(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    task = tasks.open_task("xor-tydi", fetch=False)
    dim = 1 + free // (4 * 18_000_000)
    enough = plan(Bigrams(dim=16), task, registry.augmentation("none"), store=tmp_path)
    assert enough.disk == 4 * 16 * (18_000_000 + 2_110)
    assert not [warning for warning in enough.warnings if "disk" in warning] or free < enough.disk
    if dim < 4_000:  # where less than a fifth of a terabyte is free
        small = plan(Bigrams(dim=dim), task, registry.augmentation("none"), store=tmp_path)
        assert any("disk of the store is too small" in warning for warning in small.warnings)


def test_memory_counts_what_grows_with_the_task() -> None:
    found = planned("xor-tydi", "xqg").memory
    assert found["vectors of a chunk"] == CHUNK * 64 * 4 * (2 + 7 + 5)
    assert found["passage ids"] == 18_000_000 * 10
    assert found["process with the model"] > 10e6
    assert "retrieved texts" in found
    assert "retrieved texts" not in planned("miracl", languages=["yo"]).memory


# What cannot be planned


def test_generated_queries_that_the_task_lacks_are_missed() -> None:
    with pytest.raises(MissingData, match="has no generated queries"):
        planned("miracl", "xqg")


def test_an_unknown_language_suggests_the_nearest(write_task: TaskWriter) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'fi'"):
        planned("small", languages=["fii"], folder=write_task())


def test_a_retriever_that_returns_nonsense_is_found_out(write_task: TaskWriter) -> None:
    class Broken(Bigrams):
        def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
            return np.full((len(passages), 64), np.nan, dtype=np.float32)

    with pytest.raises(RetrieverError, match="NaN"):
        plan(Broken(), tasks.open_task("small", write_task()), registry.augmentation("none"))


def test_passages_that_nobody_has_counted_are_said_to_be_unknown(write_task: TaskWriter) -> None:
    task = tasks.open_task("xor-tydi", fetch=False)
    task.card = replace(task.card, about_passages=0)  # type: ignore[misc]
    found = plan(Bigrams(), task, registry.augmentation("none"))
    assert (found.passages, found.known_from) == (0, "unknown")
    assert any("without them" in note for note in found.notes)


# The command


def test_the_command_shows_texts_time_disk_and_memory(
    write_task: TaskWriter, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["plan", "--model", BIGRAMS, "--task", "small", "--tasks-dir", str(write_task()), "--augment", "xqg"]
    assert main([*words, "--store", str(tmp_path / "store")]) == 0
    shown = capsys.readouterr().out
    rows = {line.strip().split("  ")[0]: line.split() for line in shown.splitlines() if line.strip()}
    assert "small 1, bigrams+xqg, fi ja" in shown
    assert "4" in rows["encoding passages"]
    assert "16" in rows["encoding generated queries"]
    assert "in all" in rows
    assert f"disk: 4 kB in {tmp_path / 'store'}, where" in shown  # 4 queries, 4 x 3 passages and means, 256 bytes each
    assert "memory: about" in shown
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "results").exists()


def test_the_command_as_json(write_task: TaskWriter, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "--model", BIGRAMS, "--task", "small", "--tasks-dir", str(write_task()), "--json", "--sample", "8"]
    assert main(words) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["passages"], found["queries"], found["generated"]) == (4, 4, 0)
    assert set(found["seconds"]) == {"usual", "least", "most"}
    assert [work["rate"]["texts"] for work in found["work"]] == [8, 8]
    assert captured.err == ""


def test_the_command_plans_with_generated_queries_of_a_file(
    write_task: TaskWriter, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    records = [{"docid": f"p{i}", "generated_queries": {"sw": ["moja", "mbili", "tatu"]}} for i in range(4)]
    (tmp_path / "own.jsonl").write_text(jsonl(records), encoding="utf-8")
    words = ["plan", "--model", BIGRAMS, "--task", "small", "--tasks-dir", str(write_task()), "--augment", "xqg"]
    assert main([*words, "--generated-queries", str(tmp_path / "own.jsonl"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["generated"] == 12


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 2),
        (["--model", "e5-smal"], 2),
        (["--model", BIGRAMS, "--task", "xqg-mimi"], 2),
        (["--model", BIGRAMS, "--augment", "xqg:alpha=2"], 2),
        (["--model", BIGRAMS, "--languages", "fii"], 2),
        (["--model", BIGRAMS, "--sample", "0"], 2),
        (["--model", BIGRAMS, "--depth", "0"], 2),
        (["--model", BIGRAMS, "--task", "miracl", "--augment", "xqg"], 3),
        (["--model", BIGRAMS, "--data-dir", "nowhere"], 3),
        (["--model", BIGRAMS, "--generated-queries", "nowhere.jsonl"], 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_wrong_call_of_the_command_is_refused(
    words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *words]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith(("Error: ", "Usage: "))


def test_the_warm_up_is_no_part_of_the_rate() -> None:
    """A retriever whose first call takes a second, as one that loads its weights then."""

    class Loading(Bigrams):
        loaded = False

        def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
            if not self.loaded:
                time.sleep(1)
                self.loaded = True
            return super().encode_passages(passages)

    found = plan(Loading(), tasks.open_task("xqg-mini"), registry.augmentation("none"))
    assert found.work[0].rate.median > 100
    assert found.work[0].rate.texts > WARM_UP
