"""Models of other libraries as retrievers: objects of beir, mteb and sentence-transformers, as they are.

They are recognised by their methods and classes; their libraries are imported by nobody but themselves.
"""

from __future__ import annotations

from typing import Any

from xqgbench.errors import UsageError
from xqgbench.retrievers.adapters.base import parameters
from xqgbench.retrievers.adapters.beir import from_beir
from xqgbench.retrievers.adapters.mteb import from_mteb
from xqgbench.retrievers.adapters.sentence_transformers import from_sentence_transformer

__all__ = ["adapted", "from_beir", "from_mteb", "from_sentence_transformer"]

#: Classes of sentence-transformers that give no one vector per text.
OTHERS = {
    "CrossEncoder": "scores pairs of texts",
    "SparseEncoder": "gives sparse vectors",
    "MultiVectorEncoder": "gives a vector per token",
}


def adapted(model: Any) -> Any:
    """A retriever that wraps ``model``, if it is an object of one of these libraries; else the object itself.

    Raises:
        UsageError: a model of sentence-transformers that gives no one vector per text.
    """
    classes = {
        kind.__name__ for kind in type(model).__mro__ if kind.__module__.partition(".")[0] == "sentence_transformers"
    }
    for kind, does in OTHERS.items():
        if kind in classes:
            raise UsageError(
                f"'{type(model).__name__}' is no dense retriever: a {kind} {does}. xqgbench evaluates models with one "
                f"vector per text, such as a SentenceTransformer; what others retrieve can be scored as a run "
                f"('xqgbench score')."
            )
    if "SentenceTransformer" in classes:
        return from_sentence_transformer(model)
    encode = getattr(model, "encode", None)
    if callable(encode) and (hasattr(model, "mteb_model_meta") or {"task_metadata", "task_name"} & parameters(encode)):
        return from_mteb(model)
    if callable(getattr(model, "encode_queries", None)) and callable(getattr(model, "encode_corpus", None)):
        return from_beir(model)
    return model
