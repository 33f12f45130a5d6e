"""Labels, times and windows of clips: each video gives a record, each time is in clip time."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips.catalogs import encounter, event, scenario, triplet, video
from vlm_autodrive.artifacts import read_clips, read_taxonomy, write_catalog, writing_artifact
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.clips.clips_stage import cut_clips
from vlm_autodrive.clips.summary import ClipsSummary
from vlm_autodrive.clips.windows import scenario_in_window
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import BINARY_TAXONOMY, DEFAULT_TAXONOMY, ImportIssue, IncidentMetadata
from vlm_autodrive.simulation import SimulateSettings
from vlm_autodrive.simulation.long_videos import draw_long_video, long_video_scenario

TEN = ClipSettings(split_by="count")


def cut(videos, events=(), scenarios=None, settings=TEN):
    return cut_clips(videos, list(events), scenarios or {}, DEFAULT_TAXONOMY, settings)


@given(st.floats(0, 39.9), st.floats(10.5, 60), st.floats(2, 12), st.integers(0, 99))
def test_event_window_holds_its_event(time_s, duration_s, window_s, seed):
    time_s = min(time_s, duration_s - 0.01)
    settings = ClipSettings(window_s=window_s, seed=seed)
    (clip,) = cut([video("a", duration_s, True)], [event("a", time_s)], settings=settings)
    length = min(window_s, duration_s)
    assert clip.duration_s == pytest.approx(length, abs=1e-6)
    assert clip.start_s >= 0
    assert clip.end_s <= duration_s + 1e-6
    assert clip.event_class == "collision"
    assert clip.start_s + clip.event_time_s == pytest.approx(time_s, abs=1e-5)
    margin = 0.5 - 1e-3
    assert clip.event_time_s >= min(margin, time_s - 1e-6)
    assert length - clip.event_time_s >= min(margin, duration_s - time_s - 1e-6)


def test_a_clip_says_which_data_set_it_came_with():
    clips = cut([video("a", source="Nexar"), video("b", source="DoTA", problem="unreadable"), video("c")])
    assert {c.video_id: c.source for c in clips} == {"a": "Nexar", "b": "DoTA", "c": ""}


def test_jitter_spreads_events_over_the_window():
    videos = [video(f"v{i}", 40, True) for i in range(300)]
    places = [c.event_time_s for c in cut(videos, [event(v.video_id, 20) for v in videos])]
    assert 0.5 <= min(places) < 1
    assert 9 < max(places) <= 9.5
    assert sum(p < 5 for p in places) == pytest.approx(150, abs=35)


def test_normal_windows_stand_where_event_windows_stand():
    positives, normals = [video(f"p{i}", 40, True) for i in range(200)], [video(f"n{i}", 20) for i in range(200)]
    clips = cut(positives + normals, [event(v.video_id, 20 + i % 5) for i, v in enumerate(positives)])
    middles = {
        label: [(c.start_s + 5) / (40 if label == "collision" else 20) for c in clips if c.event_class == label]
        for label in ("collision", "normal")
    }
    assert len(middles["collision"]) == len(middles["normal"]) == 200
    means = {label: sum(values) / 200 for label, values in middles.items()}
    assert means["normal"] == pytest.approx(means["collision"], abs=0.05)


def test_triplet_siblings_share_their_window_and_keep_their_labels():
    for number in range(20):
        videos, events, scenarios = triplet(f"t{number}")
        clips = cut(videos, events, scenarios, ClipSettings(window_s=6))
        assert [c.event_class for c in clips] == ["collision", "near_collision", "normal"]
        assert len({c.start_s for c in clips}) == 1
        assert len({c.split for c in clips}) == 1
        for clip, at in zip(clips, (7.0, 7.3, 7.6), strict=True):
            assert clip.scenario.encounters[0].time_s == pytest.approx(at - clip.start_s, abs=1e-6)
        assert [c.event_time_s for c in clips[:2]] == pytest.approx([7.0 - clip.start_s, 7.3 - clip.start_s])
        assert clips[2].event_time_s is None
        assert clips[0].ego_involved is True


def test_most_severe_event_labels_the_window_and_ties_take_the_first():
    events = [event("a", 2, "near_collision"), event("a", 4, "collision", 1), event("a", 5, "collision", 2)]
    clips = cut([video("a", 8, True)], events)
    assert [(c.clip_id, c.event_class, c.event_time_s, c.end_s) for c in clips] == [("a-w0", "collision", 4, 8)]


def test_alert_outside_the_window_is_unknown():
    (clip,) = cut([video("a", 8, True)], [event("a", 4, alert_time_s=3.25)])
    assert clip.alert_time_s == 3.25
    settings = ClipSettings(window_s=2, edge_margin_s=0.9)
    (clip,) = cut([video("a", 8, True)], [event("a", 4, alert_time_s=2.5)], settings=settings)
    assert clip.alert_time_s is None


def test_several_windows_and_normal_ones_away_from_events():
    settings = TEN.model_copy(update={"windows_per_event": 3, "windows_per_normal": 2, "normal_windows_per_minute": 2})
    clips = cut(
        [video("a", 240, True), video("n", 60)], [event("a", 60), event("a", 130, "near_collision", 1)], None, settings
    )
    ids = [c.clip_id for c in clips]
    assert len(set(ids)) == len(ids)
    of_a = [c for c in clips if c.video_id == "a"]
    assert [c.event_class for c in of_a].count("collision") == 3
    assert [c.event_class for c in of_a].count("near_collision") == 3
    normals = [c for c in of_a if c.event_class == "normal"]
    assert len(normals) == 8
    for clip in normals:
        assert all(t < clip.start_s - 0.49 or t > clip.end_s + 0.49 for t in (60, 130))
    stretches = sorted((c.start_s, c.end_s) for c in normals)
    assert all(a[1] <= b[0] + 1e-6 for a, b in itertools.pairwise(stretches))
    assert sum(c.video_id == "n" for c in clips) == 4


def test_every_video_gives_a_record():
    videos = [
        video("broken", None, True, problem="the file is empty"),
        video("untold", positive=None),
        video("lost", positive=True),
        video("timeless", positive=True),
        video("unknown", positive=True),
        video("short", 3.0),
        video("fine", positive=True),
    ]
    events = [event("broken", 5), event("timeless", None), event("unknown", 9, None), event("fine", 9)]
    clips = {c.video_id: c for c in cut(videos, events)}
    assert list(clips) == [v.video_id for v in videos]
    assert clips["broken"].problem == "the file is empty"
    assert clips["broken"].event_class == "collision"
    assert "do not tell" in clips["untold"].problem
    assert "none is annotated" in clips["lost"].problem
    assert "time" in clips["timeless"].problem
    assert clips["timeless"].event_class == "collision"
    assert "unknown kind" in clips["unknown"].problem
    assert clips["unknown"].event_class is None
    assert (clips["short"].problem, clips["short"].start_s, clips["short"].end_s) == ("", 0, 3.0)
    assert clips["fine"].problem == ""


def test_a_set_without_any_known_event_is_refused(tmp_path):
    catalog = tmp_path / "catalog"
    videos = [video("u", positive=True), video("n", positive=False)]
    with writing_artifact(catalog, "catalog", {}, TEN) as folder:
        write_catalog(folder, catalog, DEFAULT_TAXONOMY, videos, [event("u", 9, None)], [], [])
    with pytest.raises(UserError, match=r"all 1 events are of unknown kind.*overlay\.csv"):
        build_clips(catalog, tmp_path / "clips", TEN)


def test_events_of_unknown_kind_make_a_set_of_two_classes(tmp_path):
    catalog, out = tmp_path / "catalog", tmp_path / "clips"
    videos = [video("u", positive=True), video("c", positive=True), video("n")]
    with writing_artifact(catalog, "catalog", {}, TEN) as folder:
        write_catalog(folder, catalog, DEFAULT_TAXONOMY, videos, [event("u", 9, None), event("c", 9)], [], [])
    build_clips(catalog, out, ClipSettings(unknown_events="binary"))
    assert read_taxonomy(out) == BINARY_TAXONOMY
    told = [(c.video_id, c.event_class, c.problem) for c in read_clips(out)]
    assert told == [("u", "event", ""), ("c", "event", ""), ("n", "normal", "")]


def test_unknown_events_can_be_refused():
    with pytest.raises(UserError, match=r"unknown kind.*video u"):
        cut([video("u", positive=True)], [event("u", 9, None)], settings=ClipSettings(unknown_events="error"))


def test_ego_only_leaves_others_out():
    videos = [video("own", positive=True), video("others", positive=True), video("unsure", positive=True)]
    events = [event("own", 9, ego_involved=True), event("others", 9, ego_involved=False), event("unsure", 9)]
    clips = {c.video_id: c.problem for c in cut(videos, events, settings=ClipSettings(ego_only=True))}
    assert clips["own"] == clips["unsure"] == ""
    assert "do not involve" in clips["others"]


def test_truth_moves_into_clip_time():
    drive = scenario("d", 30, encounter(5), encounter(15, "collision", 14), encounter(25), distractions=(9.9, 12.5))
    moved = scenario_in_window(drive, 10, 20)
    assert moved.duration_s == 10
    assert [(e.time_s, e.onset_s, e.alert_time_s, e.event_class) for e in moved.encounters] == [(5, 3, 4, "collision")]
    assert [d.time_s for d in moved.distractions] == [-0.1, 2.5]  # a bump is felt for a while
    assert [d.time_s for d in scenario_in_window(drive, 12, 20).distractions] == [0.5]
    assert [s.time_s for s in moved.states] == pytest.approx([i / 5 for i in range(50)])
    assert [s.ego_speed_mps for s in moved.states] == list(range(50, 100))
    late = scenario_in_window(drive, 14.5, 20)
    assert (late.encounters[0].onset_s, late.encounters[0].alert_time_s) == (-1.5, None)


def test_window_without_an_encounter_keeps_only_what_always_holds():
    settings = SimulateSettings(seed=3, long_video_duration_s=60.0, long_video_events=1)
    drive = long_video_scenario(draw_long_video(settings, 0), "d", settings)
    event = next(e for e in drive.encounters if e.event_class != "normal")
    moved = scenario_in_window(drive, event.time_s - 2, event.time_s + 2)
    assert event.incident in [e.incident for e in moved.encounters]
    before = scenario_in_window(drive, event.time_s - 2, event.time_s - 0.5)
    assert event.incident not in [e.incident for e in before.encounters]
    assert before.incident == drive.incident
    assert not {"ego_braking", "ego_impact_side", "responsibility", "speed_kmh"} & set(before.incident.known)


def test_a_clip_has_the_metadata_of_its_event_and_one_beside_it_of_the_surroundings_alone():
    settings = ClipSettings(normal_windows_per_minute=4)
    wide = IncidentMetadata(weather="rain", road_layout="curve")
    hit = event("a", 40).model_copy(update={"incident": IncidentMetadata(other_type="van", ego_impact_side="rear")})
    videos = [video("a", 90, True).model_copy(update={"incident": wide}), video("n", 20)]
    quiet = IncidentMetadata(weather="snow", road_layout="ramp", ego_manoeuvre="merge")
    videos[1] = videos[1].model_copy(update={"incident": quiet})
    clips = cut(videos, [hit], settings=settings)
    assert [c.incident for c in clips if c.event_class == "collision"] == [hit.incident.over(wide)]
    assert {c.incident for c in clips if c.video_id == "a" and c.event_class == "normal"} == {
        IncidentMetadata(weather="rain")
    }
    assert {c.incident for c in clips if c.video_id == "n"} == {quiet}


class Listener:
    def __init__(self):
        self.lines = []

    def say(self, message):
        self.lines.append(message)


def said_of(clips, settings=TEN):
    summary, said = ClipsSummary(DEFAULT_TAXONOMY, settings), Listener()
    assert list(summary.counted(clips)) == clips
    summary.say(said)
    return said


def test_stage_writes_the_set_and_tells_what_is_in_it(tmp_path):
    catalog, out = tmp_path / "catalog", tmp_path / "clips"
    videos, events, scenarios = triplet("t")
    videos = [v.model_copy(update={"path": str(tmp_path / v.path[1:])}) for v in [*videos, video("u", positive=True)]]
    issues = [ImportIssue(file="m.csv", line=2, field="", value="", message="", rejected=True)]
    with writing_artifact(catalog, "catalog", {}, TEN) as folder:
        write_catalog(folder, catalog, DEFAULT_TAXONOMY, videos, events, list(scenarios.values()), issues)
    listener = Listener()
    assert build_clips(catalog, out, TEN, listener) == out
    clips = read_clips(out)
    assert clips == cut(videos, events, scenarios)
    assert any("train: 3 clips (Collision 1, Near-Collision 1, Normal 1)" in line for line in listener.lines)
    assert "test has no clip at all: its fraction of 0.2 is too small for so few drives." in listener.lines
    assert any(line.startswith("1 videos give no usable clip: an event is said") for line in listener.lines)
    with pytest.raises(UserError, match="clips, not a catalog; give what `autodrive import` made"):
        build_clips(out, tmp_path / "again", TEN)


def test_like_reasons_are_counted_together_with_one_of_them_as_the_example():
    problems = {"a": "ends 1.5 s early", "b": "ends 2.5 s early", "c": "unreadable"}
    said = said_of(cut([video(name, problem=problem) for name, problem in problems.items()]))
    assert "2 videos give no usable clip: for example, ends 1.5 s early" in said.lines
    assert "1 videos give no usable clip: unreadable" in said.lines


@pytest.mark.parametrize(("window_s", "told"), [(20, True), (10, False)])
def test_windows_longer_than_every_video_are_told(window_s, told):
    clips = cut([video("a", 9.9), video("b", 8), video("c", 30, problem="unreadable")])
    said = said_of(clips, ClipSettings(window_s=window_s))
    sentence = "No usable clip is as long as window_s=20: each is as long as its video allows, the longest 9.9 s"
    assert any(line.startswith(sentence) for line in said.lines) is told


def test_a_class_that_no_clip_has_is_told_once_and_of_no_split():
    videos = [video(f"v{n}", 40) for n in range(9)]
    said = said_of(cut(videos))
    told = [line for line in said.lines if "no usable clip of" in line or "has no clip of" in line]
    assert told == [
        "The data has no usable clip of Collision or Near-Collision: nothing is learnt or measured of that."
    ]


def test_held_out_splits_get_one_window_of_an_event_however_many_are_trained_on():
    videos = [video(f"v{n}", 40, True) for n in range(40)]
    events = [event(v.video_id, 20.0) for v in videos]
    clips = cut(videos, events, settings=ClipSettings(windows_per_event=3))
    by_split = {split: Counter(c.video_id for c in clips if c.split == split) for split in ("train", "test")}
    assert set(by_split["train"].values()) == {3}
    assert set(by_split["test"].values()) == {1}


SECTIONS = (8.0, 20.0)


@given(st.floats(0, 39.9), st.floats(2, 12), st.integers(0, 99), st.sampled_from(["event", "normal", "before"]))
def test_no_window_lies_across_a_gap(time_s, window_s, seed, kind):
    anticipation_s = (1.0, 3.0) if kind == "before" else ()
    settings = ClipSettings(window_s=window_s, seed=seed, normal_windows_per_minute=9, anticipation_s=anticipation_s)
    shown = [] if kind == "normal" else [event("a", time_s)]
    clips = cut([video("a", 40, kind != "normal", section_starts_s=SECTIONS)], shown, settings=settings)
    for clip in clips:
        assert clip.problem or not any(clip.start_s + 1e-6 < edge < clip.end_s - 1e-6 for edge in SECTIONS)
        assert clip.problem or clip.duration_s > 0
    if kind == "event":
        (clip,) = [clip for clip in clips if clip.event_class == "collision"]
        assert clip.start_s <= time_s <= clip.end_s
        assert clip.start_s + clip.event_time_s == pytest.approx(time_s, abs=1e-5)


def test_a_short_video_with_a_gap_is_not_one_window():
    (clip,) = cut([video("a", 9, True, section_starts_s=(4.0,))], [event("a", None)])
    assert clip.problem == "the time of an event in it is unknown"
