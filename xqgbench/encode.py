"""The vectors of one retriever on one task: taken from the store, else encoded, checked and stored.

Texts stream through in chunks of fixed size. Generated queries are reduced to one mean per passage and language while
they stream, so that five queries in seven languages never cost 35 vectors on disk, and every alpha and every choice
of languages is arithmetic afterwards.
"""

from __future__ import annotations

import inspect
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import numpy as np
import numpy.typing as npt

from xqgbench.errors import InvalidParameter, RetrieverError, XqgbenchError
from xqgbench.fusion import reduce_queries
from xqgbench.provenance import versions
from xqgbench.store import Store, default_root, text_hash
from xqgbench.types import (
    Chunk,
    GeneratedChunk,
    Passage,
    Progress,
    Retriever,
    RetrieverInfo,
    StoreDtype,
    Task,
    Vectors,
    silent,
)
from xqgbench.vectors import checked, halved

T = TypeVar("T")

#: Passages per chunk: the unit of storing and of resuming.
CHUNK = 4_096
#: Texts given at once to a retriever that does not say how many it wants.
BATCH = 128
#: What a retriever without a revision is told apart by, beside its source file. The last exceeds any usual limit.
_SHORT = ("What is the longest river in Africa?", "東京タワーはいつ建てられましたか。", "ما هي عاصمة اليمن؟", "1969")
PROBES = (*_SHORT, " ".join(_SHORT * 80))


class Encoder:
    """Vectors of ``task`` by ``retriever``; implements ``types.TaskVectors``.

    Args:
        store: root folder of the store; None for the usual one.
        store_dtype: how it keeps vectors. They are rounded to it before anything is done with them, so that a first
            run and later ones agree to the bit.

    Raises:
        InvalidParameter: another ``store_dtype``.

    Attributes:
        info: what is known of the retriever.
        identity: all that can change a vector; see ``identity``.
        encoded: how many texts were encoded rather than read from the store.
        seconds: time spent encoding.
        source: what results say of how their scores came about.
    """

    source = "measured"

    def __init__(
        self,
        retriever: Retriever,
        task: Task,
        store: Path | None,
        progress: Progress = silent,
        store_dtype: StoreDtype = "float32",
    ) -> None:
        self.task = task
        self.encoded = 0
        self.seconds = 0.0
        self._retriever = retriever
        self._progress = progress
        self.info = retriever.info
        self.identity = identity(retriever, store_dtype)
        self._half = store_dtype == "float16"
        self._store = Store(Path(store) if store else default_root(), retriever.info.name, self.identity)

    def queries(self, language: str) -> Vectors:
        queries = self.task.queries(language)
        ids, texts = [query.id for query in queries], [query.text for query in queries]
        encode = partial(self._encode_texts, texts, ids, "query")
        return self._stored("queries", text_hash(texts), encode, ids, "query")

    def passages(self, language: str) -> Iterator[Chunk]:
        total, done = self.task.card.passages_in(language) or None, 0
        for chunk in batched(self.task.passages(language), CHUNK):
            self._progress("passages", done, total)
            key = text_hash(text for passage in chunk for text in (passage.title, passage.text))
            ids = [passage.id for passage in chunk]
            yield ids, self._stored("passages", key, partial(self._encode_passages, chunk), ids, "passage")
            done += len(chunk)
            self._progress("passages", done, total)

    def generated(self, language: str, languages: Sequence[str], per_language: int) -> Iterator[GeneratedChunk]:
        aligned = zip(self.task.passages(language), self.task.generated_queries(language), strict=True)
        total, done = self.task.card.passages_in(language) * len(languages) or None, 0
        for chunk in batched(aligned, CHUNK):
            # No name here holds what is handed out: mapped files are given back before the next ones are asked for.
            yield self._reduced(chunk, languages, per_language, done, total)
            done += len(chunk) * len(languages)

    def _reduced(
        self,
        chunk: Sequence[tuple[Passage, Mapping[str, Sequence[str]]]],
        languages: Sequence[str],
        per_language: int,
        done: int,
        total: int | None,
    ) -> GeneratedChunk:
        means, counts = {}, {}
        for wanted in languages:
            self._progress("generated queries", done, total)
            queries = [list(generated.get(wanted, ()))[:per_language] for _, generated in chunk]
            counts[wanted] = np.array([len(q) for q in queries], dtype=np.int64)
            means[wanted] = self._means([p for p, _ in chunk], queries, wanted)
            done += len(chunk)
        self._progress("generated queries", done, total)
        return GeneratedChunk(means, counts)

    def _means(self, passages: Sequence[Passage], queries: Sequence[Sequence[str]], language: str) -> Vectors:
        texts = [text for own in queries for text in own]
        ids = [id_ for p, own in zip(passages, queries, strict=True) for id_ in generated_ids(p.id, language, len(own))]
        counts = np.array([len(own) for own in queries], dtype=np.int64)

        def reduced() -> Vectors:
            return reduce_queries(self._encode_texts(texts, ids, "generated query"), counts)

        key = text_hash(itertools.chain.from_iterable((str(len(own)), *own) for own in queries))
        own = [passage.id for passage in passages]
        return self._stored("generated", key, reduced, own, f"the generated queries in {language} of passage")

    def _stored(self, role: str, key: str, encode: Callable[[], Vectors], ids: Sequence[str], what: str) -> Vectors:
        """The chunk of that key; ``ids`` and ``what`` name its rows in messages."""

        def made() -> npt.NDArray[np.floating[Any]]:
            started = time.perf_counter()
            vectors = encode()
            self.seconds += time.perf_counter() - started
            return halved(vectors, ids, self._retriever.info, what) if self._half else vectors

        waiting = partial(self._progress, "waiting for another run", 0, None)
        found = self._store.chunk(role, key, (len(ids), self.info.dim), made, waiting)
        vectors = np.asarray(found, dtype=np.float32)
        vectors.flags.writeable = False  # also where float16 was widened: what is shared is not changed
        return vectors

    def _encode_texts(self, texts: Sequence[str], ids: Sequence[str], what: str) -> Vectors:
        def encode(part: slice) -> Vectors:
            return called(self._retriever.encode_queries, texts[part], ids[part], self._retriever.info, what)

        return self._in_batches(encode, len(texts), "queries" if what == "query" else "generated queries")

    def _encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        ids = [passage.id for passage in passages]

        def encode(part: slice) -> Vectors:
            return called(self._retriever.encode_passages, passages[part], ids[part], self._retriever.info, "passage")

        return self._in_batches(encode, len(passages), "passages")

    def _in_batches(self, encode: Callable[[slice], Vectors], total: int, what: str) -> Vectors:
        vectors = np.empty((total, self._retriever.info.dim), dtype=np.float32)
        size = self._retriever.info.texts_per_call or BATCH
        for start in range(0, total, size):
            vectors[start : start + size] = encode(slice(start, start + size))
            self._progress(f"encoding {what}", min(start + size, total), total)
        self.encoded += total
        return vectors


def identity(retriever: Retriever, store_dtype: StoreDtype = "float32") -> Mapping[str, Any]:
    """All that can change a vector of this retriever: the key of its folder in the store.

    A retriever without a revision is identified by its source file and by what it does to a few fixed texts.

    Raises:
        InvalidParameter: another ``store_dtype``.
    """
    if store_dtype not in get_args(StoreDtype):
        raise InvalidParameter(f"the store keeps {' or '.join(get_args(StoreDtype))}, not '{store_dtype}'.")
    info = retriever.info
    revision = info.revision or f"probe:{_probe(retriever)}"
    return {
        "name": info.name,
        "revision": revision,
        "dim": info.dim,
        "similarity": info.similarity,
        "prompts": [info.query_prompt, info.passage_prompt],
        "lengths": [info.query_length, info.passage_length],
        "title_join": info.title_join,
        "pooling": info.pooling,
        "libraries": versions(info.libraries),
        "dtype": info.dtype,
        **({"deterministic": True} if info.deterministic else {}),
        **({} if store_dtype == "float32" else {"stored": store_dtype}),
    }


def _probe(retriever: Retriever) -> str:
    passages = [Passage(f"probe-{i}", "Title", text) for i, text in enumerate(PROBES)]
    ids = [passage.id for passage in passages]
    outputs = (
        called(retriever.encode_queries, list(PROBES), ids, retriever.info, "probe"),
        called(retriever.encode_passages, passages, ids, retriever.info, "probe"),
    )
    try:
        source = Path(inspect.getfile(type(inspect.unwrap(cast(Any, retriever))))).read_text(encoding="utf-8")
    except (TypeError, OSError, UnicodeDecodeError):  # made at a prompt, or compiled
        source = ""
    return text_hash([source, *(vectors.tobytes().hex() for vectors in outputs)])


def called(
    encode: Callable[[Any], Any], texts: Sequence[Any], ids: Sequence[str], info: RetrieverInfo, what: str
) -> Vectors:
    """What a retriever returns for some texts, checked; what it raises, with the texts named.

    Raises:
        RetrieverError: the retriever failed, or returned what no retriever may return.
    """
    try:
        output = encode(texts)
    except XqgbenchError:
        raise
    except Exception as error:
        raise RetrieverError(
            f"retriever '{info.name}' failed on {len(ids)} {what} texts, '{ids[0]}' to '{ids[-1]}': "
            f"{type(error).__name__}: {error}. --debug shows where."
        ) from error
    return checked(output, ids, info, what)


def generated_ids(passage: str, language: str, count: int) -> list[str]:
    """What the generated queries of a passage in a language are called."""
    return [f"{passage}/{language}/{number}" for number in range(1, count + 1)]


def batched(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last one shorter."""
    while batch := list(itertools.islice(items, size)):
        yield batch
