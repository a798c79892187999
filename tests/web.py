"""A real web server on this machine, with the faults that servers have."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """One file of a server, and how it is served. Lists are used up, one entry per GET.

    Attributes:
        cuts: after how many bytes the connection breaks.
        statuses: what is answered instead (0: nothing special).
        length: a Content-Length that is not true.
        trickle: seconds between pieces of 64 KiB.
        shift: a server that sends other bytes than those asked for, by so many.
    """

    content: bytes = b""
    ranges: bool = True
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"1"'})
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    length: int | None = None
    trickle: float = 0.0
    shift: int = 0
    redirect: str = ""
    head: bool = True


@dataclass
class Request:
    """What was asked and what was given."""

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass
class Web:
    """A server's pages by path, and what was asked of it."""

    home: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def put(self, path: str, page: Page) -> str:
        self.pages[path] = page
        return self.home + path

    @property
    def gets(self) -> list[Request]:
        return [request for request in self.requests if request.method == "GET"]

    @property
    def sent(self) -> int:
        """Bytes of content that were sent, all together."""
        return sum(request.sent for request in self.requests)


class _Handler(BaseHTTPRequestHandler):
    web: Web

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client was killed
            self._serve()

    def _serve(self) -> None:
        seen = Request(self.command, self.path, dict(self.headers))
        self.web.requests.append(seen)
        page = self.web.pages.get(self.path)
        get = self.command == "GET"
        if page is None:
            return self._start(seen, 404, {})
        if not get and not page.head:
            return self._start(seen, 405, {})
        if get and page.statuses and (status := page.statuses.pop(0)):
            return self._start(seen, status, page.headers)
        if page.redirect:
            return self._start(seen, 302, {**page.headers, "Location": page.redirect})
        start, whole = self._start_of(page), len(page.content)
        if start and start >= whole:
            return self._start(seen, 416, {**page.headers, "Content-Range": f"bytes */{whole}"})
        body = page.content[max(0, start - page.shift) :]
        headers = {**page.headers, "Content-Length": str(len(body) if page.length is None else page.length)}
        if start:
            headers["Content-Range"] = f"bytes {start - page.shift}-{whole - 1}/{whole}"
        self._start(seen, 206 if start else 200, headers)
        if get:
            self._send(seen, page, body[: page.cuts.pop(0)] if page.cuts else body)
        return None

    def _start_of(self, page: Page) -> int:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        known = {page.headers.get("ETag"), page.headers.get("Last-Modified"), None}
        return int(wanted[1]) if wanted and page.ranges and self.headers.get("If-Range") in known else 0

    def _start(self, seen: Request, status: int, headers: dict[str, str]) -> None:
        seen.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, seen: Request, page: Page, body: bytes) -> None:
        for at in range(0, len(body), 1 << 16):
            piece = body[at : at + (1 << 16)]
            self.wfile.write(piece)
            seen.sent += len(piece)
            time.sleep(page.trickle)


@contextlib.contextmanager
def serving() -> Iterator[Web]:
    """A server on a free port, for as long as the block runs."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.web = web = Web(f"http://127.0.0.1:{server.server_address[1]}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
