"""What a task holds, counted: against the published numbers of the field, and beside files that are missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import PASSAGES, TaskWriter, jsonl
from tests.test_formats import COUNTED, DEV, TRAIN
from xqgbench import census as counting
from xqgbench import tasks
from xqgbench.census import Census, Questions, census
from xqgbench.cli import main
from xqgbench.errors import UnknownName
from xqgbench.measures.tokens import word_tokenizer
from xqgbench.types import Countable


@pytest.fixture(autouse=True)
def _no_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that this machine happens to have downloaded is seen, and nothing is fetched."""
    monkeypatch.setenv("XQGBENCH_DATA", str(tmp_path / "downloads"))
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "ir_datasets"))


def of(found: Census, split: str) -> dict[str, Questions]:
    return {entry.language: entry for entry in found.questions if entry.split == split}


# The field's own numbers


def test_xor_tydi_has_the_questions_and_denominators_of_its_official_script(shared: Path) -> None:
    """Claims 9 and 10 of the xQG paper: seven languages, about 2 k development questions, 18 M passages."""
    found = census(tasks.open_task("xor-tydi", data_dir=shared, fetch=False))
    dev, training = of(found, "dev"), of(found, "training")
    assert {language: entry.questions for language, entry in dev.items()} == DEV
    assert {language: entry.counted for language, entry in dev.items()} == COUNTED
    assert {language: entry.questions for language, entry in training.items()} == TRAIN
    assert (sum(DEV.values()), sum(COUNTED.values()), sum(TRAIN.values())) == (2_110, 1_928, 15_250)
    assert all(entry.judged is None for entry in dev.values())
    (collection,) = found.collections
    assert (collection.passages, collection.known_from) == (18_000_000, "about")
    assert "data/shard_0.jsonl" in collection.missing


def test_miracl_has_its_published_judgements_where_the_files_are_and_the_cards_numbers_elsewhere(shared: Path) -> None:
    """wc -l FILE; cut -f1 FILE | sort -u | wc -l; awk '$4 > 0' FILE | wc -l"""
    found = census(tasks.open_task("miracl", data_dir=shared, fetch=False), ["sw", "yo"])
    sw, yo = of(found, "dev")["sw"], of(found, "dev")["yo"]
    assert (sw.questions, sw.judged, sw.judgements, sw.relevant) == (482, 482, 5_092, 910)
    assert sw.relevant_per_query == 910 / 482
    assert (yo.questions, yo.judged) == (119, None)
    assert "miracl-v1.0-yo" in yo.missing
    assert [(c.name, c.passages, c.known_from) for c in found.collections] == [
        ("passages-sw", 131_924, "card"),
        ("passages-yo", 49_043, "card"),
    ]


def test_the_sample_of_miracl_is_counted_whole(shared: Path) -> None:
    """zcat FILE | wc -l"""
    found = census(tasks.open_task("miracl-sample", data_dir=shared), passages=50)
    assert {c.languages: (c.passages, c.known_from, c.looked_at) for c in found.collections} == {
        ("ko",): (4_651, "counted", 50),
        ("sw",): (3_597, "counted", 50),
        ("te",): (2_239, "counted", 50),
    }


# Everything of a small task


def test_lengths_and_generated_queries_are_means_over_the_passages_looked_at(write_task: TaskWriter) -> None:
    passages = [dict(p) for p in PASSAGES]
    passages[3]["generated_queries"] = {"fi": ["yksi"]}
    task = tasks.open_task("small", write_task(passages=jsonl(passages)))
    (collection,) = census(task).collections
    tokenize, texts = word_tokenizer(), [str(p["text"]) for p in passages]
    assert (collection.passages, collection.looked_at, collection.known_from) == (4, 4, "counted")
    assert collection.length is not None
    assert collection.length.tokens == sum(len(tokenize(text)) for text in texts) / 4
    assert collection.length.characters == sum(map(len, texts)) / 4
    assert collection.generated == {"fi": 7 / 4, "ja": 6 / 4}
    (first,) = census(task, passages=3).collections
    assert (first.passages, first.looked_at, first.generated) == (4, 3, {"fi": 2.0, "ja": 2.0})


def test_questions_answered_by_yes_or_no_alone_are_not_counted(write_task: TaskWriter) -> None:
    questions = [
        {"id": f"q{i}", "question": "mikä", "answers": answers, "lang": "fi", "split": "dev"}
        for i, answers in enumerate((["yes"], ["no", "Kemi"], ["Kemi"]))
    ]
    folder = write_task(questions=jsonl(questions), qrels="q0\t0\tp0\t1\nq0\t0\tp1\t0\nq2\t0\tp1\t2\n")
    entry = of(census(tasks.open_task("small", folder), ["fi"]), "dev")["fi"]
    assert (entry.questions, entry.counted, entry.judged, entry.judgements, entry.relevant) == (3, 2, 2, 3, 2)


def test_controls_are_marked(write_task: TaskWriter) -> None:
    found = census(tasks.open_task("xqg-mini"))
    assert [entry.language for entry in found.questions if entry.control] == ["en"]


def test_huge_collections_are_not_read_to_their_end(write_task: TaskWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "WHOLE", 3)
    task = tasks.open_task("small", write_task())
    (unknown,) = census(task, passages=1).collections
    assert (unknown.passages, unknown.known_from, unknown.looked_at) == (4, "at least", 1)
    task.card = replace(task.card, about_passages=4_000)  # type: ignore[misc]
    (about,) = census(task, passages=2).collections
    assert (about.passages, about.known_from, about.looked_at) == (4_000, "about", 2)


def test_judgements_are_counted_without_reading_the_collection(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection of 32 million passages would take an hour to no end."""
    task = tasks.open_task("mr-tydi", data_dir=shared)
    read: list[str] = []
    monkeypatch.setattr(type(task), "passages", lambda self, language: read.append(language) or iter(()))
    assert isinstance(task, Countable)
    assert len(task.filed_judgements("sw").qrels) == 670
    assert not read


def test_a_task_of_ir_datasets_is_not_fetched_unless_asked(tmp_path: Path) -> None:
    found = census(tasks.open_task("mr-tydi-v1.0", fetch=False), ["sw"])
    assert of(found, "test")["sw"].questions == 670
    assert "--fetch" in of(found, "test")["sw"].missing
    assert (found.collections[0].passages, found.collections[0].known_from) == (136_689, "card")
    assert not list(tmp_path.glob("ir_datasets/mr-tydi/*"))


def test_an_unknown_language_suggests_the_nearest(write_task: TaskWriter) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'fi'"):
        census(tasks.open_task("small", write_task()), ["fii"])


# Cards


def test_a_rough_number_of_passages_is_held_against_nothing(write_task: TaskWriter) -> None:
    folder = write_task()
    path = folder / "small.toml"
    path.write_text(path.read_text(encoding="utf-8") + "about_passages = 5000\n", encoding="utf-8")
    task = tasks.open_task("small", folder)
    assert task.card.about_passages == 5_000
    assert len(list(task.passages("fi"))) == 4


@pytest.mark.parametrize("line", ["about_passages = -1", 'about_passages = "many"', "about_passages = 4\npassages = 4"])
def test_a_rough_number_that_says_nothing_is_refused(write_task: TaskWriter, line: str) -> None:
    folder = write_task()
    path = folder / "small.toml"
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    assert main(["tasks", "show", "small", "--tasks-dir", str(folder)]) == 1


# The command


def test_the_command_prints_the_denominators(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    assert main(["tasks", "stats", "xor-tydi", "--data-dir", str(shared), "--languages", "fi,te"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["sum", "598", "552"] in lines
    assert ["sum", "3,396", "3,167"] in lines
    assert any(line[:3] == ["te", "238", "238"] for line in lines)
    assert any("(~18,000,000)" in line for line in lines)


def test_the_command_says_what_is_missing_and_why(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    assert main(["tasks", "stats", "mr-tydi", "--data-dir", str(shared), "--languages", "sw,th"]) == 0
    text = capsys.readouterr().out
    assert "(1,190)" in text
    assert "missing: task 'mr-tydi' needs mrtydi-v1.1-thai/ir-format-data/topics.test.txt" in text
    assert "not here" in text


def test_the_command_counts_generated_queries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "stats", "xqg-mini", "--passages", "100"]) == 0
    text = capsys.readouterr().out
    assert "first 100" in text
    assert ["te", "5.00", "~1,500", "passages"] in [line.split() for line in text.splitlines()]
    assert any(line.split()[:3] == ["en", "(control)", "100"] for line in text.splitlines())


def test_the_command_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "stats", "xqg-mini", "--json", "--languages", "fi"]) == 0
    found = json.loads(capsys.readouterr().out)
    (entry,) = found["questions"]
    assert (entry["language"], entry["questions"], entry["counted"], entry["judged"]) == ("fi", 100, 100, 100)
    assert entry["relevant_per_query"] == entry["relevant"] / 100
    assert found["collections"][0]["passages"] == 300


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["xqg-mini", "--languages", "fii"], 2),
        (["xqg-mini", "--languages", ","], 2),
        (["xqg-mini", "--passages", "0"], 2),
        (["xqg-mini", "--tasks-dir", "nowhere"], 3),
        ([], 2),
    ],
)
def test_a_wrong_call_of_the_command_is_refused(words: list[str], code: int) -> None:
    assert main(["tasks", "stats", *words]) == code


def test_a_broken_file_is_an_error_and_not_missing(write_task: TaskWriter, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "stats", "small", "--tasks-dir", str(write_task(questions="{}\n"))]) == 1
    assert "questions.jsonl:1" in capsys.readouterr().err
