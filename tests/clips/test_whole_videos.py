"""An event without a time is in the clip all the same, where a window holds the whole video."""

import pytest

from vlm_autodrive.clips import ClipSettings
from vlm_autodrive.clips.clips_stage import cut_clips
from vlm_autodrive.records import DEFAULT_TAXONOMY, Event, Video


def video(duration_s):
    return Video(video_id="v", path="/v.mp4", positive=True, group_id="v", duration_s=duration_s)


def event(event_class="collision", **changes):
    return Event(event_id="e", video_id="v", event_class=event_class, time_s=None).model_copy(update=changes)


def cut(duration_s, *events, **settings):
    return cut_clips([video(duration_s)], list(events), {}, DEFAULT_TAXONOMY, ClipSettings(**settings))


def test_a_short_video_is_one_clip_with_the_event_somewhere_in_it():
    (clip,) = cut(6.4, event(ego_involved=False))
    assert (clip.start_s, clip.end_s, clip.problem) == (0.0, 6.4, "")
    assert (clip.event_class, clip.event_time_s, clip.ego_involved) == ("collision", None, False)


@pytest.mark.parametrize(
    ("duration_s", "settings", "changes", "problem"),
    [
        (10.1, {}, {}, "the time of an event in it is unknown"),
        (6.4, {"anticipation_s": (1.0,)}, {}, "the time of an event in it is unknown"),
        (6.4, {"ego_only": True}, {"ego_involved": False}, "its events do not involve the recording vehicle"),
        (6.4, {}, {"event_class": None}, "its events are of unknown kind"),
    ],
)
def test_where_that_cannot_be_said_the_clip_says_why(duration_s, settings, changes, problem):
    (clip,) = cut(duration_s, event(**changes), **settings)
    assert clip.problem == problem


def test_the_worst_of_several_events_names_the_clip():
    timed = event("near_collision", event_id="f", time_s=2.0)
    (clip,) = cut(6.4, event(), timed)
    assert clip.event_class == "collision"
    assert cut(6.4, timed, event(None))[0].problem == "an event of unknown kind is in every window"
