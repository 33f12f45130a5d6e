"""The known facts of a clip, looked up in one place, so that all samples agree."""

import math
import random
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

from vlm_autodrive.records import Clip, Encounter, EventClass, IncidentMetadata, Scenario, StatePoint, Taxonomy

STATED_TIMES = 6
_GRID_S = 0.2
_EVEN_MPS, _TOGETHER_MPS = 2.0, 0.3
_BRAKED_MPS2 = {"none": 0.7, "normal": 4.2}  # up to which braking is still called so
_SAME_LEAD_M = 6.0  # a gap that leaps by more from one state to the next is that to another vehicle
_LIGHT = {"bright": "bright daylight", "normal": "plain daylight", "twilight": "twilight", "dark": "darkness"}
_WEATHER = {"clear": "clear weather", "cloudy": "cloudy weather", "rain": "rain", "snow": "snow"}
_SCENE = {"urban": "urban road", "suburban": "suburban road", "highway": "highway", "rural": "rural road"}
LIGHTS, WEATHERS, SCENES = tuple(_LIGHT.values()), tuple(_WEATHER.values()), tuple(_SCENE.values())
"""What excludes one another, and may be claimed of a video and denied. The words below overlap with some of these."""
_LIGHT |= {"day": "daylight"}
_WEATHER |= {"fog": "fog"}
_SCENE |= {
    "industrial": "road in an industrial area", "tunnel": "tunnel", "mountain": "mountain road", "car_park": "car park"
}  # fmt: skip


@dataclass(frozen=True)
class EncounterFacts:
    """The other road user that matters in a clip.

    Attributes:
        truth: The simulation's record of it.
        closest_s: When it is closest within the clip, in clip time.
        closest_gap_m: How close.
        complete: Whether the outcome lies within the clip; if not, nothing may be said of how it ended.
    """

    truth: Encounter
    closest_s: float
    closest_gap_m: float
    complete: bool

    @property
    def contact(self) -> bool:
        """Whether the two touch within the clip."""
        return self.complete and self.truth.impact_speed_mps is not None


@dataclass(frozen=True)
class Moment:
    """The motion at one time; a distance is None where there is no such road user.

    ``even`` tells whether the gap changes evenly around that time. Where one vehicle passes the other's corner it
    does not, and what lies between two records of it is not known well enough to be put into a number.
    """

    time_s: float
    ego_speed_mps: float
    gap_m: float | None
    closing_mps: float | None
    lead_gap_m: float | None
    even: bool


@dataclass(frozen=True)
class Facts:
    """A labelled clip, and its metadata in the words that are used for it.

    Attributes:
        clip: The clip.
        taxonomy: The classes.
        label: The clip's class.
        incident: What is recorded of the clip; for a simulated one, what holds within its window.
        light: The light in words; None if it is not recorded.
        weather: Likewise.
        scene: Likewise.
        encounter: The road user that matters; None for real footage and plain driving.
        states: The simulated motion within the clip.
    """

    clip: Clip
    taxonomy: Taxonomy
    label: EventClass
    incident: IncidentMetadata
    light: str | None
    weather: str | None
    scene: str | None
    encounter: EncounterFacts | None
    states: tuple[StatePoint, ...]

    @property
    def scenario(self) -> Scenario | None:
        """The simulation's truth; None for real footage."""
        return self.clip.scenario

    @property
    def alone(self) -> bool:
        """Whether there is no road user to watch, not even one whose encounter lies before or after the clip."""
        return self.encounter is None and all(state.gap_m is None for state in self.states)

    def moment(self, time_s: float) -> Moment | None:
        """The motion at any time of the clip, between two states on a straight line; None if not known."""
        times = [state.time_s for state in self.states]
        if len(times) < 2 or not self._is_of_encounter(time_s):
            return None
        after = min(max(bisect_left(times, time_s - 1e-6), 1), len(times) - 1)
        low, high = self.states[after - 1], self.states[after]
        nearest = min((low, high), key=lambda state: abs(state.time_s - time_s))
        if abs(nearest.time_s - time_s) > 0.75 * _GRID_S or self._blow_between(low, high):
            return None  # between the two comes the blow, and nothing runs on a straight line
        share = (time_s - low.time_s) / (high.time_s - low.time_s)

        def between(a: float | None, b: float | None, at_nearest: float | None) -> float | None:
            return at_nearest if a is None or b is None else a + share * (b - a)

        gap, lead = between(low.gap_m, high.gap_m, nearest.gap_m), nearest.lead_gap_m
        if lead is not None and abs((low.lead_gap_m or lead) - (high.lead_gap_m or lead)) < _SAME_LEAD_M:
            lead = between(low.lead_gap_m, high.lead_gap_m, lead)
        return Moment(
            time_s=time_s,
            ego_speed_mps=max(low.ego_speed_mps + share * (high.ego_speed_mps - low.ego_speed_mps), 0.0),
            gap_m=None if gap is None else max(gap, 0.0),
            closing_mps=between(low.closing_speed_mps, high.closing_speed_mps, nearest.closing_speed_mps),
            lead_gap_m=None if lead is None else max(lead, 0.0),
            even=_is_even(low, high),
        )

    def _blow_between(self, low: StatePoint, high: StatePoint) -> bool:
        if self.encounter is None or not self.encounter.contact:
            return (low.gap_m == 0.0) != (high.gap_m == 0.0)
        return low.time_s < self.encounter.truth.time_s <= high.time_s

    def _is_of_encounter(self, time_s: float) -> bool:
        """Whether the states at that time speak of this encounter, not of another one before or after it."""
        encounters = self.clip.scenario.encounters if self.clip.scenario else ()
        if self.encounter is None or len(encounters) < 2:
            return True
        return min(encounters, key=lambda e: abs(e.time_s - time_s)) == self.encounter.truth


def shows_its_event(clip: Clip) -> bool:
    """Whether a sample may speak of the clip's event: not if it was cut to end before it."""
    return clip.event_time_s is None or clip.event_time_s < clip.duration_s


def lacks_time(facts: Facts) -> bool:
    """Whether a clip shows an event whose time is not known: no reasoning could then end as it must."""
    return facts.label.is_event and facts.clip.event_time_s is None


def facts_of(clip: Clip, taxonomy: Taxonomy) -> Facts:
    """Gather what is known of a labelled clip.

    Raises:
        KeyError: If the clip's class is not in the taxonomy.
    """
    assert clip.event_class is not None
    label = taxonomy.by_name(clip.event_class)
    scenario = clip.scenario
    states: tuple[StatePoint, ...] = ()
    if scenario is not None:
        states = tuple(s for s in scenario.states if -1e-6 <= s.time_s <= clip.duration_s + 1e-6)
    encounter = _encounter(clip, states)
    incident = _incident(clip, encounter, states)
    return Facts(
        clip=clip,
        taxonomy=taxonomy,
        label=label,
        incident=incident,
        light=_LIGHT.get(incident.light or ""),
        weather=_WEATHER.get(incident.weather or ""),
        scene=_SCENE.get(incident.scene or ""),
        encounter=encounter,
        states=states,
    )


def known_by_rules(facts: Facts) -> tuple[str, ...]:
    """What the rules write from, as in ``SFTSample.teacher_inputs``."""
    sources = {
        "label": True,
        "metadata": bool(facts.incident.known),
        "scenario": facts.scenario is not None,
    }
    return tuple(name for name, has in sources.items() if has)


def stated_times(seed: int, clip_id: str, duration_s: float) -> tuple[float, ...]:
    """The seconds that questions about a clip may name. By its arguments it cannot know of the event.

    A question asked at the event's own second would tell the student when the event is, and that there is one.
    """
    count = int(duration_s / _GRID_S + 1e-6)
    grid = [round(step * _GRID_S, 1) for step in range(1, count)]
    rng = random.Random(f"{seed}:{clip_id}:times")
    return tuple(sorted(rng.sample(grid, min(STATED_TIMES, len(grid)))))


def _incident(clip: Clip, encounter: EncounterFacts | None, states: tuple[StatePoint, ...]) -> IncidentMetadata:
    """What is recorded of a clip, but for what may be seen to be otherwise elsewhere in it."""
    if clip.scenario is None:
        return clip.incident
    whole = clip.scenario.incident
    if encounter is None or not encounter.complete:
        return whole
    incident = encounter.truth.incident
    unsure: dict[str, None] = {}
    if incident.road_layout != "intersection":
        unsure["road_layout"] = None  # a junction may be in view before or after the encounter
    if incident.traffic_density == "none":
        unsure["traffic_density"] = None
    if _hardest_braking(states, encounter) > _BRAKED_MPS2.get(incident.ego_braking or "", math.inf):
        unsure["ego_braking"] = None  # it brakes for something else as well
    return incident.model_copy(update=unsure).over(whole)


def _hardest_braking(states: tuple[StatePoint, ...], encounter: EncounterFacts) -> float:
    """The hardest braking in the clip, whatever it is for, in m/s²; up to a blow, which is no braking."""
    until = encounter.truth.time_s if encounter.contact else math.inf
    pairs = [(a, b) for a, b in pairwise(states) if b.time_s < until]
    return max(((a.ego_speed_mps - b.ego_speed_mps) / (b.time_s - a.time_s) for a, b in pairs), default=0.0)


def _encounter(clip: Clip, states: tuple[StatePoint, ...]) -> EncounterFacts | None:
    if clip.scenario is None or not clip.scenario.encounters:
        return None
    encounters = clip.scenario.encounters
    inside = [e for e in encounters if 0.0 <= e.time_s <= clip.duration_s]
    if inside:
        # A clip may hold a second encounter, and a closer one: the labelled event is the one to speak of.
        event_time = clip.event_time_s
        if event_time is not None:
            main = min(inside, key=lambda e: abs(e.time_s - event_time))
            closest = event_time if abs(main.time_s - event_time) <= _GRID_S else main.time_s
        else:
            main = min(inside, key=lambda e: e.minimum_gap_m)
            closest = main.time_s
        return EncounterFacts(main, closest, main.minimum_gap_m, complete=True)
    middle = clip.duration_s / 2
    main = min(encounters, key=lambda e: abs(e.time_s - middle))
    gaps = [(s.gap_m, s.time_s) for s in states if s.gap_m is not None]
    if not gaps:
        return None
    gap, time_s = min(gaps)
    return EncounterFacts(main, time_s, gap, complete=False)


def _is_even(low: StatePoint, high: StatePoint) -> bool:
    """Whether the gap changes at a rate that changes little, and by what the rates at both ends give."""
    if low.gap_m is None or high.gap_m is None or low.closing_speed_mps is None or high.closing_speed_mps is None:
        return low.gap_m is None and high.gap_m is None
    rates = (low.closing_speed_mps, high.closing_speed_mps)
    mean = (low.gap_m - high.gap_m) / (high.time_s - low.time_s)
    passing = 2 * _GRID_S * max(map(abs, rates)) > max(low.gap_m, high.gap_m, 0.1)
    return not passing and abs(rates[1] - rates[0]) < _EVEN_MPS and abs(mean - sum(rates) / 2) < _TOGETHER_MPS
