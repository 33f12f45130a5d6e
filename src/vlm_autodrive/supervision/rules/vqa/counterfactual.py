"""What would have been: only where the recorded motion makes it certain.

A vehicle ahead in our lane does what it does whatever the ego vehicle does behind it. So the place at which the ego
vehicle would have been, had it kept its speed, settles whether it would have been reached. Whoever crosses, cuts in
or drifts may be missed at another speed in another way, and nothing is asked.
"""

import random
from itertools import pairwise

from vlm_autodrive.supervision.facts import Facts, Meeting
from vlm_autodrive.supervision.rules.vqa.scene import Question, Times, yes_no

_NO_BRAKING_MPS2 = 0.3
_REACHED_M, _NOT_REACHED_M = 0.5, -1.0  # well clear of the edge, for the motion is known every 0.2 s only


def not_braking(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether the vehicle ahead would have been reached without braking, asked for or against by a toss."""
    del times
    meeting = facts.meeting
    if meeting is None or not meeting.complete or meeting.encounter.family != "lead_brake":
        return None
    wording = None if rng.random() < 0.5 else "not_braking_clear"
    if meeting.encounter.peak_deceleration_mps2 < _NO_BRAKING_MPS2:
        return Question("The driver does not brake for it.", wording=wording)
    if meeting.encounter.reaction_time_s is None:
        return None
    reached = _reached(facts, meeting, meeting.encounter.onset_s + meeting.encounter.reaction_time_s)
    return None if reached is None else Question(yes_no(reached == (wording is None)), wording=wording)


def _reached(facts: Facts, meeting: Meeting, begins_s: float) -> bool | None:
    """Whether the gap would be gone within the clip if the speed at ``begins_s`` were kept; None if not clear."""
    if meeting.contact:
        return True
    after = [state for state in facts.states if state.time_s >= begins_s - 0.2]
    if not after or any(state.gap_m is None for state in after):
        return None
    beyond, ahead = [-(after[0].gap_m or 0.0)], 0.0
    for earlier, later in pairwise(after):
        lost = after[0].ego_speed_mps - (earlier.ego_speed_mps + later.ego_speed_mps) / 2
        ahead += lost * (later.time_s - earlier.time_s)
        beyond.append(ahead - (later.gap_m or 0.0))
    if max(beyond) > _REACHED_M:
        return True
    return False if max(beyond) < _NOT_REACHED_M else None
