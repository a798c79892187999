"""``xqgbench tasks`` and what stands below it."""

from __future__ import annotations

from pathlib import Path

import click

from xqgbench.cli.commands import AS_JSON, DATA_DIR, DEBUG, FOLDER, GENERATED, LANGUAGES, TASKS_DIR


@click.group(invoke_without_command=True, epilog="\b\nExample:\n  xqgbench tasks --tasks-dir my-tasks")
@TASKS_DIR
@DATA_DIR
@AS_JSON
@DEBUG
@click.pass_context
def tasks(context: click.Context, tasks_dir: Path | None, data_dir: Path | None, as_json: bool, debug: bool) -> None:
    """List the tasks and what of them is here; or show, fetch, count or check one."""
    if context.invoked_subcommand:
        return
    from xqgbench.cli import show_tasks as show
    from xqgbench.errors import DataError
    from xqgbench.inventory import availability
    from xqgbench.tasks import cards, data_folder, installed_cards, read_card

    listed, wrong = [], installed_cards()[1]
    for path in cards(tasks_dir).values():
        try:
            card = read_card(path)
            listed.append((card, availability(card, data_folder(data_dir))))
        except DataError as error:
            wrong.append(error)  # one bad card must not hide the others
    show.tasks(listed, as_json)
    show.complaints(wrong)


@tasks.command("check", epilog="\b\nExample:\n  xqgbench tasks check my-task --tasks-dir my-tasks")
@click.argument("name")
@TASKS_DIR
@DATA_DIR
@click.option(
    "--passages",
    type=click.IntRange(min=1),
    default=20_000,  # validation.task.PASSAGES, which is not imported here for its weight
    show_default=True,
    help="How many passages of a collection are looked at.",
)
@LANGUAGES
@click.option("--all", "everything", is_flag=True, help="List every finding, not the first few of each check.")
@AS_JSON
@DEBUG
@click.pass_context
def check(
    context: click.Context,
    name: str,
    tasks_dir: Path | None,
    data_dir: Path | None,
    passages: int,
    languages: tuple[str, ...],
    everything: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Check the texts and judgements of a task; exits 1 if there is a problem.

    Looks at schema, ids, counts, white space, lengths, script and language of every text, answers, duplicates,
    generated queries that come close to test questions, and questions that follow a template. A doubt is something
    that may be right, but should be read by somebody.
    """
    from xqgbench import validation
    from xqgbench.cli import show_tasks as show
    from xqgbench.cli.show import progress
    from xqgbench.tasks import open_task

    with progress(hidden=as_json) as report:
        found = validation.check(open_task(name, tasks_dir, data_dir), passages, report, languages)
    show.report(found, everything, as_json)
    if not found.passed:
        context.exit(1)


@tasks.command("download", epilog="\b\nExample:\n  xqgbench tasks download miracl --languages sw,te")
@click.argument("name")
@LANGUAGES
@TASKS_DIR
@click.option(
    "--data-dir", type=FOLDER, help="Where the files go.  [default: $XQGBENCH_DATA, else the user's data folder]"
)
@click.option("--optional", is_flag=True, help="Also what evaluations can do without, such as training questions.")
@DEBUG
def download(
    name: str,
    languages: tuple[str, ...],
    tasks_dir: Path | None,
    data_dir: Path | None,
    optional: bool,
    debug: bool,
) -> None:
    """Fetch the files of a task that are not here, and check those that are.

    An interrupted download goes on where it stopped. Every file is checked against the hash in the task's card, or
    that which the hub states, before it takes its place. What the card leaves to ir_datasets is fetched by that, into
    the folder that IR_DATASETS_HOME names. HF_TOKEN is for what the hub gives to known users alone.
    """
    from xqgbench import elsewhere
    from xqgbench.cli import show_tasks as show
    from xqgbench.cli.show import progress
    from xqgbench.download import download as fetch
    from xqgbench.tasks import card

    wanted = card(name, tasks_dir)
    with show.transfers() as report:
        outcomes = fetch(wanted, languages, data_dir, optional, report)
    show.downloaded(outcomes)
    with progress(hidden=False) as report:
        read = elsewhere.fetch(wanted, languages, data_dir, report)
    show.read_elsewhere(read)
    show.require_nothing_by_hand(wanted, outcomes)


@tasks.command("export", epilog="\b\nExample:\n  xqgbench tasks export xqg-mini mini-texts --languages fi,ja")
@click.argument("name")
@click.argument("folder", type=FOLDER)
@LANGUAGES
@TASKS_DIR
@DATA_DIR
@GENERATED
@DEBUG
def export(
    name: str,
    folder: Path,
    languages: tuple[str, ...],
    tasks_dir: Path | None,
    data_dir: Path | None,
    generated_queries: Path | dict[str, Path],
    debug: bool,
) -> None:
    """Write the texts of a task into FOLDER, to be encoded on another machine.

    JSON lines: queries per language, passages per collection, generated queries per collection and language. What is
    made of them is evaluated with eval --vectors FOLDER; docs/vectors.md shows how.
    """
    from xqgbench import precomputed
    from xqgbench.cli import show_tasks as show
    from xqgbench.cli.show import progress
    from xqgbench.evaluation import chosen_languages
    from xqgbench.tasks import open_task

    task = open_task(name, tasks_dir, data_dir, generated_queries)
    with progress(hidden=False) as report:
        written = precomputed.export(task, folder, chosen_languages(task.card, languages), report)
    show.exported(written, folder, name)


@tasks.command("pool", epilog="\b\nExample:\n  xqgbench tasks pool xqg-mini --results results --depth 3")
@click.argument("name")
@click.option("--results", type=FOLDER, default="results", show_default=True, help="Where results are.")
@click.option("--depth", type=click.IntRange(min=1), default=3, show_default=True, help="Ranks looked at.")
@TASKS_DIR
@DATA_DIR
@DEBUG
def pool(name: str, results: Path, depth: int, tasks_dir: Path | None, data_dir: Path | None, debug: bool) -> None:
    """List what is not judged: passages that a result ranks high, or that hold an accepted answer.

    JSON lines, one per query, on stdout; no system is named in them, so that judging cannot favour one.
    """
    from xqgbench import pooling
    from xqgbench.cli import show_tasks as show
    from xqgbench.tasks import open_task

    show.pool(pooling.pool(open_task(name, tasks_dir, data_dir), results, depth))
