"""From an encounter's ending to a video: the window in time, the shot to render, and the truth of it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.records import Distraction, Encounter, Side, StatePoint
from vlm_autodrive.simulation.camera import shaken
from vlm_autodrive.simulation.causes import cause_of
from vlm_autodrive.simulation.drawing import Look
from vlm_autodrive.simulation.endings import Ending
from vlm_autodrive.simulation.physics import BODIES, DT, EGO_BODY, Array, Path, box_gap
from vlm_autodrive.simulation.shot import Camera, Shot, Track
from vlm_autodrive.simulation.traffic import Vehicle

STATE_EVERY_S = 0.2
_SEEN_AHEAD_M = 80.0
_ALERT_AFTER_S = 0.4


Evasive = Literal["none", "braking", "steering", "braking_and_steering"]


@dataclass(frozen=True)
class Dip:
    """Hard braking for nothing, and the recovery from it; times from the onset of the encounter."""

    start_s: float
    braking_mps2: float = 5.5
    braking_s: float = 0.55
    recovery_s: float = 1.0

    @property
    def end_s(self) -> float:
        """When the old speed is reached again."""
        return self.start_s + self.braking_s + self.recovery_s

    def acceleration(self, time: Array) -> Array:
        """What it adds to the ego vehicle's acceleration; its integral is zero."""
        braking = (time >= self.start_s) & (time < self.start_s + self.braking_s)
        recovering = (time >= self.start_s + self.braking_s) & (time < self.end_s)
        return recovering * (self.braking_mps2 * self.braking_s / self.recovery_s) - braking * self.braking_mps2


@dataclass(frozen=True)
class Meeting:
    """An encounter in its place in a video.

    The actor's path runs over the whole timeline; ``onset_s`` is negative if the hazard began before it.
    """

    ending: Ending
    color: str
    onset_s: float
    actor: Path
    height: Array
    tilt: Array
    present: NDArray[np.bool_]
    cause: str

    @property
    def event_s(self) -> float:
        """When it comes to contact, or to the closest approach."""
        return self.onset_s + self.ending.event_step * DT


@dataclass(frozen=True)
class Timeline:
    """The motion of a whole video, every ``DT`` seconds.

    Attributes:
        start_s: The time of the first frame, on the clock of the traffic.
        ego: The recording vehicle.
        acceleration: Its acceleration.
        meetings: What happens, in order of time.
        distractions: What does not matter, in order of time.
        traffic: The other vehicles.
    """

    start_s: float
    ego: Path
    acceleration: Array
    meetings: tuple[Meeting, ...]
    distractions: tuple[Distraction, ...]
    traffic: tuple[Vehicle, ...]

    @property
    def time(self) -> Array:
        """Seconds after the first frame."""
        result: Array = np.arange(len(self.ego.s)) * DT
        return result


def cruise(speed: float, before_s: float, dip: Dip | None) -> tuple[Path, Array]:
    """The ego vehicle's approach: the steps before the onset, at which it is at place 0 with its cruising speed."""
    steps = round(before_s / DT)
    time = (np.arange(steps + 1) - steps) * DT
    acceleration = dip.acceleration(time) if dip is not None else np.zeros_like(time)
    v = speed - (acceleration[::-1].cumsum()[::-1] * DT)
    s = -(v[::-1].cumsum()[::-1] - v[-1]) * DT
    zero = np.zeros(steps)
    return Path(s[:-1], zero, zero, v[:-1]), acceleration[:-1]


def approach(ending: Ending, steps: int) -> Path:
    """Where the actor was in the steps before the onset."""
    actor, setup = ending.motion.actor, ending.setup
    time = (np.arange(steps) - steps) * DT
    speed = 0.0 if setup.family in ("pedestrian_crossing", "cyclist_crossing") else setup.actor_speed
    heading = float(actor.heading[0])
    return Path(
        actor.s[0] + speed * np.cos(heading) * time,
        actor.d[0] + speed * np.sin(heading) * time,
        np.full(steps, heading),
        np.full(steps, speed),
    )


def joined(*paths: Path) -> Path:
    """Paths one after the other."""
    return Path(
        *(np.concatenate(parts) for parts in zip(*((p.s, p.d, p.heading, p.speed) for p in paths), strict=True))
    )


def cut(path: Path, first: int, count: int) -> Path:
    """A stretch of a path."""
    return Path(*(x[first : first + count] for x in (path.s, path.d, path.heading, path.speed)))


def clip_timeline(
    ending: Ending,
    color: str,
    event_s: float,
    duration_s: float,
    dip: Dip | None,
    distractions: tuple[Distraction, ...],
    traffic: tuple[Vehicle, ...],
    benign: Ending | None,
) -> Timeline:
    """The window of ``duration_s`` around an encounter in which its event falls on ``event_s``.

    The onset may come before the first frame; the video then begins in the middle of the encounter.
    """
    onset = round(event_s / DT) - ending.event_step
    before, first = max(onset, 0), max(-onset, 0)
    count = round(duration_s / DT) + 1
    road, slowing = cruise(ending.setup.ego_speed, before * DT, dip)
    motion = ending.motion
    ego = cut(joined(road, motion.ego), first, count)
    zero = np.zeros(before)
    shown = slice(first, first + count)
    meeting = Meeting(
        ending=ending,
        color=color,
        onset_s=onset * DT,
        actor=cut(joined(approach(ending, before), motion.actor), first, count),
        height=np.concatenate([zero, motion.height])[shown],
        tilt=np.concatenate([zero, motion.tilt])[shown],
        present=np.ones(count, dtype=bool),
        cause=cause_of(ending, benign),
    )
    acceleration = np.concatenate([slowing, motion.acceleration])[shown]
    return Timeline(-onset * DT, ego, acceleration, (meeting,), distractions, traffic)


def shot_of(timeline: Timeline, look: Look, fps: int, noise_seed: int) -> Shot:
    """What is to be seen in each frame."""
    time, ego = timeline.time, timeline.ego
    frames = np.arange(round(time[-1] * fps))
    steps = np.round(frames / fps / DT).astype(int)
    blows = [m.event_s for m in timeline.meetings if m.ending.event_class == "collision"]
    bumps = [x.time_s for x in timeline.distractions if x.kind == "speed_bump"]
    pitch, roll, lift, sway = shaken(
        time, timeline.acceleration, ego.speed, ego.heading, bumps, blows, look.seed % 2**31
    )
    camera = Camera(*(x[steps] for x in (ego.s, ego.d, ego.heading, pitch, roll, lift, sway)))
    tracks = []
    for meeting in timeline.meetings:
        actor = meeting.actor
        braking = (np.gradient(actor.speed, DT) < -0.6) | (actor.speed < 0.2)
        if meeting.ending.setup.family == "lead_brake":
            braking |= (
                actor.speed < meeting.ending.setup.actor_speed - 0.3
            )  # slow in the middle of the road: the foot stays down
        tracks.append(
            Track(
                meeting.ending.setup.actor,
                meeting.color,
                actor.s[steps],
                actor.d[steps],
                actor.heading[steps],
                meeting.height[steps],
                meeting.tilt[steps],
                braking[steps],
                meeting.present[steps],
            )
        )
    zero = np.zeros(len(steps))
    no, yes = np.zeros(len(steps), dtype=bool), np.ones(len(steps), dtype=bool)
    for vehicle in timeline.traffic:
        pose = vehicle.pose(timeline.start_s + time[steps])
        tracks.append(Track(vehicle.kind, vehicle.color, pose.s, pose.d, pose.heading, zero, zero, no, yes))
    junctions = tuple(
        float(m.actor.s[max(round(m.onset_s / DT), 0)])
        for m in timeline.meetings
        if m.ending.setup.family == "crossing_vehicle"
    )
    return Shot(look, camera, tuple(tracks), junctions, noise_seed)


def states_of(timeline: Timeline, duration_s: float) -> tuple[StatePoint, ...]:
    """The motion every 0.2 s, for the encounter nearest in time."""
    count = round(duration_s / STATE_EVERY_S)
    times = np.arange(count) * STATE_EVERY_S
    steps = np.round(times / DT).astype(int)
    ego = timeline.ego
    seen = [_seen(timeline, meeting) for meeting in timeline.meetings]
    lead = _lead_gap(timeline, steps)
    points = []
    for i, (time, step) in enumerate(zip(times.tolist(), steps.tolist(), strict=True)):
        gap = closing = lateral = None
        if timeline.meetings:
            which = int(np.argmin([abs(m.event_s - time) for m in timeline.meetings]))
            gaps, closings, visible = seen[which]
            if visible[step]:
                gap, closing = round(float(gaps[step]), 2), round(float(closings[step]), 2)
                lateral = round(float(timeline.meetings[which].actor.d[step] - ego.d[step]), 2)
        points.append(
            StatePoint(
                time_s=round(time, 3),
                ego_speed_mps=round(float(ego.speed[step]), 2),
                gap_m=gap,
                closing_speed_mps=closing,
                lateral_m=lateral,
                lead_gap_m=None if not np.isfinite(lead[i]) else round(float(lead[i]), 1),
            )
        )
    return tuple(points)


def _seen(timeline: Timeline, meeting: Meeting) -> tuple[Array, Array, NDArray[np.bool_]]:
    ego, actor = timeline.ego, meeting.actor
    gap = box_gap(ego, EGO_BODY, actor, meeting.ending.setup.body)
    ahead = actor.s - ego.s
    # In the first and the last step of its presence the gap leaps from or to where it is kept while it is away.
    present = meeting.present & np.append(meeting.present[1:], True) & np.append(True, meeting.present[:-1])
    visible = present & (ahead > -4.0) & (ahead < _SEEN_AHEAD_M) & (np.abs(actor.d - ego.d) < 25.0)
    return gap, -np.gradient(gap, DT), visible


def _lead_gap(timeline: Timeline, steps: NDArray[np.int64]) -> Array:
    ego = timeline.ego
    best = np.full(len(steps), np.inf)
    others = [(m.actor, m.ending.setup.actor, m.present) for m in timeline.meetings]
    everywhere = np.ones(len(ego.s), dtype=bool)
    others += [(v.pose(timeline.start_s + timeline.time), v.kind, everywhere) for v in timeline.traffic]
    for path, kind, present in others:
        if kind in ("pedestrian", "cyclist"):
            continue
        ahead = (path.s - ego.s)[steps] - (EGO_BODY.length + BODIES[kind].length) / 2
        inside = (np.abs(path.d - ego.d)[steps] < 1.6) & present[steps] & (ahead > -1.0) & (ahead < _SEEN_AHEAD_M)
        inside &= np.cos(path.heading[steps]) > 0.5
        best = np.where(inside & (ahead < best), np.maximum(ahead, 0.0), best)
    return best


def encounter_of(meeting: Meeting) -> Encounter:
    """The truth of one encounter, read off its motion."""
    ending, setup = meeting.ending, meeting.ending.setup
    side: Side = "ahead" if setup.side == 0 or setup.family == "oncoming_drift" else ("left", "right")[setup.side > 0]
    event = meeting.event_s
    alert = None
    if ending.event_class != "normal":
        alert = round(min(meeting.onset_s + _ALERT_AFTER_S, (meeting.onset_s + event) / 2), 2)
        if alert < 0:
            alert = None
    brakes = ending.peak_deceleration_mps2 >= 2.0
    steers = ending.shift_m >= 0.3
    evasive: Evasive = "steering" if steers else "none"
    if brakes:
        evasive = "braking_and_steering" if steers else "braking"
    answered = (brakes or steers) and ending.setup.reaction_time_s < ending.event_step * DT
    return Encounter(
        family=setup.family,
        event_class=ending.event_class,
        time_s=round(event, 2),
        onset_s=round(meeting.onset_s, 2),
        alert_time_s=alert,
        actor=setup.actor,
        actor_color=meeting.color,
        side=side,
        minimum_gap_m=round(ending.minimum_gap_m, 3),
        impact_speed_mps=None if ending.impact_speed_mps is None else round(ending.impact_speed_mps, 2),
        closing_speed_mps=round(ending.closing_speed_mps, 2),
        peak_deceleration_mps2=round(ending.peak_deceleration_mps2, 2),
        evasive=evasive,
        reaction_time_s=round(setup.reaction_time_s, 3) if answered else None,
        cause=meeting.cause,
    )
