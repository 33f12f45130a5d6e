"""Checks of every sample: one that fails is kept as rejected, with the reason, and never trained on.

Each check of one sample is a function that returns the problem: a sentence that says what is wrong, an empty string if
nothing is, and None where the check does not apply. What can be told of the whole set alone is in :mod:`.whole_set`.
"""

from collections.abc import Callable, Sequence

from vlm_autodrive.records import Check, Outcome, SFTSample
from vlm_autodrive.supervision.checks.contact import check_contact_matches_label, check_names_no_outcome
from vlm_autodrive.supervision.checks.label_leakage import check_presupposes_no_event, find_label_leak
from vlm_autodrive.supervision.checks.labels import (
    check_answer_matches_label,
    check_label_matches_motion,
    check_letter_is_the_answer,
    check_verdict_matches_label,
)
from vlm_autodrive.supervision.checks.metadata import check_agrees_with_metadata
from vlm_autodrive.supervision.checks.prose import check_format, check_length, check_no_loop
from vlm_autodrive.supervision.checks.recorded import check_answer_is_recorded
from vlm_autodrive.supervision.checks.sources import check_speaks_of_no_sources
from vlm_autodrive.supervision.checks.times import check_cited_times, check_event_times
from vlm_autodrive.supervision.facts import Facts

__all__ = ["CHECKS", "checked", "rechecked"]

LEAKS = "leaks"
# Causes before consequences: a rejected sample is counted by the first check that failed, and a wrong label, or a
# target out of format, makes most of the later checks fail as well.
CHECKS: tuple[tuple[str, Callable[[SFTSample, Facts], str | None]], ...] = (
    ("label", check_label_matches_motion),
    ("format", check_format),
    ("length", check_length),
    ("loop", check_no_loop),
    ("verdict", check_verdict_matches_label),
    ("answer", check_answer_matches_label),
    ("letter", check_letter_is_the_answer),
    ("recorded", check_answer_is_recorded),
    ("contact", check_contact_matches_label),
    ("times", check_cited_times),
    ("event_time", check_event_times),
    ("metadata", check_agrees_with_metadata),
    ("outcome_words", check_names_no_outcome),
    ("sources", check_speaks_of_no_sources),
    ("presupposing", check_presupposes_no_event),
)
"""Every check of a sample beside that for leaks, in the order in which they stand on record."""

_PASSED = {name: Check(name=name, passed=True) for name in (LEAKS, *(name for name, _ in CHECKS))}


def checked(sample: SFTSample, facts: Facts, stated_times: Sequence[float]) -> SFTSample:
    """The sample with its checks. Of a text that was not written to its end, only the question is judged.

    Args:
        sample: The sample.
        facts: Its clip.
        stated_times: The seconds that questions about this clip may name.
    """
    leak = find_label_leak(sample.prompt, facts.clip, facts.taxonomy, stated_times)
    checks = [_check(LEAKS, leak)]
    if sample.outcome in (Outcome.OK, Outcome.REPAIRED):
        checks += _checks_of_target(sample, facts)
    return sample.model_copy(update={"checks": tuple(checks)})


def rechecked(sample: SFTSample, facts: Facts) -> SFTSample:
    """A sample whose target was written anew with the checks of this target; those of its question stay."""
    names = {name for name, _ in CHECKS}
    kept = [check for check in sample.checks if check.name not in names]
    return sample.model_copy(update={"checks": (*kept, *_checks_of_target(sample, facts))})


def _checks_of_target(sample: SFTSample, facts: Facts) -> list[Check]:
    problems = ((name, judge(sample, facts)) for name, judge in CHECKS)
    return [_check(name, problem) for name, problem in problems if problem is not None]


def _check(name: str, problem: str) -> Check:
    return Check(name=name, passed=False, message=problem) if problem else _PASSED[name]
