"""Reasoning VQA: one question on goals and intentions per clip, with the reasons that lead to its answer.

The question is drawn without the class from a few forms. Each has the same four options for every clip, of which
exactly one is true of any clip, with an event or without: so neither the question nor its options tell the class.
The reasons go from what is seen first to the intention. Like a reasoning trace they say distances roughly; unlike one
they do not say how it ends.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from vlm_autodrive.records import Clip, SFTSample, Taxonomy
from vlm_autodrive.supervision.facts import Facts, facts_of
from vlm_autodrive.supervision.multiple_choice import choice_sample, shuffled_choice
from vlm_autodrive.supervision.rules.intentions import (
    FEWEST_REASONS,
    INTENTIONS,
    Intention,
    is_decided,
    reasons_for,
)
from vlm_autodrive.supervision.samples import rng_for
from vlm_autodrive.supervision.student_prompts import PROMPTS

UNDECIDED = "how the meeting with the other road user goes on is not seen in the clip"
UNKNOWN = "the goals and intentions of the road users are not known"
FEW_REASONS = f"fewer than {FEWEST_REASONS} reasons for an answer are known"
UNEQUAL = "the intentions are known of some classes alone, and a question that only they are asked would tell the class"

AskedShares = Mapping[tuple[str, str], float]
"""For each form and class, the share of the clips with an answer and enough reasons that are asked, so that all
classes are asked it at one rate; a form that is not named is asked of none."""


def asked_shares(clips: Iterable[Clip], taxonomy: Taxonomy) -> AskedShares:
    """How often clips of real footage may be asked each form.

    Args:
        clips: Labelled clips of real footage; of simulated ones every form has an answer.
        taxonomy: The classes.
    """
    counts: Counter[str] = Counter()
    known: Counter[tuple[str, str]] = Counter()
    for clip in clips:
        facts = facts_of(clip, taxonomy)
        counts[facts.label.name] += 1
        found = {form.name: _answer_and_reasons(form, facts) for form in INTENTIONS}
        known.update((name, facts.label.name) for name, each in found.items() if not isinstance(each, str))
    shares = equal_shares([form.name for form in INTENTIONS], known, counts)
    return {key: share for key, share in shares.items() if share}


def equal_shares(
    questions: Iterable[str], known: Counter[tuple[str, str]], clips: Counter[str]
) -> dict[tuple[str, str], float]:
    """The share of clips with an answer that are asked, so that each class is asked as often as that with the fewest.

    Args:
        questions: What is asked.
        known: For each question and class, how many clips have an answer.
        clips: How many clips of each class were looked at.

    Returns:
        The shares by question and class; all 0 of a question on which some class has no answer at all.
    """
    shares: dict[tuple[str, str], float] = {}
    for question in questions:
        rates = {name: known[question, name] / count for name, count in clips.items()}
        shares |= {(question, name): min(rates.values()) / rate for name, rate in rates.items() if rate}
    return shares


def reasoning_vqa_sample(facts: Facts, seed: int, shares: AskedShares | None = None) -> SFTSample | str:
    """The reasoning question of a clip by rules, or in plain words why there is none.

    Args:
        facts: The clip.
        seed: Of the draw of form, wording and order.
        shares: How often clips of real footage are asked each form; None for one clip alone, which is asked what it
            has an answer to.
    """
    rng = rng_for(seed, facts.clip.clip_id, "reasoning_vqa")
    simulated = facts.scenario is not None
    if simulated and not is_decided(facts):
        return UNDECIDED
    forms = _forms(facts, simulated, shares)
    if not forms:
        return UNEQUAL if shares is not None else UNKNOWN
    form = rng.choice(forms)
    share = 1.0 if simulated or shares is None else shares[form.name, facts.label.name]
    if rng.random() >= share:
        return UNEQUAL
    found = _answer_and_reasons(form, facts)
    if isinstance(found, str):
        return found
    answer, reasons = found
    wrong = [option for option in form.options if option != answer]
    choice = shuffled_choice(rng.choice(PROMPTS[form.name]), answer, wrong, rng)
    return choice_sample(facts, form.name, choice, reasons=reasons)


def _answer_and_reasons(form: Intention, facts: Facts) -> tuple[str, tuple[str, ...]] | str:
    """The answer and what leads to it, or in plain words why there is none."""
    answer = form.answer(facts)
    if answer is None:
        return UNKNOWN
    reasons = reasons_for(facts, answer)
    return (answer, reasons) if len(reasons) >= FEWEST_REASONS else FEW_REASONS


def _forms(facts: Facts, simulated: bool, shares: AskedShares | None) -> list[Intention]:
    if simulated:
        return [form for form in INTENTIONS if form.simulated]
    if shares is None:
        return [form for form in INTENTIONS if form.answer(facts) is not None]
    return [form for form in INTENTIONS if (form.name, facts.label.name) in shares]
