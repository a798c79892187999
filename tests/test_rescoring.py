"""Runs made elsewhere: the official script's numbers, those of independent tools, and those of an evaluation here."""

from __future__ import annotations

import functools
import gzip
import json
import math
import random
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ir_measures
import pytest
import ranx
from hypothesis import given, settings
from hypothesis import strategies as st

import xqgbench
from tests.conftest import PASSAGES, QRELS, QUESTIONS, ROOT, Bigrams, TaskWriter, jsonl
from tests.test_measures import by_ranx
from xqgbench import evaluate, read_result, results, score, tasks
from xqgbench.cli import main
from xqgbench.errors import (
    DataError,
    InvalidParameter,
    MissingData,
    Repaired,
    ResultError,
    UnknownName,
    XqgbenchError,
)
from xqgbench.leaderboard import boards
from xqgbench.types import Task

E5 = ROOT / "results" / "xqg-mini" / "e5-small"
#: XOR-TyDi's development questions with an answer besides yes and no, which its authors' script counts.
STRICT = {"ar": 309, "bn": 304, "fi": 314, "ja": 241, "ko": 285, "ru": 237, "te": 238}


def runs_of(folder: Path) -> dict[str, Path]:
    return {path.name.partition(".")[0]: path for path in sorted((folder / "runs").glob("*.trec.gz"))}


def write_trec(path: Path, run: Mapping[str, Mapping[str, float]]) -> Path:
    lines = [
        f"{query} Q0 {passage} {rank} {score!r} made\n"
        for query, own in run.items()
        for rank, (passage, score) in enumerate(sorted(own.items(), key=lambda row: -row[1]), 1)
    ]
    path.write_text("".join(lines), encoding="utf-8")
    return path


# XOR-Retrieve's official script


def golden(shared: Path) -> tuple[Path, dict[str, dict[str, Any]]]:
    folder = shared / "golden"
    official = json.loads((folder / "xor_retrieve_small.official.json").read_text(encoding="utf-8"))
    return folder / "xor_retrieve_small.pred.json.gz", official


def test_the_official_denominator_gives_what_the_official_script_prints(shared: Path) -> None:
    path, official = golden(shared)
    found = score("xor-tydi", path, denominator="official", data_dir=shared).result
    for measure, expected in official.items():
        rows = {}
        for language in (name for name in expected if name != "macro"):
            count, hit = found.count(language, measure), sum(found.scores[language][measure].values())
            rows[language] = {"count": count, "hit": hit, "score": 100 * hit / count}
        macro = sum(row["score"] for row in rows.values()) / len(rows)
        assert {**rows, "macro": macro} == expected
        assert set(rows) == set(found.languages)
        assert 100 * found.macro(measure) == pytest.approx(expected["macro"], rel=1e-15)


def test_strict_denominators_are_all_judged_questions_whatever_the_run_holds(shared: Path) -> None:
    path, official = golden(shared)
    found = score("xor-tydi", path, data_dir=shared).result
    assert found.complete
    for measure, expected in official.items():
        assert {language: found.count(language, measure) for language in found.languages} == STRICT
        for language, count in STRICT.items():
            assert found.mean(language, measure) == expected[language]["hit"] / count


def test_a_question_that_has_only_yes_or_no_for_an_answer_counts_in_neither(shared: Path) -> None:
    path, official = golden(shared)
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        submitted = len(json.load(stream))
    counted = sum(row["count"] for language, row in official["R@2kt"].items() if language != "macro")
    found = score("xor-tydi", path, denominator="official", data_dir=shared).result
    assert sum(found.count(language, "R@2kt") for language in found.languages) == counted < submitted


def predictions(path: Path, entries: Sequence[tuple[str, str, Sequence[str]]]) -> Path:
    path.write_text(json.dumps([{"id": i, "lang": lang, "ctxs": list(c)} for i, lang, c in entries]), encoding="utf-8")
    return path


ANSWERS_ALONE: dict[str, str | None] = {"measures": '["R@2kt"]', "main_measure": '"R@2kt"', "cluster": '"query"'}


def test_languages_without_a_prediction_are_not_evaluated_and_there_is_no_macro_average(
    write_task: TaskWriter, tmp_path: Path
) -> None:
    path = predictions(tmp_path / "pred.json", [("fi-1", "fi", ["on the Kemi"])])
    folder = write_task(card=ANSWERS_ALONE)
    for denominator, expected in (("strict", {"fi-1": 1.0, "fi-2": 0.0}), ("official", {"fi-1": 1.0})):
        found = score("small", path, denominator=denominator, tasks_dir=folder).result
        assert found.scores == {"fi": {"R@2kt": expected}}
        assert not found.complete


def test_a_text_that_recurs_uses_up_the_budget_again(write_task: TaskWriter, tmp_path: Path) -> None:
    filler = "word " * 999 + "end"
    folder = write_task(card=ANSWERS_ALONE)
    path = predictions(tmp_path / "pred.json", [("fi-1", "fi", [filler, filler, "the Kemi"])])
    assert score("small", path, tasks_dir=folder).result.scores["fi"]["R@2kt"]["fi-1"] == 0.0
    path = predictions(tmp_path / "pred.json", [("fi-1", "fi", [filler, "the Kemi"])])
    assert score("small", path, tasks_dir=folder).result.scores["fi"]["R@2kt"]["fi-1"] == 1.0


def test_rankings_cut_before_the_budget_is_used_up_are_told_of(write_task: TaskWriter, tmp_path: Path) -> None:
    folder = write_task(card=ANSWERS_ALONE)
    entries = [("fi-1", "fi", ["short", "shorter", "the Kemi"]), ("fi-2", "fi", ["word " * 2000, "tar"])]
    path = predictions(tmp_path / "pred.json", entries)
    with pytest.warns(Repaired, match=r"pred\.json: 1 rankings were cut before 2,000 tokens; a larger --depth"):
        cut = score("small", path, depth=1, tasks_dir=folder).result
    assert cut.scores["fi"]["R@2kt"] == {"fi-1": 0.0, "fi-2": 0.0}
    assert score("small", path, depth=3, tasks_dir=folder).result.scores["fi"]["R@2kt"]["fi-1"] == 1.0


def test_measures_of_passage_ids_are_left_out_of_predictions_and_named(write_task: TaskWriter, tmp_path: Path) -> None:
    path = predictions(tmp_path / "pred.json", [("fi-1", "fi", ["the Kemi"]), ("ja-1", "ja", ["x"])])
    folder = write_task(card={"main_measure": '"R@2kt"'})
    with pytest.warns(Repaired, match=r"pred\.json: .*so nDCG@10, RR@10 cannot be computed"):
        found = score("small", path, tasks_dir=folder)
    assert found.result.measures == ("R@2kt",)
    assert found.result.macro("R@2kt") == 0.25
    found.save(tmp_path / "results")
    whole = evaluate(Bigrams(), "small", tasks_dir=folder)
    whole.save(tmp_path / "results")
    [board] = boards(tmp_path / "results")
    assert {entry.result.system for entry in board.entries} == {"pred", "bigrams"}
    assert xqgbench.compare(whole.plain, found.result, "R@2kt").after == "pred"


def test_a_main_measure_of_passage_ids_cannot_be_had_from_predictions(write_task: TaskWriter, tmp_path: Path) -> None:
    path = predictions(tmp_path / "pred.json", [("fi-1", "fi", ["the Kemi"])])
    with pytest.raises(InvalidParameter, match=r"pred\.json: .*nDCG@10, the main measure of small, cannot be computed"):
        score("small", path, tasks_dir=write_task())


# A run of an evaluation, scored again


@functools.cache
def e5_again() -> xqgbench.Rescored:
    return score("xqg-mini", runs_of(E5), name="e5-again", against=E5)


def test_the_run_of_an_evaluation_scores_as_the_evaluation_did_to_the_last_digit() -> None:
    committed, again = read_result(E5), e5_again().result
    assert again.scores == committed.scores
    assert again.clusters == committed.clusters
    assert (again.languages, again.controls, again.complete) == (committed.languages, committed.controls, True)


def test_compared_with_itself_nothing_differs() -> None:
    found = e5_again()
    assert list(found.comparisons) == list(found.result.measures)
    for comparison in found.comparisons.values():
        assert comparison.macro is not None
        assert (comparison.macro.difference, comparison.macro.p) == (0.0, 1.0)


def test_a_result_says_what_was_scored_and_that_it_was_made_elsewhere(tmp_path: Path) -> None:
    [(folder, status)] = e5_again().save(tmp_path)
    assert (folder, status) == (tmp_path / "xqg-mini" / "e5-again", "written")
    summary = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert (summary["source"], summary["domain"], summary["augmentation"]) == ("re-scored", "unknown", {"name": "none"})
    assert set(summary["retriever"]) == {"name", "revision", "identity", "trained_on"}
    assert summary["run"]["kind"] == "trec"
    assert set(summary["run"]["files"]) == {f"{language}={language}.trec.gz" for language in runs_of(E5)}
    assert summary["comparison"]["against"] == "e5-small"
    assert set(summary["comparison"]["measures"]) == set(summary["measures"])
    assert "denominator" not in summary
    assert read_result(folder).scores == read_result(E5).scores
    assert e5_again().save(tmp_path) == [(folder, "unchanged")]


def test_one_file_serves_all_languages_whose_query_ids_are_distinct(tmp_path: Path) -> None:
    joined = b"".join(gzip.decompress(path.read_bytes()) for path in reversed(runs_of(E5).values()))
    (tmp_path / "e5.trec").write_bytes(joined)
    found = score("xqg-mini", tmp_path / "e5.trec").result
    assert found.system == "e5"
    assert found.scores == read_result(E5).scores


def test_the_revision_is_the_hash_of_the_content_compressed_or_not(tmp_path: Path) -> None:
    packed = runs_of(E5)["fi"]
    (tmp_path / "fi.trec").write_bytes(gzip.decompress(packed.read_bytes()))
    first, second = (score("xqg-mini", path, name="one").result for path in (packed, tmp_path / "fi.trec"))
    # sha256sum of the unpacked file
    digest = "".join(first.details["run"]["files"].values())
    assert first.details["retriever"]["revision"] == second.details["retriever"]["revision"] == digest
    assert first.signature == second.signature


# Independent tools


def overlap_run(task: Task, languages: Sequence[str]) -> dict[str, dict[str, float]]:
    """Every passage by the weight of the words and characters that it shares with the query, in BM25's manner."""
    passages = {p.id: re.findall(r"\w{3}", f"{p.title} {p.text}".lower()) for p in task.passages(languages[0])}
    frequency: dict[str, int] = {}
    for terms in passages.values():
        for term in set(terms):
            frequency[term] = frequency.get(term, 0) + 1
    run: dict[str, dict[str, float]] = {}
    for language in languages:
        for query in task.queries(language):
            wanted = set(re.findall(r"\w{3}", query.text.lower()))
            scores = {}
            for number, (passage, terms) in enumerate(passages.items()):
                shared = [term for term in terms if term in wanted]
                weight = sum(math.log(1 + len(passages) / frequency[term]) for term in shared) / (20 + len(terms))
                scores[passage] = weight + 1e-9 * number  # no ties, so that no tool has to break one
            best = sorted(scores, key=lambda p: -scores[p])[:60]
            run[query.id] = {p: scores[p] for p in best}
    return run


@dataclass(frozen=True)
class Lexical:
    """A run over the bundled task, and what ranx gives it: language -> measure -> query -> score."""

    run: Mapping[str, Mapping[str, float]]
    expected: Mapping[str, Mapping[str, Mapping[str, float]]]


@pytest.fixture(scope="module")
def lexical() -> Lexical:
    task, languages = tasks.open_task("xqg-mini"), ["fi", "ru", "en"]
    run = overlap_run(task, languages)
    qrels = {language: task.judgements(language).qrels for language in languages}
    return Lexical(run, {lang: by_ranx({q: run[q] for q in own}, own) for lang, own in qrels.items()})


@pytest.mark.parametrize("name", ["lexical.json", "lexical.lz4", "lexical.parquet", "lexical.trec"])
def test_a_run_that_ranx_saved_has_the_scores_that_ranx_gives_it(lexical: Lexical, tmp_path: Path, name: str) -> None:
    ranx.Run({query: dict(own) for query, own in lexical.run.items()}, name="lexical").save(str(tmp_path / name))
    found = score("xqg-mini", tmp_path / name).result
    assert (found.system, found.languages, found.controls) == ("lexical", ("fi", "ru"), ("en",))
    for language, measures in lexical.expected.items():
        for measure in ("nDCG@10", "RR@10"):
            assert found.scores[language][measure] == pytest.approx(measures[measure], abs=1e-12)
        assert 0.01 < found.mean(language, "nDCG@10") < 0.99


MIRACL = ("sw", "te", "ko", "bn")


def miracl_runs(shared: Path, folder: Path) -> dict[str, Path]:
    """Runs for MIRACL's own queries, judged passages mixed with others at random, some queries left out."""
    files = {}
    for language in MIRACL:
        qrels: dict[str, list[str]] = {}
        for row in ir_measures.read_trec_qrels(str(shared / "miracl" / f"qrels.miracl-v1.0-{language}-dev.tsv")):
            qrels.setdefault(row.query_id, []).append(row.doc_id)
        shuffled = random.Random(language)
        run: dict[str, dict[str, float]] = {}
        for query in list(qrels)[::2] + list(qrels)[1::4]:
            pool = qrels[query] + [f"{n}#0" for n in range(10_000_000, 10_000_150)]
            shuffled.shuffle(pool)
            run[query] = {passage: 200.0 - rank / 3 for rank, passage in enumerate(pool)}
        files[language] = write_trec(folder / f"made.{language}.trec", run)
    return files


def test_miracl_is_scored_without_its_collections_and_as_ir_measures_does(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tasks.open_task("miracl", data_dir=shared)

    def never(language: str) -> None:
        raise AssertionError(f"the collection of {language} was asked for")

    monkeypatch.setattr(task, "passages", never)
    files = miracl_runs(shared, tmp_path)
    found = score(task, files, name="made").result
    assert (found.languages, found.complete) == (("bn", "ko", "sw", "te"), False)
    for language, path in files.items():
        qrels = list(ir_measures.read_trec_qrels(str(shared / "miracl" / f"qrels.miracl-v1.0-{language}-dev.tsv")))
        run = list(ir_measures.read_trec_run(str(path)))
        for name in ("nDCG@10", "R@100"):
            # calc_aggregate counts a judged query that the run lacks as 0
            head = [row for row in run if row.score > 200 - 100 / 3]
            expected = ir_measures.calc_aggregate([ir_measures.parse_measure(name)], qrels, head)
            assert found.mean(language, name) == pytest.approx(next(iter(expected.values())), abs=1e-12)
            assert 0.01 < found.mean(language, name) < 0.99


def test_query_ids_that_recur_across_languages_need_a_file_per_language(shared: Path, tmp_path: Path) -> None:
    qrels = (shared / "miracl" / "qrels.miracl-v1.0-sw-dev.tsv").read_text(encoding="utf-8")
    path = write_trec(tmp_path / "all.trec", {line.split()[0]: {"1#0": 1.0} for line in qrels.splitlines()})
    with pytest.raises(InvalidParameter, match=r"all\.trec: query '\d+' is one in bn and one in .*--run bn=FILE --run"):
        score("miracl", path, data_dir=shared)


# What counts

FI = "fi-1 Q0 p0 1 2.0 x\nfi-1 Q0 p1 2 1.0 x\n"


@pytest.fixture
def small(write_task: TaskWriter) -> Path:
    return write_task()


def written(folder: Path, text: str, name: str = "made.trec") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


KEPT = st.sets(st.sampled_from([query.id for query in tasks.open_task("xqg-mini").queries("fi")]), min_size=1)


@settings(deadline=None, max_examples=8)
@given(kept=KEPT)
def test_a_query_left_out_scores_0_or_is_not_counted_and_no_other_score_changes(
    tmp_path_factory: pytest.TempPathFactory, kept: set[str]
) -> None:
    lines = gzip.decompress(runs_of(E5)["fi"].read_bytes()).decode().splitlines(keepends=True)
    text = "".join(line for line in lines if line.split()[0] in kept)
    path = written(tmp_path_factory.mktemp("runs"), text)
    whole = read_result(E5).scores["fi"]
    strict, official = (score("xqg-mini", {"fi": path}, denominator=d).result for d in ("strict", "official"))
    for measure, scores in whole.items():
        assert strict.scores["fi"][measure] == {query: s if query in kept else 0.0 for query, s in scores.items()}
        assert official.scores["fi"][measure] == {query: s for query, s in scores.items() if query in kept}


def test_queries_of_other_splits_are_left_out_and_counted(small: Path, tmp_path: Path) -> None:
    path = written(tmp_path, f"{FI}train-1 Q0 p0 1 1.0 x\ntrain-2 Q0 p0 1 1.0 x\n")
    with pytest.warns(Repaired, match=r"made\.trec: 2 of 3 queries are none of small's .* first of them 'train-1'"):
        found = score("small", path, tasks_dir=small).result
    assert found.scores["fi"]["nDCG@10"] == {"fi-1": 1.0, "fi-2": 0.0}


def test_rankings_are_cut_at_the_depth(small: Path, tmp_path: Path) -> None:
    many = "".join(f"fi-1 Q0 p{i % 4} 1 {-i} x\n" for i in range(4))
    found = score("small", written(tmp_path, many), depth=10, tasks_dir=small).result
    assert found.runs["fi"]["fi-1"].passage_ids == ("p0", "p1", "p2", "p3")
    with pytest.raises(InvalidParameter, match="depth=9 is too small"):
        score("small", written(tmp_path, many), depth=9, tasks_dir=small)


def test_a_passage_that_the_collection_lacks_is_not_relevant(write_task: TaskWriter, tmp_path: Path) -> None:
    folder = write_task(card={"measures": '["nDCG@10", "RR@10"]'})
    path = written(tmp_path, "fi-1 Q0 elsewhere 1 2.0 x\nfi-1 Q0 p0 2 1.0 x\n")
    assert score("small", path, tasks_dir=folder).result.scores["fi"]["RR@10"]["fi-1"] == 0.5


def test_a_passage_that_the_collection_lacks_has_no_text_to_look_for_answers_in(small: Path, tmp_path: Path) -> None:
    path = written(tmp_path, f"{FI}fi-1 Q0 elsewhere 3 0.5 x\n")
    with pytest.raises(DataError, match=r"query 'fi-1' \(fi\) ranks passage 'elsewhere', .*R@2kt needs its text"):
        score("small", path, tasks_dir=small)


def test_the_domain_follows_from_what_the_system_was_trained_on(small: Path, tmp_path: Path) -> None:
    path = written(tmp_path, FI)
    for trained_on, domain in ((None, "unknown"), (["Small"], "in-domain"), ([], "out-of-domain")):
        assert score("small", path, trained_on=trained_on, tasks_dir=small).result.details["domain"] == domain


# What is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("other Q0 p0 1 1.0 x\n", r"no query of small is in it; its first is 'other'"),
        ('[{"id": "fi-1", "lang": "sv", "ctxs": []}]', "'sv' is no language of small; it has fi, ja"),
        (
            '[{"id": "fi-1", "lang": "fi", "ctxs": []}, {"id": "fi-2", "lang": "ja", "ctxs": []}]',
            "question 'fi-2' is said to be in 'ja', but is one in 'fi'",
        ),
    ],
)
def test_a_run_that_does_not_fit_the_task_is_refused(small: Path, tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DataError, match=rf"made\.trec: {reason}"):
        score("small", written(tmp_path, text), tasks_dir=small)


def test_predictions_in_another_language_than_that_of_their_file_are_refused(small: Path, tmp_path: Path) -> None:
    path = predictions(tmp_path / "pred.json", [("ja-1", "ja", ["x"])])
    with pytest.raises(DataError, match="it was given for 'fi', but holds predictions in 'ja'"):
        score("small", {"fi": path}, tasks_dir=small)


def test_predictions_and_rankings_of_passage_ids_are_not_one_run(small: Path, tmp_path: Path) -> None:
    files = {"fi": written(tmp_path, FI), "ja": predictions(tmp_path / "pred.json", [("ja-1", "ja", ["x"])])}
    with pytest.raises(DataError, match="cannot be scored as one"):
        score("small", files, name="both", tasks_dir=small)


def test_a_run_without_a_judged_query_has_no_official_score(write_task: TaskWriter, tmp_path: Path) -> None:
    asked = [q | {"answers": ["yes"]} if q["id"] == "fi-1" else q for q in QUESTIONS]
    path = predictions(tmp_path / "pred.json", [("fi-1", "fi", ["yes"])])
    folder = write_task(questions=jsonl(asked), card=ANSWERS_ALONE)
    with pytest.raises(DataError, match=r"pred\.json: none of its queries is judged"):
        score("small", path, denominator="official", tasks_dir=folder)


@pytest.mark.parametrize(
    ("files", "name", "error", "reason"),
    [
        ({"sv": "made.trec"}, None, UnknownName, "unknown language of small 'sv'"),
        ("nowhere.trec", None, MissingData, r"there is no run file nowhere\.trec"),
        ({"fi": "made.trec", "ja": "other.trec"}, None, InvalidParameter, r"several names \(made, other\).*--name"),
        ("made.trec", "a/b", InvalidParameter, "the name 'a/b' becomes part of file names"),
        ({}, None, InvalidParameter, "no run is given"),
    ],
)
def test_a_wrong_call_is_refused(
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: str | dict[str, str],
    name: str | None,
    error: type[XqgbenchError],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, FI)
    written(tmp_path, FI.replace("fi-", "ja-"), "other.trec")
    with pytest.raises(error, match=reason):
        score("small", files, name=name, tasks_dir=small)


def test_an_unknown_denominator_is_refused(small: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown denominator 'strickt'\. Did you mean 'strict'"):
        score("small", written(tmp_path, FI), denominator="strickt", tasks_dir=small)


def test_a_measured_result_is_never_replaced_by_a_re_scored_one(small: Path, tmp_path: Path) -> None:
    evaluate(Bigrams(), "small", tasks_dir=small, languages=["fi"]).save(tmp_path / "results")
    found = score("small", written(tmp_path, FI), name="bigrams", tasks_dir=small)
    with pytest.raises(ResultError, match=r"holds a result that was measured here.*--name"):
        found.save(tmp_path / "results")


# Comparisons


def test_a_run_is_compared_with_another_run(small: Path, tmp_path: Path) -> None:
    right = "".join(f"{query} Q0 {passage} 1 1.0 x\n" for query, passage in QRELS)
    wrong = "".join(f"{query} Q0 {'p1' if passage == 'p0' else 'p0'} 1 1.0 x\n" for query, passage in QRELS)
    files = written(tmp_path, right, "right.trec"), written(tmp_path, wrong, "wrong.trec")
    found = score("small", files[0], against=files[1], tasks_dir=small)
    row = found.comparisons["nDCG@10"].macro
    assert row is not None
    assert (row.before, row.after) == (0.0, 1.0)
    [(folder, _)] = found.save(tmp_path / "results")
    comparison = json.loads((folder / "result.json").read_text(encoding="utf-8"))["comparison"]
    assert (comparison["against"], list(comparison["files"])) == ("wrong", ["wrong.trec"])


def test_results_of_different_denominators_are_not_compared(small: Path, tmp_path: Path) -> None:
    whole = "".join(f"{query} Q0 {passage} 1 1.0 x\n" for query, passage in QRELS)
    [(folder, _)] = score("small", written(tmp_path, whole), tasks_dir=small).save(tmp_path / "results")
    other = written(tmp_path, whole, "other.trec")
    with pytest.raises(ResultError, match="official denominator"):
        score("small", other, against=folder, denominator="official", tasks_dir=small)


def test_a_system_is_not_compared_with_one_of_its_own_name(small: Path, tmp_path: Path) -> None:
    path = written(tmp_path, FI)
    with pytest.raises(InvalidParameter, match="both systems are called 'made'"):
        score("small", path, against=path, tasks_dir=small)


# The pool


def test_texts_without_an_id_are_in_no_pool(write_task: TaskWriter, tmp_path: Path) -> None:
    from xqgbench.pooling import pool

    folder = write_task(card={"main_measure": '"R@2kt"'})
    path = predictions(tmp_path / "pred.json", [("fi-1", "fi", [str(p["text"]) for p in PASSAGES])])
    score("small", path, tasks_dir=folder).save(tmp_path / "results")
    assert [p for entry in pool(tasks.open_task("small", folder), tmp_path, 9) for p in entry.passages] == []


# The command line


def call(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_the_command_prints_the_table_and_writes_the_result(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, FI)
    words = ["score", "--task", "small", "--run", "made.trec", "--tasks-dir", small]
    code, out, err = call(capsys, *words)
    assert (code, err.strip()) == (0, "")
    assert re.search(r"small 1, made, nDCG@10\n", out)
    assert re.search(r"fi +2 +0\.5000", out)
    assert "Re-scored from made.trec. Domain: unknown." in out
    assert f"results: {Path('results') / 'small' / 'made@languages=fi'}" in out
    code, out, err = call(capsys, *words, "--denominator", "official", "--quiet")
    assert "nDCG@10, official denominator" in out
    assert re.search(r"fi +1 +1\.0000", out)
    summary = json.loads(Path("results/small/made@languages=fi@denominator=official/result.json").read_text("utf-8"))
    assert summary["denominator"] == "official"
    assert "|denominator:official|" in summary["signature"]


def test_the_command_compares_by_the_systems_names(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    evaluate(Bigrams(), "small", tasks_dir=small).save(tmp_path / "results")
    right = written(tmp_path, "".join(f"{query} Q0 {passage} 1 1.0 x\n" for query, passage in QRELS), "right.trec")
    code, out, _ = call(
        capsys, "score", "--task", "small", "--run", right, "--against", "results/small/bigrams", "--tasks-dir", small
    )
    assert code == 0
    assert re.search(r"language +queries +bigrams +right +difference", out)
    assert "of the plain retriever" not in out


def test_the_recorded_command_makes_the_same_result_again(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    evaluate(Bigrams(), "small", depth=12, tasks_dir=small).save(tmp_path / "results")
    for language, name in (("fi", "a run.fi"), ("ja", "a run.ja")):
        own = [(query, passage) for query, passage in QRELS if query.startswith(language)]
        written(tmp_path, "".join(f"{query} Q0 {passage} 1 1.0 x\n" for query, passage in own), name)
    options = ["--name", "two", "--depth", "12", "--seed", "7", "--trained-on", "none"]
    against = ["--against", "results/small/bigrams@depth=12"]
    words = ["score", "--task", "small", "--run", "fi=a run.fi", "--run", "ja=a run.ja", "--tasks-dir", small]
    assert call(capsys, *words, *options, *against, "--output", "first")[0] == 0
    before = json.loads(Path("first/small/two@depth=12/result.json").read_text("utf-8"))
    _, *again = shlex.split(before["provenance"]["command"])
    assert call(capsys, *again, "--tasks-dir", small, "--output", "second", "--json")[0] == 0
    after = json.loads(Path("second/small/two@depth=12/result.json").read_text("utf-8"))
    for volatile in ("timings", "files"):
        del before[volatile], after[volatile]
    assert after == before
    assert before["domain"] == "out-of-domain"


@pytest.mark.parametrize(
    "words",
    [
        ["--run", "made.trec", "--run", "other.trec"],
        ["--run", "fi=made.trec", "--run", "other.trec"],
        ["--run", "fi=made.trec", "--run", "fi=other.trec"],
        ["--run", "made.trec", "--denominator", "lenient"],
        ["--run", "sv=made.trec"],
        [],
    ],
)
def test_a_wrong_option_exits_with_2_and_writes_nothing(
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, FI)
    code, out, err = call(capsys, "score", "--task", "small", "--tasks-dir", small, *words)
    assert (code, out) == (2, "")
    assert "Error" in err
    assert not (tmp_path / "results").exists()


def test_a_file_whose_name_holds_an_equals_sign_is_a_file(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, FI, "k1=0.9.trec")
    words = ["score", "--task", "small", "--run", "k1=0.9.trec", "--name", "bm25", "--tasks-dir", small]
    assert call(capsys, *words)[0] == 0


def test_a_folder_of_an_official_denominator_is_another_than_that_of_a_strict_one(small: Path, tmp_path: Path) -> None:
    path = written(tmp_path, FI)
    found = [score("small", path, denominator=d, tasks_dir=small).result for d in ("strict", "official")]
    assert [results.folder_name(result, 100) for result in found] == [
        "made@languages=fi",
        "made@languages=fi@denominator=official",
    ]
