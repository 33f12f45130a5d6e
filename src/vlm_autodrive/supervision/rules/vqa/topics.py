"""Visual question answering: the table of topics, and the choice of topics for a clip."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vlm_autodrive.records import Clip, SFTSample, Taxonomy
from vlm_autodrive.supervision.facts import Facts, Moment, stated_times
from vlm_autodrive.supervision.multiple_choice import choice_sample, shuffled_choice
from vlm_autodrive.supervision.rules.reasoning_vqa import AskedShares
from vlm_autodrive.supervision.rules.understanding.profiles import ClassProfiles
from vlm_autodrive.supervision.rules.vqa import events, labels, motion, scene
from vlm_autodrive.supervision.rules.vqa.drafts import VqaDraft
from vlm_autodrive.supervision.samples import make_sample, rng_for
from vlm_autodrive.supervision.student_prompts import prompt_for

Ask = Callable[[Facts, random.Random, Sequence[float]], VqaDraft | None]
"""Makes a question from what is known of a clip, chance, and the seconds that questions may name."""


def _facts_only(ask: Callable[[Facts], VqaDraft | None]) -> Ask:
    """A topic that only what is known of the clip decides."""
    return lambda facts, *_: ask(facts)


def _with_draw(ask: Callable[[Facts, random.Random], VqaDraft | None]) -> Ask:
    """A topic with a claim or options that are drawn."""
    return lambda facts, rng, *_: ask(facts, rng)


def _at_moment(ask: Callable[[Moment], VqaDraft | None], *, even: bool = False) -> Ask:
    """A topic on the motion at one stated second; ``even`` if the gap must be well known there."""
    find = motion.even_moment_at if even else motion.moment_at

    def ask_there(facts: Facts, rng: random.Random, times: Sequence[float]) -> VqaDraft | None:
        moment = find(facts, rng, times)
        return None if moment is None else ask(moment)

    return ask_there


@dataclass(frozen=True)
class Topic:
    """One topic of questions.

    Attributes:
        name: As in ``SFTSample.topic``, and in the table of prompts.
        ask: Makes the question about a clip, or None where the truth is not known or not clear.
        per_clip: Most questions of it that one clip is asked.
        same_rate: Whether it presupposes an event, or an encounter, so that every class must be asked it
            at the same rate: it is asked if, and only if, it stands among the first places of the draw.
        known: What must be known of an event to ask it; clips without an event are then asked it at the rate at
            which that is known, so that the question itself tells nothing.
    """

    name: str
    ask: Ask
    per_clip: int = 1
    same_rate: bool = False
    known: Literal["", "time", "involvement"] = ""


@dataclass(frozen=True)
class KnownShares:
    """What is known in a clip set.

    Attributes:
        time: Of which share of the events it is known when they happen.
        involvement: Of which share of the events it is known whether the ego vehicle is involved.
        profiles: How many clips of each class have which profile.
        intentions: How often real footage is asked each form of the reasoning question; None if that is not limited.
        topics: Of the clips of each class with an answer on a topic, the share that is asked, so that all classes are
            asked it at one rate; 1 where it is not named.
    """

    time: float = 1.0
    involvement: float = 1.0
    profiles: ClassProfiles = field(default_factory=dict)
    intentions: AskedShares | None = None
    topics: Mapping[tuple[str, str], float] = field(default_factory=dict)


ALL_KNOWN = KnownShares()


def known_shares(clips: Iterable[Clip], taxonomy: Taxonomy) -> KnownShares:
    """What is known of the events in clips that are supervised; all of it without events."""
    events = times = involvements = 0
    for clip in clips:
        if clip.event_class in taxonomy.event_names:
            events += 1
            times += clip.event_time_s is not None
            involvements += clip.ego_involved is not None
    return KnownShares(times / events, involvements / events) if events else ALL_KNOWN


TOPICS: tuple[Topic, ...] = (
    Topic("light_check", _with_draw(scene.light_check)),
    Topic("weather_check", _with_draw(scene.weather_check)),
    Topic("scene_check", _with_draw(scene.scene_check)),
    Topic("conditions", _facts_only(scene.conditions)),
    Topic("not_there", _with_draw(scene.not_there)),
    Topic("untold", lambda _, rng, *__: scene.untold(rng), per_clip=2),
    Topic("lanes", _facts_only(scene.lanes)),
    Topic("ego_lane", _facts_only(scene.ego_lane)),
    Topic("ego_speed", _at_moment(motion.ego_speed), per_clip=2),
    Topic("ego_trend", motion.ego_trend),
    Topic("gap", _at_moment(motion.gap, even=True), per_clip=3),
    Topic("gap_check", motion.gap_check, per_clip=2),
    Topic("closing_speed", _at_moment(motion.closing_speed, even=True), per_clip=2),
    Topic("gap_trend", motion.gap_trend),
    Topic("time_to_contact", _at_moment(motion.time_to_contact, even=True)),
    Topic("stop_distance", _at_moment(motion.stop_distance)),
    Topic("stop_check", motion.stop_check),
    Topic("lead_gap", _at_moment(motion.lead_gap)),
    Topic("actor_check", _with_draw(events.actor_check)),
    Topic("color", _with_draw(events.color)),
    Topic("side", _facts_only(events.side)),
    Topic("response", _facts_only(events.response)),
    Topic("jolt", _facts_only(events.jolt)),
    Topic("bump", _with_draw(events.bump)),
    Topic("person", _with_draw(events.person)),
    Topic("closest_time", _facts_only(events.closest_time), same_rate=True),
    Topic("closest_gap", _facts_only(events.closest_gap), same_rate=True),
    Topic("contact", _with_draw(events.contact), same_rate=True),
    Topic("cause", _facts_only(events.cause), same_rate=True),
    Topic("impact_speed", _facts_only(events.impact_speed), same_rate=True),
    Topic("order", _facts_only(events.order), same_rate=True),
    Topic("outcome", _facts_only(events.outcome), same_rate=True),
    Topic("not_braking", _with_draw(motion.not_braking), same_rate=True),
    Topic("event_check", _with_draw(labels.event_check), same_rate=True),
    Topic("event_time", _facts_only(labels.event_time), same_rate=True, known="time"),
    Topic("event_half", _facts_only(labels.event_half), same_rate=True, known="time"),
    Topic("event_third", _facts_only(labels.event_third), same_rate=True, known="time"),
    Topic("event_before", labels.event_before, same_rate=True, known="time"),
    Topic("ego_involved", _with_draw(labels.ego_involved), same_rate=True, known="involvement"),
)
TOPIC_NAMES = tuple(topic.name for topic in TOPICS)


def answered_topics(facts: Facts, seed: int) -> tuple[str, ...]:
    """The topics on which a clip has an answer, of those that are not asked of every class alike anyway."""
    clip_id = facts.clip.clip_id
    times = stated_times(seed, clip_id, facts.clip.duration_s)
    return tuple(
        topic.name
        for topic in TOPICS
        if not topic.same_rate and topic.ask(facts, rng_for(seed, clip_id, f"{topic.name}0"), times) is not None
    )


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
    # Who hears "when is the event?" only of events learns the class from the question. So these topics stand by the
    # draw alone, which does not know the class, and are not moved up to fill a place where another has no answer.
    fixed = [topic for topic in order[:wanted] if topic.same_rate and not _thinned(facts, topic, seed, known)]
    samples: dict[str, SFTSample] = {}
    numbers: dict[str, int] = {}
    for topic in [*fixed, *(topic for topic in order if not topic.same_rate)]:
        if len(samples) == wanted:
            break
        number = numbers.get(topic.name, 0)
        numbers[topic.name] = number + 1
        share = known.topics.get((topic.name, facts.label.name), 1.0)
        if rng_for(seed, clip_id, f"share {topic.name}{number}").random() >= share:
            continue
        sample = _ask(facts, topic, rng_for(seed, clip_id, f"{topic.name}{number}"), times, number)
        if sample is not None:
            samples.setdefault(sample.prompt.text, sample)
    return list(samples.values())


def _thinned(facts: Facts, topic: Topic, seed: int, known: KnownShares) -> bool:
    """Whether a clip without an event is not asked, as some clips with one are not."""
    if not topic.known or facts.label.is_event:
        return False
    # One draw for all topics that need the same: an event's time is known for all of them or for none.
    share = known.time if topic.known == "time" else known.involvement
    return rng_for(seed, facts.clip.clip_id, f"thin {topic.known}").random() >= share


def _ask(facts: Facts, topic: Topic, rng: random.Random, times: Sequence[float], number: int) -> SFTSample | None:
    draft = topic.ask(facts, rng, times)
    if draft is None:
        return None
    prompt = prompt_for(draft.wording or topic.name, rng, **draft.values)
    if draft.others:
        choice = shuffled_choice(prompt.text, draft.target, draft.others, rng)
        return choice_sample(facts, topic.name, choice, number=number)
    return make_sample(facts, "vqa", topic.name, prompt, draft.target, number=number)
