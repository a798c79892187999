"""What is left to judge: everything that ranks high or holds an answer, and nothing that was judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import QRELS, Bigrams, TaskWriter
from xqgbench import tasks
from xqgbench.cli import main
from xqgbench.errors import MissingData
from xqgbench.evaluation import evaluate
from xqgbench.pooling import pool


@pytest.fixture
def folder(write_task: TaskWriter, tmp_path: Path) -> Path:
    """The small task, evaluated plain and with xQG into ``results``."""
    tasks_dir = write_task()
    evaluate(Bigrams(), "small", "xqg", tasks_dir=tasks_dir).save(tmp_path / "results")
    return tasks_dir


def test_the_pool_is_what_ranks_high_in_any_system_less_what_is_judged(folder: Path, tmp_path: Path) -> None:
    found = evaluate(Bigrams(), "small", "xqg", tasks_dir=folder)
    assert found.augmented is not None
    expected = {}
    for language in ("fi", "ja"):
        for query in found.plain.runs[language]:
            top = {p for r in (found.plain, found.augmented) for p in r.runs[language][query].passage_ids[:2]}
            expected[language, query] = top - {dict(QRELS)[query]}
    expected["ja", "ja-1"].discard("p1")
    pooled = {
        (e.query.language, e.query.id): set(e.passages) for e in pool(tasks.open_task("small", folder), tmp_path, 2)
    }
    assert pooled == {key: passages for key, passages in expected.items() if passages}


def test_a_passage_that_holds_an_answer_is_in_the_pool_whatever_its_rank(
    write_task: TaskWriter, tmp_path: Path
) -> None:
    """'Japan' stands in p1, which is judged, and in p2, which is not."""
    from tests.conftest import QUESTIONS, jsonl

    asked = [q | {"answers": ["Japan"]} if q["id"] == "ja-1" else q for q in QUESTIONS]
    tasks_dir = write_task(questions=jsonl(asked))
    evaluate(Bigrams(), "small", tasks_dir=tasks_dir).save(tmp_path / "results")
    pooled = {e.query.id: e for e in pool(tasks.open_task("small", tasks_dir), tmp_path, 1)}
    assert "p2" in pooled["ja-1"].passages
    assert pooled["ja-1"].relevant == ("p1",)


def test_what_is_judged_not_relevant_is_judged(folder: Path, tmp_path: Path, write_task: TaskWriter) -> None:
    everything = "".join(f"{q}\t0\tp{i}\t{int(p == f'p{i}')}\n" for q, p in QRELS for i in range(4))
    judged = tasks.open_task("small", write_task(qrels=everything))
    assert list(pool(judged, tmp_path, 4)) == []


def test_no_result_is_an_error_that_says_how_to_get_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingData, match="no result of 'small' below"):
        list(pool(tasks.open_task("small", folder), tmp_path / "empty", 3))


def test_the_command_names_no_system(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tasks", "pool", "small", "--tasks-dir", str(folder), "--results", str(tmp_path / "results")]
    assert main([*words, "--depth", "4"]) == 0
    shown = capsys.readouterr()
    entries = [json.loads(line) for line in shown.out.splitlines()]
    assert {entry["id"] for entry in entries} == {"fi-1", "fi-2", "ja-1", "ja-2"}
    assert all(len(entry["unjudged"]) == 3 for entry in entries)
    assert "bigrams" not in shown.out
    assert "12 passages to be judged for 4 queries" in shown.err
