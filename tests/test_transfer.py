"""Files come over HTTP whole, from where an earlier call stopped, whatever servers and connections do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web import Page, Web, serving
from xqgbench.errors import MissingData
from xqgbench.transfer import Client, Hub, Promise, redirected
from xqgbench.types import silent

CONTENT = random.Random(1).randbytes(3_000_001)
HALF = 1_500_000


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the machine know nothing of servers on it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


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
def part(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "file.part"


def client(hub: str = "https://hub.invalid", token: str = "", tries: int = 3) -> Client:
    return Client(Hub("https://hub.invalid", hub, token), tries=tries, pause=0.001)


def fetch(url: str, part: Path, checked: bool = False, of: Client | None = None) -> Promise:
    return (of or client()).fetch(url, part, checked, silent, "downloading")


def stopped_half_way(url: str, page: Page, part: Path) -> None:
    """As if the process had ended when half of the file was here."""
    page.cuts.append(HALF)
    with pytest.raises(MissingData, match=f"after {HALF} of {len(CONTENT)} bytes"):
        fetch(url, part, of=client(tries=1))
    assert part.read_bytes() == CONTENT[:HALF]


# Going on


def test_a_file_is_fetched_with_the_folders_it_needs_and_its_progress_is_told(web: Web, part: Path) -> None:
    url, told = web.put("/file", Page(CONTENT)), []
    client().fetch(url, part, False, lambda *report: told.append(report), "downloading file")
    assert part.read_bytes() == CONTENT
    assert [told[0], told[-1]] == [("downloading file", n, len(CONTENT)) for n in (0, len(CONTENT))]
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


@pytest.mark.parametrize("headers", [{"ETag": '"1"'}, {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}])
def test_a_later_call_asks_only_for_what_is_missing(web: Web, part: Path, headers: dict[str, str]) -> None:
    url = web.put("/file", page := Page(CONTENT, headers=headers))
    stopped_half_way(url, page, part)
    fetch(url, part)
    assert part.read_bytes() == CONTENT
    assert web.sent == len(CONTENT)
    assert [request.status for request in web.gets] == [200, 206]
    assert web.gets[1].headers["If-Range"] == next(iter(headers.values()))


def test_a_connection_that_breaks_again_and_again_is_patiently_continued(web: Web, part: Path) -> None:
    url = web.put("/file", Page(CONTENT, cuts=[300_000] * 9))  # more often than attempts that bring nothing may fail
    fetch(url, part)
    assert part.read_bytes() == CONTENT
    assert len(web.gets) == 10
    assert web.sent == len(CONTENT)


def test_a_file_that_has_changed_meanwhile_is_fetched_from_its_beginning(web: Web, part: Path) -> None:
    url = web.put("/file", page := Page(CONTENT))
    stopped_half_way(url, page, part)
    web.pages["/file"] = Page(CONTENT[::-1], headers={"ETag": '"2"'})
    fetch(url, part)
    assert part.read_bytes() == CONTENT[::-1]
    assert web.gets[1].status == 200


def test_a_server_that_cannot_continue_sends_all_of_it_again(web: Web, part: Path) -> None:
    url = web.put("/file", page := Page(CONTENT, ranges=False))
    stopped_half_way(url, page, part)
    fetch(url, part)
    assert part.read_bytes() == CONTENT
    assert web.sent == HALF + len(CONTENT)


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"'}], ids=["no version", "weak version"])
def test_a_part_of_unknown_version_is_continued_only_if_its_end_is_checked(
    web: Web, part: Path, headers: dict[str, str]
) -> None:
    url = web.put("/file", page := Page(CONTENT, headers=headers))
    stopped_half_way(url, page, part)
    fetch(url, part, checked=False)
    assert web.gets[1].status == 200
    part.unlink()
    stopped_half_way(url, page, part)
    fetch(url, part, checked=True)
    assert web.gets[3].status == 206
    assert part.read_bytes() == CONTENT


def test_the_part_of_another_address_is_not_continued(web: Web, part: Path) -> None:
    url = web.put("/file", page := Page(CONTENT))
    stopped_half_way(url, page, part)
    fetch(web.put("/other", Page(CONTENT[::-1])), part, checked=True)
    assert part.read_bytes() == CONTENT[::-1]


def test_a_part_that_was_whole_already_is_found_to_be_so(web: Web, part: Path) -> None:
    """Killed between the last byte and the renaming: bytes=N- cannot be satisfied (416)."""
    url = web.put("/file", Page(CONTENT))
    fetch(url, part)
    fetch(url, part)
    assert part.read_bytes() == CONTENT
    assert web.sent == len(CONTENT)
    assert web.gets[1].status == 416


def test_a_part_that_is_longer_than_the_file_is_fetched_anew(web: Web, part: Path) -> None:
    url = web.put("/file", Page(CONTENT))
    fetch(url, part)
    part.write_bytes(CONTENT + b"more")
    fetch(url, part)
    assert part.read_bytes() == CONTENT
    assert [request.status for request in web.gets] == [200, 416, 200]


def test_a_server_that_sends_other_bytes_than_asked_for_spoils_nothing(web: Web, part: Path) -> None:
    url = web.put("/file", page := Page(CONTENT))
    stopped_half_way(url, page, part)
    page.shift = 1000
    fetch(url, part)
    assert part.read_bytes() == CONTENT
    assert [request.status for request in web.gets] == [200, 206, 200]


def test_a_note_that_cannot_be_read_is_as_good_as_none(web: Web, part: Path) -> None:
    url = web.put("/file", page := Page(CONTENT))
    stopped_half_way(url, page, part)
    part.with_name("file.part.json").write_text('{"url": ', encoding="utf-8")
    fetch(url, part)
    assert part.read_bytes() == CONTENT


# Bytes as they are


def test_a_compressed_file_is_not_decompressed_on_the_way(web: Web, part: Path) -> None:
    """Some servers say that a .gz file is a plain one, encoded for transport."""
    content = b"\x1f\x8b\x08" + CONTENT
    fetch(web.put("/a.jsonl.gz", Page(content, headers={"Content-Encoding": "gzip"})), part)
    assert part.read_bytes() == content
    assert web.gets[0].headers["Accept-Encoding"] == "identity"


def test_a_server_that_promises_more_than_it_has_is_given_up(web: Web, part: Path) -> None:
    url = web.put("/file", Page(CONTENT, length=len(CONTENT) + 10, ranges=False))
    with pytest.raises(MissingData, match=rf"after {len(CONTENT)} of {len(CONTENT) + 10} bytes.*3 attempts"):
        fetch(url, part)
    assert len(web.gets) == 3


# Servers that do not give


def test_a_server_that_is_busy_is_asked_again(web: Web, part: Path) -> None:
    fetch(web.put("/file", Page(CONTENT, statuses=[503, 429])), part)
    assert part.read_bytes() == CONTENT
    assert [request.status for request in web.gets] == [503, 429, 200]


def test_a_busy_server_does_not_cost_what_is_here(web: Web, part: Path) -> None:
    url = web.put("/file", page := Page(CONTENT))
    stopped_half_way(url, page, part)
    page.statuses += [503, 503, 503]
    with pytest.raises(MissingData, match=r"the server says 503 Service Unavailable \(3 attempts\)"):
        fetch(url, part)
    fetch(url, part)
    assert web.sent == len(CONTENT)


@pytest.mark.parametrize(("status", "says"), [(404, "404 Not Found.*out of date"), (403, "403 Forbidden.*by hand")])
def test_a_server_that_refuses_is_asked_once(web: Web, part: Path, status: int, says: str) -> None:
    url = web.put("/file", Page(CONTENT, statuses=[status]))
    with pytest.raises(MissingData, match=rf"{url} cannot be fetched: the server says {says}.*--data-dir"):
        fetch(url, part)
    assert len(web.gets) == 1
    assert not part.exists()


def test_a_server_that_is_not_there_is_said_so(part: Path) -> None:
    with serving() as web:
        url = f"{web.home}/file"
    with pytest.raises(MissingData, match=rf"{url} cannot be fetched: ConnectionError.*refused.*\(3 attempts\)"):
        fetch(url, part)


@pytest.mark.parametrize("to", ["file:///etc/hostname", "ftp://127.0.0.1/file", "data:,x"])
def test_a_redirection_out_of_the_web_is_not_followed(web: Web, part: Path, to: str) -> None:
    with pytest.raises(MissingData, match=r"is redirected to .*no http or https address"):
        fetch(web.put("/file", Page(redirect=to)), part)
    assert not part.exists()


def test_redirections_lead_to_the_file_but_not_from_an_encrypted_connection_to_an_open_one(
    web: Web, part: Path
) -> None:
    web.put("/b", Page(CONTENT))
    fetch(web.put("/a", Page(redirect="b")), part)
    assert part.read_bytes() == CONTENT
    assert redirected("http://a.org/x", "https://b.org/y") == "https://b.org/y"
    with pytest.raises(MissingData, match="anybody could change"):
        redirected("https://a.org/x", "http://b.org/y")


def test_redirections_in_a_circle_end(web: Web, part: Path) -> None:
    with pytest.raises(MissingData, match="redirected more than 10 times"):
        fetch(web.put("/a", Page(redirect="/a")), part)


# Sizes


def test_the_size_of_a_file_is_asked_without_fetching_it(web: Web) -> None:
    assert client().size(web.put("/file", Page(CONTENT))) == len(CONTENT)
    assert client().size(web.put("/no-head", Page(CONTENT, head=False))) is None
    assert client().size(f"{web.home}/absent") is None
    assert web.sent == 0


# The hub


REVISION = "0123456789abcdef0123456789abcdef01234567"
HUB_URL = f"https://hub.invalid/datasets/a/b/resolve/{REVISION}/file"
HUB_PATH = HUB_URL.removeprefix("https://hub.invalid")
DIGEST = "ab" * 32


def test_another_endpoint_takes_the_place_of_the_hub_and_says_what_it_has(web: Web, store: Web, part: Path) -> None:
    linked = {"X-Linked-Etag": f'"{DIGEST}"', "X-Linked-Size": "3000001", "X-Repo-Commit": REVISION}
    web.put(HUB_PATH, Page(redirect=store.put("/blob", Page(CONTENT)), headers=linked))
    assert fetch(HUB_URL, part, of=client(web.home)) == Promise(DIGEST, 3_000_001)
    assert part.read_bytes() == CONTENT
    assert client(web.home).size(HUB_URL) == 3_000_001


def test_git_files_of_the_hub_are_known_by_their_etag(web: Web, part: Path) -> None:
    web.put(HUB_PATH, Page(CONTENT, headers={"ETag": f'"{REVISION}"', "X-Repo-Commit": REVISION}))
    assert fetch(HUB_URL, part, of=client(web.home)) == Promise(REVISION)


def test_an_etag_of_any_other_server_is_no_promise(web: Web, part: Path) -> None:
    assert fetch(web.put("/file", Page(CONTENT, headers={"ETag": f'"{DIGEST}"'})), part) == Promise()


def test_the_token_is_told_to_the_hub_alone(web: Web, store: Web, part: Path) -> None:
    web.put(HUB_PATH, Page(redirect=store.put("/blob", Page(CONTENT))))
    own = client(web.home, token="hf_secret")
    fetch(HUB_URL, part, of=own)
    fetch(store.put("/elsewhere", Page(CONTENT)), part, of=own)
    assert [request.headers.get("Authorization") for request in web.requests] == ["Bearer hf_secret"]
    assert [request.headers.get("Authorization") for request in store.requests] == [None, None]


def test_passwords_kept_for_other_programs_are_not_told(
    web: Web, part: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login me password secret\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fetch(web.put("/file", Page(CONTENT)), part)
    assert "Authorization" not in web.requests[0].headers


def test_what_the_hub_gives_to_known_users_alone_needs_a_token(web: Web, part: Path) -> None:
    web.put(HUB_PATH, Page(statuses=[401]))
    says = f"401 Unauthorized.*conditions at {web.home}/datasets/a/b if it has any, and set HF_TOKEN"
    with pytest.raises(MissingData, match=says):
        fetch(HUB_URL, part, of=client(web.home))


def test_a_part_from_the_hub_is_continued_by_its_hash_whatever_store_it_sends_to(
    web: Web, store: Web, part: Path
) -> None:
    """The stores' own versions change with every address that the hub signs."""
    page = Page(redirect=store.put("/blob-1", Page(CONTENT, cuts=[HALF])), headers={"X-Linked-Etag": DIGEST})
    web.put(HUB_PATH, page)
    with pytest.raises(MissingData):
        fetch(HUB_URL, part, of=client(web.home, tries=1))
    page.redirect = store.put("/blob-2", Page(CONTENT, headers={"ETag": '"another"'}))
    fetch(HUB_URL, part, of=client(web.home))
    assert part.read_bytes() == CONTENT
    assert store.sent == len(CONTENT)
    assert "If-Range" not in store.gets[1].headers


def test_a_part_from_the_hub_with_another_hash_is_fetched_anew(web: Web, store: Web, part: Path) -> None:
    page = Page(redirect=store.put("/blob", Page(CONTENT, cuts=[HALF])), headers={"X-Linked-Etag": DIGEST})
    web.put(HUB_PATH, page)
    with pytest.raises(MissingData):
        fetch(HUB_URL, part, of=client(web.home, tries=1))
    page.headers["X-Linked-Etag"] = "cd" * 32
    store.put("/blob", Page(CONTENT[::-1]))
    assert fetch(HUB_URL, part, of=client(web.home)).digest == "cd" * 32
    assert part.read_bytes() == CONTENT[::-1]


def test_a_refusal_of_the_hub_does_not_cost_what_is_here(web: Web, store: Web, part: Path) -> None:
    page = Page(redirect=store.put("/blob", Page(CONTENT, cuts=[HALF])), headers={"X-Linked-Etag": DIGEST})
    web.put(HUB_PATH, page)
    with pytest.raises(MissingData):
        fetch(HUB_URL, part, of=client(web.home, tries=1))
    page.statuses.append(401)
    with pytest.raises(MissingData):
        fetch(HUB_URL, part, of=client(web.home))
    assert part.read_bytes() == CONTENT[:HALF]


def test_a_store_that_refuses_once_is_asked_again_through_the_hub(web: Web, store: Web, part: Path) -> None:
    """Addresses that the hub signs expire, and its stores refuse good ones now and then."""
    web.put(HUB_PATH, Page(redirect=store.put("/blob", Page(CONTENT, statuses=[403]))))
    fetch(HUB_URL, part, of=client(web.home))
    assert part.read_bytes() == CONTENT
    assert len(web.gets) == 2


def test_the_environment_names_the_hub_and_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.org/")
    monkeypatch.setenv("HF_TOKEN", " hf_x\n")
    hub = Hub.of_environment("https://huggingface.co")
    assert hub == Hub("https://huggingface.co", "https://mirror.org", "hf_x")
    assert hub.address("https://huggingface.co/datasets/a") == "https://mirror.org/datasets/a"
    assert hub.address("https://huggingface.co.evil.org/a") == "https://huggingface.co.evil.org/a"
    assert hub.is_at("https://mirror.org/x")
    assert not hub.is_at("http://mirror.org/x")
    assert not hub.is_at("https://mirror.org@evil.org/x")
