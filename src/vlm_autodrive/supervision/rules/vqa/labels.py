"""Questions that a clip's label and its event's time answer, so that real footage is asked them too.

Each presupposes an event, or asks for one, and is put to every class alike; what is not known of some events is
left unasked of as large a share of the clips without one.
"""

import random
from collections.abc import Sequence

from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.vqa.drafts import VqaDraft, yes_no
from vlm_autodrive.supervision.rules.wording import NO_EVENT, seconds

# "No such event" is always among the options: as an option of clips without an event alone it would tell the class.
_THIRDS = ("first", "middle", "last")
_NO_EVENT_OPTION = "there is no such event"


def event_check(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """Whether there is an event, asked for or against by a toss, so that the answers are balanced."""
    if rng.random() < 0.5:
        return VqaDraft(yes_no(facts.label.is_event))
    return VqaDraft(yes_no(not facts.label.is_event), wording="no_event_check")


def event_time(facts: Facts) -> VqaDraft | None:
    """When the event happens."""
    if not facts.label.is_event:
        return VqaDraft(NO_EVENT)
    return None if facts.clip.event_time_s is None else VqaDraft(seconds(facts.clip.event_time_s))


def event_half(facts: Facts) -> VqaDraft | None:
    """In which half of the clip it is."""
    if not facts.label.is_event:
        return VqaDraft(NO_EVENT)
    if facts.clip.event_time_s is None:
        return None
    return VqaDraft("The first." if facts.clip.event_time_s < facts.clip.duration_s / 2 else "The second.")


def event_third(facts: Facts) -> VqaDraft | None:
    """In which third of the clip it is, to be chosen."""
    options = (*_THIRDS, _NO_EVENT_OPTION)
    if not facts.label.is_event:
        right = _NO_EVENT_OPTION
    elif facts.clip.event_time_s is None:
        return None
    else:
        third = min(int(3 * facts.clip.event_time_s / facts.clip.duration_s), 2)
        right = _THIRDS[max(third, 0)]
    return VqaDraft(right, others=tuple(option for option in options if option != right))


def event_before(facts: Facts, rng: random.Random, times: Sequence[float]) -> VqaDraft | None:
    """Whether it is before, or after, a second that was drawn without it."""
    if not times:
        return None
    time_s = rng.choice(times)
    before = rng.random() < 0.5
    wording = None if before else "event_after"
    values = {"t": seconds(time_s)}
    if not facts.label.is_event:
        return VqaDraft(NO_EVENT, values, wording)
    event_s = facts.clip.event_time_s
    if event_s is None:
        return None
    return VqaDraft(yes_no(event_s < time_s if before else event_s > time_s), values, wording)


def ego_involved(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """Whether the ego vehicle has a part in it, asked for or against by a toss."""
    wording = None if rng.random() < 0.5 else "others_only"
    if not facts.label.is_event:
        return VqaDraft(NO_EVENT, wording=wording)
    if facts.clip.ego_involved is None:
        return None
    return VqaDraft(yes_no(facts.clip.ego_involved == (wording is None)), wording=wording)
