"""xqgbench: how good is a dense retriever on cross-lingual retrieval, language by language, and does xQG help it?

>>> import xqgbench
>>> evaluation = xqgbench.evaluate("e5-small", task="xqg-mini", augment="xqg")   # doctest: +SKIP
>>> evaluation.comparisons["nDCG@10"].macro.difference                           # doctest: +SKIP

What is listed here is the public interface; it is imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xqgbench.beir_model import to_beir
    from xqgbench.comparison import Comparison, compare
    from xqgbench.errors import XqgbenchError
    from xqgbench.evaluation import Evaluation, evaluate
    from xqgbench.fusion import Fusion
    from xqgbench.rescoring import Rescored, score
    from xqgbench.results import Result, read_result
    from xqgbench.retrievers.adapters import from_beir, from_mteb, from_sentence_transformer
    from xqgbench.types import Judgements, Passage, Query, Retriever, RetrieverInfo, TaskCard

_PUBLIC = {
    "Comparison": "comparison",
    "Evaluation": "evaluation",
    "Fusion": "fusion",
    "Judgements": "types",
    "Passage": "types",
    "Query": "types",
    "Rescored": "rescoring",
    "Result": "results",
    "Retriever": "types",
    "RetrieverInfo": "types",
    "TaskCard": "types",
    "XqgbenchError": "errors",
    "compare": "comparison",
    "evaluate": "evaluation",
    "from_beir": "retrievers.adapters",
    "from_mteb": "retrievers.adapters",
    "from_sentence_transformer": "retrievers.adapters",
    "read_result": "results",
    "score": "rescoring",
    "to_beir": "beir_model",
}

__all__ = [
    "Comparison",
    "Evaluation",
    "Fusion",
    "Judgements",
    "Passage",
    "Query",
    "Rescored",
    "Result",
    "Retriever",
    "RetrieverInfo",
    "TaskCard",
    "XqgbenchError",
    "compare",
    "evaluate",
    "from_beir",
    "from_mteb",
    "from_sentence_transformer",
    "read_result",
    "score",
    "to_beir",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("xqgbench")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'xqgbench' has no attribute '{name}'")
    return getattr(importlib.import_module(f"xqgbench.{_PUBLIC[name]}"), name)
