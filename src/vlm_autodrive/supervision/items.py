"""Making one supervision item, the same way for every kind."""

import random

from vlm_autodrive.records import Outcome, SFTSample, StudentPrompt, SupervisionType
from vlm_autodrive.supervision.facts import Facts, known_by_rules
from vlm_autodrive.supervision.rules.wording import mentions_side, mirror_free_text, mirror_text

RULES = "rules"
RULES_VERSION = "1"


def rng_for(seed: int, clip_id: str, purpose: str) -> random.Random:
    """Chance that depends on the seed, the clip and the purpose only, so that results are stable."""
    return random.Random(f"{seed}:{clip_id}:{purpose}")


def make_item(
    facts: Facts,
    kind: SupervisionType,
    topic: str,
    prompt: StudentPrompt,
    target: str,
    *,
    number: int = 0,
    teacher: str = RULES,
    teacher_prompt_version: str = RULES_VERSION,
    teacher_inputs: tuple[str, ...] = (),
    replies: tuple[str, ...] = (),
    outcome: Outcome = Outcome.OK,
) -> SFTSample:
    """Make an item, with the target of its mirror image.

    Args:
        facts: The clip.
        kind: The kind of supervision.
        topic: What it is about.
        prompt: What the student is asked.
        target: What it is to answer.
        number: Tells items of one clip and topic apart.
        teacher: Who wrote the target.
        teacher_prompt_version: By which prompt or rules.
        teacher_inputs: What the writer had before it; for rules, if empty, all that they know of the clip.
        replies: Ids of the teacher's replies that it was made from.
        outcome: How the writing ended.
    """
    mirrored: str | None = None
    if not mentions_side(prompt.text):
        mirrored = mirror_text(target) if teacher == RULES else mirror_free_text(target)
    return SFTSample(
        sample_id="/".join([facts.clip.clip_id, kind, topic] + ([str(number)] if number else [])),
        clip_id=facts.clip.clip_id,
        type=kind,
        topic=topic,
        prompt=prompt,
        target=target,
        mirror_target=mirrored,
        teacher=teacher,
        teacher_prompt_version=teacher_prompt_version,
        teacher_inputs=teacher_inputs or (known_by_rules(facts) if teacher == RULES else ()),
        replies=replies,
        outcome=outcome,
    )
