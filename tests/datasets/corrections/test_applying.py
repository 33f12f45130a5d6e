"""Each correction gives one outcome, and changes exactly what it says."""

import pytest

from tests.clips.catalogs import event, video
from tests.datasets.corrections.builders import correction, detected, label, undo
from vlm_autodrive.artifacts import reduce_history
from vlm_autodrive.datasets import CorrectionSettings
from vlm_autodrive.datasets.corrections.applying import apply_history
from vlm_autodrive.datasets.corrections.videos import CorrectedVideos
from vlm_autodrive.records import DEFAULT_TAXONOMY, HUMAN_VERIFIED, TRAIN_ONLY, IncidentMetadata

NORMAL = label("normal")
WAS = label("collision", 4.0)


def applied(corrections, *, videos=None, events=None, test_ids=frozenset(), **settings):
    videos = [video("a", positive=True)] if videos is None else videos
    events = [event("a", 4.0)] if events is None else events
    return apply_history(
        corrections,
        reduce_history(corrections),
        videos,
        events,
        DEFAULT_TAXONOMY,
        CorrectionSettings(**settings),
        test_ids,
    )


def outcomes(made):
    return [each.outcome for each in made.outcomes]


def labels(made):
    return [(each.event_class, each.time_s) for each in made.events]


def test_class_and_times_are_replaced_and_the_video_is_flagged():
    made = applied([correction(0, WAS, label("near_collision", 4.5, alert_time_s=3.0))])
    (changed,) = made.events
    assert (changed.event_class, changed.time_s, changed.alert_time_s) == ("near_collision", 4.5, 3.0)
    assert changed.event_id == "a-e0"
    assert outcomes(made) == ["applied"]
    assert made.videos[0].metadata == {HUMAN_VERIFIED: "yes"}
    assert [(c.change, c.before, c.after) for c in made.changes] == [
        ("changed", WAS, label("near_collision", 4.5, alert_time_s=3.0))
    ]
    assert (made.before["collision"], made.after["collision"], made.after["near_collision"]) == (1, 0, 1)
    assert made.relabelled == made.reclassified == {"a"}


def test_what_the_label_does_not_tell_stays():
    incident = IncidentMetadata(other_type="car", ego_impact_side="front", responsibility="other", speed_kmh=40.0)
    events = [event("a", 4.0, alert_time_s=2.0, ego_involved=True, incident=incident)]
    (changed,) = applied([correction(0, WAS, label("near_collision"))], events=events).events
    assert (changed.time_s, changed.alert_time_s, changed.ego_involved) == (4.0, 2.0, True)
    assert changed.incident == IncidentMetadata(other_type="car", speed_kmh=40.0)  # no side is hit any more, perhaps


def test_an_alert_that_the_reviewer_took_away_goes_and_one_that_was_not_shown_stays():
    events = [event("a", 4.0, alert_time_s=2.0)]
    gone = correction(0, label(time_s=4.0, alert_time_s=2.0), label(time_s=4.2))
    assert applied([gone], events=events).events[0].alert_time_s is None
    kept = correction(0, label(time_s=4.0), label(time_s=4.2))
    assert applied([kept], events=events).events[0].alert_time_s == 2.0


def test_an_event_judged_to_be_none_goes_and_its_moment_is_normal():
    made = applied([correction(0, WAS, NORMAL)])
    assert made.events == ()
    assert (made.videos[0].positive, made.videos[0].normal_at_s) == (False, (4.0,))
    assert (made.before, made.after) == (
        {"collision": 1, "near_collision": 0, "normal": 0},
        {"collision": 0, "near_collision": 0, "normal": 2},
    )


def test_only_events_in_the_judged_stretch_go():
    events = [event("a", 4.0), event("a", 10.0, number=1), event("a", 6.0, "near_collision", number=2)]
    made = applied([correction(0, WAS, NORMAL)], events=events)
    assert labels(made) == [("collision", 10.0)]
    assert made.videos[0].positive is True
    assert len(made.changes) == 2


def test_of_several_events_in_the_stretch_the_one_that_was_shown_is_corrected():
    events = [event("a", 4.0), event("a", 8.0, number=1)]
    made = applied([correction(0, label("collision", 8.0), label("near_collision", 7.0))], events=events)
    assert labels(made) == [("collision", 4.0), ("near_collision", 7.0)]


def test_a_later_decision_is_measured_against_what_was_said_first():
    events = [event("a", 4.0), event("a", 8.0, number=1)]
    steps = [correction(0, WAS, label(time_s=6.5)), correction(1, label(time_s=6.5), label(time_s=6.6))]
    made = applied(steps, events=events)
    assert labels(made) == [("collision", 6.6), ("collision", 8.0)]
    assert outcomes(made) == ["superseded", "applied"]


def test_an_event_that_was_missed_is_added():
    made = applied([correction(0, None, label("near_collision", 7.0), decision="add")])
    assert labels(made) == [("collision", 4.0), ("near_collision", 7.0)]
    assert made.events[1].event_id == "a-e1"


def test_an_event_in_a_normal_video_makes_it_positive():
    made = applied([correction(0, NORMAL, label(time_s=3.0))], videos=[video("a")], events=[])
    assert labels(made) == [("collision", 3.0)]
    assert (made.videos[0].positive, made.videos[0].partly_annotated) == (True, False)


def test_a_confirmation_changes_nothing_but_the_flag():
    made = applied([correction(0, WAS, WAS, decision="confirm")])
    assert outcomes(made) == ["unchanged"]
    assert made.changes == ()
    assert made.videos[0].metadata[HUMAN_VERIFIED] == "yes"
    assert made.relabelled == frozenset()


def test_a_normal_clip_that_is_confirmed_keeps_what_the_clips_stage_left_out():
    """Such as an event of others, with ``ego_only``."""
    made = applied([correction(0, NORMAL, NORMAL, decision="confirm")])
    assert outcomes(made) == ["unchanged"]
    assert labels(made) == [("collision", 4.0)]


def test_an_undone_correction_changes_nothing():
    made = applied([correction(0, WAS, NORMAL), undo(1, 0)])
    assert labels(made) == [("collision", 4.0)]
    assert outcomes(made) == ["superseded", "superseded"]


def test_reviewers_who_disagree_are_a_conflict_unless_one_is_chosen():
    both = [correction(0, WAS, NORMAL), correction(1, WAS, label("near_collision", 4.0), reviewer="bob")]
    made = applied(both)
    assert outcomes(made) == ["conflict", "conflict"]
    assert all("ada" in each.reason and "bob" in each.reason for each in made.outcomes)
    assert labels(made) == [("collision", 4.0)]
    chosen = applied(both, reviewer="bob")
    assert outcomes(chosen) == ["superseded", "applied"]
    assert labels(chosen) == [("near_collision", 4.0)]
    assert outcomes(applied(both, reviewer="eve")) == ["conflict", "conflict"]


def test_times_that_are_near_agree_and_the_later_change_counts():
    both = [correction(0, WAS, label(time_s=4.4)), correction(1, WAS, label(time_s=4.9), reviewer="bob")]
    made = applied(both)
    assert labels(made) == [("collision", 4.9)]
    assert outcomes(made) == ["unchanged", "applied"]
    assert outcomes(applied(both, time_tolerance_s=0.2)) == ["conflict", "conflict"]


def test_a_confirmation_of_a_change_leaves_the_change():
    changed = label("near_collision", 4.6)
    made = applied([correction(0, WAS, changed), correction(1, changed, changed, decision="confirm", reviewer="bob")])
    assert labels(made) == [("near_collision", 4.6)]
    assert outcomes(made) == ["applied", "unchanged"]
    own = applied([correction(0, WAS, changed), correction(1, changed, changed, decision="confirm")])
    assert labels(own) == [("near_collision", 4.6)]


def test_two_clips_of_one_event_must_agree_too():
    steps = [correction(0, WAS, NORMAL), correction(1, WAS, WAS, decision="confirm", item="other clip")]
    made = applied(steps)
    assert outcomes(made) == ["conflict", "conflict"]
    assert labels(made) == [("collision", 4.0)]


def test_events_added_twice_are_one_and_two_classes_at_one_moment_a_conflict():
    one = correction(0, None, label(time_s=7.0), decision="add")
    same = correction(1, None, label(time_s=7.3), decision="add", reviewer="bob")
    other = correction(2, None, label("near_collision", 7.3), decision="add", reviewer="bob")
    assert outcomes(applied([one, same])) == ["applied", "unchanged"]
    assert outcomes(applied([one, other])) == ["conflict", "conflict"]
    there = applied([correction(0, None, label("near_collision", 4.2), decision="add")])
    assert outcomes(there) == ["conflict"]
    assert "Collision at 4.00 s" in there.outcomes[0].reason


@pytest.mark.parametrize(
    ("told", "settings"),
    [
        ({"split": "test"}, {}),
        ({}, {"test_ids": frozenset(["a"])}),
        ({}, {"videos": [video("a", positive=True, split="test-private")]}),
    ],
)
def test_the_test_split_stays_as_it_is_unless_it_is_to_be_relabelled(told, settings):
    step = correction(0, WAS, NORMAL, **told)
    made = applied([step], **settings)
    assert outcomes(made) == ["refused"]
    assert "test split" in made.outcomes[0].reason
    assert made.changes == ()
    assert outcomes(applied([step], relabel_test=True, **settings)) == ["applied"]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (correction(0, WAS, label("harsh_braking", 4.0)), "no class"),
        (correction(0, WAS, label(time_s=41.0)), "40.00 s long"),
        (correction(0, WAS, label(time_s=4.0), video_start_s=5.0), "outside the file"),
        (correction(0, WAS, label(time_s=4.0, alert_time_s=5.0)), "after its event"),
        (correction(0, None, None, decision="confirm"), "says nothing"),
        (correction(0, NORMAL, label(), window_start_s=20.0, window_end_s=30.0), "no time"),
        (correction(0, None, NORMAL, decision="add"), "without event"),
        (correction(0, WAS, NORMAL, video_id="b"), "no video b"),
        (correction(0, WAS, NORMAL, video="/data/other.mp4"), "a.mp4"),
        (undo(0, 7), "not among those before it"),
    ],
)
def test_what_cannot_be_applied_is_refused_with_its_reason(step, reason):
    made = applied([step])
    assert outcomes(made) == ["refused"]
    assert reason in made.outcomes[0].reason
    assert made.changes == ()
    assert labels(made) == [("collision", 4.0)]
    assert made.videos[0].metadata == {}


def test_a_detection_becomes_an_event_of_a_new_video(make_video):
    path = make_video("drive.mp4", times_s=[n / 10 for n in range(80)])
    said = label("collision", 103.0)
    where = {"video_start_s": 100.0, "window_start_s": 101.0, "window_end_s": 105.0}
    made = applied([detected(0, path, said, said, decision="confirm", **where)])
    assert made.new_videos == ("drive",)
    new = made.videos[-1]
    assert (new.positive, new.partly_annotated, new.split, new.source) == (True, True, TRAIN_ONLY, "review")
    assert new.duration_s == pytest.approx(8.0, abs=0.11)
    assert labels(made) == [("collision", 4.0), ("collision", 3.0)]
    assert made.events[1].event_id == "drive-e0"


def test_a_false_alarm_becomes_a_normal_moment(make_video):
    path = make_video("drive.mp4", times_s=[n / 10 for n in range(80)])
    made = applied([detected(0, path, label(time_s=3.0), NORMAL)], videos=[], events=[])
    assert made.events == ()
    (new,) = made.videos
    assert (new.positive, new.partly_annotated, new.normal_at_s, new.split) == (None, True, (3.0,), None)
    assert [each.change for each in made.changes] == ["normal"]


def test_a_file_that_cannot_be_read_is_refused_and_stays_out(tmp_path):
    made = applied([detected(0, tmp_path / "gone.mp4", label(time_s=3.0), NORMAL)])
    assert outcomes(made) == ["refused"]
    assert "does not exist" in made.outcomes[0].reason
    assert len(made.videos) == 1


def test_an_event_that_two_moments_show_is_added_once(make_video):
    path = make_video("found/trip.mp4", times_s=[n / 5 for n in range(100)])
    moments = [
        detected(number, path, NORMAL, label(time_s=7.0 + number / 10), item=f"moment {number}") for number in range(2)
    ]
    made = applied(moments, videos=[], events=[])
    assert labels(made) == [("collision", 7.0)]
    assert outcomes(made) == ["applied", "unchanged"]


def test_a_detection_in_a_video_of_the_catalog_corrects_that_video():
    step = detected(0, "/data/a.mp4", label("near_collision", 4.3), label("near_collision", 4.3), decision="confirm")
    made = applied([step])
    assert made.new_videos == ()
    assert labels(made) == [("near_collision", 4.3)]
    # A model's time is coarse: to confirm what is annotated does not move it.
    same = applied([detected(0, "/data/a.mp4", label(time_s=4.3), label(time_s=4.3), decision="confirm")])
    assert labels(same) == [("collision", 4.0)]


def test_a_false_alarm_in_a_video_of_the_catalog_is_a_hard_normal_moment():
    step = detected(0, "/data/a.mp4", label(time_s=22.0), NORMAL, window_start_s=20.0, window_end_s=25.0)
    made = applied([step])
    assert (made.videos[0].positive, made.videos[0].normal_at_s) == (True, (22.0,))
    assert made.videos[0].partly_annotated is False
    assert labels(made) == [("collision", 4.0)]
    again = applied([step], videos=made.videos, events=made.events)
    assert outcomes(again) == ["unchanged"]


def test_a_false_alarm_leaves_the_events_that_were_only_shown_around_it():
    said = label("near_collision", 7.0, start_s=6.0, end_s=8.0)
    made = applied([detected(0, "/data/a.mp4", said, NORMAL, window_start_s=2.0, window_end_s=12.0)])
    assert labels(made) == [("collision", 4.0)]
    assert made.videos[0].normal_at_s == (7.0,)


def test_what_is_applied_twice_changes_nothing_more():
    steps = [
        correction(0, WAS, label("near_collision", 4.5, alert_time_s=3.0)),
        correction(1, None, label("near_collision", 7.0), decision="add"),
    ]
    once = applied(steps)
    twice = applied(steps, videos=once.videos, events=once.events)
    assert (twice.videos, twice.events) == (once.videos, once.events)
    assert outcomes(twice) == ["unchanged", "unchanged"]


def test_a_new_file_of_a_drive_of_the_catalog_joins_it():
    """So that no split parts them; it is then no train-only video, which would take the whole drive along."""
    old = video("old", positive=True, group_id="drive 7").model_copy(update={"path": "/cam/20240501_101500_NF.mp4"})
    new = detected(0, "/cam/20240501_101600_NF.mp4", label(time_s=3.0), NORMAL)
    (found,) = CorrectedVideos([old], [new]).new.values()
    assert (found.group_id, found.split) == ("drive 7", None)
