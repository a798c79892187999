"""Odd things in data-set files that have one certain meaning: read as meant, counted, and told in one warning."""

from __future__ import annotations

import unicodedata
import warnings
from pathlib import Path

from xqgbench.errors import Repaired


class Repairs:
    """What was repaired in one file, or in one data set that has a name and no file."""

    def __init__(self, path: Path | str) -> None:
        self._name = path.name if isinstance(path, Path) else path
        self._found: dict[str, list[int]] = {}  # what -> [how often, first line]

    def note(self, what: str, line: int) -> None:
        """Count one repair; ``what`` reads as in "2,574 x white space around a language, removed"."""
        self._found.setdefault(what, [0, line])[0] += 1

    def tell(self) -> None:
        """One warning for all of them, when the file has been read."""
        if self._found:
            parts = (
                f"{count:,} x {what}" + (f" (first on line {line:,})" if line else "")
                for what, (count, line) in self._found.items()
            )
            warnings.warn(f"{self._name}: {'; '.join(parts)}.", Repaired, stacklevel=2)
            self._found.clear()

    def code(self, value: str, line: int) -> str:
        """A language code without the white space around it (XOR-TyDi's training file says " ar")."""
        if value != value.strip():
            self.note("white space around a language, removed", line)
        return value.strip()

    def identifier(self, value: str, line: int) -> str:
        """An id in Unicode form NFC, so that files that write it in different forms agree."""
        if value.isascii() or unicodedata.is_normalized("NFC", value):
            return value
        self.note("id not in Unicode form NFC, brought into it", line)
        return unicodedata.normalize("NFC", value)

    def one_line(self, value: str, line: int) -> str:
        """A text of a tab-separated file, where a tab inside it became one too many."""
        if "\t" not in value:
            return value
        self.note("tab inside a text, read as a space", line)
        return value.replace("\t", " ")

    def bare(self, title: str, line: int) -> tuple[str, str]:
        """Title and text of a passage without a text: the title is all there is to find, or a dash."""
        if title.strip():
            self.note("passage without a text, read as its title", line)
            return "", title
        self.note("passage without title and text, kept as '-'", line)
        return "", "-"

    def answer(self, value: str, line: int) -> tuple[str, ...]:
        """The strings that an answer may have in a text: without odd spaces, in Unicode forms NFC and NFD.

        The texts stay as they are, because changing them would change what retrievers see.
        """
        clean = " ".join(value.split())
        if clean != value:
            self.note("odd spaces in an answer, made single spaces", line)
        if clean.isascii():
            return (clean,)
        composed = unicodedata.normalize("NFC", clean)
        if composed != clean:
            self.note("answer not in Unicode form NFC, looked for in both forms", line)
        return tuple(dict.fromkeys((clean, composed, unicodedata.normalize("NFD", clean))))
