"""Vectors of a retriever on a task: each encoded once, under a key that covers all that can change it."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import PASSAGES, QUESTIONS, ROOT, Bigrams, TaskWriter, jsonl
from tests.test_files import contents
from xqgbench import encode, evaluate
from xqgbench.encode import Encoder, batched, identity
from xqgbench.errors import InvalidParameter, RetrieverError
from xqgbench.formats.xor_retrieve import open_task as open_xor_retrieve
from xqgbench.registry import augmentation
from xqgbench.registry import retriever as retriever_of
from xqgbench.search import search
from xqgbench.sources import CardFiles
from xqgbench.store import Store
from xqgbench.tasks import open_task
from xqgbench.types import Passage, Task, Vectors


class Recorder(Bigrams):
    """Bigrams that notes what it is asked to encode; ``weights`` are what a training step would change."""

    def __init__(self, weights: int = 31, revision: str | None = "1", **info: Any) -> None:
        super().__init__(revision=revision)
        self.info = replace(self.info, **info)
        self.weights = weights
        self.queries: list[str] = []
        self.passages: list[str] = []
        self.sizes: list[int] = []

    def _encode(self, texts: Sequence[str]) -> Vectors:
        self.sizes.append(len(texts))
        vectors = np.zeros((len(texts), self.info.dim), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for first, second in itertools.pairwise(f" {text} "):
                row[(ord(first) * self.weights + ord(second)) % self.info.dim] += 1
        return vectors

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        self.queries += texts
        return self._encode(texts)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        self.passages += [passage.id for passage in passages]
        return self._encode([passage.joined(self.info.title_join) for passage in passages])


@pytest.fixture
def task(write_task: TaskWriter) -> Task:
    return open_task("small", write_task())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


def everything(encoder: Encoder) -> dict[str, Any]:
    """All vectors of the small task, as bytes."""
    found: dict[str, Any] = {language: encoder.queries(language).tobytes() for language in ("fi", "ja")}
    found["passages"] = [(list(ids), vectors.tobytes()) for ids, vectors in encoder.passages("fi")]
    found["generated"] = [
        {language: (chunk.means[language].tobytes(), chunk.counts[language].tolist()) for language in chunk.means}
        for chunk in encoder.generated("fi", ("fi", "ja"), 2)
    ]
    return found


def unit(vectors: Vectors) -> np.ndarray[Any, np.dtype[np.float64]]:
    wide = vectors.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


# What comes out


def test_cosine_vectors_are_of_unit_length_and_in_the_order_of_the_texts(task: Task, store: Path) -> None:
    found = Encoder(Recorder(), task, store).queries("fi")
    expected = unit(Bigrams().encode_queries([query.text for query in task.queries("fi")]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_dot_product_vectors_are_left_as_they_are(task: Task, store: Path) -> None:
    found = Encoder(Recorder(similarity="dot"), task, store).queries("fi")
    expected = Bigrams().encode_queries([query.text for query in task.queries("fi")])
    assert found.tobytes() == expected.tobytes()


def test_passages_come_with_their_ids_and_their_titles_encoded(task: Task, store: Path) -> None:
    ((ids, vectors),) = Encoder(Recorder(), task, store).passages("fi")
    assert ids == ["p0", "p1", "p2", "p3"]
    expected = unit(Bigrams().encode_queries([f"{p['title']} {p['text']}" for p in PASSAGES]))
    np.testing.assert_allclose(vectors, expected, atol=1e-7)


def test_a_retrievers_fault_names_the_passage_and_stores_nothing(task: Task, store: Path) -> None:
    class Broken(Recorder):
        def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
            vectors = super().encode_passages(passages)
            vectors[2, 0] = np.nan
            return vectors

    with pytest.raises(RetrieverError, match="NaN or infinite vector for passage 'p2'"):
        list(Encoder(Broken(), task, store).passages("fi"))
    assert contents(store) == {}
    again = Recorder()
    list(Encoder(again, task, store).passages("fi"))
    assert again.passages == ["p0", "p1", "p2", "p3"]


def test_a_fault_in_a_generated_query_names_passage_language_and_number(task: Task, store: Path) -> None:
    class Broken(Recorder):
        def encode_queries(self, texts: Sequence[str]) -> Vectors:
            vectors = super().encode_queries(texts)
            vectors[[text == "Shinanoどこ" for text in texts]] = np.inf
            return vectors

    with pytest.raises(RetrieverError, match="generated query 'p1/ja/2'"):
        list(Encoder(Broken(), task, store).generated("fi", ("fi", "ja"), 5))


# Nothing is encoded twice


def test_what_is_in_the_store_is_not_encoded_again_and_is_the_same_to_the_last_bit(task: Task, store: Path) -> None:
    first = everything(Encoder(Recorder(), task, store))
    again = Recorder()
    encoder = Encoder(again, task, store)
    assert everything(encoder) == first
    assert (again.queries, again.passages, encoder.encoded, encoder.seconds) == ([], [], 0, 0.0)


def test_encoded_counts_texts(task: Task, store: Path) -> None:
    encoder = Encoder(Recorder(), task, store)
    everything(encoder)
    assert encoder.encoded == 2 + 2 + 4 + 4 * 2 * 2  # questions in two languages, passages, generated queries


def test_plain_and_xqg_share_every_vector(write_task: TaskWriter, store: Path) -> None:
    retriever = Recorder()
    evaluate(retriever, "small", "xqg", tasks_dir=write_task(), store=store)
    generated = [text for language in ("fi", "ja") for p in PASSAGES for text in p["generated_queries"][language]]
    questions = [question["question"] for question in QUESTIONS]
    assert sorted(retriever.queries) == sorted([*questions, *generated])
    assert retriever.passages == ["p0", "p1", "p2", "p3"]
    assert len(retriever.sizes) == 5  # queries fi, queries ja, passages, generated fi, generated ja


def test_xqg_after_plain_encodes_the_generated_queries_alone(write_task: TaskWriter, store: Path) -> None:
    folder = write_task()
    evaluate(Recorder(), "small", tasks_dir=folder, store=store)
    retriever = Recorder()
    evaluate(retriever, "small", "xqg", tasks_dir=folder, store=store)
    assert retriever.passages == []
    assert len(retriever.queries) == 4 * 2 * 2
    assert not set(retriever.queries) & {question["question"] for question in QUESTIONS}


@pytest.mark.parametrize("augment", ["xqg:alpha=0.5", "xqg:reduce=mean,renormalise=true", "xqg:languages=query"])
def test_other_fusions_of_the_same_queries_encode_nothing(write_task: TaskWriter, store: Path, augment: str) -> None:
    folder = write_task()
    evaluate(Recorder(), "small", "xqg", tasks_dir=folder, store=store)
    retriever = Recorder()
    evaluate(retriever, "small", augment, tasks_dir=folder, store=store)
    assert retriever.sizes == []


# Generated queries


def test_generated_queries_are_reduced_to_one_mean_per_passage_and_language(task: Task, store: Path) -> None:
    (chunk,) = Encoder(Recorder(), task, store).generated("fi", ("fi", "ja"), 5)
    assert set(chunk.means) == set(chunk.counts) == {"fi", "ja"}
    for language in ("fi", "ja"):
        assert chunk.means[language].shape == (4, 64)
        assert chunk.means[language].dtype == np.float32
        assert chunk.counts[language].tolist() == [2, 2, 2, 2]
        for row, passage in zip(chunk.means[language], PASSAGES, strict=True):
            own = unit(Bigrams().encode_queries(passage["generated_queries"][language]))
            np.testing.assert_allclose(row, own.mean(axis=0), atol=1e-7)


def test_generated_queries_are_normalised_one_by_one_before_the_mean(task: Task, store: Path) -> None:
    """Else long queries would weigh more; the mean itself is shorter than one."""
    (chunk,) = Encoder(Recorder(), task, store).generated("fi", ("fi",), 5)
    lengths = np.linalg.norm(chunk.means["fi"].astype(np.float64), axis=1)
    assert (lengths < 1 - 1e-3).all()


def test_the_store_keeps_one_vector_per_passage_and_language_not_one_per_query(task: Task, store: Path) -> None:
    list(Encoder(Recorder(), task, store).generated("fi", ("fi", "ja"), 5))
    shapes = [np.load(path).shape for path in store.rglob("generated/*.npy")]
    assert shapes == [(4, 64), (4, 64)]


def test_only_the_first_queries_of_a_language_are_used(task: Task, store: Path) -> None:
    retriever = Recorder()
    (chunk,) = Encoder(retriever, task, store).generated("fi", ("ja",), 1)
    first = [passage["generated_queries"]["ja"][0] for passage in PASSAGES]
    assert retriever.queries == first
    assert chunk.counts["ja"].tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(chunk.means["ja"], unit(Bigrams().encode_queries(first)), atol=1e-7)


def test_asking_for_more_queries_than_there_are_uses_all(task: Task, store: Path) -> None:
    (two,) = Encoder(Recorder(), task, store).generated("fi", ("fi",), 2)
    again = Recorder()
    (many,) = Encoder(again, task, store).generated("fi", ("fi",), 50)
    assert many.means["fi"].tobytes() == two.means["fi"].tobytes()
    assert again.queries == []  # the same texts, so the same vectors


def generated_of(write_task: TaskWriter, *queries: list[str] | None) -> Task:
    records = [
        {"docid": f"p{i}", "title": "", "text": f"text {i}", "generated_queries": {} if own is None else {"fi": own}}
        for i, own in enumerate(queries)
    ]
    return open_task("small", write_task(passages=jsonl(records), qrels=""))


def test_a_passage_without_generated_queries_has_a_row_of_zeros_and_a_count_of_zero(
    write_task: TaskWriter, store: Path
) -> None:
    task = generated_of(write_task, ["yksi", "kaksi"], None, [], ["kolme"])
    (chunk,) = Encoder(Recorder(), task, store).generated("fi", ("fi",), 5)
    assert chunk.counts["fi"].tolist() == [2, 0, 0, 1]
    assert not chunk.means["fi"][1:3].any()
    np.testing.assert_allclose(chunk.means["fi"][3], unit(Bigrams().encode_queries(["kolme"]))[0], atol=1e-7)


def test_a_language_that_no_passage_has_queries_in_encodes_nothing(write_task: TaskWriter, store: Path) -> None:
    task = generated_of(write_task, ["yksi"], ["kaksi"])
    retriever = Recorder()
    (chunk,) = Encoder(retriever, task, store).generated("fi", ("ja",), 5)
    assert chunk.means["ja"].shape == (2, 64)
    assert not chunk.means["ja"].any()
    assert (chunk.counts["ja"].tolist(), retriever.queries) == ([0, 0], [])


def test_a_query_that_moves_to_the_next_passage_changes_both_means(write_task: TaskWriter, store: Path) -> None:
    """The same texts in the same order, divided otherwise, must not be found under one key."""
    (before,) = Encoder(Recorder(), generated_of(write_task, ["a", "b"], ["c"]), store).generated("fi", ("fi",), 5)
    (after,) = Encoder(Recorder(), generated_of(write_task, ["a"], ["b", "c"]), store).generated("fi", ("fi",), 5)
    assert (before.means["fi"] != after.means["fi"]).any(axis=1).all()


# What the vectors are kept under

OTHER: dict[str, Any] = {
    "name": "other",
    "dim": 65,
    "similarity": "dot",
    "revision": "2",
    "query_prompt": "query: ",
    "passage_prompt": "passage: ",
    "query_length": 32,
    "passage_length": 128,
    "title_join": "\n",
    "pooling": "mean",
    "libraries": ("numpy",),
}


@pytest.mark.parametrize("field", sorted(OTHER))
def test_whatever_can_change_a_vector_is_part_of_the_identity(field: str, store: Path) -> None:
    before, after = identity(Recorder()), identity(Recorder(**{field: OTHER[field]}))
    assert before != after
    assert Store(store, "x", before).folder != Store(store, "x", after).folder


@pytest.mark.parametrize(("field", "value"), [("license", "MIT"), ("trained_on", ("nq",)), ("trained_on", ())])
def test_what_cannot_change_a_vector_is_not(field: str, value: object) -> None:
    assert identity(Recorder(**{field: value})) == identity(Recorder())


def test_prompts_and_lengths_of_the_two_roles_are_not_mixed_up() -> None:
    for one, other in (("query_prompt", "passage_prompt"), ("query_length", "passage_length")):
        value = OTHER[one]
        assert identity(Recorder(**{one: value})) != identity(Recorder(**{other: value}))


def installed(folder: Path, version: str) -> str:
    info = folder / f"encode_test_engine-{version}.dist-info"
    info.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: encode-test-engine\nVersion: {version}\n"
    (info / "METADATA").write_text(text, encoding="utf-8")
    return str(folder)


def test_another_version_of_a_library_is_another_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    retriever = Recorder(libraries=("encode-test-engine",))
    found = [identity(retriever)]
    assert found[0]["libraries"] == {"encode-test-engine": "absent"}
    for version in ("1.0", "2.0"):
        monkeypatch.syspath_prepend(installed(tmp_path / version, version))
        found.append(identity(retriever))
        assert found[-1]["libraries"] == {"encode-test-engine": version}
    assert found[0] != found[1] != found[2] != found[0]


def test_a_retriever_without_a_revision_is_known_by_what_it_does(task: Task, store: Path) -> None:
    first = everything(Encoder(Recorder(revision=None), task, store))
    same, trained = Recorder(revision=None), Recorder(revision=None, weights=37)
    assert everything(Encoder(same, task, store)) == first
    texts = {query.text for language in ("fi", "ja") for query in task.queries(language)}
    assert not texts & set(same.queries)  # probes alone
    assert everything(Encoder(trained, task, store)) != first
    assert texts <= set(trained.queries)
    assert {"p0", "p1", "p2", "p3"} <= set(trained.passages)


@pytest.mark.parametrize("role", ["queries", "passages"])
def test_a_change_of_either_role_alone_is_noticed(role: str) -> None:
    class OneRole(Recorder):
        def encode_queries(self, texts: Sequence[str]) -> Vectors:
            return super().encode_queries(texts) + np.float32(role == "queries")

        def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
            return super().encode_passages(passages) + np.float32(role == "passages")

    assert identity(OneRole(revision=None)) != identity(Recorder(revision=None))


class Cut(Recorder):
    """Reads the first ``limit`` characters of a text."""

    def __init__(self, limit: int) -> None:
        super().__init__(revision=None)
        self.limit = limit

    def _encode(self, texts: Sequence[str]) -> Vectors:
        return super()._encode([text[: self.limit] for text in texts])


def test_retrievers_that_differ_in_where_they_cut_long_texts_alone_are_told_apart() -> None:
    found = [identity(Cut(limit)) for limit in (60, 5_000)]
    assert found[0] != found[1]
    assert found == [identity(Cut(limit)) for limit in (60, 5_000)]


PLUGIN = """
import numpy as np
from xqgbench import RetrieverInfo

class Mine:
    info = RetrieverInfo(name="mine", dim=2)

    def encode_queries(self, texts):
        return np.array([[len(text[:{limit}]), {rare}] for text in texts], dtype=np.float32)

    def encode_passages(self, passages):
        return self.encode_queries([passage.text for passage in passages])
"""


def test_a_change_in_the_source_file_that_no_probe_shows_is_another_identity(tmp_path: Path) -> None:
    """The second behaves differently on one word, which stands in none of the probes."""
    assert not any("Bando" in text for text in encode.PROBES)
    texts = {
        "one": PLUGIN.format(limit=60, rare="1"),
        "copy": PLUGIN.format(limit=60, rare="1"),
        "rare": PLUGIN.format(limit=60, rare="1 + ('Bando' in text)"),
        "long": PLUGIN.format(limit=5_000, rare="1"),
    }
    found = {}
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        found[name] = identity(retriever_of(f"{tmp_path / name}.py:Mine"))
    assert found["one"] == found["copy"]  # the place of a file is not part of it
    assert len({found[name]["revision"] for name in ("one", "rare", "long")}) == 3


def test_a_retriever_made_at_a_prompt_is_known_by_the_probes() -> None:
    """Its class has no source file."""
    found = []
    for limit in (60, 60, 5_000):
        names: dict[str, Any] = {"__name__": "builtins"}
        exec(PLUGIN.format(limit=limit, rare="1"), names)
        found.append(identity(names["Mine"]()))
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("encode_queries", "failed on 5 probe texts, 'probe-0' to 'probe-4': ValueError: no"),
        ("encode_passages", "failed on 5 probe texts, 'probe-0' to 'probe-4': ValueError: no"),
    ],
)
def test_a_retriever_that_fails_on_a_probe_is_named(task: Task, store: Path, method: str, said: str) -> None:
    retriever = Recorder(revision=None)
    error = ValueError("no")

    def fail(texts: Sequence[object]) -> Vectors:
        raise error

    setattr(retriever, method, fail)
    with pytest.raises(RetrieverError, match=f"retriever 'bigrams' {said}") as caught:
        Encoder(retriever, task, store)
    assert caught.value.__cause__ is error


def test_an_exception_in_a_generated_query_names_the_first_and_the_last_text(task: Task, store: Path) -> None:
    class Failing(Recorder):
        def encode_queries(self, texts: Sequence[str]) -> Vectors:
            raise OverflowError("too much")

    said = "retriever 'bigrams' failed on 8 generated query texts, 'p0/fi/1' to 'p3/fi/2': OverflowError: too much"
    with pytest.raises(RetrieverError, match=said):
        list(Encoder(Failing(), task, store).generated("fi", ("fi",), 2))
    assert not contents(store)


def test_a_revision_saves_the_probes() -> None:
    retriever = Recorder(revision="1")
    assert identity(retriever)["revision"] == "1"
    assert retriever.sizes == []


def passages_with(change: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
    return jsonl([*PASSAGES[:3], change(dict(PASSAGES[3]))])


@pytest.mark.parametrize(
    ("change", "encoded"),
    [
        (lambda p: {**p, "text": p["text"] + "!"}, ["p2", "p3"]),
        (lambda p: {**p, "title": p["title"] + "!"}, ["p2", "p3"]),
        (
            lambda p: {**p, "title": "Oulu The Oulu river", "text": p["text"].removeprefix("The Oulu river ")},
            ["p2", "p3"],
        ),
        (lambda p: {**p, "generated_queries": {}}, []),
    ],
    ids=["text", "title", "border of title and text", "generated queries"],
)
def test_only_the_chunk_of_a_changed_passage_is_encoded_again(
    write_task: TaskWriter,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    encoded: list[str],
) -> None:
    monkeypatch.setattr(encode, "CHUNK", 2)
    list(Encoder(Recorder(), open_task("small", write_task()), store).passages("fi"))
    retriever = Recorder()
    changed = open_task("small", write_task(passages=passages_with(change)))
    list(Encoder(retriever, changed, store).passages("fi"))
    assert retriever.passages == encoded


# Chunks, batches, interruptions


def test_chunks_do_not_change_what_comes_out(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flat(size: int) -> tuple[list[str], bytes, bytes]:
        monkeypatch.setattr(encode, "CHUNK", size)
        encoder = Encoder(Recorder(), task, tmp_path / str(size))
        chunks = list(encoder.passages("fi"))
        assert [len(ids) for ids, _ in chunks] == {1: [1, 1, 1, 1], 3: [3, 1], 4096: [4]}[size]
        generated = [chunk.means["ja"] for chunk in encoder.generated("fi", ("ja",), 5)]
        ids = [name for own, _ in chunks for name in own]
        return ids, np.concatenate([v for _, v in chunks]).tobytes(), np.concatenate(generated).tobytes()

    assert flat(1) == flat(3) == flat(4096)


def test_batches_never_cross_chunks_and_never_grow(
    write_task: TaskWriter, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "CHUNK", 256)
    many = jsonl([{"docid": f"{i}", "title": "", "text": f"text number {i}"} for i in range(600)])
    retriever = Recorder()
    list(Encoder(retriever, open_task("small", write_task(passages=many, qrels="")), store).passages("fi"))
    assert retriever.sizes == [128, 128, 128, 128, 88]
    assert encode.BATCH == 128


def test_the_shipped_chunk_is_a_whole_number_of_batches() -> None:
    assert encode.CHUNK % encode.BATCH == 0


@given(st.lists(st.integers(), max_size=20), st.integers(1, 7))
def test_batches_joined_are_the_items(items: list[int], size: int) -> None:
    batches = list(batched(iter(items), size))
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(batches)


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda c: b""])
def test_a_damaged_chunk_is_encoded_again_and_healed(task: Task, store: Path, damage: Callable[[bytes], bytes]) -> None:
    first = everything(Encoder(Recorder(), task, store))
    whole = contents(store)
    (path,) = store.rglob("passages/*.npy")
    path.write_bytes(damage(path.read_bytes()))
    retriever = Recorder()
    assert everything(Encoder(retriever, task, store)) == first
    assert (retriever.passages, retriever.queries) == (["p0", "p1", "p2", "p3"], [])
    assert contents(store) == whole


def test_a_chunk_whose_record_was_never_written_is_encoded_again(task: Task, store: Path) -> None:
    list(Encoder(Recorder(), task, store).passages("fi"))
    (record,) = store.rglob("passages/*.json")
    record.unlink()
    retriever = Recorder()
    list(Encoder(retriever, task, store).passages("fi"))
    assert retriever.passages == ["p0", "p1", "p2", "p3"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.test_encode import Recorder, everything
from xqgbench import encode
from xqgbench.tasks import open_task

class Killed(Recorder):
    def encode_passages(self, passages):
        if len(self.passages) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_passages(passages)

encode.CHUNK = 1
everything(encode.Encoder(Killed(), open_task("small", Path(sys.argv[1])), Path(sys.argv[2])))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system that kills")
def test_a_killed_run_goes_on_where_it_was_and_ends_like_an_unbroken_one(
    write_task: TaskWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, broken, unbroken = write_task(), tmp_path / "broken", tmp_path / "unbroken"
    command = [sys.executable, "-c", KILLED, str(folder), str(broken)]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == -signal.SIGKILL, outcome.stderr
    monkeypatch.setattr(encode, "CHUNK", 1)
    task = open_task("small", folder)
    resumed, whole = Recorder(), Recorder()
    assert everything(Encoder(resumed, task, broken)) == everything(Encoder(whole, task, unbroken))
    assert resumed.passages == ["p2", "p3"]
    assert not set(resumed.queries) & {question["question"] for question in QUESTIONS}
    assert contents(broken) == contents(unbroken)


def test_progress_counts_up_to_the_whole(task: Task, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "CHUNK", 3)
    seen: dict[str, list[tuple[int, int | None]]] = {}

    def note(what: str, done: int, total: int | None) -> None:
        seen.setdefault(what, []).append((done, total))

    counted = open_counted(task)
    encoder = Encoder(Recorder(), counted, store, note)
    everything(encoder)
    assert [done for done, _ in seen["passages"]] == [0, 3, 3, 4]
    assert {total for _, total in seen["passages"]} == {4}
    assert [done for done, _ in seen["generated queries"]] == [0, 3, 6, 6, 7, 8]
    assert {total for _, total in seen["generated queries"]} == {8}


def open_counted(task: Task) -> Task:
    """The same task with a card that says how many passages there are."""
    card = replace(task.card, expected_passages=4)
    return open_xor_retrieve(card, CardFiles(card))


def test_nothing_is_encoded_before_it_is_asked_for(task: Task, store: Path) -> None:
    retriever = Recorder()
    encoder = Encoder(retriever, task, store)
    stream: Iterator[Any] = encoder.passages("fi")
    assert retriever.sizes == []
    next(stream)
    assert retriever.sizes == [4]


# float16 in the store


def test_float16_vectors_are_rounded_in_the_run_that_encodes_as_in_those_that_read(task: Task, store: Path) -> None:
    exact = everything(Encoder(Recorder(), task, store))
    first = everything(Encoder(Recorder(), task, store, store_dtype="float16"))
    reader = Recorder()
    again = everything(Encoder(reader, task, store, store_dtype="float16"))
    assert again == first != exact
    assert reader.sizes == []
    for role in ("fi", "passages"):
        whole, rounded = (
            np.frombuffer(found[role] if role == "fi" else found[role][0][1], np.float32) for found in (exact, first)
        )
        assert rounded.tobytes() == whole.astype(np.float16).astype(np.float32).tobytes()


def test_float16_is_another_identity_and_half_the_bytes(task: Task, store: Path) -> None:
    for dtype in ("float32", "float16"):
        everything(Encoder(Recorder(), task, store, store_dtype=dtype))  # type: ignore[arg-type]
    kept = {
        dtype: sum(np.load(path).nbytes for path in store.rglob("*.npy") if np.load(path).dtype == dtype)
        for dtype in ("float32", "float16")
    }
    assert kept["float32"] == 2 * kept["float16"] > 0
    assert len(list(store.glob("bigrams-*"))) == 2


@pytest.mark.parametrize("dtype", ["float64", "half", "", None])
def test_other_types_are_refused(task: Task, store: Path, dtype: Any) -> None:
    with pytest.raises(InvalidParameter, match="float32 or float16, not"):
        Encoder(Recorder(), task, store, store_dtype=dtype)


@pytest.mark.parametrize(("role", "named"), [("passages", "passage 'p2'"), ("queries", "query 'fi-2'")])
def test_what_float16_cannot_hold_names_the_text_and_stores_nothing(
    task: Task, store: Path, role: str, named: str
) -> None:
    class Huge(Recorder):
        def _encode(self, texts: Sequence[str]) -> Vectors:
            large = [text.startswith(("Tone", "Mitä")) for text in texts]
            return super()._encode(texts) * np.where(large, np.float32(70_000), np.float32(1))[:, None]

    encoder = Encoder(Huge(similarity="dot"), task, store, store_dtype="float16")
    with pytest.raises(RetrieverError, match=f"the vector of {named} cannot be kept as float16"):
        list(encoder.passages("fi") if role == "passages" else encoder.queries("fi"))
    assert contents(store) == {}


def test_an_evaluation_with_float16_is_a_system_of_its_own_that_comes_out_the_same_again(
    write_task: TaskWriter, tmp_path: Path
) -> None:
    folder = write_task()
    exact = evaluate(Recorder(), "small", "xqg", tasks_dir=folder)
    first, again = (evaluate(Recorder(), "small", "xqg", tasks_dir=folder, store_dtype="float16") for _ in range(2))
    assert first.augmented is not None
    assert again.augmented is not None
    assert first.augmented.system == "bigrams_float16-store+xqg"
    assert first.plain.details["retriever"]["store_dtype"] == "float16"
    assert first.plain.details["provenance"]["command"].endswith(" --store-dtype float16")
    assert first.plain.signature == again.plain.signature != exact.plain.signature
    for one, other in ((first.plain, again.plain), (first.augmented, again.augmented)):
        assert one.scores == other.scores
        for language in ("fi", "ja"):
            for query, ranking in one.runs[language].items():
                assert ranking.scores.tobytes() == other.runs[language][query].scores.tobytes()


# What is handed out


@pytest.mark.parametrize("store_dtype", ["float32", "float16"])
def test_vectors_are_read_only_whether_they_were_encoded_or_read(task: Task, store: Path, store_dtype: Any) -> None:
    for _ in range(2):
        encoder = Encoder(Recorder(), task, store, store_dtype=store_dtype)
        (chunk,) = encoder.generated("fi", ("fi",), 2)
        ((_, passages),) = encoder.passages("fi")
        for vectors in (encoder.queries("fi"), passages, chunk.means["fi"]):
            with pytest.raises(ValueError, match="read-only"):
                vectors[0, 0] = 1


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs a system that lists what is mapped")
@pytest.mark.parametrize("augment", ["none", "xqg"])
def test_a_search_maps_one_stretch_of_the_collection_at_a_time(
    task: Task, store: Path, monkeypatch: pytest.MonkeyPatch, augment: str
) -> None:
    """Looked at each time that the next chunk is about to be read: nothing of the one before is mapped any more."""
    monkeypatch.setattr(encode, "CHUNK", 1)
    everything(Encoder(Recorder(), task, store))
    encoder, mapped = Encoder(Recorder(), task, store), []
    original = Store.chunk

    def noted(*arguments: Any) -> Any:
        if arguments[1] == "passages":
            lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
            mapped.append([line for line in lines if line.endswith(".npy") and str(store) in line])
        return original(*arguments)

    queries = np.array(encoder.queries("fi"))
    monkeypatch.setattr(Store, "chunk", noted)
    search(queries, augmentation(augment).passages(encoder, "fi"), 2)
    assert mapped == [[]] * 4
