"""The rule-based samples of one clip, as plain functions of its facts."""

from collections.abc import Sequence

from vlm_autodrive.models import verdict_prompt
from vlm_autodrive.records import SFTSample, SupervisionType
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.captions import caption_sample
from vlm_autodrive.supervision.rules.descriptions import description_sample
from vlm_autodrive.supervision.rules.reasoning import reasoning_sample
from vlm_autodrive.supervision.rules.reasoning_vqa import reasoning_vqa_sample
from vlm_autodrive.supervision.rules.understanding.questions import understanding_samples
from vlm_autodrive.supervision.rules.vqa.topics import ALL_KNOWN, KnownShares, vqa_samples
from vlm_autodrive.supervision.samples import ClipSamples, make_sample, unwritable

NOTHING_TO_ASK = "nothing is known that could be asked"


def rule_based_samples(
    facts: Facts,
    types: Sequence[SupervisionType],
    seed: int,
    vqa_per_clip: int,
    vqa_topics: Sequence[str] | None = None,
    known: KnownShares = ALL_KNOWN,
    *,
    understanding_per_clip: int = 0,
) -> ClipSamples:
    """Write the samples of one labelled clip by rules; they are yet to be checked.

    Args:
        facts: The clip.
        types: Which types.
        seed: Of every draw.
        vqa_per_clip: How many questions.
        vqa_topics: Names of the topics that they are drawn from; all if None.
        known: What is known in the clip set.
        understanding_per_clip: How many understanding questions.
    """
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
        questions = understanding_samples(facts, seed, understanding_per_clip, known.profiles)
        questions += vqa_samples(facts, seed, vqa_per_clip, vqa_topics, known)
        samples += questions
        if not questions:
            missing["vqa"] = NOTHING_TO_ASK
    if "reasoning_vqa" in wanted:
        question = reasoning_vqa_sample(facts, seed, known.intentions)
        if isinstance(question, str):
            missing["reasoning_vqa"] = question
        else:
            samples.append(question)
    if "reasoning" in wanted:
        reasoning = reasoning_sample(facts)
        if isinstance(reasoning, str):
            missing["reasoning"] = reasoning
        else:
            samples.append(reasoning)
    return ClipSamples(tuple(samples), missing)
