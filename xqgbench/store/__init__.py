"""Vectors on disk, so that no text is encoded twice: chunks of them, and the upkeep of the whole."""

from xqgbench.store.chunks import Store, default_root, text_hash

__all__ = ["Store", "default_root", "text_hash"]
