"""Checkpoints with sentence-transformers' modules (pooling, dense layers, normalisation), run by that library."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xqgbench.retrievers import batches, devices, own_code
from xqgbench.retrievers.settings import Settings
from xqgbench.types import Loading, Passage, RetrieverInfo, Vectors


class SentenceTransformerRetriever:
    """What modules.json makes of a text; prompts, lengths and the join of titles are ``settings``."""

    def __init__(self, info: RetrieverInfo, folder: Path, settings: Settings, loading: Loading) -> None:
        self.info = info
        self._folder = folder
        self._settings = settings
        self._loading = loading

    @functools.cached_property
    def _models(self) -> list[Any]:
        """The model, once per device."""
        places = devices.devices(self._loading.device)
        model = loaded(self._folder, self.info.name, self._loading, places[0])
        devices.need_width(self._folder, self.info, model.get_embedding_dimension())
        return devices.replicas(devices.in_dtype(model.eval(), self._loading.dtype), places)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts, "query", self._settings.query_prompt, self._settings.query_length)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        joined = [passage.joined(self._settings.title_join) for passage in passages]
        return self._encode(joined, "document", self._settings.passage_prompt, self._settings.passage_length)

    def _encode(self, texts: Sequence[str], task: str, prompt: str, length: int) -> Vectors:
        first = self._models[0]
        if first.max_seq_length != math.inf:  # of bags of words, which have no limit to set
            first.max_seq_length = length
        # The library puts the prompt before the texts, because its modules may pool without it; some have a route for
        # each task.
        tokenise = functools.partial(first.preprocess, prompt=prompt or None, task=task)
        deterministic = self._loading.deterministic
        budget = devices.budget(str(first.device), self._settings.batch_tokens, deterministic=deterministic)
        forwards = [functools.partial(_forward, model) for model in self._models]
        with devices.one_thread_each():
            return batches.encode(texts, tokenise, forwards, self.info.dim, budget)


def loaded(folder: Path, name: str, loading: Loading, device: str = "cpu") -> Any:
    """The SentenceTransformer of a folder; ``name`` is for messages.

    Raises:
        InvalidParameter: it needs code of its own, which is not trusted.
    """
    from sentence_transformers import SentenceTransformer

    if not loading.trust_remote_code:
        own_code.refuse(folder, name)
    trusted = loading.trust_remote_code
    with devices.loading_quietly():
        model = SentenceTransformer(str(folder), local_files_only=True, device=device, trust_remote_code=trusted)
    return own_code.with_its_buffers(model)


def _forward(model: Any, features: Mapping[str, Any]) -> Vectors:
    import torch

    with torch.inference_mode():
        on_device = {name: v.to(model.device) if hasattr(v, "to") else v for name, v in features.items()}
        vectors: Vectors = model(on_device)["sentence_embedding"][:, : model.truncate_dim].float().cpu().numpy()
        return vectors
