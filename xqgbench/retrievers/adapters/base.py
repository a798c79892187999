"""What all adapters share: the retriever that hands its texts on, and what can be read off an object."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np

from xqgbench.errors import RetrieverError, UsageError
from xqgbench.types import Passage, RetrieverInfo, Similarity, Vectors

#: Texts per forward pass.
BATCH = 32
#: How a result says that nobody but the caller knows.
ASSUMED = "cosine is assumed"


class Adapter:
    """A retriever that hands its texts to another object.

    Attributes:
        info: may be replaced (``dataclasses.replace``) where more is known, such as the training data.
    """

    def __init__(
        self,
        model: Any,
        info: RetrieverInfo,
        queries: Callable[[list[str]], Any],
        passages: Callable[[list[Passage]], Any],
    ) -> None:
        self.__wrapped__ = model  # where xqgbench looks for the source code that makes the vectors
        self._queries, self._passages = queries, passages
        self.info = replace(info, dim=_dimension(info.name, queries))

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encoded(self._queries, list(texts))

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        return self._encoded(self._passages, list(passages))

    def _encoded(self, encode: Callable[[list[Any]], Any], texts: list[Any]) -> Vectors:
        """Encoders of other libraries need not know what to do with no texts."""
        return _array(encode(texts)) if texts else np.zeros((0, self.info.dim), dtype=np.float32)


def calm(encode: Callable[..., Any]) -> Callable[..., Any]:
    """The method with its batch size set and its progress bar off, where it takes such arguments."""
    options = {"batch_size": BATCH, "show_progress_bar": False}
    names = parameters(encode)
    return partial(encode, **{key: value for key, value in options.items() if key in names or "**" in names})


def parameters(function: Callable[..., Any]) -> set[str]:
    """Names of the parameters; ``**`` among them if it takes any."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # compiled, and does not say
        return set()
    return {"**" if parameter.kind is parameter.VAR_KEYWORD else parameter.name for parameter in found}


def _array(output: Any) -> Any:
    """Tensors, also on other devices or in half precision, and lists of them, as an array; all else as it is."""
    if isinstance(output, (list, tuple)):
        return np.asarray([_array(row) for row in output])
    return output.detach().float().cpu().numpy() if hasattr(output, "detach") else output


def _dimension(name: str, encode: Callable[[list[str]], Any]) -> int:
    try:
        shape = np.shape(_array(encode(["How many dimensions?"])))
    except Exception as error:
        raise RetrieverError(
            f"'{name}' failed on the first text, 'How many dimensions?': {type(error).__name__}: {error}."
        ) from error
    if len(shape) != 2 or shape[0] != 1:
        raise RetrieverError(f"'{name}' returned shape {shape} for a list of one text; (1, dimensions) is needed.")
    return int(shape[1])


def inside(model: Any) -> list[Any]:
    """The object, and the model that beir's and mteb's classes keep as an attribute."""
    found = (model, getattr(model, "q_model", None), getattr(model, "model", None))
    return [part for part in found if part is not None]


def name_of(model: Any) -> str:
    """What the model calls itself, or the folder it came from; else its class."""
    for part in inside(model):
        card = getattr(part, "model_card_data", None)
        names = [getattr(card, field, None) for field in ("model_id", "model_name", "base_model")]
        names.append(getattr(getattr(part, "config", None), "_name_or_path", None))
        for found in names:
            if isinstance(found, str) and plain(found).strip(".-"):
                return plain(found)
    return plain(type(model).__name__)


def libraries_of(model: Any) -> tuple[str, ...]:
    """The distributions that the classes of the object, and of the model inside, come from."""
    known = metadata.packages_distributions()
    packages = [type(part).__module__.partition(".")[0] for part in inside(model)]
    return tuple(dict.fromkeys(name for package in packages for name in known.get(package, ())))


def plain(name: str) -> str:
    """The last part of a hub id or a folder, in letters that file names may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).name)


def similarity_of(*models: Any) -> Similarity | None:
    """What the first of the models, or of the models inside, that says something says."""
    for part in (part for model in models for part in inside(model)):
        found = getattr(part, "similarity_fn_name", None)
        if found is None:
            continue
        said = str(getattr(found, "value", found))
        if said in ("dot", "cosine"):
            return cast(Similarity, said)
        raise UsageError(
            f"'{type(part).__name__}' compares vectors by '{said}', which xqgbench does not: only by dot or cosine. "
            f"Say which with xqgbench.from_sentence_transformer, from_beir or from_mteb: similarity='cosine'."
        )
    return None
