"""Python code that comes with a checkpoint: refused unless trusted, and its models made whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xqgbench.errors import InvalidParameter
from xqgbench.retrievers.settings import modules_of, read_json


def refuse(folder: Path, name: str) -> None:
    """Where nobody trusts it.

    Raises:
        InvalidParameter: the checkpoint cannot be run without code of its own.
    """
    from transformers import CONFIG_MAPPING

    config = read_json(folder / "config.json")
    own = "config.json, auto_map" if config.get("auto_map") and config.get("model_type") not in CONFIG_MAPPING else ""
    kinds = [str(module.get("type", "")) for module in modules_of(folder)]
    own = own or next((f"modules.json, {kind}" for kind in kinds if not kind.startswith("sentence_transformers.")), "")
    if own:
        raise InvalidParameter(
            f"model '{name}' is run by Python code that comes with its checkpoint ({folder}/{own}). Read that code, "
            f"and allow it with --trust-remote-code."
        )


def loaded(folder: Path, code: Mapping[str, Any]) -> tuple[Any, Sequence[str]]:
    """A model of its own code, and the names of weights that its files lack.

    The weights are put in afterwards: from_pretrained leaves buffers that are no part of them uninitialised where the
    code is not transformers' own (rotary frequencies, positions), which gives vectors without meaning and no error.
    """
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder, **code)
    model = AutoModel.from_config(config, **{name: value for name, value in code.items() if name != "local_files_only"})
    prefix = f"{model.base_model_prefix}."
    tensors: dict[str, Any] = {}
    for file in sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin")):
        found = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
        tensors |= {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return model, model.load_state_dict(tensors, strict=False).missing_keys


def with_its_buffers(model: Any) -> Any:
    """The same of models that another library has loaded as parts of its own: buffers as their classes make them."""
    for part in list(model.modules()):
        if not type(part).__module__.startswith("transformers_modules.") or not hasattr(part, "config"):
            continue
        weights = part.state_dict()
        for name, buffer in type(part)(part.config).named_buffers():
            if name not in weights:
                owner, _, own_name = name.rpartition(".")
                setattr(part.get_submodule(owner), own_name, buffer)
    return model
