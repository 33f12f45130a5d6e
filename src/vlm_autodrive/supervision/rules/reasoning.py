"""Reasoning traces: who is there, the closest moment, how it came to that, the risk, verdict; always of one shape.

A trace must not lean on what the model cannot see. Trained on exact gaps and speeds, a model learns to read
contact off those numbers, and then off its own wrong ones. So distances and speeds are rough, and the
closest moment stands first, where contact or not is said from the video alone.
"""

from vlm_autodrive.models import reasoning_prompt
from vlm_autodrive.records import TAXONOMIES, SFTSample
from vlm_autodrive.supervision.facts import EncounterFacts, Facts, Moment
from vlm_autodrive.supervision.rules.recorded import contact_line, recorded_lines
from vlm_autodrive.supervision.rules.wording import (
    ego_response,
    is_vehicle,
    origin,
    road_user,
    rough_closing,
    rough_distance,
    sentence,
    speed,
)
from vlm_autodrive.supervision.samples import make_sample
from vlm_autodrive.supervision.teacher_schemas import ReasoningAnswer, reasoning_text

NO_MOTION = "the simulated motion is not known at the cited moments"
_BEFORE_S = (0.8,)  # with a second moment, at 1.6 s, the demo was measured worse
_HIGH_RISK_S, _SOME_RISK_S = 1.5, 4.0


def reasoning_sample(facts: Facts) -> SFTSample | str:
    """The reasoning by rules, or in plain words why there is none."""
    answer = reason(facts)
    if isinstance(answer, str):
        return answer
    return make_sample(facts, "reasoning", "reasoning", reasoning_prompt(facts.taxonomy), reasoning_text(answer))


def reason(facts: Facts) -> ReasoningAnswer | str:
    """The reasoning by rules, or in plain words why there is none."""
    lines = _simulated(facts) if facts.scenario is not None else _annotated(facts)
    if lines is None:
        return NO_MOTION
    event_time = facts.clip.event_time_s if facts.label.is_event else None
    return ReasoningAnswer(
        steps=tuple(sentence(line) for line in lines), verdict=facts.label.code, event_time_s=event_time
    )


def _simulated(facts: Facts) -> list[str] | None:
    if facts.encounter is None:
        return _alone(facts)
    encounter = facts.encounter
    moments = [m for m in _moments(facts, encounter.closest_s) if m.gap_m is not None and m.closing_mps is not None]
    lines = [f"{road_user(encounter)} {'is' if encounter.truth.side == 'ahead' else 'comes'} {origin(encounter)}"]
    seen = [(m.time_s, f"gap {rough_distance(m.gap_m or 0)}, {rough_closing(m.closing_mps or 0)}") for m in moments]
    before, after = _with_bumps(facts, seen, encounter.closest_s)
    risk = _risk(moments[-1]) if moments else ""
    response = f"the ego driver {ego_response(encounter)}" if encounter.complete else ""
    # The outcome stands before the approach: a model that must write numbers first goes by them, right or wrong, when
    # it comes to say whether there was contact.
    lines += [_closest(encounter), *before, "; ".join(part for part in (risk, response) if part)]
    lines += [*after, _verdict(facts, encounter.contact)]
    return [line for line in lines if line]


def _alone(facts: Facts) -> list[str] | None:
    """Plain driving: the vehicle ahead, if there is one, takes the place of the road user."""
    leads = [(s.lead_gap_m, s.time_s) for s in facts.states if s.lead_gap_m is not None]
    if not facts.states:
        return None
    closest_s = min(leads)[1] if leads else facts.clip.duration_s / 2
    moments = _moments(facts, closest_s)
    if leads:
        seen = [(m.time_s, f"gap {rough_distance(m.lead_gap_m)}") for m in moments if m.lead_gap_m is not None]
    else:
        free = "the road ahead is free, " if facts.alone else ""
        seen = [(m.time_s, f"{free}ego {speed(m.ego_speed_mps)}") for m in moments]
    before, after = _with_bumps(facts, seen, closest_s)
    lines = ["a vehicle is ahead" if leads else "no road user to watch" if facts.alone else "a road user is near"]
    if leads:
        lines.append(f"[t={closest_s:.1f}] closest: {rough_distance(min(leads)[0])}, no contact")
    return [*lines, *before, *(["low risk"] if facts.alone else []), *after, _verdict(facts, contact=False)]


def _annotated(facts: Facts) -> list[str]:
    """Real footage: what is recorded and the label alone; no motion is invented."""
    lines = recorded_lines(facts)
    if not facts.label.is_event:
        # In classes of one's own a near miss may well be no event.
        avoided = "no road user is touched or barely missed" if facts.taxonomy in TAXONOMIES.values() else "no event"
        return [*lines, avoided, _verdict(facts, contact=False)]
    whose = {True: "the ego vehicle is involved", False: "the ego vehicle is not involved", None: ""}
    lines.append(f"[t={facts.clip.event_time_s:.1f}] {facts.label.definition}")
    lines += [contact_line(facts), whose[facts.clip.ego_involved]]
    return [line for line in [*lines, _verdict(facts, contact=False)] if line]


def _moments(facts: Facts, closest_s: float) -> list[Moment]:
    """The moment at a fixed distance before the closest approach; the clip's first if it comes early."""
    anchor = round(closest_s, 1)
    times = [round(anchor - before, 1) for before in _BEFORE_S if anchor - before >= 0] or [0.0]
    return [moment for moment in (facts.moment(t) for t in times if t < anchor) if moment is not None]


def _risk(moment: Moment) -> str:
    gap, rate = moment.gap_m or 0.0, moment.closing_mps or 0.0
    left = gap / rate if rate > 0.5 else float("inf")
    if left < _HIGH_RISK_S:
        return "high risk"
    return "some risk" if left < _SOME_RISK_S else "low risk"


def _closest(encounter: EncounterFacts) -> str:
    when = f"[t={encounter.closest_s:.1f}]"
    if encounter.contact:
        jolt = ", with a jolt" if is_vehicle(encounter) else ""
        return f"{when} closest: contact{jolt}"
    return f"{when} closest: {rough_distance(encounter.closest_gap_m)}, no contact"


def _with_bumps(facts: Facts, seen: list[tuple[float, str]], closest_s: float) -> tuple[list[str], list[str]]:
    """What is seen, and the jolt of a speed bump if there was one, in order of time, parted at ``closest_s``."""
    assert facts.scenario is not None
    times = [d.time_s for d in facts.scenario.distractions if d.kind == "speed_bump"]
    bumps = [(t, "a speed bump jolts the camera") for t in times if 0 <= t <= facts.clip.duration_s][:1]
    cited = sorted([*seen, *bumps])
    lines = [(time_s, f"[t={time_s:.1f}] {what}") for time_s, what in cited]
    return [line for t, line in lines if t <= closest_s], [line for t, line in lines if t > closest_s]


def _verdict(facts: Facts, contact: bool) -> str:
    label = facts.label.label
    if facts.scenario is None or (facts.encounter is None and not facts.alone):
        return label  # of an encounter before or after the clip it is not known how near it came
    if contact:
        return f"contact: {label}"
    return f"no contact, but barely: {label}" if facts.label.is_event else f"no contact, with room to spare: {label}"
