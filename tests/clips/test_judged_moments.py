"""Normal clips around moments that a reviewer judged to show no event."""

from tests.clips.catalogs import event, video
from vlm_autodrive.clips import ClipSettings
from vlm_autodrive.clips.clips_stage import cut_clips
from vlm_autodrive.records import DEFAULT_TAXONOMY

MANY = {"windows_per_normal": 3, "normal_windows_per_minute": 60.0, "split": {"train": 1, "validation": 0, "test": 0}}


def cut(*videos, events=(), **settings):
    return cut_clips(videos, list(events), {}, DEFAULT_TAXONOMY, ClipSettings(**(MANY | settings)))


def test_one_clip_is_cut_around_each_and_no_other_where_nobody_looked():
    clips = cut(video("a", positive=None, partly_annotated=True, normal_at_s=(12.0, 30.0)), window_s=4.0)
    assert [c.event_class for c in clips] == ["normal", "normal"]
    assert all(c.start_s < at_s < c.end_s for c, at_s in zip(clips, (12.0, 30.0), strict=True))
    assert not any(c.problem for c in clips)


def test_they_lie_in_their_windows_as_events_do():
    """Or their place would tell the class."""
    videos = [video(f"v{n}", positive=None, partly_annotated=True, normal_at_s=(20.0,)) for n in range(400)]
    places = sorted((20.0 - c.start_s) / 10.0 for c in cut(*videos))
    even = [0.05 + 0.9 * (n + 0.5) / 400 for n in range(400)]  # half a second from both ends of ten
    assert max(abs(a - b) for a, b in zip(places, even, strict=True)) < 0.08


def test_a_window_that_shows_an_event_is_left_to_the_event():
    one = video("a", positive=True, partly_annotated=True, normal_at_s=(4.0, 30.0))
    clips = cut(one, events=[event("a", 5.0)], edge_margin_s=4.9)
    assert [c.event_class for c in clips] == ["collision", "normal"]


def test_beside_the_events_of_a_video_that_was_annotated_whole_they_are_additional():
    one = video("a", positive=True, normal_at_s=(30.0,))
    assert len(cut(one, events=[event("a", 5.0)], normal_windows_per_minute=0.0)) == 2


def test_a_video_that_was_annotated_partly_and_shows_nothing_gives_no_clip():
    (clip,) = cut(video("a", positive=None, partly_annotated=True))
    assert "do not tell" in clip.problem


def test_a_normal_moment_has_windows_ahead_of_it_too():
    (clip,) = cut(video("a", positive=None, partly_annotated=True, normal_at_s=(20.0,)), anticipation_s=(1.0,))
    assert (clip.event_class, clip.end_s) == ("normal", 19.0)
