"""Visual question answering: the table of topics, and which of them a clip is asked."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.facts import Facts, stated_times
from vlm_autodrive.supervision.rules.vqa import counterfactual, events, labels, motion, scene
from vlm_autodrive.supervision.rules.vqa.scene import Question, Times
from vlm_autodrive.supervision.samples import make_sample, rng_for
from vlm_autodrive.supervision.student_prompts import prompt_for


@dataclass(frozen=True)
class Topic:
    """One topic of questions.

    Attributes:
        name: As in ``SFTSample.topic``, and in the table of prompts.
        ask: Makes the question about a clip; None where the truth is not known or not clear.
        per_clip: Most questions of it that one clip is asked.
        same_rate: Whether it presupposes an event, or a meeting, so that every class must be asked it
            at the same rate: it is asked if, and only if, it stands among the first places of the draw.
        known: What must be known of an event to ask it; clips without an event are then asked it at the rate at
            which that is known, so that the question itself tells nothing.
    """

    name: str
    ask: Callable[[Facts, random.Random, Times], Question | None]
    per_clip: int = 1
    same_rate: bool = False
    known: Literal["", "time", "involvement"] = ""


@dataclass(frozen=True)
class KnownShares:
    """Of a clip set's events, the shares of which something is known.

    Attributes:
        time: When they happen.
        involvement: Whether the ego vehicle is involved.
    """

    time: float = 1.0
    involvement: float = 1.0


ALL_KNOWN = KnownShares()

TOPICS: tuple[Topic, ...] = (
    Topic("light", scene.light),
    Topic("weather", scene.weather),
    Topic("scene", scene.scene),
    Topic("light_check", scene.light_check),
    Topic("weather_check", scene.weather_check),
    Topic("scene_check", scene.scene_check),
    Topic("conditions", scene.conditions),
    Topic("not_there", scene.not_there),
    Topic("untold", scene.untold, per_clip=2),
    Topic("lanes", scene.lanes),
    Topic("ego_lane", scene.ego_lane),
    Topic("ego_speed", motion.ego_speed, per_clip=2),
    Topic("ego_trend", motion.ego_trend),
    Topic("gap", motion.gap, per_clip=3),
    Topic("gap_check", motion.gap_check, per_clip=2),
    Topic("closing_speed", motion.closing_speed, per_clip=2),
    Topic("gap_trend", motion.gap_trend),
    Topic("time_to_contact", motion.time_to_contact),
    Topic("stop_distance", motion.stop_distance),
    Topic("stop_check", motion.stop_check),
    Topic("lead_gap", motion.lead_gap),
    Topic("actor", events.actor),
    Topic("actor_check", events.actor_check),
    Topic("color", events.color),
    Topic("side", events.side),
    Topic("response", events.response),
    Topic("jolt", events.jolt),
    Topic("bump", events.bump),
    Topic("person", events.person),
    Topic("closest_time", events.closest_time, same_rate=True),
    Topic("closest_gap", events.closest_gap, same_rate=True),
    Topic("contact", events.contact, same_rate=True),
    Topic("cause", events.cause, same_rate=True),
    Topic("impact_speed", events.impact_speed, same_rate=True),
    Topic("order", events.order, same_rate=True),
    Topic("outcome", events.outcome, same_rate=True),
    Topic("not_braking", counterfactual.not_braking, same_rate=True),
    Topic("event_check", labels.event_check, same_rate=True),
    Topic("event_time", labels.event_time, same_rate=True, known="time"),
    Topic("event_half", labels.event_half, same_rate=True, known="time"),
    Topic("event_third", labels.event_third, same_rate=True, known="time"),
    Topic("event_before", labels.event_before, same_rate=True, known="time"),
    Topic("ego_involved", labels.ego_involved, same_rate=True, known="involvement"),
)
TOPIC_NAMES = tuple(topic.name for topic in TOPICS)


def vqa_samples(
    facts: Facts,
    seed: int,
    wanted: int,
    topics: Sequence[str] | None = None,
    known: KnownShares = ALL_KNOWN,
) -> list[SFTSample]:
    """The questions of one clip.

    Topics are drawn in an order that does not depend on the class. One that must be asked of all
    classes at the same rate is asked if the draw puts it among the first ``wanted``; the other places
    are filled with what can be asked of this clip.

    Args:
        facts: The clip.
        seed: Of the draw.
        wanted: How many questions; fewer where not enough is known of the clip.
        topics: Names of the topics to draw from; all if None.
        known: What is known of the clip set's events.
    """
    clip_id = facts.clip.clip_id
    times = stated_times(seed, clip_id, facts.clip.duration_s)
    order = [topic for topic in TOPICS if topics is None or topic.name in topics for _ in range(topic.per_clip)]
    rng_for(seed, clip_id, "vqa").shuffle(order)
    fixed = [topic for topic in order[:wanted] if topic.same_rate and not _thinned(facts, topic, seed, known)]
    items: dict[str, SFTSample] = {}
    numbers: dict[str, int] = {}
    for topic in [*fixed, *(topic for topic in order if not topic.same_rate)]:
        if len(items) == wanted:
            break
        number = numbers.get(topic.name, 0)
        numbers[topic.name] = number + 1
        item = _ask(facts, topic, rng_for(seed, clip_id, f"{topic.name}{number}"), times, number)
        if item is not None:
            items.setdefault(item.prompt.text, item)
    return list(items.values())


def _thinned(facts: Facts, topic: Topic, seed: int, known: KnownShares) -> bool:
    """Whether a clip without an event is not asked, as some clips with one are not."""
    if not topic.known or facts.label.is_event:
        return False
    share = known.time if topic.known == "time" else known.involvement
    return rng_for(seed, facts.clip.clip_id, f"thin {topic.known}").random() >= share


def _ask(facts: Facts, topic: Topic, rng: random.Random, times: Times, number: int) -> SFTSample | None:
    question = topic.ask(facts, rng, times)
    if question is None:
        return None
    prompt = prompt_for(question.wording or topic.name, rng, **question.values)
    return make_sample(facts, "vqa", topic.name, prompt, question.target, number=number)
