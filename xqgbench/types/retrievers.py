"""Retrievers, what is known of them, and how they are loaded."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from xqgbench.errors import InvalidParameter
from xqgbench.types.texts import Passage

Vectors = npt.NDArray[np.float32]
Similarity = Literal["dot", "cosine"]
#: What a model computes in; vectors leave it as float32 all the same.
Dtype = Literal["float32", "bfloat16", "float16"]
Domain = Literal["in-domain", "out-of-domain", "unknown"]


@dataclass(frozen=True, slots=True)
class RetrieverInfo:
    """What identifies a retriever: all that can change one of its vectors, and what a reader of a result must know.

    Attributes:
        dim: dimensions of its vectors.
        similarity: ``cosine`` vectors are normalised by the harness, before any fusion.
        revision: hash or pinned revision of the weights. Without one, xqgbench encodes a few fixed texts at every
            start and keeps vectors apart by the outcome, so that changed weights are never mistaken for the old ones.
        query_prompt, passage_prompt: text that the retriever itself puts before what it encodes.
        query_length, passage_length: tokens after which texts are cut; None where unknown.
        title_join: what stands between title and text of a passage.
        pooling: how token vectors become one vector, where the retriever leaves a choice.
        trained_on: data sets in its training data; None where not public.
        libraries: distributions whose version can change a vector.
        notes: anything else that should be known.
        assumed: what nobody said and was guessed; shown to the user before anything is encoded.
        dtype: what the model computes in.
        deterministic: each text is encoded alone, so that its vector depends on no other.
        texts_per_call: how many texts it wants at once, to batch them by itself; 0 where any number will do. Not part
            of its identity.
    """

    name: str
    dim: int
    similarity: Similarity = "cosine"
    revision: str | None = None
    query_prompt: str = ""
    passage_prompt: str = ""
    query_length: int | None = None
    passage_length: int | None = None
    title_join: str = " "
    pooling: str = ""
    license: str = ""
    trained_on: tuple[str, ...] | None = None
    libraries: tuple[str, ...] = ()
    notes: str = ""
    assumed: tuple[str, ...] = ()
    dtype: Dtype = "float32"
    deterministic: bool = False
    texts_per_call: int = 0

    def __post_init__(self) -> None:
        for name in ("trained_on", "libraries", "assumed"):
            value = getattr(self, name)
            if isinstance(value, str):  # ("squad") is a string: its comma is missing
                raise InvalidParameter(
                    f"RetrieverInfo '{self.name}': {name}={value!r} must be a tuple of names, ({value!r},)."
                )
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        try:
            object.__setattr__(self, "dim", operator.index(self.dim))
        except TypeError:
            raise InvalidParameter(f"RetrieverInfo '{self.name}': dim={self.dim!r} must be a whole number.") from None


@runtime_checkable
class Retriever(Protocol):
    """All that a plugin needs. Generated queries go through ``encode_queries`` like test queries."""

    @property
    def info(self) -> RetrieverInfo: ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts into float32 (n, dim)."""
        ...

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Encode n passages into float32 (n, dim)."""
        ...


@dataclass(frozen=True, slots=True)
class Loading:
    """How a retriever is loaded, beside its name.

    Attributes:
        path: local checkpoint folder for a name whose weights are on the hub.
        settings: setting -> value, in the place of what its card or its files say (``pooling``, ``query_prompt`` ...).
        dtype: what the model computes in.
        device: ``cpu``, ``cuda:1``, or several, ``cuda:0,cuda:1``; empty for all GPUs, or the processor without any.
        deterministic: encode each text alone, so that no vector depends on other texts; slower.
        trust_remote_code: run Python code that comes with a checkpoint.
    """

    path: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    dtype: Dtype = "float32"
    device: str = ""
    deterministic: bool = False
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A retriever known by name (an entry of ``retrievers/models.toml``).

    Attributes:
        factory: ``module:callable``; called with the card and a ``Loading``.
        extra: the extra of xqgbench that installs what it needs.
        hub_id, hub_revision: where the weights are on the Hugging Face hub; empty if they come with a package, or are
            not public.
        query_hub_id, query_hub_revision: the same of a second encoder, for queries; empty where one encodes both.
        size: download size, for people ("711 MB").
        checkpoint: whether it is one of the Hugging Face kind, which a ``Loading`` applies to.
        settings: how a checkpoint encodes (``retrievers.settings.Settings``).
    """

    name: str
    description: str
    languages: str
    dim: int
    similarity: Similarity
    license: str
    size: str
    extra: str = "models"
    factory: str = "xqgbench.retrievers.checkpoints:from_card"
    hub_id: str = ""
    hub_revision: str = ""
    query_hub_id: str = ""
    query_hub_revision: str = ""
    checkpoint: bool = True
    trained_on: tuple[str, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
