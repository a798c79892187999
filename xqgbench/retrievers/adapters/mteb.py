"""An encoder of mteb, or in the shape of one, as a retriever."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from typing import Any

from xqgbench.errors import MissingExtra
from xqgbench.retrievers.adapters.base import (
    ASSUMED,
    BATCH,
    Adapter,
    calm,
    libraries_of,
    name_of,
    parameters,
    plain,
    similarity_of,
)
from xqgbench.types import Passage, RetrieverInfo, Similarity

#: The fields that mteb 2 gives texts to encoders in, and what encodes them as ``query`` or ``document``.
Columns = dict[str, list[str]]
Encode = Callable[[Columns, str], Any]
#: How names of training data of mteb begin, in letters and digits alone -> what task cards call them.
ORIGINS = {
    "miracl": "miracl",
    "mrtidy": "mr-tydi",
    "mrtydi": "mr-tydi",
    "tydiqa": "tydi-qa",
    "xortydi": "xor-tydi",
    "xorqa": "xor-tydi",
    "afriqa": "afriqa",
    "squad": "squad",
    "xquad": "xquad",
}


class PromptType(StrEnum):
    """What mteb 1 tells an encoder to encode; equal to its own, which need not be there."""

    query = "query"
    document = "document"


def from_mteb(
    model: Any, *, name: str | None = None, similarity: Similarity | None = None, task: str = "MIRACLRetrieval"
) -> Adapter:
    """A retriever from an encoder of mteb, of its version 2 (``task_metadata``) or 1 (``task_name``).

    Title and text are joined as mteb does. Name, similarity and training data are those of its ``mteb_model_meta``,
    where they are given; its revision is only noted, because prompts and lengths can be changed beside it.

    Args:
        name: goes into results.
        similarity: None: the model's own; else cosine, mteb's own default.
        task: the task of mteb that the encoder is told to encode for: prompts and instructions may depend on it.

    Raises:
        MissingExtra: an encoder of version 2 needs mteb itself, for the metadata of the task.
        UsageError: its similarity is neither dot nor cosine.
        RetrieverError: it cannot encode a text.
    """
    meta = getattr(model, "mteb_model_meta", None)
    named, revision = str(getattr(meta, "name", None) or ""), str(getattr(meta, "revision", None) or "")
    known = similarity or similarity_of(meta, model)
    notes = [f"mteb encoder, prompts of its task {task}", "" if known else ASSUMED]
    notes.append(f"revision {revision}" if revision and not revision.startswith("no_revision") else "")
    info = RetrieverInfo(
        name=name or (plain(named) if named and not named.startswith("no_model_name") else name_of(model)),
        dim=1,
        similarity=known or "cosine",
        license=str(getattr(meta, "license", None) or ""),
        trained_on=_trained_on(getattr(meta, "training_datasets", None)),
        libraries=libraries_of(model),
        notes="; ".join(filter(None, notes)),
    )
    encode = _of_version_2(model, task) if "task_metadata" in parameters(model.encode) else _of_version_1(model, task)

    def queries(texts: list[str]) -> Any:
        return encode({"id": [str(i) for i in range(len(texts))], "text": texts, "query": texts}, "query")

    def passages(given: list[Passage]) -> Any:
        columns = {
            "id": [passage.id for passage in given],
            "title": [passage.title for passage in given],
            "body": [passage.text for passage in given],
            "text": [passage.joined(" ").strip() for passage in given],
        }
        return encode(columns, "document")

    return Adapter(model, info, queries, passages)


def _of_version_1(model: Any, task: str) -> Encode:
    def encode(columns: Columns, kind: str) -> Any:
        return calm(partial(model.encode, task_name=task, prompt_type=PromptType(kind)))(columns["text"])

    return encode


def _of_version_2(model: Any, task: str) -> Encode:
    if find_spec("mteb") is None:
        raise MissingExtra(f"'{type(model).__name__}', an encoder of mteb,", "mteb", "mteb")
    from datasets import Dataset
    from mteb import get_task
    from mteb.types import PromptType
    from torch.utils.data import DataLoader

    settings = {"task_metadata": get_task(task).metadata, "hf_split": "test", "hf_subset": "default"}

    def encode(columns: Columns, kind: str) -> Any:
        loader = DataLoader(Dataset.from_dict(columns), batch_size=BATCH)
        return calm(partial(model.encode, **settings, prompt_type=PromptType(kind)))(loader)

    return encode


def _trained_on(names: Iterable[str] | None) -> tuple[str, ...] | None:
    """The names that mteb has for training data and, where task cards call the same data otherwise, theirs."""
    if names is None:
        return None
    found = set(names)
    for name in names:
        letters = re.sub("[^a-z0-9]", "", name.casefold())
        found |= {own for begin, own in ORIGINS.items() if letters.startswith(begin)}
    return tuple(sorted(found))
