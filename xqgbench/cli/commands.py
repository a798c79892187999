"""The commands and their options."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xqgbench.cli.loading_options import chosen_loading, loading_options

if TYPE_CHECKING:
    from xqgbench.types import StoreDtype

SEED = 20230723  # comparison.DEFAULT_SEED, which is not imported here for its weight
FOLDER = click.Path(file_okay=False, path_type=Path)
#: Options that several commands share.
MODELS = (
    "Name ('xqgbench models'), checkpoint folder, owner/name of the Hugging Face hub, openai:URL#MODEL, file.py:Class, "
    "or package.module:Class."
)
MODEL = click.option("--model", required=True, help=MODELS)
TASKS_DIR = click.option("--tasks-dir", type=FOLDER, help="A folder of your own task cards.")
DATA_DIR = click.option(
    "--data-dir", type=FOLDER, help="A folder with copies of task files.  [default: $XQGBENCH_DATA, then downloads]"
)
STORE = click.option(
    "--store", type=FOLDER, help="Where vectors are kept.  [default: $XQGBENCH_STORE, then the user cache]"
)
STORE_DTYPE = click.option(
    "--store-dtype",
    type=click.Choice(["float32", "float16"]),
    default="float32",
    show_default=True,
    help="How vectors are kept. float16 takes half the room and rounds them: another system.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
DEBUG = click.option("--debug", is_flag=True, help="Show the traceback of an error.")


def names(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Names separated by commas, or given by repeating the option, each once."""
    found = tuple(dict.fromkeys(name.strip() for value in values for name in value.split(",") if name.strip()))
    if values and not found:
        raise click.BadParameter("at least one name is needed", context, parameter)
    return found


def files(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Path | dict[str, Path]:
    """One path for all languages, or ``LANG=FILE`` for each of several; no value gives an empty mapping."""
    found: dict[str, Path] = {}
    for value in values:
        language, equals, path = value.partition("=")
        if not equals or Path(value).exists() or not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", language):
            language, path = "", value
        if language in found or (found and "" in {language, *found}):
            reason = f"{value}: several files need a language each, LANG=FILE, and each language has one"
            raise click.BadParameter(reason, context, parameter)
        found[language] = Path(path)
    return found.get("", found)


GENERATED = click.option(
    "--generated-queries",
    metavar="[LANG=]FILE",
    callback=files,
    multiple=True,
    help="JSON lines docid, generated_queries: {language: [query, ...]} to use instead of the task's own; one per "
    "language where each has its own passages.",
)
LANGUAGES = click.option(
    "--languages",
    metavar="NAME[,NAME...]",
    callback=names,
    multiple=True,
    help="Only these languages of the task (no macro average then).",
)


@click.command(
    "eval", epilog="\b\nExample:\n  xqgbench eval --model mine.py:MyRetriever --augment xqg --languages fi,ja"
)
@click.option("--model", help=MODELS)
@click.option(
    "--vectors", type=FOLDER, help="A folder of vectors that were made elsewhere (docs/vectors.md), instead of --model."
)
@click.option(
    "--task",
    "task_names",
    metavar="NAME[,NAME...]",
    callback=names,
    multiple=True,
    default=["xqg-mini"],
    show_default="xqg-mini",
    help="Task, or several.",
)
@click.option(
    "--augment",
    default="none",
    show_default=True,
    help="none, xqg, or xqg with parameters: xqg:alpha=0.2,reduce=mean,languages=query.",
)
@LANGUAGES
@click.option("--depth", type=click.IntRange(min=1), default=100, show_default=True, help="Passages per query.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=SEED, show_default=True, help="Seed of the significance tests."
)
@TASKS_DIR
@DATA_DIR
@GENERATED
@loading_options
@click.option("--output", type=FOLDER, default="results", show_default=True, help="Where results are written.")
@STORE
@STORE_DTYPE
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON instead of a table.")
@click.option("--quiet", is_flag=True, help="No progress bars and no notes; only the table.")
@DEBUG
def eval_(
    model: str | None,
    vectors: Path | None,
    task_names: tuple[str, ...],
    augment: str,
    languages: tuple[str, ...],
    depth: int,
    seed: int,
    tasks_dir: Path | None,
    data_dir: Path | None,
    generated_queries: Path | dict[str, Path],
    output: Path,
    store: Path | None,
    store_dtype: StoreDtype,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Evaluate a retriever on a task and write the results.

    With --augment xqg the plain retriever is evaluated too, and both are compared in every language.
    """
    from xqgbench import registry
    from xqgbench.cli import show
    from xqgbench.errors import Note
    from xqgbench.evaluation import check, evaluate
    from xqgbench.provenance import named_model
    from xqgbench.tasks import open_task
    from xqgbench.types import Loading

    if quiet:
        warnings.simplefilter("ignore", Note)

    loading = chosen_loading()
    if (model is None) == (vectors is None):
        raise click.UsageError("One of --model and --vectors is needed, and not both.")
    if vectors and len(task_names) > 1:
        raise click.UsageError("--vectors is for one --task.")
    if vectors and loading != Loading():
        raise click.UsageError("--vectors needs no model, so no option says how to load one.")
    # Whatever is wrong with one of several tasks is found before the first takes its hour.
    augmentation = registry.augmentation(augment)
    opened = [open_task(name, tasks_dir, data_dir, generated_queries) for name in task_names]
    for task in opened:
        check(task, augmentation, languages, depth)
    retriever = registry.retriever(model, loading) if model else None
    if retriever and not quiet:
        show.assumed(retriever.info)
    found: list[tuple[Path, str]] = []
    for task in opened:
        with show.progress(hidden=quiet or as_json) as report:
            evaluation = evaluate(
                retriever,
                task,
                augmentation,
                languages=languages,
                depth=depth,
                seed=seed,
                store=store,
                vectors=vectors,
                progress=report,
                named=named_model(model, loading) if model else None,
                store_dtype=store_dtype,
            )
        written = evaluation.save(output)
        found += written
        if not as_json:
            show.evaluation(evaluation)
            if not quiet:
                show.written(evaluation, written)
    if as_json:
        show.json_of(found)


def _over(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, tuple[str, ...]]:
    """``alpha=0.1,0.2`` as a name and its values."""
    name, equals, values = value.partition("=")
    if not equals or not name.strip():
        raise click.BadParameter(f"'{value}' must look like alpha=0,0.1,0.2", context, parameter)
    return name.strip(), names(context, parameter, (values,))


@click.command(
    epilog="\b\nExample:\n  xqgbench sweep --model e5-small --augment xqg:reduce=mean --over alpha=0,0.1,0.2,0.3"
)
@MODEL
@click.option("--task", default="xqg-mini", show_default=True, help="Task.")
@click.option("--augment", default="xqg", show_default=True, help="Augmentation with its other parameters.")
@click.option("--over", callback=_over, required=True, metavar="NAME=V1,V2,...", help="What is varied.")
@click.option(
    "--folds", type=click.IntRange(min=2), default=5, show_default=True, help="Parts of the cross-validation."
)
@click.option("--seed", type=click.IntRange(min=0), default=SEED, show_default=True, help="Seed of folds and tests.")
@TASKS_DIR
@DATA_DIR
@GENERATED
@loading_options
@click.option("--output", type=FOLDER, default="results", show_default=True, help="Where the curve is written.")
@STORE
@STORE_DTYPE
@AS_JSON
@DEBUG
def sweep(
    model: str,
    task: str,
    augment: str,
    over: tuple[str, tuple[str, ...]],
    folds: int,
    seed: int,
    tasks_dir: Path | None,
    data_dir: Path | None,
    generated_queries: Path | dict[str, Path],
    output: Path,
    store: Path | None,
    store_dtype: StoreDtype,
    as_json: bool,
    debug: bool,
) -> None:
    """Evaluate an augmentation at several values of a parameter, and cross-validate the choice.

    Texts are encoded once. Each question is scored at the value that is best on the other folds; that score is
    compared with the plain retriever. Tables of the leaderboard use the default value, not one chosen here.
    """
    from xqgbench.cli import show
    from xqgbench.sweep import sweep as run

    with show.progress(hidden=as_json) as report:
        found = run(
            model,
            *over,
            task=task,
            augment=augment,
            folds=folds,
            seed=seed,
            store=store,
            tasks_dir=tasks_dir,
            data_dir=data_dir,
            generated_queries=generated_queries,
            loading=chosen_loading(),
            progress=report,
            store_dtype=store_dtype,
        )
    path = found.save(output)
    show.sweep(found, path, as_json)


@click.command(epilog="\b\nExample:\n  xqgbench leaderboard --results results --output leaderboard")
@click.option("--results", type=FOLDER, default="results", show_default=True, help="Where results are.")
@click.option("--output", type=FOLDER, default="leaderboard", show_default=True, help="Where the tables are written.")
@DEBUG
def leaderboard(results: Path, output: Path, debug: bool) -> None:
    """Rank the systems under --results and write the tables."""
    from xqgbench.cli import show
    from xqgbench.errors import MissingData
    from xqgbench.leaderboard import build

    if not results.is_dir():
        raise MissingData(f"there is no folder {results}; 'xqgbench eval' writes one, or name another with --results.")
    show.boards(build(results, output), output)
