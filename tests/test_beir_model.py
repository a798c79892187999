"""Retrievers handed to beir: its searches and its measures find what xqgbench finds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import xqgbench
from tests.conftest import PASSAGES, ROOT, Bigrams, TaskWriter
from xqgbench.errors import RetrieverError, UnknownName
from xqgbench.tasks import open_task
from xqgbench.types import Task, Vectors

CORPUS = [{"_id": p["docid"], "title": p["title"], "text": p["text"]} for p in PASSAGES]


class Weighted(Bigrams):
    """Bigrams without ties: beir and trec_eval break these in ways of their own, xqgbench by passage id."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        weights = np.sqrt(np.arange(1, self.info.dim + 1))
        return (super().encode_queries(texts) * weights).astype(np.float32)


def ndcg(model: Any, task: Task, language: str) -> float:
    """nDCG@10, searched and measured by beir."""
    from beir.retrieval.evaluation import EvaluateRetrieval
    from beir.retrieval.search.dense import DenseRetrievalExactSearch

    passages = {p.id: {"title": p.title, "text": p.text} for p in task.passages(language)}
    queries = {query.id: query.text for query in task.queries(language)}
    qrels = {query: dict(grades) for query, grades in task.judgements(language).qrels.items()}
    search = DenseRetrievalExactSearch(model, batch_size=64, corpus_chunk_size=128)
    evaluation = EvaluateRetrieval(search, score_function=model.score_function, k_values=[100])
    found: float = evaluation.evaluate(qrels, evaluation.retrieve(passages, queries), [10])[0]["NDCG@10"]
    return found


@pytest.mark.models
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_beir_measures_what_xqgbench_measures(similarity: Any) -> None:
    """To the five digits that beir rounds to."""
    retriever = Weighted(dim=256)
    retriever.info = replace(retriever.info, similarity=similarity)
    ours = xqgbench.evaluate(retriever, languages=["en"]).plain.mean("en", "nDCG@10")
    assert ours > 0.05
    assert ndcg(xqgbench.to_beir(retriever), open_task("xqg-mini"), "en") == pytest.approx(ours, abs=6e-6)


@pytest.mark.models
def test_beir_measures_the_same_of_a_real_model(write_task: TaskWriter) -> None:
    """On the first twenty passages of xqg-mini and the Finnish questions about them."""
    data = ROOT / "tasks" / "xqg-mini"
    passages, questions, judged = (
        (data / name).read_text(encoding="utf-8").splitlines(keepends=True)
        for name in ("passages.jsonl", "questions.jsonl", "qrels.tsv")
    )
    kept = {json.loads(line)["docid"] for line in passages[:20]}
    qrels = [line for line in judged if line.startswith("fi-") and line.split()[2] in kept and line.split()[3] != "0"]
    asked = {line.split()[0] for line in qrels}
    folder = write_task(
        passages="".join(passages[:20]),
        questions="".join(line for line in questions if json.loads(line)["id"] in asked),
        qrels="".join(qrels),
        card={"languages": '["fi"]', "generated_languages": "[]"},
    )
    ours = xqgbench.evaluate("minilm-en", "small", tasks_dir=folder).plain.mean("fi", "nDCG@10")
    assert 0.1 < ours < 0.9
    theirs = ndcg(xqgbench.to_beir("minilm-en"), open_task("small", folder), "fi")
    assert theirs == pytest.approx(ours, abs=6e-6)


@pytest.mark.models
@pytest.mark.parametrize("score_function", ["cos_sim", "dot"])
def test_its_faiss_search_takes_it_too(score_function: str) -> None:
    from beir.retrieval.search.dense import FlatIPFaissSearch

    class Search(FlatIPFaissSearch):  # beir 2.2.0 leaves it abstract
        encode = search_from_files = None

    retriever = Bigrams()
    retriever.info = replace(retriever.info, similarity="dot")
    entries = {entry["_id"]: entry for entry in CORPUS}
    found = Search(xqgbench.to_beir(retriever)).search(entries, {"q": "Lake Oulu"}, 4, score_function)["q"]
    vectors = xqgbench.to_beir(retriever).encode_corpus(CORPUS, normalize_embeddings=score_function == "cos_sim")
    query = xqgbench.to_beir(retriever).encode_queries(["Lake Oulu"], normalize_embeddings=score_function == "cos_sim")
    assert list(found.values()) == pytest.approx(sorted(vectors @ query[0], reverse=True), abs=1e-5)


def test_passages_may_come_as_entries_or_in_columns_with_titles_or_without() -> None:
    model = xqgbench.to_beir(Bigrams())
    entries = model.encode_corpus(CORPUS)
    columns = {field: [entry[field] for entry in CORPUS] for field in ("title", "text")}
    np.testing.assert_array_equal(model.encode_corpus(columns), entries)
    texts = [entry["text"] for entry in CORPUS]
    np.testing.assert_array_equal(model.encode_corpus({"text": texts}), model.encode_queries(texts))
    np.testing.assert_array_equal(model.encode_corpus([{"text": text} for text in texts]), model.encode_queries(texts))


@pytest.mark.parametrize("size", [1, 3, 128])
def test_vectors_do_not_depend_on_the_batch_size_and_are_of_unit_length_under_cosine(size: int) -> None:
    model = xqgbench.to_beir(Bigrams())
    vectors = model.encode_corpus(CORPUS, batch_size=size)
    np.testing.assert_array_equal(vectors, model.encode_corpus(CORPUS))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors.dtype == np.float32


def test_no_texts_have_no_vectors() -> None:
    model = xqgbench.to_beir(Bigrams())
    assert model.encode_queries([]).shape == model.encode_corpus([]).shape == (0, 64)
    assert model.encode_corpus({"title": [], "text": []}).shape == (0, 64)


def test_what_no_retriever_may_return_is_refused_before_beir_sees_it() -> None:
    broken = Bigrams()
    broken.encode_queries = lambda texts: np.full((len(texts), 64), np.nan)  # type: ignore[method-assign]
    with pytest.raises(RetrieverError, match="NaN or infinite vector for query '0'"):
        xqgbench.to_beir(broken).encode_queries(["a"])


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'e5-small'"):
        xqgbench.to_beir("e5-smal")
