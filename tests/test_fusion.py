"""The arithmetic of xQG against hand-worked numbers, against the paper's raw sum, and as properties."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xqgbench.errors import InvalidParameter, UnknownName
from xqgbench.fusion import Counts, Fusion, fuse, pool, reduce_queries
from xqgbench.types import Vectors

#: language -> per passage its generated-query vectors, best first.
Generated = Mapping[str, Sequence[Sequence[Sequence[float]]]]

SEEDS = st.integers(0, 2**32 - 1)
ALPHAS = st.floats(0, 1, allow_subnormal=False)


def f32(rows: Sequence[Any]) -> Vectors:
    return np.array(rows, dtype=np.float32)


def pooled(generated: Generated, dim: int, languages: Sequence[str]) -> tuple[Vectors, Counts]:
    """Means and counts as an evaluation makes them: reduced per language, then pooled."""
    counts = {code: np.array([len(own) for own in generated[code]], dtype=np.int64) for code in languages}
    rows = {code: f32([query for own in generated[code] for query in own]).reshape(-1, dim) for code in languages}
    means = {code: reduce_queries(rows[code], counts[code]) for code in languages}
    return pool(means, counts, languages)


def random_collection(seed: int, counts: Mapping[str, Sequence[int]], dim: int = 6) -> tuple[Vectors, Generated]:
    """Passage vectors, and generated-query vectors of the given counts; not unit vectors, so that lengths matter."""
    rng = np.random.default_rng(seed)
    size = len(next(iter(counts.values())))
    generated = {code: [rng.normal(size=(n, dim)).tolist() for n in own] for code, own in counts.items()}
    return rng.normal(size=(size, dim)).astype(np.float32), generated


# The hand-worked example: two dimensions, two languages, two queries per language, so that the nominal count is 4.
#
#   passage      fi                ja               mean of all      4 x mean
#   a (1, 0)     (1, 1), (3, 1)    (0, 2), (2, 0)   (6, 4) / 4       (6, 4)     all there: 4 x mean = raw sum
#   b (0, 1)     (4, 0)            none             (4, 0) / 1       (16, 0)    one of four there
#   c (3, 4)     none              none             itself (3, 4)    (12, 16)
#
# Every number below is a binary fraction, so float32 holds it exactly and equality is the right comparison.
PASSAGES = f32([(1, 0), (0, 1), (3, 4)])
GENERATED: Generated = {"fi": [[(1, 1), (3, 1)], [(4, 0)], []], "ja": [[(0, 2), (2, 0)], [], []]}


@pytest.mark.parametrize(
    ("reduce", "alpha", "expected"),
    [
        # a: 3/4 (1, 0) + 1/4 (6, 4); b: 3/4 (0, 1) + 1/4 (16, 0); c: 3/4 (3, 4) + 1/4 (12, 16) = 7/4 (3, 4)
        ("sum", 0.25, [(2.25, 1), (4, 0.75), (5.25, 7)]),
        # a: 3/4 (1, 0) + 1/4 (1.5, 1); b: 3/4 (0, 1) + 1/4 (4, 0); c: itself
        ("mean", 0.25, [(1.125, 0.25), (1, 0.75), (3, 4)]),
        ("sum", 0.0, [(1, 0), (0, 1), (3, 4)]),
        ("mean", 0.0, [(1, 0), (0, 1), (3, 4)]),
        ("sum", 1.0, [(6, 4), (16, 0), (12, 16)]),
        ("mean", 1.0, [(1.5, 1), (4, 0), (3, 4)]),
    ],
)
def test_the_hand_worked_example_comes_out_exactly(reduce: Any, alpha: float, expected: Any) -> None:
    means, counts = pooled(GENERATED, 2, ["fi", "ja"])
    fused = fuse(PASSAGES, means, counts, Fusion(alpha=alpha, reduce=reduce, per_language=2), 2)
    assert fused.dtype == np.float32
    assert fused.tolist() == [list(row) for row in expected]


def test_the_hand_worked_example_in_one_language_alone() -> None:
    # Finnish alone, nominal count 2: a: 1/2 (1, 0) + 1/2 (4, 2); b: 1/2 (0, 1) + 1/2 x 2 (4, 0); c: 1/2 (3, 4) + (3, 4)
    means, counts = pooled(GENERATED, 2, ["fi"])
    fused = fuse(PASSAGES, means, counts, Fusion(alpha=0.5, per_language=2), 1)
    assert fused.tolist() == [[2.5, 1], [4, 0.5], [4.5, 6]]


def test_renormalised_vectors_have_the_hand_worked_direction_and_unit_length() -> None:
    # The `mean` rows at alpha 1/4, divided by their lengths: |(1.125, 0.25)| = sqrt(1.328125) = 1.152443,
    # |(1, 0.75)| = 1.25, |(3, 4)| = 5.
    means, counts = pooled(GENERATED, 2, ["fi", "ja"])
    fused = fuse(PASSAGES, means, counts, Fusion(alpha=0.25, reduce="mean", per_language=2, renormalise=True), 2)
    assert fused.dtype == np.float32
    np.testing.assert_allclose(fused, [(0.976187, 0.216930), (0.8, 0.6), (0.6, 0.8)], atol=1e-6)


def test_a_fused_vector_of_zeros_stays_zero_when_renormalised() -> None:
    fusion = Fusion(alpha=0.5, reduce="mean", renormalise=True)
    fused = fuse(f32([(1, 0)]), f32([(-1, 0)]), np.array([1]), fusion, 1)
    assert fused.tolist() == [[0, 0]]


def test_what_stands_in_the_means_of_a_passage_without_queries_is_never_used() -> None:
    fused = fuse(f32([(1, 2)]), f32([(99, 99)]), np.array([0]), Fusion(alpha=0.5, reduce="mean"), 7)
    assert fused.tolist() == [[1, 2]]


@pytest.mark.parametrize("renormalise", [False, True])
def test_fusing_leaves_its_inputs_as_they_were(renormalise: bool) -> None:
    passages, means, counts = f32([(1, 2), (3, 4)]), f32([(5, 6), (7, 8)]), np.array([1, 0])
    for array in (passages, means, counts):
        array.setflags(write=False)  # as vectors mapped from the store are
    fuse(passages, means, counts, Fusion(alpha=0.0, renormalise=renormalise), 1)
    assert passages.tolist() == [[1, 2], [3, 4]]


def test_the_paper_settings_are_the_defaults() -> None:
    # arXiv 2305.03950 and its published runs: alpha 0.01, a sum over 5 queries a language, not renormalised.
    assert Fusion().describe() == {
        "alpha": 0.01,
        "reduce": "sum",
        "languages": "all",
        "per_language": 5,
        "renormalise": False,
    }


@given(seed=SEEDS, alpha=ALPHAS, languages=st.integers(1, 7), per_language=st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_sum_is_the_raw_sum_of_the_paper_where_all_queries_are_there(
    seed: int, alpha: float, languages: int, per_language: int
) -> None:
    codes = [f"l{i}" for i in range(languages)]
    passages, generated = random_collection(seed, {code: [per_language] * 4 for code in codes})
    means, counts = pooled(generated, 6, codes)
    fused = fuse(passages, means, counts, Fusion(alpha=alpha, per_language=per_language), languages)
    # The paper's equation, as its authors compute it: every generated query's vector added up, in float64.
    raw = [
        sum(np.array(generated[code][i], dtype=np.float32).sum(axis=0, dtype=float) for code in codes) for i in range(4)
    ]
    paper = (1 - alpha) * passages.astype(float) + alpha * np.array(raw)
    np.testing.assert_allclose(fused, paper, rtol=0, atol=2e-6 * languages * per_language)


@given(seed=SEEDS, counts=st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_pooled_languages_give_the_mean_over_all_vectors(seed: int, counts: list[tuple[int, int, int]]) -> None:
    codes = ["ar", "fi", "ja"]
    per_language = dict(zip(codes, map(list, zip(*counts, strict=True)), strict=True))
    _, generated = random_collection(seed, per_language)
    means, total = pooled(generated, 6, codes)
    assert total.tolist() == [sum(row) for row in counts]
    assert means.dtype == np.float32
    for i, row in enumerate(means):
        everything = np.array([query for code in codes for query in generated[code][i]], dtype=np.float32)
        expected = everything.mean(axis=0, dtype=float) if len(everything) else np.zeros(6)
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-6)


@given(seed=SEEDS, counts=st.lists(st.integers(0, 5), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_a_mean_is_over_the_passages_own_queries_and_does_not_depend_on_its_neighbours(
    seed: int, counts: list[int]
) -> None:
    vectors = np.random.default_rng(seed).normal(size=(sum(counts), 5)).astype(np.float32)
    means = reduce_queries(vectors, np.array(counts, dtype=np.int64))
    assert means.dtype == np.float32
    assert means.shape == (len(counts), 5)
    end = 0
    for row, count in zip(means, counts, strict=True):
        own, end = vectors[end : end + count], end + count
        alone = reduce_queries(own, np.array([count], dtype=np.int64))[0]
        assert row.tobytes() == alone.tobytes()  # to the last bit
        expected = own.mean(axis=0, dtype=float) if count else np.zeros(5)
        np.testing.assert_allclose(row, expected, rtol=1e-6, atol=1e-7)


def test_means_are_summed_in_float64() -> None:
    # In float32, 2**25 + 3 - 2**25 is 4 or 0, from whichever end it is summed. The mean of the three is 1.
    for rows in ([[2**25], [3], [-(2**25)]], [[2**25, 3], [3, 2**25], [-(2**25), -(2**25)]]):
        assert reduce_queries(f32(rows), np.array([3])).tolist() == [[1.0] * len(rows[0])]


def test_passages_that_all_lack_queries_have_means_of_zeros() -> None:
    means = reduce_queries(np.zeros((0, 3), dtype=np.float32), np.zeros(4, dtype=np.int64))
    assert means.tolist() == [[0, 0, 0]] * 4


@given(
    seed=SEEDS,
    alpha=ALPHAS,
    reduce=st.sampled_from(["sum", "mean"]),
    counts=st.lists(st.integers(0, 3), min_size=1, max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_the_fused_score_is_the_weighted_sum_of_both_scores(
    seed: int, alpha: float, reduce: Any, counts: list[int]
) -> None:
    passages, generated = random_collection(seed, {"fi": counts})
    means, total = pooled(generated, 6, ["fi"])
    query = np.random.default_rng(seed + 1).normal(size=6)
    fused = fuse(passages, means, total, Fusion(alpha=alpha, reduce=reduce, per_language=3), 1)
    # (1 - alpha) q.p + alpha q.G, with G the nominal count times the mean, and a passage's own vector where it has none
    nominal = 3 if reduce == "sum" else 1
    for passage, own, row in zip(passages, generated["fi"], fused, strict=True):
        target = nominal * (np.mean(np.array(own, dtype=np.float32), axis=0, dtype=float) if own else passage)
        expected = (1 - alpha) * float(query @ passage) + alpha * float(query @ target)
        assert float(query @ row) == pytest.approx(expected, abs=3e-5)


@given(seed=SEEDS, reduce=st.sampled_from(["sum", "mean"]), counts=st.lists(st.integers(0, 3), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_alpha_0_returns_the_passage_and_alpha_1_forgets_it(seed: int, reduce: Any, counts: list[int]) -> None:
    passages, generated = random_collection(seed, {"fi": counts})
    means, total = pooled(generated, 6, ["fi"])
    assert np.array_equal(fuse(passages, means, total, Fusion(alpha=0, reduce=reduce), 1), passages)
    some = total > 0
    one = Fusion(alpha=1, reduce=reduce)
    others = fuse(passages + np.float32(1), means, total, one, 1)
    assert np.array_equal(fuse(passages, means, total, one, 1)[some], others[some])


@given(seed=SEEDS, alpha=ALPHAS, reduce=st.sampled_from(["sum", "mean"]))
@settings(max_examples=50, deadline=None)
def test_renormalising_changes_lengths_and_not_directions(seed: int, alpha: float, reduce: Any) -> None:
    passages, generated = random_collection(seed, {"fi": [2, 0, 1, 3]})
    means, counts = pooled(generated, 6, ["fi"])
    raw = fuse(passages, means, counts, Fusion(alpha=alpha, reduce=reduce), 1).astype(float)
    unit = fuse(passages, means, counts, Fusion(alpha=alpha, reduce=reduce, renormalise=True), 1)
    np.testing.assert_allclose(unit, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-6)


def test_unequal_counts_do_not_rank_passages_by_how_many_queries_they_have() -> None:
    # Both passages and all queries are the same vector: whoever has more queries must not win.
    generated: Generated = {"fi": [[(1, 0)] * 5, [(1, 0)]]}
    means, counts = pooled(generated, 2, ["fi"])
    fused = fuse(f32([(1, 0), (1, 0)]), means, counts, Fusion(alpha=0.5), 1)
    assert fused[0].tolist() == fused[1].tolist()


def test_an_alpha_out_of_a_numpy_grid_still_gives_float32() -> None:
    # np.linspace yields np.float64, which is a float; NumPy 2 lets it widen every array it meets.
    alpha = np.linspace(0, 1, 11)[3]
    assert isinstance(alpha, float)
    fused = fuse(PASSAGES, PASSAGES, np.array([1, 1, 1]), Fusion(alpha=alpha), 1)
    assert fused.dtype == np.float32
    assert np.array_equal(fused, fuse(PASSAGES, PASSAGES, np.array([1, 1, 1]), Fusion(alpha=float(alpha)), 1))


@pytest.mark.parametrize("kind", [int, float, np.float32, np.float64])
def test_a_description_is_ready_for_json_whatever_number_alpha_was(kind: Any) -> None:
    described = Fusion(alpha=kind(1), languages=("fi", "ja")).describe()
    assert json.loads(json.dumps(described)) == described == Fusion(alpha=1.0, languages=("fi", "ja")).describe()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Fusion()),
        (" ", Fusion()),
        ("alpha=0.2", Fusion(alpha=0.2)),
        ("alpha=0", Fusion(alpha=0.0)),
        ("alpha=1", Fusion(alpha=1.0)),
        ("alpha=2e-2", Fusion(alpha=0.02)),
        (" alpha = 0.2 , reduce = mean ", Fusion(alpha=0.2, reduce="mean")),
        ("languages=query", Fusion(languages="query")),
        ("languages=all", Fusion()),
        ("languages=fi", Fusion(languages=("fi",))),
        ("languages=ja+fi", Fusion(languages=("ja", "fi"))),
        ("languages=fi+ja+fi", Fusion(languages=("fi", "ja"))),
        ("per_language=1,renormalise=TRUE", Fusion(per_language=1, renormalise=True)),
        ("renormalise=false", Fusion()),
    ],
)
def test_good_parameters_are_read(text: str, expected: Fusion) -> None:
    assert Fusion.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alpha=1.5", r"alpha=1\.5 is outside 0 to 1"),
        ("alpha=-0.01", r"alpha=-0\.01 is outside 0 to 1"),
        ("alpha=nan", "alpha=nan is outside 0 to 1"),
        ("alpha=inf", "alpha=inf is outside 0 to 1"),
        ("alpha=high", "alpha=high is not a number"),
        ("alpha=0.1,alpha=0.2", "'alpha' is given twice"),
        ("alpha=0.1,reduce=mean,alpha=0.1", "'alpha' is given twice"),
        ("alpha=", "'alpha=' has no value; write alpha=VALUE"),
        ("alpha", "'alpha' has no value; write alpha=VALUE"),
        ("reduce=max", "reduce=max is not known"),
        ("per_language=0", "per_language=0 must be at least 1"),
        ("per_language=-1", "per_language=-1 must be at least 1"),
        ("per_language=2.5", r"per_language=2\.5 is not a number"),
        ("renormalise=yes", "renormalise=yes must be true or false"),
    ],
)
def test_impossible_values_are_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=f"^xqg: {message}"):
        Fusion.parse(text)


@pytest.mark.parametrize("text", ["languages=+", "languages=fi+", "languages=+fi", "languages=fi++ja"])
def test_an_empty_language_is_refused_where_it_is_written(text: str) -> None:
    with pytest.raises(InvalidParameter, match="languages="):
        Fusion.parse(text)


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [("alhpa=0.2", "alpha"), ("renormalize=true", "renormalise"), ("language=fi", "languages"), ("Alpha=1", "alpha")],
)
def test_a_misspelt_parameter_is_answered_with_the_right_one(text: str, suggestion: str) -> None:
    with pytest.raises(UnknownName, match=f"unknown xqg parameter .* Did you mean '{suggestion}'") as caught:
        Fusion.parse(text)
    assert caught.value.suggestions[0] == suggestion


@pytest.mark.parametrize("text", ["weight=3", "=3", "0.2"])
def test_a_parameter_like_no_other_is_answered_with_all_of_them(text: str) -> None:
    with pytest.raises(UnknownName, match="Known: alpha, languages, per_language, reduce, renormalise"):
        Fusion.parse(text)


@pytest.mark.parametrize(
    "values",
    [
        {"alpha": 1.01},
        {"alpha": -1},
        {"alpha": "0.1"},
        {"alpha": float("nan")},
        {"reduce": "max"},
        {"per_language": 0},
        {"languages": ()},
        {"languages": ""},
        {"languages": "fi"},  # a bare string is a sequence of letters: "fi" would be read as "f" and "i"
    ],
)
def test_the_same_values_are_refused_from_python(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(values))):
        Fusion(**values)


@given(
    fusion=st.builds(
        Fusion,
        alpha=ALPHAS,
        reduce=st.sampled_from(["sum", "mean"]),
        languages=st.one_of(
            st.sampled_from(["all", "query"]),
            st.lists(st.sampled_from(["ar", "fi", "swa"]), min_size=1, unique=True).map(tuple),
        ),
        per_language=st.integers(1, 100),
        renormalise=st.booleans(),
    )
)
@settings(max_examples=100, deadline=None)
def test_what_a_fusion_says_of_itself_can_be_read_back(fusion: Fusion) -> None:
    text = ",".join(f"{name}={value}" for name, value in fusion.describe().items())
    assert Fusion.parse(text) == fusion


def test_a_fused_ranking_can_turn_round_as_the_paper_intends() -> None:
    # q.a = 0.6 < q.b = 0.8; the generated query of a is the question itself, that of b has nothing to do with it.
    query: npt.NDArray[np.float64] = np.array([1.0, 0.0])
    passages, means = f32([(0.6, 0.8), (0.8, 0.6)]), f32([(1, 0), (0, 1)])
    fused = fuse(passages, means, np.array([1, 1]), Fusion(alpha=0.5, reduce="mean"), 1)
    # 0.5 x 0.6 + 0.5 x 1 = 0.8 and 0.5 x 0.8 + 0 = 0.4
    assert fused @ query == pytest.approx([0.8, 0.4])
