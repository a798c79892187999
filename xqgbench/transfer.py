"""Files fetched over HTTP into a part, from where an earlier call stopped.

Beside a part ``x.part`` lies ``x.part.json``: where it comes from, and what the server called that version of the
file. A part is continued only if the server says that it still has that version, or if its end will be checked.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from xqgbench.errors import MissingData
from xqgbench.files import appended, discard, write_atomically
from xqgbench.types import Progress

if TYPE_CHECKING:
    import requests

PIECE = 1 << 18
HOPS = 10
#: Seconds to wait for a connection, and for the next bytes.
TIMEOUT = (20, 60)
#: The longest wait that a server may ask for (Retry-After).
LONGEST_PAUSE = 60.0
BUSY = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Hub:
    """The Hugging Face hub: its address in cards, where it is reached, and what is told to it alone."""

    home: str
    endpoint: str
    token: str = ""

    @classmethod
    def of_environment(cls, home: str) -> Hub:
        """As ``HF_ENDPOINT`` and ``HF_TOKEN`` say."""
        return cls(home, os.environ.get("HF_ENDPOINT", "").rstrip("/") or home, os.environ.get("HF_TOKEN", "").strip())

    def address(self, url: str) -> str:
        """Where a url of a card is asked for."""
        return self.endpoint + url.removeprefix(self.home) if url.startswith(f"{self.home}/") else url

    def is_at(self, url: str) -> bool:
        """Whether a url leads to the hub itself, not to the stores that it sends to."""
        return _origin(url) == _origin(self.endpoint)


@dataclass(frozen=True, slots=True)
class Promise:
    """What the hub says of a file: a hash of its bytes (sha256, or git's sha1 of a blob) and its size."""

    digest: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class _Note:
    """What lies beside a part. ``version`` is an ETag or date that a server takes for If-Range."""

    url: str = ""
    version: str = ""
    digest: str = ""


class _Failed(Exception):
    """This attempt failed, and the next may not."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class Client:
    """Asks for files, patiently.

    Args:
        tries: attempts in a row that bring nothing new before it gives up.
        pause: seconds before the second attempt; doubled with each further one.
    """

    def __init__(self, hub: Hub, tries: int = 5, pause: float = 1.0) -> None:
        import requests

        self._hub, self._tries, self._pause = hub, tries, pause
        self._session = requests.Session()
        self._session.headers.update(
            {"User-Agent": f"xqgbench/{metadata.version('xqgbench')}", "Accept-Encoding": "identity"}
        )

    def size(self, url: str) -> int | None:
        """Bytes of a file, if the server says so when it is asked for nothing else."""
        try:
            with self._answer("HEAD", self._hub.address(url), {}) as (answer, promise):
                length = _number(answer.headers.get("Content-Length")) if answer.status_code == 200 else None
                return promise.size if promise.size is not None else length
        except (_Failed, MissingData):
            return None  # the attempt to fetch it will say what is wrong

    def fetch(self, url: str, part: Path, checked: bool, progress: Progress, what: str) -> Promise:
        """Fetch a file into ``part``, the bytes of which are then all there, but not checked.

        Args:
            checked: the caller knows a hash of the file, so that a part may be continued without the server's word
                for it that the file is still the same.

        Raises:
            MissingData: the server does not give it, or cannot be reached.
        """
        best, failures = _size(part), 0
        while True:
            try:
                return self._attempt(url, part, checked, progress, what)
            except _Failed as error:
                failures = failures + 1 if _size(part) <= best else 1
                best = max(best, _size(part))
                if failures >= self._tries:
                    raise MissingData(
                        f"{url} cannot be fetched: {error} ({failures} attempts). The same command goes on from what "
                        f"is here; a copy from elsewhere is found with --data-dir DIR."
                    ) from None
                time.sleep(max(error.pause, self._pause * 2 ** (failures - 1)))

    def _attempt(self, url: str, part: Path, checked: bool, progress: Progress, what: str) -> Promise:
        note = _read_note(part)
        trusted = note.version or note.digest or checked
        kept = _size(part) if note.url == url and trusted else 0
        headers = {"Range": f"bytes={kept}-"} if kept else {}
        if kept and note.version and not note.digest:
            headers["If-Range"] = note.version
        address = self._hub.address(url)
        with self._answer("GET", address, headers) as (answer, promise):
            _refuse(address, answer, self._hub)
            if answer.status_code == 416 or (kept and note.digest != promise.digest):
                return self._no_such_range(answer, part, kept, note, promise)
            start, total = _extent(answer, kept)
            if start == 0:
                discard(part)
                noted = asdict(_Note(url, _version(answer), promise.digest))
                write_atomically(_note_of(part), json.dumps(noted).encode())
            elif start != kept:
                discard(part)
                raise _Failed(f"asked for bytes from {kept} on, the server sent those from {start} on")
            self._write(answer, part, start, total, progress, what)
        return promise

    def _no_such_range(
        self, answer: requests.Response, part: Path, kept: int, note: _Note, promise: Promise
    ) -> Promise:
        """Nothing can be continued: the part is whole, or is a part of something else."""
        whole = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
        if answer.status_code == 416 and whole and int(whole[1]) == kept and note.digest == promise.digest:
            return promise
        discard(part)
        raise _Failed(f"the file has changed since its first {kept} bytes were fetched")

    def _write(
        self, answer: requests.Response, part: Path, start: int, total: int | None, progress: Progress, what: str
    ) -> None:
        from urllib3.exceptions import HTTPError

        done = start
        try:
            with appended(part, start) as stream:
                progress(what, done, total)
                # Whatever encoding the server claims, these are the bytes of the file.
                for piece in answer.raw.stream(PIECE, decode_content=False):
                    stream.write(piece)
                    done += len(piece)
                    progress(what, done, total)
        except HTTPError as error:
            raise _Failed(f"the connection broke after {_of(done, total)} bytes ({type(error).__name__})") from None
        if total is not None and done != total:
            raise _Failed(f"the connection ended after {_of(done, total)} bytes")

    @contextlib.contextmanager
    def _answer(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[tuple[requests.Response, Promise]]:
        """The answer to a request after all redirections, and what the hub said of the file on the way."""
        import requests

        promise = Promise()
        for _ in range(HOPS):
            bearer = _Bearer(self._hub.token if self._hub.is_at(url) else "")
            try:
                answer = self._session.request(
                    method, url, headers=headers, auth=bearer, stream=True, allow_redirects=False, timeout=TIMEOUT
                )
            except (requests.ConnectionError, requests.Timeout) as error:
                raise _Failed(_reason(error)) from None
            except requests.RequestException as error:
                raise MissingData(f"{url} cannot be fetched: {_reason(error)}.") from None
            with answer:
                if self._hub.is_at(url) and answer.status_code < 400:
                    promise = _promise(answer, promise)
                if not answer.is_redirect:
                    if answer.status_code in BUSY:
                        pause = _number(answer.headers.get("Retry-After")) or 0
                        raise _Failed(f"the server says {_status(answer)}", min(pause, LONGEST_PAUSE))
                    yield answer, promise
                    return
                url = redirected(url, answer.headers["Location"])
        raise MissingData(f"{url} cannot be fetched: it is redirected more than {HOPS} times.")


class _Bearer:
    """The authorisation of a request: a token, or none at all, not even one that ~/.netrc has for the host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def redirected(url: str, location: str) -> str:
    """Where a redirection leads.

    Raises:
        MissingData: it leaves the web, or an encrypted connection for an open one.
    """
    there = urljoin(url, location)
    scheme = urlsplit(there).scheme
    if scheme not in ("http", "https"):
        raise MissingData(f"{url} is redirected to {there}, which is no http or https address; it is not followed.")
    if scheme == "http" and urlsplit(url).scheme == "https":
        raise MissingData(f"{url} is redirected from https to {there}, which anybody could change; it is not followed.")
    return there


def beside(part: Path) -> tuple[Path, Path]:
    """A part and the note that goes with it, for whoever discards them."""
    return part, _note_of(part)


def _refuse(url: str, answer: requests.Response, hub: Hub) -> None:
    """Whether a server gives what it was asked for.

    Raises:
        MissingData: it does not, and will not do so at the next attempt.
    """
    if answer.status_code in (200, 206, 416):
        return
    if answer.status_code == 403 and _origin(answer.url) != _origin(url):
        raise _Failed(f"the server it is redirected to says {_status(answer)}")  # stores do so now and then
    hint = "The card's address may be out of date; a copy from elsewhere is found with --data-dir DIR."
    if answer.status_code in (401, 403):
        hint = "It wants to know who asks; fetch the file by hand, and name its folder with --data-dir DIR."
        if hub.is_at(url):
            page = re.sub(r"/resolve/.*", "", url)
            hint = f"Accept its conditions at {page} if it has any, and set HF_TOKEN to a token of yours."
    raise MissingData(f"{url} cannot be fetched: the server says {_status(answer)}. {hint}")


def _extent(answer: requests.Response, kept: int) -> tuple[int, int | None]:
    """The first byte that an answer holds, and how many the whole file has."""
    if answer.status_code == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        return (int(found[1]), _number(found[2])) if found and kept else (-1, None)
    return 0, _number(answer.headers.get("Content-Length"))


def _version(answer: requests.Response) -> str:
    """What If-Range can name: a strong ETag, else a date."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified", "")


def _promise(answer: requests.Response, before: Promise) -> Promise:
    """What the hub says of a file, in the headers that huggingface_hub's ``get_hf_file_metadata`` reads.

    An etag of the hub is the sha256 of the bytes of a large file, and git's sha1 of any other.
    """
    headers = answer.headers
    etag = headers.get("X-Linked-Etag") or (headers.get("ETag", "") if "X-Repo-Commit" in headers else "")
    digest = etag.removeprefix("W/").strip('"')
    known = digest if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", digest) else ""
    size = _number(headers.get("X-Linked-Size"))
    return Promise(before.digest or known, before.size if size is None else size)


def _read_note(part: Path) -> _Note:
    try:
        return _Note(**json.loads(_note_of(part).read_bytes()))
    except (OSError, ValueError, TypeError):
        return _Note()


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\d{1,18}", text) else None


def _of(done: int, total: int | None) -> str:
    return f"{done}" if total is None else f"{done} of {total}"


def _status(answer: requests.Response) -> str:
    return f"{answer.status_code} {answer.reason or ''}".strip()


def _reason(error: Exception) -> str:
    inner = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return f"{type(error).__name__}: {inner}"[:200]


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()
