"""Batches of texts: like lengths together, every text once, none depending on where it stands."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xqgbench.retrievers import batches
from xqgbench.retrievers.batches import Features
from xqgbench.types import Vectors

torch = pytest.importorskip("torch")


def tokenise(texts: list[str]) -> Features:
    """A token per character, padded on the right."""
    width = max(map(len, texts), default=0)
    ids = torch.tensor([[ord(c) for c in text] + [0] * (width - len(text)) for text in texts])
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}


def tokenise_left(texts: list[str]) -> Features:
    """The same, padded on the left."""
    return {name: value.flip(1) for name, value in tokenise([text[::-1] for text in texts]).items()}


class Forward:
    """Sum and number of the tokens that count; remembers the shapes it was given."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, int]] = []

    def __call__(self, features: Features) -> Vectors:
        self.shapes.append(tuple(features["input_ids"].shape))
        mask = features["attention_mask"]
        columns = torch.stack([(features["input_ids"] * mask).sum(dim=1), mask.sum(dim=1)], dim=1)
        vectors: Vectors = columns.float().numpy()
        return vectors


def expected(texts: Sequence[str]) -> Vectors:
    return np.array([[sum(map(ord, text)), len(text)] for text in texts], dtype=np.float32).reshape(len(texts), 2)


TEXTS = st.lists(st.text(st.characters(min_codepoint=1, max_codepoint=1_000), min_size=1, max_size=30), max_size=40)


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.integers(1, 60), st.integers(1, 3), st.booleans())
def test_every_text_gets_its_own_vector_whatever_the_batches(
    texts: list[str], budget: int, workers: int, left: bool
) -> None:
    forwards = [Forward() for _ in range(workers)]
    found = batches.encode(texts, tokenise_left if left else tokenise, forwards, 2, budget)
    np.testing.assert_array_equal(found, expected(texts))
    for rows, width in (shape for forward in forwards for shape in forward.shapes):
        assert rows == 1 or rows * width <= budget


def test_texts_of_like_length_share_a_batch_and_little_is_padded() -> None:
    lengths = np.random.default_rng(1).integers(1, 120, size=600)
    forward = Forward()
    batches.encode(["x" * int(n) for n in lengths], tokenise, [forward], 2, 512)
    padded = sum(rows * width for rows, width in forward.shapes)
    assert padded < 1.05 * lengths.sum()
    assert len(forward.shapes) < 1.3 * lengths.sum() / 512


def test_a_budget_of_one_token_gives_every_text_a_batch_of_its_own() -> None:
    forward = Forward()
    batches.encode(["aaa", "b", "cc", "b"], tokenise, [forward], 2, 1)
    assert sorted(forward.shapes) == [(1, 1), (1, 1), (1, 2), (1, 3)]


@pytest.mark.parametrize("kind", [tokenise, tokenise_left])
def test_a_text_of_no_tokens_leaves_the_others_whole(kind: Any) -> None:
    """Some tokenizers make nothing of an empty text, and its row is padding alone."""
    texts = ["abc", "", "d", "efgh"]
    np.testing.assert_array_equal(batches.encode(texts, kind, [Forward()], 2, 1), expected(texts))


def test_what_is_no_tensor_is_handed_to_every_batch() -> None:
    """sentence-transformers says beside the tokens that they are text."""
    seen = []

    def forward(features: Features) -> Vectors:
        seen.append((tuple(features["input_ids"].shape), features["modality"], features["prompt_length"]))
        return np.zeros((len(features["input_ids"]), 2), dtype=np.float32)

    batches.encode(
        ["aaa", "b"], lambda texts: {**tokenise(texts), "modality": "text", "prompt_length": 2}, [forward], 2, 1
    )
    assert sorted(seen) == [((1, 1), "text", 2), ((1, 3), "text", 2)]


def test_the_longest_texts_come_first() -> None:
    """So that what does not fit into memory is known at once."""
    forward = Forward()
    batches.encode(["x" * n for n in range(1, 700)], tokenise, [forward], 2, 2_000)
    widths = [width for _, width in forward.shapes]
    assert widths[0] == 699
    assert widths == sorted(widths, reverse=True)


def test_which_texts_share_a_batch_does_not_depend_on_who_is_how_fast() -> None:
    def shapes(delays: Sequence[float]) -> list[tuple[int, int]]:
        class Slow(Forward):
            def __init__(self, delay: float) -> None:
                super().__init__()
                self.delay = delay

            def __call__(self, features: Features) -> Vectors:
                time.sleep(self.delay)
                return super().__call__(features)

        workers = [Slow(delay) for delay in delays]
        batches.encode(["x" * (i % 37 + 1) for i in range(300)], tokenise, workers, 2, 200)
        return sorted(shape for worker in workers for shape in worker.shapes)

    assert shapes([0.0, 0.003]) == shapes([0.0]) == shapes([0.001, 0.0, 0.0])


def test_the_next_texts_are_tokenised_while_others_are_encoded() -> None:
    """The first batch is not done before the second piece is tokenised, or this ends with an error."""
    tokenised = threading.Semaphore(0)

    def counting(texts: list[str]) -> Features:
        tokenised.release()
        return tokenise(texts)

    def waiting(features: Features) -> Vectors:
        if not tokenised.acquire(timeout=20):
            raise TimeoutError("nothing is tokenised meanwhile")
        return Forward()(features)

    texts = ["ab"] * (batches.PIECE * 3)
    tokens = 2 * batches.PIECE  # a piece is a batch
    assert batches.encode(texts, counting, [waiting], 2, tokens).shape == (len(texts), 2)


def test_more_texts_than_a_window_come_back_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "WINDOW", 8)
    monkeypatch.setattr(batches, "PIECE", 4)
    texts = ["x" * (i * 7 % 11 + 1) for i in range(30)]
    np.testing.assert_array_equal(batches.encode(texts, tokenise, [Forward()], 2, 12), expected(texts))


def test_features_that_are_no_rows_of_tokens_stay_together() -> None:
    """Bags of words, say: one row of all tokens, and where each text begins."""

    def bags(texts: list[str]) -> dict[str, Any]:
        starts = np.cumsum([0, *map(len, texts)])[:-1]
        return {"input_ids": torch.tensor([ord(c) for c in "".join(texts)]), "offsets": torch.tensor(starts)}

    def forward(features: Features) -> Vectors:
        bounds = [*features["offsets"].tolist(), len(features["input_ids"])]
        parts = [features["input_ids"][a:b] for a, b in itertools.pairwise(bounds)]
        return np.array([[part.sum(), len(part)] for part in parts], dtype=np.float32)

    texts = ["abc", "d", "efgh"]
    np.testing.assert_array_equal(batches.encode(texts, bags, [forward], 2, 3), expected(texts))


def test_what_fails_comes_through_and_the_rest_is_not_waited_for() -> None:
    calls = []

    def failing(features: Features) -> Vectors:
        calls.append(1)
        time.sleep(0.01)
        raise MemoryError("out of memory")

    with pytest.raises(MemoryError, match="out of memory"):
        batches.encode(["x" * 9] * 2_000, tokenise, [failing], 2, 1)
    assert len(calls) < 500
