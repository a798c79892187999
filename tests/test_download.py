"""The files of a task come to where they are looked for: checked, whole, once, or not at all."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.test_files import room_for
from tests.web import Page, Web, serving
from xqgbench import sources
from xqgbench.cards import read_card
from xqgbench.cli import main
from xqgbench.download import Outcome, download
from xqgbench.errors import DataError, MissingData, MissingSpace, UnknownName
from xqgbench.sources import CardFiles
from xqgbench.transfer import Client, Hub
from xqgbench.types import TaskCard

TEXT = "".join(f'{{"_id": "{i}", "text": "{random.Random(i).random()}"}}\n' for i in range(50_000)).encode()
SHORT = TEXT[:50_000]
REVISION = "0123456789abcdef0123456789abcdef01234567"
Write = Callable[..., TaskCard]
Download = Callable[..., list[Outcome]]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the machine know nothing of servers on it; the user's own data are not looked at."""
    for name, value in (("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1"), ("XQGBENCH_DATA", str(tmp_path / "own"))):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as found:
        yield found


@pytest.fixture
def store() -> Iterator[Web]:
    """The server that a hub sends to for large files."""
    with serving() as found:
        yield found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a card named ``small`` with those sources (name -> fields) and read it."""

    def make(settings: str = "", **sources: Mapping[str, Any]) -> TaskCard:
        (tmp_path / "cards").mkdir(exist_ok=True)
        path = tmp_path / "cards" / "small.toml"
        lines = [
            *('name = "small"', 'title = "t"', 'description = "d"', 'version = "1"', 'format = "jsonl"'),
            *('languages = ["fi", "ja"]', "generated_languages = []", 'split = "dev"', 'measures = ["nDCG@10"]'),
            *('main_measure = "nDCG@10"', 'cluster = "query"', 'license = "CC0-1.0"', 'citation = "none"'),
            *('origin = ["small"]', 'homepage = "https://small.org"', settings, "[expected]", "[sources]"),
        ]
        for name, fields in sources.items():
            lines.append(f"[sources.{name}]")
            for key, value in fields.items():
                if isinstance(value, dict):
                    lines.append(f"{key} = {{ {', '.join(f'{k} = {json.dumps(v)}' for k, v in value.items())} }}")
                else:
                    lines.append(f"{key} = {json.dumps(value)}")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_card(path)

    return make


@pytest.fixture
def fetch(data: Path, web: Web) -> Download:
    """Download into ``data`` with little patience; ``web`` is the hub."""

    def call(card: TaskCard, **more: Any) -> list[Outcome]:
        client = Client(Hub("https://huggingface.co", web.home), tries=2, pause=0.001)
        return download(card, data_dir=data, client=client, **more)

    return call


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def states(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return [(outcome.file.path, outcome.state) for outcome in outcomes]


# Where files go, and which


def test_files_come_to_where_the_task_looks_for_them(web: Web, write: Write, fetch: Download, data: Path) -> None:
    url = web.put("/x/corpus.jsonl", Page(TEXT))
    card = write(passages={"path": "corpus/all.jsonl", "url": url, "sha256": sha256(TEXT), "folder": "shared"})
    (outcome,) = fetch(card)
    assert (outcome.state, outcome.bytes, outcome.checked) == ("fetched", len(TEXT), True)
    assert files(data) == {"shared/corpus/all.jsonl": TEXT}
    assert CardFiles(card, data).paths("passages") == (outcome.path,)


def test_without_a_folder_of_ones_own_they_come_to_the_users(web: Web, write: Write, tmp_path: Path) -> None:
    card = write(passages={"path": "a", "url": web.put("/a", Page(b"x")), "sha256": sha256(b"x")})
    download(card)
    assert files(tmp_path / "own") == {"small/a": b"x"}


def test_what_is_here_is_checked_and_not_fetched_again(web: Web, write: Write, fetch: Download, data: Path) -> None:
    card = write(passages={"path": "a/all.jsonl", "url": web.put("/a", Page(TEXT)), "sha256": sha256(TEXT)})
    data.mkdir()
    (data / "all.jsonl.gz").write_bytes(gzip.compress(TEXT))  # a copy by hand, compressed, in no folder
    assert states(fetch(card)) == [("a/all.jsonl", "here")]
    assert web.requests == []
    (data / "all.jsonl.gz").write_bytes(gzip.compress(TEXT[:-1]))
    with pytest.raises(DataError, match=rf"sha256 is {sha256(TEXT[:-1])}.*{sha256(TEXT)}.*Delete it and run") as caught:
        fetch(card)
    assert "all.jsonl.gz" in str(caught.value)
    assert web.requests == []


def test_a_large_file_that_was_checked_as_it_came_is_not_read_again_to_check_it(
    web: Web, write: Write, fetch: Download, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LARGE", len(TEXT))
    monkeypatch.setattr(sources, "_cache", lambda: tmp_path / "hashes")
    card = write(passages={"path": "a", "url": web.put("/a", Page(TEXT)), "sha256": sha256(TEXT)})
    (outcome,) = fetch(card)
    monkeypatch.setattr(sources, "sha256_of_content", lambda _: pytest.fail("it is read again"))
    assert CardFiles(card, data).paths("passages") == (outcome.path,)
    outcome.path.write_bytes(TEXT[::-1])
    with pytest.raises(pytest.fail.Exception, match="it is read again"):
        CardFiles(card, data).paths("passages")


def per_language(web: Web) -> dict[str, Any]:
    pages = {language: web.put(f"/{language}.tsv", Page(language.encode())) for language in ("fi", "ja")}
    return {
        "path": "{language}.tsv",
        "url": f"{web.home}/{{language}}.tsv",
        "sha256": {language: sha256(language.encode()) for language in pages},
    }


def test_languages_choose_among_the_files(web: Web, write: Write, fetch: Download, data: Path) -> None:
    common = {"path": "all", "url": web.put("/all", Page(b"all")), "sha256": sha256(b"all")}
    card = write(queries=per_language(web), passages=common)
    fetch(card, languages=("ja",))
    assert set(files(data)) == {"small/ja.tsv", "small/all"}
    with pytest.raises(UnknownName, match=r"unknown language of small 'jp'.*'ja'"):
        fetch(card, languages=("jp",))
    assert states(fetch(card)) == [("fi.tsv", "fetched"), ("ja.tsv", "here"), ("all", "here")]


def test_what_evaluations_can_do_without_is_fetched_when_asked_for(web: Web, write: Write, fetch: Download) -> None:
    own = {"url": web.put("/a", Page(b"a")), "sha256": sha256(b"a")}
    card = write(queries={"path": "a", **own}, training={"path": "b", **own, "optional": True})
    assert states(fetch(card)) == [("a", "fetched")]
    assert states(fetch(card, optional=True)) == [("a", "here"), ("b", "fetched")]


def test_a_file_of_two_sources_is_fetched_once(web: Web, write: Write, fetch: Download) -> None:
    same = {"path": "a", "url": web.put("/a", Page(b"a")), "sha256": sha256(b"a")}
    assert states(fetch(write(queries=same, passages=same))) == [("a", "fetched")]
    assert len(web.gets) == 1


def test_a_file_without_an_address_has_to_be_put_there_by_hand(write: Write, fetch: Download, data: Path) -> None:
    (outcome,) = fetch(write(passages={"path": "a/b", "sha256": sha256(b"x")}))
    assert (outcome.state, outcome.path) == ("by hand", data / "small" / "a" / "b")


# Compression


@pytest.mark.parametrize("path", ["all.jsonl", "all.jsonl.gz", "all.jsonl.xz"])
@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
    ids=["plain", "gz", "bz2", "xz"],
)
def test_a_file_is_kept_under_the_compression_that_it_has(
    web: Web, write: Write, fetch: Download, data: Path, path: str, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    """Whatever card, address and server say of it: it is recognised by its bytes, and found under any name."""
    sent = compress(SHORT)
    card = write(passages={"path": path, "url": web.put("/x.gz", Page(sent)), "sha256": sha256(SHORT)})
    (outcome,) = fetch(card)
    assert files(data) == {f"small/all.jsonl{suffix}": sent}
    assert CardFiles(card, data).paths("passages") == (outcome.path,)
    assert states(fetch(card)) == [(path, "here")]


# What is not the right file


def test_another_file_is_refused_by_both_hashes_and_nothing_of_it_stays(
    web: Web, write: Write, fetch: Download, data: Path
) -> None:
    page = Page(b"another")
    card = write(passages={"path": "a", "url": web.put("/a", page), "sha256": sha256(TEXT)})
    with pytest.raises(DataError) as caught:
        fetch(card)
    for named in (f"{web.home}/a", sha256(b"another"), sha256(TEXT), "'small'"):
        assert named in str(caught.value)
    assert files(data) == {}
    page.content = TEXT
    assert states(fetch(card)) == [("a", "fetched")]


def test_a_damaged_compressed_file_is_refused_and_nothing_of_it_stays(
    web: Web, write: Write, fetch: Download, data: Path
) -> None:
    for name, compress in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        content = bytearray(compress(SHORT))
        content[len(content) // 2] ^= 0xFF
        url = web.put(f"/{name}", Page(bytes(content)))
        with pytest.raises(DataError, match=f"{url}: damaged|{url}: this is not the file"):
            fetch(write(passages={"path": "a", "url": url, "sha256": sha256(SHORT)}))
        assert files(data) == {}


def test_a_server_that_promises_less_than_it_has_is_found_out(
    web: Web, write: Write, fetch: Download, data: Path
) -> None:
    url = web.put("/a", Page(TEXT, length=1000))
    with pytest.raises(DataError, match=sha256(TEXT[:1000])):
        fetch(write(passages={"path": "a", "url": url, "sha256": sha256(TEXT)}))
    assert files(data) == {}


def test_a_part_whose_beginning_is_damaged_is_found_out_and_does_not_stay(
    web: Web, write: Write, fetch: Download, data: Path
) -> None:
    card = write(passages={"path": "a", "url": web.put("/a", Page(TEXT, cuts=[1000, 0])), "sha256": sha256(TEXT)})
    with pytest.raises(MissingData):
        fetch(card)
    (data / "small" / "a.part").write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match="this is not the file"):
        fetch(card)
    assert files(data) == {}
    assert states(fetch(card)) == [("a", "fetched")]


def test_a_file_that_is_not_there_stops_the_download_and_costs_nothing_else(
    web: Web, write: Write, fetch: Download, data: Path
) -> None:
    first = {"path": "a", "url": web.put("/a", Page(b"a")), "sha256": sha256(b"a")}
    card = write(queries=first, passages={"path": "b", "url": f"{web.home}/b", "sha256": sha256(b"b")})
    with pytest.raises(MissingData, match=f"{web.home}/b cannot be fetched: the server says 404"):
        fetch(card)
    assert files(data) == {"small/a": b"a"}


# The hub


def hub_card(write: Write, **more: Any) -> TaskCard:
    return write(passages={"path": "data/all.jsonl", "hub": "a/b", "revision": REVISION, **more})


HUB_PATH = f"/datasets/a/b/resolve/{REVISION}/data/all.jsonl"


def test_large_files_of_the_hub_are_checked_against_the_hash_it_states(
    web: Web, store: Web, write: Write, fetch: Download, data: Path
) -> None:
    linked = {"X-Linked-Etag": f'"{sha256(TEXT)}"', "X-Linked-Size": str(len(TEXT)), "X-Repo-Commit": REVISION}
    blob = Page(TEXT[::-1])
    web.put(HUB_PATH, Page(redirect=store.put("/blob", blob), headers=linked))
    says = f"sha256 of what was sent is {sha256(TEXT[::-1])}, the hub says {sha256(TEXT)}"
    with pytest.raises(DataError, match=rf"https://huggingface\.co{HUB_PATH}: {says}"):
        fetch(hub_card(write))
    blob.content = TEXT[:1000]
    with pytest.raises(DataError, match=f"1000 bytes were sent, the hub says it has {len(TEXT)}"):
        fetch(hub_card(write))
    assert files(data) == {}
    blob.content = TEXT
    (outcome,) = fetch(hub_card(write))
    assert (outcome.state, outcome.checked) == ("fetched", True)
    assert files(data) == {"small/data/all.jsonl": TEXT}


def test_small_files_of_the_hub_are_checked_against_gits_hash(web: Web, write: Write, fetch: Download) -> None:
    etag = "3297776e274ab4d917b2fe0d54195948fc7858db"  # printf 'xqgbench' | git hash-object --stdin
    page = Page(b"xqgbench", headers={"ETag": f'"{etag}"', "X-Repo-Commit": REVISION})
    web.put(HUB_PATH, page)
    page.content = b"xqgbenc"
    with pytest.raises(DataError, match=f"git hash of what was sent is [0-9a-f]{{40}}, the hub says {etag}"):
        fetch(hub_card(write))
    page.content = b"xqgbench"
    assert fetch(hub_card(write))[0].checked


def test_the_hash_of_the_card_goes_before_what_the_hub_states(web: Web, write: Write, fetch: Download) -> None:
    web.put(HUB_PATH, Page(TEXT, headers={"X-Linked-Etag": f'"{sha256(b"x")}"', "X-Repo-Commit": REVISION}))
    assert fetch(hub_card(write, sha256=sha256(TEXT)))[0].checked


def test_a_file_that_nothing_can_check_is_said_to_be_so(web: Web, write: Write, fetch: Download) -> None:
    card = write(passages={"path": "a", "url": web.put("/a", Page(b"a")), "revision": "v1"})
    assert [(o.state, o.checked) for o in (*fetch(card), *fetch(card))] == [("fetched", False), ("here", False)]


# Room


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """The disk has so many bytes free."""

    def set_to(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1 << 40, 0, free))  # type: ignore[attr-defined]

    return set_to


def test_too_little_room_is_said_before_anything_is_fetched(
    web: Web, write: Write, fetch: Download, data: Path, room: Callable[[int], None]
) -> None:
    card = write(queries=per_language(web), passages={"path": "a", "url": web.put("/a", Page(TEXT)), "revision": "1"})
    need = len(TEXT) + 4
    room(need - 1)
    with pytest.raises(MissingSpace, match=f"data: .*'small'.* need {need:,} bytes, and {need - 1:,} are free"):
        fetch(card)
    assert web.gets == []
    assert not data.exists()
    room(need)
    assert len(fetch(card)) == 3


def test_the_size_in_the_card_counts_less_what_is_here(
    web: Web, write: Write, fetch: Download, room: Callable[[int], None]
) -> None:
    card = write(queries={**per_language(web), "bytes": 1000})
    fetch(card, languages=("fi",))  # "fi", 2 bytes
    room(997)
    with pytest.raises(MissingSpace, match="need 998 bytes"):
        fetch(card)
    room(998)
    fetch(card)
    assert {request.path for request in web.requests if request.method == "HEAD"} == {"/fi.tsv"}


def test_a_part_counts_as_here(web: Web, write: Write, fetch: Download, room: Callable[[int], None]) -> None:
    card = write(passages={"path": "a", "url": web.put("/a", Page(TEXT, cuts=[1000, 0])), "sha256": sha256(TEXT)})
    with pytest.raises(MissingData):
        fetch(card)
    room(len(TEXT) - 1001)
    with pytest.raises(MissingSpace, match=f"need {len(TEXT) - 1000:,} bytes"):
        fetch(card)
    room(len(TEXT) - 1000)
    fetch(card)


def test_a_size_that_nobody_knows_stands_in_nobodys_way(
    web: Web, write: Write, fetch: Download, room: Callable[[int], None]
) -> None:
    room(10)
    fetch(write(passages={"path": "a", "url": web.put("/a", Page(TEXT, head=False)), "sha256": sha256(TEXT)}))


def test_a_disk_that_fills_up_half_way_is_said_to_be_full_and_what_is_here_stays(
    web: Web, write: Write, fetch: Download, data: Path
) -> None:
    card = write(passages={"path": "a", "url": web.put("/a", Page(TEXT)), "sha256": sha256(TEXT)})
    with room_for(1 << 20), pytest.raises(MissingSpace, match=r"data: the disk is full.*goes on from what was fetched"):
        fetch(card)
    assert 0 < len(files(data)["small/a.part"]) <= 1 << 20
    fetch(card)
    assert files(data) == {"small/a": TEXT}
    assert [request.status for request in web.gets] == [200, 206]


# Archives


def zipped(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def in_archive(web: Web, content: bytes, **page: Any) -> dict[str, Any]:
    """A source of two files, one per language, in one archive."""
    hashes = {language: sha256(language.encode() * 1000) for language in ("fi", "ja")}
    url = web.put("/files.zip", Page(content, **page))
    return {"path": "in/{language}.tsv", "archive": url, "sha256": hashes}


MEMBERS = {"in/fi.tsv": b"fi" * 1000, "in/ja.tsv": b"ja" * 1000, "in/other": random.Random(0).randbytes(300_000)}


@pytest.mark.parametrize("pack", [zipped, tarred, lambda m: tarred(m, "w:xz"), lambda m: tarred(m, "w")])
def test_members_of_an_archive_are_fetched_with_it_once_and_it_does_not_stay(
    web: Web, write: Write, fetch: Download, data: Path, pack: Callable[[Mapping[str, bytes]], bytes]
) -> None:
    card = write(queries=in_archive(web, pack(MEMBERS)))
    assert states(fetch(card)) == [("in/fi.tsv", "fetched"), ("in/ja.tsv", "fetched")]
    assert files(data) == {f"small/{name}": MEMBERS[name] for name in ("in/fi.tsv", "in/ja.tsv")}
    assert len(web.gets) == 1
    assert states(fetch(card)) == [("in/fi.tsv", "here"), ("in/ja.tsv", "here")]


def test_an_archive_that_was_interrupted_is_continued(web: Web, write: Write, fetch: Download, data: Path) -> None:
    content = zipped(MEMBERS)
    card = write(queries=in_archive(web, content, cuts=[1000, 0]))
    with pytest.raises(MissingData):
        fetch(card)
    fetch(card)
    assert web.sent == len(content)
    assert len(files(data)) == 2


def test_an_archive_whose_member_is_another_file_is_refused_and_nothing_of_it_stays(
    web: Web, write: Write, fetch: Download, data: Path
) -> None:
    card = write(queries=in_archive(web, zipped({**MEMBERS, "in/ja.tsv": b"another"})))
    with pytest.raises(DataError) as caught:
        fetch(card)
    for named in ("in/ja.tsv", f"{web.home}/files.zip", sha256(b"another"), sha256(b"ja" * 1000)):
        assert named in str(caught.value)
    assert files(data) == {}


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("name", ["../../../evil", "/tmp/evil", "in\\..\\evil"])
def test_a_hostile_archive_writes_nothing_and_does_not_stay(
    web: Web, write: Write, fetch: Download, tmp_path: Path, pack: Callable[..., bytes], name: str
) -> None:
    card = write(queries=in_archive(web, pack({**MEMBERS, name: b"evil"})))
    before = files(tmp_path)
    with pytest.raises(DataError, match=rf"^{web.home}/files\.zip: member .* would leave its folder"):
        fetch(card)
    assert files(tmp_path) == before


def test_an_archive_and_its_members_both_take_room(
    web: Web, write: Write, fetch: Download, room: Callable[[int], None]
) -> None:
    content = zipped(MEMBERS)
    card = write(queries=in_archive(web, content))
    room(2 * len(content) - 1)
    with pytest.raises(MissingSpace, match=f"need {2 * len(content):,} bytes"):
        fetch(card)
    assert web.gets == []
    room(2 * len(content))
    fetch(card)


# Several at once, and ends that nobody expects


def program(data: Path, cards: Path) -> subprocess.Popen[str]:
    words = ("tasks", "download", "small", "--tasks-dir", str(cards), "--data-dir", str(data))
    command = [sys.executable, "-m", "xqgbench", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_a_download_that_was_ended_goes_on_from_there(
    web: Web, write: Write, data: Path, tmp_path: Path, end: signal.Signals
) -> None:
    page = Page(TEXT, trickle=0.05)
    write(passages={"path": "a", "url": web.put("/a", page), "sha256": sha256(TEXT)})
    part = data / "small" / "a.part"
    first = program(data, tmp_path / "cards")
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 300_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    first.send_signal(end)
    _, said = first.communicate()
    assert first.returncode == (1 if end == signal.SIGINT else -signal.SIGKILL)
    assert end == signal.SIGKILL or "the same command goes on from there" in said
    kept = part.stat().st_size
    assert 300_000 < kept < len(TEXT)
    assert "small/a" not in files(data)
    page.trickle = 0
    second = program(data, tmp_path / "cards")
    out, err = second.communicate()
    assert second.returncode == 0, err
    assert "1 of 1 files here" in out
    assert files(data) == {"small/a": TEXT}
    assert web.gets[1].headers["Range"] == f"bytes={kept}-"
    assert web.gets[1].sent == len(TEXT) - kept


def test_two_programs_that_want_one_file_fetch_it_once(web: Web, write: Write, data: Path, tmp_path: Path) -> None:
    write(passages={"path": "a", "url": web.put("/a", Page(TEXT, trickle=0.05)), "sha256": sha256(TEXT)})
    both = [program(data, tmp_path / "cards") for _ in range(2)]
    said = [one.communicate() for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert files(data) == {"small/a": TEXT}
    assert len(web.gets) == 1
    assert sorted("fetched" in out for out, _ in said) == [False, True]


def test_many_threads_that_want_one_file_fetch_it_once_and_say_that_they_wait(
    web: Web, write: Write, fetch: Download, data: Path
) -> None:
    card = write(queries=in_archive(web, zipped(MEMBERS), trickle=0.1))
    waits: set[str] = set()
    lock = threading.Lock()

    def told(what: str, done: int, total: int | None) -> None:
        with lock:
            waits.update({what} if what.startswith("waiting") else ())

    with ThreadPoolExecutor(4) as threads:
        outcomes = [threads.submit(fetch, card, progress=told) for _ in range(4)]
    assert sorted(states(outcome.result())[0][1] for outcome in outcomes) == ["fetched", "here", "here", "here"]
    assert len(web.gets) == 1
    assert len(files(data)) == 2
    assert len(waits) == 1


# The command


@pytest.fixture
def command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(
            ["tasks", "download", "small", "--tasks-dir", str(tmp_path / "cards"), "--data-dir", str(data), *words]
        )
        return code, *capsys.readouterr()

    return call


def test_the_command_says_what_it_fetched_and_what_there_is(
    web: Web, write: Write, data: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    write(queries=per_language(web), passages={"path": "a", "url": web.put("/a", Page(TEXT)), "revision": "v1"})
    code, out, _ = command("--languages", "ja")
    assert code == 0
    assert out.splitlines() == [
        f"fetched {data / 'small' / 'ja.tsv'} (2 bytes)",
        f"fetched {data / 'small' / 'a'} ({len(TEXT):,} bytes)",
        f"2 of 2 files here ({len(TEXT) + 2:,} bytes), 2 of them fetched now ({len(TEXT) + 2:,} bytes), "
        "1 without a hash to check them by",
    ]
    code, out, _ = command("--languages", "fi,ja")
    assert out.splitlines()[0] == f"fetched {data / 'small' / 'fi.tsv'} (2 bytes)"
    assert len(out.splitlines()) == 2


def test_the_command_names_what_is_to_be_done_by_hand_and_fails(
    web: Web, write: Write, data: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    write(queries=per_language(web), passages={"path": "a", "sha256": sha256(b"a")})
    code, out, err = command()
    assert code == 3
    assert "2 of 3 files here" in out
    assert f"by hand: {data / 'small' / 'a'}" in out
    assert "1 of its files have no address" in err
    assert "https://small.org" in err
    (data / "small" / "a").write_bytes(b"a")
    assert command()[0] == 0


def test_the_command_fails_with_the_code_of_what_is_missing(
    web: Web, write: Write, command: Callable[..., tuple[int, str, str]]
) -> None:
    write(passages={"path": "a", "url": f"{web.home}/absent", "sha256": sha256(b"a")})
    code, _, err = command()
    assert code == 3
    assert err.startswith(f"Error: {web.home}/absent cannot be fetched: the server says 404")
    assert command("--languages", "xx")[0] == 2


def test_a_task_that_was_fetched_can_be_evaluated(
    web: Web, write: Write, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AfriQA's own card, its addresses led to a server here that has the real files, compressed."""
    card = (ROOT / "tasks" / "afriqa.toml").read_text(encoding="utf-8")
    home = "https://raw.githubusercontent.com"
    assert home in card
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "afriqa.toml").write_text(card.replace(home, web.home), encoding="utf-8")
    wanted = read_card(tmp_path / "cards" / "afriqa.toml")
    for file in wanted.sources["questions"].files:
        copy = shared / "afriqa" / f"{file.path}.gz"
        web.put(file.url.removeprefix(web.home), Page(copy.read_bytes()))
    monkeypatch.setenv("XQGBENCH_DATA", str(tmp_path / "own"))
    here = ("--tasks-dir", str(tmp_path / "cards"))
    assert main(["tasks", "download", "afriqa", *here]) == 0
    assert len(web.gets) == 3
    words = [
        "eval",
        "--model",
        "tests.conftest:Bigrams",
        "--task",
        "afriqa",
        *here,
        "--output",
        str(tmp_path / "results"),
    ]
    assert main([*words, "--quiet"]) == 0
    assert os.listdir(tmp_path / "results" / "afriqa") == ["bigrams"]  # noqa: PTH208
