"""The leaderboard: a page that follows from the results and from nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.conftest import ROOT
from tests.test_results import MEASURE, made
from xqgbench import results, tasks
from xqgbench.comparison import DEFAULT_SEED, compare
from xqgbench.errors import ResultError
from xqgbench.leaderboard import boards, build, render
from xqgbench.leaderboard.markdown import escape
from xqgbench.results import Result

PARSER = MarkdownIt("commonmark").enable("table")


def save(result: Result, root: Path, comparison: Mapping[str, Any] | None = None) -> Path:
    folder = root / result.task / results.folder_name(result, 100)
    results.write(result, folder, comparison)
    return folder


def tables(page: str) -> list[list[list[str]]]:
    """Every table of a page as a reader sees it: rows of cells, the head first."""
    found: list[list[list[str]]] = []
    for token in PARSER.parse(page):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and found and token.level >= 4:
            found[-1][-1].append("".join(child.content for child in token.children or ()))
    return found


def page(root: Path) -> str:
    build(root, root / "page")
    return (root / "page" / "README.md").read_text(encoding="utf-8")


def level(system: str, fi: float, ja: float, queries: int = 12, **changes: Any) -> Result:
    return made({"fi": [fi] * queries, "ja": [ja] * queries}, system, **changes)


# The page


def test_a_row_holds_rank_system_macro_languages_domain_and_source(tmp_path: Path) -> None:
    save(level("low", 0.25, 0.125, details={"domain": "in-domain"}), tmp_path)
    save(level("high", 0.75, 0.5), tmp_path)
    assert tables(page(tmp_path)) == [
        [
            ["Rank", "System", "macro", "fi", "ja", "Domain", "Source"],
            ["1", "high", "0.6250", "0.7500", "0.5000", "unknown", "measured"],
            ["2", "low", "0.1875", "0.2500", "0.1250", "in-domain", "measured"],
        ]
    ]


def test_systems_that_cannot_be_told_apart_share_a_rank_the_better_mean_first(tmp_path: Path) -> None:
    noisy = made({"fi": [0.5, 0.6] * 6, "ja": [0.6, 0.5] * 6}, "noisy")  # macro 0.55, gains and losses of one size
    for result in (level("even", 0.549, 0.549), noisy, level("far", 0.1, 0.1), level("best", 0.9, 0.9)):
        save(result, tmp_path)
    rows = tables(page(tmp_path))[0][1:]
    assert [row[:2] for row in rows] == [["1", "best"], ["2", "noisy"], ["2", "even"], ["4", "far"]]


def test_rows_stand_in_the_order_of_ranks_where_means_would_have_another(tmp_path: Path) -> None:
    # 'close' trails 'first' by a little in every query, which is significant; 'noisy' trails by more, but not reliably.
    noisy = made({"fi": [0.98, 0.18] * 6, "ja": [0.18, 0.98] * 6}, "noisy")
    for result in (level("first", 0.6, 0.6), level("close", 0.59, 0.59), noisy):
        save(result, tmp_path)
    rows = tables(page(tmp_path))[0][1:]
    assert [row[:3] for row in rows] == [["1", "first", "0.6000"], ["1", "noisy", "0.5800"], ["2", "close", "0.5900"]]


def test_equal_means_stand_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b", "c", "a"):
        save(level(name, 0.5, 0.5), tmp_path)
    assert [row[:2] for row in tables(page(tmp_path))[0][1:]] == [["1", "a"], ["1", "b"], ["1", "c"]]


def test_a_system_of_fewer_languages_stands_on_a_board_of_its_own_below_the_complete_one(tmp_path: Path) -> None:
    save(level("whole", 0.5, 0.5), tmp_path)
    save(made({"fi": [1.0] * 12}, "half_done", complete=False), tmp_path)
    text = page(tmp_path)
    assert tables(text) == [
        [
            ["Rank", "System", "macro", "fi", "ja", "Domain", "Source"],
            ["1", "whole", "0.5000", "0.5000", "0.5000", "unknown", "measured"],
        ],
        [
            ["Rank", "System", "mean of 1", "fi", "Domain", "Source"],
            ["1", "half_done", "1.0000", "1.0000", "unknown", "measured"],
        ],
    ]
    assert "## small 1\n" in text
    assert "## small 1, 1 of 2 languages\n" in text
    assert "there is no macro average" in text


def test_systems_of_different_languages_are_never_ranked_together(tmp_path: Path) -> None:
    save(made({"fi": [1.0] * 12}, "one", complete=False), tmp_path)
    save(made({"ja": [0.5] * 12}, "two", complete=False), tmp_path)
    assert [[row[:2] for row in found[1:]] for found in tables(page(tmp_path))] == [[["1", "one"]], [["1", "two"]]]


def test_differences_of_some_languages_come_without_a_macro_test(tmp_path: Path) -> None:
    plain = made({"fi": [0.25] * 12}, "a", complete=False)
    augmented = made({"fi": [0.75] * 12}, "a+xqg", complete=False)
    save(plain, tmp_path)
    save(augmented, tmp_path, {"against": "a", "seed": 1})
    assert tables(page(tmp_path))[-1] == [["System", "against", "fi"], ["a+xqg", "a", "+0.5000*"]]


def test_other_denominators_stand_on_a_board_of_their_own_that_says_so(tmp_path: Path) -> None:
    save(level("strict", 0.5, 0.5), tmp_path)
    save(replace(level("whole", 1.0, 1.0), denominator="official"), tmp_path)
    save(replace(level("other", 0.5, 1.0), denominator="official"), tmp_path)
    save(replace(level("shorter", 1.0, 1.0, 8), denominator="official"), tmp_path)  # another eight queries left out
    text = page(tmp_path)
    systems = [[row[1] for row in table[1:]] for table in tables(text)]
    assert systems[0] == ["strict"]
    assert sorted(systems[1:]) == [["shorter"], ["whole", "other"]]
    assert text.count("## small 1, official denominator\n") == 2
    assert "only the 24 that the runs hold are counted" in text
    assert "only the 16 that the runs hold are counted" in text


def test_a_system_without_one_of_the_measures_has_an_empty_cell(tmp_path: Path) -> None:
    two = made({"fi": [0.5] * 12, "ja": [0.5] * 12}, "two")
    scores = {language: {**own, "RR@10": own[MEASURE]} for language, own in two.scores.items()}
    save(replace(two, measures=(MEASURE, "RR@10"), scores=scores), tmp_path)
    save(level("one", 0.75, 0.75, details={"source": "re-scored"}), tmp_path)
    scored, measures = tables(page(tmp_path))
    assert [row[-1] for row in scored] == ["Source", "re-scored", "measured"]
    assert measures == [["System", MEASURE, "RR@10"], ["one", "0.7500", ""], ["two", "0.5000", "0.5000"]]


def test_a_re_scored_system_is_not_called_augmented(tmp_path: Path) -> None:
    save(level("a", 0.25, 0.25), tmp_path)
    save(level("b", 0.75, 0.75, details={"source": "re-scored"}), tmp_path, {"against": "a", "seed": 1})
    text = page(tmp_path)
    assert "System against the one that it was compared with, difference in macro average" in text
    assert "Augmented" not in text


def test_no_results_make_a_page_that_says_so(tmp_path: Path) -> None:
    assert "There are no results yet." in page(tmp_path)


def test_tasks_versions_cards_and_depths_are_never_mixed(tmp_path: Path) -> None:
    base = level("a", 0.5, 0.5)
    task = {**base.details["task"], "card_sha256": "d" * 64}
    other_card = replace(level("e", 0.5, 0.5, details={"task": task}), card_sha256="d" * 64)
    for result in (
        base,
        level("b", 0.5, 0.5, task="another"),
        level("c", 0.5, 0.5, version="2"),
        level("d", 0.5, 0.5, depth=10),
        other_card,
    ):
        save(result, tmp_path)
    found = [
        (b.task, b.version, b.card_sha256[0], b.depth, [e.result.system for e in b.entries]) for b in boards(tmp_path)
    ]
    assert found == [
        ("another", "1", "c", 100, ["b"]),
        ("small", "1", "c", 10, ["d"]),
        ("small", "1", "c", 100, ["a"]),
        ("small", "1", "d", 100, ["e"]),
        ("small", "2", "c", 100, ["c"]),
    ]
    assert len(tables(page(tmp_path))) == 5


def with_comparison(root: Path, gain: float, queries: int) -> dict[str, Any]:
    plain = level("mine", 0.25, 0.5, queries)
    augmented = level("mine+xqg", 0.25 + gain, 0.5, queries)
    described = compare(plain, augmented, MEASURE).describe()
    save(plain, root)
    save(augmented, root, {"against": "mine", "seed": DEFAULT_SEED, "measures": {MEASURE: described}})
    return described


def test_an_augmented_system_is_set_against_the_plain_one(tmp_path: Path) -> None:
    with_comparison(tmp_path, gain=0.25, queries=8)
    # fi: 8 equal gains, p = 2 / 2**8 = 0.0078, Holm 0.0156. macro: half of 0.25; ja never differs.
    assert tables(page(tmp_path))[1] == [
        ["System", "against", "macro", "95 % interval", "p", "fi", "ja"],
        ["mine+xqg", "mine", "+0.1250*", "[+0.1250, +0.1250]", "0.0078", "+0.2500*", "+0.0000"],
    ]


def test_a_star_marks_significance_and_nothing_else(tmp_path: Path) -> None:
    described = with_comparison(tmp_path, gain=0.25, queries=4)
    assert described["macro"]["p"] == 2 / 16
    assert tables(page(tmp_path))[1][1][2:] == ["+0.1250", "[+0.1250, +0.1250]", "0.1250", "+0.2500", "+0.0000"]


def test_a_p_value_below_what_four_decimals_show_is_a_bound(tmp_path: Path) -> None:
    described = with_comparison(tmp_path, gain=0.25, queries=16)
    assert described["macro"]["p"] == 2 / 65536  # 0.00003
    assert tables(page(tmp_path))[1][1][4] == "< 0.0001"


def test_a_comparison_that_was_tampered_with_does_not_show(tmp_path: Path) -> None:
    with_comparison(tmp_path, gain=0.25, queries=4)
    before = page(tmp_path)
    path = tmp_path / "small" / "mine+xqg" / "result.json"
    summary = json.loads(path.read_bytes())
    for row in summary["comparison"]["measures"][MEASURE].values():
        row.update(difference=0.9, low=0.8, high=0.99, p=0.00001, p_corrected=0.00001, significant=True)
    path.write_text(json.dumps(summary), encoding="utf-8")
    assert page(tmp_path) == before


def test_a_comparison_with_scores_that_the_plain_system_no_longer_has_does_not_show(tmp_path: Path) -> None:
    with_comparison(tmp_path, gain=0.25, queries=8)
    save(level("mine", 0.75, 0.5, 8), tmp_path)  # evaluated again, and better: 0.5 is now 0.25 less
    row = tables(page(tmp_path))[1][1]
    assert (row[2], row[3], row[5]) == ("-0.1250*", "[-0.1250, -0.1250]", "-0.2500*")


def test_a_kept_comparison_needs_no_more_than_its_counterpart_and_its_seed(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    plain = made({"fi": [0.5] * 30, "ja": [0.5] * 30}, "mine")
    gains = {language: (0.5 + rng.normal(0.02, 0.1, 30)).tolist() for language in ("fi", "ja")}
    augmented = made(gains, "mine+xqg")
    for seed in (1, 2):
        save(plain, tmp_path / f"{seed}")
        save(augmented, tmp_path / f"{seed}", {"against": "mine", "seed": seed})
        expected = compare(plain, augmented, MEASURE, seed).macro
        assert expected is not None
        row = tables(page(tmp_path / f"{seed}"))[1][1]
        assert row[3:5] == [f"[{expected.low:+.4f}, {expected.high:+.4f}]", f"{expected.p:.4f}"]


@pytest.mark.parametrize("where", ["nowhere", "at another depth", "incomplete"])
def test_an_augmented_system_without_its_plain_one_on_the_board_has_no_comparison(tmp_path: Path, where: str) -> None:
    with_comparison(tmp_path, gain=0.25, queries=8)
    assert len(tables(page(tmp_path))) == 2
    shutil.rmtree(tmp_path / "small" / "mine")
    if where == "at another depth":
        save(level("mine", 0.25, 0.5, 8, depth=10), tmp_path)
    elif where == "incomplete":
        save(level("mine", 0.25, 0.5, 8, complete=False), tmp_path)
    text = page(tmp_path)
    systems = [[row[1] for row in table[1:]] for table in tables(text)]
    others = {"nowhere": [], "at another depth": [["mine"]], "incomplete": [["mine"]]}[where]
    assert sorted(systems) == [*others, ["mine+xqg"]]
    assert "difference" not in text


# The same bytes


RESULTS = [level("one", 0.5, 0.25), level("two+xqg", 0.75, 0.5), level("three", 0.1, 0.2, depth=10)]


def test_the_order_of_writing_and_its_date_do_not_matter(tmp_path: Path) -> None:
    for result in RESULTS:
        save(result, tmp_path / "first")
    for result in reversed(RESULTS):
        later = {**result.details, "timings": {"seconds": 9}, "provenance": {"date": "2030-01-01", "libraries": {}}}
        save(replace(result, details=later), tmp_path / "second")
    assert page(tmp_path / "first") == page(tmp_path / "second")


def test_building_again_changes_no_byte(tmp_path: Path) -> None:
    for result in RESULTS:
        save(result, tmp_path)
    assert page(tmp_path) == page(tmp_path)


def test_the_page_is_what_render_makes_of_the_boards(tmp_path: Path) -> None:
    for result in RESULTS:
        save(result, tmp_path)
    assert page(tmp_path) == render(boards(tmp_path))


def test_a_page_ends_its_lines_the_unix_way_and_its_last_one_too(tmp_path: Path) -> None:
    save(RESULTS[0], tmp_path)
    build(tmp_path, tmp_path / "page")
    content = (tmp_path / "page" / "README.md").read_bytes()
    assert b"\r" not in content
    assert content.endswith(b"\n")
    assert not content.endswith(b"\n\n")


# What must not be in it


def test_a_damaged_result_stops_the_build_and_leaves_the_old_page(tmp_path: Path) -> None:
    folder = save(RESULTS[0], tmp_path)
    before = page(tmp_path)
    (folder / "scores.parquet").write_bytes(b"damaged")
    with pytest.raises(ResultError, match=r"scores\.parquet"):
        build(tmp_path, tmp_path / "page")
    assert (tmp_path / "page" / "README.md").read_text(encoding="utf-8") == before


def test_what_a_killed_run_left_beside_the_results_is_no_system(tmp_path: Path) -> None:
    folder = save(RESULTS[0], tmp_path)
    before = page(tmp_path)
    shutil.copytree(folder, folder.parent / ".one.k3x9.part")
    assert page(tmp_path) == before


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@settings(deadline=None)
@given(NAMES | st.text("|\\`*_{}[]()#~<>&!-+.$ ab\n", min_size=1, max_size=12))
@example("<script>alert(1)</script>")
@example("a|b\\|c")
@example("[link](https://example.org)")
@example("&amp; &lt;")
@example("C #")
def test_a_name_is_read_as_it_was_given(name: str) -> None:
    """Read by a Markdown parser of its own, in a cell and in a heading."""
    seen = " ".join(name.split())
    assert tables(f"| a |\n|---|\n| x{escape(name)}x |\n") == [[["a"], [f"x{seen}x"]]]
    heading = [token for token in PARSER.parse(f"## x{escape(name)}") if token.type == "inline"]
    assert ["".join(child.content for child in token.children or ()) for token in heading] == [f"x{seen}"]


@pytest.mark.parametrize("name", ["a|b", "*bold*", "<b>x</b>", "under_scored_name", "`code`", "[x](y)", "a\\|b", "# x"])
def test_an_odd_system_breaks_no_table(tmp_path: Path, name: str) -> None:
    save(level(name, 0.5, 0.5), tmp_path)
    save(made({"fi": [0.5]}, f"{name} incomplete", complete=False), tmp_path)
    found = tables(page(tmp_path))[0]
    assert [len(row) for row in found] == [7, 7]
    assert found[1][1] == name


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "<b>in-domain</b>", "a|b", "[x](https://example.org)"])
@pytest.mark.parametrize("field", ["domain", "source"])
def test_an_odd_domain_or_source_is_read_as_it_was_given(tmp_path: Path, field: str, text: str) -> None:
    save(level("mine", 0.5, 0.5, details={field: text}), tmp_path)
    made_page = page(tmp_path)
    usual = {"domain": "unknown", "source": "measured", field: text}
    assert [row[5:] for row in tables(made_page)[0]] == [["Domain", "Source"], [usual["domain"], usual["source"]]]
    for tag in ("<script", "<b>"):
        assert tag not in made_page


@pytest.mark.parametrize("name", ["a|b", "*x*", "zh_Hans_x_y"])
def test_an_odd_language_breaks_no_table(tmp_path: Path, name: str) -> None:
    save(made({name: [0.5], "ja": [0.5]}), tmp_path)
    found = tables(page(tmp_path))[0]
    assert [row[3] for row in found] == [name, "0.5000"]
    assert [len(row) for row in found] == [7, 7]


# The committed page

COMMITTED = sorted(path.parent for path in (ROOT / "results").glob("*/*/result.json"))
committed = pytest.mark.skipif(not COMMITTED, reason="no results are committed")


@committed
def test_the_committed_page_is_the_one_that_the_committed_results_make(tmp_path: Path) -> None:
    build(ROOT / "results", tmp_path)
    assert (tmp_path / "README.md").read_bytes() == (ROOT / "leaderboard" / "README.md").read_bytes()


@committed
@pytest.mark.parametrize("folder", COMMITTED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_committed_results_are_about_the_tasks_as_they_stand(folder: Path) -> None:
    found, card = results.read_result(folder), tasks.card(folder.parent.name)
    assert found.details["task"]["card_sha256"] == card.sha256
    for key, pins in found.details["task"]["sources"].items():
        hashes = {file.path: file.sha256 for file in card.sources[key].files}
        assert pins == (hashes if len(hashes) > 1 else next(iter(hashes.values())))
    assert folder.name == results.folder_name(found, 100)


@committed
@pytest.mark.parametrize("folder", COMMITTED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_committed_means_follow_from_the_committed_scores(folder: Path) -> None:
    found = results.read_result(folder)
    for measure, kept in found.details["measures"].items():
        assert kept["macro"] == (found.macro(measure) if found.complete else None)
        for language in found.languages:
            assert kept["languages"][language] == {
                "mean": found.mean(language, measure),
                "queries": found.count(language, measure),
            }


@committed
@pytest.mark.parametrize("folder", COMMITTED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_committed_comparisons_follow_from_the_committed_scores(folder: Path) -> None:
    after = results.read_result(folder)
    kept = after.details["comparison"]
    if kept is None:
        assert after.details["augmentation"] == {"name": "none"}
        return
    plain = replace(after, system=kept["against"])
    before = results.read_result(folder.parent / results.folder_name(plain, 100))
    again = compare(before, after, after.main_measure, kept["seed"])
    described = kept["measures"][after.main_measure]
    assert list(described) == [*after.languages, *(["macro"] if after.complete else []), *after.controls]
    for language, row in again.describe().items():
        assert row == pytest.approx(described[language]), language
