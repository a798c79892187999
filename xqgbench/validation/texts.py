"""Checks of one text at a time: what it is made of, how long it is, and in which script and language."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable

#: Scripts behind the codes that stand for several at once (ISO 15924).
_COMPOUND = {"Jpan": ("Hira", "Kana", "Hani"), "Kore": ("Hang", "Hani"), "Hans": ("Hani",), "Hant": ("Hani",)}
#: Varieties that the identifier tells apart and task cards do not.
_VARIETIES = {"arz": "ar", "ary": "ar", "yue": "zh", "wuu": "zh", "nn": "no"}
#: Invisible characters that spelling needs: zero-width non-joiner and joiner.
_JOINERS = "\u200c\u200d"


def normalised(text: str) -> str:
    """Letters, vowel signs and digits alone, of one width and case: texts equal in this read the same."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LMN")


def flaws(text: str) -> list[str]:
    """What no text should hold: stray white space, invisible or unassigned characters, another form than NFC."""
    found = []
    if text != " ".join(text.split()):
        found.append("stray or double white space")
    odd = sorted({c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn", "Cs") and c not in _JOINERS})
    odd = [c for c in odd if not c.isspace()]
    if odd:
        found.append(f"control or unassigned characters {', '.join(f'U+{ord(c):04X}' for c in odd)}")
    if not unicodedata.is_normalized("NFC", text):
        found.append("not in Unicode normal form C")
    return found


@functools.cache
def scripts(language: str) -> tuple[str, ...]:
    """ISO 15924 codes of the scripts that a language is usually written in, by CLDR's likely subtags (langcodes)."""
    import langcodes

    code = str(langcodes.Language.get(language).maximize().script)
    return _COMPOUND.get(code, (code,))


@functools.cache
def _letters(codes: tuple[str, ...]) -> Callable[[str], int]:
    """A function that counts a text's letters in some scripts; in any script for an empty tuple."""
    import regex

    wanted = "|".join(rf"\p{{Script={code}}}" for code in codes) or r"\P{Script=Common}"
    pattern = regex.compile(rf"(?=\p{{L}})(?:{wanted})")
    return lambda text: len(pattern.findall(text))


def script_share(text: str, language: str) -> float:
    """Share of a text's letters that are of its language's script, 0 to 1; 0 for a text without letters."""
    letters = _letters(())(text)
    return _letters(scripts(language))(text) / letters if letters else 0.0


def foreign_letters(text: str, language: str) -> int:
    """Letters that are neither of the language's script nor Latin, in which names may stand in any language."""
    return _letters(())(text) - _letters(tuple(dict.fromkeys((*scripts(language), "Latn"))))(text)


@functools.cache
def known_languages() -> frozenset[str]:
    """Languages that the identifier tells apart."""
    import py3langid

    return frozenset(_folded(code) for code, _ in py3langid.rank("language"))


def identified(text: str) -> str:
    """The language that a text most resembles, by py3langid; dialects count as their language (arz as ar)."""
    import py3langid

    return _folded(py3langid.classify(text)[0])


def _folded(code: str) -> str:
    return _VARIETIES.get(code, code)
