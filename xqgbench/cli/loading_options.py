"""Options that say how a checkpoint is loaded; the commands that encode share them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from xqgbench.types import Loading

#: types.Dtype, which is not imported here for its weight.
_DTYPES = ("float32", "bfloat16", "float16")
Command = TypeVar("Command", bound=Callable[..., Any])
_KEY = "xqgbench.loading"


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    context.meta.setdefault(_KEY, {})[parameter.name] = value


def _settings(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> None:
    """``NAME=VALUE`` pairs; the value may hold what it likes."""
    found = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"'{text}' is not NAME=VALUE", context, parameter)
        if name.strip() in found:
            raise click.BadParameter(f"{name.strip()} is set twice", context, parameter)
        found[name.strip()] = value
    _keep(context, parameter, found)


_OPTIONS = (
    click.option(
        "--model-path",
        "path",
        type=click.Path(file_okay=False, path_type=Path),
        callback=_keep,
        expose_value=False,
        help="Local checkpoint folder for a model from the hub.",
    ),
    click.option(
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_settings,
        expose_value=False,
        help="How a checkpoint encodes, instead of what its card or files say: pooling, query_prompt, passage_prompt, "
        "query_length, passage_length, title_join, similarity, cased, batch_tokens. Of an endpoint: query_model, "
        "passage_model, dimensions, revision as well.",
    ),
    click.option(
        "--dtype",
        type=click.Choice(_DTYPES),
        default="float32",
        show_default=True,
        callback=_keep,
        expose_value=False,
        help="What a checkpoint computes in.",
    ),
    click.option(
        "--device",
        default="",
        callback=_keep,
        expose_value=False,
        help="cpu, cuda:0, or several: cuda:0,cuda:1.  [default: all GPUs, else the processor]",
    ),
    click.option(
        "--deterministic",
        is_flag=True,
        callback=_keep,
        expose_value=False,
        help="Encode each text alone, so that no vector depends on other texts; slower.",
    ),
    click.option(
        "--trust-remote-code",
        is_flag=True,
        callback=_keep,
        expose_value=False,
        help="Run Python code that comes with a checkpoint.",
    ),
)


def loading_options(command: Command) -> Command:
    """Give a command the options; it asks ``chosen_loading`` what was chosen."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_loading() -> Loading:
    """What the options of the running command say."""
    from xqgbench.types import Loading

    return Loading(**click.get_current_context().meta[_KEY])
