"""Data-set files: the real ones of the field, the odd ones of daily life, and the broken ones."""

from __future__ import annotations

import csv
import gzip
import json
import types
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PASSAGES, QUESTIONS, LocalFiles, TaskWriter, jsonl
from xqgbench import tasks
from xqgbench.errors import DataError, UnknownName
from xqgbench.formats import jsonl as lines
from xqgbench.formats import records, trec
from xqgbench.formats import task as task_module
from xqgbench.formats.records import Fields
from xqgbench.formats.task import FileTask
from xqgbench.formats.xor_retrieve import open_task as open_xor_retrieve
from xqgbench.measures.answer_recall import countable
from xqgbench.types import Passage

XOR_LANGUAGES = ("ar", "bn", "fi", "ja", "ko", "ru", "te")
#: zcat -f FILE | grep -oE '"lang": "[ a-z]+"' | sort | uniq -c
DEV = {"ar": 350, "bn": 312, "fi": 360, "ja": 296, "ko": 299, "ru": 255, "te": 238}
TRAIN = {"ar": 2574, "bn": 2582, "fi": 2088, "ja": 2288, "ko": 2469, "ru": 1941, "te": 1308}
#: Denominators of the official evaluation script on the development set.
COUNTED = {"ar": 309, "bn": 304, "fi": 314, "ja": 241, "ko": 285, "ru": 237, "te": 238}
#: Judgements and judged queries of MIRACL's development sets: wc -l FILE; cut -f1 FILE | sort -u | wc -l
MIRACL = {"bn": (4206, 411), "ko": (3057, 213), "sw": (5092, 482), "te": (1606, 828)}


def opened(
    write_task: TaskWriter,
    *,
    passages: str | None = None,
    questions: str | None = None,
    qrels: str | None = None,
    card: dict[str, str | None] | None = None,
) -> FileTask:
    task = tasks.open_task("small", write_task(passages, questions, qrels, card))
    assert isinstance(task, FileTask)
    return task


def xor_tydi(write_task: TaskWriter, questions: Path, expected: Mapping[str, int]) -> FileTask:
    """XOR-TyDi's own questions, without its collection of 18 million passages."""
    folder = write_task()
    card = replace(tasks.card("small", folder), languages=XOR_LANGUAGES, expected_queries=expected)
    card = replace(card, sources={key: card.sources[key] for key in ("questions", "passages")})
    return open_xor_retrieve(card, LocalFiles(questions=questions, passages=folder / "passages.jsonl"))


# XOR-TyDi


@pytest.fixture
def dev(shared: Path, write_task: TaskWriter) -> FileTask:
    return xor_tydi(write_task, shared / "xor-tydi" / "xor_dev_retrieve_eng_span_v1_1.jsonl", DEV)


def test_the_development_questions_of_xor_tydi_are_all_read(dev: FileTask) -> None:
    counts = {language: len(dev.queries(language)) for language in XOR_LANGUAGES}
    assert counts == DEV
    assert sum(counts.values()) == 2110


def test_a_development_question_is_read_as_it_stands(dev: FileTask) -> None:
    # head -1 xor_dev_retrieve_eng_span_v1_1.jsonl
    first = dev.queries("te")[0]
    assert (first.id, first.language) == ("-1018987027025691298", "te")
    assert first.text == "ఒరెగాన్ రాష్ట్రంలోని అతిపెద్ద నగరం ఏది ?"
    assert dev.judgements("te").answers[first.id] == ("Portland", "Portland")


def test_the_denominators_are_those_of_the_official_script(dev: FileTask) -> None:
    counted = {
        language: sum(bool(countable(answers)) for answers in dev.judgements(language).answers.values())
        for language in XOR_LANGUAGES
    }
    assert counted == COUNTED
    assert sum(counted.values()) == 1928


def test_a_task_without_qrels_has_answers_alone(dev: FileTask) -> None:
    judged = dev.judgements("ko")
    assert not judged.qrels
    assert list(judged.answers) == [query.id for query in dev.queries("ko")]


def test_the_training_questions_are_read_arabic_ones_with_their_leading_space_too(
    shared: Path, write_task: TaskWriter
) -> None:
    path = shared / "xor-tydi" / "xor_train_retrieve_eng_span.jsonl.gz"
    written = Counter(json.loads(line)["lang"] for line in gzip.decompress(path.read_bytes()).splitlines())
    assert written[" ar"] == TRAIN["ar"]
    assert "ar" not in written
    task = xor_tydi(write_task, path, TRAIN)
    assert {language: len(task.queries(language)) for language in XOR_LANGUAGES} == TRAIN
    assert {query.language for query in task.queries("ar")} == {"ar"}


# The official file of passages: id, text, title


def columns(write_task: TaskWriter, content: str | bytes, name: str = "passages.tsv") -> FileTask:
    folder = write_task()
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    card = replace(tasks.card("small", folder), generated_languages=())
    card = replace(card, sources={key: card.sources[key] for key in ("questions", "passages")})
    return open_xor_retrieve(card, LocalFiles(questions=folder / "questions.jsonl", passages=folder / name))


TSV = "id\ttext\ttitle\n1\tA river.\tKemi\n2\tA lake.\tOulu\n"


@pytest.mark.parametrize("name", ["passages.tsv", "passages.tsv.gz"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_passages_in_columns_are_read_with_or_without_a_header(
    write_task: TaskWriter, name: str, header: bool, end: str
) -> None:
    content = (TSV if header else TSV.partition("\n")[2]).replace("\n", end).encode()
    task = columns(write_task, gzip.compress(content) if name.endswith(".gz") else content, name)
    assert list(task.passages("fi")) == [Passage("1", "Kemi", "A river."), Passage("2", "Oulu", "A lake.")]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip),
            st.text(st.characters(exclude_categories=["Cs", "Cc"])),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_columns_are_read_as_the_authors_read_them(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    """AkariAsai/XORQA, dense_retriever.py, load_passages: csv.reader(f, delimiter="\\t"), rows of csv.writer."""
    path = tmp_path_factory.mktemp("columns") / "passages.tsv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(["id", "text", "title"])
        writer.writerows([str(n), text, title] for n, (text, title) in enumerate(rows, 1))
    with path.open(encoding="utf-8", newline="") as stream:
        theirs = [Passage(row[0], row[2], row[1]) for row in csv.reader(stream, delimiter="\t") if row[0] != "id"]
    assert [located.passage for located in records.passages([path], Fields())] == theirs
    assert len(theirs) == len(rows)


@pytest.mark.parametrize(
    ("line", "text", "title"),
    [
        ('7\t"Alea iacta est" he said.\tCaesar', '"Alea iacta est" he said.', "Caesar"),  # not quoted: begins so
        ('7\t"He said ""no"", twice."\tCaesar', 'He said "no", twice.', "Caesar"),
        ('7\tA film.\t"""Heroes"" (album)"', "A film.", '"Heroes" (album)'),
        ('7\tA 7" record.\tSingle', 'A 7" record.', "Single"),
        ("7\tbefore\tafter\tTitle", "before after", "Title"),
        ("7\tA text.\t", "A text.", ""),
    ],
)
def test_quotes_and_tabs_inside_columns(write_task: TaskWriter, line: str, text: str, title: str) -> None:
    assert list(columns(write_task, TSV + line + "\n").passages("fi"))[-1] == Passage("7", title, text)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("3\tno title", "2 columns where 'id text title' has three"),
        ("3 no tabs", "1 columns"),
        ("\ttext\ttitle", "'id' is empty"),
        ("3 4\ttext\ttitle", "'id' '3 4' holds white space"),
        ("3\x00\ttext\ttitle", r"'id' '3\\x00' holds white space or control"),
        ("3\t \ttitle", "passage '3' has no text"),
        ('3\t"a quoted text', "2 columns"),  # that goes on over the next line
        ("3\t\udcff\ttitle", "not UTF-8"),
        ("1\tagain\ttitle", "passage id '1' stands on line 2 already"),
    ],
)
def test_a_broken_row_is_named_by_file_and_line(write_task: TaskWriter, line: str, said: str) -> None:
    task = columns(write_task, (TSV + line + "\n").encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=rf"passages\.tsv:4: {said}"):
        list(task.passages("fi"))


def test_a_quoted_text_longer_than_csv_reads_by_itself(write_task: TaskWriter) -> None:
    text = 'a "word" ' * 20_000
    quoted = text.replace('"', '""')
    assert list(columns(write_task, f'{TSV}3\t"{quoted}"\tlong\n').passages("fi"))[-1] == Passage("3", "long", text)


# Streams


def test_passages_and_generated_queries_are_streams(write_task: TaskWriter) -> None:
    task = opened(write_task)
    assert isinstance(task.passages("fi"), types.GeneratorType)
    assert isinstance(task.generated_queries("fi"), types.GeneratorType)


def test_the_first_passage_is_there_before_the_last_line_is_read(write_task: TaskWriter) -> None:
    task = opened(write_task, passages=jsonl(PASSAGES[:2]) + "this line is broken\n")
    passages, generated = task.passages("fi"), task.generated_queries("fi")
    assert [next(passages).id, next(passages).id] == ["p0", "p1"]
    assert [next(generated)["fi"], next(generated)["fi"]] == [p["generated_queries"]["fi"] for p in PASSAGES[:2]]
    for stream in (passages, generated):
        with pytest.raises(DataError, match=r"passages\.jsonl:3: not a JSON object"):
            next(stream)


def test_every_call_reads_the_collection_from_its_start(write_task: TaskWriter) -> None:
    task = opened(write_task)
    first = task.passages("fi")
    next(first)
    assert [passage.id for passage in task.passages("ja")] == ["p0", "p1", "p2", "p3"]
    assert [passage.id for passage in first] == ["p1", "p2", "p3"]


def test_generated_queries_stand_in_the_order_of_their_passages(write_task: TaskWriter) -> None:
    task = opened(write_task)
    for passage, generated in zip(task.passages("fi"), task.generated_queries("fi"), strict=True):
        assert generated["fi"] == [f"{passage.title} missä", f"mikä on {passage.title}"]
        assert generated["ja"] == [f"{passage.title}は何", f"{passage.title}どこ"]


# Encodings and line ends


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", " \r\n\t\r\n"], ids=["lf", "crlf", "blank lines", "white lines"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no mark", "byte order mark"])
def test_byte_order_marks_and_line_ends_do_not_matter(write_task: TaskWriter, mark: str, end: str) -> None:
    def odd(text: str) -> str:
        return mark + text.replace("\n", end)

    qrels = "fi-1\t0\tp0\t1\nfi-2\t0\tp3\t1\nja-1 0  p1 2\n"
    task = opened(write_task, passages=odd(jsonl(PASSAGES)), questions=odd(jsonl(QUESTIONS)), qrels=odd(qrels))
    plain = [Passage(p["docid"], p["title"], p["text"]) for p in PASSAGES]
    assert list(task.passages("fi")) == plain
    assert [query.text for query in task.queries("ja")] == [q["question"] for q in QUESTIONS if q["lang"] == "ja"]
    assert task.judgements("fi").qrels == {"fi-1": {"p0": 1}, "fi-2": {"p3": 1}}
    assert task.judgements("ja").qrels == {"ja-1": {"p1": 2}}


def test_a_last_line_without_its_end_counts(write_task: TaskWriter) -> None:
    task = opened(write_task, passages=jsonl(PASSAGES).rstrip("\n"))
    assert len(list(task.passages("fi"))) == 4


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\0", "\r", "\n", "\ufeff"])
def test_no_character_inside_a_text_ends_or_changes_it(write_task: TaskWriter, character: str) -> None:
    text = f"before{character}after"
    task = opened(write_task, passages=jsonl([*PASSAGES, {"docid": "odd", "title": text, "text": text}]))
    assert list(task.passages("fi"))[-1] == Passage("odd", text, text)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.dictionaries(TEXT, TEXT | st.lists(TEXT) | st.none() | st.booleans()), max_size=6),
    st.lists(st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\r\n"]), min_size=6, max_size=6),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_json_lines_are_read_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[dict[str, object]],
    ends: list[str],
    mark: bool,
    ascii_only: bool,
    zipped: bool,
) -> None:
    number, numbers, text = 1, [], "\ufeff" if mark else ""
    for record, end in zip(records, ends, strict=False):
        numbers.append(number)
        text += json.dumps(record, ensure_ascii=ascii_only) + end
        number += end.count("\n")
    path = tmp_path_factory.mktemp("lines") / ("records.jsonl.gz" if zipped else "records.jsonl")
    content = text.encode()
    path.write_bytes(gzip.compress(content) if zipped else content)
    assert list(lines.records(path)) == list(zip(numbers, records, strict=True))


# Fields


def test_a_passage_without_a_title_has_an_empty_one(write_task: TaskWriter) -> None:
    records = [{"docid": "a", "text": "x"}, {"docid": "b", "title": None, "text": "y"}]
    records.append({"docid": "c", "title": "", "text": "z"})
    task = opened(write_task, passages=jsonl(records), qrels="")
    assert [passage.joined(" ") for passage in task.passages("fi")] == ["x", "y", "z"]


@pytest.mark.parametrize("generated", [None, {}, {"fi": []}, "absent"])
def test_a_passage_may_have_no_generated_queries(write_task: TaskWriter, generated: object) -> None:
    record = {"docid": "a", "title": "", "text": "x"}
    task = opened(
        write_task, passages=jsonl([record if generated == "absent" else {**record, "generated_queries": generated}])
    )
    assert [list(found.get("fi", ())) for found in task.generated_queries("fi")] == [[]]


def test_questions_in_languages_that_the_card_does_not_name_are_left_out(write_task: TaskWriter) -> None:
    english = {"id": "en-1", "question": "Which?", "answers": ["Kemi"], "lang": "en", "split": "dev"}
    task = opened(write_task, questions=jsonl([*QUESTIONS, english]))
    assert [query.id for query in task.queries("fi")] == ["fi-1", "fi-2"]
    with pytest.raises(UnknownName, match="unknown language of small 'en'"):
        task.queries("en")


@pytest.mark.parametrize("written", [" fi", "fi ", "\tfi\n"])
def test_white_space_around_a_language_does_not_matter(write_task: TaskWriter, written: str) -> None:
    task = opened(write_task, questions=jsonl([{**QUESTIONS[0], "lang": written}, *QUESTIONS[1:]]))
    assert [(query.id, query.language) for query in task.queries("fi")] == [("fi-1", "fi"), ("fi-2", "fi")]


def test_question_ids_may_recur_in_another_language(write_task: TaskWriter) -> None:
    questions = [{**question, "id": "same"} for question in (QUESTIONS[0], QUESTIONS[2])]
    task = opened(write_task, questions=jsonl(questions), qrels="")
    assert [task.queries(language)[0].text for language in ("fi", "ja")] == [q["question"] for q in questions]


def test_all_languages_share_one_collection(write_task: TaskWriter) -> None:
    task = opened(write_task)
    assert task.collection("fi") == task.collection("ja")


PASSAGE = {"docid": "a", "title": "t", "text": "x"}
QUESTION = {"id": "a", "question": "q", "answers": ["x"], "lang": "fi"}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ('{"docid": "a", "title": "t"}', "'text' is missing"),
        ('{"docid": "a", "title": "t", "text": " \\u00a0"}', "'text' is empty"),
        ('{"docid": 7.0, "title": "t", "text": "x"}', "'docid' is float, not a string"),
        ('{"docid": true, "title": "t", "text": "x"}', "'docid' is bool, not a string"),
        ('{"docid": "", "title": "t", "text": "x"}', "'docid' is empty"),
        ('{"docid": "a", "title": ["t"], "text": "x"}', "'title' is list, not a string"),
        ('{"title": "t", "text": "x"}', "'docid' is missing"),
        ('["a", "t", "x"]', "a JSON object is needed, not list"),
        ("{'docid': 'a'}", "not a JSON object in UTF-8"),
        ('{"docid": "a"', "not a JSON object in UTF-8"),
        ('{"docid": "a", "title": "t", "text": "\udcff"}', "not a JSON object in UTF-8"),
        ('{"docid": "a", "title": "t", "text": "\\ud800"}', "not a JSON object in UTF-8"),
        ('{"docid": "a", "title": "t", "text": Infinity}', "not a JSON object in UTF-8"),
    ],
)
def test_a_broken_passage_is_named_by_file_and_line(write_task: TaskWriter, record: str, said: str) -> None:
    task = opened(write_task, passages=f"{jsonl(PASSAGES)}\n{record}\n", qrels="")
    with pytest.raises(DataError, match=rf"passages\.jsonl:6: {said}") as caught:
        list(task.passages("fi"))
    assert (caught.value.path.name, caught.value.line) == ("passages.jsonl", 6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, "'id' is missing"),
        ({"question": ""}, "'question' is empty"),
        ({"answers": "x"}, "'answers' must be a list of strings"),
        ({"answers": ["x", 1]}, "'answers' must be a list of strings"),
        ({"lang": None}, "'lang' is missing"),
        ({"id": "fi-1"}, "question id 'fi-1' occurs twice in language 'fi'"),
    ],
)
def test_a_broken_question_is_named_by_file_and_line(
    write_task: TaskWriter, change: dict[str, object], said: str
) -> None:
    task = opened(write_task, questions=jsonl([*QUESTIONS, {**QUESTION, **change}]))
    with pytest.raises(DataError, match=rf"questions\.jsonl:5: {said}"):
        task.queries("fi")


@pytest.mark.parametrize("generated", [[["x"]], {"fi": "x"}, {"fi": [1]}, {"fi": ["x", " "]}, "x"])
def test_broken_generated_queries_are_named_by_file_and_line(write_task: TaskWriter, generated: object) -> None:
    task = opened(write_task, passages=jsonl([*PASSAGES, {**PASSAGE, "generated_queries": generated}]))
    with pytest.raises(DataError, match=r"passages\.jsonl:5: .*generated"):
        list(task.generated_queries("fi"))


def test_a_passage_id_that_recurs_is_refused_with_both_lines(write_task: TaskWriter) -> None:
    task = opened(write_task, passages=jsonl([*PASSAGES, PASSAGES[1]]))
    with pytest.raises(DataError, match=r"passages\.jsonl:5: passage id 'p1' stands on line 2 already"):
        list(task.passages("fi"))


def test_two_ids_of_one_hash_are_no_repetition(write_task: TaskWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every id gets the same eight bytes, or one of two; the ids themselves then decide."""
    for forced in (lambda _: 7, lambda id_: int(id_[1:]) % 2):
        monkeypatch.setattr(task_module, "hash", forced, raising=False)
        assert [passage.id for passage in opened(write_task).passages("fi")] == ["p0", "p1", "p2", "p3"]


def test_an_id_that_is_repeated_among_others_of_its_hash_is_named(
    write_task: TaskWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_module, "hash", lambda _: 7, raising=False)
    task = opened(write_task, passages=jsonl([*PASSAGES, PASSAGES[2]]), qrels="")
    with pytest.raises(DataError, match=r"passages\.jsonl:5: passage id 'p2' stands on line 3 already"):
        list(task.passages("fi"))


def test_a_collection_found_sound_is_not_checked_again(write_task: TaskWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    task = opened(write_task)
    task.judgements("fi")  # reads it whole
    monkeypatch.setattr(task_module, "hash", None, raising=False)
    assert len(list(task.passages("fi"))) == 4


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-9], lambda c: b"not gzip at all", lambda c: c[:20] + b"\0\xff\0\xff" + c[24:]]
)
def test_a_damaged_archive_is_refused_by_its_name(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "records.jsonl.gz"
    path.write_bytes(damage(gzip.compress(jsonl(PASSAGES * 50).encode())))
    with pytest.raises(DataError, match=r"records\.jsonl\.gz"):
        list(lines.records(path))


def test_a_collection_without_passages_is_refused(write_task: TaskWriter) -> None:
    task = opened(write_task, passages="\n", qrels="")
    with pytest.raises(DataError, match=r"passages\.jsonl: 0 passages"):
        list(task.passages("fi"))


def test_a_source_that_the_format_does_not_know_is_refused(write_task: TaskWriter) -> None:
    card = opened(write_task).card
    with pytest.raises(DataError, match="knows no source 'qrel'"):
        open_xor_retrieve(replace(card, sources={**card.sources, "qrel": card.sources["qrels"]}), LocalFiles())


@pytest.mark.parametrize("odd", ["p 1", "p\t1", "p\u20281"])
def test_an_id_with_white_space_is_refused(write_task: TaskWriter, odd: str) -> None:
    """No line of TREC judgements or runs could name it."""
    task = opened(
        write_task,
        passages=jsonl([*PASSAGES, {**PASSAGE, "docid": odd}]),
        questions=jsonl([*QUESTIONS, {**QUESTION, "id": odd}]),
    )
    with pytest.raises(DataError, match=r"passages\.jsonl:5: .*white space"):
        list(task.passages("fi"))
    with pytest.raises(DataError, match=r"questions\.jsonl:5: .*white space"):
        task.queries("fi")


def test_counts_other_than_the_cards_are_refused(write_task: TaskWriter) -> None:
    task = opened(write_task)
    files = LocalFiles({key: task.card.folder / source.files[0].path for key, source in task.card.sources.items()})
    odd = open_xor_retrieve(replace(task.card, expected_passages=5, expected_queries={"fi": 3}), files)
    with pytest.raises(DataError, match="4 passages, but the card expects 5"):
        list(odd.passages("fi"))
    with pytest.raises(DataError, match="2 questions in 'fi', but the card expects 3"):
        odd.queries("fi")
    assert len(odd.queries("ja")) == 2


# Judgements


def test_judgements_are_those_of_the_queries_of_a_language(write_task: TaskWriter) -> None:
    judged = opened(write_task).judgements("fi")
    assert judged.qrels == {"fi-1": {"p0": 1}, "fi-2": {"p3": 1}}
    assert judged.answers == {"fi-1": ("Kemi",), "fi-2": ("tar",)}


def test_a_judgement_of_a_passage_that_is_not_there_is_refused(write_task: TaskWriter) -> None:
    task = opened(write_task, qrels="fi-1\t0\tp9\t1\n")
    with pytest.raises(DataError, match="query 'fi-1' judges passage 'p9', which is not in the collection"):
        task.judgements("fi")


def test_a_judgement_of_a_question_that_is_not_there_is_refused(write_task: TaskWriter) -> None:
    """A misspelt id would otherwise take its question out of every mean."""
    task = opened(write_task, qrels="fi-1\t0\tp0\t1\nfi-02\t0\tp3\t1\n")
    with pytest.raises(DataError, match="query 'fi-02' is judged, which is no question"):
        task.judgements("fi")


def test_a_judgement_that_could_be_meant_for_two_languages_is_refused(write_task: TaskWriter) -> None:
    questions = [{**question, "id": "same"} for question in (QUESTIONS[0], QUESTIONS[2])]
    task = opened(write_task, questions=jsonl(questions), qrels="same\t0\tp0\t1\n")
    with pytest.raises(DataError, match="query 'same' is judged, which is a question in several languages"):
        task.judgements("fi")


def test_a_language_without_judgements_is_refused(write_task: TaskWriter) -> None:
    task = opened(write_task, qrels="fi-1\t0\tp0\t1\n")
    assert task.judgements("fi").qrels == {"fi-1": {"p0": 1}}
    with pytest.raises(DataError, match="no question in 'ja' is judged"):
        task.judgements("ja")


def test_qrels_are_read_in_file_order_with_any_white_space_and_grade(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("b Q0 p2 -1\na\t0\tp1\t3\nb  0\tp1 0\n\na 0 p1 3\n", encoding="utf-8")
    qrels = trec.read_qrels(tmp_path / "qrels")
    assert qrels == {"b": {"p2": -1, "p1": 0}, "a": {"p1": 3}}
    assert list(qrels) == ["b", "a"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("q 0 p", "3 fields"),
        ("q 0 p 1 x", "5 fields"),
        ("q 0 p 1.0", "grade '1.0' is no whole number"),
        ("q 0 p yes", "grade 'yes' is no whole number"),
        ("q 0 p -", "grade '-' is no whole number"),
        ("q 0 p --1", "grade '--1' is no whole number"),
        ("q 0 p ²", "grade '²' is no whole number"),
        ("q 0 p 99999999999999999999", "grade '99999999999999999999' is no whole number"),
        ("first 0 p 2", "query 'first' and passage 'p' are judged twice, differently"),
    ],
)
def test_a_broken_judgement_is_named_by_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "qrels").write_text(f"first 0 p 1\n\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"qrels:3: {said}"):
        trec.read_qrels(tmp_path / "qrels")


def test_judgements_that_are_not_utf_8_are_refused_by_file(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_bytes("kysely-ä 0 p 1\n".encode("latin-1"))
    with pytest.raises(DataError, match="qrels"):
        trec.read_qrels(tmp_path / "qrels")


@pytest.mark.parametrize("language", ["bn", "ko", "sw", "te"])
def test_real_qrels_of_miracl_are_read_whole(shared: Path, language: str) -> None:
    path = shared / "miracl" / f"qrels.miracl-v1.0-{language}-dev.tsv"
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    found = trec.read_qrels(path)
    assert {(q, p, grade) for q, own in found.items() for p, grade in own.items()} == {
        (q, p, int(grade)) for q, _, p, grade in rows
    }
    assert (sum(map(len, found.values())), len(found)) == MIRACL[language]
