"""Files are written whole or not at all."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import lzma
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import ROOT
from xqgbench.files import (
    appended,
    compression_of,
    discard,
    folder_aside,
    locked,
    sha256_of,
    sha256_of_content,
    take_place,
    write_atomically,
)


@pytest.fixture
def umask_027() -> Iterator[int]:
    old = os.umask(0o027)
    yield 0o027
    os.umask(old)


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """As on a full disk: the operating system refuses to write files beyond ``size`` bytes."""
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_file_is_written_with_the_folders_it_needs(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b" / "file.bin", b"\x00\xff\r\n")
    assert contents(tmp_path) == {"a/b/file.bin": b"\x00\xff\r\n"}


def test_new_content_replaces_old_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"a long old content")
    write_atomically(tmp_path / "file", b"new")
    assert contents(tmp_path) == {"file": b"new"}


def test_a_reader_that_has_the_old_file_open_keeps_the_old_content(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"old")
    with (tmp_path / "file").open("rb") as stream:
        write_atomically(tmp_path / "file", b"new")
        assert stream.read() == b"old"


@pytest.mark.parametrize("before", [None, b"old"], ids=["new file", "old file"])
def test_a_disk_that_fills_up_half_way_leaves_what_was_there(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "file"
    if before is not None:
        write_atomically(path, before)
    with room_for(1 << 16), pytest.raises(OSError, match=r"(?i)too large"):
        write_atomically(path, b"x" * (1 << 20))
    assert contents(tmp_path) == ({} if before is None else {"file": before})


def test_a_file_that_cannot_take_its_place_leaves_no_debris(tmp_path: Path) -> None:
    (tmp_path / "file" / "inside").mkdir(parents=True)
    with pytest.raises(OSError):  # noqa: PT011 (the kind and text of the error are the operating system's own)
        write_atomically(tmp_path / "file", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert [p.name for p in (tmp_path / "file").iterdir()] == ["inside"]


def test_files_and_folders_have_the_permissions_of_ordinary_ones(tmp_path: Path, umask_027: int) -> None:
    write_atomically(tmp_path / "file", b"")
    with folder_aside(tmp_path / "folder"):
        pass
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask_027
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o777 & ~umask_027


def test_a_folder_appears_when_its_block_ends_and_not_before(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "task" / "system"
    with folder_aside(folder) as aside:
        write_atomically(aside / "sub" / "file", b"1")
        assert not folder.exists()
    assert contents(tmp_path) == {"results/task/system/sub/file": b"1"}
    assert [p.name for p in folder.parent.iterdir()] == ["system"]


def test_a_new_folder_replaces_the_whole_of_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "system"
    write_atomically(folder / "both", b"old")
    write_atomically(folder / "gone" / "deep", b"old")
    with folder_aside(folder) as aside:
        write_atomically(aside / "both", b"new")
        assert contents(folder) == {"both": b"old", "gone/deep": b"old"}
    assert contents(tmp_path) == {"system/both": b"new"}
    assert [p.name for p in tmp_path.iterdir()] == ["system"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("before", [None, b"old"], ids=["new folder", "old folder"])
def test_an_error_inside_the_block_leaves_what_was_there(
    tmp_path: Path, before: bytes | None, error: type[BaseException]
) -> None:
    folder = tmp_path / "system"
    if before is not None:
        write_atomically(folder / "file", before)
    with pytest.raises(error), folder_aside(folder) as aside:  # noqa: PT012
        write_atomically(aside / "file", b"new")
        raise error
    assert contents(tmp_path) == ({} if before is None else {"system/file": before})
    assert [p.name for p in tmp_path.iterdir()] == ([] if before is None else ["system"])


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "system"
    write_atomically(folder / "file", b"old")
    with pytest.raises(OSError), folder_aside(folder) as aside:  # noqa: PT011
        aside.rmdir()  # as if someone had cleaned up: there is nothing to rename any more
    assert contents(tmp_path) == {"system/file": b"old"}


def test_writers_of_one_folder_at_the_same_time_leave_the_whole_of_one(tmp_path: Path) -> None:
    """Two evaluations of one retriever write the same plain result."""
    folder = tmp_path / "system"

    def write(number: int) -> None:
        for _ in range(300):
            with folder_aside(folder) as aside:
                (aside / "first").write_bytes(bytes([number]))
                (aside / "second").write_bytes(bytes([number]))

    with ThreadPoolExecutor(4) as threads:
        outcomes = [threads.submit(write, number) for number in range(4)]
    assert [outcome.exception() for outcome in outcomes] == [None] * 4
    left = contents(tmp_path)
    assert set(left) == {"system/first", "system/second"}
    assert left["system/first"] == left["system/second"]
    assert [p.name for p in tmp_path.iterdir()] == ["system"]


def test_a_part_grows_over_several_calls_and_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    part, path = tmp_path / "a" / "file.part", tmp_path / "a" / "file"
    for piece in (b"one ", b"two "):
        with appended(part, part.stat().st_size if part.exists() else 0) as stream:
            stream.write(piece)
        assert not path.exists()
    take_place(part, path)
    assert contents(tmp_path) == {"a/file": b"one two "}


def test_what_stands_behind_the_size_of_a_part_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"one and half of tw")
    with appended(tmp_path / "part", 4) as stream:
        stream.write(b"two")
    assert contents(tmp_path) == {"part": b"one two"}


def test_an_error_while_a_part_grows_leaves_what_was_written(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), appended(tmp_path / "part", 0) as stream:  # noqa: PT012
        stream.write(b"one")
        raise KeyboardInterrupt
    assert contents(tmp_path) == {"part": b"one"}


def test_discarding_takes_what_is_there(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"")
    discard(tmp_path / "file", tmp_path / "absent")
    assert contents(tmp_path) == {}


def test_a_locked_block_runs_in_one_thread_at_a_time(tmp_path: Path) -> None:
    inside, most, lock = [0], [0], tmp_path / "folder" / "lock"

    def work() -> None:
        for _ in range(3):
            with locked(lock):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.001)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert contents(tmp_path) == {}


def test_who_waited_for_a_lock_holds_the_one_that_comes_next(tmp_path: Path) -> None:
    """Its first holder deletes the file; the second, which has opened it before, must not be content with that one."""
    lock, waits, holds, done = tmp_path / "lock", threading.Event(), threading.Event(), threading.Event()

    def second() -> None:
        with locked(lock, waits.set):
            holds.set()
            done.wait(10)

    thread = threading.Thread(target=second)
    with locked(lock):
        thread.start()
        assert waits.wait(10)
    assert holds.wait(10)
    with locked(lock, done.set):
        assert done.is_set(), "two hold it at the same time"
    thread.join()


def test_a_lock_that_another_process_holds_is_waited_for_and_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from xqgbench.files import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE, cwd=ROOT)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    waits = []

    def waiting() -> None:
        waits.append(1)
        if len(waits) == 2:
            holder.send_signal(signal.SIGKILL)
            holder.wait()

    with locked(tmp_path / "lock", waiting):
        assert 2 <= len(waits) <= 3
    holder.stdout.close()


def test_a_lock_ends_with_an_error_in_its_block(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wrong"), locked(tmp_path / "lock"):
        raise ValueError("wrong")
    with locked(tmp_path / "lock", lambda: pytest.fail("it is still held")):
        pass


@pytest.mark.parametrize("size", [0, 1, 3_000_001])
def test_sha256_is_the_one_of_the_whole_file(tmp_path: Path, size: int) -> None:
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_sha256_agrees_with_coreutils(tmp_path: Path) -> None:
    # printf 'xqgbench' | sha256sum
    (tmp_path / "file").write_bytes(b"xqgbench")
    assert sha256_of(tmp_path / "file") == "fa2821262bc72e09d546d8b4efaa020e4ab39f94e2027c093812a89feb20ff80"


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
@pytest.mark.parametrize("content", [b"", b"text " * 1000])
def test_how_a_file_is_compressed_is_seen_from_its_bytes_whatever_its_name(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes], content: bytes
) -> None:
    path = tmp_path / "file.part"
    path.write_bytes(compress(content))
    if suffix != ".bz2" or content:  # an empty .bz2 has no block
        assert compression_of(path) == suffix
    assert sha256_of_content(path, suffix) == hashlib.sha256(content).hexdigest()
    assert sha256_of_content(path) == sha256_of(path)


@pytest.mark.parametrize("content", [b"", b"\x1f", b"BZh is no archive", b"a\tb\n"])
def test_a_file_that_is_not_compressed_is_seen_to_be_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.gz").write_bytes(content)
    assert compression_of(tmp_path / "file.gz") == ""
    assert sha256_of_content(tmp_path / "file.gz", "") == hashlib.sha256(content).hexdigest()
