"""Task cards: found by name, read, checked, and opened only with the very files that they describe."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.conftest import ROOT, TaskWriter
from xqgbench import measures, tasks
from xqgbench.cli import main
from xqgbench.errors import DataError, MissingData, UnknownName
from xqgbench.types import Source, SourceFile


def changed(folder: Path, before: str, after: str) -> Path:
    """The card of the small task with one piece of its text replaced."""
    path = folder / "small.toml"
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1
    path.write_text(text.replace(before, after), encoding="utf-8")
    return path


# Finding cards


def test_the_bundled_cards_are_the_ones_of_the_checkout() -> None:
    found = {name: path.read_bytes() for name, path in tasks.cards().items()}
    assert found == {path.stem: path.read_bytes() for path in (ROOT / "tasks").glob("*.toml")}
    assert tasks.DEFAULT_TASK in tasks.cards()


@pytest.mark.parametrize("name", sorted(tasks.cards()))
def test_every_bundled_card_can_be_read(name: str) -> None:
    card = tasks.card(name)
    assert card.name == name
    assert card.languages
    assert card.title
    assert card.license
    assert set(card.expected_queries) == set(card.query_languages)


def test_a_folder_of_ones_own_is_looked_at_beside_the_bundled_cards(write_task: TaskWriter) -> None:
    folder = write_task()
    assert tasks.cards(folder) == {**tasks.cards(), "small": folder / "small.toml"}


def test_a_card_of_ones_own_replaces_a_bundled_one_of_its_name(write_task: TaskWriter) -> None:
    folder = write_task(card={"name": '"xqg-mini"', "title": '"Mine"'})
    (folder / "small.toml").rename(folder / "xqg-mini.toml")
    assert tasks.card("xqg-mini", folder).title == "Mine"
    assert tasks.card("xqg-mini").title != "Mine"


def test_a_card_file_whose_name_is_a_way_to_another_folder_is_refused(write_task: TaskWriter) -> None:
    """``...toml`` has the stem ``..``: its results would lie beside the results folder."""
    path = write_task(card={"name": '".."'}) / "small.toml"
    path = path.rename(path.with_name("...toml"))
    assert path.stem == ".."
    with pytest.raises(DataError, match=r"the name '\.\.' must be made of letters"):
        tasks.card("..", path.parent)


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="there is no folder"):
        tasks.cards(tmp_path / "nothing")


def test_an_unknown_task_suggests_the_nearest(write_task: TaskWriter) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'small'"):
        tasks.card("smal", write_task())


# Cards in installed packages


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, value: str, *cards: Path) -> Path:
    """A distribution with an entry point in xqgbench.tasks, as pip leaves it, whose package holds these cards."""
    package = folder / "site" / "some_tasks"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    for card in cards:
        for file in card.parent.iterdir():
            (package / file.name.replace("small.toml", card.name)).write_bytes(file.read_bytes())
    info = folder / "site" / "some_tasks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-tasks\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[xqgbench.tasks]\nmine = {value}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder / "site"))
    return package


def test_cards_in_an_installed_package_are_found_without_importing_it(
    tmp_path: Path, write_task: TaskWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = install(tmp_path, monkeypatch, "some_tasks", write_task() / "small.toml")
    assert tasks.cards()["small"] == package / "small.toml"
    assert [query.id for query in tasks.open_task("small").queries("fi")] == ["fi-1", "fi-2"]
    assert tasks.installed_cards()[1] == []


def test_a_package_cannot_replace_a_bundled_card_and_is_told_so(
    tmp_path: Path, write_task: TaskWriter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundled = tasks.cards()["xqg-mini"]
    package = install(tmp_path, monkeypatch, "some_tasks", write_task() / "xqg-mini.toml")
    assert tasks.cards()["xqg-mini"] == bundled
    assert main(["tasks"]) == 0
    shown = capsys.readouterr()
    assert "xqg-mini" in shown.out
    assert f"left out: {package / 'xqg-mini.toml'}: there is a task 'xqg-mini' already" in shown.err


@pytest.mark.parametrize("value", ["no_such_package", "no_such_package.tasks", "json", "some_tasks.inner", "a:b", ""])
def test_an_entry_point_that_leads_nowhere_is_named_and_hides_no_task(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, monkeypatch, value if value != "json" else "json.decoder")
    assert main(["tasks"]) == 0
    shown = capsys.readouterr()
    assert "xqg-mini" in shown.out
    assert "left out: entry point 'mine = " in shown.err
    assert tasks.card("xqg-mini").name == "xqg-mini"


# Reading cards


def test_a_card_says_what_its_file_says(write_task: TaskWriter) -> None:
    folder = write_task(card={"cluster": '"query"', "origin": '["one", "two"]'})
    path = changed(folder, "[expected]", "[expected]\npassages = 4\nqueries = { fi = 2, ja = 2 }")
    card = tasks.card("small", folder)
    assert (card.name, card.version, card.format, card.split) == ("small", "1", "xor-retrieve", "dev")
    assert (card.languages, card.generated_languages, card.origin) == (("fi", "ja"), ("fi", "ja"), ("one", "two"))
    assert (card.measures, card.main_measure) == (("nDCG@10", "RR@10", "R@2kt"), "nDCG@10")
    assert (card.cluster, card.license, card.citation) == ("query", "CC0-1.0", "none")
    assert (card.expected_passages, dict(card.expected_queries)) == (4, {"fi": 2, "ja": 2})
    assert card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card.folder == folder
    digest = hashlib.sha256((folder / "qrels.tsv").read_bytes()).hexdigest()
    assert card.sources["qrels"] == Source((SourceFile("qrels.tsv", digest),), "small")


FIELDS = [
    "name",
    "title",
    "description",
    "version",
    "format",
    "languages",
    "generated_languages",
    "split",
    "measures",
    "main_measure",
    "cluster",
    "license",
    "citation",
    "origin",
]


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_named(write_task: TaskWriter, field: str) -> None:
    with pytest.raises(DataError, match=f"small.toml: the card lacks '{field}'"):
        tasks.card("small", write_task(card={field: None}))


@pytest.mark.parametrize("table", ["sources", "expected"])
def test_a_missing_table_is_named(write_task: TaskWriter, table: str) -> None:
    path = write_task() / "small.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"[{table}"))
    end = len(lines) if table == "expected" else lines.index("[expected]")
    path.write_text("\n".join(lines[:start] + lines[end:]), encoding="utf-8")
    with pytest.raises(DataError, match=f"the card lacks '{table}'"):
        tasks.read_card(path)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_the_wrong_kind_is_named(write_task: TaskWriter, field: str) -> None:
    with pytest.raises(DataError, match=rf"small\.toml: '{field}' must be a (str|list), not 1\."):
        tasks.card("small", write_task(card={field: "1"}))


@pytest.mark.parametrize("value", ['["fi", "fi"]', '["fi", 1]', "[[1]]"])
@pytest.mark.parametrize("field", ["languages", "generated_languages", "measures", "origin"])
def test_a_list_that_is_not_of_distinct_strings_is_refused(write_task: TaskWriter, field: str, value: str) -> None:
    with pytest.raises(DataError, match=f"'{field}' must be a list of distinct strings"):
        tasks.card("small", write_task(card={field: value}))


def test_an_unknown_field_is_named(write_task: TaskWriter) -> None:
    with pytest.raises(DataError, match="unknown field 'langauges'"):
        tasks.card("small", write_task(card={"langauges": '["fi"]'}))


def test_a_cluster_that_does_not_exist_is_refused(write_task: TaskWriter) -> None:
    with pytest.raises(DataError, match="'cluster' is 'question'; it must be one of query, passage"):
        tasks.card("small", write_task(card={"cluster": '"question"'}))


def test_a_card_in_a_file_of_another_name_is_refused(write_task: TaskWriter) -> None:
    with pytest.raises(DataError, match="the card calls itself 'other'"):
        tasks.card("small", write_task(card={"name": '"other"'}))


def test_the_main_measure_must_be_one_of_the_measures(write_task: TaskWriter) -> None:
    with pytest.raises(DataError, match=r"main_measure 'R@100' is not among its measures"):
        tasks.card("small", write_task(card={"main_measure": '"R@100"'}))


def test_a_measure_that_does_not_exist_is_laid_at_the_cards_door(write_task: TaskWriter) -> None:
    card = {"measures": '["nDCG@10", "nDGC@10"]'}
    with pytest.raises(DataError, match=r"small\.toml.*nDGC@10"):
        tasks.card("small", write_task(card=card))


@pytest.mark.parametrize(("alias", "name"), [("MRR@10", "RR@10"), ("MAP", "AP"), ("NDCG@10", "nDCG@10")])
def test_a_measure_may_be_called_by_its_other_name(write_task: TaskWriter, alias: str, name: str) -> None:
    """Scores are kept under the name that ir-measures prints; a card that says MRR must find them there."""
    card = tasks.card("small", write_task(card={"measures": f'["{alias}"]', "main_measure": f'"{alias}"'}))
    assert measures.parse(alias).name == name  # python -c "import ir_measures as m; print(m.parse_measure('MRR@10'))"
    assert (card.measures, card.main_measure) == ((name,), name)


def test_a_task_without_languages_is_refused(write_task: TaskWriter) -> None:
    with pytest.raises(DataError, match="languages"):
        tasks.card("small", write_task(card={"languages": "[]"}))


@pytest.mark.parametrize(
    "expected",
    [
        'passages = "many"',
        "passages = -1",
        "queries = 48",
        'queries = { fi = "two" }',
        "pasages = 4",
        "queries = { sw = 2 }",
    ],
)
def test_expected_counts_that_could_never_be_met_are_refused(write_task: TaskWriter, expected: str) -> None:
    path = changed(write_task(), "[expected]", f"[expected]\n{expected}")
    with pytest.raises(DataError, match=r"small\.toml"):
        tasks.read_card(path)


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b'name = "a"\nname = "b"\n'])
def test_a_card_that_is_no_toml_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.toml").write_bytes(content)
    with pytest.raises(DataError, match=r"odd\.toml: not a TOML file"):
        tasks.card("odd", tmp_path)


# Sources


@pytest.mark.parametrize("path", ["/etc/hostname", "../qrels.tsv", "a/../../qrels.tsv"])
def test_a_source_outside_the_folder_of_the_card_is_refused(write_task: TaskWriter, path: str) -> None:
    card = changed(write_task(), 'path = "qrels.tsv"', f'path = "{path}"')
    with pytest.raises(DataError, match="leaves the folder of the card"):
        tasks.read_card(card)


@pytest.mark.parametrize("entry", ['path = "qrels.tsv"\nurl = "x"', 'pth = "qrels.tsv"', "path = 1"])
def test_a_source_that_is_not_path_and_sha256_is_refused(write_task: TaskWriter, entry: str) -> None:
    card = changed(write_task(), 'path = "qrels.tsv"', entry)
    with pytest.raises(DataError, match="source 'qrels'"):
        tasks.read_card(card)


def test_a_task_opens_with_the_files_of_its_card(write_task: TaskWriter) -> None:
    task = tasks.open_task("small", write_task())
    assert [query.id for query in task.queries("fi")] == ["fi-1", "fi-2"]
    assert [passage.id for passage in task.passages("fi")] == ["p0", "p1", "p2", "p3"]


@pytest.mark.parametrize("name", ["passages.jsonl", "questions.jsonl", "qrels.tsv"])
def test_a_changed_file_is_refused(write_task: TaskWriter, name: str) -> None:
    path = write_task() / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(DataError, match=f"{name}: this is not the file that the card of 'small' describes") as caught:
        tasks.open_task("small", path.parent)
    assert hashlib.sha256(path.read_bytes()).hexdigest() in str(caught.value)


@pytest.mark.parametrize("name", ["passages.jsonl", "questions.jsonl", "qrels.tsv"])
def test_a_missing_file_is_named(write_task: TaskWriter, name: str) -> None:
    path = write_task() / name
    path.unlink()
    with pytest.raises(MissingData, match=f"task 'small' needs .*{name}") as caught:
        tasks.open_task("small", path.parent)
    assert caught.value.exit_code == 3


def test_an_unknown_format_is_refused(write_task: TaskWriter) -> None:
    with pytest.raises(DataError, match=r"small\.toml: unknown format 'xor-retrieve-2'"):
        tasks.open_task("small", write_task(card={"format": '"xor-retrieve-2"'}))


def test_a_format_without_a_source_that_it_needs_says_which(write_task: TaskWriter) -> None:
    folder = write_task()
    path = folder / "small.toml"
    text = path.read_text(encoding="utf-8")
    start, end = text.index("[sources.passages]"), text.index("[sources.questions]")
    path.write_text(text[:start] + text[end:], encoding="utf-8")
    with pytest.raises(DataError, match=r"small\.toml: format xor-retrieve needs the source 'passages'"):
        tasks.open_task("small", folder)
