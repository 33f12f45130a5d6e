"""Checks of every sample: one that fails is kept as rejected, with the reason, and never trained on.

Each check of one sample is a function that says in plain words what is wrong, an empty text if nothing is, and None
where it has nothing to judge. What can be told of the whole set alone is in :mod:`.whole_set`.
"""

from collections.abc import Callable, Sequence

from vlm_autodrive.records import Check, Outcome, SFTSample
from vlm_autodrive.supervision.checks.contact import contact_as_the_label, names_no_outcome
from vlm_autodrive.supervision.checks.label_leakage import presupposes_nothing, tells_the_student
from vlm_autodrive.supervision.checks.labels import answers_as_the_label, label_as_the_motion, verdict_as_the_label
from vlm_autodrive.supervision.checks.metadata import agrees_with_metadata
from vlm_autodrive.supervision.checks.prose import in_bounds, in_format, without_loops
from vlm_autodrive.supervision.checks.times import events_at_their_time, times_in_the_clip
from vlm_autodrive.supervision.facts import Facts

__all__ = ["CHECKS", "checked"]

LEAKS = "leaks"
# Causes before consequences: a rejected sample is counted by the first check that failed, and a wrong label, or a
# target out of format, makes most of the later checks fail as well.
CHECKS: tuple[tuple[str, Callable[[SFTSample, Facts], str | None]], ...] = (
    ("label", label_as_the_motion),
    ("format", in_format),
    ("length", in_bounds),
    ("loop", without_loops),
    ("verdict", verdict_as_the_label),
    ("answer", answers_as_the_label),
    ("contact", contact_as_the_label),
    ("times", times_in_the_clip),
    ("event_time", events_at_their_time),
    ("metadata", agrees_with_metadata),
    ("outcome_words", names_no_outcome),
    ("presupposing", presupposes_nothing),
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
    told = tells_the_student(sample.prompt, facts.clip, facts.taxonomy, stated_times)
    checks = [_check(LEAKS, told)]
    if sample.outcome in (Outcome.OK, Outcome.REPAIRED):
        for name, judge in CHECKS:
            problem = judge(sample, facts)
            if problem is not None:
                checks.append(_check(name, problem))
    return sample.model_copy(update={"checks": tuple(checks)})


def _check(name: str, problem: str) -> Check:
    return Check(name=name, passed=False, message=problem) if problem else _PASSED[name]
