"""The checks of retrievers."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from xqgbench.conformance import stated
from xqgbench.conformance.asking import TOLERANCE, agreement, apart, bare, passages, queries, roles, worst
from xqgbench.conformance.report import Check, Finding, Outcome, run
from xqgbench.conformance.texts import ODD, PARAGRAPH, PASSAGES, QUESTIONS, TEXTS
from xqgbench.encode import called
from xqgbench.types import Retriever, RetrieverInfo, Vectors
from xqgbench.vectors import checked

#: Words of a long text, and of one that is tried only where the other took no more than ``PATIENCE`` seconds.
LONG, VERY_LONG, PATIENCE = 1_000, 20_000, 1.0


def check_retriever(retriever: Retriever, again: Callable[[], Retriever] | None = None) -> Iterator[Outcome]:
    """Run a retriever through every check.

    Args:
        again: makes the same retriever once more; without it no second instance is looked at.
    """
    return run(CHECKS if again is None else (*CHECKS, second_instance(again)), retriever)


def one_row_per_text(retriever: Retriever) -> Finding:
    converted = set()
    for count in (1, 2, 33):
        texts = [f"{number} {TEXTS[number % len(TEXTS)]}" for number in range(count)]
        for role, encode, given in roles(retriever, texts):
            raw = encode(given)
            checked(raw, texts, retriever.info, role)  # raises where the harness could make nothing of it
            if not isinstance(raw, np.ndarray):
                converted.add(type(raw).__name__)
            elif raw.dtype != np.float32:
                converted.add(str(raw.dtype))
            elif not raw.flags.c_contiguous:
                converted.add("rows that are not contiguous")
    measured = "1, 2 and 33 texts of either role"
    return ("note", f"{measured}; converted: {', '.join(sorted(converted))}") if converted else ("passed", measured)


def no_texts_give_no_rows(retriever: Retriever) -> Finding:
    for role, encode, _ in roles(retriever, ()):
        checked(encode([]), (), retriever.info, role)
    return "passed", f"shape (0, {retriever.info.dim})"


def different_texts_differ(retriever: Retriever) -> Finding:
    texts = list(QUESTIONS["en"])
    rows = np.split(queries(retriever, texts), len(texts))
    pairs = itertools.combinations(range(len(texts)), 2)
    least, first, second = min((apart(rows[first], rows[second]), first, second) for first, second in pairs)
    if least <= TOLERANCE:
        return "failed", f"'{texts[first]}' and '{texts[second]}' have the same vector"
    return "passed", f"by {least:.2g} of their length or more"


def twice_the_same(retriever: Retriever) -> Finding:
    return _both(retriever, lambda encode, given: agreement(encode(given), encode(given)))


def alone_as_in_a_batch(retriever: Retriever) -> Finding:
    def compare(encode: Callable[[Any], Vectors], given: list[Any]) -> Finding:
        return agreement(np.concatenate([encode([one]) for one in given]), encode(given))

    return _both(retriever, compare)


def in_any_order(retriever: Retriever) -> Finding:
    return _both(retriever, lambda encode, given: agreement(encode(given[::-1])[::-1], encode(given)))


def a_list_or_a_tuple(retriever: Retriever) -> Finding:
    return _both(retriever, lambda encode, given: agreement(encode(tuple(given)), encode(given)))


def _both(retriever: Retriever, compare: Callable[[Callable[[Any], Vectors], list[Any]], Finding]) -> Finding:
    """The worse of what a comparison finds for queries and for passages."""
    return worst(
        compare(lambda texts: queries(retriever, texts), list(TEXTS)),
        compare(lambda given: passages(retriever, given), list(PASSAGES)),
    )


def second_instance(again: Callable[[], Retriever]) -> Check[Retriever]:
    """The check that what ``again`` makes is the same retriever."""

    def a_second_instance_agrees(retriever: Retriever) -> Finding:
        second = again()
        if second is retriever:
            return "note", "its name leads to one object, so there is no second instance"
        if second.info != retriever.info:
            return "failed", f"its info is another: {second.info} instead of {retriever.info}"
        return worst(
            agreement(queries(second, list(TEXTS)), queries(retriever, list(TEXTS))),
            agreement(passages(second, list(PASSAGES)), passages(retriever, list(PASSAGES))),
        )

    return a_second_instance_agrees


def odd_texts_are_encoded(retriever: Retriever) -> Finding:
    info = replace(retriever.info, similarity="dot")  # under cosine a zero vector would be refused before it is seen
    wrong: dict[str, None] = {}
    zero: set[str] = set()
    for role, encode, given in roles(retriever, list(ODD.values())):
        try:
            vectors = called(encode, given, list(ODD), info, role)
        except Exception as error:  # then one by one, so that all that is wrong is named
            alone = [_failure(encode, one, name, info) for name, one in zip(ODD, given, strict=True)]
            wrong |= dict.fromkeys(filter(None, alone)) or {f"all together: {error.__cause__ or error}": None}
        else:
            zero |= {name for name, vector in zip(ODD, vectors, strict=True) if not vector.any()}
    if retriever.info.similarity == "cosine":
        wrong |= {f"{name}: a zero vector, which has no cosine": None for name in sorted(zero) if ODD[name].strip()}
    if wrong:
        return "failed", "; ".join(wrong)
    if zero and retriever.info.similarity == "cosine":
        return "note", f"a zero vector, which has no cosine and would be refused, for {', '.join(sorted(zero))}"
    return "passed", ", ".join(ODD)


def _failure(encode: Callable[[Any], Any], text: Any, name: str, info: RetrieverInfo) -> str:
    try:
        called(encode, [text], [name], info, "text")
    except Exception as error:
        return f"{name}: {error.__cause__ or error}"
    return ""


def long_texts_are_encoded(retriever: Retriever) -> Finding:
    seconds: dict[int, float] = {}
    for words in (LONG, VERY_LONG):
        if max(seconds.values(), default=0) > PATIENCE:
            break
        started = time.perf_counter()
        passages(retriever, bare(["river " * words]))
        seconds[words] = time.perf_counter() - started
    measured = ", ".join(f"{words:,} words in {taken:.1f} s" for words, taken in seconds.items())
    return ("passed", measured) if VERY_LONG in seconds else ("note", f"{measured}; {VERY_LONG:,} were not tried")


def what_is_given_is_left_alone(retriever: Retriever) -> Finding:
    texts, given, info = list(TEXTS), list(PASSAGES), retriever.info
    retriever.encode_queries(texts)
    retriever.encode_passages(given)
    if texts != list(TEXTS) or given != list(PASSAGES):
        return "failed", "a list of texts was changed, which belongs to the caller"
    if retriever.info != info:
        return "failed", "info changed, which names the vectors in the store"
    return "passed", "texts, passages and info"


def random_numbers_are_left_alone(retriever: Retriever) -> Finding:
    random.random(), np.random.random()  # noqa: S311  # off any seed, so that the same seed set once more is seen
    before = _random_state()
    queries(retriever, list(TEXTS))
    if _random_state() != before:
        return "failed", "the global generator of random or numpy was used or seeded; use one of your own"
    return "passed", "the global generators of random and numpy"


def _random_state() -> tuple[Any, ...]:
    state: Any = np.random.get_state(legacy=False)
    return random.getstate(), state["state"]["key"].tobytes(), state["state"]["pos"]


def translations_are_found(retriever: Retriever) -> Finding:
    """Without a verdict, as an English retriever conforms as well."""
    every = queries(retriever, [text for texts in QUESTIONS.values() for text in texts])
    languages = dict(zip(QUESTIONS, np.split(every, len(QUESTIONS)), strict=True))
    english = languages.pop("en")
    own = np.arange(len(english))
    found = {name: int(((vectors @ english.T).argmax(axis=1) == own).sum()) for name, vectors in languages.items()}
    measured = ", ".join(f"{name} {count}" for name, count in found.items())
    collapsed = [name for name, rows in languages.items() if apart(rows, np.roll(rows, 1, axis=0)) <= TOLERANCE]
    said = f"; all have one vector in {', '.join(collapsed)}" if collapsed else ""
    return "note", f"of {len(english)} questions the nearest in English is their own: {measured}{said}"


def speed(retriever: Retriever) -> Finding:
    """Without a verdict."""
    questions = [f"{number} {QUESTIONS['en'][number % 4]}" for number in range(32)]
    started = time.perf_counter()
    queries(retriever, questions)
    middle = time.perf_counter()
    passages(retriever, bare([f"{PARAGRAPH} {question}" for question in questions[:8]]))
    ended = time.perf_counter()
    rates = f"{len(questions) / (middle - started):,.0f} questions or {8 / (ended - middle):,.0f} passages of 100 words"
    return "note", f"{rates} a second on this machine"


CHECKS: tuple[Check[Retriever], ...] = (
    stated.info_is_complete,
    one_row_per_text,
    no_texts_give_no_rows,
    stated.vectors_have_a_length,
    different_texts_differ,
    twice_the_same,
    alone_as_in_a_batch,
    in_any_order,
    a_list_or_a_tuple,
    stated.titles_are_read,
    stated.titles_are_joined_as_stated,
    stated.roles_are_as_stated,
    stated.query_length_is_as_stated,
    stated.passage_length_is_as_stated,
    odd_texts_are_encoded,
    long_texts_are_encoded,
    what_is_given_is_left_alone,
    random_numbers_are_left_alone,
    translations_are_found,
    speed,
)
