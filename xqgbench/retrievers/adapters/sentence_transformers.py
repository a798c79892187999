"""A SentenceTransformer as a retriever."""

from __future__ import annotations

from functools import partial
from typing import Any

from xqgbench.retrievers.adapters.base import Adapter, calm, name_of, similarity_of
from xqgbench.retrievers.adapters.fingerprint import fingerprint
from xqgbench.types import Passage, RetrieverInfo, Similarity


def from_sentence_transformer(
    model: Any, *, name: str | None = None, similarity: Similarity | None = None, title_join: str = " "
) -> Adapter:
    """A retriever from a ``sentence_transformers.SentenceTransformer``, with its weights as they are now.

    Queries get its prompt ``query``, passages the first that is not empty of ``document``, ``passage`` and ``corpus``.
    (The library itself takes ``document`` though it be empty, as it is where a model only has ``passage``.)

    Args:
        name: goes into results; None: that of the model card, or of the folder that the model was loaded from.
        similarity: None: the model's own.
        title_join: what stands between title and text of a passage.

    Raises:
        UsageError: the model's own similarity is neither dot nor cosine.
    """
    prompts = getattr(model, "prompts", None) or {}
    info = RetrieverInfo(
        name=name or name_of(model),
        dim=1,
        similarity=similarity or similarity_of(model) or "cosine",
        revision=fingerprint(model),
        query_prompt=prompts.get("query") or "",
        passage_prompt=next(filter(None, map(prompts.get, ("document", "passage", "corpus"))), ""),
        query_length=model.max_seq_length,
        passage_length=model.max_seq_length,
        title_join=title_join,
        libraries=("sentence-transformers", "transformers", "torch"),
    )
    query = calm(partial(getattr(model, "encode_query", model.encode), prompt=info.query_prompt))
    document = calm(partial(getattr(model, "encode_document", model.encode), prompt=info.passage_prompt))

    def passages(given: list[Passage]) -> Any:
        return document([passage.joined(title_join) for passage in given])

    return Adapter(model, info, query, passages)
