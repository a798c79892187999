"""Tokens are NLTK's: hand-worked, as NLTK's documents print them, and as ``nltk.word_tokenize`` gives them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import nltk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize import TreebankWordTokenizer
from punkt import load_model

from xqgbench.measures.tokens import word_tokenizer

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
