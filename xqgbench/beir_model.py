"""A retriever handed to beir: what its exact and FAISS searches call, on vectors as xqgbench compares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xqgbench import registry
from xqgbench.encode import called
from xqgbench.types import Passage, Retriever, RetrieverInfo, Vectors

#: What beir hands over as a collection: a mapping per passage, or a column per field.
Corpus = Sequence[Mapping[str, str]] | Mapping[str, Sequence[str]]


class BeirModel:
    """What ``DenseRetrievalExactSearch`` and the FAISS searches of beir take as a model.

    The arguments are those that beir 2 passes. Vectors are arrays, which its searches turn into tensors themselves,
    checked and, under cosine, of unit length; progress is not shown.

    Attributes:
        score_function: what ``EvaluateRetrieval`` needs to be told: ``dot`` or ``cos_sim``.
    """

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self.score_function = "cos_sim" if retriever.info.similarity == "cosine" else "dot"

    def encode_queries(
        self,
        queries: Sequence[str],
        batch_size: int = 128,
        show_progress_bar: bool = False,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
    ) -> Vectors:
        """Vectors of queries, (queries, dim)."""
        info = self._info(normalize_embeddings)
        return _in_batches(self._retriever.encode_queries, list(queries), batch_size, info, "query")

    def encode_corpus(
        self,
        corpus: Corpus,
        batch_size: int = 128,
        show_progress_bar: bool = False,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
    ) -> Vectors:
        """Vectors of passages, (passages, dim)."""
        info = self._info(normalize_embeddings)
        return _in_batches(self._retriever.encode_passages, _passages(corpus), batch_size, info, "passage")

    def _info(self, normalize: bool) -> RetrieverInfo:
        return replace(self._retriever.info, similarity="cosine") if normalize else self._retriever.info


def to_beir(model: str | Retriever) -> BeirModel:
    """The model that beir's searches take, from a retriever or a name as ``--model`` takes it.

    >>> from beir.retrieval.evaluation import EvaluateRetrieval                                # doctest: +SKIP
    >>> from beir.retrieval.search.dense import DenseRetrievalExactSearch                      # doctest: +SKIP
    >>> model = to_beir("e5-small")                                                            # doctest: +SKIP
    >>> EvaluateRetrieval(DenseRetrievalExactSearch(model), score_function=model.score_function)  # doctest: +SKIP

    Raises:
        XqgbenchError: see ``registry.retriever``.
    """
    return BeirModel(registry.retriever(model))


def _passages(corpus: Corpus) -> list[Passage]:
    if isinstance(corpus, Mapping):
        titles = corpus.get("title") or [""] * len(corpus["text"])
        pairs = list(zip(titles, corpus["text"], strict=True))
    else:
        pairs = [(entry.get("title") or "", entry["text"]) for entry in corpus]
    return [Passage(str(i), title, text) for i, (title, text) in enumerate(pairs)]


def _in_batches(
    encode: Callable[[Any], Any], texts: Sequence[Any], size: int, info: RetrieverInfo, what: str
) -> Vectors:
    ids = [str(i) for i in range(len(texts))]
    parts = [slice(start, start + size) for start in range(0, len(texts), size)]
    vectors = [called(encode, texts[part], ids[part], info, what) for part in parts]
    return np.concatenate(vectors) if vectors else np.zeros((0, info.dim), dtype=np.float32)
