"""Checks of what a retriever's ``info`` states, against its vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np

from xqgbench.conformance.asking import TOLERANCE, apart, bare, passages, queries, roles
from xqgbench.conformance.report import Finding
from xqgbench.conformance.texts import QUESTIONS, TEXTS
from xqgbench.encode import called
from xqgbench.provenance import versions
from xqgbench.types import Passage, Retriever, Vectors

#: What may stand between title and text, looked for where it is not what ``info`` says.
JOINS = (" ", "\n", "", ". ", ": ", " - ", " [SEP] ")
#: Longer limits than this are not tried out; where none is stated, so many words are.
LONGEST, UNLIMITED = 2_048, 600


def info_is_complete(retriever: Retriever) -> Finding:
    info = retriever.info
    json.dumps(asdict(info))  # it goes into results; raises where it cannot
    for name in ("query_length", "passage_length"):
        length = getattr(info, name)
        if length is not None and (not isinstance(length, int) or length < 1):
            return "failed", f"{name}={length!r} is no number of tokens"
    named = f"{info.name}, {info.dim} dimensions, {info.similarity}"
    unstated = [name for name in ("revision", "license") if not getattr(info, name)]
    unstated += ["trained_on"] if info.trained_on is None else []
    absent = [name for name, version in versions(info.libraries).items() if version == "absent"]
    notes = [f"not stated: {', '.join(unstated)}"] if unstated else []
    notes += [f"no such distribution is installed: {', '.join(absent)}"] if absent else []
    return ("note" if notes else "passed"), "; ".join((named, *notes))


def vectors_have_a_length(retriever: Retriever) -> Finding:
    info = replace(retriever.info, similarity="dot")  # under cosine they would be scaled before they are seen
    raw = [called(encode, given, TEXTS, info, role) for role, encode, given in roles(retriever, TEXTS)]
    norms = np.linalg.norm(np.concatenate(raw).astype(np.float64), axis=1)
    if not norms.all():
        return "failed", f"{int((norms == 0).sum())} of {len(norms)} ordinary texts have a zero vector"
    unit = bool(np.abs(norms - 1).max() < TOLERANCE)
    measured = "unit length" if unit else f"{norms.min():.3g} to {norms.max():.3g}"
    if retriever.info.similarity == "cosine":
        return "passed", measured if unit else f"{measured}, scaled to 1 for the cosine"
    return ("note", f"{measured}: the dot product is the cosine") if unit else ("passed", f"{measured}, dot product")


def titles_are_read(retriever: Retriever) -> Finding:
    given = [Passage(f"title-{title}", title, "A river.") for title in ("Kemi", "Tone", "")]
    titled, other, untitled = np.split(passages(retriever, given), 3)
    distance = min(apart(other, titled), apart(untitled, titled))
    if distance <= TOLERANCE:
        return "failed", "a passage has the same vector with another title, or without one"
    return "passed", f"another title moves the vector by {distance:.2g} of its length"


def titles_are_joined_as_stated(retriever: Retriever) -> Finding:
    stated = retriever.info.title_join
    joins = tuple(dict.fromkeys((stated, *JOINS)))
    target, *candidates = np.split(
        passages(retriever, [Passage("titled", "Kemi", "A river."), *bare([f"Kemi{join}A river." for join in joins])]),
        1 + len(joins),
    )
    distances = [apart(candidate, target) for candidate in candidates]
    if distances[0] <= TOLERANCE:
        return "passed", f"by {stated!r}"
    nearest = int(np.argmin(distances))
    if distances[nearest] <= TOLERANCE:
        return "failed", f"info says title_join={stated!r}, but the vectors are those of {joins[nearest]!r}"
    return "note", f"not by {stated!r}, as info says, nor in another way that is known here"


def roles_are_as_stated(retriever: Retriever) -> Finding:
    info, texts = retriever.info, list(QUESTIONS["en"])
    distance = apart(queries(retriever, texts), passages(retriever, bare(texts)))
    measured = f"a text moves by {distance:.2g} of its length between the roles"
    prompts = f"{info.query_prompt!r} and {info.passage_prompt!r}"
    if distance <= TOLERANCE:
        if info.query_prompt != info.passage_prompt:
            return "failed", f"info names the prompts {prompts}, but both roles encode alike"
        return "passed", "both encode alike, and info names no prompts that differ"
    if info.query_prompt != info.passage_prompt:
        return "passed", f"{measured}; info names the prompts {prompts}"
    return "note", f"{measured}, and info names no prompts: are there two encoders?"


def query_length_is_as_stated(retriever: Retriever) -> Finding:
    if retriever.info.query_length is None:
        return "passed", "info states none"  # as long texts take their time, passages alone are tried out then
    return _length(retriever.info.query_length, lambda texts: queries(retriever, texts))


def passage_length_is_as_stated(retriever: Retriever) -> Finding:
    return _length(retriever.info.passage_length, lambda texts: passages(retriever, bare(texts)))


def _length(limit: int | None, encode: Callable[[list[str]], Vectors]) -> Finding:
    """A word is a token at least, so that nothing can matter behind as many words as there may be tokens."""

    def change(words: int) -> float:
        """How far a vector moves with what stands behind so many words."""
        dogs, rivers = np.split(encode([f"{'cat ' * words}{tail * 50}" for tail in ("dog ", "river ")]), 2)
        return apart(dogs, rivers)

    if limit is None:
        if change(UNLIMITED) <= TOLERANCE:
            return "note", f"info states none, but nothing behind {UNLIMITED} words matters"
        return "passed", f"info states none, and what stands behind {UNLIMITED} words matters"
    if limit > LONGEST:
        return "note", f"{limit} tokens, which is more than is tried out"
    if (moved := change(limit)) > TOLERANCE:
        return (
            "failed",
            f"info states {limit} tokens, but what stands behind {limit} words moves the vector by {moved:.2g}",
        )
    if change(limit // 4) <= TOLERANCE:
        return "note", f"info states {limit} tokens, but nothing behind {limit // 4} words matters"
    return "passed", f"{limit} tokens: nothing behind {limit} words matters"
