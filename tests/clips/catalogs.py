"""Catalogs made in memory for the clips' tests."""

from vlm_autodrive.records import Distraction, Encounter, Event, Scenario, StatePoint, Video


def video(name, duration_s=40.0, positive=False, **more):
    more = {"group_id": name, **more}
    return Video(video_id=name, path=f"/data/{name}.mp4", positive=positive, duration_s=duration_s, **more)


def event(name, time_s, event_class="collision", number=0, **more):
    return Event(event_id=f"{name}-e{number}", video_id=name, event_class=event_class, time_s=time_s, **more)


def encounter(time_s, event_class="normal", alert_s=None):
    return Encounter(
        family="lead_brake", event_class=event_class, time_s=time_s, onset_s=time_s - 2, alert_time_s=alert_s,
        actor="car", actor_color="red", side="ahead", minimum_gap_m=3, impact_speed_mps=None, closing_speed_mps=2,
        peak_deceleration_mps2=3, evasive="braking", reaction_time_s=0.8, cause="the lead car braked",
    )  # fmt: skip


def scenario(name, duration_s, *encounters, triplet_id=None, distractions=()):
    states = tuple(
        StatePoint(time_s=i / 5, ego_speed_mps=i, gap_m=None, closing_speed_mps=None, lateral_m=None, lead_gap_m=None)
        for i in range(round(duration_s * 5))
    )
    return Scenario(
        video_id=name, seed=1, triplet_id=triplet_id, changed_parameter=None, changed_value=None,
        light_conditions="Normal", weather="Clear", scene="Urban", lanes=2, ego_lane=0, duration_s=duration_s,
        encounters=encounters, states=states, hard_negative=False,
        distractions=tuple(Distraction(kind="speed_bump", time_s=t) for t in distractions),
    )  # fmt: skip


def triplet(name, time_s=7.0, duration_s=14.0, shift_s=0.3):
    """Three outcomes of one scenario, whose decisive times differ a little."""
    videos, events, scenarios = [], [], {}
    for number, ending in enumerate(("collision", "near_collision", "normal")):
        own, at = f"{name}-{ending}", time_s + number * shift_s
        videos.append(video(own, duration_s, ending != "normal", group_id=name, triplet_id=name))
        if ending != "normal":
            events.append(event(own, at, ending, alert_time_s=at - 1, ego_involved=True))
        scenarios[own] = scenario(own, duration_s, encounter(at, ending), triplet_id=name)
    return videos, events, scenarios
