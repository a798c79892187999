"""The formats trec, beir and jsonl: real files of MIRACL and Mr.TyDi, parity with BEIR's own loader, odd files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Bigrams, jsonl
from tests.written import Content, opened, repaired, write_card
from xqgbench import tasks
from xqgbench.errors import DataError, MissingData
from xqgbench.evaluation import evaluate
from xqgbench.types import Passage, Query, Task

#: cut -f1 FILE | sort -u | wc -l; wc -l FILE
MIRACL = {"bn": (411, 4206), "ko": (213, 3057), "sw": (482, 5092), "te": (828, 1606)}
MRTYDI = {"bn": (111, 130), "sw": (670, 743), "te": (646, 677)}
SAMPLE = {"ko": (18, 4651), "sw": (120, 3597), "te": (70, 2239)}


def columns(path: Path) -> Sequence[Sequence[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def graded(rows: Sequence[Sequence[str]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for query, _, passage, grade in rows:
        found.setdefault(query, {})[passage] = int(grade)
    return found


# MIRACL


@pytest.mark.parametrize("language", MIRACL)
def test_miracls_questions_and_judgements_are_read_whole(shared: Path, language: str) -> None:
    task = tasks.open_task("miracl", data_dir=shared)
    topics = columns(shared / "miracl" / f"topics.miracl-v1.0-{language}-dev.tsv")
    qrels = graded(columns(shared / "miracl" / f"qrels.miracl-v1.0-{language}-dev.tsv"))
    assert list(task.queries(language)) == [Query(id_, text, language) for id_, text in topics]
    assert (len(topics), sum(map(len, qrels.values()))) == MIRACL[language]


@pytest.mark.parametrize("language", SAMPLE)
def test_the_sample_has_the_questions_with_a_relevant_passage_in_it(shared: Path, language: str) -> None:
    task = tasks.open_task("miracl-sample", data_dir=shared)
    content = gzip.decompress((shared / "miracl-sample" / f"{language}.corpus.jsonl.gz").read_bytes())
    corpus = [json.loads(line) for line in content.splitlines()]
    there = {record["docid"] for record in corpus}
    qrels = graded(columns(shared / "miracl" / f"qrels.miracl-v1.0-{language}-dev.tsv"))
    kept = {q: {p: g for p, g in own.items() if p in there} for q, own in qrels.items()}
    kept = {q: own for q, own in kept.items() if 1 in own.values()}
    assert (len(kept), len(corpus)) == SAMPLE[language]
    assert list(task.passages(language)) == [Passage(r["docid"], r["title"], r["text"]) for r in corpus]
    assert {q.id for q in task.queries(language)} == set(kept)
    assert task.judgements(language).qrels == kept


def test_a_judgement_of_a_passage_that_is_not_there_is_refused_where_the_card_says_no_sample(
    shared: Path, tmp_path: Path
) -> None:
    """The whole collection has them all: one that lacks them is not the whole collection."""
    source = shared / "miracl"
    folder = write_card(
        tmp_path,
        "trec",
        {"topics": "t-{language}.tsv", "qrels": "q-{language}.tsv", "passages": "{language}.jsonl.gz"},
        {
            "t-sw.tsv": (source / "topics.miracl-v1.0-sw-dev.tsv").read_bytes(),
            "q-sw.tsv": (source / "qrels.miracl-v1.0-sw-dev.tsv").read_bytes(),
            "sw.jsonl.gz": (shared / "miracl-sample" / "sw.corpus.jsonl.gz").read_bytes(),
        },
        {"languages": '["sw"]'},
    )
    with pytest.raises(DataError, match=r"q-sw\.tsv: query '\d+' judges passage '\d+#\d+', which is not in the coll"):
        opened(folder).judgements("sw")


# Mr.TyDi


@pytest.mark.parametrize("language", MRTYDI)
def test_mr_tydis_questions_and_judgements_are_read_under_the_names_that_copies_of_them_have(
    shared: Path, language: str
) -> None:
    task = tasks.open_task("mr-tydi", data_dir=shared)
    topics = columns(shared / "mrtydi" / f"topic.{language}.test.tsv")
    qrels = [line.split() for line in (shared / "mrtydi" / f"qrels.{language}.test.txt").read_text().splitlines()]
    assert [(q.id, q.text) for q in task.queries(language)] == [(id_, text) for id_, text in topics]
    assert (len(topics), len(qrels)) == MRTYDI[language]
    assert task.judgements(language).qrels == graded(qrels)  # a run made elsewhere is scored without the collection


# BEIR


def beir(folder: Path, corpus: Content, queries: Content, qrels: Content, tables: str = "") -> Task:
    write_card(
        folder,
        "beir",
        {"queries": "queries.jsonl", "corpus": "corpus.jsonl", "qrels": "qrels/test.tsv"},
        {"queries.jsonl": queries, "corpus.jsonl": corpus, "qrels/test.tsv": qrels},
        {"languages": '["de"]'},
        tables=tables,
    )
    return opened(folder)


def loaded(folder: Path) -> tuple[dict[str, dict[str, str]], dict[str, str], dict[str, dict[str, int]]]:
    """What BEIR's own loader reads."""
    data_loader = pytest.importorskip("beir.datasets.data_loader")
    found: tuple[dict[str, dict[str, str]], dict[str, str], dict[str, dict[str, int]]]
    found = data_loader.GenericDataLoader(data_folder=str(folder)).load(split="test")
    return found


def same(folder: Path, task: Task) -> None:
    """Corpus, queries and judgements equal BEIR's; where nothing is relevant to a query, BEIR keeps it and counts 0."""
    corpus, queries, qrels = loaded(folder)
    asked = {query: own for query, own in qrels.items() if any(grade > 0 for grade in own.values())}
    assert {p.id: (p.title, p.text) for p in task.passages("de")} == {
        id_: (own["title"] or "", own["text"]) if own["text"].strip() else ("", own["title"] or "-")
        for id_, own in corpus.items()
    }
    assert [(q.id, q.text) for q in task.queries("de")] == [
        (id_, text) for id_, text in _in_order(folder, queries) if id_ in asked
    ]
    assert task.judgements("de").qrels == asked


def _in_order(folder: Path, queries: Mapping[str, str]) -> list[tuple[str, str]]:
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").split("\n")
    order = [json.loads(line)["_id"] for line in lines if line.strip()]
    return [(id_, queries[id_]) for id_ in order if id_ in queries]


HEADER = "query-id\tcorpus-id\tscore\n"
CORPUS = [
    {"_id": "d1", "title": "Kemi", "text": "Ein Fluss.", "metadata": {"url": "https://x.org"}},
    {"_id": "d2", "title": "", "text": "Ohne Titel, mit\nZeilen\tund Tabs."},
    {"_id": "d3", "text": "Ohne Feld."},
    {"_id": "d4", "title": "Nur ein Titel", "text": ""},
    {"_id": "d5", "title": "", "text": ""},
]
ASKED = [
    {"_id": "q1", "text": "Welcher Fluss?", "metadata": {}},
    {"_id": "q2", "text": "Was?"},
    {"_id": "q3", "text": "-"},
]
JUDGED = HEADER + "q1\td1\t2\nq1\td2\t0\nq2\td4\t1\n"


def test_a_folder_of_beir_is_read_as_beir_reads_it(tmp_path: Path) -> None:
    with repaired() as told:
        same(tmp_path, beir(tmp_path, jsonl(CORPUS), jsonl(ASKED), JUDGED))
    assert any("1 x passage without a text, read as its title (first on line 4)" in message for message in told)
    assert any("1 x passage without title and text, kept as '-' (first on line 5)" in message for message in told)


IDS = st.text(st.sampled_from("abcXYZ0189-_.#:/"), min_size=1, max_size=6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VISIBLE = TEXTS.filter(lambda text: bool(text.strip()))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_folder_of_beir_is_read_as_beir_reads_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    ids = data.draw(st.lists(IDS, min_size=1, max_size=6, unique=True))
    asked = data.draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    corpus = [
        {"_id": id_, "text": data.draw(VISIBLE), **data.draw(st.sampled_from([{}, {"title": ""}, {"title": "T\t1"}]))}
        for id_ in ids
    ]
    grades = st.dictionaries(st.tuples(st.sampled_from(asked), st.sampled_from(ids)), st.integers(-1, 3), max_size=8)
    judged = {(asked[0], ids[0]): 1} | data.draw(grades)
    judged[asked[0], ids[0]] = max(1, judged[asked[0], ids[0]])
    folder = tmp_path_factory.mktemp("beir")
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    task = beir(
        folder,
        jsonl(corpus),
        jsonl([{"_id": id_, "text": data.draw(VISIBLE)} for id_ in asked]),
        (HEADER + "".join(f"{q}\t{p}\t{grade}\n" for (q, p), grade in judged.items())).replace("\n", end),
    )
    same(folder, task)


# What BEIR's loader reads otherwise, on purpose


def test_numbers_as_ids_are_strings_as_in_the_judgements(tmp_path: Path) -> None:
    """BEIR keeps the numbers, and then finds no judged query among them."""
    task = beir(tmp_path, jsonl([{"_id": 1, "text": "a"}]), jsonl([{"_id": 2, "text": "b"}]), HEADER + "2\t1\t1\n")
    assert task.judgements("de").qrels == {"2": {"1": 1}}
    with pytest.raises(KeyError):
        loaded(tmp_path)


def test_judgements_without_a_header_are_refused(tmp_path: Path) -> None:
    """BEIR takes the first judgement for the header."""
    task = beir(tmp_path, jsonl(CORPUS), jsonl(ASKED), "q1\td1\t1\nq2\td2\t1\n")
    with pytest.raises(DataError, match=r"test\.tsv:1: the first line must be a header, 'query-id corpus-id score'"):
        task.queries("de")
    assert set(loaded(tmp_path)[2]) == {"q2"}


def test_judgements_in_trecs_format_are_refused(tmp_path: Path) -> None:
    """BEIR reads ids that are numbers as grades, without a word."""
    rows = "1\t0\t11\t1\n1\t0\t12\t1\n"
    corpus, queries = [{"_id": "11", "text": "a"}, {"_id": "12", "text": "b"}], [{"_id": "1", "text": "c"}]
    task = beir(tmp_path, jsonl(corpus), jsonl(queries), rows)
    with pytest.raises(DataError, match=r"test\.tsv:1: 4 fields where 'query-id corpus-id score' has three"):
        task.queries("de")
    assert loaded(tmp_path)[2] == {"1": {"0": 12}}


@pytest.mark.parametrize("file", ["corpus", "queries"])
def test_an_id_that_recurs_is_refused(tmp_path: Path, file: str) -> None:
    """BEIR keeps the last."""
    corpus = [*CORPUS, {"_id": "d1", "text": "other"}] if file == "corpus" else CORPUS
    queries = [*ASKED, {"_id": "q1", "text": "other"}] if file == "queries" else ASKED
    task = beir(tmp_path, jsonl(corpus), jsonl(queries), JUDGED)
    with pytest.raises(DataError, match=rf"{file}\.jsonl:\d: .*id '[dq]1'"):
        (list(task.passages("de")), task.queries("de"))
    assert len(loaded(tmp_path)[0]) == 5


def test_a_pair_judged_twice_with_two_grades_is_refused(tmp_path: Path) -> None:
    """BEIR keeps the last."""
    task = beir(tmp_path, jsonl(CORPUS), jsonl(ASKED), JUDGED + "q1\td1\t1\n")
    with pytest.raises(DataError, match=r"test\.tsv:5: query 'q1' and passage 'd1' are judged twice, differently"):
        task.queries("de")
    assert loaded(tmp_path)[2]["q1"]["d1"] == 1


def test_a_grade_that_is_a_fraction_is_refused_by_both(tmp_path: Path) -> None:
    task = beir(tmp_path, jsonl(CORPUS), jsonl(ASKED), HEADER + "q1\td1\t1.0\n")
    with pytest.raises(DataError, match=r"test\.tsv:2: grade '1\.0' is no whole number"):
        task.queries("de")
    with pytest.raises(ValueError, match="invalid literal"):
        loaded(tmp_path)


def test_blank_lines_are_skipped(tmp_path: Path) -> None:
    """BEIR stops at them."""
    with repaired() as told:
        task = beir(tmp_path, jsonl(CORPUS) + "\n\n", jsonl(ASKED), JUDGED + "\n")
        assert len(list(task.passages("de"))) == 5
        assert len(task.queries("de")) == 2
    assert any("corpus.jsonl: 2 x" not in message and "blank lines, skipped" in message for message in told)
    with pytest.raises((json.JSONDecodeError, IndexError)):
        loaded(tmp_path)


def test_a_judgement_of_an_unknown_passage_is_refused(tmp_path: Path) -> None:
    """BEIR does not look; its ideal ranking then holds a passage that nobody can retrieve."""
    task = beir(tmp_path, jsonl(CORPUS), jsonl(ASKED), JUDGED + "q1\td9\t1\n")
    with pytest.raises(DataError, match=r"test\.tsv: query 'q1' judges passage 'd9', which is not in the collection"):
        task.judgements("de")


def test_a_judgement_of_an_unknown_query_is_refused_by_both(tmp_path: Path) -> None:
    task = beir(tmp_path, jsonl(CORPUS), jsonl(ASKED), JUDGED + "q9\td1\t1\n")
    with pytest.raises(DataError, match=r"test\.tsv: query 'q9' is judged, which is no question"):
        task.queries("de")
    with pytest.raises(KeyError):
        loaded(tmp_path)


# Languages


def two_languages(folder: Path, sources: Mapping[str, str], files: Mapping[str, Content], tables: str = "") -> Task:
    return opened(write_card(folder, "beir", sources, files, {"languages": '["de", "fi"]'}, tables=tables))


SHARED_FILES = {"corpus": "corpus.jsonl", "qrels": "qrels/test.tsv"}


def test_a_field_may_name_the_language_of_a_query(tmp_path: Path) -> None:
    queries = [{**ASKED[0], "lang": "de"}, {**ASKED[1], "lang": " fi"}, {"_id": "q4", "text": "?", "lang": "sv"}]
    with repaired() as told:
        task = two_languages(
            tmp_path,
            {"queries": "queries.jsonl", **SHARED_FILES},
            {"queries.jsonl": jsonl(queries), "corpus.jsonl": jsonl(CORPUS), "qrels/test.tsv": JUDGED},
            '[settings]\nlanguage_field = "lang"',
        )
        assert [(q.id, q.language) for lang in ("de", "fi") for q in task.queries(lang)] == [("q1", "de"), ("q2", "fi")]
    assert any("1 x white space around a language, removed (first on line 2)" in message for message in told)
    assert task.judgements("fi").qrels == {"q2": {"d4": 1}}
    assert task.collection("de") == task.collection("fi")


def test_the_name_of_a_file_may_name_the_language_of_its_queries(tmp_path: Path) -> None:
    """Translated queries with the ids of the original, over one collection, as in mMARCO."""
    task = two_languages(
        tmp_path,
        {"queries": "{language}/queries.jsonl", **SHARED_FILES},
        {
            "de/queries.jsonl": jsonl(ASKED),
            "fi/queries.jsonl": jsonl([{**query, "text": f"fi {query['text']}"} for query in ASKED]),
            "corpus.jsonl": jsonl(CORPUS),
            "qrels/test.tsv": JUDGED,
        },
    )
    assert [q.text for q in task.queries("fi")] == ["fi Welcher Fluss?", "fi Was?"]
    assert task.judgements("fi").qrels == task.judgements("de").qrels


def test_a_file_per_language_may_have_a_corpus_per_language(tmp_path: Path) -> None:
    task = two_languages(
        tmp_path,
        {key: "{language}/" + path for key, path in {"queries": "queries.jsonl", **SHARED_FILES}.items()},
        {
            f"{language}/{name}": content
            for language in ("de", "fi")
            for name, content in (
                ("queries.jsonl", jsonl(ASKED)),
                ("corpus.jsonl", jsonl([{**CORPUS[0], "text": language}, *CORPUS[1:]])),
                ("qrels/test.tsv", JUDGED),
            )
        },
    )
    assert [next(iter(task.passages(language))).text for language in ("de", "fi")] == ["de", "fi"]
    assert task.collection("de") != task.collection("fi")


def test_queries_of_a_language_that_nobody_names_are_refused(tmp_path: Path) -> None:
    """They would be read as German, and once more as Finnish."""
    with pytest.raises(DataError, match=r"written\.toml: nothing says which query is in which language"):
        two_languages(
            tmp_path,
            {"queries": "queries.jsonl", **SHARED_FILES},
            {"queries.jsonl": jsonl(ASKED), "corpus.jsonl": jsonl(CORPUS), "qrels/test.tsv": JUDGED},
        )


def test_a_query_without_the_field_that_names_its_language_is_named(tmp_path: Path) -> None:
    task = two_languages(
        tmp_path,
        {"queries": "queries.jsonl", **SHARED_FILES},
        {
            "queries.jsonl": jsonl([{**ASKED[0], "lang": "de"}, ASKED[1]]),
            "corpus.jsonl": jsonl(CORPUS),
            "qrels/test.tsv": JUDGED,
        },
        '[settings]\nlanguage_field = "lang"',
    )
    with pytest.raises(DataError, match=r"queries\.jsonl:2: 'lang' is missing"):
        task.queries("de")


def test_a_judgement_that_could_be_meant_for_two_languages_is_refused(tmp_path: Path) -> None:
    task = two_languages(
        tmp_path,
        {"queries": "queries.jsonl", **SHARED_FILES},
        {
            "queries.jsonl": jsonl([{**ASKED[0], "lang": "de"}, {**ASKED[0], "lang": "fi"}]),
            "corpus.jsonl": jsonl(CORPUS),
            "qrels/test.tsv": HEADER + "q1\td1\t1\n",
        },
        '[settings]\nlanguage_field = "lang"',
    )
    with pytest.raises(DataError, match="query 'q1' is judged, which is a question in several languages"):
        task.queries("de")


# JSON lines

PASSAGES = [{"id": "p1", "title": "A", "text": "alpha"}, {"id": "p2", "title": "B", "text": "beta"}]
QUERIES = [
    {"id": "1", "text": "first?", "language": "sw", "answers": ["alpha"]},
    {"id": "2", "text": "second?", "language": "te", "answers": ["beta"]},
]


def lines(
    folder: Path,
    queries: Sequence[object] = QUERIES,
    passages: Sequence[object] = PASSAGES,
    qrels: str | None = None,
    tables: str = "",
    fields: Mapping[str, str] | None = None,
) -> Task:
    sources = {"queries": "queries.jsonl", "passages": "passages.jsonl"}
    files: dict[str, Content] = {"queries.jsonl": jsonl(queries), "passages.jsonl": jsonl(passages)}
    if qrels is not None:
        sources["qrels"], files["qrels"] = "qrels", qrels
    return opened(write_card(folder, "jsonl", sources, files, fields, tables=tables))


def test_answers_alone_judge(tmp_path: Path) -> None:
    judged = lines(tmp_path).judgements("sw")
    assert (judged.qrels, judged.answers) == ({}, {"1": ("alpha",)})


def test_judgements_alone_judge(tmp_path: Path) -> None:
    queries = [{name: value for name, value in query.items() if name != "answers"} for query in QUERIES]
    judged = lines(tmp_path, queries, qrels="1 0 p1 1\n2 0 p2 1\n").judgements("te")
    assert (judged.qrels, judged.answers) == ({"2": {"p2": 1}}, {})


def test_both_judge_together(tmp_path: Path) -> None:
    judged = lines(tmp_path, qrels="1 0 p1 1\n2 0 p2 1\n").judgements("sw")
    assert (judged.qrels, judged.answers) == ({"1": {"p1": 1}}, {"1": ("alpha",)})


def test_nothing_that_judges_is_said_before_anything_is_encoded(tmp_path: Path, bigrams: Bigrams) -> None:
    lines(tmp_path, [{**query, "answers": None} for query in QUERIES], fields={"measures": '["nDCG@10"]'})
    with pytest.raises(DataError, match="nDCG@10 judges no query in 'sw'"):
        evaluate(bigrams, "written", tasks_dir=tmp_path, store=tmp_path / "store")
    assert bigrams.calls == 0


def test_fields_may_have_other_names(tmp_path: Path) -> None:
    queries = [
        {"qid": 7, "frage": "first?", "spr": "sw", "a": ["alpha"]},
        {"qid": 8, "frage": "?", "spr": "te", "a": []},
    ]
    passages = [{"pid": "p1", "kopf": "A", "inhalt": "alpha"}]
    tables = (
        '[settings]\nlanguage_field = "spr"\n[settings.fields]\nquery_id = "qid"\nquery = "frage"\nanswers = "a"\n'
        'passage_id = "pid"\ntitle = "kopf"\ntext = "inhalt"'
    )
    task = lines(tmp_path, queries, passages, tables=tables)
    assert list(task.queries("sw")) == [Query("7", "first?", "sw")]
    assert list(task.passages("sw")) == [Passage("p1", "A", "alpha")]
    assert task.judgements("sw").answers == {"7": ("alpha",)}


@pytest.mark.parametrize("fields", ['{ id = "x" }', "{ text = 1 }", '{ language = "x" }'])
def test_a_field_that_is_none_is_refused(tmp_path: Path, fields: str) -> None:
    with pytest.raises(DataError, match=r"written\.toml: setting fields = .* must name some of answers, passage_id"):
        lines(tmp_path, tables=f"[settings]\nfields = {fields}")


def test_a_record_without_its_language_is_in_that_of_its_file(tmp_path: Path) -> None:
    folder = write_card(
        tmp_path,
        "jsonl",
        {"queries": "{language}.jsonl", "passages": "passages.jsonl"},
        {
            "sw.jsonl": jsonl([{"id": "1", "text": "a?", "answers": ["alpha"]}, {**QUERIES[1], "language": "sw"}]),
            "te.jsonl": jsonl([{**QUERIES[1], "language": None}]),
            "passages.jsonl": jsonl(PASSAGES),
        },
    )
    task = opened(folder)
    assert [(q.id, q.language) for lang in ("sw", "te") for q in task.queries(lang)] == [
        ("1", "sw"),
        ("2", "sw"),
        ("2", "te"),
    ]


def test_a_record_without_its_language_is_in_the_only_one_of_the_card(tmp_path: Path) -> None:
    queries = [{"id": "1", "text": "a?", "answers": ["alpha"]}]
    assert [q.language for q in lines(tmp_path, queries, fields={"languages": '["sw"]'}).queries("sw")] == ["sw"]


def test_judgements_in_shards_are_refused_not_read_in_part(tmp_path: Path) -> None:
    folder = write_card(
        tmp_path,
        "jsonl",
        {"queries": "queries.jsonl", "passages": "passages.jsonl", "qrels": "qrels-{shard}"},
        {
            "queries.jsonl": jsonl(QUERIES),
            "passages.jsonl": jsonl(PASSAGES),
            "qrels-0": "1 0 p1 1\n",
            "qrels-1": "2 0 p2 1\n",
        },
    )
    with pytest.raises(DataError, match=r"qrels-1: source 'qrels' must be one file, or one per language, and has 2"):
        opened(folder).judgements("sw")


def test_passages_in_shards_are_one_collection_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Also beyond ten, where the alphabet has another order; an empty shard is none."""
    numbers = range(12)
    folder = write_card(
        tmp_path,
        "jsonl",
        {"queries": "queries.jsonl", "passages": "p-{shard}.jsonl"},
        {"queries.jsonl": jsonl(QUERIES)}
        | {f"p-{n}.jsonl": jsonl([{"id": f"p{n}", "text": "t"}] if n != 5 else []) for n in numbers},
    )
    assert [p.id for p in opened(folder).passages("sw")] == [f"p{n}" for n in numbers if n != 5]


def test_an_id_that_recurs_in_another_shard_is_refused_with_file_and_line(tmp_path: Path) -> None:
    folder = write_card(
        tmp_path,
        "jsonl",
        {"queries": "queries.jsonl", "passages": "p-{shard}.jsonl"},
        {"queries.jsonl": jsonl(QUERIES), "p-0.jsonl": jsonl(PASSAGES), "p-1.jsonl": jsonl(PASSAGES[::-1])},
    )
    with pytest.raises(DataError, match=r"p-1\.jsonl:1: passage id 'p2' stands on line 2 already"):
        list(opened(folder).passages("sw"))


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    assert lines(tmp_path, qrels="1 0 p1 1\n2 0 p2 1\n").judgements("sw").qrels == {"1": {"p1": 1}}
    assert lines(tmp_path, qrels="1 0 p2 2\n2 0 p2 1\n").judgements("sw").qrels == {"1": {"p2": 2}}


# TREC's topics


def trec(folder: Path, topics: Content, name: str = "topics.tsv", qrels: str = "1 0 p1 1\n") -> Task:
    corpus = [{"docid": record["id"], **record} for record in PASSAGES]
    sources = {"topics": name, "qrels": "qrels", "passages": "corpus.jsonl"}
    files = {name: topics, "qrels": qrels, "corpus.jsonl": jsonl(corpus)}
    return opened(write_card(folder, "trec", sources, files, {"languages": '["sw"]'}))


def asked(task: Task) -> list[tuple[str, str]]:
    return [(query.id, query.text) for query in task.queries("sw")]


CLOSED = """<top>
<num>301</num>
<title>International crime</title>
<desc>Which?</desc>
</top>
<top lang="sw">
<num>302</num><title>Bei &amp;
 soko</title>
</top>
"""
OPEN = """
<top>

<num> Number: 301
<title> Topic: International   crime

<desc> Description:
Which <b>organisations</b>?

<narr> Narrative:
A relevant document ...

</top>

<top>
<num> Number: 302
<title>
Bei &amp; soko
<desc> Description:
"""
TOPICS = [("301", "International crime"), ("302", "Bei &amp; soko")]


@pytest.mark.parametrize(
    "content", [CLOSED, OPEN, OPEN.replace("</top>", ""), CLOSED.lower().upper().replace("SW", "sw")]
)
@pytest.mark.parametrize("name", ["topics.xml", "topics.trec", "topics.xml.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_topics_of_trec_are_read_closed_or_not(tmp_path: Path, content: str, name: str, end: str) -> None:
    raw = ("\ufeff" + content.replace("\n", end)).encode()
    task = trec(tmp_path, gzip.compress(raw) if name.endswith("gz") else raw, name, "301 0 p1 1\n")
    assert [(id_, text.casefold()) for id_, text in asked(task)] == [(i, t.casefold()) for i, t in TOPICS]


def test_topics_with_description_are_those_that_ir_datasets_reads(tmp_path: Path) -> None:
    from ir_datasets.formats import TrecQueries
    from ir_datasets.util import LocalDownload

    text = OPEN.rstrip() + "\n<narr> Narrative:\n</top>\n"
    task = trec(tmp_path, text, "topics.trec", "301 0 p1 1\n")
    theirs = [
        (q.query_id, " ".join(q.title.split()))
        for q in TrecQueries(LocalDownload(tmp_path / "topics.trec")).queries_iter()
    ]
    assert asked(task) == [(id_, title.removeprefix("Topic: ")) for id_, title in theirs] == TOPICS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1\tquestion\n", r"topics\.xml: no <top> element in it"),
        ("\n\n<top>\n<num> 1\n</top>\n", r"topics\.xml:3: a <top> needs its <num> and its <title>"),
        ("<top>\n<num> 1 <title> a\n</top>\n<top>\n<title> b\n</top>", r"topics\.xml:4: a <top> needs its <num>"),
        ("<top>\n<num> 1\n<title> \n</top>\n", r"topics\.xml:1: a <top> needs its <num> and its <title>"),
        ("<top>\n<num> 1 2\n<title> a\n</top>\n", r"topics\.xml:1: 'num' '1 2' holds white space"),
        ("<top>\n<num> 1\n<title> \udcff\n</top>\n", r"topics\.xml:3: not UTF-8"),
    ],
)
def test_broken_topics_are_named_by_file_and_line(tmp_path: Path, content: str, said: str) -> None:
    raw = content.encode("utf-8", "surrogateescape")
    with pytest.raises(DataError, match=said):
        trec(tmp_path, raw, "topics.xml").queries("sw")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 question", "a topic is .*this has no text after a tab"),
        ("2\t ", "a topic is .*this has no text after a tab"),
        ("2", "a topic is .*this has no text after a tab"),
        ("\tquestion", "'topic id' is empty"),
        ("2 3\tquestion", "'topic id' '2 3' holds white space"),
        ("2\x003\tquestion", r"'topic id' '2\\x003' holds white space or control"),
        ("1\tagain", "question id '1' occurs twice"),
    ],
)
def test_a_broken_topic_is_named_by_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(DataError, match=rf"topics\.tsv:3: {said}"):
        trec(tmp_path, f"1\tquestion\n\n{line}\n").queries("sw")


def test_judgements_of_no_query_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"qrels: no question in 'sw' is judged"):
        trec(tmp_path, "1\tquestion\n", qrels="\n").judgements("sw")


def test_generated_queries_stand_with_the_passages(tmp_path: Path) -> None:
    corpus = [{"docid": r["id"], **r, "generated_queries": {"sw": [f"{r['title']}?"]}} for r in PASSAGES]
    folder = write_card(
        tmp_path,
        "trec",
        {"topics": "t.tsv", "qrels": "qrels", "passages": "corpus.jsonl"},
        {"t.tsv": "1\tquestion\n", "qrels": "1 0 p1 1\n", "corpus.jsonl": jsonl(corpus)},
        {"languages": '["sw"]', "generated_languages": '["sw"]'},
    )
    assert [dict(generated) for generated in opened(folder).generated_queries("sw")] == [{"sw": ["A?"]}, {"sw": ["B?"]}]


def test_passages_in_columns_have_no_generated_queries(tmp_path: Path) -> None:
    folder = write_card(
        tmp_path,
        "trec",
        {"topics": "t.tsv", "qrels": "qrels", "passages": "corpus.tsv"},
        {"t.tsv": "1\tquestion\n", "qrels": "1 0 p1 1\n", "corpus.tsv": "id\ttext\ttitle\np1\talpha\tA\n"},
        {"languages": '["sw"]', "generated_languages": '["sw"]'},
    )
    task = opened(folder)
    assert list(task.passages("sw")) == [Passage("p1", "A", "alpha")]
    with pytest.raises(DataError, match=r"corpus\.tsv: a \.tsv file has no generated queries"):
        next(iter(task.generated_queries("sw")))


def test_a_language_whose_files_are_not_here_does_not_keep_the_others(tmp_path: Path) -> None:
    folder = write_card(
        tmp_path,
        "trec",
        {"topics": "{language}.tsv", "qrels": "{language}.qrels", "passages": "corpus.jsonl"},
        {
            **{f"{language}.tsv": "1\tquestion\n" for language in ("sw", "te")},
            **{f"{language}.qrels": "1 0 p1 1\n" for language in ("sw", "te")},
            "corpus.jsonl": jsonl([{"docid": "p1", "text": "a"}]),
        },
    )
    (folder / "te.qrels").unlink()
    task = opened(folder)
    assert len(task.judgements("sw").qrels) == 1
    with pytest.raises(MissingData, match=r"te\.qrels"):
        task.judgements("te")
