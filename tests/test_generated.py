"""``--generated-queries``: records join the passages by id, in any order, and results say where they come from."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PASSAGES, Bigrams, TaskWriter, jsonl
from xqgbench import generated, tasks
from xqgbench.cli import main
from xqgbench.errors import DataError, InvalidParameter, MissingData, UnknownName
from xqgbench.evaluation import Evaluation, evaluate
from xqgbench.types import Task

RECORDS = [{"docid": p["docid"], "generated_queries": p["generated_queries"]} for p in PASSAGES]
Join = Callable[..., Task]


@pytest.fixture
def join(write_task: TaskWriter, tmp_path: Path) -> Join:
    """The small task with other records of generated queries."""

    def joined(records: Sequence[object], name: str = "mine.jsonl") -> Task:
        content = jsonl(records).encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return tasks.open_task("small", write_task(), generated_queries=tmp_path / name)

    return joined


def queries_of(task: Task, language: str = "fi") -> dict[str, list[str]]:
    stream = zip(task.passages(language), task.generated_queries(language), strict=True)
    return {passage.id: list(own.get(language, ())) for passage, own in stream}


OWN = {p["docid"]: p["generated_queries"]["fi"] for p in PASSAGES}


# Joining


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.jsonl.gz"])
def test_records_in_the_order_of_the_passages_join_them(join: Join, name: str) -> None:
    assert queries_of(join(RECORDS, name)) == OWN


@pytest.mark.parametrize("seed", range(5))
def test_records_in_any_order_join_the_same_passages(join: Join, seed: int) -> None:
    assert queries_of(join(random.Random(seed).sample(RECORDS, len(RECORDS)))) == OWN


def test_a_passage_without_a_record_has_no_generated_queries(join: Join) -> None:
    assert queries_of(join([RECORDS[3], RECORDS[1]])) == {**OWN, "p0": [], "p2": []}


def test_records_of_other_passages_are_passed_over(join: Join) -> None:
    others = [{"docid": f"x{n}", "generated_queries": {"fi": ["muu"]}} for n in range(20)]
    assert queries_of(join([*others[:10], *RECORDS[:2], *others[10:], *RECORDS[2:]])) == OWN


def test_records_replace_what_the_task_has(join: Join) -> None:
    task = join([{"docid": "p1", "generated_queries": {"fi": ["uusi"]}}])
    assert queries_of(task) == {"p0": [], "p1": ["uusi"], "p2": [], "p3": []}


def test_the_languages_are_those_of_the_records(join: Join) -> None:
    task = join([{"docid": "p1", "generated_queries": {"sv": ["ny"], "fi": [], "ar": ["جديد"]}}])
    assert task.card.generated_languages == ("ar", "sv")
    assert task.card.languages == ("fi", "ja")


def test_numbers_as_ids_join_ids_that_are_strings(write_task: TaskWriter, tmp_path: Path) -> None:
    passages = [{**passage, "docid": str(n)} for n, passage in enumerate(PASSAGES)]
    (tmp_path / "mine.jsonl").write_text(jsonl([{"docid": 2, "generated_queries": {"fi": ["x"]}}]))
    folder = write_task(jsonl(passages), qrels="")
    task = tasks.open_task("small", folder, generated_queries=tmp_path / "mine.jsonl")
    assert queries_of(task)["2"] == ["x"]


def test_all_else_is_the_tasks_own(join: Join, write_task: TaskWriter) -> None:
    joined, plain = join(RECORDS), tasks.open_task("small", write_task())
    for language in ("fi", "ja"):
        assert joined.queries(language) == plain.queries(language)
        assert joined.judgements(language) == plain.judgements(language)
        assert list(joined.passages(language)) == list(plain.passages(language))
        assert joined.collection(language) == plain.collection(language)


def test_records_wait_for_their_passages_only_so_long(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "WAITING", 2)
    assert queries_of(join([RECORDS[1], RECORDS[0], RECORDS[3], RECORDS[2]])) == OWN
    with pytest.raises(DataError, match=r"mine\.jsonl:3: its order differs too much .* Sort it like the collection of"):
        queries_of(join(RECORDS[::-1]))


# Refused


def test_a_passage_with_two_records_is_refused_with_both_lines(join: Join) -> None:
    with pytest.raises(DataError, match=r"mine\.jsonl:3: the passage of line 1 has a second record"):
        join([RECORDS[0], RECORDS[1], RECORDS[0]])


def test_a_file_without_a_generated_query_is_refused(join: Join) -> None:
    with pytest.raises(DataError, match="no record has a generated query"):
        join([{"docid": "p0", "generated_queries": {"fi": []}}, {"docid": "p1"}])


def test_a_file_of_another_collection_is_refused(join: Join) -> None:
    task = join([{"docid": "x", "generated_queries": {"fi": ["muu"]}}])
    with pytest.raises(DataError, match=r"mine\.jsonl: none of its records is of a passage of 'small'"):
        queries_of(task)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"id": "p1", "generated_queries": {"fi": ["x"]}}, "'docid' is missing"),
        ({"docid": "p1", "generated_queries": ["x"]}, "'generated_queries' must map languages to lists"),
        (
            {"docid": "p1", "generated_queries": {"fi": "x"}},
            "passage 'p1': generated queries in 'fi' must be non-empty",
        ),
        (
            {"docid": "p1", "generated_queries": {"fi": ["x", " "]}},
            "generated queries in 'fi' must be non-empty strings",
        ),
        (["p1"], "a JSON object is needed, not list"),
    ],
)
def test_a_broken_record_is_named_before_anything_is_encoded(join: Join, record: Any, said: str) -> None:
    with pytest.raises(DataError, match=rf"mine\.jsonl:2: .*{said}"):
        join([RECORDS[0], record])


def test_a_file_that_is_not_there_is_named(write_task: TaskWriter, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"--generated-queries .*nothing\.jsonl is no file"):
        tasks.open_task("small", write_task(), generated_queries=tmp_path / "nothing.jsonl")


def test_a_language_that_no_record_has_cannot_be_asked_for(join: Join, bigrams: Bigrams, tmp_path: Path) -> None:
    task = join([{"docid": "p1", "generated_queries": {"fi": ["x"]}}])
    with pytest.raises(UnknownName, match="unknown language of generated queries in small 'ja'"):
        evaluate(bigrams, task, "xqg:languages=ja", store=tmp_path / "store")
    assert bigrams.calls == 0


def test_one_file_serves_one_collection(shared: Path, bigrams: Bigrams, tmp_path: Path) -> None:
    """Ids of passages recur between languages of MIRACL: Korean article 1 is not Swahili article 1."""
    ids = {
        language: {passage.id for passage in tasks.open_task("miracl-sample", data_dir=shared).passages(language)}
        for language in ("ko", "sw")
    }
    both = sorted(ids["ko"] & ids["sw"])
    assert both
    mine = tmp_path / "mine.jsonl"
    mine.write_text(jsonl([{"docid": both[0], "generated_queries": {"sw": ["swali"]}}]))
    task = tasks.open_task("miracl-sample", data_dir=shared, generated_queries=mine)
    with pytest.raises(InvalidParameter, match="a file is for one collection, as ids recur in another"):
        evaluate(bigrams, task, "xqg", languages=("ko", "sw"), store=tmp_path / "store")
    assert bigrams.calls == 0
    task = tasks.open_task("miracl-sample", data_dir=shared, generated_queries=mine)
    assert evaluate(bigrams, task, "xqg", languages=("sw",), store=tmp_path / "store").augmented is not None


def test_each_language_may_have_a_file_of_its_own(shared: Path, bigrams: Bigrams, tmp_path: Path) -> None:
    files, first = {}, {}
    for language in ("ko", "sw"):
        passage = next(iter(tasks.open_task("miracl-sample", data_dir=shared).passages(language)))
        files[language], first[language] = tmp_path / f"{language}.jsonl", passage.id
        record = {"docid": passage.id, "generated_queries": {language: [f"query in {language}"]}}
        files[language].write_text(jsonl([record]), encoding="utf-8")
    task = tasks.open_task("miracl-sample", data_dir=shared, generated_queries=files)
    assert task.card.generated_languages == ("ko", "sw")
    for language in ("ko", "sw"):
        found = queries_of(task, language)
        assert {id_: own for id_, own in found.items() if own} == {first[language]: [f"query in {language}"]}
    assert not any(queries_of(task, "te").values())
    made = evaluate(bigrams, task, "xqg:languages=query", languages=("ko", "sw"), store=tmp_path / "store").augmented
    assert made is not None
    assert "queries=ko=ko.jsonl#" in made.system
    assert made.details["provenance"]["command"].endswith(
        " --generated-queries ko=ko.jsonl --generated-queries sw=sw.jsonl"
    )
    with pytest.raises(UnknownName, match="language of miracl-sample 'xx'"):
        tasks.open_task("miracl-sample", data_dir=shared, generated_queries={"xx": files["ko"]})


# Results


def evaluated(task: str | Task, folder: Path, mine: Path | None = None) -> Evaluation:
    return evaluate(Bigrams(), task, "xqg:alpha=0.1", store=folder / "store", generated_queries=mine)


def test_the_same_queries_in_a_file_give_the_same_scores_to_the_last_bit(tmp_path: Path) -> None:
    """xqg-mini with its own generated queries, and with a file of them in another order."""
    mine = tmp_path / "mine.jsonl"
    task = tasks.open_task("xqg-mini")
    records = [
        {"docid": passage.id, "generated_queries": dict(own)}
        for passage, own in zip(task.passages("ar"), task.generated_queries("ar"), strict=True)
    ]
    random.Random(7).shuffle(records)
    mine.write_text(jsonl(records), encoding="utf-8")
    own, other = evaluated("xqg-mini", tmp_path / "a"), evaluated("xqg-mini", tmp_path / "b", mine)
    assert own.augmented is not None
    assert other.augmented is not None
    assert other.augmented.scores == own.augmented.scores
    assert other.plain.scores == own.plain.scores
    for language, run in own.augmented.runs.items():
        for query, ranking in run.items():
            assert other.augmented.runs[language][query].passage_ids == ranking.passage_ids
            assert (other.augmented.runs[language][query].scores == ranking.scores).all()


def test_system_signature_and_command_say_which_file(join: Join, write_task: TaskWriter, tmp_path: Path) -> None:
    found = evaluated(join(RECORDS), tmp_path)
    own = evaluated(tasks.open_task("small", write_task()), tmp_path)
    assert found.augmented is not None
    assert own.augmented is not None
    # sha256sum mine.jsonl
    name = found.augmented.details["augmentation"]["queries"]
    assert name.startswith("mine.jsonl#")
    assert len(name) == len("mine.jsonl#") + 8
    assert found.augmented.system == f"bigrams+xqg:alpha=0.1,queries={name}"
    assert f"queries={name}" in found.augmented.signature
    assert "--generated-queries mine.jsonl" in found.augmented.details["provenance"]["command"]
    assert found.augmented.signature != own.augmented.signature
    assert found.plain.signature == own.plain.signature
    assert found.plain.scores == own.plain.scores


def test_another_content_under_the_same_name_is_another_signature(join: Join, tmp_path: Path) -> None:
    first = evaluated(join(RECORDS), tmp_path).augmented
    second = evaluated(join(RECORDS[:3]), tmp_path).augmented
    assert first is not None
    assert second is not None
    assert first.signature != second.signature


def test_a_packed_file_is_the_same_content(join: Join) -> None:
    plain, packed = join(RECORDS).card.generated_by, join(RECORDS, "mine.jsonl.gz").card.generated_by
    assert plain.rpartition("#")[2] == packed.rpartition("#")[2]


@pytest.mark.parametrize("name", ["mine.jsonl", "mit Leerzeichen, Komma|Strich=.jsonl"])
def test_the_command_line_writes_a_result_of_its_own(
    write_task: TaskWriter, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(jsonl(RECORDS[:2]), encoding="utf-8")
    words = ["eval", "--model", "tests.conftest:Bigrams", "--task", "small", "--tasks-dir", str(write_task())]
    words += ["--augment", "xqg", "--output", str(tmp_path / "results"), "--quiet"]
    assert main(words) == 0
    assert main([*words, "--generated-queries", str(tmp_path / name)]) == 0, capsys.readouterr().err
    written = sorted((tmp_path / "results" / "small").iterdir())
    assert len(written) == 3  # plain, with the task's own, with the file's
    systems = [json.loads((folder / "result.json").read_text())["system"] for folder in written]
    assert len(set(systems)) == 3


def test_a_task_without_generated_queries_gets_them(shared: Path, bigrams: Bigrams, tmp_path: Path) -> None:
    task = tasks.open_task("afriqa", data_dir=shared)
    first = next(iter(task.passages("sw")))
    mine = tmp_path / "mine.jsonl"
    mine.write_text(jsonl([{"docid": first.id, "generated_queries": {"sw": ["swali"]}}]))
    found = evaluate(
        bigrams, "afriqa", "xqg:reduce=mean", data_dir=shared, generated_queries=mine, store=tmp_path / "store"
    )
    assert found.augmented is not None
    assert found.plain.complete
