"""Vectors on disk, so that no text is encoded twice.

Layout: ``<root>/<retriever>-<key>/<role>/<hash>.npy`` with ``<hash>.json`` beside it. The folder's key covers all
that can change a vector (``retriever.json`` in it says what); the hash covers the texts of the chunk. The array is
renamed into place first, its JSON record, which carries the checksum, last: a chunk without a record does not exist.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xqgbench.errors import StoreError
from xqgbench.files import write_atomically
from xqgbench.types import Vectors


def default_root() -> Path:
    """Where vectors are kept: ``$XQGBENCH_STORE``, else the user's cache folder."""
    if os.environ.get("XQGBENCH_STORE"):
        return Path(os.environ["XQGBENCH_STORE"])
    import platformdirs

    return Path(platformdirs.user_cache_dir("xqgbench")) / "store"


def text_hash(texts: Iterable[str]) -> str:
    """Hash of a sequence of texts; each is preceded by its length, so that no two sequences collide by joining."""
    digest = hashlib.blake2b(digest_size=20)
    for text in texts:
        encoded = text.encode("utf-8")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()


class Store:
    """The vectors of one retriever under one root folder.

    Args:
        root: the store's folder; made when something is written.
        name: the retriever's name.
        identity: JSON-ready description of all that can change one of its vectors.
    """

    def __init__(self, root: Path, name: str, identity: Mapping[str, Any]) -> None:
        self._identity = json.dumps(identity, sort_keys=True, ensure_ascii=False, indent=1)
        self.folder = root / f"{name}-{hashlib.sha256(self._identity.encode()).hexdigest()[:16]}"

    def read(self, role: str, key: str) -> Vectors | None:
        """The chunk of that key, or None if there is none that is whole."""
        path = self.folder / role / f"{key}.npy"
        try:
            record = json.loads(path.with_suffix(".json").read_bytes())
            content = path.read_bytes()
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            raise _unusable(path, error) from None
        checksum = hashlib.blake2b(content, digest_size=20).hexdigest()
        if not isinstance(record, dict) or record.get("blake2b") != checksum:
            return None  # damaged: encoded again and replaced
        array: Vectors = np.load(io.BytesIO(content), allow_pickle=False)
        return array

    def write(self, role: str, key: str, vectors: Vectors) -> None:
        """Keep a chunk; a reader finds it whole or not at all."""
        buffer = io.BytesIO()
        np.save(buffer, vectors, allow_pickle=False)
        content = buffer.getvalue()
        record = {"shape": list(vectors.shape), "blake2b": hashlib.blake2b(content, digest_size=20).hexdigest()}
        path = self.folder / role / f"{key}.npy"
        try:
            if not (self.folder / "retriever.json").exists():
                write_atomically(self.folder / "retriever.json", self._identity.encode())
            write_atomically(path, content)
            write_atomically(path.with_suffix(".json"), json.dumps(record).encode())
        except OSError as error:
            raise _unusable(path, error) from None


def _unusable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the vector store cannot use {path}: {error.strerror or error}. Free or permit the place, or name another "
        f"with --store DIR or the environment variable XQGBENCH_STORE."
    )
