"""Results on disk: read back as they were, refused where changed, left alone where nothing is new."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pandas as pd
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

import xqgbench
from tests.conftest import ROOT, Bigrams, TaskWriter
from tests.test_files import contents, room_for
from xqgbench import evaluate, results, tasks
from xqgbench.errors import ResultError
from xqgbench.measures import FirstHit
from xqgbench.results import Result
from xqgbench.types import Ranking

MEASURE = "nDCG@10"
DETAILS: Mapping[str, Any] = {
    "task": {"name": "small", "version": "1", "card_sha256": "c" * 64},
    "retriever": {"name": "mine"},
    "augmentation": {"name": "none"},
    "domain": "unknown",
    "source": "measured",
    "provenance": {"date": "2026-01-01", "libraries": {"numpy": "2.0"}},
    "timings": {"seconds": 1.0},
}


def made(
    scores: Mapping[str, Sequence[float]],
    system: str = "mine",
    clusters: Mapping[str, Sequence[int]] | None = None,
    *,
    complete: bool = True,
    task: str = "small",
    version: str = "1",
    depth: int = 100,
    details: Mapping[str, Any] | None = None,
) -> Result:
    """A result made by hand: per language the scores of queries q0, q1 ..., each its own cluster unless said."""
    names = {language: [f"q{i}" for i in range(len(own))] for language, own in scores.items()}
    if clusters is None:
        numbers = iter(range(sum(map(len, scores.values()))))
        clusters = {language: [next(numbers) for _ in own] for language, own in scores.items()}
    run = {"p2": 0.5, "p1": 0.5, "p3": -0.25}
    ranking = Ranking(tuple(run), np.array(list(run.values())))
    of_card = tuple(scores) if complete else (*scores, "not-evaluated")
    return Result(
        task=task,
        task_version=version,
        card_sha256=str(DETAILS["task"]["card_sha256"]),
        card_languages=of_card,
        system=system,
        languages=tuple(scores),
        complete=complete,
        main_measure=MEASURE,
        measures=(MEASURE,),
        depth=depth,
        scores={lang: {MEASURE: dict(zip(names[lang], own, strict=True))} for lang, own in scores.items()},
        signature=f"task:{task}@{version}|system:{system}",
        details={
            **DETAILS,
            "task": {**DETAILS["task"], "name": task, "version": version, "languages": list(of_card)},
            **(details or {}),
        },
        clusters={lang: dict(zip(names[lang], clusters[lang], strict=True)) for lang in scores},
        runs={lang: dict.fromkeys(own, ranking) for lang, own in names.items()},
    )


SCORES = {"fi": [0.5, 1.0], "ja": [0.0, 1 / 3, 0.1]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "results" / "small" / "mine"


# Means


def test_a_mean_is_over_queries_and_a_macro_average_over_languages() -> None:
    result = made({"fi": [0.5, 1.0], "ja": [0.0, 0.25, 0.5, 0.25]})
    assert result.mean("fi", MEASURE) == 0.75
    assert result.mean("ja", MEASURE) == 0.25
    assert result.macro(MEASURE) == 0.5  # (0.75 + 0.25) / 2, not the mean over six queries, 2.5 / 6
    assert (result.count("fi", MEASURE), result.count("ja", MEASURE)) == (2, 4)


def test_a_language_without_judged_queries_has_no_mean() -> None:
    assert math.isnan(made({"fi": []}).mean("fi", MEASURE))


# Round trips


def test_a_result_is_read_back_as_it_was_written(folder: Path) -> None:
    result = made(SCORES, clusters={"fi": [0, 1], "ja": [1, 2, 2]})
    assert results.write(result, folder, None) == "written"
    found = results.read_result(folder)
    assert (found.card_sha256, found.card_languages) == (result.card_sha256, result.card_languages)
    for name in ("task", "task_version", "system", "languages", "complete", "main_measure", "measures", "depth"):
        assert getattr(found, name) == getattr(result, name), name
    assert (found.scores, found.clusters, found.signature) == (result.scores, result.clusters, result.signature)
    assert {name: found.details[name] for name in DETAILS} == result.details
    assert (found.runs, found.hits) == ({}, {})


def test_a_denominator_is_written_and_read_back_where_it_is_not_strict(folder: Path) -> None:
    results.write(made(SCORES), folder, None)
    assert "denominator" not in results.read_summary(folder)
    assert results.read_result(folder).denominator == "strict"
    results.write(replace(made(SCORES), denominator="official"), folder, None)
    assert results.read_result(folder).denominator == "official"


def test_fields_stand_in_the_order_of_the_committed_results(write_task: TaskWriter, tmp_path: Path) -> None:
    """A committed result that is made again must not differ in a byte that does not matter."""
    [(written, _)] = evaluate(Bigrams(), "small", tasks_dir=write_task()).save(tmp_path / "results")
    committed = results.read_summary(ROOT / "results" / "xqg-mini" / "e5-small")
    found = results.read_summary(written)
    assert list(found) == list(committed)
    for part in ("task", "retriever", "provenance", "timings"):
        assert list(found[part]) == list(committed[part]), part


LETTERS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
#: Far beyond any score, and still with a mean: a sum of four is finite.
NUMBERS = st.floats(-1e307, 1e307)


@settings(deadline=None, max_examples=15)
@given(st.dictionaries(LETTERS, st.tuples(NUMBERS, st.integers(0, 9)), min_size=1, max_size=4), NUMBERS)
def test_scores_keep_every_bit_and_ids_every_character(
    tmp_path_factory: pytest.TempPathFactory, own: dict[str, tuple[float, int]], other: float
) -> None:
    folder = tmp_path_factory.mktemp("results") / "system"
    scores = {
        "fi": {MEASURE: {query: score for query, (score, _) in own.items()}},
        "ja": {MEASURE: dict.fromkeys(own, other)},
    }
    clusters = {language: {query: cluster for query, (_, cluster) in own.items()} for language in ("fi", "ja")}
    runs = {language: {query: Ranking((), np.zeros(0)) for query in own} for language in ("fi", "ja")}
    result = replace(made({"fi": [], "ja": []}), scores=scores, clusters=clusters, runs=runs)
    results.write(result, folder, None)
    found = results.read_result(folder)
    assert (found.scores, found.clusters) == (scores, clusters)
    for query, (score, _) in own.items():
        assert math.copysign(1, found.scores["fi"][MEASURE][query]) == math.copysign(1, score)


def test_several_measures_may_judge_different_queries(folder: Path) -> None:
    result = made({"fi": [0.5, 1.0]})
    scores = {"fi": {MEASURE: {"q0": 0.5, "q1": 1.0}, "R@2kt": {"q1": 1.0}}}
    result = replace(result, scores=scores, measures=(MEASURE, "R@2kt"))
    results.write(result, folder, None)
    found = results.read_result(folder)
    assert found.scores == scores
    assert (found.count("fi", MEASURE), found.count("fi", "R@2kt")) == (2, 1)


def test_result_json_holds_means_counts_and_the_hash_of_every_file(folder: Path) -> None:
    results.write(made(SCORES), folder, {"against": "other"})
    summary = json.loads((folder / "result.json").read_bytes())
    assert summary["measures"][MEASURE]["languages"]["fi"] == {"mean": 0.75, "queries": 2}
    assert summary["measures"][MEASURE]["macro"] == (0.75 + (0.0 + 1 / 3 + 0.1) / 3) / 2
    assert summary["comparison"] == {"against": "other"}
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents(folder).items()}
    del files["result.json"]
    assert summary["files"] == files
    assert set(files) == {"scores.parquet", "run.parquet", "runs/fi.trec.gz", "runs/ja.trec.gz"}


def test_an_incomplete_result_has_no_macro_average(folder: Path) -> None:
    results.write(made(SCORES, complete=False), folder, None)
    assert json.loads((folder / "result.json").read_bytes())["measures"][MEASURE]["macro"] is None


def test_result_json_is_json_even_where_a_mean_is_missing(folder: Path) -> None:
    """NaN is Python's own: jq and every browser refuse a file that holds it."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    results.write(made({"fi": [1.0], "ja": []}, complete=False), folder, None)
    json.loads((folder / "result.json").read_bytes(), parse_constant=refuse)


def test_first_hits_are_kept_for_tasks_with_answers_alone(folder: Path) -> None:
    result = made({"fi": [1.0, 0.0]})
    results.write(replace(result, hits={"fi": {"q0": FirstHit(rank=3, tokens=214)}}), folder, None)
    rows = pd.read_parquet(folder / "first_hits.parquet").to_dict("records")
    assert rows == [{"language": "fi", "query_id": "q0", "rank": 3, "tokens": 214}]
    results.write(replace(result, hits={"fi": {}}, signature="other"), folder, None)
    assert not (folder / "first_hits.parquet").exists()


# Runs


def test_the_run_table_holds_true_scores_and_ranks_from_one(folder: Path) -> None:
    results.write(made({"fi": [1.0]}), folder, None)
    frame = pd.read_parquet(folder / "run.parquet")
    assert frame.to_dict("list") == {
        "language": ["fi"] * 3,
        "query_id": ["q0"] * 3,
        "rank": [1, 2, 3],
        "passage_id": ["p2", "p1", "p3"],
        "score": [0.5, 0.5, -0.25],
    }


def test_trec_scores_fall_strictly_in_the_order_of_the_ranks_even_where_true_ones_tie(folder: Path) -> None:
    results.write(made({"fi": [1.0]}), folder, None)
    found = list(ir_measures.read_trec_run(str(folder / "runs" / "fi.trec.gz")))
    assert [(row.query_id, row.doc_id, row.score) for row in found] == [
        ("q0", "p2", 3),
        ("q0", "p1", 2),
        ("q0", "p3", 1),
    ]


def test_trec_lines_have_six_fields_whatever_the_system_is_called(folder: Path) -> None:
    results.write(made({"fi": [1.0]}, system="my model\t(2nd\n try)"), folder, None)
    lines = gzip.decompress((folder / "runs" / "fi.trec.gz").read_bytes()).decode().splitlines()
    assert lines[0].split() == ["q0", "Q0", "p2", "1", "3", "my_model_(2nd_try)"]
    assert {len(line.split()) for line in lines} == {6}


def test_independent_tools_find_the_same_scores_in_the_run_file(write_task: TaskWriter, tmp_path: Path) -> None:
    tasks_dir = write_task()
    evaluation = evaluate(Bigrams(), "small", "xqg", tasks_dir=tasks_dir)
    for saved, _ in evaluation.save(tmp_path / "results"):
        assert_rescored(saved, tasks_dir / "qrels.tsv")


#: Large rankings are not kept beside their scores.
COMMITTED = sorted(path.parent.parent for path in (ROOT / "results").glob("*/*/runs/*.trec.gz"))
BUNDLED = sorted({saved for saved in COMMITTED if (ROOT / "tasks" / saved.parent.name / "qrels.tsv").exists()})
FETCHED = sorted(set(COMMITTED) - set(BUNDLED))


@pytest.mark.skipif(not BUNDLED, reason="no results are committed")
@pytest.mark.parametrize("saved", BUNDLED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_committed_result_can_be_scored_again_from_its_run(saved: Path) -> None:
    assert_rescored(saved, ROOT / "tasks" / saved.parent.name / "qrels.tsv")


@pytest.mark.skipif(not FETCHED, reason="no results are committed")
@pytest.mark.parametrize("saved", FETCHED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_committed_result_on_real_data_can_be_scored_again_from_its_run(saved: Path, shared: Path) -> None:
    task = tasks.open_task(saved.parent.name, data_dir=shared)
    for language in results.read_result(saved).languages:
        assert_language_rescored(saved, language, {q: dict(own) for q, own in task.judgements(language).qrels.items()})


def assert_rescored(saved: Path, qrels_path: Path) -> None:
    """nDCG@10 and RR@10 by pytrec_eval alone, which has never seen the harness."""
    with qrels_path.open(encoding="utf-8") as stream:
        qrels = pytrec_eval.parse_qrel(stream)
    for language in results.read_result(saved).languages:
        assert_language_rescored(saved, language, qrels)


def assert_language_rescored(saved: Path, language: str, qrels: dict[str, dict[str, int]]) -> None:
    result = results.read_result(saved)
    with gzip.open(saved / "runs" / f"{language}.trec.gz", "rt", encoding="utf-8") as stream:
        run = pytrec_eval.parse_run(stream)
    for query, own in run.items():
        ordered = sorted(own.values(), reverse=True)
        assert ordered == [float(n) for n in range(len(own), 0, -1)], query
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut_10"}).evaluate(run)
    assert {query: values["ndcg_cut_10"] for query, values in found.items()} == pytest.approx(
        dict(result.scores[language]["nDCG@10"]), abs=1e-12
    )
    for query, score in result.scores[language].get("RR@10", {}).items():
        best = sorted(run[query], key=run[query].__getitem__, reverse=True)[:10]
        places = [rank for rank, passage in enumerate(best, 1) if qrels[query].get(passage, 0) > 0]
        assert score == pytest.approx(1 / places[0] if places else 0.0, abs=1e-12)


def test_compressed_runs_carry_no_time(folder: Path) -> None:
    results.write(made({"fi": [1.0]}), folder, None)
    content = (folder / "runs" / "fi.trec.gz").read_bytes()
    assert content[:2] == b"\x1f\x8b"
    assert content[4:8] == b"\0\0\0\0"  # MTIME in RFC 1952


def test_the_same_result_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    results.write(made(SCORES), folder, None)
    results.write(made(SCORES), tmp_path / "again", None)
    assert contents(folder) == contents(tmp_path / "again")


# Changed and broken files


def test_a_changed_table_of_scores_is_refused(folder: Path) -> None:
    results.write(made(SCORES), folder, None)
    path = folder / "scores.parquet"
    frame = pd.read_parquet(path)
    frame.loc[0, "score"] = 1.0
    frame.to_parquet(path)
    with pytest.raises(ResultError, match=r"scores\.parquet is not the file that result\.json describes"):
        results.read_result(folder)


def test_a_single_changed_byte_is_refused(folder: Path) -> None:
    results.write(made(SCORES), folder, None)
    path = folder / "scores.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ResultError, match="is not the file"):
        results.read_result(folder)


@pytest.mark.parametrize("name", ["scores.parquet", "result.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    results.write(made(SCORES), folder, None)
    (folder / name).unlink()
    with pytest.raises(ResultError, match=f"{name} cannot be read"):
        results.read_result(folder)


BROKEN = {
    "cut short": lambda text: text[: len(text) // 2],
    "not UTF-8": lambda text: text[:5] + b"\xff" + text[5:],
    "empty": lambda text: b"",
    "a list": lambda text: b"[]",
    "another schema": lambda text: text.replace(b'"schema": 2', b'"schema": 9'),
    "nothing but a schema": lambda text: b'{"schema": 2}',
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_result_json_that_is_none_is_refused_by_its_name(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    results.write(made(SCORES), folder, None)
    path = folder / "result.json"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ResultError, match=r"result\.json"):
        results.read_result(folder)


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_result_json_that_is_none_is_written_anew(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    results.write(made(SCORES), folder, None)
    path = folder / "result.json"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert results.write(made(SCORES), folder, None) == "replaced"
    assert path.read_bytes() == whole


# Writing again


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {p.relative_to(folder).as_posix(): (p.stat().st_ino, p.stat().st_mtime_ns) for p in folder.rglob("*")}


@pytest.mark.parametrize(
    "later",
    [
        {},
        {"timings": {"seconds": 2.0}},
        {"provenance": {"date": "2026-02-02", "libraries": {"numpy": "2.0"}}},
    ],
    ids=["same", "other timings", "other date"],
)
def test_an_unchanged_result_leaves_every_file_untouched(folder: Path, later: dict[str, Any]) -> None:
    results.write(made(SCORES), folder, {"against": "x"})
    before = stamps(folder)
    assert results.write(made(SCORES, details=later), folder, {"against": "x"}) == "unchanged"
    assert stamps(folder) == before


NEW: dict[str, tuple[Result, dict[str, Any] | None]] = {
    "a score": (made({**SCORES, "fi": [0.5, 0.9]}), None),
    "the signature": (replace(made(SCORES), signature="other"), None),
    "the comparison": (made(SCORES), {"against": "x"}),
    "a library": (made(SCORES, details={"provenance": {"libraries": {"numpy": "2.1"}}}), None),
    "the retriever": (made(SCORES, details={"retriever": {"name": "mine", "notes": "new"}}), None),
}


@pytest.mark.parametrize(("result", "comparison"), NEW.values(), ids=NEW)
def test_a_result_that_differs_is_written(folder: Path, result: Result, comparison: dict[str, Any] | None) -> None:
    results.write(made(SCORES), folder, None)
    assert results.write(result, folder, comparison) == "replaced"
    found = results.read_result(folder)
    assert found.scores == result.scores
    assert found.signature == result.signature
    assert found.details["comparison"] == comparison
    assert results.write(result, folder, comparison) == "unchanged"


def test_a_result_whose_queries_differ_is_written_even_where_the_means_agree(folder: Path) -> None:
    results.write(made({"fi": [0.25, 0.75]}), folder, None)
    assert results.write(made({"fi": [0.75, 0.25]}), folder, None) == "replaced"
    assert results.read_result(folder).scores["fi"][MEASURE] == {"q0": 0.75, "q1": 0.25}


def test_a_result_whose_rankings_differ_is_written_even_where_the_scores_agree(folder: Path) -> None:
    result = made({"fi": [1.0]})
    results.write(result, folder, None)
    other = Ranking(("p2", "p3"), np.array([0.5, 0.25]))
    assert results.write(replace(result, runs={"fi": {"q0": other}}), folder, None) == "replaced"
    assert pd.read_parquet(folder / "run.parquet")["passage_id"].tolist() == ["p2", "p3"]


@pytest.mark.parametrize(
    ("name", "status"), [("runs/fi.trec.gz", "unchanged"), ("run.parquet", "unchanged"), ("scores.parquet", "replaced")]
)
def test_a_missing_file_is_written_again(folder: Path, name: str, status: str) -> None:
    """Rankings may be left out where they are too large to be kept; that makes the result no other one."""
    results.write(made(SCORES), folder, None)
    whole = contents(folder)
    (folder / name).unlink()
    assert results.write(made(SCORES), folder, None) == status
    assert contents(folder) == whole


@pytest.mark.parametrize("name", ["scores.parquet", "run.parquet", "runs/fi.trec.gz"])
def test_evaluating_again_heals_a_damaged_file_as_the_message_promises(folder: Path, name: str) -> None:
    results.write(made(SCORES), folder, None)
    whole = contents(folder)
    (folder / name).write_bytes(b"damaged")
    assert results.write(made(SCORES), folder, None) == "replaced"
    assert contents(folder) == whole


def test_a_new_result_takes_the_place_of_the_whole_old_one(folder: Path) -> None:
    results.write(made(SCORES), folder, None)
    results.write(made({"fi": [1.0]}), folder, None)
    assert set(contents(folder)) == {"result.json", "scores.parquet", "run.parquet", "runs/fi.trec.gz"}
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_a_full_disk_leaves_the_old_result_whole(folder: Path) -> None:
    results.write(made(SCORES), folder, None)
    whole = contents(folder)
    with room_for(256), pytest.raises(ResultError, match=r"(?i)cannot be written to .*too large.*--output"):
        results.write(made({"fi": [1.0]}), folder, None)
    assert contents(folder) == whole
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_a_file_in_the_way_is_named_with_the_way_out(folder: Path) -> None:
    folder.parent.parent.mkdir(parents=True)
    folder.parent.write_text("mine", encoding="utf-8")
    with pytest.raises(ResultError, match=r"results cannot be written to .*--output DIR") as caught:
        results.write(made(SCORES), folder, None)
    assert str(folder) in str(caught.value)
    assert folder.parent.read_text(encoding="utf-8") == "mine"


def test_results_are_read_through_the_public_interface(folder: Path) -> None:
    results.write(made(SCORES), folder, None)
    assert xqgbench.read_result(folder).scores == made(SCORES).scores


# Names of folders


@pytest.mark.parametrize(
    ("result", "name"),
    [
        (made(SCORES, "e5-small"), "e5-small"),
        (made(SCORES, "e5-small+xqg"), "e5-small+xqg"),
        (made(SCORES, "e5-small", complete=False), "e5-small@languages=fi+ja"),
        (made(SCORES, "e5-small", depth=10), "e5-small@depth=10"),
        (made(SCORES, "e5-small", complete=False, depth=10), "e5-small@languages=fi+ja@depth=10"),
    ],
)
def test_a_folder_is_named_after_the_system_and_what_sets_it_apart(result: Result, name: str) -> None:
    assert results.folder_name(result, 100) == name


@settings(deadline=None)
@given(st.text(max_size=40) | st.sampled_from([".", "..", "", "/", "a/b", "a\\b", "~", "con:", "\0", "a b\n"]))
def test_a_folder_name_is_one_ordinary_part_of_a_path(system: str) -> None:
    name = results.folder_name(made(SCORES, system), 100)
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set('/\\:*?"<>| ')
    assert name not in ("", ".", "..")
    assert Path("results", "small", name).resolve().parent == Path("results", "small").resolve()


@pytest.mark.parametrize("language", ["zh/../../x", "..", "a b"])
def test_an_odd_language_leads_to_no_other_folder(language: str, tmp_path: Path) -> None:
    result = made({language: [0.5]}, complete=False)
    name = results.folder_name(result, 100)
    assert Path(name).name == name
    results.write(result, tmp_path / "results" / name, None)
    assert results.read_result(tmp_path / "results" / name).scores == result.scores
    whole = tmp_path / "results" / "whole"
    results.write(replace(result, complete=True), whole, None)
    assert results.read_result(whole).scores == result.scores
    assert {path.split("/")[0] for path in contents(tmp_path)} == {"results"}


@pytest.mark.parametrize(("one", "other"), [("mine+ä", "mine+ö"), ("mine+a:b=1", "mine+a b=1"), ("ä", "_")])
def test_two_systems_never_share_a_folder(one: str, other: str) -> None:
    assert results.folder_name(made(SCORES, one), 100) != results.folder_name(made(SCORES, other), 100)
