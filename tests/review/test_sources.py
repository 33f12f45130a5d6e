"""What can be opened, and that each record of it is exactly one item."""

import json

import pytest

from tests.detection.short_list.searched import event, write_trip
from tests.evaluation.builders import make_clip, make_prediction, make_verdict
from tests.records.test_parts import cut
from tests.review.folders import write_clip_set, write_predictions
from vlm_autodrive.artifacts import writing_artifact
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import MomentLabel, Outcome, file_at
from vlm_autodrive.review import open_review, read_source
from vlm_autodrive.settings import Settings


def test_each_event_of_each_trip_is_one_item(tmp_path):
    found = tmp_path / "found"
    write_trip(found, "a", [("/videos/a1.mp4", 30.0), ("/videos/a2.mp4", 30.0)], [event(3.0), event(40.0), event(40.0)])
    write_trip(
        found,
        "b",
        [("/videos/b.mp4", 30.0)],
        [event(3.0, "near_collision")],
        training="trained on simulated video only",
    )
    write_trip(found, "calm", [("/videos/calm.mp4", 30.0)])
    source = read_source(found)
    assert source.kind == "detections"
    assert source.models == ("flash",)
    assert source.training == ("flash: trained on simulated video only",)
    assert [(item.title, item.said.time_s) for item in source.items] == [
        ("a1.mp4", 3.0),
        ("a1.mp4", 40.0),
        ("a1.mp4", 40.0),
        ("b.mp4", 3.0),
    ]
    assert len({item.item_id for item in source.items}) == 4
    assert [item.item_id for item in read_source(found).items] == [item.item_id for item in source.items]


def test_an_event_is_shown_with_what_lies_around_it_in_trip_time(tmp_path):
    says = "It brakes [t=1.5] and hits [t=2.0]."
    trip = [("/videos/a1.mp4", 30.0), ("/videos/a2.mp4", 30.0)]
    write_trip(tmp_path / "found", "a", trip, [event(40.0, reasoning=says, reasoning_start_s=38.0)])
    (item,) = read_source(tmp_path / "found").items
    assert (item.start_s, item.end_s, item.duration_s) == (36.0, 44.0, 60.0)
    assert item.label is None
    (answer,) = item.answers
    assert answer.reasoning == "It brakes [t=39.5] and hits [t=40.0]."
    assert answer.label == MomentLabel(event_class="collision", time_s=40.0, start_s=38.0, end_s=42.0)
    assert answer.probabilities["collision"] == 0.9
    assert len(answer.curve.windows) == 30
    assert file_at(item.files, 40.0).path == "/videos/a2.mp4"
    assert file_at(item.files, 29.0).path == "/videos/a1.mp4"


def test_each_clip_is_one_item_in_the_time_of_its_video(tmp_path):
    clips = [
        make_clip("one", "collision", start_s=10.0, end_s=14.0, event_time_s=2.5, alert_time_s=1.0),
        make_clip("two"),
        make_clip("unknown", None),
        make_clip("broken", problem="cannot be opened"),
    ]
    source = read_source(write_clip_set(tmp_path / "clips", clips))
    assert source.kind == "clips"
    assert source.models == ()
    one, two, unknown, broken = source.items
    assert one.label == MomentLabel(event_class="collision", time_s=12.5, alert_time_s=11.0)
    assert (one.start_s, one.end_s, one.clip_id, one.split) == (10.0, 14.0, "one", "test")
    assert two.label == MomentLabel(event_class="normal")
    assert unknown.label is None
    assert broken.problem == "cannot be opened"


def test_the_answers_of_several_models_are_joined_by_clip(tmp_path):
    clips = [make_clip("one", "collision", start_s=10.0, end_s=14.0, event_time_s=2.0), make_clip("two")]
    chances = {"collision": 0.7, "near_collision": 0.2, "normal": 0.1}
    says = make_prediction(clips[0], "collision", traced="near_collision", time_s=1.5, probabilities=chances)
    failed = make_prediction(clips[1], None)
    write_predictions(tmp_path / "both" / "before", clips, [says, failed])
    others = [make_prediction(clips[1], "normal"), make_prediction(clips[0], "normal")]
    write_predictions(tmp_path / "both" / "after", clips, others)
    source = read_source(tmp_path / "both")
    assert (source.kind, source.models) == ("predictions", ("after", "before"))
    assert [item.clip_id for item in source.items] == ["one", "two"]
    one, two = source.items
    assert [answer.label.event_class for answer in one.answers] == ["normal", "collision"]
    before = one.answer_of("before")
    assert before.label.time_s == 11.5
    assert before.probabilities == chances
    assert before.reasoning_class == "near_collision"
    assert before.contradicts
    assert two.answer_of("before").label is None
    assert two.answer_of("before").outcome is Outcome.UNPARSEABLE
    (alone,) = {len(item.answers) for item in read_source(tmp_path / "both" / "before").items}
    assert alone == 1


def test_a_copy_of_predictions_in_parts_is_found(tmp_path):
    clips = [make_clip("one")]
    folder = write_predictions(tmp_path / "all" / "mine", clips, [make_prediction(clips[0], "normal")])
    before = read_source(tmp_path / "all")
    cut(folder / "predictions.jsonl")
    assert read_source(tmp_path / "all") == before


def test_what_holds_nothing_to_review_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds nothing to review; give a folder that `autodrive detect`"):
        read_source(tmp_path / "empty")
    with pytest.raises(UserError, match="is no folder"):
        read_source(tmp_path / "nowhere")
    with writing_artifact(tmp_path / "checkpoint", "checkpoint", {}, Settings()):
        pass
    with pytest.raises(UserError, match="holds checkpoint, which cannot be reviewed"):
        read_source(tmp_path / "checkpoint")
    write_trip(tmp_path / "found", "a", [("/videos/a.mp4", 30.0)], [event(3.0)])
    with pytest.raises(UserError, match=r"is one trip of a search; give the folder above it, .*found\."):
        read_source(tmp_path / "found" / "a")


def test_predictions_about_another_clip_of_the_same_name_are_refused(tmp_path):
    one, other = make_clip("one"), make_clip("one", start_s=1.0)
    write_predictions(tmp_path / "both" / "a", [one], [make_prediction(one, "normal")])
    write_predictions(tmp_path / "both" / "b", [other], [make_prediction(other, "normal")])
    with pytest.raises(UserError, match=r"the clip one is another one in .*b; review the models one by one"):
        read_source(tmp_path / "both")


def test_a_torn_file_is_refused_by_name(tmp_path):
    write_trip(tmp_path / "found", "a", [("/videos/a.mp4", 30.0)], [event(3.0)])
    (tmp_path / "found" / "a" / "events.json").write_text("{")
    with pytest.raises(UserError, match=r"events\.json holds no detections"):
        read_source(tmp_path / "found")


def test_decisions_are_kept_where_making_the_folder_anew_does_not_remove_them(tmp_path):
    write_trip(tmp_path / "found", "a", [("/videos/a.mp4", 30.0)], [event(3.0)])
    clips = write_clip_set(tmp_path / "clips", [make_clip("one")])
    for path, store in [
        (tmp_path / "found", tmp_path / "found" / "review.sqlite3"),
        (clips, tmp_path / "clips.review.sqlite3"),
    ]:
        review = open_review(path, "ada")
        review.close()
        assert store.is_file()
    facts = json.loads((clips / "provenance.json").read_text())
    assert facts["kind"] == "clips"


def test_a_verdict_without_a_trace_has_no_reasoning(tmp_path):
    clip = make_clip("one")
    prediction = make_prediction(clip, "normal").model_copy(update={"verdict": make_verdict("normal")})
    write_predictions(tmp_path / "one", [clip], [prediction])
    (item,) = read_source(tmp_path / "one").items
    assert (item.answers[0].reasoning, item.answers[0].probabilities) == ("", {})
