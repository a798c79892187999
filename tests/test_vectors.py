"""What a retriever may return, what the harness makes of it, and who is named when it cannot be used."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xqgbench.errors import RetrieverError
from xqgbench.types import RetrieverInfo, Vectors
from xqgbench.vectors import checked, halved

DOT = RetrieverInfo(name="my-model", dim=2, similarity="dot")
COSINE = RetrieverInfo(name="my-model", dim=2, similarity="cosine")
IDS = ["a", "b", "c"]
GOOD = np.array([[3, 4], [0, 2], [-1, 0]], dtype=np.float32)

#: Any finite float32 that is not zero, across all magnitudes.
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False).filter(bool)


@pytest.mark.parametrize(
    "output",
    [
        GOOD,
        GOOD.astype(np.float64),
        GOOD.astype(np.float16),
        GOOD.astype(np.int64),
        GOOD.tolist(),
        [[3, 4], [0, 2], [-1, 0]],
        [tuple(row) for row in GOOD.tolist()],
        list(GOOD),
        np.asfortranarray(GOOD),
        np.repeat(GOOD, 2, axis=0)[::2],
    ],
    ids=["f32", "f64", "f16", "int", "floats", "ints", "tuples", "rows", "fortran", "strided"],
)
def test_any_array_of_numbers_becomes_contiguous_float32(output: Any) -> None:
    vectors = checked(output, IDS, DOT, "passage")
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert vectors.tolist() == [[3, 4], [0, 2], [-1, 0]]


def test_cosine_vectors_get_unit_length_and_keep_their_direction() -> None:
    # |(3, 4)| = 5
    assert checked(GOOD, IDS, COSINE, "passage").tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 1], [-1, 0]]


def test_dot_vectors_keep_their_lengths() -> None:
    assert checked(GOOD, IDS, DOT, "passage").tobytes() == GOOD.tobytes()


def test_the_retrievers_own_array_is_not_changed() -> None:
    own = GOOD.copy()
    checked(own, IDS, COSINE, "passage")
    assert np.array_equal(own, GOOD)


@pytest.mark.parametrize("info", [DOT, COSINE])
def test_no_texts_give_no_vectors(info: RetrieverInfo) -> None:
    assert checked(np.zeros((0, 2), dtype=np.float32), [], info, "passage").shape == (0, 2)


@pytest.mark.parametrize(
    ("output", "shape"),
    [
        (GOOD[:2], r"\(2, 2\)"),
        (np.vstack([GOOD, GOOD]), r"\(6, 2\)"),
        (np.zeros((0, 2)), r"\(0, 2\)"),
        (GOOD[0], r"\(2,\)"),
        (GOOD[None], r"\(1, 3, 2\)"),
        (np.ones((3, 2, 4)), r"\(3, 2, 4\)"),
        (1.5, r"\(1,\)"),
    ],
    ids=["too few", "too many", "none", "one vector", "a batch of batches", "a vector per token", "a number"],
)
def test_another_number_of_rows_is_refused_with_the_batch_that_it_came_from(output: Any, shape: str) -> None:
    with pytest.raises(
        RetrieverError, match=f"'my-model' returned shape {shape} for 3 passage texts.*First text of the batch: 'a'"
    ):
        checked(output, IDS, DOT, "passage")


def test_another_dimension_than_promised_is_refused_with_both() -> None:
    with pytest.raises(RetrieverError, match=r"'my-model' returned query vectors of dimension 3, .* says dim=2"):
        checked(np.ones((3, 3)), IDS, DOT, "query")


def test_a_transposed_batch_is_refused() -> None:
    with pytest.raises(RetrieverError, match=r"shape \(2, 3\) for 3 passage texts"):
        checked(GOOD.T, IDS, DOT, "passage")


@pytest.mark.parametrize("info", [DOT, COSINE])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_names_its_text(info: RetrieverInfo, value: float) -> None:
    vectors = GOOD.copy()
    vectors[1, 0] = value
    with pytest.raises(RetrieverError, match=r"'my-model' returned a NaN or infinite vector for passage 'b' \(1 of 3"):
        checked(vectors, IDS, info, "passage")


def test_of_several_bad_vectors_the_first_is_named_and_all_are_counted() -> None:
    vectors = GOOD.copy()
    vectors[1:] = np.nan
    with pytest.raises(RetrieverError, match=r"for generated query 'b' \(2 of 3 in this batch\)"):
        checked(vectors, IDS, DOT, "generated query")


@pytest.mark.parametrize("value", [1e300, -1e39])
def test_a_float64_beyond_float32_is_refused_like_any_infinite_value(value: float) -> None:
    # ... without a warning from numpy before it: warnings are errors in this suite.
    with pytest.raises(RetrieverError, match="infinite vector for passage 'c'"):
        checked([[1.0, 2.0], [3.0, 4.0], [value, 0.0]], IDS, DOT, "passage")


def test_a_zero_vector_has_no_cosine_and_names_its_text() -> None:
    vectors = GOOD.copy()
    vectors[2] = 0
    with pytest.raises(RetrieverError, match="'my-model' returned a zero vector for passage 'c', which has no cosine"):
        checked(vectors, IDS, COSINE, "passage")


def test_a_zero_vector_is_a_vector_under_dot_product() -> None:
    assert not checked(np.zeros((3, 2)), IDS, DOT, "passage").any()


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        ([[1, 2], [3], [4, 5]], "list"),
        ({"a": [1, 2]}, "dict"),
        (object(), "object"),
        ((row for row in [[1, 2]]), "generator"),
        ([["x", "y"]] * 3, "list"),
    ],
    ids=["ragged", "dict", "object", "generator", "words"],
)
def test_what_is_no_array_of_numbers_is_refused_by_its_type(output: Any, kind: str) -> None:
    message = rf"'my-model' returned {kind} for 3 query texts, .*Return a float32 numpy array of shape \(3, 2\)"
    with pytest.raises(RetrieverError, match=message):
        checked(output, IDS, DOT, "query")


def test_a_forgotten_return_is_the_retrievers_error() -> None:
    with pytest.raises(RetrieverError, match=r"'my-model' returned .* for 3 passage texts"):
        checked(None, IDS, DOT, "passage")


@pytest.mark.parametrize(
    "output", [GOOD.astype(np.complex64), GOOD.astype(np.str_), GOOD.astype(np.bytes_)], ids=["complex", "str", "bytes"]
)
def test_numbers_of_another_kind_are_not_converted_in_silence(output: npt.NDArray[Any]) -> None:
    with pytest.raises(RetrieverError, match="no array of numbers"):
        checked(output, IDS, DOT, "passage")


def test_a_torch_tensor_is_taken_as_it_is() -> None:
    torch = pytest.importorskip("torch")
    assert checked(torch.tensor(GOOD), IDS, DOT, "passage").tolist() == GOOD.tolist()


@pytest.mark.parametrize("kind", ["with gradients", "of bfloat16"])
def test_a_torch_tensor_that_numpy_cannot_read_is_the_retrievers_error(kind: str) -> None:
    # The two tensors that a plugin is likeliest to return by mistake: a forgotten no_grad, and half precision.
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(GOOD)
    output = tensor.requires_grad_() if kind == "with gradients" else tensor.bfloat16()
    with pytest.raises(RetrieverError, match="'my-model' returned Tensor for 3 passage texts"):
        checked(output, IDS, DOT, "passage")


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 8)), elements=NUMBERS))
@settings(max_examples=150, deadline=None)
def test_under_cosine_every_vector_has_unit_length_and_its_direction(vectors: Vectors) -> None:
    info = RetrieverInfo(name="any", dim=vectors.shape[1], similarity="cosine")
    unit = checked(vectors, [str(i) for i in range(len(vectors))], info, "passage")
    assert unit.dtype == np.float32
    lengths = np.linalg.norm(unit.astype(np.float64), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)
    exact = vectors.astype(np.float64)
    np.testing.assert_allclose(unit, exact / np.linalg.norm(exact, axis=1, keepdims=True), atol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 9), dim=st.integers(1, 1024))
@settings(max_examples=50, deadline=None)
def test_a_vector_is_the_same_to_the_last_bit_in_any_batch(seed: int, rows: int, dim: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    info = RetrieverInfo(name="any", dim=dim, similarity="cosine")
    ids = [str(i) for i in range(rows)]
    together = checked(vectors, ids, info, "passage")
    alone = [checked(vectors[i : i + 1], ids[i : i + 1], info, "passage") for i in range(rows)]
    assert together.tobytes() == np.vstack(alone).tobytes()


@given(
    rows=st.integers(0, 5),
    dim=st.integers(1, 5),
    expected=st.integers(0, 5),
    promised=st.integers(1, 5),
)
@settings(max_examples=100, deadline=None)
def test_an_array_passes_if_and_only_if_its_shape_is_the_promised_one(
    rows: int, dim: int, expected: int, promised: int
) -> None:
    info = RetrieverInfo(name="any", dim=promised, similarity="dot")
    ids = [str(i) for i in range(expected)]
    if (rows, dim) == (expected, promised):
        assert checked(np.ones((rows, dim)), ids, info, "query").shape == (rows, dim)
    else:
        with pytest.raises(RetrieverError, match="'any' returned"):
            checked(np.ones((rows, dim)), ids, info, "query")


# float16


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-65_000, 65_000, width=32)))
def test_rounding_to_float16_is_numpys_and_changes_each_value_by_half_a_unit_at_most(vectors: Any) -> None:
    lost = vectors.any(axis=1) & ~vectors.astype(np.float16).any(axis=1)
    if lost.any():
        return  # refused, see below
    half = halved(vectors, ["a", "b", "c"], DOT, "passage")
    assert half.dtype == np.float16
    assert half.tobytes() == vectors.astype(np.float16).tobytes()
    assert (np.abs(half.astype(np.float64) - vectors) <= np.maximum(np.abs(vectors) * 2.0**-11, 2.0**-25)).all()


@pytest.mark.parametrize(("value", "shown"), [(65_520.0, "65520"), (-1e6, "1e\\+06"), (1e-9, "1e-09")])
def test_what_float16_cannot_hold_is_refused_by_name(value: float, shown: str) -> None:
    """65,520 is the least number that rounds to infinity; 1e-9 would become zero, and with it the whole vector."""
    vectors = np.ones((3, 4), np.float32)
    vectors[1] = [0, value, 0, 0]
    said = f"the vector of passage 'b' cannot be kept as float16 .*value is {shown}, .*leave out --store-dtype"
    with pytest.raises(RetrieverError, match=said):
        halved(vectors, ["a", "b", "c"], DOT, "passage")


def test_zero_vectors_and_the_largest_value_of_float16_are_kept() -> None:
    vectors = np.array([[0, 0], [65_504, -65_504], [65_519, 6e-8]], np.float32)
    expected = np.array([[0, 0], [65_504, -65_504], [65_504, 6e-8]], np.float16)
    assert halved(vectors, ["a", "b", "c"], DOT, "passage").tobytes() == expected.tobytes()
