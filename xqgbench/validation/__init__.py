"""Is a task fit to be measured with? ``check`` runs its texts and judgements through everything a machine can look at.

    texts      white space, control characters, Unicode normal form, length
    script     the share of letters in the script of the language; letters of a script that belongs nowhere
    language   what a language identifier takes the texts for
    answers    accepted answers stand in a judged passage, and not in the question
    duplicates questions, generated queries or passages that occur twice
    leakage    generated queries that come too close to a test question
    frames     questions and generated queries that follow a template

A check finds what is wrong, or what somebody should look at; that texts are good it cannot say.
"""

from __future__ import annotations

from xqgbench.validation.report import Outcome, Problem, Report
from xqgbench.validation.task import CHECKS, check

__all__ = ["CHECKS", "Outcome", "Problem", "Report", "check"]
