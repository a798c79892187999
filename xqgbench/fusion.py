"""The arithmetic of xQG: a passage's vector fused with the vectors of queries generated for it.

    v = (1 - alpha) * E_P(p) + alpha * sum_i E_Q(q_i)

Source: Zhuang, Shou and Zuccon, "Augmenting Passage Representations with Query Generation for Enhanced Cross-Lingual
Dense Retrieval", SIGIR 2023 (arXiv 2305.03950), whose published runs use alpha = 0.01 and a sum over 7 languages x 5
queries without renormalising; those are the defaults here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xqgbench.errors import InvalidParameter, UnknownName
from xqgbench.types import Vectors

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fusion:
    """How passage and generated-query vectors are fused.

    Attributes:
        alpha: weight of the generated queries, 0 to 1.
        reduce: ``mean`` of the passage's generated-query vectors, or ``sum``: the nominal count
            (languages x per_language) times that mean. Where every passage has all its queries this is the paper's
            sum; where counts differ, a raw sum would rank passages by how many queries they happen to have. A task
            that never has ``per_language`` queries per language should be given the number that it has.
        languages: ``all`` the task has generated queries in, ``query`` for the query's own language alone, or a tuple
            of languages.
        per_language: how many generated queries per language are used, the first ones of each passage.
        renormalise: scale fused vectors to unit length (off in the paper).
    """

    alpha: float = 0.01
    reduce: Literal["sum", "mean"] = "sum"
    languages: Literal["all", "query"] | tuple[str, ...] = "all"
    per_language: int = 5
    renormalise: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.alpha, (int, float, np.floating)) or not 0.0 <= self.alpha <= 1.0:
            raise InvalidParameter(f"xqg: alpha={self.alpha} is outside 0 to 1; the paper's value is alpha=0.01.")
        object.__setattr__(self, "alpha", float(self.alpha))  # numpy's numbers are not all JSON's
        if self.reduce not in ("sum", "mean"):
            raise InvalidParameter(f"xqg: reduce={self.reduce} is not known; use reduce=sum or reduce=mean.")
        if self.per_language < 1:
            raise InvalidParameter(f"xqg: per_language={self.per_language} must be at least 1; the paper uses 5.")
        named = isinstance(self.languages, str)
        if (named and self.languages not in ("all", "query")) or not self.languages or not all(self.languages):
            raise InvalidParameter(
                f"xqg: languages={self.languages!r} is not known; use 'all', 'query', or a tuple of codes, which the "
                f"command line joins by + (languages=fi+ja)."
            )

    @classmethod
    def parse(cls, parameters: str) -> Fusion:
        """Read ``alpha=0.2,reduce=mean,languages=fi+ja``; what is not named keeps its default.

        Raises:
            UnknownName: a parameter that does not exist.
            InvalidParameter: a value that cannot be read or is out of range.
        """
        known = [f.name for f in fields(cls)]
        values: dict[str, Any] = {}
        for part in filter(None, (p.strip() for p in parameters.split(","))):
            name, equals, text = (s.strip() for s in part.partition("="))
            if name not in known:
                raise UnknownName("xqg parameter", name, known)
            if not equals or not text:
                raise InvalidParameter(f"xqg: '{part}' has no value; write {name}=VALUE, as in xqg:alpha=0.2.")
            if name in values:
                raise InvalidParameter(f"xqg: '{name}' is given twice.")
            values[name] = _value(name, text)
        return cls(**values)

    def describe(self) -> dict[str, Any]:
        """All parameters as JSON-ready values, in a fixed order."""
        languages = self.languages if isinstance(self.languages, str) else "+".join(self.languages)
        return {
            "alpha": self.alpha,
            "reduce": self.reduce,
            "languages": languages,
            "per_language": self.per_language,
            "renormalise": self.renormalise,
        }


def _value(name: str, text: str) -> Any:
    try:
        if name == "alpha":
            return float(text)
        if name == "per_language":
            return int(text)
    except ValueError:
        raise InvalidParameter(f"xqg: {name}={text} is not a number.") from None
    if name == "renormalise":
        if text.lower() not in ("true", "false"):
            raise InvalidParameter(f"xqg: renormalise={text} must be true or false.")
        return text.lower() == "true"
    if name == "languages" and text not in ("all", "query"):
        return tuple(dict.fromkeys(text.split("+")))
    return text


def reduce_queries(vectors: Vectors, counts: Counts) -> Vectors:
    """Mean vector per passage of the generated queries of one language.

    Args:
        vectors: (sum of counts, dim), the queries of the first passage first.
        counts: (passages,), how many rows belong to each passage; 0 is allowed.

    Returns:
        float32 (passages, dim); a row of zeros where a passage has none.
    """
    if counts.sum() != len(vectors):
        raise ValueError(f"{len(vectors)} vectors for {counts.sum()} generated queries")
    means = np.zeros((len(counts), vectors.shape[1]), dtype=np.float32)
    some = counts > 0
    if some.any():
        starts = np.concatenate(([0], np.cumsum(counts)[:-1]))[some]
        sums = np.add.reduceat(vectors, starts, axis=0, dtype=np.float64)
        means[some] = sums / counts[some][:, None]
    return means


def pool(
    means: Mapping[str, Vectors], counts: Mapping[str, Counts], languages: Sequence[str]
) -> tuple[Vectors, Counts]:
    """Mean over all generated queries in ``languages``, from the means per language.

    Returns:
        float32 (passages, dim) and int64 (passages,), the number of queries behind each row.
    """
    total: Counts = np.stack([counts[language] for language in languages]).sum(axis=0)
    if len(languages) == 1:
        return means[languages[0]], total
    pooled = np.zeros(means[languages[0]].shape, dtype=np.float64)
    for language in languages:
        pooled += means[language] * counts[language][:, None].astype(np.float64)
    pooled /= np.maximum(total, 1)[:, None]
    return pooled.astype(np.float32), total


def fuse(passages: Vectors, means: Vectors, counts: Counts, fusion: Fusion, languages: int) -> Vectors:
    """Fused passage vectors.

    A passage without generated queries uses its own vector as their mean, so that it competes on equal terms.

    Args:
        passages: float32 (n, dim), already normalised if the retriever compares by cosine.
        means: float32 (n, dim), the mean of each passage's generated-query vectors.
        counts: (n,), how many generated queries each passage has.
        languages: how many languages the means cover; with ``per_language`` it gives the nominal count of ``sum``.

    Returns:
        float32 (n, dim).
    """
    mean = np.where((counts > 0)[:, None], means, passages)
    nominal = languages * fusion.per_language if fusion.reduce == "sum" else 1
    fused: Vectors = np.float32(1.0 - fusion.alpha) * passages
    fused += np.float32(fusion.alpha * nominal) * mean
    if not fusion.renormalise:
        return fused
    norms = np.sqrt(np.sum(fused.astype(np.float64) ** 2, axis=1, keepdims=True))
    unit: Vectors = (fused / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    return unit
