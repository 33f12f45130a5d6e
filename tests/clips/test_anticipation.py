"""Causal windows end a stated time before the event; normal windows look like event windows; two classes."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips.catalogs import event, triplet, video
from vlm_autodrive.clips import ClipSettings
from vlm_autodrive.clips.anticipation import check_causal
from vlm_autodrive.clips.catalog_records import catalog_in_memory
from vlm_autodrive.clips.clips_stage import as_binary, binary_taxonomy, cut_clips
from vlm_autodrive.records import ANTICIPATION, BINARY_TAXONOMY, DEFAULT_TAXONOMY, PAPER_TAXONOMY, EventClass, Taxonomy
from vlm_autodrive.settings import parse_settings
from vlm_autodrive.video import SamplingSettings, read_frames

LEADS = (0.5, 1.0, 1.5)
AHEAD = ClipSettings(anticipation_s=LEADS)


def cut(videos, events=(), scenarios=None, settings=AHEAD, taxonomy=DEFAULT_TAXONOMY):
    return cut_clips(videos, list(events), scenarios or {}, taxonomy, settings)


@given(st.floats(2.6, 59), st.floats(1, 12), st.integers(0, 9))
def test_no_window_reaches_nearer_to_its_event_than_asked(time_s, window_s, seed):
    settings = ClipSettings(window_s=window_s, anticipation_s=LEADS, edge_margin_s=0.1, seed=seed)
    clips = cut([video("a", 60, True)], [event("a", time_s, alert_time_s=0.5)], settings=settings)
    assert [float(c.metadata[ANTICIPATION]) for c in clips] == list(LEADS)
    for clip, lead_s in zip(clips, LEADS, strict=True):
        assert clip.problem == ""
        assert clip.event_class == "collision"
        assert clip.end_s == pytest.approx(time_s - lead_s, abs=2e-6)
        assert clip.duration_s == pytest.approx(min(window_s, time_s - lead_s), abs=2e-6)
        assert clip.event_time_s == pytest.approx(clip.duration_s + lead_s, abs=3e-6)


def test_the_frames_that_are_read_are_all_earlier(make_video):
    path = make_video("a.mp4", times_s=[n / 30 for n in range(240)])
    footage = video("a", 8.0, True).model_copy(update={"path": str(path)})
    clips = cut([footage], [event("a", 6.0, alert_time_s=3.0)], settings=ClipSettings(window_s=3, anticipation_s=LEADS))
    for clip, lead_s in zip(clips, LEADS, strict=True):
        sampling = SamplingSettings(fps=30, max_frames=200, height=32, width=64)
        frames = read_frames(Path(clip.path), clip.start_s, clip.end_s, sampling)
        last_s = clip.start_s + frames.times_s[-1]
        assert 6.0 - lead_s - 0.05 < last_s < 6.0 - lead_s


def test_a_clip_that_shows_too_much_is_a_bug_that_is_raised():
    (clip,) = cut([video("a", 60, True)], [event("a", 30)], settings=ClipSettings(anticipation_s=(1.0,)))
    check_causal(clip, 1.0)
    with pytest.raises(RuntimeError, match=r"a-w0 ends 1\.000 s before its event, but 1\.5 s"):
        check_causal(clip, 1.5)
    with pytest.raises(RuntimeError, match="but 1 s are set"):
        check_causal(clip.model_copy(update={"end_s": clip.end_s + 0.04}), 1.0)


def test_a_warning_after_the_end_is_a_refusal_with_its_reason():
    clips = cut([video("a", 60, True)], [event("a", 30, alert_time_s=29.2)])
    assert [c.problem for c in clips] == [
        "",
        "the warning comes 0.20 s after the end of a window 1 s ahead of its event",
        "the warning comes 0.70 s after the end of a window 1.5 s ahead of its event",
    ]
    assert [c.event_class for c in clips] == ["collision"] * 3
    unknown = cut([video("a", 60, True)], [event("a", 30)])
    assert [c.problem for c in unknown] == [""] * 3
    at_the_end = cut([video("a", 60, True)], [event("a", 30, alert_time_s=29.0)])
    assert [bool(c.problem) for c in at_the_end] == [False, False, True]


def test_an_event_too_early_or_behind_another_is_refused():
    clips = cut([video("a", 60, True)], [event("a", 2.1)])
    assert [c.problem for c in clips] == ["", "", "only 0.60 s of video lie before the end of a window 1.5 s ahead"]
    both = cut([video("a", 60, True)], [event("a", 20), event("a", 24, "near_collision", 1)])
    assert [(c.event_class, bool(c.problem)) for c in both] == [("collision", False), ("near_collision", True)] * 3
    assert "another event, at 20.00 s" in both[1].problem


def test_normals_end_where_events_would_be():
    positives, normals = [video(f"p{i}", 40, True) for i in range(200)], [video(f"n{i}", 20) for i in range(200)]
    clips = cut(positives + normals, [event(v.video_id, 15 + i % 10) for i, v in enumerate(positives)])
    for lead in LEADS:
        mine = [c for c in clips if c.metadata[ANTICIPATION] == f"{lead:g}"]
        ends = {
            label: np.array([c.end_s / (40 if label == "collision" else 20) for c in mine if c.event_class == label])
            for label in ("collision", "normal")
        }
        assert len(ends["normal"]) == len(ends["collision"]) == 200
        for share in (10, 50, 90):
            assert np.percentile(ends["normal"], share) == pytest.approx(
                np.percentile(ends["collision"], share), abs=0.04
            )


def test_siblings_end_ahead_of_their_own_decisive_moment():
    videos, events, scenarios = triplet("t")
    clips = cut(videos, events, scenarios, ClipSettings(window_s=4, anticipation_s=(1.0,)))
    assert [c.end_s for c in clips] == pytest.approx([6.0, 6.3, 6.6])
    assert [c.duration_s for c in clips] == pytest.approx([4] * 3)
    assert [c.event_class for c in clips] == ["collision", "near_collision", "normal"]


def test_further_normal_windows_keep_away_from_what_announces_an_event():
    settings = ClipSettings(window_s=4, anticipation_s=(1.0,), normal_windows_per_minute=6)
    clips = cut([video("a", 120, True)], [event("a", 60, alert_time_s=55)], settings=settings)
    normals = [c for c in clips if c.event_class == "normal"]
    assert len(normals) == 12
    assert all(c.end_s <= 54.5 + 1e-6 or c.start_s >= 60.5 - 1e-6 for c in normals)


def test_normal_windows_are_as_long_as_event_windows():
    positives = [video(f"p{i}", 3 + i % 3, True) for i in range(150)]
    normals = [video(f"n{i}", 60) for i in range(150)]
    clips = cut(positives + normals, [event(v.video_id, 1.5) for v in positives], settings=ClipSettings())
    lengths = {
        label: Counter(round(c.duration_s, 3) for c in clips if c.event_class == label)
        for label in ("collision", "normal")
    }
    assert set(lengths["normal"]) == set(lengths["collision"]) == {3.0, 4.0, 5.0}
    assert all(count == pytest.approx(50, abs=18) for count in lengths["normal"].values())


def test_the_event_stands_evenly_over_its_range():
    videos = [video(f"v{i}", 60, True) for i in range(500)]
    settings = ClipSettings(window_s=10, edge_margin_s=1.0)
    places = np.array([c.event_time_s for c in cut(videos, [event(v.video_id, 30) for v in videos], settings=settings)])
    assert places.min() >= 1.0
    assert places.max() <= 9.0
    counts, _ = np.histogram(places, bins=8, range=(1.0, 9.0))
    assert counts.min() > 38  # 62.5 are expected in each; a fifth of a point mass would show
    assert counts.max() < 90


def test_two_classes_take_in_what_is_unknown():
    videos = [video("c", positive=True), video("u", positive=True), video("n")]
    events = [event("c", 9), event("u", 9, None)]
    settings = ClipSettings(unknown_events="binary")
    taxonomy, records = as_binary(DEFAULT_TAXONOMY, catalog_in_memory(videos, events, {}))
    assert taxonomy == BINARY_TAXONOMY
    renamed = [e for v in videos for e in records.events_of(v.video_id)]
    clips = cut(videos, renamed, {}, settings, taxonomy)
    assert [(c.event_class, c.problem) for c in clips] == [("event", ""), ("event", ""), ("normal", "")]


def test_two_classes_of_a_taxonomy_of_ones_own():
    own = Taxonomy(
        classes=(
            EventClass(name="stuck", label="Stuck", code="S", definition="the vehicle cannot go on"),
            EventClass(name="slow", label="Slow", code="L", definition="the vehicle barely goes on"),
            EventClass(name="fine", label="Fine", code="F", definition="neither", is_event=False),
        )
    )
    two = binary_taxonomy(own)
    assert two.names == ("event", "fine")
    assert two.classes[0].definition == "the vehicle cannot go on, or the vehicle barely goes on"
    assert binary_taxonomy(two) == two
    videos, _, scenarios = triplet("t")
    _, records = as_binary(DEFAULT_TAXONOMY, catalog_in_memory(videos, [], scenarios))
    renamed = [records.scenario_of(v.video_id) for v in videos]
    assert [s.encounters[0].event_class for s in renamed] == ["event", "event", "normal"]
    clips = cut([video("a", positive=True), video("b")], [event("a", 9, "slow")], settings=AHEAD, taxonomy=own)
    assert Counter(c.event_class for c in clips) == {"slow": 3, "fine": 3}


def test_two_classes_of_the_paper_keep_its_question():
    two = binary_taxonomy(PAPER_TAXONOMY)
    assert two.question == PAPER_TAXONOMY.question
    collision, near, normal = (each.option for each in PAPER_TAXONOMY.classes)
    assert [each.option_line for each in two.options] == [f"A: {collision}, or {near}", f"B: {normal}"]


@pytest.mark.parametrize(("times", "message"), [([0.5, 0.5], "names a time twice"), ([0], "must hold times above 0")])
def test_times_ahead_that_make_no_sense_are_refused(times, message):
    with pytest.raises(Exception, match=message):
        parse_settings(ClipSettings, {"anticipation_s": times}, "settings of clips")
