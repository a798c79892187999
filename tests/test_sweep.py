"""Sweeps: each point is the evaluation it stands for, and no question has a say in the value it is scored at."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Bigrams, TaskWriter
from tests.test_results import MEASURE, made
from xqgbench.cli import main
from xqgbench.errors import InvalidParameter, ResultError, UnknownName
from xqgbench.evaluation import evaluate
from xqgbench.results import Result
from xqgbench.significance import deal
from xqgbench.sweep import cross_validate, deal_clusters, file_name, sweep

VALUES = ("0", "0.2", "0.9")


def validated_over(points: list[Result], folds: int, seed: int) -> tuple[list[int], Result]:
    return cross_validate(points, deal_clusters(points[0].clusters, points[0].languages, folds, seed))


def test_each_point_is_the_evaluation_of_its_value(write_task: TaskWriter) -> None:
    folder = write_task()
    found = sweep(Bigrams(), "alpha", VALUES, "small", "xqg:reduce=mean", folds=2, tasks_dir=folder)
    for value, point in zip(VALUES, found.points, strict=True):
        alone = evaluate(Bigrams(), "small", f"xqg:reduce=mean,alpha={value}", tasks_dir=folder)
        assert alone.augmented is not None
        assert point.scores == alone.augmented.scores
        assert found.plain.scores == alone.plain.scores
    assert found.points[0].scores == found.plain.scores  # alpha 0 is the plain retriever


def test_texts_are_encoded_once(write_task: TaskWriter) -> None:
    folder = write_task()
    two, nine = Bigrams("two"), Bigrams("nine")
    sweep(two, "alpha", ("0", "1"), "small", folds=2, tasks_dir=folder)
    sweep(nine, "alpha", [f"0.{i}" for i in range(9)], "small", folds=2, tasks_dir=folder)
    assert two.calls == nine.calls > 0


def test_a_question_is_scored_at_the_value_that_the_other_folds_choose() -> None:
    """Twelve questions in two languages; the first point is better on all but one fold, which only its rest can see."""
    fold_of = deal(12, 3, 7)
    odd = 1
    first = [0.2 if fold == odd else 0.9 for fold in fold_of]
    second = [1.0 if fold == odd else 0.5 for fold in fold_of]
    points = [
        replace(made({"fi": values[:6], "ja": values[6:]}, f"mine+xqg:alpha={i}"), main_measure=MEASURE)
        for i, values in enumerate((first, second))
    ]
    chosen, validated = validated_over(points, 3, 7)
    for fold in range(3):
        kept = [[v for v, own in zip(values, fold_of, strict=True) if own != fold] for values in (first, second)]
        assert chosen[fold] == int(np.mean(kept[1]) > np.mean(kept[0]))
    expected = [(first, second)[chosen[fold]][i] for i, fold in enumerate(fold_of)]
    scores = [value for language in ("fi", "ja") for value in validated.scores[language][MEASURE].values()]
    assert scores == expected
    assert validated.system == "mine+xqg, cross-validated"


def test_a_cluster_is_never_split_between_choosing_and_scoring() -> None:
    clusters = {"fi": [0, 1, 2, 3], "ja": [3, 2, 1, 0]}
    points = [
        replace(made({"fi": [a] * 4, "ja": [a] * 4}, "m+xqg", clusters), main_measure=MEASURE) for a in (0.1, 0.2)
    ]
    chosen, validated = validated_over(points, 4, 1)
    assert chosen == [1, 1, 1, 1]
    assert validated.macro(MEASURE) == pytest.approx(0.2)


def test_the_first_of_equal_values_is_chosen() -> None:
    points = [replace(made({"fi": [0.5] * 6}, "m+xqg"), main_measure=MEASURE) for _ in range(3)]
    assert validated_over(points, 3, 1)[0] == [0, 0, 0]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_are_even_and_come_from_the_seed(folds: int) -> None:
    dealt = deal(17, folds, 3)
    sizes = np.bincount(dealt, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    assert dealt.tolist() == deal(17, folds, 3).tolist()
    assert dealt.tolist() != deal(17, folds, 4).tolist()


@pytest.mark.parametrize("values", [("0.1",), ("0.1", "0.1"), ()])
def test_fewer_than_two_values_are_refused(write_task: TaskWriter, values: tuple[str, ...]) -> None:
    with pytest.raises(InvalidParameter, match="at least two distinct values of alpha"):
        sweep(Bigrams(), "alpha", values, "small", tasks_dir=write_task())


def test_more_folds_than_clusters_are_refused(write_task: TaskWriter) -> None:
    retriever = Bigrams()
    with pytest.raises(InvalidParameter, match="9 folds cannot be made of 4 clusters"):
        sweep(retriever, "alpha", VALUES, "small", folds=9, tasks_dir=write_task())
    assert retriever.calls == 0
    with pytest.raises(UnknownName, match="language of generated queries in small 'xx'"):
        sweep(retriever, "languages", ("fi", "xx"), "small", folds=2, tasks_dir=write_task())
    assert retriever.calls == 0


def test_a_value_or_parameter_that_does_not_exist_is_refused_before_anything_is_encoded(write_task: TaskWriter) -> None:
    retriever = Bigrams()
    with pytest.raises(InvalidParameter, match="alpha=2"):
        sweep(retriever, "alpha", ("0", "2"), "small", tasks_dir=write_task())
    with pytest.raises(UnknownName, match="xqg parameter 'beta'"):
        sweep(retriever, "beta", ("0", "1"), "small", tasks_dir=write_task())
    assert retriever.calls == 0


def test_the_command_prints_and_writes_the_curve(
    write_task: TaskWriter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_task()
    (tmp_path / "mine.py").write_text("from tests.conftest import Bigrams\n", encoding="utf-8")
    words = ["sweep", "--model", f"{tmp_path / 'mine.py'}:Bigrams", "--task", "small", "--tasks-dir", str(folder)]
    words += ["--over", "alpha=0,0.5", "--folds", "2", "--output", str(tmp_path / "results")]
    assert main(words) == 0
    out = capsys.readouterr().out
    (path,) = (tmp_path / "results" / "small" / "sweeps").iterdir()
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == "bigrams+xqg@alpha=0,0.5@folds=2.json"
    assert [point["value"] for point in kept["points"]] == ["0", "0.5"]
    for point in kept["points"]:
        assert f"{point['measures']['nDCG@10']['macro']:.4f}" in out
    assert kept["provenance"]["command"] == (
        "xqgbench sweep --model mine.py:Bigrams --task small --augment xqg --folds 2 --over alpha=0,0.5"
    )
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["points"] == kept["points"]
    assert main([*words[:-6], "--over", "alpha", "--folds", "2"]) == 2
    assert main([*words, "--store-dtype", "float16"]) == 0
    halved = path.with_name("bigrams_float16-store+xqg@alpha=0,0.5@folds=2.json")
    assert json.loads(halved.read_text(encoding="utf-8"))["signature"] != kept["signature"]


def test_the_same_curve_is_left_as_it_is_and_another_one_replaced(write_task: TaskWriter, tmp_path: Path) -> None:
    found = sweep(Bigrams(), "alpha", VALUES, "small", folds=2, tasks_dir=write_task())
    path = found.save(tmp_path / "results")
    kept = json.loads(path.read_text(encoding="utf-8"))
    kept["provenance"]["date"] = "2020-01-01"
    path.write_text(json.dumps(kept), encoding="utf-8")
    found.save(tmp_path / "results")
    assert json.loads(path.read_text(encoding="utf-8"))["provenance"]["date"] == "2020-01-01"
    for damage in ('{"provenance": 3}', "[]", "{", json.dumps({**kept, "augment": "other"})):
        path.write_text(damage, encoding="utf-8")
        found.save(tmp_path / "results")
        assert json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(found.describe()))


def test_a_place_that_cannot_be_written_is_named(write_task: TaskWriter, tmp_path: Path) -> None:
    found = sweep(Bigrams(), "alpha", VALUES, "small", folds=2, tasks_dir=write_task())
    (tmp_path / "results").write_text("a file", encoding="utf-8")
    with pytest.raises(ResultError, match=r"the curve cannot be written to .*sweeps.*--output DIR"):
        found.save(tmp_path / "results")


def test_other_values_never_replace_a_curve_and_long_lists_have_short_names() -> None:
    short = file_name("mine", "xqg:reduce=mean", "alpha", ("0", "0.5"))
    assert short == "mine+xqg~reduce=mean@alpha=0,0.5.json"
    assert file_name("mine", "xqg", "alpha", ("0", "0.5"), folds=3, seed=1, depth=9).endswith(
        "@folds=3@seed=1@depth=9.json"
    )
    long = [file_name("mine", "xqg", "alpha", [f"0.{i:04}" for i in range(n)]) for n in (100, 101)]
    assert long[0] != long[1]
    assert max(map(len, long)) < 80


def test_leaderboards_leave_sweeps_alone(write_task: TaskWriter, tmp_path: Path) -> None:
    from xqgbench.leaderboard import boards

    found = sweep(Bigrams(), "alpha", VALUES, "small", folds=2, tasks_dir=write_task())
    found.save(tmp_path / "results")
    assert boards(tmp_path / "results") == []
