"""Data sets of ir_datasets by their ids: the real package, offline, with its cache filled by hand."""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from xqgbench import tasks
from xqgbench.errors import DataError, MissingData, UnknownName
from xqgbench.formats import ir_datasets_ids as ids
from xqgbench.types import Passage

DEAD = "http://127.0.0.1:9"  # the discard port: refuses at once

READ = """
import json, sys
from pathlib import Path
from xqgbench import tasks
task = tasks.open_task(sys.argv[1], data_dir=Path(sys.argv[2]) if len(sys.argv) > 2 else None)
language = "sw"
json.dump({
    "name": task.card.name,
    "queries": [[q.id, q.text, q.language] for q in task.queries(language)],
    "passages": [[p.id, p.title, p.text] for p in task.passages(language)],
    "qrels": {query: dict(own) for query, own in task.judgements(language).qrels.items()},
}, sys.stdout)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of ir_datasets of the test's own; read where the package is imported, so for subprocesses alone."""
    folder = tmp_path / "home"
    for name, value in {
        "IR_DATASETS_HOME": str(folder),
        "XQGBENCH_DATA": str(tmp_path / "downloads"),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), DEAD),
        "IR_DATASETS_DL_TRIES": "1",
        "PYTHONPATH": str(ROOT),
    }.items():
        monkeypatch.setenv(name, value)
    return folder


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=ROOT)


def read(*words: str) -> dict[str, Any]:
    outcome = python("-W", "ignore", "-c", READ, *words)
    assert outcome.returncode == 0, outcome.stderr
    found: dict[str, Any] = json.loads(outcome.stdout)
    return found


def evaluate(task: str, *words: str) -> subprocess.CompletedProcess[str]:
    model = ("--model", "tests.conftest:Bigrams")
    return python("-m", "xqgbench", "eval", *model, "--task", task, *words, "--output", os.environ["XQGBENCH_DATA"])


def fill(home: Path, shared: Path, *, judged: bool = True) -> None:
    """MIRACL's Swahili files where ir_datasets would put them: real questions and judgements, the sample as collection.

    ``judged``: judgements of passages beyond the sample are left out, as if the sample were the collection.
    """
    content = gzip.decompress((shared / "miracl-sample" / "sw.corpus.jsonl.gz").read_bytes())
    there = {json.loads(line)["docid"] for line in content.splitlines()}
    qrels = (shared / "miracl" / "qrels.miracl-v1.0-sw-dev.tsv").read_text().splitlines(keepends=True)
    topics = (shared / "miracl" / "topics.miracl-v1.0-sw-dev.tsv").read_text()
    folder = home / "miracl" / "v1.0" / "sw"
    (folder / "dev").mkdir(parents=True)
    (folder / "docs").mkdir()
    kept = [line for line in qrels if not judged or line.split("\t")[2] in there]
    (folder / "dev" / "qrels.tsv").write_text("".join(kept))
    (folder / "dev" / "topics.tsv").write_text(topics)
    (folder / "docs" / "docs-0.jsonl.gz").write_bytes(gzip.compress(content))


def local(folder: Path, home: Path) -> Path:
    """The same files in MIRACL's official layout."""
    cached = home / "miracl" / "v1.0" / "sw"
    for path, source in {
        "miracl-v1.0-sw/topics/topics.miracl-v1.0-sw-dev.tsv": cached / "dev" / "topics.tsv",
        "miracl-v1.0-sw/qrels/qrels.miracl-v1.0-sw-dev.tsv": cached / "dev" / "qrels.tsv",
        "miracl-corpus-v1.0-sw/docs-0.jsonl.gz": cached / "docs" / "docs-0.jsonl.gz",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(source)
    return folder


def own_card(folder: Path) -> Path:
    """MIRACL's card without counts and hashes, which are those of the whole."""
    text = (ROOT / "tasks" / "miracl.toml").read_text(encoding="utf-8")
    text = text.partition("[expected]")[0] + "[expected]\n"
    blocks = [
        block for block in text.split("\n\n") if not block.startswith(("[sources.topics.sha", "[sources.qrels.sha"))
    ]
    folder.mkdir()
    (folder / "miracl.toml").write_text("\n\n".join(blocks), encoding="utf-8")
    return folder


def test_an_id_the_card_and_the_local_files_are_the_same_task(home: Path, shared: Path, tmp_path: Path) -> None:
    fill(home, shared)
    cards = own_card(tmp_path / "cards")
    code = READ.replace(
        "task = tasks.open_task(sys.argv[1],", f"task = tasks.open_task(sys.argv[1], Path({str(cards)!r}),"
    )
    by_card = json.loads(python("-W", "ignore", "-c", code, "miracl").stdout)
    by_id = read("ir_datasets:miracl/sw/dev")
    files = local(tmp_path / "files", home)
    (tmp_path / "elsewhere").mkdir()
    by_files = json.loads(
        python(
            "-W",
            "ignore",
            "-c",
            f"import os; os.environ['IR_DATASETS_HOME'] = {str(tmp_path / 'elsewhere')!r}\n{code}",
            "miracl",
            str(files),
        ).stdout
    )
    names = [found.pop("name") for found in (by_id, by_card, by_files)]
    assert names == ["ir_datasets-miracl-sw-dev", "miracl", "miracl"]
    assert by_id == by_card == by_files
    assert (len(by_id["queries"]), len(by_id["passages"])) == (482, 3597)
    with gzip.open(shared / "miracl-sample" / "sw.corpus.jsonl.gz") as stream:
        assert by_id["passages"] == [[r["docid"], r["title"], r["text"]] for r in map(json.loads, stream)]


def test_an_id_is_evaluated_and_the_result_says_which(home: Path, shared: Path, tmp_path: Path) -> None:
    fill(home, shared)
    outcome = evaluate("ir_datasets:miracl/sw/dev", "--quiet")
    assert outcome.returncode == 0, outcome.stderr
    (path,) = (tmp_path / "downloads").rglob("result.json")
    result = json.loads(path.read_text())
    assert path.parent.parent.name == "ir_datasets-miracl-sw-dev"
    assert result["signature"].startswith("task:ir_datasets-miracl-sw-dev@ir_datasets#")
    assert "--task ir_datasets:miracl/sw/dev" in result["provenance"]["command"]


def test_a_judged_passage_that_the_collection_lacks_is_named(home: Path, shared: Path) -> None:
    """The whole collection has it; a part of it would give other scores under the name of the whole."""
    fill(home, shared, judged=False)
    outcome = evaluate("ir_datasets:miracl/sw/dev")
    assert outcome.returncode == 1
    assert "miracl/sw/dev: query '" in outcome.stderr
    assert "which is not in the collection" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_damaged_file_in_the_cache_is_said_so(home: Path, shared: Path) -> None:
    fill(home, shared)
    path = home / "miracl" / "v1.0" / "sw" / "docs" / "docs-0.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-500])
    outcome = evaluate("ir_datasets:miracl/sw/dev")
    assert outcome.returncode == 3
    assert "cannot provide docs of 'miracl/sw/dev'" in outcome.stderr
    assert "a damaged one there has to be deleted" in outcome.stderr


@pytest.mark.parametrize("id_", ["miracl/sw/dev", "beir/nfcorpus/test", "mr-tydi/sw/test"])
def test_without_a_network_a_missing_file_is_one_clear_sentence(home: Path, id_: str) -> None:
    outcome = evaluate(f"ir_datasets:{id_}")
    assert outcome.returncode == 3
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert f"ir_datasets cannot provide queries of '{id_}': https://" in errors[0]
    assert "cannot be had" in errors[0]
    assert "IR_DATASETS_HOME" in errors[0]
    assert "Traceback" not in outcome.stderr
    assert "Retrying" not in outcome.stderr
    assert "Max retries" not in outcome.stderr


def test_a_card_names_both_places_where_its_files_were_looked_for(home: Path) -> None:
    outcome = evaluate("miracl", "--languages", "yo")
    assert outcome.returncode == 3
    assert "task 'miracl' needs" in outcome.stderr
    assert "topics.miracl-v1.0-yo-dev.tsv (topics), which is not here" in outcome.stderr
    assert "Besides, ir_datasets cannot provide queries of 'miracl/yo/dev'" in outcome.stderr


# Cards made from ids, which need no network


def test_a_card_says_what_ir_datasets_says_of_an_id() -> None:
    card = tasks.card("ir_datasets:neuclir/1/ru/trec-2023")
    assert (card.name, card.languages, card.passage_language) == ("ir_datasets-neuclir-1-ru-trec-2023", ("en",), "ru")
    assert (card.format, card.split, card.cluster, card.origin) == ("ir_datasets", "trec-2023", "query", ("neuclir",))
    assert card.measures == ("nDCG@10", "RR@10", "R@100")
    assert tasks.open_task("ir_datasets:neuclir/1/ru/trec-2023").collection("en").endswith("neuclir/1/ru/trec-2023")


def test_two_ids_are_two_cards() -> None:
    first, second = (tasks.card(f"ir_datasets:miracl/{language}/dev") for language in ("sw", "te"))
    assert first.sha256 != second.sha256
    assert (first.languages, second.languages) == (("sw",), ("te",))


@pytest.mark.parametrize(
    ("id_", "said"),
    [
        ("miracl/sw/dve", "unknown id of ir_datasets 'miracl/sw/dve'. Did you mean 'miracl/sw/dev'"),
        ("miracle/sw/dev", "unknown id of ir_datasets 'miracle/sw/dev'"),
        ("", "unknown id of ir_datasets ''. Known: antique"),
        ("../miracl", "unknown id of ir_datasets '../miracl'"),
    ],
)
def test_an_unknown_id_suggests_the_nearest(id_: str, said: str) -> None:
    with pytest.raises(UnknownName) as caught:
        tasks.card(f"ir_datasets:{id_}")
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("id_", "said"),
    [
        ("miracl/sw/test-b", "has no qrels"),
        ("miracl/sw", "has no queries; these below it have: miracl/sw/dev, miracl/sw/train"),
        ("wapo/v2/trec-news-2018", "the queries of .* are no texts: query_id, doc_id, url"),
        ("touche-image/2022-06-13/touche-2022-task-3", "the passages of .* are no texts: doc_id, png"),
    ],
)
def test_an_id_that_is_no_task_says_what_it_lacks(id_: str, said: str) -> None:
    with pytest.raises(MissingData, match=said) as caught:
        tasks.card(f"ir_datasets:{id_}")
    assert caught.value.exit_code == 3


def test_a_card_without_an_id_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "tasks" / "mr-tydi-v1.0.toml").read_text(encoding="utf-8")
    (tmp_path / "mr-tydi-v1.0.toml").write_text(text.replace('id = "mr-tydi/{language}/test"', ""), encoding="utf-8")
    with pytest.raises(DataError, match=r"mr-tydi-v1\.0\.toml: format ir_datasets needs the setting 'id'"):
        tasks.open_task("mr-tydi-v1.0", tmp_path)


@pytest.mark.parametrize("name", ["miracl", "mr-tydi-v1.0"])
def test_every_language_of_a_card_is_an_id_of_ir_datasets(name: str) -> None:
    card = tasks.card(name)
    pattern = card.settings.get("id") or card.settings["ir_datasets"]
    for language in card.languages:
        assert tasks.card(f"ir_datasets:{pattern.replace('{language}', language)}").languages == (language,)


# Records of many kinds: the real classes of ir_datasets, in a data set that needs no network


Register = Callable[..., None]


@pytest.fixture
def registered() -> Iterator[Register]:
    """Register a data set of ir_datasets whose records are in memory."""
    import ir_datasets
    from ir_datasets.formats import BaseDocs, BaseQrels, BaseQueries

    def register(docs: Sequence[Any] = (), queries: Sequence[Any] = (), qrels: Sequence[Any] = ()) -> None:
        class Docs(BaseDocs):  # type: ignore[misc]
            def docs_iter(self) -> Iterator[Any]:
                return iter(docs)

        class Queries(BaseQueries):  # type: ignore[misc]
            def queries_iter(self) -> Iterator[Any]:
                return iter(queries)

        class Qrels(BaseQrels):  # type: ignore[misc]
            def qrels_iter(self) -> Iterator[Any]:
                return iter(qrels)

        ir_datasets.registry.register("xqgbench-test", ir_datasets.Dataset(Docs(), Queries(), Qrels()))

    yield register
    ir_datasets.registry._registered.pop("xqgbench-test", None)
    ids._load.cache_clear()


def passages(registered: Register, *docs: Any) -> list[Passage]:
    registered(docs)
    return [located.passage for located in ids.reading_of("xqgbench-test").passages("en")]


def test_title_and_text_are_what_a_record_calls_so(registered: Register) -> None:
    from ir_datasets.datasets.beir import BeirTitleDoc
    from ir_datasets.datasets.miracl import MiraclDoc
    from ir_datasets.formats import GenericDoc

    found = passages(
        registered, BeirTitleDoc("1", "text", "title"), MiraclDoc("2", "title", "text"), GenericDoc("3", "text")
    )
    assert found == [Passage("1", "title", "text"), Passage("2", "title", "text"), Passage("3", "", "text")]


def test_a_title_that_stands_in_the_text_is_not_read_twice(registered: Register) -> None:
    """Records with a title and no field ``text``: their default text begins with the title."""
    from ir_datasets.datasets.cord19 import Cord19Doc
    from ir_datasets.datasets.medline import MedlineDoc
    from ir_datasets.datasets.msmarco_document import MsMarcoDocument

    docs = (
        Cord19Doc("1", "title", "", "", "abstract"),
        MedlineDoc("2", "title", "abstract"),
        MsMarcoDocument("3", "url", "title", "body"),
    )
    for passage, doc in zip(passages(registered, *docs), docs, strict=True):
        assert (passage.title, passage.text) == ("", doc.default_text())
        assert passage.joined(" ").count("title") == 1


def test_a_record_without_a_text_is_its_title(registered: Register) -> None:
    from ir_datasets.datasets.beir import BeirTitleDoc

    found = passages(registered, BeirTitleDoc("1", "", "title"), BeirTitleDoc("2", " ", ""))
    assert found == [Passage("1", "", "title"), Passage("2", "", "-")]


def judged(registered: Register, *qrels: Any) -> dict[str, dict[str, int]]:
    from ir_datasets.formats import GenericQuery

    registered(queries=[GenericQuery("q", "question")], qrels=qrels)
    reading = ids.reading_of("xqgbench-test")
    assert reading.qrels is not None
    return {query: dict(own) for query, own in reading.qrels("en").qrels.items()}


def test_of_subtopics_the_highest_grade_counts(registered: Register) -> None:
    from ir_datasets.formats.trec import TrecSubQrel

    rows = [TrecSubQrel("q", "d", grade, subtopic) for grade, subtopic in ((0, "1"), (2, "2"), (1, "3"))]
    assert judged(registered, *rows) == {"q": {"d": 2}}


def test_grades_are_whole_numbers(registered: Register) -> None:
    from ir_datasets.datasets.codesearchnet import CodeSearchNetChallengeQrel
    from ir_datasets.formats import TrecQrel

    rows = (CodeSearchNetChallengeQrel("q", "d", "3", ""), TrecQrel("q", "e", -1, "0"))
    found = judged(registered, *rows)
    assert found == {"q": {"d": 3, "e": -1}}
    assert {type(grade) for grade in found["q"].values()} == {int}


def test_judgements_of_other_queries_are_left_out(registered: Register) -> None:
    """Files of TREC judge the queries of several years or splits."""
    from ir_datasets.formats import TrecQrel

    assert judged(registered, TrecQrel("other", "d", 1, "0"), TrecQrel("q", "d", 1, "0")) == {"q": {"d": 1}}


def test_queries_are_their_default_text_or_their_text(registered: Register) -> None:
    from ir_datasets.datasets.bright import BrightQuery
    from ir_datasets.formats import GenericQuery, TrecQuery

    queries = (
        GenericQuery("1", "plain\ttab"),
        TrecQuery("2", "title", "description", "narrative"),
        BrightQuery("3", "text", *[""] * (len(BrightQuery._fields) - 2)),
    )
    registered(queries=queries)
    found = ids.reading_of("xqgbench-test").questions("en")
    assert [question.query.text for question in found] == ["plain tab", "title", "text"]


def test_an_empty_query_is_named(registered: Register) -> None:
    from ir_datasets.formats import GenericQuery

    registered(queries=[GenericQuery("7", " ")])
    with pytest.raises(DataError, match="xqgbench-test: query '7' is empty"):
        list(ids.reading_of("xqgbench-test").questions("en"))


def test_other_words_of_ir_datasets_are_still_heard() -> None:
    """A license to agree to, or a file to fetch by hand."""
    ids._load("miracl/sw/dev")
    (own,) = [f for f in logging.getLogger("ir_datasets").filters if f is ids._no_retries]
    record = logging.makeLogRecord({"msg": "Please confirm that you agree"})
    assert own(record)
    assert not own(logging.makeLogRecord({"msg": "download error: x. Retrying from start."}))
