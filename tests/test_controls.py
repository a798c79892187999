"""Control languages: evaluated and shown beside the others, and part of no average, no family, no cluster."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import QRELS, QUESTIONS, Bigrams, TaskWriter, jsonl
from xqgbench import results, tasks
from xqgbench.cli import main
from xqgbench.comparison import compare
from xqgbench.errors import DataError, UnknownName
from xqgbench.evaluation import Evaluation, check, evaluate
from xqgbench.leaderboard import build
from xqgbench.registry import augmentation

ENGLISH = [
    {"id": "en-1", "question": "longest river in Finland", "answers": ["Kemi"], "lang": "en", "split": "dev"},
    {"id": "en-2", "question": "what was floated on the Oulu", "answers": ["tar"], "lang": "en", "split": "dev"},
]
CARD: dict[str, str | None] = {"control_languages": '["en"]'}


@pytest.fixture
def folder(write_task: TaskWriter) -> Path:
    """The small task with English questions; en-1 is judged on two passages that fi-1 and ja-1 have one each of."""
    qrels = [*QRELS, ("en-1", "p0"), ("en-1", "p1"), ("en-2", "p3")]
    lines = "".join(f"{query}\t0\t{passage}\t1\n" for query, passage in qrels)
    return write_task(questions=jsonl([*QUESTIONS, *ENGLISH]), qrels=lines, card=CARD)


@pytest.fixture
def found(folder: Path) -> Evaluation:
    return evaluate(Bigrams(), "small", "xqg", tasks_dir=folder)


def test_a_control_is_scored_and_is_in_no_average(found: Evaluation, write_task: TaskWriter) -> None:
    plain = found.plain
    assert (plain.languages, plain.controls, plain.complete) == (("fi", "ja"), ("en",), True)
    assert plain.count("en", "nDCG@10") == 2
    expected = (plain.mean("fi", "nDCG@10") + plain.mean("ja", "nDCG@10")) / 2
    assert plain.macro("nDCG@10") == pytest.approx(expected)


def test_other_languages_do_not_notice_the_control(found: Evaluation, write_task: TaskWriter) -> None:
    """Neither their clusters (en-1 would join p0 and p1) nor any number of theirs."""
    alone = evaluate(Bigrams(), "small", "xqg", tasks_dir=write_task(card={"control_languages": None}))
    for measure, comparison in found.comparisons.items():
        without = alone.comparisons[measure]
        assert (comparison.rows, comparison.macro, comparison.clusters) == (
            without.rows,
            without.macro,
            without.clusters,
        )
        assert [row.language for row in comparison.controls] == ["en"]
        assert not without.controls
    own = {n for language in ("fi", "ja") for n in found.plain.clusters[language].values()}
    assert not own & set(found.plain.clusters["en"].values())


def test_a_control_is_a_family_of_its_own(found: Evaluation) -> None:
    (row,) = found.comparisons["nDCG@10"].controls
    assert row.p_corrected == row.p
    assert row.queries == 2
    assert "en" in found.comparisons["nDCG@10"].describe()


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (None, ("fi", "ja", "en")),
        (("ja", "fi"), ("fi", "ja", "en")),
        (("fi",), ("fi",)),
        (("en",), ("en",)),
        (("en", "fi"), ("fi", "en")),
    ],
)
def test_controls_come_with_all_the_others_or_by_name(
    folder: Path, asked: tuple[str, ...] | None, chosen: tuple[str, ...]
) -> None:
    assert check(tasks.open_task("small", folder), augmentation("xqg"), asked) == chosen


def test_a_control_alone_has_no_macro_average_and_a_folder_of_its_own(folder: Path, tmp_path: Path) -> None:
    only = evaluate(Bigrams(), "small", "xqg", tasks_dir=folder, languages=["en"])
    assert (only.plain.languages, only.plain.controls, only.plain.complete) == ((), ("en",), False)
    assert only.comparisons["nDCG@10"].macro is None
    written = [path.name for path, _ in only.save(tmp_path / "results")]
    assert written == ["bigrams@languages=en", "bigrams+xqg@languages=en"]
    assert "languages:en" in only.plain.signature


def test_a_result_with_a_control_is_read_back_as_it_was(found: Evaluation, tmp_path: Path) -> None:
    (folder, _), _ = found.save(tmp_path / "results")
    back = results.read_result(folder)
    assert (back.controls, back.scored) == (("en",), ("fi", "ja", "en"))
    assert back.scores == found.plain.scores
    assert set(results.read_summary(folder)["measures"]["nDCG@10"]["controls"]) == {"en"}
    assert (folder / "runs" / "en.trec.gz").exists()
    assert compare(back, back, "nDCG@10").controls[0].p == 1


def test_a_control_without_what_the_augmentation_needs_is_left_out_of_it(folder: Path) -> None:
    """There are no generated queries in English: with languages=query nothing could be fused for them."""
    found = evaluate(Bigrams(), "small", "xqg:languages=query", tasks_dir=folder)
    assert found.augmented is not None
    assert (found.plain.controls, found.augmented.controls) == (("en",), ())
    assert found.augmented.complete
    assert not found.comparisons["nDCG@10"].controls


def test_a_language_cannot_be_its_own_control(write_task: TaskWriter) -> None:
    with pytest.raises(DataError, match=r"small.toml: 'ja' is a language and a control language"):
        tasks.card("small", write_task(card={"control_languages": '["ja"]'}))


def test_a_language_of_neither_kind_is_refused(folder: Path) -> None:
    with pytest.raises(UnknownName, match="language of small 'ru'"):
        tasks.open_task("small", folder).queries("ru")


def test_tables_show_the_control_and_the_gap(
    folder: Path, found: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text("from tests.conftest import Bigrams\n", encoding="utf-8")
    words = ["eval", "--model", f"{tmp_path / 'mine.py'}:Bigrams", "--task", "small", "--tasks-dir", str(folder)]
    assert main([*words, "--augment", "xqg", "--output", str(tmp_path / "results"), "--quiet"]) == 0
    out = capsys.readouterr().out
    mean, macro = found.plain.mean("en", "nDCG@10"), found.plain.macro("nDCG@10")
    assert re.search(rf"en \(control\) +2 +{mean:.4f}", out)
    assert f"{mean:.4f} in en (control) - {macro:.4f} (macro) = {mean - macro:+.4f}" in out
    build(tmp_path / "results", tmp_path / "leaderboard")
    page = (tmp_path / "leaderboard" / "README.md").read_text(encoding="utf-8")
    assert "| fi | ja | en (control) |" in page
    assert "| System | nDCG@10 | RR@10 | R@2kt |" in page
