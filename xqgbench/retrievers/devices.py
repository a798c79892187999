"""Where models run, with how many threads, and that loading them says nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from xqgbench.errors import InvalidParameter
from xqgbench.types import Dtype, RetrieverInfo

#: Padded tokens per batch. A processor gains nothing from more; a GPU with 16 GB holds these with a large model.
BUDGET = {"cpu": 2_048, "cuda": 65_536}


def devices(asked: str) -> list[str]:
    """Those asked for, separated by commas; else all GPUs; else the processor.

    Raises:
        InvalidParameter: torch does not know one, or it is not here.
    """
    import torch

    if not asked:
        return [f"cuda:{i}" for i in range(torch.cuda.device_count())] or ["cpu"]
    names = [name.strip() for name in asked.split(",") if name.strip()]
    for name in names:
        try:
            torch.empty(0, device=name)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise InvalidParameter(
                f"device '{name}' cannot be used: {reason}. Without --device, one is found."
            ) from None
    return names


def budget(device: str, asked: int, *, deterministic: bool) -> int:
    """Padded tokens per batch; 1 gives every text a batch of its own."""
    return 1 if deterministic else asked or BUDGET.get(device.partition(":")[0], BUDGET["cpu"])


def need_width(folder: Path, info: RetrieverInfo, width: int | None) -> None:
    """Refuse a checkpoint of other dimensions than its card says; ``width`` is None where the model does not say.

    Raises:
        InvalidParameter: naming both.
    """
    if width not in (None, info.dim):
        raise InvalidParameter(
            f"the checkpoint in {folder} has {width} dimensions, but '{info.name}' has {info.dim}: it is another "
            f"model. Name its folder with --model, so that its own files describe it."
        )


def in_dtype(model: Any, dtype: Dtype) -> Any:
    """The model with its weights in that precision; other buffers, such as rotary frequencies, keep theirs."""
    import torch

    weights = model.state_dict()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name not in weights}
    model.to(getattr(torch, dtype))
    for name, buffer in buffers.items():
        owner, _, own_name = name.rpartition(".")
        setattr(model.get_submodule(owner), own_name, buffer)
    return model


def replicas(model: Any, places: Sequence[str]) -> list[Any]:
    """The model once per place; on the processor, which threads can share, it stands there once per core."""
    import copy

    if list(places) == ["cpu"]:
        return [model] * cores()
    return [(model if i == 0 else copy.deepcopy(model)).to(place) for i, place in enumerate(places)]


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Each of several workers computes with one thread of its own, instead of all sharing all.

    Nothing is waited for within a matrix product, and every sum is made in one order, however many cores there are.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def loading_quietly() -> Iterator[None]:
    """Neither progress bars nor transformers' report of weights: the harness shows its own, and looks for itself."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
