"""Real tasks from the command line to their results, on the real files that are here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bigrams
from xqgbench import tasks
from xqgbench.cli import main
from xqgbench.evaluation import evaluate

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Evaluate a task and return its result."""

    def call(task: str, *words: str) -> dict[str, Any]:
        results = tmp_path / "results"
        usual = ["--data-dir", str(shared), "--output", str(results), "--quiet"]
        code = main(["eval", "--model", "tests.conftest:Bigrams", "--task", task, *usual, *words])
        assert code == 0, capsys.readouterr().err
        (path,) = (results / task).rglob("result.json")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    return call


@pytest.mark.parametrize(
    ("task", "words", "queries", "version"),
    [
        ("miracl-sample", (), {"ko": 18, "sw": 120, "te": 70}, "1.0-sample"),
        ("xquad", ("--languages", "ar,de"), {"ar": 1190, "de": 1190}, "1.1"),
        ("xquad-mono", ("--languages", "en"), {"en": 1185}, "1.1"),
        ("afriqa", (), {"ha": 300, "sw": 295, "yo": 253}, "5c29933"),
    ],
)
def test_a_real_task_is_evaluated_and_its_result_says_what_it_is(
    run: Run, task: str, words: tuple[str, ...], queries: dict[str, int], version: str
) -> None:
    result = run(task, *words)
    assert (result["task"]["name"], result["task"]["version"]) == (task, version)
    assert result["task"]["card_sha256"] == tasks.card(task).sha256
    assert result["domain"] == "unknown"  # nobody knows what bigrams were trained on
    assert result["signature"].startswith(f"task:{task}@{version}#")
    counted = result["measures"]["nDCG@10"]["languages"]
    assert {language: counts["queries"] for language, counts in counted.items()} == queries
    assert result["complete"] == (not words)


def test_repeated_evaluations_are_the_same_to_the_last_bit(shared: Path, tmp_path: Path) -> None:
    first, second = (
        evaluate(Bigrams(), "miracl-sample", data_dir=shared, store=tmp_path / store).plain for store in ("a", "b")
    )
    assert first.scores == second.scores


def test_each_language_of_miracl_is_searched_in_its_own_collection(
    shared: Path, bigrams: Bigrams, tmp_path: Path
) -> None:
    found = evaluate(bigrams, "miracl-sample", data_dir=shared, store=tmp_path).plain
    task = tasks.open_task("miracl-sample", data_dir=shared)
    for language in ("ko", "sw", "te"):
        ids = {passage.id for passage in task.passages(language)}
        assert all(set(ranking.passage_ids) <= ids for ranking in found.runs[language].values())


def test_a_retriever_that_was_trained_on_sister_data_is_in_domain(shared: Path, tmp_path: Path) -> None:
    """MIRACL's questions stem from TyDi QA, as do those of Mr.TyDi and XOR-TyDi."""
    from dataclasses import replace

    for trained_on, domain in (("mr-tydi", "in-domain"), ("xquad", "out-of-domain")):
        retriever = Bigrams()
        retriever.info = replace(retriever.info, trained_on=(trained_on,))
        found = evaluate(retriever, "miracl-sample", languages=("te",), data_dir=shared, store=tmp_path).plain
        assert found.details["domain"] == domain


@pytest.mark.parametrize("task", ["miracl-sample", "afriqa"])
def test_a_real_task_can_be_checked(shared: Path, task: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "check", task, "--data-dir", str(shared), "--json"]) in (0, 1)
    said = capsys.readouterr()
    assert json.loads(said.out)
    assert "Error" not in said.err


def test_a_task_of_seven_languages_evaluates_those_that_are_here_and_names_the_others_that_are(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "--model", "tests.conftest:Bigrams", "--task", "xquad", "--data-dir", str(shared), "--quiet"]
    assert main([*words, "--output", str(tmp_path / "results")]) == 3
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.endswith("Here are all files of: --languages ar,de,es,hi,ru,zh.")
