"""Checkpoints fetched from a hub: a real client, and a server on this machine that answers as the hub does."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.test_checkpoints import saved
from tests.test_retrievers import DIM, QUERIES, folder, model, trained
from tests.web import Page, Web, serving
from xqgbench import registry

__all__ = ["folder", "model", "trained"]  # fixtures

COMMIT = "0123456789abcdef0123456789abcdef01234567"
#: In a process of its own, as the client reads its address once.
FETCH = """
import json
from xqgbench import registry

info = registry.retriever("someone/tiny").info
print(json.dumps([info.revision, info.assumed]))
"""


@pytest.fixture
def hub() -> Iterator[Web]:
    with serving() as web:
        yield web


def uploaded(web: Web, path: Path) -> None:
    """Every file of a folder, as the newest commit of someone/tiny."""
    files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    about = {"id": "someone/tiny", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
    sizes = {name: (path / name).stat().st_size for name in files}
    tree = [{"type": "file", "path": name, "size": size, "oid": COMMIT} for name, size in sizes.items()]
    api, kind = "/api/models/someone/tiny", {"Content-Type": "application/json"}
    web.put(f"{api}/revision/main", Page(json.dumps(about).encode(), headers=kind))
    web.put(f"{api}/tree/{COMMIT}?recursive=true&expand=false", Page(json.dumps(tree).encode(), headers=kind))
    for name in files:
        content = (path / name).read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        web.put(f"/someone/tiny/resolve/{COMMIT}/{name}", Page(content, headers=headers))


def fetched(web: Web, cache: Path) -> tuple[str, list[str], Path]:
    """Revision and assumptions of the retriever, and the folder that its weights are in."""
    at = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": web.home, "HF_HUB_CACHE": str(cache)}
    environment = {**os.environ, **at, "PYTHONPATH": str(Path(__file__).parent.parent)}
    words = [sys.executable, "-c", FETCH]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    revision, assumed = json.loads(done.stdout)
    return revision, assumed, cache / "models--someone--tiny" / "snapshots" / revision


def downloads(web: Web) -> set[str]:
    return {request.path.rpartition(COMMIT + "/")[2] for request in web.gets if "/resolve/" in request.path}


@pytest.fixture
def checkpoint(folder: Path) -> tuple[Path, Any]:
    """With a dense layer whose weights are in torch's format, beside safetensors; several models of the hub are so."""
    import torch
    from safetensors.torch import load_file
    from sentence_transformers.sentence_transformer import modules as parts

    torch.manual_seed(5)
    path, theirs = saved(folder, parts.Pooling(DIM, "mean"), parts.Dense(DIM, 8))
    weights = path / "2_Dense" / "model.safetensors"
    torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
    weights.unlink()
    return path, theirs.encode(QUERIES)


def test_all_that_is_needed_is_fetched_once_and_nothing_else(
    hub: Web, checkpoint: tuple[Path, Any], tmp_path: Path
) -> None:
    path, expected = checkpoint
    (path / "onnx").mkdir()
    (path / "onnx" / "model.onnx").write_bytes(b"0")
    (path / "pytorch_model.bin").write_bytes(b"the same in another format")
    uploaded(hub, path)
    revision, assumed, snapshot = fetched(hub, tmp_path / "cache")
    assert revision == COMMIT
    assert f"commit {COMMIT[:12]} of its main branch" in assumed
    found = registry.retriever(str(snapshot)).encode_queries(QUERIES)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    got = downloads(hub)
    assert {"config.json", "model.safetensors", "tokenizer.json", "2_Dense/pytorch_model.bin"} <= got
    assert not {"onnx/model.onnx", "pytorch_model.bin"} & got
    asked = len(hub.requests)
    fetched(hub, tmp_path / "cache")
    assert hub.requests[asked:]  # whether the branch has moved on
    assert not [request.path for request in hub.requests[asked:] if "/resolve/" in request.path]


def test_a_download_that_was_interrupted_is_made_whole(hub: Web, checkpoint: tuple[Path, Any], tmp_path: Path) -> None:
    uploaded(hub, checkpoint[0])
    _, _, snapshot = fetched(hub, tmp_path / "cache")
    for name in ("2_Dense/pytorch_model.bin", "model.safetensors"):
        content = (snapshot / name).read_bytes()
        (snapshot / name).resolve().unlink()
        (snapshot / name).unlink()
        fetched(hub, tmp_path / "cache")
        assert (snapshot / name).read_bytes() == content
