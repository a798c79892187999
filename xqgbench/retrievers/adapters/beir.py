"""A model of beir, or in the shape of one, as a retriever."""

from __future__ import annotations

from typing import Any

from xqgbench.retrievers.adapters.base import ASSUMED, Adapter, calm, libraries_of, name_of, similarity_of
from xqgbench.types import Passage, RetrieverInfo, Similarity


def from_beir(model: Any, *, name: str | None = None, similarity: Similarity | None = None) -> Adapter:
    """A retriever from an object with ``encode_queries`` and ``encode_corpus``, as beir's searches use it.

    It is given titles and texts apart, and joins them itself.

    Args:
        name: goes into results; None: that of the model inside, or of the class.
        similarity: what beir calls ``score_function``, which it leaves to the caller. None: that of the
            SentenceTransformer inside; else cosine, beir's own default.

    Raises:
        RetrieverError: it cannot encode a text.
    """
    known, join = similarity or similarity_of(model), getattr(model, "sep", None)
    info = RetrieverInfo(
        name=name or name_of(model),
        dim=1,
        similarity=known or "cosine",
        query_prompt=getattr(model, "query_prefix", None) or "",
        passage_prompt=getattr(model, "doc_prefix", None) or "",
        title_join=join if isinstance(join, str) else " ",
        libraries=libraries_of(model),
        notes="; ".join(filter(None, ("beir model; joins title and text itself", "" if known else ASSUMED))),
    )

    encode_corpus = calm(model.encode_corpus)

    def passages(given: list[Passage]) -> Any:
        return encode_corpus([{"title": passage.title, "text": passage.text} for passage in given])

    return Adapter(model, info, calm(model.encode_queries), passages)
