"""Captions by grammar: true in every word, and silent on what is not known."""

import random

from vlm_autodrive.records import SupervisionItem
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.items import make_item, rng_for
from vlm_autodrive.supervision.student_prompts import prompt_for
from vlm_autodrive.supervision.wording import road_user, sentence, speed


def caption_item(facts: Facts, seed: int) -> SupervisionItem:
    """The caption of a clip: surroundings, ego motion where known, and the event with its time."""
    rng = rng_for(seed, facts.clip.clip_id, "caption")
    parts = [surroundings(facts, rng), ego_motion(facts), event_clause(facts)]
    target = " ".join(sentence(part) for part in parts if part)
    return make_item(facts, "caption", "caption", prompt_for("caption", rng), target)


def surroundings(facts: Facts, rng: random.Random) -> str:
    """Light, weather and scene, as far as known, in a drawn order; empty if nothing is."""
    scene = facts.scene
    if scene is not None and facts.scenario is not None:
        lanes = facts.scenario.lanes
        scene += f" with {lanes} lane{'s' if lanes != 1 else ''} our way"
    parts = [part for part in (facts.light, facts.weather, scene) if part]
    rng.shuffle(parts)
    return ", ".join(parts)


def ego_motion(facts: Facts) -> str:
    """How the ego vehicle's speed changes over the clip; empty if it is not known."""
    if len(facts.states) < 2:
        return ""
    first, last = facts.states[0].ego_speed_mps, facts.states[-1].ego_speed_mps
    if abs(last - first) < 1.5:
        return f"the ego vehicle starts and ends at about {speed(last)}"
    verb = "slows down" if last < first else "speeds up"
    return f"the ego vehicle {verb} from {speed(first)} to {speed(last)}"


def event_clause(facts: Facts) -> str:
    """The event with its road user and time, or that there is none."""
    if not facts.label.is_event:
        return "no event"
    clause = facts.label.label.lower()
    if facts.meeting is not None and facts.meeting.complete:
        clause += f" with {road_user(facts.meeting)}"
    if facts.clip.ego_involved is False:
        clause += " of others"
    if facts.clip.event_time_s is not None:
        clause += f" at {facts.clip.event_time_s:.1f} s"
    return clause
