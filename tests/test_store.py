"""Vectors on disk: whole and unchanged, or not there at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.conftest import ROOT
from tests.test_files import contents, room_for
from xqgbench.errors import Damaged, StoreError
from xqgbench.store import Store, default_root, text_hash

IDENTITY: dict[str, Any] = {"name": "mine", "revision": "1", "prompts": ["query: ", "passage: "], "lengths": [32, None]}
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
SHAPE = VECTORS.shape


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "root", "mine", IDENTITY)


def same(found: npt.NDArray[Any] | None, expected: npt.NDArray[Any]) -> bool:
    """Equal to the last bit, NaN and negative zero included."""
    return (
        found is not None
        and found.dtype == expected.dtype
        and found.shape == expected.shape
        and found.tobytes() == expected.tobytes()
    )


# Round trips


@settings(deadline=None, max_examples=40)
@given(hnp.arrays(np.uint32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5)))
def test_float32_vectors_come_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, bits: Any) -> None:
    """Bits drawn at random hold infinities, subnormal numbers and NaNs of every kind."""
    store = Store(tmp_path_factory.mktemp("store"), "mine", IDENTITY)
    vectors = bits.view(np.float32)
    store.write("passages", "key", vectors)
    assert same(store.read("passages", "key"), vectors)


def test_what_was_never_written_is_not_there(store: Store) -> None:
    assert store.read("passages", "key") is None
    assert not store.folder.exists()


def test_roles_and_keys_are_kept_apart(store: Store) -> None:
    for number, (role, key) in enumerate([("queries", "a"), ("queries", "b"), ("passages", "a")]):
        store.write(role, key, VECTORS + number)
    assert same(store.read("queries", "a"), VECTORS)
    assert same(store.read("queries", "b"), VECTORS + 1)
    assert same(store.read("passages", "a"), VECTORS + 2)
    assert store.read("passages", "b") is None


def test_a_chunk_written_again_replaces_the_old_one(store: Store) -> None:
    store.write("passages", "key", VECTORS)
    store.write("passages", "key", VECTORS[:1] * 2)
    assert same(store.read("passages", "key"), VECTORS[:1] * 2)


def test_a_second_store_of_the_same_identity_finds_what_the_first_wrote(store: Store, tmp_path: Path) -> None:
    store.write("passages", "key", VECTORS)
    turned = dict(reversed(IDENTITY.items()))
    assert same(Store(tmp_path / "root", "mine", turned).read("passages", "key"), VECTORS)


@pytest.mark.parametrize(
    ("field", "value"), [("revision", "2"), ("prompts", ["", "passage: "]), ("lengths", [32, 128]), ("new", None)]
)
def test_another_identity_is_another_folder(store: Store, tmp_path: Path, field: str, value: object) -> None:
    store.write("passages", "key", VECTORS)
    other = Store(tmp_path / "root", "mine", {**IDENTITY, field: value})
    assert other.folder != store.folder
    assert other.read("passages", "key") is None


def test_the_folder_says_whose_vectors_it_holds(store: Store) -> None:
    store.write("passages", "key", VECTORS)
    assert store.folder.name.startswith("mine-")
    assert json.loads((store.folder / "retriever.json").read_bytes()) == IDENTITY


def test_the_files_are_arrays_that_numpy_reads_alone(store: Store) -> None:
    store.write("passages", "key", VECTORS)
    assert same(np.load(store.folder / "passages" / "key.npy", allow_pickle=False), VECTORS)
    assert set(contents(store.folder)) == {"retriever.json", "passages/key.npy", "passages/key.json"}


# Damage


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_no_byte_with_a_flipped_bit_ever_changes_a_vector(store: Store, suffix: str) -> None:
    store.write("passages", "key", VECTORS)
    path = store.folder / "passages" / f"key{suffix}"
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        found = store.read("passages", "key")
        # A flip in the record may hit what no reader needs; the vectors are then whole.
        assert found is None or (suffix == ".json" and same(found, VECTORS)), f"byte {place}"


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_file_cut_short_anywhere_is_not_there(store: Store, suffix: str) -> None:
    store.write("passages", "key", VECTORS)
    path = store.folder / "passages" / f"key{suffix}"
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert store.read("passages", "key") is None
    path.write_bytes(content)
    assert same(store.read("passages", "key"), VECTORS)


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_chunk_without_its_record_and_a_record_without_its_chunk_are_not_there(store: Store, suffix: str) -> None:
    store.write("passages", "key", VECTORS)
    (store.folder / "passages" / f"key{suffix}").unlink()
    assert store.read("passages", "key") is None


@pytest.mark.parametrize("record", [b"{}", b"[]", b"null", b'{"blake2b": 1}', b'{"blake2b": null}'])
def test_a_record_that_says_something_else_makes_no_chunk(store: Store, record: bytes) -> None:
    store.write("passages", "key", VECTORS)
    (store.folder / "passages" / "key.json").write_bytes(record)
    assert store.read("passages", "key") is None


def test_a_chunk_under_another_chunks_record_is_not_there(store: Store) -> None:
    store.write("passages", "a", VECTORS)
    store.write("passages", "b", VECTORS * 2)
    shutil.copy(store.folder / "passages" / "a.npy", store.folder / "passages" / "b.npy")
    assert store.read("passages", "b") is None


def test_a_damaged_chunk_can_be_written_again(store: Store) -> None:
    store.write("passages", "key", VECTORS)
    path = store.folder / "passages" / "key.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    store.write("passages", "key", VECTORS)
    assert path.read_bytes() == whole
    assert same(store.read("passages", "key"), VECTORS)


def test_a_chunk_is_mapped_from_its_file_and_read_only(store: Store) -> None:
    store.write("passages", "key", VECTORS)
    found = store.read("passages", "key")
    assert found is not None
    assert isinstance(found.base, np.memmap)
    assert Path(str(found.base.filename)) == store.folder / "passages" / "key.npy"
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1
    assert same(store.read("passages", "key"), VECTORS)


def test_float16_vectors_come_back_bit_for_bit(store: Store) -> None:
    store.write("passages", "key", VECTORS.astype(np.float16))
    assert same(store.read("passages", "key"), VECTORS.astype(np.float16))


# A chunk that is made where there is none


def never() -> npt.NDArray[np.float32]:
    raise AssertionError("it is there already")


def test_a_chunk_is_made_once_and_then_found(store: Store) -> None:
    for make in (VECTORS.copy, never):
        found = store.chunk("passages", "key", SHAPE, make)
        assert same(found, VECTORS)
        assert not found.flags.writeable
    assert not list((store.folder.parent / ".locks").iterdir())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "the 175 bytes of this chunk are not those"),
        (lambda path: path.unlink(), "this chunk is gone, while its record is there"),
        (lambda path: path.with_suffix(".json").write_bytes(b"{"), "the record beside this chunk cannot be read"),
    ],
)
def test_a_damaged_chunk_is_named_with_the_reason_and_made_again(
    store: Store, spoil: Callable[[Path], object], reason: str
) -> None:
    store.write("passages", "key", VECTORS)
    path = store.folder / "passages" / "key.npy"
    spoil(path)
    with pytest.warns(Damaged, match=rf"{path}: {reason}.*encoded again"):
        assert same(store.chunk("passages", "key", SHAPE, VECTORS.copy), VECTORS)
    assert same(store.chunk("passages", "key", SHAPE, never), VECTORS)


@pytest.mark.parametrize("other", [VECTORS[:2], VECTORS[:, :3], VECTORS.ravel()])
def test_a_whole_chunk_of_another_shape_is_not_that_of_these_texts(
    store: Store, other: npt.NDArray[np.float32]
) -> None:
    """As one that somebody has copied to this name, with its record."""
    store.write("passages", "key", other)
    with pytest.warns(Damaged, match=r"of shape .*, where \(3, 4\) is needed; its texts are encoded again"):
        assert same(store.chunk("passages", "key", SHAPE, VECTORS.copy), VECTORS)
    assert same(store.chunk("passages", "key", SHAPE, never), VECTORS)


def test_what_a_killed_run_left_unfinished_is_no_damage(store: Store, recwarn: pytest.WarningsRecorder) -> None:
    store.write("passages", "key", VECTORS)
    (store.folder / "passages" / "key.json").unlink()
    assert same(store.chunk("passages", "key", SHAPE, VECTORS.copy), VECTORS)
    assert not recwarn.list


def test_while_one_makes_a_chunk_others_wait_for_it_and_take_it(store: Store) -> None:
    begun, waited = threading.Event(), threading.Event()

    def slowly() -> npt.NDArray[np.float32]:
        begun.set()
        assert waited.wait(10)
        return VECTORS.copy()

    with ThreadPoolExecutor() as pool:
        first = pool.submit(store.chunk, "passages", "key", SHAPE, slowly)
        assert begun.wait(10)
        second = pool.submit(store.chunk, "passages", "key", SHAPE, never, waited.set)
        assert same(first.result(10), VECTORS)
        assert same(second.result(10), VECTORS)


def test_another_chunk_is_not_waited_for(store: Store) -> None:
    def within() -> npt.NDArray[np.float32]:
        assert same(store.chunk("passages", "other", SHAPE, (VECTORS * 2).copy, never), VECTORS * 2)
        return VECTORS.copy()

    assert same(store.chunk("passages", "key", SHAPE, within), VECTORS)


def test_one_that_fails_to_make_a_chunk_leaves_it_to_others(store: Store) -> None:
    def fails() -> npt.NDArray[np.float32]:
        raise OSError("the retriever's own trouble")

    with pytest.raises(OSError, match="own trouble"):
        store.chunk("passages", "key", SHAPE, fails)
    assert same(store.chunk("passages", "key", SHAPE, VECTORS.copy), VECTORS)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare, to mount a folder read-only")
def test_a_store_that_may_not_be_written_can_be_read(store: Store, tmp_path: Path) -> None:
    """A real mount: permissions do not bind every user."""
    store.write("passages", "key", VECTORS)
    root = store.folder.parent
    code = (
        "import sys; from pathlib import Path; from tests.test_store import IDENTITY, SHAPE, VECTORS, never, same\n"
        "from xqgbench.store import Store; from xqgbench.errors import StoreError\n"
        "store = Store(Path(sys.argv[1]), 'mine', IDENTITY)\n"
        "assert same(store.chunk('passages', 'key', SHAPE, never), VECTORS)\n"
        "try: store.chunk('passages', 'other', SHAPE, never)\n"  # not made in vain, where it cannot be kept
        "except StoreError as error: print(error)"
    )
    mount = f"mount --bind '{root}' '{root}' && mount -o remount,bind,ro '{root}'"
    words = ["unshare", "--map-root-user", "--mount", "sh", "-ec"]
    if subprocess.run([*words, mount], capture_output=True, check=False).returncode:
        pytest.skip("this system does not let a test mount a folder")
    run = [*words, f'{mount}; exec "$@"', "sh", sys.executable, "-c", code, str(root)]
    outcome = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Read-only file system" in outcome.stdout, outcome.stderr
    assert "--store DIR" in outcome.stdout


# No pickle


class Trap:
    """Unpickling one writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_a_pickle_in_the_store_is_not_opened_even_with_a_record_that_fits(store: Store, tmp_path: Path) -> None:
    store.write("passages", "key", VECTORS)
    buffer = io.BytesIO()
    np.save(buffer, np.array([[Trap(tmp_path / "sprung")]], dtype=object), allow_pickle=True)
    path = store.folder / "passages" / "key.npy"
    path.write_bytes(buffer.getvalue())
    digest = hashlib.blake2b(buffer.getvalue(), digest_size=20).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({"blake2b": digest}), encoding="utf-8")
    np.load(path, allow_pickle=True)
    assert (tmp_path / "sprung").exists()  # the trap works
    (tmp_path / "sprung").unlink()
    with contextlib.suppress(ValueError, StoreError):
        assert store.read("passages", "key") is None
    assert not (tmp_path / "sprung").exists()


def test_objects_are_never_written(store: Store) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        store.write("passages", "key", np.array([[{}]], dtype=object))  # type: ignore[arg-type]
    assert store.read("passages", "key") is None


# Places that cannot be used


def test_a_place_that_cannot_be_written_says_how_to_name_another(tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(b"a file where the folder should be")
    store = Store(tmp_path / "root", "mine", IDENTITY)
    with pytest.raises(StoreError, match=r"cannot use .*root.*--store DIR"):
        store.write("passages", "key", VECTORS)


def test_a_file_that_cannot_be_read_says_how_to_name_another_place(store: Store) -> None:
    store.write("passages", "key", VECTORS)
    path = store.folder / "passages" / "key.npy"
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match=r"cannot use .*key\.npy"):
        store.read("passages", "key")


@pytest.mark.skipif(sys.platform == "win32", reason="locks are others there")
def test_a_place_without_locks_says_so_and_how_to_name_another(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system, of which there is none to test with."""
    import fcntl

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    reason = r"files cannot be locked there \(No locks available\)\. .*--store DIR"
    with pytest.raises(StoreError, match=reason):
        store.chunk("passages", "key", SHAPE, never)


def test_a_full_disk_is_a_store_error_and_leaves_no_chunk(store: Store) -> None:
    with room_for(1 << 14), pytest.raises(StoreError, match=r"cannot use .*Make room .*store ls.*--store DIR"):
        store.write("passages", "key", np.ones((1 << 10, 8), np.float32))
    assert store.read("passages", "key") is None
    assert set(contents(store.folder)) == {"retriever.json"}


def test_an_array_whose_record_cannot_be_written_is_not_kept(store: Store) -> None:
    (store.folder / "passages" / "key.json").mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot use"):
        store.write("passages", "key", VECTORS)
    assert set(contents(store.folder)) == {"retriever.json"}


def test_the_environment_says_where_the_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XQGBENCH_STORE", str(tmp_path / "here"))
    assert default_root() == tmp_path / "here"
    monkeypatch.delenv("XQGBENCH_STORE")
    assert default_root().parts[-2:] == ("xqgbench", "store")


# Hashes of texts


def test_the_hash_of_texts_is_blake2b_over_lengths_and_bytes() -> None:
    # printf '\x01\0\0\0\0\0\0\0a\x00\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\xe5\xb7\x9d' | b2sum -l 160
    assert text_hash(["a", "", "川"]) == "5a91000f1be5b72989ff8a2fccb1fcbb0e29f468"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["ab"], ["a", "b"]),
        (["a", "b"], ["b", "a"]),
        (["a"], ["a", ""]),
        ([], [""]),
        (["a\nb"], ["a", "b"]),
        (["a\0b"], ["a", "b"]),
        (["é"], ["e\u0301"]),
    ],
)
def test_texts_that_look_alike_when_joined_have_other_hashes(first: list[str], second: list[str]) -> None:
    assert text_hash(first) != text_hash(second)


PIECES = st.lists(st.text("ab\0\x01\x02", max_size=3), max_size=4)


@settings(deadline=None, max_examples=300)
@given(PIECES, PIECES)
def test_hashes_agree_exactly_where_the_sequences_do(first: list[str], second: list[str]) -> None:
    assert (text_hash(first) == text_hash(second)) == (first == second)


@settings(deadline=None, max_examples=200)
@given(st.text("ab\0\x01\x02\x08", min_size=1, max_size=12), st.data())
def test_no_two_ways_of_cutting_a_text_have_one_hash(text: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=3).map(sorted))
    bounds = [0, *cuts, len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(bounds)]
    assert (text_hash(pieces) == text_hash([text])) == (pieces == [text])


def test_texts_may_come_from_a_stream() -> None:
    assert text_hash(text for text in ("a", "b")) == text_hash(["a", "b"])
