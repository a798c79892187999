"""Write the tables of tasks/xqg-mini/FINDINGS.md and README.md, and the figure, from the results and the texts.

``--check`` only says whether the tables are up to date. The figure needs matplotlib, the tables do not.
"""

from __future__ import annotations

import functools
import io
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xqgbench import results, significance, tasks
from xqgbench.comparison import DEFAULT_SEED, p_text, paired
from xqgbench.files import write_atomically
from xqgbench.leaderboard import markdown
from xqgbench.results import Result
from xqgbench.sweep import file_name
from xqgbench.validation import frames
from xqgbench.validation.leakage import Likeness

ROOT = Path(__file__).parent.parent
TASK = "xqg-mini"
PAGE = ROOT / "tasks" / TASK / "FINDINGS.md"
FIGURE = PAGE.with_name("alpha.svg")
MODELS = ("e5-small", "use-m3", "minilm-en")
SETTINGS = {
    "all languages": "xqg:reduce=mean",
    "query's language": "xqg:reduce=mean,languages=query",
}
ALPHAS = ("0", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1")
#: What alpha = 0.01 and a sum over 35 queries weigh the mean of the generated queries with: 35 a / (1 - a + 35 a).
PAPER = 35 * 0.01 / (1 - 0.01 + 35 * 0.01)
#: Questions whose number within language and family is at most this were part of version 0.2 in its 16 families.
OLD_NUMBER, OLD_FAMILIES = 3, 16


@functools.cache
def system(name: str) -> Result:
    return results.read_result(ROOT / "results" / TASK / name)


def summary(name: str) -> dict[str, Any]:
    return results.read_summary(ROOT / "results" / TASK / name)


@functools.cache
def curve(model: str, setting: str) -> dict[str, Any]:
    path = ROOT / "results" / TASK / "sweeps" / file_name(model, SETTINGS[setting], "alpha", ALPHAS)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(markdown.table(rows))


def systems() -> str:
    """Every measure's macro average, and the control."""
    first = system(MODELS[0])
    rows = [["System", *first.measures, f"{first.main_measure} in English", "gap"]]
    for name in (f"{model}{label}" for model in MODELS for label in ("", "+xqg")):
        result = system(name)
        control = result.mean("en", result.main_measure)
        means = [f"{result.macro(measure):.4f}" for measure in result.measures]
        rows.append([name, *means, f"{control:.4f}", f"{control - result.macro(result.main_measure):+.4f}"])
    return table(rows)


def languages() -> str:
    """The default xQG against plain, per language."""
    rows = [["Retriever", "language", "plain", "+xQG", "difference", "95 % interval", "p", "detectable"]]
    for model in MODELS:
        kept = summary(f"{model}+xqg")
        compared = kept["comparison"]["measures"][kept["main_measure"]]
        for language in ("macro", *kept["languages"], *kept["controls"]):
            row = compared[language]
            name = f"{language} (control)" if language in kept["controls"] else language
            mark = r"\*" if row["significant"] else ""
            rows.append(
                [
                    model,
                    f"**{name}**" if language == "macro" else name,
                    f"{row['before']:.4f}",
                    f"{row['after']:.4f}",
                    f"{row['difference']:+.4f}{mark}",
                    f"[{row['low']:+.4f}, {row['high']:+.4f}]",
                    p_text(row["p_corrected"]),
                    "" if row["detectable"] is None else f"{row['detectable']:.4f}",
                ]
            )
    return table(rows)


def curves() -> str:
    """Macro average of the main measure over alpha."""
    found = {(model, setting): curve(model, setting) for model in MODELS for setting in SETTINGS}
    measure = next(iter(found.values()))["main_measure"]
    values = [point["value"] for point in next(iter(found.values()))["points"]]
    rows = [["alpha", *(f"{model}, {setting}" for model, setting in found)]]
    macros = {key: [point["measures"][measure]["macro"] for point in kept["points"]] for key, kept in found.items()}
    for i, value in enumerate(values):
        cells = [
            f"**{macros[key][i]:.4f}**" if macros[key][i] == max(macros[key]) else f"{macros[key][i]:.4f}"
            for key in found
        ]
        rows.append([value, *cells])
    return table(rows)


def validated() -> str:
    """What choosing alpha on other questions gives."""
    rows = [
        ["Retriever", "queries of", "alpha chosen (5 folds)", "plain", "cross-validated", "difference", "95 %", "p"]
    ]
    for model in MODELS:
        for setting in SETTINGS:
            kept = curve(model, setting)["cross_validated"]
            row = kept["comparison"]["macro"]
            rows.append(
                [
                    model,
                    setting,
                    ", ".join(kept["chosen"]),
                    f"{row['before']:.4f}",
                    f"{row['after']:.4f}",
                    f"{row['difference']:+.4f}",
                    f"[{row['low']:+.4f}, {row['high']:+.4f}]",
                    p_text(row["p"]),
                ]
            )
    return table(rows)


def halves() -> str:
    """The default xQG on the questions of version 0.2, which it had been run on before, and on the new ones."""
    old = _questions_of_0_2()
    return _split("questions", {"of 0.2": old.__contains__, "new in 0.3": lambda query: query not in old})


def likeness() -> str:
    """The default xQG by how much a question resembles the nearest of its passage's queries in its own language."""
    task = tasks.open_task(TASK)
    collection = task.passages(task.card.languages[0]), task.generated_queries(task.card.languages[0])
    made = {p.id: own for p, own in zip(*collection, strict=True)}
    nearest: dict[str, float] = {}
    for language in task.card.languages:
        qrels = task.judgements(language).qrels
        for query in task.queries(language):
            texts = [text for p, grade in qrels[query.id].items() if grade > 0 for text in made[p][language]]
            nearest[query.id] = float(Likeness([query.text]).nearest(texts)[1].max())
    low, high = np.quantile(list(nearest.values()), [1 / 3, 2 / 3])
    return _split(
        "nearest generated query",
        {
            f"likeness below {low:.2f}": lambda query: nearest[query] < low,
            f"{low:.2f} to {high:.2f}": lambda query: low <= nearest[query] < high,
            f"{high:.2f} and more": lambda query: nearest[query] >= high,
        },
    )


def _split(name: str, parts: Mapping[str, Callable[[str], bool]]) -> str:
    """The default xQG against plain on parts of the questions, macro average of the main measure."""
    rows = [["Retriever", name, "number", "plain", "+xQG", "difference", "95 % interval", "p"]]
    for model in MODELS:
        plain, fused = system(model), system(f"{model}+xqg")
        measure = plain.main_measure
        values, clusters, strata = paired(plain, fused, measure)
        scores = {language: plain.scores[language][measure] for language in plain.languages}
        ids = [query for own in scores.values() for query in own]
        before = np.array([score for own in scores.values() for score in own.values()])
        for part, holds in parts.items():
            chosen = np.array([holds(query) for query in ids])
            own = (values[chosen], significance.numbered(clusters[chosen]), strata[chosen])
            rng = significance.random_generator(DEFAULT_SEED, "part", model, part)
            test = significance.randomisation_test(*own, rng)
            low, high = significance.bootstrap_interval(*own, rng)
            start = np.mean([before[chosen & (strata == stratum)].mean() for stratum in np.unique(strata[chosen])])
            difference = float(significance.contributions(*own).sum())
            means = [f"{start:.4f}", f"{start + difference:.4f}", f"{difference:+.4f}"]
            interval = f"[{low:+.4f}, {high:+.4f}]"
            rows.append([model, part, str(int(chosen.sum())), *means, interval, p_text(test.p)])
    return table(rows)


def _questions_of_0_2() -> set[str]:
    """Their ids: number 1 to 3 in the first 16 families, in the order of the passages."""
    task = tasks.open_task(TASK)
    families = list(dict.fromkeys(passage.id.rpartition("-")[0] for passage in task.passages(task.card.languages[0])))
    found = set()
    for query in (query for language in task.card.languages for query in task.queries(language)):
        _, family, number = query.id.split("-")
        if family in families[:OLD_FAMILIES] and int(number) <= OLD_NUMBER:
            found.add(query.id)
    return found


def statistics() -> str:
    """What the texts of each language are like."""
    task = tasks.open_task(TASK)
    generated: dict[str, list[str]] = {}
    for own in task.generated_queries(task.card.languages[0]):
        for language, queries in own.items():
            generated.setdefault(language, []).extend(queries)
    rows = [["", "questions", "length", "frames", "relevant", "clusters", "queries", "length", "frames", "likeness"]]
    for language in task.card.query_languages:
        asked, made = [query.text for query in task.queries(language)], generated.get(language, [])
        relevant = [[p for p, g in own.items() if g > 0] for own in task.judgements(language).qrels.values()]
        row = [
            language,
            f"{len(asked)}",
            f"{np.mean([len(text) for text in asked]):.0f}",
            f"{frames.shares(asked)[0]:.0%}",
            f"{sum(map(len, relevant))}",
            f"{significance.clusters_of(relevant).max() + 1}",
        ]
        if made:
            likeness = Likeness(asked).nearest(made)[1].max()
            lengths = np.mean([len(text) for text in made])
            row += [f"{len(made):,}", f"{lengths:.0f}", f"{frames.shares(made)[0]:.0%}", f"{likeness:.2f}"]
        rows.append(row + [""] * (len(rows[0]) - len(row)))
    return table(rows)


#: Which tables stand on which page, by the names of the functions that make them.
PAGES: Mapping[Path, Sequence[Callable[[], str]]] = {
    PAGE: (systems, languages, curves, validated, likeness, halves),
    PAGE.with_name("README.md"): (statistics,),
}


def filled(page: Path) -> str:
    """A page with every table made anew; what stands between tables is left alone."""
    text = page.read_text(encoding="utf-8")
    for make in PAGES[page]:
        parts = re.split(rf"(<!-- table: {make.__name__} -->\n).*?(<!-- end -->)", text, flags=re.DOTALL)
        if len(parts) != 4:
            sys.exit(f"{page.name} has {len(parts) // 3} places for the table '{make.__name__}'")
        text = f"{parts[0]}{parts[1]}\n{make()}\n\n{parts[2]}{parts[3]}"
    return text


def figure() -> bytes:
    """Macro average over alpha, a panel per retriever, as SVG; the same results give the same bytes."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": TASK, "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot as plt

    picture, panels = plt.subplots(1, len(MODELS), figsize=(9, 3), layout="constrained")
    for panel, model in zip(panels, MODELS, strict=True):
        for setting, marker in zip(SETTINGS, "os", strict=True):
            kept = curve(model, setting)
            measure = kept["main_measure"]
            alphas = [float(point["value"]) for point in kept["points"]]
            panel.plot(
                alphas,
                [point["measures"][measure]["macro"] for point in kept["points"]],
                marker=marker,
                markersize=3,
                linewidth=1,
                label=setting,
            )
            plain = kept["plain"]["measures"][measure]["macro"]
        panel.axhline(plain, color="grey", linewidth=0.8, linestyle="--", label="plain")
        panel.axvline(PAPER, color="grey", linewidth=0.8, linestyle=":", label="the paper's setting")
        panel.set_title(model)
    picture.supxlabel("alpha: the weight of the generated queries' mean", fontsize=9)
    panels[0].set_ylabel(f"{measure}, macro")
    panels[0].legend(fontsize=7)
    buffer = io.BytesIO()
    picture.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


if __name__ == "__main__":
    made = {page: filled(page) for page in PAGES}
    if "--check" in sys.argv:
        stale = [page.name for page, text in made.items() if page.read_text(encoding="utf-8") != text]
        sys.exit(f"out of date, run make findings: {', '.join(stale)}" if stale else 0)
    for page, text in made.items():
        write_atomically(page, text.encode())
    write_atomically(FIGURE, figure())
