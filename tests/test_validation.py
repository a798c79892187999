"""The checks of ``xqgbench tasks check``: each finds what it is for, and leaves good texts alone."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import PASSAGES, QUESTIONS, ROOT, TaskWriter, jsonl
from xqgbench import tasks, validation
from xqgbench.cli import main
from xqgbench.errors import DataError
from xqgbench.validation import Outcome, Report, frames, leakage, texts
from xqgbench.validation.leakage import Likeness, trigrams


def xor_questions(shared: Path, name: str) -> dict[str, list[str]]:
    """Real questions by language."""
    path = shared / "xor-tydi" / name
    found: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") if name.endswith(".gz") else path.open(encoding="utf-8") as stream:
        for line in stream:
            record = json.loads(line)
            found.setdefault(record["lang"].strip(), []).append(record["question"])
    return found


DEV, TRAIN = "xor_dev_retrieve_eng_span_v1_1.jsonl", "xor_train_retrieve_eng_span.jsonl.gz"


# Texts


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("a  b", "stray or double white space"),
        (" a", "stray or double white space"),
        ("a\n", "stray or double white space"),
        ("a\u200bb", "control or unassigned characters U+200B"),
        ("a\ue000", "control or unassigned characters U+E000"),
        ("e\u0301", "not in Unicode normal form C"),
    ],
)
def test_a_flaw_is_named(text: str, flaw: str) -> None:
    assert texts.flaws(text) == [flaw]


@pytest.mark.parametrize("text", ["Mikä on Suomen pisin joki?", "র\u200d্যাব কী?", "日本で一番長い川は？", ""])
def test_a_good_text_has_none(text: str) -> None:
    assert texts.flaws(text) == []


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("ar", {"Arab"}),
        ("bn", {"Beng"}),
        ("fi", {"Latn"}),
        ("ja", {"Hira", "Kana", "Hani"}),
        ("ko", {"Hang", "Hani"}),
        ("ru", {"Cyrl"}),
        ("te", {"Telu"}),
        ("zh", {"Hani"}),
        ("th", {"Thai"}),
        ("sw", {"Latn"}),
        ("hi", {"Deva"}),
    ],
)
def test_scripts_of_the_fields_languages(language: str, expected: set[str]) -> None:
    assert set(texts.scripts(language)) == expected


def test_shares_of_scripts() -> None:
    assert texts.script_share("Нил", "ru") == 1
    assert texts.script_share("Нил COBOL 1959!", "ru") == pytest.approx(3 / 8)
    assert texts.script_share("1959?", "ru") == 0
    assert texts.foreign_letters("Что такое COBOL?", "ru") == 0
    assert texts.foreign_letters("Что такое 川?", "ru") == 1
    assert texts.foreign_letters("COBOLとは何ですか", "ja") == 0


@given(st.text(), st.sampled_from(["ar", "bn", "fi", "ja", "ko", "ru", "te"]))
def test_shares_are_shares(text: str, language: str) -> None:
    assert 0 <= texts.script_share(text, language) <= 1
    assert texts.foreign_letters(text, language) >= 0


@given(st.text())
def test_normalising_forgets_case_width_and_punctuation_and_nothing_twice(text: str) -> None:
    once = texts.normalised(text)
    assert texts.normalised(f" {text}?! ") == once
    assert not any(character.isspace() for character in once)


def test_the_identifier_knows_real_questions_by_their_language(shared: Path) -> None:
    for language, own in xor_questions(shared, DEV).items():
        right = sum(texts.identified(text) == language for text in own)
        assert right / len(own) > 0.97, language


def test_varieties_count_as_their_language() -> None:
    assert "ar" in texts.known_languages()
    assert not {"arz", "ary"} & texts.known_languages()


# Frames


def test_template_questions_share_their_frames_and_the_template_is_named() -> None:
    names = [f"{a}{b}" for a in "bcdfghjklm" for b in ("aro", "emi", "ilu", "oka", "une", "ase")]
    made = [f"Who discovered the {name} in {year}?" for year, name in enumerate(names, 1700)]
    repeated, common, frame = frames.shares(made)
    assert (repeated, common) == (1, 1)
    assert frame == "who discovered the _ in 0"


def test_the_same_holds_without_spaces_between_words() -> None:
    names = [a + b for a in "富士阿蘇桜島浅間箱根" for b in "山岳湖川原丘"]
    _, common, frame = frames.shares([f"{name}は{year}年にできましたか？" for year, name in enumerate(names, 1700)])
    assert common > 0.95
    assert frame.startswith("_ は 0")


def test_real_questions_stay_below_the_limit_which_templates_break(shared: Path) -> None:
    limit = tasks.card("xqg-mini").limits.__class__().repeated_frames
    for language, own in xor_questions(shared, TRAIN).items():
        sample = random.Random(1).sample(own, 1000)
        repeated, common, _ = frames.shares(sample)
        assert 0.2 < repeated < limit, language
        assert common < 0.06, language


def test_frames_say_nothing_about_nothing() -> None:
    assert frames.shares([]) == (0, 0, "")
    assert frames.frames(["Mikä?"]) == [""]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=60))
def test_shares_of_frames_are_shares_and_the_commonest_is_repeated_if_it_occurs_twice(own: list[str]) -> None:
    repeated, common, frame = frames.shares(own)
    assert 0 <= common <= 1
    assert 0 <= repeated <= 1
    assert (common > 1 / len(own) + 1e-12) <= (repeated >= common)
    assert bool(frame) == (common > 0)


# Leakage


def test_likeness_is_the_dice_coefficient_of_trigram_sets() -> None:
    a, b = "Mistä Tonava alkaa?", "mistä tonava saa alkunsa"
    first, second = trigrams(a), trigrams(b)
    expected = 2 * len(first & second) / (len(first) + len(second))
    numbers, degrees = Likeness(["jotain aivan muuta", a]).nearest([b])
    assert numbers.tolist() == [1]
    assert degrees.tolist() == pytest.approx([expected])


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=8), st.text(max_size=20))
def test_likeness_of_any_texts_is_that_of_their_sets(questions: list[str], text: str) -> None:
    own = trigrams(text)
    expected = [2 * len(own & other) / max(len(own) + len(other), 1) for other in map(trigrams, questions)]
    numbers, degrees = Likeness(questions).nearest([text])
    assert degrees[0] == pytest.approx(max(expected))
    assert expected[numbers[0]] == pytest.approx(max(expected))


def test_likeness_does_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    questions, made = [f"kysymys numero {i}" for i in range(9)], [f"kysymyksen numero on {i}" for i in range(23)]
    whole = Likeness(questions).nearest(made)
    monkeypatch.setattr(leakage, "BLOCK", 5)
    parts = Likeness(questions).nearest(made)
    assert [a.tolist() for a in whole] == [a.tolist() for a in parts]


def test_a_question_is_its_own_double_whatever_its_punctuation() -> None:
    question = "日本で一番長い川は？"
    assert Likeness([question]).nearest(["日本で 一番長い川は"])[1].tolist() == [1.0]


def test_independent_real_questions_rarely_reach_the_limit(shared: Path) -> None:
    """The default limit: at most 2.5 % of XOR-TyDi's training questions come so close to a development question."""
    limit = tasks.card("xqg-mini").limits.__class__().near_duplicate
    dev, train = xor_questions(shared, DEV), xor_questions(shared, TRAIN)
    for language, own in dev.items():
        degrees = Likeness(own).nearest(train[language])[1]
        assert (degrees >= limit).mean() < 0.025, language


# Whole tasks


def outcome(report: Report, name: str) -> Outcome:
    (found,) = [outcome for outcome in report.outcomes if outcome.name == name]
    return found


#: The Japanese queries of the small task are mostly Latin names.
LOOSE: dict[str, str | None] = {"limits": "{ script = 0.1 }"}


def checked(folder: Path, name: str) -> Outcome:
    return outcome(validation.check(tasks.open_task("small", folder)), name)


def test_a_good_task_passes(write_task: TaskWriter) -> None:
    report = validation.check(tasks.open_task("small", write_task(card=LOOSE)))
    assert report.passed
    assert outcome(report, "schema").note == "4 passages, 4 questions, 16 generated queries"
    assert outcome(report, "leakage").looked_at == 16


def question(**changes: object) -> str:
    return jsonl([QUESTIONS[0] | changes, *QUESTIONS[1:]])


def generated(text: str) -> str:
    own = PASSAGES[0] | {"generated_queries": {"fi": [text, "mikä on Kemi"], "ja": ["Kemiは何", "Kemiどこ"]}}
    return jsonl([own, *PASSAGES[1:]])


@pytest.mark.parametrize(
    ("check", "files", "where", "what"),
    [
        ("text", {"questions": question(question="Mikä on  Suomen pisin joki?")}, "fi-1", "double white space"),
        ("script", {"questions": question(question="Какая река самая длинная?")}, "fi-1", "0% of the letters are Latn"),
        ("script", {"questions": question(question="Mikä on joki 川?")}, "fi-1", "1 letters of a third script"),
        ("answers", {"questions": question(answers=["Oulu"])}, "fi-1", "answer 'Oulu' stands in no relevant passage"),
        ("duplicates", {"questions": question(question=QUESTIONS[1]["question"].upper())}, "fi-2", "same question as"),
        ("leakage", {"passages": generated("mikä on suomen pisin joki")}, "p0/fi/1", "likeness 1.00 to fi-1"),
    ],
)
def test_what_is_wrong_is_found_and_named(
    write_task: TaskWriter, check: str, files: dict[str, str], where: str, what: str
) -> None:
    found = checked(write_task(**files, card=LOOSE), check)
    assert [(problem.where, what in problem.what) for problem in found.problems] == [(where, True)]


def test_a_generated_query_that_stands_twice_is_a_doubt(write_task: TaskWriter) -> None:
    found = checked(write_task(passages=generated("mikä on Kemi?"), card=LOOSE), "duplicates")
    assert not found.problems
    assert [(doubt.where, "same generated query as p0/fi/1" in doubt.what) for doubt in found.doubts] == [
        ("p0/fi/2", True)
    ]


def test_the_command_prints_a_table_and_exits_1_if_there_is_a_problem(
    write_task: TaskWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    good = str(write_task(card=LOOSE))
    assert main(["tasks", "check", "small", "--tasks-dir", good]) == 0
    shown = capsys.readouterr()
    assert "passed" in shown.out
    assert all(f" {name} " in shown.out for name in ("schema", *validation.CHECKS))
    bad = str(write_task(questions=question(answers=["Oulu"]), card=LOOSE))
    assert main(["tasks", "check", "small", "--tasks-dir", bad]) == 1
    assert "problem, answers: fi-1: answer 'Oulu' stands in no relevant passage" in capsys.readouterr().out
    assert main(["tasks", "check", "small", "--tasks-dir", bad, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["passed"] is False


def test_the_command_lists_the_first_findings_or_all(
    write_task: TaskWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write_task())  # eight Japanese queries are mostly Latin
    assert main(["tasks", "check", "small", "--tasks-dir", folder]) == 1
    few = capsys.readouterr().out
    assert few.count("problem, script:") == 5
    assert "... and 3 more problems of script; --all lists them" in few
    assert main(["tasks", "check", "small", "--tasks-dir", folder, "--all"]) == 1
    assert capsys.readouterr().out.count("problem, script:") == 8


def test_a_task_that_cannot_be_read_is_an_error_with_file_and_line(
    write_task: TaskWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write_task(questions=question(answers=[""])))
    assert main(["tasks", "check", "small", "--tasks-dir", folder]) == 1
    assert "questions.jsonl:1: question 'fi-1' has an empty answer" in capsys.readouterr().err


def test_a_passage_that_stands_twice_is_found(write_task: TaskWriter) -> None:
    twice = PASSAGES[1] | {"text": PASSAGES[0]["text"]}
    found = checked(write_task(passages=jsonl([PASSAGES[0], twice, *PASSAGES[2:]])), "duplicates")
    assert [(problem.where, problem.what) for problem in found.problems] == [("p1", "the same text as passage p0")]


def test_one_accepted_answer_that_stands_nowhere_is_a_doubt_beside_one_that_does(write_task: TaskWriter) -> None:
    found = checked(write_task(questions=question(answers=["Kemi", "Kemijoki"])), "answers")
    assert not found.problems
    assert ("fi-1", "answer 'Kemijoki' stands in no relevant passage") in [(d.where, d.what) for d in found.doubts]


def test_an_answer_in_an_unjudged_passage_or_in_the_question_is_a_doubt(write_task: TaskWriter) -> None:
    """The answer 'tar' stands in p3, which is judged, and in no other; 'river' stands in three unjudged ones."""
    found = checked(write_task(questions=question(question="Mikä river?", answers=["river"])), "answers")
    assert [(doubt.where, doubt.what) for doubt in found.doubts if doubt.where == "fi-1"] == [
        ("fi-1", "the question holds its answer 'river'"),
        *(("fi-1", f"an accepted answer stands in {passage}, which is not judged") for passage in ("p1", "p3")),
    ]
    assert found.note.startswith("2 unjudged passages") or found.note.startswith("3 unjudged passages")


def test_limits_of_the_card_are_kept(write_task: TaskWriter) -> None:
    limits = "{ passage_words = [15, 20], answer_words = 1, query_characters = [3, 25] }"
    found = checked(write_task(card={"limits": limits}), "length")
    short = {problem.where for problem in found.problems}
    assert {"p3", "ja-2", "fi-1"} <= short  # 14 words, an answer of two words, 26 characters
    assert not {"p0", "p1", "ja-1"} & short


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ("{ words = 3 }", "unknown limit 'words'"),
        ("{ passage_words = 3 }", "limit passage_words = 3 must look like (1, 2000)"),
        ("{ passage_words = [9, 3] }", "limit passage_words = [9, 3]"),
        ("{ script = [0.1, 0.2] }", "limit script ="),
        ('{ script = "much" }', "limit script = 'much'"),
        ("{ script = -1 }", "limit script = -1"),
    ],
)
def test_limits_that_cannot_be_are_refused(write_task: TaskWriter, limits: str, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        tasks.card("small", write_task(card={"limits": limits}))
    assert reason in str(caught.value)
    assert "small.toml" in str(caught.value)


def many(make: Callable[[int], str]) -> str:
    return jsonl([{**QUESTIONS[0], "id": f"fi-{i}", "question": make(i)} for i in range(1, 61)] + QUESTIONS[2:])


def test_questions_from_a_template_are_a_problem(write_task: TaskWriter) -> None:
    """Real names, so that nothing but the frame gives the template away."""
    names = [f"{a}{b}" for a in ("Kal", "Ran", "Tor", "Vii", "Mus", "Lou") for b in "abcdefghij"]
    made = many(lambda i: f"Kuka löysi saaren {names[i - 1]} vuonna {1700 + i}?")
    qrels = "".join(f"fi-{i}\t0\tp0\t1\n" for i in range(1, 61)) + "ja-1\t0\tp1\t1\nja-2\t0\tp2\t1\n"
    found = checked(write_task(questions=made, qrels=qrels), "frames")
    assert [problem.where for problem in found.problems] == ["fi", "fi"]
    assert "'kuka löysi saaren _ vuonna 0'" in found.problems[1].what


def test_texts_in_another_language_are_a_problem(write_task: TaskWriter) -> None:
    swedish = many(lambda i: f"Vad heter den längsta floden i landskap nummer {i} och var rinner den ut i havet?")
    qrels = "".join(f"fi-{i}\t0\tp0\t1\n" for i in range(1, 61)) + "ja-1\t0\tp1\t1\nja-2\t0\tp2\t1\n"
    found = checked(write_task(questions=swedish, qrels=qrels), "language")
    assert [problem.where for problem in found.problems] == ["fi"]
    assert len(found.doubts) >= 60
    assert "looks like 'sv'" in found.doubts[0].what


def test_only_the_first_passages_are_read_if_asked(write_task: TaskWriter) -> None:
    report = validation.check(tasks.open_task("small", write_task()), passages=2)
    assert outcome(report, "schema").note == "2 passages, 4 questions, 8 generated queries, the first of more"


def test_a_task_without_generated_queries_is_checked_too(write_task: TaskWriter) -> None:
    plain = jsonl([{k: v for k, v in passage.items() if k != "generated_queries"} for passage in PASSAGES])
    card = {**LOOSE, "generated_languages": "[]"}
    report = validation.check(tasks.open_task("small", write_task(passages=plain, card=card)))
    assert report.passed
    assert outcome(report, "leakage").note == "no generated queries"


def test_a_report_can_be_written_as_json(write_task: TaskWriter) -> None:
    report = validation.check(tasks.open_task("small", write_task(card=LOOSE)))
    described = json.loads(json.dumps(report.describe()))
    assert described["passed"] is True
    assert described["checks"][0]["name"] == "schema"


# A real data set


def test_real_questions_passages_and_answers_pass_but_for_what_is_wrong_with_them(shared: Path, tmp_path: Path) -> None:
    """AfriQA's Swahili, Yoruba and Hausa test questions over their English gold passages, as a task of its own."""
    questions, passages, qrels = [], {}, []
    for code, language in (("swa", "sw"), ("yor", "yo"), ("hau", "ha")):
        path = shared / "afriqa" / f"gold_span_passages.afriqa.{code}.en.test.json.gz"
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for number, record in enumerate(map(json.loads, stream)):
                if (
                    not record["question_lang"]
                    or not record["context"]
                    or not record["answer_pivot"]["text"][0].strip()
                ):
                    continue
                text = " ".join(record["context"].split())
                docid = passages.setdefault(text, f"p{len(passages)}")
                id_ = f"{language}-{number}"
                asked = " ".join(record["question_lang"].split())
                answers = [" ".join(answer.split()) for answer in record["answer_pivot"]["text"]]
                questions.append({"id": id_, "question": asked, "answers": answers, "lang": language, "split": "test"})
                qrels.append(f"{id_}\t0\t{docid}\t1\n")
    files = {
        "questions.jsonl": jsonl(questions),
        "passages.jsonl": jsonl([{"docid": docid, "title": "", "text": text} for text, docid in passages.items()]),
        "qrels.tsv": "".join(qrels),
    }
    card = (ROOT / "tasks" / "xqg-mini.toml").read_text(encoding="utf-8")
    head = card[: card.index("[sources")].replace("xqg-mini", "afriqa").replace('["en"]', "[]")
    head = re.sub(r"^(generated_languages|languages) = .*$", r"\1 = []", head, flags=re.MULTILINE)
    head = head.replace("\nlanguages = []", '\nlanguages = ["sw", "yo", "ha"]')
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        head += f'[sources.{name.partition(".")[0]}]\npath = "{name}"\nsha256 = "{digest}"\n'
    (tmp_path / "afriqa.toml").write_text(head + "[expected]\n", encoding="utf-8")
    report = validation.check(tasks.open_task("afriqa", tmp_path))
    assert outcome(report, "script").looked_at == len(questions) > 600
    assert outcome(report, "language").problems == ()
    assert outcome(report, "frames").problems == ()
    assert len(outcome(report, "language").doubts) < 0.03 * outcome(report, "language").looked_at
    # Some of its answers are not spans of their passages, which is what the check is for.
    assert 0 < len(outcome(report, "answers").problems) < 0.06 * len(questions)
    assert outcome(report, "leakage").note == "no generated queries"
