"""Results: the scores of one system on one task, and how they came about; on disk, one folder each.

results/<task>/<system>/
    result.json     means, significance, provenance, timings, hashes of the files beside it
    scores.parquet  language, query_id, measure, score
    run.parquet     language, query_id, rank, passage_id, score: the true float64 similarities
    runs/<language>.trec.gz   the same rankings for evaluation tools, scores strictly decreasing and derived from ranks
    first_hits.parquet        language, query_id, rank, tokens (tasks with answers)
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xqgbench.errors import ResultError
from xqgbench.files import folder_aside, sha256_of, write_atomically
from xqgbench.measures import FirstHit
from xqgbench.types import Run

SCHEMA = 2
#: language -> measure -> query id -> score
Scores = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Result:
    """The scores of one system on one task.

    Attributes:
        task, task_version, card_sha256, card_languages: which questions, and all the languages they come in.
        system: retriever name, plus the label of the augmentation (``e5-small+xqg``).
        languages: the languages evaluated, in the card's order.
        controls: control languages evaluated beside them; scored like them, but part of no average.
        complete: all languages of the card were evaluated; only then there is a macro average.
        scores: per language, measure and query.
        signature: two numbers with equal signatures are comparable.
        details: everything else that ``result.json`` says (retriever, augmentation, provenance, timings ...).
        runs, hits: rankings and first hits per language; empty for a result read back from disk.
        denominator: ``strict``: every judged query counts, also one that the run lacks; ``official``: as XOR-Retrieve's
            script counts, those in the run alone.
    """

    task: str
    task_version: str
    card_sha256: str
    card_languages: tuple[str, ...]
    system: str
    languages: tuple[str, ...]
    complete: bool
    main_measure: str
    measures: tuple[str, ...]
    depth: int
    scores: Scores
    signature: str
    details: Mapping[str, Any]
    clusters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    runs: Mapping[str, Run] = field(default_factory=dict)
    hits: Mapping[str, Mapping[str, FirstHit]] = field(default_factory=dict)
    controls: tuple[str, ...] = ()
    denominator: str = "strict"

    @property
    def scored(self) -> tuple[str, ...]:
        """Every language that has scores: ``languages``, then ``controls``."""
        return (*self.languages, *self.controls)

    @property
    def untested(self) -> tuple[str, ...]:
        """Languages whose differences are never marked, because the card says that they have too few queries."""
        return tuple(self.details.get("task", {}).get("untested", ()))

    def mean(self, language: str, measure: str) -> float:
        """Mean over the queries of a language that the measure judges; NaN if it judges none."""
        values = list(self.scores[language][measure].values())
        return sum(values) / len(values) if values else float("nan")

    def macro(self, measure: str) -> float:
        """Unweighted mean over the languages evaluated."""
        return sum(self.mean(language, measure) for language in self.languages) / len(self.languages)

    def count(self, language: str, measure: str) -> int:
        """How many queries of a language the measure judges."""
        return len(self.scores[language][measure])


def folder_name(result: Result, default_depth: int) -> str:
    """Name of a result's folder: the system, and whatever makes its numbers not comparable with the usual ones."""
    parts = [plain_name(result.system)]
    if not result.complete:
        parts.append("languages=" + "+".join(map(plain_name, result.scored)))
    if result.depth != default_depth:
        parts.append(f"depth={result.depth}")
    if result.denominator != "strict":
        parts.append(f"denominator={result.denominator}")
    return "@".join(parts)


def plain_name(system: str) -> str:
    """A system's name as one part of a path, another one for every name: ``~`` for a colon, the rest as in URLs."""
    encoded = re.sub(r"[^A-Za-z0-9._+=,:-]", lambda odd: "".join(f"%{b:02X}" for b in odd[0].encode()), system)
    return re.sub(r"^\.", "%2E", encoded).replace(":", "~") or "%"


def write(result: Result, folder: Path, comparison: Mapping[str, Any] | None) -> str:
    """Write a result folder whole or not at all.

    A folder that already holds this very result (same signature, scores, rankings and comparison) is left as it is,
    so that repeating an evaluation confirms the committed files instead of changing their dates.

    Returns:
        ``written``; ``unchanged`` if the folder held this result already; ``replaced`` if it held another.

    Raises:
        ResultError: the folder cannot be written, or holds a result that was measured here and this one was not.
    """
    if result.details["source"] != "measured" and _measured(folder):
        raise ResultError(
            f"{folder} holds a result that was measured here, which one of what was made elsewhere must not replace; "
            f"call it otherwise (a run with --name, vectors in their vectors.json)."
        )
    rankings = {language: _trec(result, language) for language in result.scored}
    files = {
        "scores.parquet": _table(_score_rows(result)),
        "run.parquet": _table(_run_rows(result)),
        **{f"runs/{plain_name(lang)}.trec.gz": gzip.compress(text, mtime=0) for lang, text in rankings.items()},
    }
    if any(result.hits.values()):
        files["first_hits.parquet"] = _table(_hit_rows(result))
    summary = _summary(result, comparison) | {"digest": _digest(result, rankings)}
    stable = _fingerprint(summary)
    summary["files"] = {name: _sha256(content) for name, content in files.items()}
    if _sound(folder, files) and _fingerprint(read_summary(folder)) == stable:
        return "unchanged"
    status = "replaced" if folder.exists() else "written"
    try:
        with folder_aside(folder) as aside:
            for name, content in files.items():
                write_atomically(aside / name, content)
            text = json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
            write_atomically(aside / "result.json", text.encode())
    except OSError as error:
        raise ResultError(
            f"results cannot be written to {folder}: {error.strerror or error}. Name another place with --output DIR."
        ) from None
    return status


def _measured(folder: Path) -> bool:
    return (folder / "result.json").is_file() and read_summary(folder).get("source") == "measured"


def read_summary(folder: Path) -> dict[str, Any]:
    """``result.json`` of a folder.

    Raises:
        ResultError: missing, unreadable, or of another schema.
    """
    path = folder / "result.json"
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"{path} cannot be read: {error}. Delete the folder and evaluate again.") from None
    if not isinstance(summary, dict) or summary.get("schema") != SCHEMA or not isinstance(summary.get("files"), dict):
        raise ResultError(f"{path} is not a result of schema {SCHEMA}; evaluate again with this version of xqgbench.")
    return summary


def read_result(folder: Path) -> Result:
    """Read a result back, its scores checked against the hash in ``result.json``.

    Raises:
        ResultError: a file is missing, unreadable or was changed.
    """
    summary = read_summary(folder)
    frame = _frame(folder, "scores.parquet", summary)
    measures = [*summary["measures"]]
    scores: dict[str, dict[str, dict[str, float]]] = {
        language: {measure: {} for measure in measures} for language in (*summary["languages"], *summary["controls"])
    }
    rows = zip(frame["language"], frame["measure"], frame["query_id"], frame["score"], strict=True)
    for language, measure, query, score in rows:
        scores[language][measure][query] = float(score)
    return Result(
        task=summary["task"]["name"],
        task_version=summary["task"]["version"],
        card_sha256=summary["task"]["card_sha256"],
        card_languages=tuple(summary["task"]["languages"]),
        system=summary["system"],
        languages=tuple(summary["languages"]),
        complete=summary["complete"],
        main_measure=summary["main_measure"],
        measures=tuple(measures),
        depth=summary["depth"],
        scores=scores,
        signature=summary["signature"],
        details=summary,
        clusters=_clusters(frame),
        controls=tuple(summary["controls"]),
        denominator=summary.get("denominator", "strict"),
    )


def read_rankings(folder: Path, depth: int) -> Iterator[tuple[str, str, str]]:
    """Language, query id and passage id of the first ``depth`` passages of every ranking.

    Raises:
        ResultError: a file is missing, unreadable or was changed.
    """
    frame = _frame(folder, "run.parquet", read_summary(folder))
    frame = frame[frame["rank"] <= depth]
    yield from zip(frame["language"], frame["query_id"], frame["passage_id"], strict=True)


def _frame(folder: Path, name: str, summary: Mapping[str, Any]) -> Any:
    """A table of a result folder, checked against its hash."""
    import pandas as pd

    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error}. Evaluate again.") from None
    if hashlib.sha256(content).hexdigest() != summary["files"].get(name):
        raise ResultError(f"{path} is not the file that result.json describes; evaluate again.")
    return pd.read_parquet(io.BytesIO(content))


def _clusters(frame: Any) -> dict[str, dict[str, int]]:
    clusters: dict[str, dict[str, int]] = {}
    for language, query, cluster in zip(frame["language"], frame["query_id"], frame["cluster"], strict=True):
        clusters.setdefault(language, {})[query] = int(cluster)
    return clusters


def _summary(result: Result, comparison: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "signature": result.signature,
        "system": result.system,
        "complete": result.complete,
        "languages": list(result.languages),
        "controls": list(result.controls),
        "main_measure": result.main_measure,
        "depth": result.depth,
        **({} if result.denominator == "strict" else {"denominator": result.denominator}),
        "measures": {
            measure: {
                "macro": result.macro(measure) if result.complete else None,
                "languages": {language: _mean(result, language, measure) for language in result.languages},
                "controls": {language: _mean(result, language, measure) for language in result.controls},
            }
            for measure in result.measures
        },
        "comparison": comparison,
        **result.details,
    }


def _mean(result: Result, language: str, measure: str) -> dict[str, Any]:
    count = result.count(language, measure)
    return {"mean": result.mean(language, measure) if count else None, "queries": count}


def _fingerprint(summary: Mapping[str, Any]) -> str:
    """What must agree for two results to be the same; date, platform, timings and compressed bytes need not."""
    kept = {k: v for k, v in summary.items() if k not in ("timings", "provenance", "files")}
    kept["libraries"] = summary["provenance"]["libraries"]
    return json.dumps(kept, sort_keys=True)


def _digest(result: Result, rankings: Mapping[str, bytes]) -> str:
    """Hash of all scores and rankings: two results that agree in it agree in every query."""
    digest = hashlib.sha256(json.dumps(result.scores, sort_keys=True).encode())
    for language, text in sorted(rankings.items()):
        digest.update(f"{language} {len(text)}\n".encode() + text)
    return digest.hexdigest()


def _sound(folder: Path, files: Mapping[str, bytes]) -> bool:
    """All files that ``result.json`` names have the content that it says; rankings that are missing are put back.

    Large rankings are not kept beside their scores everywhere; they take more room than all the rest.
    """
    try:
        named = read_summary(folder)["files"]
        missing = {name for name in named if not (folder / name).exists()}
        restored = {name for name in missing if _is_ranking(name) and _sha256(files.get(name, b"")) == named[name]}
        if any(sha256_of(folder / name) != named[name] for name in named if name not in restored):
            return False
        for name in sorted(restored):
            write_atomically(folder / name, files[name])
    except (ResultError, OSError):
        return False
    return True


def _is_ranking(name: str) -> bool:
    return name == "run.parquet" or name.startswith("runs/")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _table(rows: Mapping[str, list[Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(rows)), buffer, compression="zstd")
    return buffer.getvalue()


def _score_rows(result: Result) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"language": [], "query_id": [], "cluster": [], "measure": [], "score": []}
    for language in result.scored:
        for measure, scores in result.scores[language].items():
            for query, score in scores.items():
                row = (language, query, result.clusters[language][query], measure, score)
                for column, value in zip(columns.values(), row, strict=True):
                    column.append(value)
    return columns


def _run_rows(result: Result) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"language": [], "query_id": [], "rank": [], "passage_id": [], "score": []}
    for language in result.scored:
        for query, ranking in result.runs[language].items():
            n = len(ranking.passage_ids)
            columns["language"] += [language] * n
            columns["query_id"] += [query] * n
            columns["rank"] += range(1, n + 1)
            columns["passage_id"] += ranking.passage_ids
            columns["score"] += ranking.scores.tolist()
    return columns


def _hit_rows(result: Result) -> dict[str, list[Any]]:
    rows = [(lang, query, hit.rank, hit.tokens) for lang in result.scored for query, hit in result.hits[lang].items()]
    names = ("language", "query_id", "rank", "tokens")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _trec(result: Result, language: str) -> bytes:
    tag = re.sub(r"\s+", "_", result.system)
    lines = [
        f"{query} Q0 {passage} {rank} {score:.0f} {tag}\n"
        for query, ranking in result.runs[language].items()
        for rank, (passage, score) in enumerate(ranking.rank_scores().items(), 1)
    ]
    return "".join(lines).encode()
