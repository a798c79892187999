"""Tokens are NLTK's: hand-worked, as NLTK's documents print them, and as ``nltk.word_tokenize`` gives them.

Rules that are left out where they cannot match are checked one by one, and together against NLTK's classes as they are.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nltk
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nltk.tokenize import TreebankWordTokenizer
from nltk.tokenize.destructive import NLTKWordTokenizer
from punkt import load_model

from xqgbench.measures.tokens import (
    CONTRACTIONS,
    RULES,
    sentence_splitter,
    sentence_tokenizer,
    tokenise,
    word_tokenizer,
)

Tokenizer = Callable[[str], list[str]]

tokenize = word_tokenizer()


@pytest.fixture(scope="module")
def nltk_itself(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """``nltk.word_tokenize`` with a ``punkt_tab`` folder such as ``nltk.download`` would bring."""
    model, data = load_model("english"), tmp_path_factory.mktemp("nltk_data")
    files = {
        "abbrev_types.txt": sorted(model.abbrev_types),
        "sent_starters.txt": sorted(model.sent_starters),
        "collocations.tab": ["\t".join(pair) for pair in sorted(model.collocations)],
        "ortho_context.tab": [f"{word}\t{context}" for word, context in sorted(model.ortho_context.items())],
    }
    folder = data / "tokenizers" / "punkt_tab" / "english"
    folder.mkdir(parents=True)
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    nltk.data.path.insert(0, str(data))
    try:
        nltk.word_tokenize("The sentence splitter is loaded now, and kept.")
    finally:
        nltk.data.path.remove(str(data))
    tokenizer: Tokenizer = nltk.word_tokenize
    return tokenizer


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        # a sentence's last full stop is a token, an abbreviation's is part of it
        ("The river is long. It is cold.", "The river is long . It is cold ."),
        ("Dr. Smith met Mrs. Jones. He left.", "Dr. Smith met Mrs. Jones . He left ."),
        ("He went to the U.S. in May.", "He went to the U.S. in May ."),
        ("He lives in the U.S. She does not.", "He lives in the U.S. She does not ."),
        ("J. R. R. Tolkien was born on Jan. 3.", "J. R. R. Tolkien was born on Jan. 3 ."),
        ("Is it? Yes! It is...", "Is it ? Yes ! It is ..."),
        ("See the end.) Then go.", "See the end . ) Then go ."),
        # Punkt's four tables: abbreviations (above), frequent sentence starters, how words are written, collocations
        ("He left the U.S. In May he came.", "He left the U.S . In May he came ."),
        ("He met Paul J. He left.", "He met Paul J . He left ."),
        ("It rose by 5. International trade fell.", "It rose by 5. International trade fell ."),
        # contractions
        ("He didn't, can't and won't.", "He did n't , ca n't and wo n't ."),
        ("You're sure they've it's I'd we'll I'm.", "You 're sure they 've it 's I 'd we 'll I 'm ."),
        ("Tolkien's and the dogs' book", "Tolkien 's and the dogs ' book"),
        ("I cannot, gonna, gotta, lemme", "I can not , gon na , got ta , lem me"),
        ("The U.K.'s king", "The U.K. 's king"),
        # quotes
        ('Willem "Pim" Kolff', "Willem `` Pim '' Kolff"),
        ('"I know," he said.', "`` I know , '' he said ."),
        ("He said 'hello there' to us.", "He said ' hello there ' to us ."),
        ("the «Oulu» and “Pim” Kolff’s", "the « Oulu » and “ Pim ” Kolff ’ s"),
        # numbers, signs, brackets and dashes
        ("It cost $3.88 (3,36 euros): 50% more;", "It cost $ 3.88 ( 3,36 euros ) : 50 % more ;"),
        ("At 9:30, 3:1 and 1,234.8 km/h", "At 9:30 , 3:1 and 1,234.8 km/h"),
        ("a--b [1] {x} <y> c–d e—f g-h", "a -- b [ 1 ] { x } < y > c – d e — f g-h"),
        ("x@y.org #1 & co *", "x @ y.org # 1 & co *"),
        # what is not English is split where there are spaces
        ("東京は日本の首都です。 Oulujoki", "東京は日本の首都です。 Oulujoki"),
    ],
)
def test_rules_give_the_tokens_that_the_hand_finds(text: str, tokens: str) -> None:
    assert tokenize(text) == tokens.split(" ")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        # the opening example of NLTK's documentation, www.nltk.org/api/nltk.tokenize.html
        (
            "Good muffins cost $3.88\nin New York.  Please buy me\ntwo of them.\n\nThanks.",
            "Good muffins cost $ 3.88 in New York . Please buy me two of them . Thanks .",
        ),
        # nltk/test/tokenize.doctest, what word_tokenize prints
        (
            '"We beat some pretty good teams to get here," Slocum said.',
            "`` We beat some pretty good teams to get here , '' Slocum said .",
        ),
        ("There were 300,000, but that wasn't enough.", "There were 300,000 , but that was n't enough ."),
        ("It's more'n enough.", "It 's more 'n enough ."),
        ("\xabNow that I can do.\xbb", "\xab Now that I can do . \xbb"),
    ],
)
def test_examples_of_nltk_come_out_as_printed_there(text: str, tokens: str) -> None:
    assert tokenize(text) == tokens.split(" ")


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u3000"])
def test_empty_text_has_no_tokens(text: str) -> None:
    assert tokenize(text) == []


@pytest.mark.parametrize(
    "sentences",
    [
        ["Dr. Smith arrived at 9:30.", "He left.", "Nobody knows why!"],
        ["Was it in the U.S. Senate?", "It didn't say.", 'They said, "no," again.'],
        ["The river (107 km) drains Lake Oulu.", "In 1914, it rose by 3.5% [2].", "Vessels can't pass it."],
        ["Prof. J. Doe met Mr. Roe on Jan. 3.", "We'll see."],
    ],
)
def test_a_text_is_the_treebank_tokens_of_its_sentences(sentences: list[str]) -> None:
    treebank = TreebankWordTokenizer()
    assert tokenize(" ".join(sentences)) == [token for sentence in sentences for token in treebank.tokenize(sentence)]
    assert tokenize(" ".join(sentences)) != treebank.tokenize(" ".join(sentences))  # the split into sentences matters


WORDS = ["river", "Oulu", "3.88", "1,914", "don't", "it's", "cannot", "Mr.", "U.S.", "e-mail", "we'll", "Käkisalmi"]
SIGNS = [",", ";", ":", "$", "%", "&", "(", ")", "[1]", "--", '"', "#", "@"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(WORDS + SIGNS), max_size=12), st.sampled_from([".", "?", "!", ""]))
def test_one_sentence_is_treebank_tokens(words: list[str], end: str) -> None:
    sentence = " ".join(["The", *words, "end"]) + end
    assert tokenize(sentence) == TreebankWordTokenizer().tokenize(sentence)


MARKS = [".", "?", "!", "...", "Dr.", "No.", "St.", "He", "a", "I", "‘x’", "“", "«y»", "'", "``", "\n", "  "]
fragments = st.sampled_from(WORDS + SIGNS + MARKS)
texts = st.lists(fragments, max_size=25).map(" ".join) | st.lists(fragments, max_size=10).map("".join)


@settings(max_examples=200, deadline=None)
@given(text=texts | st.text(max_size=60))
def test_any_text_has_the_tokens_of_word_tokenize(nltk_itself: Tokenizer, text: str) -> None:
    assert tokenize(text) == nltk_itself(text)


@settings(max_examples=200, deadline=None)
@given(text=texts | st.text(max_size=60))
def test_no_letter_is_lost_and_no_token_is_empty(text: str) -> None:
    """Tokens may rewrite quotes; everything else stands in them, in order."""
    tokens = tokenize(text)
    assert all(token and not any(map(str.isspace, token)) for token in tokens)
    kept = "".join(c for token in tokens for c in token if c not in "\"'`")
    assert kept == "".join(c for c in text if not c.isspace() and c not in "\"'`")


def test_real_passages_have_the_tokens_of_word_tokenize(shared: Path, nltk_itself: Tokenizer) -> None:
    with gzip.open(shared / "golden" / "xor_retrieve_small.pred.json.gz", "rt", encoding="utf-8") as stream:
        passages = sorted({passage for prediction in json.load(stream) for passage in prediction["ctxs"]})
    assert len(passages) == 584
    for passage in passages[::3]:
        assert tokenize(passage) == nltk_itself(passage)


# Rules are left out only where they cannot match


def rules() -> dict[str, Any]:
    """NLTK's own regular expressions: pattern -> compiled."""
    nltks = NLTKWordTokenizer()
    single = [nltks.PARENS_BRACKETS, nltks.DOUBLE_DASHES]
    pairs = [*nltks.STARTING_QUOTES, *nltks.PUNCTUATION, *single, *nltks.ENDING_QUOTES]
    return {regex.pattern: regex for regex in [pair[0] for pair in pairs] + nltks.CONTRACTIONS2 + nltks.CONTRACTIONS3}


def test_the_rules_of_the_installed_nltk_are_known() -> None:
    """Fails when NLTK changes them: tokens are then still NLTK's, but slow to make."""
    assert list(rules()) == list(RULES) + list(CONTRACTIONS)
    assert all(type(regex).__name__ == "_Rule" for regex, _ in sentence_tokenizer().PUNCTUATION)


def test_nltk_with_another_rule_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NLTKWordTokenizer, "DOUBLE_DASHES", (re.compile("e"), " E "))
    words = sentence_tokenizer.__wrapped__()
    assert vars(words) == {}
    assert words.tokenize("These, too.") == ["Th", "E", "s", "E", ",", "too", "."]


INGREDIENTS = sorted(
    {char for pattern in RULES for char in pattern} | set("\u2012\u2013\u2014\u2015\u2028\x1c\t\n .,'\"`")
)
STEMS = [
    "cannot",
    "d'ye",
    "gimme",
    "gonna",
    "gotta",
    "lemme",
    "more'n",
    "wanna",
    " 'tis",
    " 'twas",
    "'ll ",
    "n't ",
    "'S ",
]
ODD = ["ſ", "ı", "İ", "K", "é", "東", "\ud800"]
snippets = st.lists(st.sampled_from(INGREDIENTS + STEMS + [stem.upper() for stem in STEMS] + ODD), max_size=12).map(
    "".join
)


@settings(max_examples=500, deadline=None)
@given(text=snippets | st.text(max_size=30))
@example(text=" 'tıſ 'TWAS CANNOT gİmme gımme wanna\u2028")
def test_a_rule_that_matches_finds_what_it_needs(text: str) -> None:
    for pattern, regex in rules().items():
        if pattern == r"\s+" or not regex.search(text):
            continue
        if pattern in RULES:
            assert any(need in text for need in RULES[pattern]), pattern
        else:
            assert CONTRACTIONS[pattern] in text.lower(), pattern


def test_letters_of_contractions_have_no_other_case_than_lower_finds() -> None:
    letters = "".join(set("".join(CONTRACTIONS.values())))
    either_case = re.compile(f"[{letters}]", re.IGNORECASE)
    matching = [char for char in map(chr, range(sys.maxunicode + 1)) if either_case.match(char)]
    assert len(matching) > len(letters)
    assert all(char.lower() in letters for char in matching)


def test_the_final_split_sees_all_white_space_that_a_rule_makes_uniform() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    uniform = "".join(match.group() for match in rules()[r"\s+"].finditer(everything))
    assert len(uniform) > 20
    assert uniform.isspace()
    assert re.fullmatch(r"\s+", uniform)


@settings(max_examples=1000, deadline=None)
@given(text=snippets | texts | st.text(max_size=60))
def test_any_sentence_has_the_tokens_of_nltks_class(text: str) -> None:
    assert sentence_tokenizer().tokenize(text) == NLTKWordTokenizer().tokenize(text)


def real_passages(shared: Path) -> Iterator[str]:
    """Every 20th passage of all the data at hand, in nine languages."""
    for path in sorted((shared / "miracl-sample").glob("*.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            yield from [json.loads(line)["text"] for line in stream][::20]
    for path in sorted((shared / "afriqa").glob("*.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            yield from list(filter(None, (json.loads(line)["context"] for line in stream)))[::20]
    for path in sorted((shared / "xquad").glob("*.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            articles = json.load(stream)["data"]
        yield from [paragraph["context"] for article in articles for paragraph in article["paragraphs"]][::20]


def test_real_passages_in_many_languages_have_the_tokens_of_nltks_classes(shared: Path) -> None:
    passages, words = list(real_passages(shared)), NLTKWordTokenizer()
    assert len(passages) > 500
    for passage in passages:
        expected = [token for sentence in sentence_splitter().tokenize(passage) for token in words.tokenize(sentence)]
        assert tokenize(passage) == expected
        assert tokenise([passage]) == [" ".join(expected)]
