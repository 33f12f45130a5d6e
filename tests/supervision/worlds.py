"""Clips and scenarios made by hand for the tests of supervision, and random ones."""

import random
from collections import Counter

from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    Clip,
    Distraction,
    Encounter,
    IncidentMetadata,
    Scenario,
    StatePoint,
    find_incident_value,
)
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.rules.reasoning_vqa import equal_shares
from vlm_autodrive.supervision.rules.understanding.profiles import profile_of
from vlm_autodrive.supervision.rules.vqa.topics import TOPIC_NAMES, KnownShares, answered_topics

FAMILIES = {
    "lead_brake": ("car", "ahead"),
    "cut_in": ("truck", "left"),
    "crossing_vehicle": ("van", "right"),
    "oncoming_drift": ("car", "ahead"),
    "pedestrian_crossing": ("pedestrian", "left"),
    "cyclist_crossing": ("cyclist", "right"),
}
COLORS = ("red", "blue", "white", "orange")
MINIMUM_GAP = {"collision": (0.0, 0.0), "near_collision": (0.2, 0.9), "normal": (2.0, 12.0)}


def random_clip(number: int, event_class: str, duration_s: float = 4.8, split: str = "train") -> Clip:
    """A simulated clip with one encounter that ends as the class says."""
    rng = random.Random(f"world {number} {event_class}")
    family = rng.choice(sorted(FAMILIES))
    actor, side = FAMILIES[family]
    time_s = round(rng.uniform(1.0, duration_s - 0.5), 2)
    closest = round(rng.uniform(*MINIMUM_GAP[event_class]), 2)
    closing = rng.uniform(3, 12)
    states = []
    for step in range(int(duration_s / 0.2) + 1):
        t = round(step * 0.2, 1)
        before = time_s - t
        gap = closest + closing * before if before > 0 else closest - before * (0 if event_class == "collision" else 3)
        rate = closing if before > 0 else (0.0 if event_class == "collision" else -3.0)
        shown = t >= 0.4
        states.append(
            StatePoint(
                time_s=t,
                ego_speed_mps=max(15 - 2.0 * t, 0),
                gap_m=round(gap, 2) if shown else None,
                closing_speed_mps=round(rate, 2) if shown else None,
                lateral_m=0.0 if shown else None,
                lead_gap_m=round(gap, 2) if shown and family == "lead_brake" else None,
            )
        )
    encounter = Encounter(
        family=family,
        event_class=event_class,
        time_s=time_s,
        onset_s=max(time_s - 1.5, 0.5),
        alert_time_s=None if event_class == "normal" else time_s - 0.8,
        actor=actor,
        actor_color=rng.choice(COLORS),
        side=side,
        minimum_gap_m=closest,
        impact_speed_mps=closing if event_class == "collision" else None,
        closing_speed_mps=closing,
        peak_deceleration_mps2=rng.uniform(2, 9),
        evasive=rng.choice(["none", "braking", "steering", "braking_and_steering"]),
        reaction_time_s=0.6,
        cause="the driver reacted late",
    )
    bumps = (Distraction(kind="speed_bump", time_s=0.7),) if rng.random() < 0.3 else ()
    return as_clip(number, event_class, duration_s, split, (encounter,), bumps, tuple(states), rng)


def plain_clip(number: int, lead: bool, duration_s: float = 4.8) -> Clip:
    """A drive without an encounter, behind another vehicle or alone."""
    rng = random.Random(f"plain {number}")
    states = tuple(
        StatePoint(
            time_s=round(step * 0.2, 1),
            ego_speed_mps=12.0,
            gap_m=None,
            closing_speed_mps=None,
            lateral_m=None,
            lead_gap_m=30.0 - 0.5 * step if lead else None,
        )
        for step in range(int(duration_s / 0.2) + 1)
    )
    return as_clip(number, "normal", duration_s, "train", (), (), states, rng)


def as_clip(number, event_class, duration_s, split, encounters, distractions, states, rng) -> Clip:
    scenario = with_surroundings(
        video_id=f"drive_{number:05d}",
        seed=number,
        triplet_id=f"triplet_{number}",
        changed_parameter="reaction_time_s",
        changed_value=1.0,
        light_conditions=rng.choice(["Bright", "Normal", "Twilight", "Dark"]),
        weather=rng.choice(["Clear", "Cloudy", "Rain", "Snow"]),
        scene=rng.choice(["Urban", "Sub-urban", "Highway", "Rural"]),
        lanes=rng.choice([1, 2, 3, 4]),
        ego_lane=0,
        duration_s=duration_s,
        encounters=encounters,
        distractions=distractions,
        states=states,
        hard_negative=False,
    )
    is_event = event_class != "normal"
    return Clip(
        clip_id=f"clip_{number:05d}_{event_class}",
        video_id=f"drive_{number:05d}",
        path=f"/videos/drive_{number:05d}.mp4",
        start_s=0.0,
        end_s=duration_s,
        split=split,
        event_class=event_class,
        event_time_s=encounters[0].time_s if is_event else None,
        alert_time_s=encounters[0].alert_time_s if is_event else None,
        ego_involved=True if is_event else None,
        group_id=f"group_{number}",
        triplet_id=f"triplet_{number}",
        metadata={k: getattr(scenario, k) for k in ("light_conditions", "weather", "scene")},
        scenario=scenario,
    )


def with_surroundings(**fields) -> Scenario:
    """A scenario whose incident metadata say what its own fields say."""
    return Scenario(incident=recorded(**fields), **fields)


def recorded(light_conditions="", weather="", scene="", **_) -> IncidentMetadata:
    """Incident metadata from words of Nexar's columns."""
    said = {"light": light_conditions, "weather": weather, "scene": scene}
    return IncidentMetadata.model_validate({name: find_incident_value(name, text) for name, text in said.items()})


def real_clip(number: int, event_class: str | None, event_time_s: float | None, **metadata: str) -> Clip:
    """A clip of real footage: no scenario."""
    return Clip(
        clip_id=f"real_{number:05d}",
        video_id=f"{number:05d}",
        path=f"/nexar/{number:05d}.mp4",
        start_s=0.0,
        end_s=10.0,
        split="train",
        event_class=event_class,
        event_time_s=event_time_s,
        alert_time_s=None,
        ego_involved=None,
        group_id=f"nexar_{number:05d}",
        triplet_id=None,
        metadata=metadata,
        incident=recorded(**metadata),
    )


def known_of(clips, taxonomy=DEFAULT_TAXONOMY) -> KnownShares:
    """What a survey of these clips finds of their classes."""
    profiles: dict[str, Counter] = {}
    answered: Counter = Counter()
    for clip in clips:
        facts = facts_of(clip, taxonomy)
        profiles.setdefault(facts.label.name, Counter())[profile_of(facts)] += 1
        answered.update((topic, facts.label.name) for topic in answered_topics(facts, 0))
    looked_at = Counter(clip.event_class for clip in clips)
    return KnownShares(profiles=profiles, topics=equal_shares(TOPIC_NAMES, answered, looked_at))
