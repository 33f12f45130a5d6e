"""Simulated drives as they moved: every measure is taken from positions, headings, speeds and shapes over time.

Nothing here reads a ``Scenario`` or anything of the supervision: the outlines are a table of their own, and so are
the free distance between two outlines, contact, braking, and what the camera feels.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from vlm_autodrive.simulation.trajectories import SimulatedVideo
from vlm_autodrive.simulation.video_scene import shaken

STEP_S = 0.02
OUTLINES = {"ego": (4.5, 1.85), "car": (4.4, 1.8), "van": (5.2, 2.0), "truck": (8.0, 2.4), "pedestrian": (0.5, 0.7),
            "cyclist": (1.8, 0.7)}  # fmt: skip
PEOPLE = ("pedestrian", "cyclist")
IN_SIGHT_M = 80.0


@dataclass
class Film:
    """What a clip shows: a stretch of a drive's motion. All times are in clip time.

    Attributes:
        take: The drive as simulated.
        start_s: Where in it the clip begins.
        duration_s: How long the clip is.
        calm: The Normal ending of the same encounter, which a cause is measured against; None without one.
    """

    take: SimulatedVideo
    start_s: float
    duration_s: float
    calm: "Film | None" = field(default=None, repr=False)

    @property
    def look(self):
        return self.take.look

    @cached_property
    def meeting(self):
        """The encounter that is decided within the clip, else one whose road user comes into sight; None without."""
        longer = 0.25 / STEP_S  # than from one record of the motion to the next
        seen = [m for m in self.take.trajectories.encounters if (self._sight_of(m) & self.shown).sum() > longer]
        inside = [m for m in seen if 0 <= m.event_s - self.start_s < self.duration_s]
        return next(iter([*inside, *seen]), None)

    @property
    def decided(self):
        """Whether the contact, or the closest moment, lies within the clip."""
        return self.meeting is not None and 0 <= self.meeting.event_s - self.start_s < self.duration_s

    @property
    def kind(self):
        return self.meeting.outcome.setup.actor if self.meeting else None

    @property
    def color(self):
        return self.meeting.color if self.meeting else None

    @cached_property
    def time(self):
        """Every step of the drive, from before the clip to after it."""
        return np.arange(len(self.take.trajectories.ego.s)) * STEP_S - self.start_s

    @cached_property
    def shown(self):
        return (self.time >= -1e-6) & (self.time <= self.duration_s + 1e-6)

    def at(self, values, time_s):
        return float(np.interp(time_s, self.time, values))

    @property
    def ego(self):
        return self.take.trajectories.ego

    @property
    def actor(self):
        return self.meeting.actor

    @cached_property
    def gap(self):
        """Free distance to the other road user."""
        return free_distance(self.ego, "ego", self.actor, self.kind)

    @cached_property
    def in_sight(self):
        return self._sight_of(self.meeting)

    def _sight_of(self, meeting):
        ahead, beside = meeting.actor.s - self.ego.s, np.abs(meeting.actor.d - self.ego.d)
        return meeting.present & (ahead > -4.0) & (ahead < IN_SIGHT_M) & (beside < 25.0)

    @cached_property
    def contact_s(self):
        """When it comes to contact within the clip; None if it does not."""
        if self.meeting is None:
            return None
        touched = self.time[self.shown & self.meeting.present & (self.gap <= 1e-9)]
        return float(touched[0]) if len(touched) else None

    @cached_property
    def smallest_gap(self):
        return float(self.gap[self.shown & self.in_sight].min())

    @cached_property
    def closest_s(self):
        """When it is closest, or first all but as close: who stops creeps up to it."""
        near = self.shown & self.in_sight & (self.gap <= 1.05 * self.smallest_gap + 0.02)
        return self.contact_s if self.contact_s is not None else float(self.time[near][0])

    @cached_property
    def clearance(self):
        """The smallest free distance to any vehicle of the traffic in the clip."""
        time = self.time + self.start_s + self.take.trajectories.start_s
        smallest = np.inf
        for vehicle in self.take.trajectories.traffic:
            pose = vehicle.pose(time)
            near = self.shown & (np.abs(pose.s - self.ego.s) < 16)
            if near.any():
                smallest = min(
                    smallest, float(free_distance(_cut(self.ego, near), "ego", _cut(pose, near), vehicle.kind).min())
                )
        return smallest

    def closing(self, time_s, over_s=0.1):
        """How fast the gap shrinks."""
        return (self.at(self.gap, time_s - over_s / 2) - self.at(self.gap, time_s + over_s / 2)) / over_s

    @cached_property
    def relative_speed_at_contact(self):
        """The size of the difference of the two velocities, just before the blow changes them."""
        step = round((self.contact_s + self.start_s) / STEP_S) - 1
        ego, actor = self.ego, self.actor
        velocity = [p.speed[step] * np.array([np.cos(p.heading[step]), np.sin(p.heading[step])]) for p in (ego, actor)]
        return float(np.linalg.norm(velocity[0] - velocity[1]))

    # What the driver does about it, over the whole encounter, of which the clip may show only the end.

    @cached_property
    def whole(self):
        """Ego vehicle and other road user from the hazard on, and when in clip time that is."""
        motion = self.meeting.outcome.motion
        count = len(motion.ego.s)
        touched = np.flatnonzero(free_distance(motion.ego, "ego", motion.actor, self.kind) <= 1e-9)
        gap_at = self.closest_s - (self.meeting.onset_s - self.start_s)
        until = int(touched[0]) if len(touched) else min(round((gap_at + 1.0) / STEP_S), count - 1)
        return motion.ego, motion.actor, np.arange(count) * STEP_S + self.meeting.onset_s - self.start_s, until

    @cached_property
    def hazard_s(self):
        """When the other road user is first seen to do what it does; None if it did so from the first frame on."""
        actor = self.actor
        if self.manner == "brakes":
            changed = -np.gradient(actor.speed, STEP_S) > 0.2
        elif self.manner in ("cuts in", "oncoming"):
            sideways = np.gradient(actor.d, STEP_S)
            sideways = np.where(self.time < self.closest_s, np.abs(sideways - sideways[0]), 0.0)
            changed = sideways > 0.06 * sideways.max()
        elif self.kind in PEOPLE:
            changed = actor.speed > 0.02
        else:
            return None
        first = int(np.argmax(changed & (self.time <= self.closest_s)))
        begun_before = changed[0] or self.meeting.onset_s < 0
        return None if first == 0 or begun_before else float(self.time[first])

    @cached_property
    def manner(self):
        """How the other road user moves: ``brakes``, ``cuts in``, ``oncoming`` or ``crosses``."""
        _, actor, _, until = self.whole
        if abs(np.cos(actor.heading[0])) < 0.5:
            return "crosses"
        if np.cos(actor.heading[0]) < 0:
            return "oncoming"
        return "cuts in" if np.ptp(actor.d[:until]) > 0.3 else "brakes"

    @cached_property
    def braking(self):
        """How hard the ego vehicle slows down in answer, from its speed, at every step up to the closest moment."""
        ego, _, _, until = self.whole
        blow = self.contact_s is not None  # its step has the speed that the blow leaves
        return -np.diff(ego.speed[: until + 1 - blow]) / STEP_S

    @property
    def hardest_braking(self):
        return float(self.braking.max(initial=0.0))

    @property
    def speed_lost(self):
        return float(np.maximum(self.braking, 0.0).sum() * STEP_S)

    @cached_property
    def sideways(self):
        """How far the driver steers aside."""
        ego, _, _, until = self.whole
        return float(np.abs(ego.d[: until + 1]).max())

    @cached_property
    def response_s(self):
        """When the driver begins to brake or to steer; None if neither happens in time."""
        ego, _, time, _ = self.whole
        steering = np.abs(np.diff(ego.d[: len(self.braking) + 1])) / STEP_S > 0.02
        begun = (self.braking > 0.3) | steering
        return float(time[np.argmax(begun)]) if begun.any() else None

    # What the camera feels.

    @cached_property
    def shaking(self):
        """How far bumps, and how far blows, throw the picture: degrees and centimetres, at every step."""
        timeline = self.take.trajectories
        blows = [
            m.event_s
            for m in timeline.encounters
            if (free_distance(timeline.ego, "ego", m.actor, m.outcome.setup.actor) <= 0).any()
        ]
        bumps = [x.time_s for x in timeline.distractions if x.kind == "speed_bump"]

        def shaken_by(some_bumps, some_blows):
            seed = self.look.seed % 2**31
            ego = self.ego
            return shaken(
                self.time + self.start_s, timeline.acceleration, ego.speed, ego.heading, some_bumps, some_blows, seed
            )

        still = shaken_by([], [])
        return [
            sum(np.abs(a - b) * scale for a, b, scale in zip(thrown, still, (1, 1, 10, 10), strict=True))
            for thrown in (shaken_by(bumps, []), shaken_by([], blows))
        ]

    def thrown(self, which, first_s, last_s):
        """The strongest throw in a stretch, by a bump (0) or a blow (1)."""
        stretch = (self.time >= first_s) & (self.time <= last_s)
        return float(np.where(stretch, self.shaking[which], 0.0).max())

    # Who else is there.

    def vehicle_ahead(self, time_s, half_width_m):
        """Free distance along the road to the nearest vehicle ahead in our lane; None if there is none in sight."""
        when = np.array([time_s + self.start_s])
        others = [(v.pose(when + self.take.trajectories.start_s), v.kind) for v in self.take.trajectories.traffic]
        found = []
        for pose, kind in others:
            found.append((float(pose.s[0]), float(pose.d[0]), float(pose.heading[0]), kind))
        for meeting in self.take.trajectories.encounters:
            kind, path = meeting.outcome.setup.actor, meeting.actor
            if kind not in PEOPLE and self.at(meeting.present, time_s) > 0.5:
                found.append((self.at(path.s, time_s), self.at(path.d, time_s), self.at(path.heading, time_s), kind))
        s, d = self.at(self.ego.s, time_s), self.at(self.ego.d, time_s)
        gaps = [
            other_s - s - (OUTLINES["ego"][0] + OUTLINES[kind][0]) / 2
            for other_s, other_d, heading, kind in found
            if abs(other_d - d) < half_width_m and np.cos(heading) > 0.5
        ]
        return min((max(g, 0.0) for g in gaps if -1.0 < g < IN_SIGHT_M), default=None)

    def someone_passes(self, time_s):
        """Whether a vehicle is level with the ego vehicle then, closer than a lane's width beside it."""
        when = np.array([time_s + self.start_s + self.take.trajectories.start_s])
        for vehicle in self.take.trajectories.traffic:
            pose = vehicle.pose(when)
            beside = abs(float(pose.d[0]) - self.at(self.ego.d, time_s))
            clear = beside - (OUTLINES["ego"][1] + OUTLINES[vehicle.kind][1]) / 2
            if abs(float(pose.s[0]) - self.at(self.ego.s, time_s)) < 3.0 and 0.5 < clear < 1.3:
                return True
        return False

    def reached_without_braking(self):
        """Whether the other road user would be run into within the clip at the speed held before braking."""
        ego, actor, time, _ = self.whole
        first = int(np.argmax(self.braking > 0.3))
        s = ego.s.copy()
        s[first:] = s[first] + ego.speed[first] * STEP_S * np.arange(len(s) - first)
        last = self.contact_s if self.contact_s is not None else self.duration_s
        gap = free_distance(type(ego)(s, ego.d, ego.heading, ego.speed), "ego", actor, self.kind)
        return bool((gap[time <= last + 0.03] <= 0).any())

    def slowing(self, first_s, last_s):
        """The hardest braking of the ego vehicle in a stretch, whatever it is for."""
        stretch = (self.time > first_s) & (self.time < last_s)
        return float(np.where(stretch, -np.gradient(self.ego.speed, STEP_S), 0.0).max())


def _cut(path, which):
    return type(path)(*(x[which] for x in (path.s, path.d, path.heading, path.speed)))


def free_distance(a, a_kind, b, b_kind):
    """The free distance between two turned rectangles at every step; 0 where they overlap."""
    first, second = _corners(a, a_kind), _corners(b, b_kind)
    return np.where(_parted(first, second), np.minimum(_to_edges(first, second), _to_edges(second, first)), 0.0)


def _corners(path, kind):
    length, width = OUTLINES[kind]
    forward = np.stack([np.cos(path.heading), np.sin(path.heading)], -1) * length / 2
    aside = np.stack([-np.sin(path.heading), np.cos(path.heading)], -1) * width / 2
    middle = np.stack([path.s, path.d], -1)
    return np.stack(
        [middle + forward + aside, middle + forward - aside, middle - forward - aside, middle - forward + aside], 1
    )


def _to_edges(points, box):
    """The smallest distance from a corner of one to an edge of the other."""
    start, edge = box[:, None, :, :], (np.roll(box, -1, 1) - box)[:, None, :, :]
    offset = points[:, :, None, :] - start
    share = np.clip((offset * edge).sum(-1) / (edge * edge).sum(-1), 0, 1)
    return np.linalg.norm(offset - share[..., None] * edge, axis=-1).min((1, 2))


def _parted(first, second):
    """Whether a line along an edge of one of them keeps them apart."""
    apart = np.zeros(len(first), bool)
    for box in (first, second):
        for corner in (0, 1):
            axis = box[:, corner + 1] - box[:, corner]
            shadows = [(corners * axis[:, None]).sum(-1) for corners in (first, second)]
            apart |= (shadows[0].max(1) < shadows[1].min(1)) | (shadows[1].max(1) < shadows[0].min(1))
    return apart
