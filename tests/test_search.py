"""Exact search against brute force, where scores tie, almost tie, or come in chunks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xqgbench.search import pair_scores, search
from xqgbench.types import Chunk, Ranking, Vectors

SEEDS = st.integers(0, 2**32 - 1)


def f32(rows: Sequence[Sequence[float]]) -> Vectors:
    return np.array(rows, dtype=np.float32)


def oracle(queries: Vectors, ids: Sequence[str], vectors: Vectors, depth: int) -> list[list[tuple[str, float]]]:
    """Every inner product, correctly rounded from its exact value; sorted by score, then id, by Python alone."""
    rankings = []
    for query in queries.tolist():
        scores = [math.fsum(a * b for a, b in zip(query, row, strict=True)) for row in vectors.tolist()]
        rankings.append(sorted(zip(ids, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))[:depth])
    return rankings


def chunked(ids: Sequence[str], vectors: Vectors, bounds: Sequence[int]) -> list[Chunk]:
    edges = [0, *sorted(bounds), len(ids)]
    return [(ids[a:b], vectors[a:b]) for a, b in itertools.pairwise(edges)]


def ids_of(rankings: Sequence[Ranking]) -> list[list[str]]:
    return [list(ranking.passage_ids) for ranking in rankings]


def assert_agrees(rankings: Sequence[Ranking], expected: list[list[tuple[str, float]]], rtol: float = 0.0) -> None:
    assert ids_of(rankings) == [[passage for passage, _ in ranking] for ranking in expected]
    for ranking, pairs in zip(rankings, expected, strict=True):
        assert ranking.scores.dtype == np.float64
        np.testing.assert_allclose(ranking.scores, [score for _, score in pairs], rtol=rtol, atol=rtol)


def assert_same(first: Sequence[Ranking], second: Sequence[Ranking]) -> None:
    """The same ids and, to the last bit, the same scores."""
    assert ids_of(first) == ids_of(second)
    assert [ranking.scores.tobytes() for ranking in first] == [ranking.scores.tobytes() for ranking in second]


def shuffled_ids(rng: np.random.Generator, size: int) -> list[str]:
    """Distinct ids of different lengths whose order has nothing to do with the order of the passages."""
    return [f"{number}#{'é' if number % 3 else '0'}" for number in rng.permutation(size * 7)[:size]]


@st.composite
def integer_collections(draw: st.DrawFn) -> tuple[Vectors, list[str], Vectors, list[int]]:
    """Small integers in few dimensions: ties are plentiful, and every score is exact in float32 and float64."""
    rng = np.random.default_rng(draw(SEEDS))
    dim, size, top = draw(st.integers(1, 3)), draw(st.integers(1, 90)), draw(st.integers(0, 2))
    queries = rng.integers(-top, top + 1, size=(draw(st.integers(1, 4)), dim)).astype(np.float32)
    vectors = rng.integers(-top, top + 1, size=(size, dim)).astype(np.float32)
    return queries, shuffled_ids(rng, size), vectors, draw(st.lists(st.integers(0, size), max_size=6))


@st.composite
def float_collections(draw: st.DrawFn) -> tuple[Vectors, list[str], Vectors, list[int]]:
    """Random directions, some of them twice, some a float32 step beside another."""
    rng = np.random.default_rng(draw(SEEDS))
    dim, size = draw(st.integers(2, 40)), draw(st.integers(1, 90))
    vectors = rng.normal(size=(size, dim)).astype(np.float32)
    share = draw(st.sampled_from([0.0, 0.5, 1.0]))
    twins = rng.random(size) < share
    vectors[twins] = vectors[rng.integers(0, size, size=max(1, size // 20))][
        rng.integers(0, max(1, size // 20), twins.sum())
    ]
    near = rng.random(size) < share / 2
    column = rng.integers(0, dim)
    vectors[near, column] = np.nextafter(vectors[near, column], np.float32(9))
    queries = rng.normal(size=(draw(st.integers(1, 4)), dim)).astype(np.float32)
    return queries, shuffled_ids(rng, size), vectors, draw(st.lists(st.integers(0, size), max_size=6))


@given(collection=integer_collections(), depth=st.integers(1, 100))
@settings(max_examples=200, deadline=None)
def test_ties_are_ordered_by_id_as_brute_force_orders_them(
    collection: tuple[Vectors, list[str], Vectors, list[int]], depth: int
) -> None:
    queries, ids, vectors, bounds = collection
    assert_agrees(search(queries, chunked(ids, vectors, bounds), depth), oracle(queries, ids, vectors, depth))


@given(collection=float_collections(), depth=st.integers(1, 100))
@settings(max_examples=120, deadline=None)
def test_random_vectors_their_twins_and_neighbours_are_ranked_as_by_brute_force(
    collection: tuple[Vectors, list[str], Vectors, list[int]], depth: int
) -> None:
    queries, ids, vectors, bounds = collection
    found = search(queries, chunked(ids, vectors, bounds), depth)
    assert_agrees(found, oracle(queries, ids, vectors, depth), rtol=1e-13)


@given(collection=float_collections(), depth=st.integers(1, 30), seed=SEEDS)
@settings(max_examples=50, deadline=None)
def test_chunks_and_their_order_change_no_bit(
    collection: tuple[Vectors, list[str], Vectors, list[int]], depth: int, seed: int
) -> None:
    queries, ids, vectors, bounds = collection
    whole = search(queries, [(ids, vectors)], depth)
    chunks = chunked(ids, vectors, bounds)
    order = np.random.default_rng(seed).permutation(len(chunks))
    assert_same(search(queries, [chunks[i] for i in order], depth), whole)
    single = [(ids[i : i + 1], vectors[i : i + 1]) for i in np.random.default_rng(seed).permutation(len(ids))]
    assert_same(search(queries, single, depth), whole)


@given(collection=float_collections(), depth=st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_a_query_is_ranked_alike_alone_and_among_others(
    collection: tuple[Vectors, list[str], Vectors, list[int]], depth: int
) -> None:
    queries, ids, vectors, bounds = collection
    together = search(queries, chunked(ids, vectors, bounds), depth)
    alone = [search(queries[i : i + 1], [(ids, vectors)], depth)[0] for i in range(len(queries))]
    assert_same(together, alone)


@pytest.mark.parametrize("depth", [1, 10, 300])
def test_a_collection_of_real_size_in_chunks_of_any_size_gives_one_outcome(depth: int) -> None:
    rng = np.random.default_rng(20)
    queries = rng.normal(size=(60, 96)).astype(np.float32)  # up to 60 x 300 candidates: many batches
    vectors = rng.normal(size=(3_000, 96)).astype(np.float32)
    vectors[1_500:] = vectors[:1_500]
    ids = shuffled_ids(rng, 3_000)
    whole = search(queries, [(ids, vectors)], depth)
    for size in (7, 100, 1_024):
        assert_same(search(queries, chunked(ids, vectors, range(size, 3_000, size)), depth), whole)
    assert_agrees(whole[:3], oracle(queries[:3], ids, vectors, depth), rtol=1e-12)


def test_thousands_of_queries_are_ranked_as_each_alone() -> None:
    rng = np.random.default_rng(23)
    queries = rng.integers(-3, 4, size=(5_000, 4)).astype(np.float32)
    vectors = rng.integers(-3, 4, size=(50, 4)).astype(np.float32)
    ids = shuffled_ids(rng, 50)
    found = search(queries, chunked(ids, vectors, [20]), 5)
    assert len(found) == 5_000
    assert_agrees(found, oracle(queries, ids, vectors, 5))


def test_the_number_of_threads_changes_no_bit() -> None:
    rng = np.random.default_rng(21)
    queries, vectors = (rng.normal(size=(n, 48)).astype(np.float32) for n in (40, 900))
    vectors[::3] = vectors[0]
    ids = shuffled_ids(rng, 900)
    before = faiss.omp_get_max_threads()
    outcomes = []
    try:
        for threads in (1, 4):
            faiss.omp_set_num_threads(threads)
            outcomes.append(search(queries, [(ids, vectors)], 30))
    finally:
        faiss.omp_set_num_threads(before)
    assert_same(*outcomes)


def test_scores_agree_with_faiss_flat_index() -> None:
    rng = np.random.default_rng(22)
    queries, vectors = (rng.normal(size=(n, 384)).astype(np.float32) for n in (50, 2_000))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(384)
    index.add(vectors)
    scores, places = index.search(queries, 100)
    found = search(queries, [([f"p{i}" for i in range(2_000)], vectors)], 100)
    np.testing.assert_allclose(np.stack([ranking.scores for ranking in found]), scores, atol=1e-6)
    for ranking, theirs, values in zip(found, places, scores, strict=True):
        sure = {f"p{i}" for i, value in zip(theirs, values, strict=True) if value > ranking.scores[-1] + 1e-6}
        assert sure <= set(ranking.passage_ids)
        assert len(sure) >= 90  # the check above is about nearly all of them


# Crowds at the border of the ranking, larger than any fixed number of spare candidates could hold.


@pytest.mark.parametrize("size", [4, 60, 5_000])
@pytest.mark.parametrize("depth", [1, 3])
def test_when_all_scores_are_equal_the_smallest_ids_win(size: int, depth: int) -> None:
    rng = np.random.default_rng(size)
    ids = shuffled_ids(rng, size)
    vectors = np.tile(f32([[0.1, 0.7, 0.3]]), (size, 1))
    queries = f32([[0.3, 0.2, 0.9], [0, 0, 0], [-1, -1, -1]])
    found = search(queries, [(ids, vectors)], depth)
    assert ids_of(found) == [sorted(ids)[:depth]] * 3
    assert all(len(set(ranking.scores.tolist())) == 1 for ranking in found)


def near_ties(size: int) -> tuple[Vectors, Vectors]:
    """Passages whose scores 1 + i / 2**30 all round to 1 in float32, and differ in float64; the last is the best."""
    query = f32([[1, 2.0**-30]])
    vectors = f32([(1, i) for i in range(size)])
    return query, vectors


@pytest.mark.parametrize("chunk", [500, 100, 30, 7, 1])
def test_near_ties_below_the_resolution_of_float32_are_told_apart(chunk: int) -> None:
    size, depth = 60, 3
    query, vectors = near_ties(size)
    assert set((vectors @ query[0]).tolist()) == {1.0}  # float32 cannot tell
    ids = [f"p{i:02}" for i in range(size)]  # by id the first would win, by score the last does
    (found,) = search(query, chunked(ids, vectors, range(chunk, size, chunk)), depth)
    assert found.passage_ids == ("p59", "p58", "p57")
    assert found.scores.tolist() == [1 + 59 * 2.0**-30, 1 + 58 * 2.0**-30, 1 + 57 * 2.0**-30]


@pytest.mark.parametrize("place", ["first", "last"])
def test_near_ties_that_crowd_the_last_rank_alone_are_told_apart(place: str) -> None:
    # Two clear winners, then 60 near-ties for the third place: the best of them is neither first nor last on disk.
    query, ties = near_ties(60)
    ties[[30, 59]] = ties[[59, 30]]
    winners = f32([(5, 0), (4, 0)])
    parts = [winners, ties] if place == "first" else [ties, winners]
    names = [["w5", "w4"], [f"t{i:02}" for i in range(60)]]
    ids = [name for part in (names if place == "first" else names[::-1]) for name in part]
    (found,) = search(query, [(ids, np.concatenate(parts))], 3)
    assert found.passage_ids == ("w5", "w4", "t30")


def test_one_query_with_many_near_ties_leaves_the_others_as_they_are() -> None:
    tied, ties = near_ties(60)
    queries = np.concatenate([f32([[0, 1]]), tied, f32([[0, -1]]), tied])
    ids = [f"p{i:02}" for i in range(60)]
    found = search(queries, [(ids, ties)], 2)
    assert ids_of(found) == [["p59", "p58"], ["p59", "p58"], ["p00", "p01"], ["p59", "p58"]]


@given(seed=SEEDS, depth=st.integers(1, 6), bounds=st.lists(st.integers(0, 120), max_size=4))
@settings(max_examples=60, deadline=None)
def test_crowds_of_near_ties_are_ranked_as_by_brute_force(seed: int, depth: int, bounds: list[int]) -> None:
    rng = np.random.default_rng(seed)
    query, ties = near_ties(60)
    crowd = np.concatenate([ties, ties[rng.integers(0, 60, size=60)]])[rng.permutation(120)]
    ids = shuffled_ids(rng, 120)
    assert_agrees(search(query, chunked(ids, crowd, bounds), depth), oracle(query, ids, crowd, depth))


# The edges.


@pytest.mark.parametrize("depth", [2, 3, 100])
def test_a_depth_beyond_the_collection_ranks_all_of_it(depth: int) -> None:
    (found,) = search(f32([[1, 0]]), [(["a"], f32([[1, 5]])), (["b"], f32([[2, 5]]))], depth)
    assert found.passage_ids == ("b", "a")
    assert found.scores.tolist() == [2, 1]


def test_one_passage_is_the_whole_ranking() -> None:
    (found,) = search(f32([[2, 3]]), [(["only"], f32([[5, 7]]))], 10)
    assert found.passage_ids == ("only",)
    assert found.scores.tolist() == [31]  # 2 x 5 + 3 x 7


def test_empty_chunks_are_passed_over() -> None:
    nothing: Chunk = ([], np.zeros((0, 1), dtype=np.float32))
    chunks = [nothing, (["a"], f32([[1]])), nothing, (["b"], f32([[2]])), nothing]
    (found,) = search(f32([[1]]), chunks, 5)
    assert found.passage_ids == ("b", "a")


def test_a_collection_without_passages_gives_empty_rankings() -> None:
    nothing: Chunk = ([], np.zeros((0, 2), dtype=np.float32))
    streams: list[list[Chunk]] = [[], [nothing]]
    for chunks in streams:
        found = search(np.ones((3, 2), dtype=np.float32), chunks, 5)
        assert ids_of(found) == [[], [], []]
        assert all(ranking.scores.shape == (0,) for ranking in found)


def test_no_queries_give_no_rankings_and_still_read_the_stream() -> None:
    read: list[int] = []

    def chunks() -> Iterator[Chunk]:
        for i in range(3):
            yield [f"p{i}"], np.ones((1, 2), dtype=np.float32)
            read.append(i)

    assert search(np.zeros((0, 2), dtype=np.float32), chunks(), 5) == []
    assert read == [0, 1, 2]


def test_zero_and_minus_zero_are_one_score() -> None:
    # (0, 1).(x, 0): 0 x -1 is -0.0 and 0 x 1 is +0.0; as floats they are equal, so the ids decide.
    ids, vectors = ["c", "b", "a"], f32([(1, 0), (-1, 0), (1, 0)])
    (found,) = search(f32([[0, 0]]), [(ids, vectors)], 3)
    assert found.passage_ids == ("a", "b", "c")


def test_ids_are_ordered_as_python_orders_strings() -> None:
    ids = ["10", "9", "Z", "a", "é", "語", "1", "10#1", "𝄞", "ﬀ"]
    for bounds in (range(0), range(1, 10)):
        (found,) = search(f32([[1]]), chunked(ids, np.ones((10, 1), dtype=np.float32), bounds), 10)
        assert list(found.passage_ids) == sorted(ids)
        assert {type(passage) for passage in found.passage_ids} == {str}


def test_negative_scores_are_scores() -> None:
    (found,) = search(f32([[-1]]), [(["a", "b", "c"], f32([[3], [1], [2]]))], 2)
    assert found.passage_ids == ("b", "c")
    assert found.scores.tolist() == [-1, -2]


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_products_beyond_float32_lose_no_passage() -> None:
    # Finite float32 vectors whose products are not: 1e20 x 1e20 is infinite in float32, the sum for "d" is NaN there.
    ids, vectors = ["a", "b", "c", "d"], f32([(2e19, 0), (1e20, 0), (3e19, 0), (9e19, -2e19)])
    (found,) = search(f32([[1e20, 1e20]]), [(ids, vectors)], 3)
    assert found.passage_ids == ("b", "d", "c")
    np.testing.assert_allclose(found.scores, [1e40, 7e39, 3e39], rtol=1e-6)


def test_products_below_float32_are_still_told_apart() -> None:
    # 1e-30 x 1e-30 is zero in float32 and 1e-60 in float64.
    ids = [f"p{i:02}" for i in range(40)]
    vectors = np.arange(40, dtype=np.float32)[:, None] * np.float32(1e-30)
    (found,) = search(f32([[1e-30]]), [(ids, vectors)], 2)
    assert found.passage_ids == ("p39", "p38")


@pytest.mark.parametrize("pairs", [1, 1_023, 1_024, 1_025, 40_003])
def test_pairs_are_scored_alike_in_batches_of_any_size(pairs: int) -> None:
    rng = np.random.default_rng(pairs)
    queries, vectors = (rng.normal(size=(n, 17)).astype(np.float32) for n in (20, 50))
    rows, columns = rng.integers(0, 20, size=pairs), rng.integers(0, 50, size=pairs)
    scores = pair_scores(queries, vectors, rows, columns)
    assert scores.dtype == np.float64
    exact = queries.astype(np.float64) @ vectors.astype(np.float64).T
    np.testing.assert_allclose(scores, exact[rows, columns], rtol=1e-12, atol=1e-13)
    one = np.array([pair_scores(queries, vectors, rows[[i]], columns[[i]])[0] for i in (0, pairs - 1)])
    assert one.tobytes() == scores[[0, -1]].tobytes()
