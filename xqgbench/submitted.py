"""Run files made elsewhere, brought together with a task: which ranking belongs to which of its queries."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from xqgbench.errors import DataError, InvalidParameter, MissingData, Repaired, UnknownName
from xqgbench.files import COMPRESSED, sha256_of_content
from xqgbench.registry import import_object
from xqgbench.types import Query, Ranking, Run, RunFile, Task, TaskCard

#: A file for all languages, or one per language.
Runs = str | Path | Mapping[str, str | Path]


@dataclass(frozen=True)
class Submitted:
    """The run of one system.

    Attributes:
        kind: see ``RunFile``.
        runs: language -> rankings of the queries that the run holds, in the order of the task, cut at the depth; a
            language without any is not there.
        texts: see ``RunFile``.
        cut: language -> queries whose rankings were longer than the depth.
        files: name of each file, after its language where it was given one -> sha256 of its content, decompressed.
    """

    kind: str
    runs: Mapping[str, Run]
    texts: Mapping[str, str]
    cut: Mapping[str, frozenset[str]]
    files: Mapping[str, str]

    @property
    def revision(self) -> str:
        """Hash of the only file, or of the names and hashes of all."""
        digests = list(self.files.values())
        lines = "".join(f"{name.partition('=')[0]} {digest}\n" for name, digest in self.files.items())
        return digests[0] if len(digests) == 1 else hashlib.sha256(lines.encode()).hexdigest()


def files_of(runs: Runs, card: TaskCard) -> dict[str, Path]:
    """language -> file, in the card's order; the language is empty where one file serves all.

    Raises:
        UnknownName: a language that the task does not have.
        MissingData: there is no such file.
        InvalidParameter: no file is given.
    """
    given = {lang: Path(path) for lang, path in ({"": runs} if isinstance(runs, (str, Path)) else runs).items()}
    for language, path in given.items():
        if language and language not in card.query_languages:
            raise UnknownName(f"language of {card.name}", language, card.query_languages)
        if not path.is_file():
            raise MissingData(f"there is no run file {path}.")
    if not given:
        raise InvalidParameter("no run is given; name its file.")
    return {language: given[language] for language in ("", *card.query_languages) if language in given}


def name_of(files: Mapping[str, Path]) -> str:
    """What a run is called if nobody says: as its file, without the endings.

    Raises:
        InvalidParameter: there are files of several names.
    """
    stems = {Path(path.stem if path.suffix in COMPRESSED else path.name).stem for path in files.values()}
    if len(stems) > 1:
        raise InvalidParameter(f"the files have several names ({', '.join(sorted(stems))}); name the system by --name.")
    return stems.pop()


def submitted(task: Task, files: Mapping[str, Path], depth: int) -> Submitted:
    """Read run files and deal their rankings to the languages of a task.

    Queries that the task does not have are left out and counted in a ``Repaired`` warning: runs often hold all splits.
    Languages whose files are not here are passed over, unless a file is given for them.

    Args:
        files: from ``files_of``.

    Raises:
        DataError: a file that cannot be used, or that holds no query of the task.
        InvalidParameter: a query id that several languages have, in a file for all of them.
    """
    read: Callable[[Path], RunFile] = import_object("xqgbench.formats.runs:read_run")
    found: dict[str, dict[str, Ranking]] = {}
    texts: dict[str, str] = {}
    kinds: dict[str, Path] = {}
    owners = _Owners(task)
    for language, path in files.items():
        file = read(path)
        kinds.setdefault(file.kind, path)
        texts.update(file.texts)
        for own, rankings in _dealt(owners, file, language, path).items():
            found.setdefault(own, {}).update(rankings)
    if "predictions" in kinds and len(kinds) > 1:
        raise DataError("predictions and runs with passage ids cannot be scored as one.", kinds["predictions"])
    ordered = {language: found[language] for language in task.card.query_languages if language in found}
    return Submitted(
        next(iter(kinds)),
        {language: _cut(task.queries(language), own, depth) for language, own in ordered.items()},
        texts,
        {
            language: frozenset(query for query, ranking in own.items() if len(ranking.passage_ids) > depth)
            for language, own in ordered.items()
        },
        {(f"{lang}={path.name}" if lang else path.name): sha256_of_content(path) for lang, path in files.items()},
    )


def _cut(queries: Sequence[Query], own: Mapping[str, Ranking], depth: int) -> Run:
    kept = {query.id: own[query.id] for query in queries if query.id in own}
    return {query: Ranking(r.passage_ids[:depth], r.scores[:depth]) for query, r in kept.items()}


def _dealt(owners: _Owners, file: RunFile, given: str, path: Path) -> dict[str, dict[str, Ranking]]:
    """language -> query id -> ranking, of one file.

    Args:
        given: the language that the file was given for; empty if for all.
    """
    card = owners.task.card
    found: dict[str, dict[str, Ranking]] = {}
    lost: list[str] = []
    stated = {language for language, _ in file.rankings if language}
    for language in sorted(stated - set(card.query_languages)):
        raise DataError(f"'{language}' is no language of {card.name}; it has {', '.join(card.query_languages)}.", path)
    for language in sorted(stated - {given} if given else ()):
        raise DataError(f"it was given for '{given}', but holds predictions in '{language}'.", path)
    distinct = {} if given or stated else owners.of_all({query for _, query in file.rankings}, path)
    for (language, query), ranking in file.rankings.items():
        owner = owners.within(given or language, query) if given or language else distinct.get(query, "")
        if owner:
            found.setdefault(owner, {})[query] = ranking
            continue
        for other in sorted(stated - {language}):
            if owners.within(other, query):
                raise DataError(f"question '{query}' is said to be in '{language}', but is one in '{other}'.", path)
        lost.append(query)
    absent = f" (languages whose files are not here: {', '.join(owners.absent)})" if owners.absent else ""
    if not found:
        raise DataError(f"no query of {card.name} is in it{absent}; its first is '{lost[0]}'.", path)
    if lost:
        warnings.warn(
            f"{path.name}: {len(lost):,} of {len(file.rankings):,} queries are none of {card.name}'s and left out, the "
            f"first of them '{lost[0]}'{absent}.",
            Repaired,
            stacklevel=2,
        )
    return found


class _Owners:
    """Which language a query id belongs to; languages are read when they are asked for."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.absent: list[str] = []  # languages whose files were looked for and are not here
        self._ids: dict[str, frozenset[str]] = {}

    def within(self, language: str, query: str) -> str:
        """The language, if the query is one of it; else nothing."""
        if language not in self._ids:
            self._ids[language] = frozenset(own.id for own in self.task.queries(language))
        return language if query in self._ids[language] else ""

    def of_all(self, wanted: Set[str], path: Path) -> dict[str, str]:
        """Query id -> the one language that has it, of those wanted that any language whose files are here has.

        Raises:
            InvalidParameter: several have it.
        """
        found: dict[str, str] = {}
        missing: MissingData | None = None
        for language in self.task.card.query_languages:
            try:
                own = {query.id for query in self.task.queries(language)} & wanted
            except MissingData as error:
                self.absent.append(language)
                missing = error
                continue
            for query in sorted(own & found.keys())[:1]:  # at once, before files of further languages are fetched
                raise InvalidParameter(
                    f"{path}: query '{query}' is one in {found[query]} and one in {language}: ids recur across the "
                    f"languages of {self.task.card.name}. Give a file per language: --run {found[query]}=FILE "
                    f"--run {language}=FILE."
                )
            found |= dict.fromkeys(own, language)
        if missing and len(self.absent) == len(self.task.card.query_languages):
            raise missing
        return found
