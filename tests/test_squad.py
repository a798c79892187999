"""SQuAD's files: XQuAD across languages and within each, as MTEB reads it, and with human questions for generated."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bigrams
from tests.written import opened, repaired, write_card
from xqgbench import tasks
from xqgbench.errors import DataError, MissingData
from xqgbench.evaluation import evaluate
from xqgbench.types import Task

LANGUAGES = ("ar", "de", "en", "es", "hi", "ru", "zh")
#: mteb 2.26.24, descriptive_stats/Retrieval/XQuADRetrieval.json: num_queries per subset.
MTEB = {"ar": 1186, "de": 1181, "en": 1185, "es": 1184, "hi": 1183, "ru": 1185, "zh": 1181}


@cache
def rows(path: Path) -> Sequence[tuple[str, str, str, tuple[str, ...]]]:
    """(id, question, context, answers) of every row, stripped as the hub's loader of XQuAD strips them."""
    data = json.loads(gzip.decompress(path.read_bytes()))["data"]
    return [
        (qa["id"], qa["question"].strip(), p["context"].strip(), tuple(a["text"].strip() for a in qa["answers"]))
        for article in data
        for p in article["paragraphs"]
        for qa in p["qas"]
    ]


def relevant_texts(task: Task, language: str) -> dict[str, set[str]]:
    """Query text -> texts of its relevant passages; what does not depend on how ids are made."""
    passages = {passage.id: passage.text for passage in task.passages(language)}
    qrels = task.judgements(language).qrels
    return {q.text: {passages[p] for p, grade in qrels[q.id].items() if grade > 0} for q in task.queries(language)}


# XQuAD within a language, as MTEB reads it


@pytest.mark.parametrize("language", LANGUAGES)
def test_queries_corpus_and_relevant_passages_are_those_of_mteb(shared: Path, language: str) -> None:
    """mteb 1.39.7, XQuADRetrieval.py: contexts by hash; question -> the last id of its text, its contexts relevant."""
    ids, corpus, relevant = dict[str, str](), dict[str, str](), dict[str, set[str]]()
    found = rows(shared / "xquad" / f"xquad.{language}.json.gz")
    for id_, question, context, _ in found:
        ids[question] = id_
        corpus[hashlib.sha256(context.encode()).hexdigest()] = context
    for _, question, context, _ in found:
        relevant.setdefault(ids[question], set()).add(hashlib.sha256(context.encode()).hexdigest())
    task = tasks.open_task("xquad-mono", data_dir=shared)
    assert len(task.queries(language)) == MTEB[language] == len(ids)
    assert [query.text for query in task.queries(language)] == list(ids)
    assert [passage.text for passage in task.passages(language)] == list(corpus.values())
    assert {passage.title for passage in task.passages(language)} == {""}
    assert relevant_texts(task, language) == {text: {corpus[c] for c in relevant[id_]} for text, id_ in ids.items()}


def test_identical_questions_share_their_paragraph_everywhere(shared: Path) -> None:
    """So that it does not matter which of their ids is kept."""
    task = tasks.open_task("xquad-mono", data_dir=shared)
    for language in LANGUAGES:
        assert {len(own) for own in task.judgements(language).qrels.values()} == {1}


def test_each_language_searches_its_own_paragraphs(shared: Path) -> None:
    task = tasks.open_task("xquad-mono", data_dir=shared)
    assert len({task.collection(language) for language in LANGUAGES}) == len(LANGUAGES)


@pytest.mark.models
def test_minilm_has_the_scores_that_mteb_publishes(shared: Path, tmp_path: Path) -> None:
    # embeddings-benchmark/results, all-MiniLM-L6-v2, XQuADRetrieval, nDCG@10
    published = {"de": 0.7032, "en": 0.9436, "es": 0.6323, "ru": 0.2161}
    found = evaluate("minilm-en", "xquad-mono", languages=tuple(published), data_dir=shared, store=tmp_path).plain
    scores = {language: found.mean(language, "nDCG@10") for language in published}
    assert scores == pytest.approx(published, abs=0.001)


# XQuAD across languages


@pytest.mark.parametrize("language", ["ar", "de", "es", "hi", "ru", "zh"])
def test_questions_of_all_languages_search_the_english_paragraphs_for_english_answers(
    shared: Path, language: str
) -> None:
    task = tasks.open_task("xquad", data_dir=shared)
    english = {id_: (context, answers) for id_, _, context, answers in rows(shared / "xquad" / "xquad.en.json.gz")}
    asked = rows(shared / "xquad" / f"xquad.{language}.json.gz")
    passages = {passage.id: passage.text for passage in task.passages(language)}
    judged = task.judgements(language)
    assert [(q.id, q.text, q.language) for q in task.queries(language)] == [(i, q, language) for i, q, _, _ in asked]
    assert len(asked) == 1190
    assert list(passages.values()) == list(dict.fromkeys(context for context, _ in english.values()))
    assert len(passages) == 240
    for id_, _, _, _ in asked:
        context, answers = english[id_]
        assert [passages[p] for p in judged.qrels[id_]] == [context]
        assert {unicodedata.normalize("NFC", answer) for answer in judged.answers[id_]} == set(answers)
    assert len({task.collection(other) for other in ("ar", "zh")}) == 1


def test_every_english_answer_stands_in_its_paragraph(shared: Path) -> None:
    task = tasks.open_task("xquad", data_dir=shared)
    passages = {passage.id: passage.text for passage in task.passages("ar")}
    judged = task.judgements("ar")
    assert all(
        any(answer in passages[p] for answer in judged.answers[q]) for q, own in judged.qrels.items() for p in own
    )


def test_hindi_answers_are_looked_for_in_every_unicode_form(shared: Path, tmp_path: Path) -> None:
    """Its file writes letters with nukta as one character, which NFC takes apart."""
    found = rows(shared / "xquad" / "xquad.hi.json.gz")
    odd = [a for _, _, _, answers in found for a in answers if unicodedata.normalize("NFC", a) != a]
    shutil.copy(shared / "xquad" / "xquad.hi.json.gz", tmp_path)
    with repaired() as told:
        judged = tasks.open_task("xquad-mono", data_dir=tmp_path).judgements("hi")
    assert f"{len(odd)} x answer not in Unicode form NFC, looked for in both forms" in " ".join(told)
    assert len(odd) > 20
    for id_, _, context, answers in found:
        for answer in answers if id_ in judged.answers else ():
            forms = judged.answers[id_]
            assert {unicodedata.normalize(form, " ".join(answer.split())) for form in ("NFC", "NFD")} <= set(forms)
            assert (answer in context) <= any(form in " ".join(context.split()) for form in forms)


# Human questions in the place of generated ones


def test_questions_at_odd_positions_are_generated_queries_and_never_test_queries(shared: Path) -> None:
    task = tasks.open_task("xquad-human", data_dir=shared)
    data = json.loads(gzip.decompress((shared / "xquad" / "xquad.de.json.gz").read_bytes()))["data"]
    paragraphs = [p["qas"] for article in data for p in article["paragraphs"]]
    expected = [[qa["question"].strip() for qa in qas[1::2]] for qas in paragraphs]
    assert [list(generated["de"]) for generated in task.generated_queries("de")] == expected
    assert [q.id for q in task.queries("de")] == [qa["id"] for qas in paragraphs for qa in qas[0::2]]
    assert len(task.queries("de")) + sum(map(len, expected)) == 1190
    assert (min(map(len, expected)), max(map(len, expected))) == (0, 8)


def test_a_language_of_generated_queries_that_is_not_here_is_missed_not_left_out(shared: Path) -> None:
    """A sum over those that happen to be here would be another number under the same signature."""
    task = tasks.open_task("xquad-human", data_dir=shared)
    first = next(iter(task.generated_queries("de")))
    assert first["de"]
    assert list(first) == list(task.card.generated_languages)
    assert first.get("fi", ()) == ()
    with pytest.raises(MissingData, match=r"xquad\.el\.json"):
        first.get("el")


def test_xqg_misses_it_before_anything_is_encoded(shared: Path, bigrams: Bigrams, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"xquad\.el\.json.*--languages ar,de,es,hi,ru,zh"):
        evaluate(bigrams, "xquad-human", "xqg", languages=("ar", "de"), data_dir=shared, store=tmp_path)
    assert bigrams.calls == 0


def test_languages_that_are_here_can_be_evaluated_with_their_own_questions(
    shared: Path, bigrams: Bigrams, tmp_path: Path
) -> None:
    setting = "xqg:alpha=0.3,reduce=mean,languages=query"
    found = evaluate(bigrams, "xquad-human", setting, languages=("ar", "de"), data_dir=shared, store=tmp_path)
    assert found.augmented is not None
    assert found.augmented.mean("ar", "nDCG@10") > 3 * found.plain.mean("ar", "nDCG@10")  # Arabic finds Arabic


# Odd and broken files


def squad(paragraphs: Sequence[Mapping[str, Any]], title: str = "An article") -> str:
    return json.dumps({"data": [{"title": title, "paragraphs": list(paragraphs)}]}, ensure_ascii=False)


def paragraph(context: str, *questions: tuple[str, str, str]) -> dict[str, Any]:
    qas = [{"id": id_, "question": q, "answers": [{"text": a, "answer_start": 0}]} for id_, q, a in questions]
    return {"context": context, "qas": qas}


ENGLISH = [
    paragraph("Kemi is a river. ", ("1", "Which river?", "Kemi"), ("2", "What is it?", "a river")),
    paragraph("Oulu is a town.", ("3", "Which town?", "Oulu")),
]
FINNISH = [
    paragraph("Kemi on joki.", ("1", " Mikä joki? ", "Kemi"), ("2", "Mikä se on?", "joki")),
    paragraph("Oulu on kaupunki.", ("3", "Mikä kaupunki?", "Oulu")),
]


def written(folder: Path, fi: str, en: str = squad(ENGLISH), settings: str = "", languages: str = '["fi"]') -> Task:
    return opened(
        write_card(
            folder,
            "squad",
            {"questions": "{language}.json", "paragraphs": "en.json"},
            {"fi.json": fi, "en.json": en},
            {"languages": languages},
            tables=f"[settings]\n{settings}",
        )
    )


def test_white_space_around_texts_is_no_part_of_them(tmp_path: Path) -> None:
    task = written(tmp_path, "\ufeff" + squad(FINNISH))
    assert [q.text for q in task.queries("fi")] == ["Mikä joki?", "Mikä se on?", "Mikä kaupunki?"]
    assert [(p.id, p.text) for p in task.passages("fi")] == [
        ("An_article#0", "Kemi is a river."),
        ("An_article#1", "Oulu is a town."),
    ]
    assert task.judgements("fi").answers["2"] == ("a river",)


def test_paragraphs_in_another_order_are_refused(tmp_path: Path) -> None:
    """Judgements would silently name the paragraphs of other questions."""
    with pytest.raises(
        DataError, match=r"fi\.json: question '3' is about paragraph An_article#0, but in en\.json about An_article#1"
    ):
        written(tmp_path, squad(FINNISH[::-1])).queries("fi")


def test_a_question_that_the_paragraphs_do_not_have_is_refused(tmp_path: Path) -> None:
    extra = [*FINNISH, paragraph("Lisää.", ("4", "Mitä?", "Lisää"))]
    with pytest.raises(DataError, match=r"fi\.json: question '4' is not in en\.json"):
        written(tmp_path, squad(extra)).queries("fi")


def test_questions_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    """SQuAD 2.0: their paragraph is not relevant to them."""
    impossible = {"id": "9", "question": "Miksi?", "answers": [], "is_impossible": True}
    finnish = [{**FINNISH[0], "qas": [impossible, *FINNISH[0]["qas"]]}, FINNISH[1]]
    with repaired() as told:
        assert [q.id for q in written(tmp_path, squad(finnish)).queries("fi")] == ["1", "2", "3"]
    assert told == ["fi.json: 1 x question that its paragraph does not answer, left out."]


def test_merged_questions_keep_all_their_paragraphs(tmp_path: Path) -> None:
    same = [paragraph("a b", ("1", "Same?", "a")), paragraph("c d", ("2", "Same? ", "c"), ("3", "Other?", "d"))]
    folder = write_card(
        tmp_path,
        "squad",
        {"questions": "{language}.json"},
        {"fi.json": squad(same)},
        {"languages": '["fi"]'},
        tables="[settings]\nmerge = true",
    )
    task = opened(folder)
    assert [q.id for q in task.queries("fi")] == ["1", "3"]
    assert task.judgements("fi").qrels == {"1": {"An_article#0": 1, "An_article#1": 1}, "3": {"An_article#1": 1}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "KeyError"),
        ("[]", "TypeError"),
        ("", "JSONDecodeError"),
        ('{"data": [', "JSONDecodeError"),
        ('{"data": [{"title": "t"}]}', "KeyError: 'paragraphs'"),
        ('{"data": [{"title": null, "paragraphs": [{"context": "c", "qas": []}]}]}', "AttributeError"),
        (squad([paragraph(" ", ("1", "q", "a"))]), "has no text"),
        (squad([paragraph("c", ("1", " ", "a"))]), "question '1' or an answer of it is empty"),
        (squad([paragraph("c", ("1", "q", " "))]), "question '1' or an answer of it is empty"),
        (squad([paragraph("c", ("1 2", "q", "a"))]), "question id '1 2' is empty, or holds white space"),
        (squad([paragraph("c", ("", "q", "a"))]), "question id '' is empty"),
        (squad([{"context": "c", "qas": [{"id": "1", "question": None, "answers": []}]}]), "AttributeError"),
        (squad([{"context": 7, "qas": []}]), "AttributeError"),
        (squad(ENGLISH).encode("utf-16").decode("latin-1"), "JSONDecodeError"),
        ('{"data": "\udcff"}', "JSONDecodeError"),
    ],
)
def test_a_file_of_another_shape_is_refused_by_its_name(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(DataError, match=rf"fi\.json: not SQuAD's JSON.*{said}"):
        written(tmp_path, content).queries("fi")


def test_question_ids_that_recur_are_refused(tmp_path: Path) -> None:
    twice = [paragraph("a", ("1", "q", "a"), ("1", "r", "a"))]
    with pytest.raises(DataError, match=r"fi\.json: question id '1' occurs twice in language 'fi'"):
        written(tmp_path, squad(twice), squad(twice)).queries("fi")


def test_two_articles_of_one_title_are_refused(tmp_path: Path) -> None:
    article = json.loads(squad(ENGLISH))["data"][0]
    with pytest.raises(DataError, match="passage id 'An_article#0' occurs twice"):
        list(written(tmp_path, squad(FINNISH), json.dumps({"data": [article, article]})).passages("fi"))


def test_a_setting_that_means_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="setting generated = 'even' must be 'odd' or ''"):
        written(tmp_path, squad(FINNISH), settings='generated = "even"')


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    assert len(written(tmp_path, squad(FINNISH)).queries("fi")) == 3
    assert len(written(tmp_path, squad(FINNISH[:1])).queries("fi")) == 2


def test_questions_in_shards_are_refused(tmp_path: Path) -> None:
    folder = write_card(
        tmp_path,
        "squad",
        {"questions": "{language}-{shard}.json"},
        {"fi-0.json": squad(FINNISH[:1]), "fi-1.json": squad(FINNISH[1:])},
        {"languages": '["fi"]'},
    )
    with pytest.raises(DataError, match="source 'questions' must be one file, or one per language, and has 2"):
        opened(folder).queries("fi")
