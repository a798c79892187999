"""The scores of a run that was made elsewhere: what can be computed from it, and which queries count."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xqgbench import measures as known_measures
from xqgbench import provenance, scoring
from xqgbench.errors import DataError, InvalidParameter, Repaired
from xqgbench.measures import AnswerRecall, FirstHit
from xqgbench.measures.tokens import word_tokenizer
from xqgbench.results import Result
from xqgbench.scoring import Measures, Texts
from xqgbench.submitted import Submitted
from xqgbench.types import Judgements, Progress, Run, Task, TaskCard


def scored(
    task: Task,
    run: Submitted,
    system: str,
    denominator: str,
    depth: int,
    details: Mapping[str, Any],
    progress: Progress,
) -> Result:
    """The result of one run.

    Args:
        details: what ``result.json`` is to say beside the scores, but for the timings.
    """
    started, card = time.perf_counter(), task.card
    measures = _computable(card, run)
    scoring.deep_enough(measures, depth)
    judgements = _judgements(task, run, measures, denominator)
    runs = {language: run.runs[language] for language in judgements}
    texts = _texts(task, run, runs, measures)
    scores, hits = scoring.score(task, measures, runs, judgements, texts, {}, progress)
    _tell_of_the_cut(task, run, judgements, texts, hits, measures)
    identity = {"name": system, "revision": run.revision, "kind": run.kind}
    return scoring.result(
        card,
        system=system,
        measures=tuple(measure.name for measure in measures),
        depth=depth,
        scores=scores,
        signature=provenance.signature(card, tuple(runs), identity, {"name": "none"}, depth, denominator),
        details={**details, "timings": {"seconds": round(time.perf_counter() - started, 2)}},
        clusters=scoring.clusters(task, tuple(runs), _judged(task)),
        runs=runs,
        hits=hits,
        denominator=denominator,
    )


def _computable(card: TaskCard, run: Submitted) -> Measures:
    """The measures of the card that can be computed from what the run holds; the others are told of.

    Raises:
        InvalidParameter: the main measure is none of them.
    """
    measures = [known_measures.parse(name) for name in card.measures]
    if run.kind != "predictions":
        return measures
    first = next(iter(run.files))
    kept = [measure for measure in measures if isinstance(measure, AnswerRecall)]
    left = [measure.name for measure in measures if measure not in kept]
    if card.main_measure in left:
        raise InvalidParameter(
            f"{first}: predictions hold texts and no passage ids, so {card.main_measure}, the main measure of "
            f"{card.name}, cannot be computed from them. Give a TREC run or one of ranx."
        )
    if left:
        reason = f"{first}: predictions hold no passage ids, so {', '.join(left)} cannot be computed and are left out."
        warnings.warn(reason, Repaired, stacklevel=2)
    return kept


def _judged(task: Task) -> Callable[[str], Judgements]:
    """Judgements as they are filed, if the task can say: to score a run, no collection has to be here and be read."""
    filed: Callable[[str], Judgements] = getattr(task, "filed_judgements", task.judgements)
    return filed


def _judgements(task: Task, run: Submitted, measures: Measures, denominator: str) -> dict[str, Judgements]:
    """language -> the judgements that count.

    With the official denominator these are of queries in the run alone, and a language without any is left out.
    """
    found: dict[str, Judgements] = {}
    for language, rankings in run.runs.items():
        own = _judged(task)(language)
        if denominator == "official":
            own = Judgements(
                {query: grades for query, grades in own.qrels.items() if query in rankings},
                {query: answers for query, answers in own.answers.items() if query in rankings},
            )
            if known_measures.unjudged(measures, own):
                continue
        scoring.usable(task, language, measures, own)
        found[language] = own
    if not found:
        raise DataError(f"none of its queries is judged in {task.card.name}.", next(iter(run.files)))
    return found


def _texts(task: Task, run: Submitted, runs: Mapping[str, Run], measures: Measures) -> Texts:
    """Texts of all passages in the run, where a measure needs them.

    Raises:
        DataError: the run holds a passage that the collection lacks.
    """
    needing = [measure.name for measure in measures if isinstance(measure, AnswerRecall)]
    if not needing:
        return {}
    if run.kind == "predictions":
        return {task.collection(language): run.texts for language in runs}
    texts = scoring.texts_of(task, runs)
    for language, rankings in runs.items():
        own = texts[task.collection(language)]
        for query, ranking in rankings.items():
            for passage in ranking.passage_ids:
                if passage not in own:
                    raise DataError(
                        f"query '{query}' ({language}) ranks passage '{passage}', which is not in the collection of "
                        f"{task.card.name}; {needing[0]} needs its text.",
                        next(iter(run.files)),
                    )
    return texts


def _tell_of_the_cut(
    task: Task,
    run: Submitted,
    judgements: Mapping[str, Judgements],
    texts: Texts,
    hits: Mapping[str, Mapping[str, FirstHit]],
    measures: Measures,
) -> None:
    """Warn of rankings that were cut at the depth before an answer measure had seen as many tokens as it looks at."""
    budget = max((measure.tokens for measure in measures if isinstance(measure, AnswerRecall)), default=0)
    if not budget or not any(run.cut.values()):
        return
    tokenize, short = word_tokenizer(), 0
    for language, judged in judgements.items():
        own = texts[task.collection(language)]
        for query in run.cut[language]:
            if known_measures.countable(judged.answers.get(query, ())) and query not in hits[language]:
                passages = run.runs[language][query].passage_ids
                short += sum(len(tokenize(own[passage])) for passage in passages) < budget
    if short:
        reason = f"{short:,} rankings were cut before {budget:,} tokens; a larger --depth looks on."
        warnings.warn(f"{next(iter(run.files))}: {reason}", Repaired, stacklevel=2)


def details_of(card: TaskCard, run: Submitted, system: str, trained_on: Sequence[str] | None, command: str) -> Any:
    """What ``result.json`` says of a run beside its scores; JSON-ready."""
    identity = {"name": system, "revision": run.revision, "kind": run.kind}
    retriever = {
        "name": system,
        "revision": run.revision,
        "trained_on": None if trained_on is None else list(trained_on),
        "identity": provenance.identity_hash(identity),
    }
    domain = provenance.domain_of(trained_on, card)
    described = provenance.described(card, retriever, {"name": "none"}, domain, "re-scored", command)
    return {**described, "run": {"kind": run.kind, "files": dict(run.files)}}
