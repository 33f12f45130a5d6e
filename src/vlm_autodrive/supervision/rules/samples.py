"""The rule-based samples of one clip: plain functions of what is known of it."""

from collections.abc import Iterable, Sequence

from vlm_autodrive.models import verdict_prompt
from vlm_autodrive.records import Clip, SFTSample, SupervisionType, Taxonomy
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.facts import Facts, facts_of, stated_times
from vlm_autodrive.supervision.rules.captions import caption_sample
from vlm_autodrive.supervision.rules.descriptions import description_sample
from vlm_autodrive.supervision.rules.reasoning import reasoning_sample
from vlm_autodrive.supervision.rules.vqa.topics import ALL_KNOWN, KnownShares, vqa_samples
from vlm_autodrive.supervision.samples import ClipSamples, make_sample, unwritable
from vlm_autodrive.supervision.settings import SuperviseSettings

NOT_SUPERVISED = {
    "test": "test clips are never supervised",
    "problem": "the clip cannot be used",
    "class": "the kind of its event is unknown",
    "taxonomy": "its class is not in the taxonomy",
}

NOTHING_TO_ASK = "nothing is known that could be asked"


def why_not(clip: Clip, taxonomy: Taxonomy) -> str:
    """Why a clip gets no supervision at all; empty if it does."""
    if clip.split == "test":
        return NOT_SUPERVISED["test"]
    if clip.problem:
        return NOT_SUPERVISED["problem"]
    if clip.event_class is None:
        return NOT_SUPERVISED["class"]
    return "" if clip.event_class in taxonomy.names else NOT_SUPERVISED["taxonomy"]


def rule_based_samples(
    facts: Facts, types: Sequence[SupervisionType], settings: SuperviseSettings, known: KnownShares = ALL_KNOWN
) -> ClipSamples:
    """Write the samples of one labelled clip by rules.

    Args:
        facts: The clip.
        types: Which types.
        settings: How many questions, about what, and the seed.
        known: What is known of the clip set's events.
    """
    clip, seed = facts.clip, settings.seed
    missing = unwritable(facts, types)
    wanted = [type_ for type_ in types if type_ not in missing]
    samples: list[SFTSample] = []
    if "verdict" in wanted:
        prompt, code = verdict_prompt(facts.taxonomy), facts.label.code
        samples.append(make_sample(facts, "verdict", "verdict", prompt, code, teacher_inputs=("label",)))
    if "caption" in wanted:
        samples.append(caption_sample(facts, seed))
    if "description" in wanted:
        samples.append(description_sample(facts, seed))
    if "vqa" in wanted:
        questions = vqa_samples(facts, seed, settings.vqa_per_clip, settings.vqa_topics, known)
        samples += questions
        if not questions:
            missing["vqa"] = NOTHING_TO_ASK
    if "reasoning" in wanted:
        reasoning = reasoning_sample(facts)
        if isinstance(reasoning, str):
            missing["reasoning"] = reasoning
        else:
            samples.append(reasoning)
    times = stated_times(seed, clip.clip_id, clip.duration_s)
    return ClipSamples(tuple(checked(sample, facts, times) for sample in samples), missing)


def samples_for_clip(
    clip: Clip, taxonomy: Taxonomy, settings: SuperviseSettings, *, known: KnownShares = ALL_KNOWN
) -> ClipSamples:
    """Write all samples of one labelled clip by rules, for notebooks.

    Args:
        clip: The clip.
        taxonomy: The classes.
        settings: What is wanted; its teacher and student are not asked.
        known: What is known of the clip set's events.
    """
    return rule_based_samples(facts_of(clip, taxonomy), settings.types, settings, known)


def known_shares(clips: Iterable[Clip], taxonomy: Taxonomy) -> KnownShares:
    """What is known of the events in supervised clips; all of it without events."""
    events = times = involvements = 0
    for clip in clips:
        if clip.event_class in taxonomy.event_names and not why_not(clip, taxonomy):
            events += 1
            times += clip.event_time_s is not None
            involvements += clip.ego_involved is not None
    return KnownShares(times / events, involvements / events) if events else ALL_KNOWN
