"""Whether a claim is true of a film, as measured on its motion, with no more allowance than the stated rounding.

A time is said to 0.1 s; a whole number of metres or metres per second is right to one half. On top of that come
0.05 s of the simulation's own steps and 0.15 of what lies between two records of the motion, 0.2 s apart.
"""

import math
import re

import numpy as np

from tests.supervision.rules.truth_films import PEOPLE, STEP_S, Film
from tests.supervision.rules.truth_incident_claims import INCIDENT

TIME_S = 0.05 + 0.05
NUMBER = 0.5 + 0.15
LOST_MPS = 0.3  # a foot that comes down in the last tenth of a second before contact changes nothing to be seen
BY_S = 0.05 + 0.05  # a lateness is measured to the steps at which speed and place first change


def holds(film: Film, claim: tuple) -> bool:
    """Whether a claim is true of a film; one on a road user or an event that the film does not have is not."""
    name, *values = claim
    if name in NEEDS_ROAD_USER and film.meeting is None:
        return False
    return bool(CHECKS[name](film, *values))


def said_metres(words: str) -> tuple[float, float]:
    """What a distance such as ``under 1 m``, ``7 m`` or ``25 m`` stands for: from, to."""
    match = re.fullmatch(r"(?:(under|over) )?(\d+) m", words)
    how, metres = match[1], float(match[2])
    if how == "under":
        steps = (0, 1, 2, 5, 10, 20)
        return (steps[steps.index(metres) - 1], metres)
    if how == "over":
        return (metres, math.inf)
    if metres == 0:
        return (0.0, 0.0)
    half = 2.5 if metres >= 20 else 0.5
    return (metres - half, metres + half)


def _distance_is(value, words, slack=0.15):
    if value is None:
        return False
    low, high = said_metres(words)
    return low - slack <= value <= high + slack


def _range_near(film, values, time_s, around_s=0.02):
    """The least and the greatest of a measure within a step of a time."""
    found = [film.at(values, time_s + d) for d in (-around_s, 0.0, around_s)]
    return min(found), max(found)


def outcome_of(film: Film) -> str:
    """``collision``, ``near-collision`` or ``normal``, by contact, room and what it took to avoid it."""
    if film.meeting is None or not film.decided:
        return "normal"
    if film.contact_s is not None:
        return "collision"
    narrow = film.smallest_gap < 1.0 and (film.hardest_braking >= 4.6 or film.sideways >= 0.38)
    return "near-collision" if narrow else "normal" if film.smallest_gap >= 1.35 else "between"


def _class(film, label):
    return outcome_of(film) == label and (label != "normal" or film.clearance > 0.5)


def _event(film, there):
    return (outcome_of(film) in ("collision", "near-collision")) == there and outcome_of(film) != "between"


def _event_at(film, time_s):
    return _event(film, True) and _closest_at(film, time_s)


def _closest_at(film, time_s, within_s=TIME_S):
    if film.contact_s is not None:
        return abs(film.contact_s - time_s) <= within_s
    # Who stops creeps up to the closest moment: a time is right at which the gap is all but the smallest.
    return film.gap[np.abs(film.time - time_s) <= within_s].min() <= 1.05 * film.smallest_gap + 0.03


def _event_between(film, first_s, last_s):
    times = np.arange(max(first_s, 0.0), last_s + STEP_S, STEP_S)
    return _event(film, True) and any(
        abs(film.closest_s - t) <= 0.3 and _closest_at(film, t, 2.5 * STEP_S) for t in times
    )


def _contact(film, there):
    return (film.contact_s is not None) == there and (there or film.clearance > 0)


def _closest_gap(film, words):
    # Contact is said to be contact, or 0 m: "under 1 m" is some room.
    return _distance_is(film.smallest_gap, words, 0.05) and (words == "0 m") == (film.contact_s is not None)


def _contact_at(film, time_s):
    return film.contact_s is not None and abs(film.contact_s - time_s) <= TIME_S


def _impact_speed(film, mps):
    return film.contact_s is not None and abs(film.relative_speed_at_contact - mps) <= NUMBER


def _called(film):
    if film.kind in PEOPLE:
        return f"a {film.kind} in {film.color}"
    return f"{'an' if film.color[0] in 'aeiou' else 'a'} {film.color} {film.kind}"


def _origin(film, words):
    if words == "ahead":
        return film.manner in ("brakes", "oncoming") and film.actor.s[0] > film.ego.s[0]
    ego, actor, _, _ = film.whole
    offset = actor.d[0] - ego.d[0]
    side = -1 if words == "from the left" else 1
    return film.manner in ("crosses", "cuts in") and offset * side > 1.0


_BEGINNINGS = {
    "starts to brake": ("brakes", ()),
    "starts to move into our lane": ("cuts in", ()),
    "starts to drift towards our lane": ("oncoming", ()),
    "steps off to cross": ("crosses", ("pedestrian",)),
    "rides off to cross": ("crosses", ("cyclist",)),
}


def _begins(film, what, time_s):
    if what == "is about to cross":
        beside = film.actor.d - film.ego.d
        towards = abs(film.at(beside, time_s + 0.2)) < abs(film.at(beside, time_s)) - 0.3
        return film.manner == "crosses" and towards and abs(film.at(beside, time_s)) > 3.0
    manner, kinds = _BEGINNINGS[what]
    if film.manner != manner or (kinds and film.kind not in kinds):
        return False
    # A lane change begins imperceptibly: a fiftieth of a metre is moved only after a tenth of a second and more.
    return film.hazard_s is not None and -TIME_S <= film.hazard_s - time_s <= TIME_S + 0.1


def _responds_at(film, time_s):
    return film.response_s is not None and abs(film.response_s - time_s) <= TIME_S + 0.05


def _response(film, words):
    brakes, steers = "brakes" in words, "steers" in words
    hardest, sideways = film.hardest_braking, film.sideways
    if words == "slows down a little" and not 0.4 < hardest < 2.1:
        return False
    if hardest < 1.5 if brakes else hardest > 2.1:
        return False
    if brakes and (("hard" in words) != (hardest >= 5.0)) and abs(hardest - 5.0) > 0.2:
        return False
    if words == "does nothing" and film.speed_lost > LOST_MPS:
        return False
    return sideways >= 0.27 if steers else sideways < 0.33


def _cause(film, what, who, by):
    how, end = what.split(", ")
    if (film.contact_s is not None) != (end == "hit") or outcome_of(film) not in ("collision", "near-collision"):
        return False
    if not _is_called(film, who):
        return False
    if film.calm is None:
        return by is None
    return {"late": _late, "short": _short, "narrow": _narrow, "strayed": _strayed, "started": _started}[how](
        film, film.calm, end, by
    )


def _is_called(film, who):
    return {
        "the vehicle ahead": film.manner == "brakes",
        "the vehicle that cut in": film.manner == "cuts in",
        "the crossing vehicle": film.manner == "crosses" and film.kind not in PEOPLE,
        "the oncoming vehicle": film.manner == "oncoming",
        "the pedestrian": film.kind == "pedestrian",
        "the cyclist": film.kind == "cyclist",
    }[who]


def _late(film, calm, end, by):
    # Nothing but the driver differs: both road users do the same from the hazard on, up to contact.
    until = min(film.whole[3], calm.whole[3])
    if np.abs(film.whole[1].d[:until] - calm.whole[1].d[:until]).max() > 1e-6:
        return False
    waits = [None if f.response_s is None else f.response_s - f.whole[2][0] for f in (film, calm)]
    if waits[0] is None:  # contact came before any response
        return waits[1] is None or film.whole[3] * 0.02 - waits[1] <= (math.inf if by is None else by + BY_S)
    # A calm driver may wait and see, and answers later than he could.
    return waits[1] is None or (waits[0] > waits[1] if by is None else abs(waits[0] - waits[1] - by) <= BY_S)


def _ahead_at_hazard(film):
    ego, actor, _, _ = film.whole
    return float(actor.s[0] - ego.s[0])


def _short(film, calm, end, by):
    if end == "avoided" and (film.hardest_braking < 4.7 or not film.reached_without_braking()):
        return False
    return _ahead_at_hazard(film) < _ahead_at_hazard(calm) - 0.3


def _narrow(film, calm, end, by):
    return film.smallest_gap < 1.0 and _ahead_at_hazard(film) < _ahead_at_hazard(calm) - 0.3


def _strayed(film, calm, end, by):
    reach = [np.abs(f.whole[1].d - f.whole[1].d[0])[: f.whole[3]].max() for f in (film, calm)]
    return film.manner == "oncoming" and reach[0] > reach[1] + 0.05 and (end == "hit" or film.smallest_gap < 1.0)


def _started(film, calm, end, by):
    nearer_s = (_ahead_at_hazard(calm) - _ahead_at_hazard(film)) / float(film.whole[0].speed[0])
    return nearer_s > 0 if by is None else abs(nearer_s - by) <= BY_S


def _speeds(film, first, last, first_slack=NUMBER):
    """Whether the ego vehicle is so fast at both ends of the clip, up to a record of the motion from them."""
    off = np.arange(0, 0.23, 0.02)
    begun = min(abs(film.at(film.ego.speed, t) - first) for t in off)
    ended = min(abs(film.at(film.ego.speed, film.duration_s - t) - last) for t in off)
    return begun <= first_slack and ended <= NUMBER


def _speed_at(film, time_s, mps):
    return abs(film.at(film.ego.speed, time_s) - mps) <= NUMBER


def _trend(film, first_s, last_s, words):
    change = film.at(film.ego.speed, last_s) - film.at(film.ego.speed, first_s)
    return {"faster": change > 0.75, "slower": change < -0.75, "neither": abs(change) < 0.75}[words]


def _gap(film, time_s, words):
    low, high = _range_near(film, film.gap, time_s)
    first, last = said_metres(words)
    return high >= first - 0.15 and low <= last + 0.15


def _closing_is(film, time_s, low, high, slack=0.25):
    """Whether the gap shrinks at such a rate, at some step within half a record of the time."""
    rates = [film.closing(time_s + d) for d in (-0.05, 0.0, 0.05)]
    return max(rates) >= low - slack and min(rates) <= high + slack


def _closing(film, time_s, mps):
    return _closing_is(film, time_s, mps - 0.5, mps + 0.5)


def _closing_rough(film, time_s, words):
    inf = math.inf
    bounds = {
        "not closing": (-inf, 0.5), "closing slowly": (0.5, 4.0), "closing": (4.0, 10.0), "closing fast": (10.0, inf),
    }[words]  # fmt: skip
    return _closing_is(film, time_s, *bounds)


def _left(film, time_s):
    """The seconds until the gap would be gone at the present rate: least and most."""
    rates = [film.closing(time_s + d) + e for d in (-0.05, 0.0, 0.05) for e in (-0.25, 0.25)]
    low, high = _range_near(film, film.gap, time_s)
    return low / max(rates) if max(rates) > 0 else math.inf, high / min(rates) if min(rates) > 0.1 else math.inf


def _gone(film, time_s, words):
    if words == "never":
        return film.at(film.gap, time_s) > 0 and _closing_is(film, time_s, -math.inf, 0.5)
    least, most = _left(film, time_s)
    if words == "after under 1 s":
        return least < 1.0
    if words == "after over 10 s":
        return most > 9.5
    said = int(re.search(r"\d+", words)[0])
    return least <= said + 0.55 and most >= said - 0.55


def _risk(film, time_s, words):
    least, most = _left(film, time_s)
    return {"high": least < 1.5, "some": most >= 1.5 and least < 4.0, "low": most >= 4.0}[words]


def _out_of_sight(film, time_s):
    if film.meeting is None:
        return True
    near = np.abs(film.time - time_s) <= 0.21
    return not film.in_sight[near].all()


def _lead_gap(film, time_s, words, slack=0.3):
    # A vehicle that is changing lanes is in ours or is not, as one likes.
    found = [film.vehicle_ahead(time_s + d, w) for w in (1.3, 1.6, 1.9) for d in (-0.1, 0.0, 0.1)]
    return any(_distance_is(gap, words, slack) for gap in found)


def _free(film, time_s):
    found = [film.vehicle_ahead(time_s + d, w) for w in (1.3, 1.6) for d in (-0.1, 0.0, 0.1)]
    return any(gap is None or gap > 78 for gap in found)


def _lead_closest(film, time_s, words):
    gaps = [film.vehicle_ahead(t, 1.6) for t in np.arange(0.0, film.duration_s, 0.05)]
    smallest = min((gap for gap in gaps if gap is not None), default=None)
    return _distance_is(smallest, words, 0.5) and _lead_gap(film, time_s, words)


def _rolls(film, time_s):
    return film.at(film.ego.speed, time_s) ** 2 / 12


def _brakes_for_nothing(film, time_s):
    ahead = film.vehicle_ahead(time_s, 1.6)
    calm = film.meeting is None or film.hazard_s is None or film.hazard_s > time_s or film.closest_s < time_s
    return film.slowing(time_s - 0.05, time_s + 0.6) > 4.5 and calm and (ahead is None or ahead > 3)


def _first_thrown(film, which, time_s):
    return (
        film.thrown(which, time_s - 0.06, time_s + 0.4) > 0.6 and film.thrown(which, time_s - 0.5, time_s - 0.06) < 0.3
    )


def _lane(film, words):
    lanes, place = film.look.lanes, film.look.ego_lane
    if lanes == 1:
        return words == "the only lane"
    named = {0: "the left lane", lanes - 1: "the right lane"}.get(place)
    return words == (named or ("the middle lane" if lanes == 3 else f"lane {place + 1} of {lanes} from the left"))


def _response_first(film, first):
    return film.response_s is not None and (film.response_s < film.closest_s) == first


CHECKS = {
    "true": lambda f: True,
    "is": lambda f, what, value, truth: (getattr(f.look, what) == value) == truth,
    "lanes": lambda f, count: f.look.lanes == count,
    "lane": _lane,
    "class": _class,
    "event": _event,
    "event at": _event_at,
    "of others": lambda f: False,
    "ego": lambda f, truth: _event(f, True) and truth,  # the free distance is that to the ego vehicle
    "part": lambda f, parts, which: _event_between(f, which / parts * f.duration_s, (which + 1) / parts * f.duration_s),
    "before": lambda f, t, truth: _event_between(f, 0, t) if truth else _event_between(f, t, f.duration_s),
    "contact": _contact,
    "contact at": _contact_at,
    "impact speed": _impact_speed,
    "blow": lambda f, t: f.contact_s is not None and _first_thrown(f, 1, t),
    "closest at": _closest_at,
    "closest gap": _closest_gap,
    "kind": lambda f, kind: f.kind == kind,
    "is kind": lambda f, kind, truth: (f.kind == kind) == truth,
    "color": lambda f, color: f.color == color,
    "who": lambda f, words: words == _called(f),
    "origin": _origin,
    "begins": _begins,
    "responds at": _responds_at,
    "response": _response,
    "response first": _response_first,
    "no response": lambda f: f.speed_lost < LOST_MPS and f.sideways < 0.33,
    "no braking": lambda f: f.speed_lost < LOST_MPS,
    "reached without braking": lambda f, truth: (
        f.manner == "brakes" and f.hardest_braking > 0.3 and f.reached_without_braking() == truth
    ),
    "cause": _cause,
    "manner": lambda f, *manners: f.manner in manners,
    "responds": lambda f: f.hardest_braking > 2.1 or f.speed_lost > LOST_MPS or f.sideways >= 0.3,
    "no answer": lambda f: f.meeting is None or _response(f, "does nothing"),
    "steers": lambda f, truth: (f.sideways >= 0.3) == truth,
    "gets by faster": lambda f: f.hardest_braking <= 0.4 and f.at(f.ego.speed, f.closest_s) > f.whole[0].speed[0] + 1.0,
    "room": lambda f: f.meeting is None or (f.decided and f.smallest_gap > 1.3),
    "nobody": lambda f: f.meeting is None,
    "someone": lambda f: f.meeting is not None,
    "not told": lambda f: f.meeting is not None and not f.decided,
    "slower": lambda f, first, last: last < first and _speeds(f, first, last),
    "faster": lambda f, first, last: last > first and _speeds(f, first, last),
    "about": lambda f, mps: _speeds(f, mps, mps, 1.5 + NUMBER),
    "speed at": _speed_at,
    "trend": _trend,
    "gap": _gap,
    "nearer": lambda f, t, metres, truth: (f.at(f.gap, t) < metres) == truth,
    "gap trend": lambda f, a, b, shrinks: (f.at(f.gap, b) < f.at(f.gap, a)) == shrinks,
    "closing": _closing,
    "opening": lambda f, t, mps: _closing(f, t, -mps),
    "closing rough": _closing_rough,
    "gone": _gone,
    "risk": _risk,
    "low risk": lambda f: outcome_of(f) == "normal",
    "out of sight": _out_of_sight,
    "lead": lambda f: any(f.vehicle_ahead(t, 1.6) is not None for t in np.arange(0, f.duration_s, 0.2)),
    "lead gap": _lead_gap,
    "lead rough": lambda f, t, words: _lead_gap(f, t, words, 0.15),
    "lead closest": _lead_closest,
    "free": _free,
    "rolls": lambda f, t, words: _distance_is(_rolls(f, t), words, 0.4),
    "rolls within gap": lambda f, t, truth: (_rolls(f, t) < f.at(f.gap, t)) == truth,
    "bump": lambda f, truth: (f.thrown(0, 0.0, f.duration_s) > 0.6) == truth,
    "bump at": lambda f, t: _first_thrown(f, 0, t),
    "no jolt": lambda f: max(f.thrown(0, 0.0, f.duration_s), f.thrown(1, 0.0, f.duration_s)) < 0.6,
    "brakes for nothing": _brakes_for_nothing,
    "passes": lambda f, t: f.someone_passes(t),
    "recorded": lambda f, field, *values: any(INCIDENT[field](f, value) for value in values),
    "jolts": lambda f: f.contact_s is not None and _first_thrown(f, 1, f.contact_s),
    "steers away": lambda f: f.meeting is not None and f.sideways >= 0.27,
    "speed at the event": lambda f, mps: abs(f.at(f.ego.speed, f.closest_s - 2 * STEP_S) - mps) <= NUMBER,
}
NEEDS_ROAD_USER = frozenset(
    ("event at", "ego", "contact at", "impact speed", "blow", "closest at", "closest gap", "color",
     "origin", "begins", "responds at", "response", "response first", "no response", "no braking",
     "reached without braking", "cause", "gap", "nearer", "gap trend", "closing", "opening",
     "closing rough", "gone", "risk", "rolls within gap", "kind", "who", "speed at the event",
     "manner", "responds", "steers", "gets by faster")
)  # fmt: skip
