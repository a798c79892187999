"""What tests share: the real data beside the project, a small task in a folder, and a retriever that needs no model."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from xqgbench.types import Passage, RetrieverInfo, Vectors

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data of the field; tests that need it skip where it is absent (set XQGBENCH_TEST_DATA to name it)."""
    folder = Path(os.environ.get("XQGBENCH_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real data are not here: name their folder with XQGBENCH_TEST_DATA")
    return folder


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's store, or waits for a hub."""
    monkeypatch.setenv("XQGBENCH_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


class Bigrams:
    """A real, if poor, retriever: hashed character bigrams. Deterministic, instant, and no constant answer."""

    def __init__(self, name: str = "bigrams", dim: int = 64, revision: str | None = "1") -> None:
        self.info = RetrieverInfo(name=name, dim=dim, similarity="cosine", revision=revision)
        self.calls = 0

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        vectors = np.zeros((len(texts), self.info.dim), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            padded = f" {text} "
            for first, second in itertools.pairwise(padded):
                row[(ord(first) * 31 + ord(second)) % self.info.dim] += 1
        return vectors

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        return self.encode_queries([passage.joined(" ") for passage in passages])


@pytest.fixture
def bigrams() -> Bigrams:
    return Bigrams()


class LocalFiles(dict[str, Path]):
    """One file per source, found where it is said to be; what formats are given, without a card's hashes."""

    def paths(self, key: str, language: str = "") -> tuple[Path, ...]:
        return (self[key],)

    def here(self, key: str, language: str = "") -> bool:
        return self[key].is_file()


LANGUAGES = ("fi", "ja")
PASSAGES = [
    {
        "docid": f"p{i}",
        "title": title,
        "text": text,
        "generated_queries": {"fi": [f"{title} missä", f"mikä on {title}"], "ja": [f"{title}は何", f"{title}どこ"]},
    }
    for i, (title, text) in enumerate(
        [
            ("Kemi", "The Kemi is the longest river in Finland and flows into the Gulf of Bothnia."),
            ("Shinano", "The Shinano is the longest river in Japan and flows into the Sea of Japan."),
            ("Tone", "The Tone has the largest drainage basin in Japan and was once called Bando Taro."),
            ("Oulu", "The Oulu river drains Lake Oulu and was used to float tar in barrels."),
        ]
    )
]
QUESTIONS = [
    {"id": "fi-1", "question": "Mikä on Suomen pisin joki?", "answers": ["Kemi"], "lang": "fi", "split": "dev"},
    {"id": "fi-2", "question": "Mitä Oulujoella uitettiin?", "answers": ["tar"], "lang": "fi", "split": "dev"},
    {"id": "ja-1", "question": "日本で一番長い川は？", "answers": ["Shinano"], "lang": "ja", "split": "dev"},
    {"id": "ja-2", "question": "利根川の別名は？", "answers": ["Bando Taro"], "lang": "ja", "split": "dev"},
]
QRELS = [("fi-1", "p0"), ("fi-2", "p3"), ("ja-1", "p1"), ("ja-2", "p2")]

TaskWriter = Callable[..., Path]


def jsonl(records: Sequence[object]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@pytest.fixture
def write_task(tmp_path: Path) -> TaskWriter:
    """Write a task named ``small`` and return its folder, for ``--tasks-dir``.

    ``passages``, ``questions`` and ``qrels`` replace the text of a file; ``card`` replaces fields of the card (None
    drops one).
    """

    def write(
        passages: str | None = None,
        questions: str | None = None,
        qrels: str | None = None,
        card: dict[str, str | None] | None = None,
    ) -> Path:
        folder = tmp_path / "tasks"
        folder.mkdir(exist_ok=True)
        files = {
            "passages.jsonl": jsonl(PASSAGES) if passages is None else passages,
            "questions.jsonl": jsonl(QUESTIONS) if questions is None else questions,
            "qrels.tsv": "".join(f"{q}\t0\t{p}\t1\n" for q, p in QRELS) if qrels is None else qrels,
        }
        fields: dict[str, str | None] = {
            "name": '"small"',
            "title": '"A small task"',
            "description": '"For tests."',
            "version": '"1"',
            "format": '"xor-retrieve"',
            "languages": '["fi", "ja"]',
            "generated_languages": '["fi", "ja"]',
            "split": '"dev"',
            "measures": '["nDCG@10", "RR@10", "R@2kt"]',
            "main_measure": '"nDCG@10"',
            "cluster": '"passage"',
            "license": '"CC0-1.0"',
            "citation": '"none"',
            "origin": '["small"]',
            **(card or {}),
        }
        lines = [f"{name} = {value}" for name, value in fields.items() if value is not None]
        for name, text in files.items():
            content = text.encode("utf-8", errors="surrogateescape")
            (folder / name).write_bytes(content)
            lines += [f"[sources.{name.partition('.')[0]}]", f'path = "{name}"']
            lines.append(f'sha256 = "{hashlib.sha256(content).hexdigest()}"')
        lines.append("[expected]")
        (folder / "small.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder

    return write
