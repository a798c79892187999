"""``xqgbench store``: what is kept is listed, checked and deleted, and nothing else is touched."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import pytest

from tests.test_files import contents
from xqgbench.cli import main
from xqgbench.cli.store_commands import store as store_group
from xqgbench.files import locked
from xqgbench.store import Store, text_hash
from xqgbench.store.chunks import lock_of
from xqgbench.store.upkeep import prune, shelves, verify

Run = Callable[..., tuple[int, str, str]]
KEYS = sorted(text_hash([name]) for name in "abc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def filled(root: Path) -> Store:
    """Three chunks of one retriever and one of another, in a store that holds a stranger's file as well."""
    store = Store(root, "mine", {"name": "mine", "dtype": "float32"})
    for role, key, rows in (("queries", KEYS[0], 2), ("passages", KEYS[0], 5), ("passages", KEYS[1], 4)):
        store.write(role, key, np.ones((rows, 8), np.float32))
    Store(root, "other", {"name": "other", "dtype": "float32", "stored": "float16"}).write(
        "passages", KEYS[2], np.ones((1, 8), np.float16)
    )
    (root / "notes.txt").write_text("mine", encoding="utf-8")
    return store


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["store", *words, "--store", str(root)])
        return (code, *capsys.readouterr())

    return call


def aged(folder: Path, days: float) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - days * 86_400,) * 2)


@pytest.mark.parametrize("command", sorted(store_group.commands))
def test_the_help_of_every_command_shows_an_example_that_it_accepts(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", command, "--help"]) == 0
    example = re.search(r"Example:\n\s+xqgbench store (.+)", capsys.readouterr().out)
    assert example is not None
    name, *words = example[1].split()
    assert name == command
    store_group.commands[command].make_context(name, words)
    options = [option for option in store_group.commands[command].params if isinstance(option, click.Option)]
    assert options
    assert all(option.help for option in options)


# path, ls


def test_the_path_is_the_option_or_the_environment(
    run: Run, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run("path") == (0, f"{root}\n", "")
    monkeypatch.setenv("XQGBENCH_STORE", str(tmp_path / "elsewhere"))
    assert main(["store", "path"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'elsewhere'}\n"
    assert not root.exists()


def test_what_is_kept_is_listed_by_retriever(run: Run, filled: Store) -> None:
    code, out, _ = run("ls")
    assert code == 0
    rows = [line.split() for line in out.splitlines() if "float" in line]
    key = filled.folder.name[-16:]
    size = sum(len(content) for content in contents(filled.folder).values())
    assert rows[0][:8] == ["mine", key, "float32", "3", "2", "9", "0", f"{size}" if size < 1000 else "1"]
    assert rows[1][0] == "other"
    assert rows[1][2:7] == ["float16", "1", "0", "1", "0"]


def test_the_list_as_json_says_what_the_key_stands_for(run: Run, filled: Store) -> None:
    mine, other = json.loads(run("ls", "--json")[1])
    assert mine["identity"] == {"name": "mine", "dtype": "float32"}
    assert mine["chunks"] == {"queries": 1, "passages": 2, "generated": 0}
    assert mine["vectors"] == {"queries": 2, "passages": 9, "generated": 0}
    assert mine["bytes"] == sum(len(content) for content in contents(filled.folder).values())
    assert mine["folder"] == str(filled.folder)
    assert other["name"] == "other"


def test_reading_a_chunk_counts_as_using_it(run: Run, filled: Store) -> None:
    aged(filled.folder, 40)
    old = json.loads(run("ls", "--json")[1])[0]["used"]
    assert filled.read("passages", KEYS[0]) is not None
    assert json.loads(run("ls", "--json")[1])[0]["used"] > old


def test_a_store_that_is_not_there_is_empty_and_stays_away(run: Run, root: Path) -> None:
    assert run("ls")[:2] == (0, f"No vectors are kept in {root}.\n")
    assert run("ls", "--json")[1] == "[]\n"
    assert run("verify")[0] == 0
    assert run("prune", "--yes")[1] == f"Nothing to delete in {root}.\n"
    assert not root.exists()


# verify


def test_whole_chunks_are_found_whole(run: Run, filled: Store) -> None:
    assert run("verify")[:2] == (0, "4 chunks, all of them as they were written.\n")
    assert run("verify", "mine")[1].startswith("3 chunks")
    assert run("verify", filled.folder.name[-16:])[1].startswith("3 chunks")


def test_every_damaged_file_is_named_with_the_reason(run: Run, filled: Store) -> None:
    passages = filled.folder / "passages"
    (passages / f"{KEYS[0]}.npy").write_bytes(b"short")
    (passages / f"{KEYS[1]}.json").write_bytes(b"{}")
    (filled.folder / "queries" / f"{KEYS[0]}.npy").unlink()  # its record stays
    (filled.folder / "retriever.json").write_bytes(b"{}")
    code, out, _ = run("verify")
    assert code == 1
    lines = sorted(line for line in out.splitlines() if line.startswith("damaged: "))
    assert [line.split(": ")[1] for line in lines] == [
        str(passages / f"{KEYS[0]}.npy"),
        str(passages / f"{KEYS[1]}.npy"),
        str(filled.folder / "queries" / f"{KEYS[0]}.npy"),
        str(filled.folder / "retriever.json"),
    ]
    assert "5 bytes of this chunk are not those that were written" in lines[0]
    assert "record beside this chunk cannot be read" in lines[1]
    assert "gone, while its record is there" in lines[2]
    assert "The next evaluation that needs one of them encodes its texts again" in out
    assert run("verify", "other")[0] == 0


def test_a_damaged_description_of_a_folder_is_replaced_when_a_chunk_is_written(run: Run, filled: Store) -> None:
    (filled.folder / "retriever.json").write_bytes(b"{}")
    assert run("verify", "mine")[0] == 1
    filled.write("passages", KEYS[2], np.ones((1, 8), np.float32))
    assert run("verify", "mine")[0] == 0


@pytest.mark.parametrize("words", [("verify", "mien"), ("prune", "--model", "mien")])
def test_an_unknown_retriever_suggests_the_nearest(run: Run, filled: Store, words: tuple[str, ...]) -> None:
    code, _, err = run(*words)
    assert code == 2
    assert "unknown retriever in the store 'mien'. Did you mean 'mine'" in err


def test_a_folder_that_a_killed_run_left_without_any_chunk_is_no_damage(run: Run, root: Path) -> None:
    folder = root / f"mine-{'0' * 16}"
    folder.mkdir(parents=True)
    (folder / ".retriever.json.ab12_x3z.part").write_bytes(b"half of")
    assert run("verify")[:2] == (0, "0 chunks, all of them as they were written.\n")


def test_what_is_written_and_deleted_while_it_is_looked_at_is_neither_damage_nor_an_error(root: Path) -> None:
    over = threading.Event()

    def come_and_go() -> None:
        for _ in range(30):
            for key in KEYS:
                Store(root, "mine", {}).write("passages", key, np.ones((2, 8), np.float32))
            for shelf in shelves(root):
                prune(shelf, whole=True)

    with ThreadPoolExecutor() as pool:
        pool.submit(come_and_go).add_done_callback(lambda _: over.set())
        while not over.is_set():
            assert [fault for shelf in shelves(root) for fault in verify(shelf)] == []


# prune


def with_leftovers(store: Store) -> list[Path]:
    """What a kill leaves behind: parts, and an array whose record was not written any more."""
    found = [
        store.folder / ".retriever.json.ab12_x3z.part",
        store.folder / "passages" / f".{KEYS[2]}.npy.ab12_x3z.part",
        store.folder / "passages" / f".{KEYS[2]}.json.k_2ab3cd.part",
        store.folder / "generated" / f"{KEYS[2]}.npy",
    ]
    (store.folder / "generated").mkdir()
    for path in found:
        path.write_bytes(b"half of")
    return found


def test_leftovers_are_listed_first_and_deleted_with_yes_alone(run: Run, filled: Store, root: Path) -> None:
    whole = contents(root)
    leftovers = with_leftovers(filled)
    listed = json.loads(run("ls", "--json")[1])[0]
    assert sorted(listed["leftovers"]) == sorted(map(str, leftovers))
    assert sum(listed["chunks"].values()) == 3  # they are no chunks
    assert run("verify")[0] == 0
    code, out, _ = run("prune")
    assert (code, all(str(path) in out for path in leftovers), "would delete" in out) == (0, True, True)
    assert "Nothing was deleted; --yes deletes it." in out
    assert all(path.exists() for path in leftovers)
    assert "deleted: " in run("prune", "--yes")[1]
    assert contents(root) == whole


def test_locks_that_killed_processes_left_behind_go_too(run: Run, filled: Store, root: Path) -> None:
    with_leftovers(filled)
    lock = lock_of(filled.folder, "passages", KEYS[2])
    lock.touch()
    run("prune", "--yes")
    assert not list((root / ".locks").iterdir())


@pytest.mark.parametrize("by", ["name", "key"])
def test_a_retriever_is_deleted_whole_and_nothing_beside_it(run: Run, filled: Store, root: Path, by: str) -> None:
    others = {name: content for name, content in contents(root).items() if not name.startswith("mine")}
    model = "mine" if by == "name" else filled.folder.name[-16:]
    assert "3 chunks" in run("prune", "--model", model)[1]
    assert filled.folder.is_dir()
    assert run("prune", "--model", model, "--yes")[0] == 0
    assert not filled.folder.exists()
    assert contents(root) == others


def test_old_vectors_are_deleted_by_when_they_were_last_used(run: Run, filled: Store, root: Path) -> None:
    aged(filled.folder, 31)
    assert run("prune", "--older-than", "32", "--yes")[1] == f"Nothing to delete in {root}.\n"
    assert run("prune", "--model", "other", "--older-than", "30", "--yes")[1] == f"Nothing to delete in {root}.\n"
    assert "deleted: " in run("prune", "--older-than", "30", "--yes")[1]
    assert [path.name.partition("-")[0] for path in sorted(root.iterdir())] == [".locks", "notes.txt", "other"]


def test_files_that_are_not_the_stores_stay_and_links_are_not_followed(
    run: Run, filled: Store, root: Path, tmp_path: Path
) -> None:
    """Also where they lie in its folders, are named like chunks, or are reached through a folder of its name."""
    outside = tmp_path / "outside"
    (outside / "passages").mkdir(parents=True)
    for name in (f"passages/{KEYS[0]}.npy", f"{KEYS[0]}.npy", "retriever.json"):
        (outside / name).write_bytes(b"precious")
    (root / f"linked-{'0' * 16}").symlink_to(outside)
    (filled.folder / "generated").symlink_to(outside / "passages")
    (filled.folder / "passages" / f"{KEYS[2]}.npy").symlink_to(outside / f"{KEYS[0]}.npy")
    for name in ("results.csv", f"{KEYS[0]}.npy", "passages/notes.npy", "passages/.hidden.part"):
        (filled.folder / name).write_bytes(b"precious")
    before = contents(outside)
    run("prune", "--older-than", "0", "--yes")
    assert contents(outside) == before
    left = {path.relative_to(filled.folder).as_posix() for path in filled.folder.rglob("*")}
    assert left == {
        "results.csv",
        f"{KEYS[0]}.npy",
        "passages",
        "passages/notes.npy",
        "passages/.hidden.part",
        f"passages/{KEYS[2]}.npy",
        "generated",
    }
    assert (root / f"linked-{'0' * 16}").is_symlink()
    assert not list(root.glob("other-*"))


@pytest.mark.parametrize("lock", ["chunk", "folder"])
def test_where_another_is_at_work_nothing_is_deleted(run: Run, filled: Store, root: Path, lock: str) -> None:
    before = contents(root)
    path = lock_of(filled.folder) if lock == "folder" else lock_of(filled.folder, "passages", KEYS[2])
    with locked(path):
        code, out, _ = run("prune", "--model", "mine", "--yes")
        assert {name: content for name, content in contents(root).items() if ".locks" not in name} == before
    assert (code, "in use by another process, kept" in out) == (0, True)
    run("prune", "--model", "mine", "--yes")
    assert not filled.folder.exists()


def test_leftovers_go_while_a_chunk_is_being_encoded_but_not_while_one_is_written(run: Run, filled: Store) -> None:
    leftovers = with_leftovers(filled)
    with locked(lock_of(filled.folder)):
        run("prune", "--yes")
        assert all(path.exists() for path in leftovers)
    with locked(lock_of(filled.folder, "passages", KEYS[0])):
        run("prune", "--yes")
        assert not any(path.exists() for path in leftovers)
        assert lock_of(filled.folder, "passages", KEYS[0]).exists()


def test_a_store_that_cannot_be_read_is_an_error_of_the_store(run: Run, root: Path) -> None:
    (root / f"mine-{'0' * 16}").mkdir(parents=True)
    (root / f"mine-{'0' * 16}" / "retriever.json").symlink_to("retriever.json")  # a circle
    code, _, err = run("ls")
    assert code == 1
    assert "the vector store cannot use" in err
    assert "--store DIR" in err
