"""What a SentenceTransformer in memory is made of, as one hash: its weights are no file that could be hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

#: What differs between two copies of one model, and changes no vector.
_INCIDENTAL = ("_name_or_path", "transformers_version")
#: What tokenizers keep of the last call in their own serialisation.
_TRANSIENT = ("truncation", "padding")


def fingerprint(model: Any) -> str | None:
    """``sha256:`` of all parameters and buffers (name, type, shape, bytes) and of the settings of every module.

    None where these do not say all: weights outside of torch (ONNX, OpenVINO), on no device, or an unknown tokenizer.
    """
    import torch

    backend = model.get_backend() if hasattr(model, "get_backend") else "torch"
    state = model.state_dict()
    tokenizer = _tokenizer(model)
    if backend != "torch" or not state or tokenizer is None or any(value.is_meta for value in state.values()):
        return None
    digest = hashlib.sha256()
    settings = [tokenizer, model.max_seq_length, model.truncate_dim, *_settings(model)]
    digest.update(json.dumps(settings, sort_keys=True, default=lambda value: type(value).__qualname__).encode())
    for name, value in sorted(state.items()):
        digest.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return f"sha256:{digest.hexdigest()}"


def _settings(model: Any) -> Iterator[Any]:
    """Class and settings of every module that has some; a configuration that modules share comes once."""
    seen: set[int] = set()
    for name, module in model.named_modules():
        if hasattr(module, "get_config_dict"):
            yield name, type(module).__qualname__, module.get_config_dict()
        config: Any = getattr(module, "config", None)
        if hasattr(config, "to_diff_dict") and id(config) not in seen:
            seen.add(id(config))
            yield name, {key: value for key, value in config.to_diff_dict().items() if key not in _INCIDENTAL}


def _tokenizer(model: Any) -> Any:
    tokenizer: Any = getattr(model, "tokenizer", None)
    backend: Any = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if hasattr(backend, "to_str"):
        return {key: value for key, value in json.loads(backend.to_str()).items() if key not in _TRANSIENT}
    return tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else None
