"""The SFT samples of a clip, and making one of them, with its mirror image, the same way for every type."""

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from vlm_autodrive.records import Outcome, SFTSample, StudentPrompt, SupervisionType
from vlm_autodrive.supervision.facts import Facts, known_by_rules, lacks_time, shows_its_event

Known = TypeVar("Known")
RULES = "rules"
HUMAN = "human"
RULES_VERSION = "1"
NO_TIME = "reasoning needs the event's time, which is not known"
NOT_SHOWN = "the event lies after the end of the clip, so only the verdict is supervised"
_SIDES = re.compile(r"\b(left|right)\b", re.IGNORECASE)
_PLAIN_SIDES = re.compile(
    r"\b(?:(?:on|from|to|towards) (?:the|its|our) (left|right)(?! of way)"
    r"|(left|right)(?:most)? (?:lane|side|edge|kerb|half))\b",
    re.IGNORECASE,
)
_UNSWAPPABLE = re.compile(r"\b(?:driver'?s side|passenger side|clockwise|leftmost|rightmost|nearside|offside)\b", re.I)
_OTHER = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class ClipSamples:
    """What was written about one clip.

    Attributes:
        samples: Its SFT samples, each with its checks.
        missing: For each type that was wanted and has no sample, why not.
    """

    samples: tuple[SFTSample, ...] = ()
    missing: dict[SupervisionType, str] = field(default_factory=dict)


def unwritable(facts: Facts, types: Iterable[SupervisionType]) -> dict[SupervisionType, str]:
    """The types that nobody can write about a clip, and why not."""
    if not shows_its_event(facts.clip):
        return {type_: NOT_SHOWN for type_ in types if type_ != "verdict"}
    return {"reasoning": NO_TIME} if "reasoning" in types and lacks_time(facts) else {}


def rng_for(seed: int, clip_id: str, purpose: str) -> random.Random:
    """Chance that depends on the seed, the clip and the purpose only, so that results are stable."""
    return random.Random(f"{seed}:{clip_id}:{purpose}")


def drawn_from_other_classes(
    facts: Facts, seed: int, purpose: str, found: Mapping[str, Counter[Known]]
) -> dict[str, Known]:
    """What is known of one random clip of each class but the clip's own, in the classes' order.

    A clip that is asked only what is known of itself and of these is asked the same whatever its own class is.

    Args:
        facts: The clip.
        seed: Of the draw.
        purpose: Begins the name of the draw, which the class ends.
        found: By class, how many clips of the set have what known; a class without any clip has no place in the result.
    """
    drawn = {}
    for name in facts.taxonomy.names:
        if name != facts.label.name and found.get(name):
            rng = rng_for(seed, facts.clip.clip_id, f"{purpose} {name}")
            (drawn[name],) = rng.choices(list(found[name]), list(found[name].values()))
    return drawn


def make_sample(
    facts: Facts,
    type_: SupervisionType,
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
    """Make a sample, with the target of its mirror image.

    Args:
        facts: The clip.
        type_: The supervision type.
        topic: What it is about.
        prompt: What the student is asked.
        target: What it is to answer.
        number: Tells samples of one clip and topic apart.
        teacher: Who wrote the target.
        teacher_prompt_version: By which prompt or rules.
        teacher_inputs: What the writer had before it; for rules, if empty, all that they know of the clip.
        replies: Ids of the teacher's replies that it was made from.
        outcome: How the writing ended.
    """
    return SFTSample(
        sample_id="/".join([facts.clip.clip_id, type_, topic] + ([str(number)] if number else [])),
        clip_id=facts.clip.clip_id,
        type=type_,
        topic=topic,
        prompt=prompt,
        target=target,
        mirror_target=_mirror_target(prompt, target, teacher),
        teacher=teacher,
        teacher_prompt_version=teacher_prompt_version,
        teacher_inputs=teacher_inputs or (known_by_rules(facts) if teacher == RULES else ()),
        replies=replies,
        outcome=outcome,
    )


def rewritten(sample: SFTSample, target: str) -> SFTSample:
    """The sample with a target that a person wrote, who saw the clip and its label."""
    return sample.model_copy(
        update={
            "target": target,
            "mirror_target": _mirror_target(sample.prompt, target, HUMAN),
            "teacher": HUMAN,
            "teacher_prompt_version": "1",
            "teacher_inputs": ("label", "frames"),
            "outcome": Outcome.OK,
        }
    )


def _mirror_target(prompt: StudentPrompt, target: str, teacher: str) -> str | None:
    """The target of the flipped video: training may flip it left to right, and the target must then be true of it.

    A question that names a side would be about the other one then: it gets none, which keeps its clip unflipped.
    """
    if _mentions_side(prompt.text):
        return None
    return mirror_text(target) if teacher == RULES else mirror_free_text(target)


def _mentions_side(text: str) -> bool:
    """Whether a text says left or right."""
    return bool(_SIDES.search(text))


def mirror_text(text: str) -> str | None:
    """What is true of the mirror image, for rule-based text. None if it cannot be said by swapping words.

    A lane counted from one side (``lane 2 of 4 from the left``) is true when counted from the other.
    """
    return None if _UNSWAPPABLE.search(text) else _swap(text)


def mirror_free_text(text: str) -> str | None:
    """Likewise for text that a model wrote, where ``right`` may mean something else: then None."""
    plain = {match.start(1 if match.group(1) else 2) for match in _PLAIN_SIDES.finditer(text)}
    if any(match.start() not in plain for match in _SIDES.finditer(text)):
        return None
    return mirror_text(text)


def _swap(text: str) -> str:
    def other(match: re.Match[str]) -> str:
        word = _OTHER[match.group().lower()]
        return word.capitalize() if match.group()[0].isupper() else word

    return _SIDES.sub(other, text)
