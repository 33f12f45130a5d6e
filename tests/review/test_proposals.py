"""What is proposed for labelling, and what becomes of it in the queue and in the export."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.clocks import write_clock
from tests.detection.short_list.searched import CALM, event, write_trip
from tests.review.asking import ask, ask_json, decide
from tests.review.serving import review_server
from vlm_autodrive.artifacts import Provenance, read_clips, read_events, read_videos
from vlm_autodrive.cli.main import app
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import CorrectionSettings, ImportSettings, apply_corrections, import_dataset
from vlm_autodrive.detection import ListedTrip
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    CorrectionOutcome,
    NotJudged,
    Outcome,
    TripFile,
    VideoDetections,
    WindowScore,
    read_jsonl,
)
from vlm_autodrive.review import propose, rank_moments, read_source

PROPOSED = "slice=proposed:yes"


def chances(p):
    return None if p is None else {"collision": p / 2, "near_collision": p / 2, "normal": 1 - p}


def windows(values, start_s=0.0, length_s=4.0, stride_s=2.0):
    """Windows with these probabilities of any event; None for one without a score."""
    return tuple(
        WindowScore(
            start_s=start_s + number * stride_s,
            end_s=start_s + number * stride_s + length_s,
            outcome=Outcome.ERROR if p is None else Outcome.OK,
            probabilities=chances(p),
        )
        for number, p in enumerate(values)
    )


def spans(proposals):
    return [(moment.folder, moment.start_s, moment.end_s) for moment in proposals.moments]


def write_trip_of(out, name, values, events=(), **changes):
    return write_trip(out, name, [(f"/videos/{name}.mp4", 16.0)], events, windows=windows(values), **changes)


@pytest.fixture
def found(tmp_path):
    """Two trips: one with an event at 9 s, one without."""
    out = tmp_path / "found"
    sure = event(9.0, start_s=6.0, end_s=12.0, probability=0.9, probabilities=chances(0.9))
    write_trip_of(out, "a", [0.02, 0.3, 0.1, 0.5, 0.9, 0.5, 0.02], [sure])
    write_trip_of(out, "b", [0.02, 0.45, 0.4, 0.02, 0.02, 0.2, None])
    return out


def test_the_least_certain_moments_come_first_and_no_moment_comes_twice(found):
    proposals = propose(found, 4)
    # In the windows from 6 and from 10 s on, the model is least certain of all: but they show the event, of which it is
    # sure.
    assert spans(proposals) == [("b", 2.0, 6.0), ("a", 2.0, 6.0), ("b", 10.0, 14.0), ("a", 7.0, 11.0)]
    assert [round(moment.worth, 6) for moment in proposals.moments] == [0.9, 0.6, 0.4, 0.2]
    assert proposals.moments[3].event_id == "a_00009.00s"
    assert proposals.candidates == len(propose(found, 1000).moments) == 6


def test_an_event_of_minutes_is_labelled_in_moments_like_any_other(tmp_path):
    out = tmp_path / "found"
    endless = event(9.0, start_s=0.0, end_s=16.0, probability=0.9, probabilities=chances(0.9))
    write_trip_of(out, "a", [0.9, 0.6, 0.9, 0.9, 0.9, 0.9, 0.9], [endless])
    assert spans(propose(out, 50)) == [("a", 2.0, 6.0), ("a", 7.0, 11.0), ("a", 12.0, 16.0)]


def test_more_of_them_keep_the_first_ones_and_their_ids(found):
    few = {item.item_id for item in read_proposed(found, 3)}
    more = {item.item_id for item in read_proposed(found, 5)}
    assert len(few) == 3
    assert len(more) == 5
    assert few < more


def read_proposed(found, count):
    propose(found, count)
    return [item for item in read_source(found).items if item.slices.get("proposed") == "yes"]


@given(
    st.lists(
        st.tuples(
            st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=12),
            st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4)), max_size=3),
        ),
        max_size=3,
    ),
    st.sampled_from([0.7, 1.2, 4.0]),
)
def test_moments_never_overlap_and_leave_out_nothing_that_does_not(trips, stride_s):
    listed = [trip_of(f"t{number}", *each, stride_s) for number, each in enumerate(trips)]
    ranked = rank_moments(listed)
    for moment in ranked:
        others = [o for o in ranked if o.folder == moment.folder and o is not moment]
        assert not any(overlap(moment, other) > 1.1e-3 for other in others)
    assert [moment.worth for moment in ranked] == sorted((moment.worth for moment in ranked), reverse=True)
    for trip in listed:
        kept = [moment for moment in ranked if moment.folder == trip.folder.name]
        scored = [window for window in trip.detections.windows if window.probabilities is not None]
        around = [
            SimpleNamespace(start_s=max(e.start_s, e.time_s - 2.0), end_s=min(e.end_s, e.time_s + 2.0))
            for e in trip.detections.events
        ]
        assert all(any(overlap(each, other) > 0.9e-3 for other in kept) for each in around)
        assert all(any(overlap(window, other) > 0.9e-3 for other in (*kept, *around)) for window in scored)


def overlap(one, other):
    return min(one.end_s, other.end_s) - max(one.start_s, other.start_s)


def trip_of(name, values, placed, stride_s):
    length_s = 4.0 + stride_s * 12
    events = [
        event(start * stride_s + 1, start_s=start * stride_s, end_s=(start + more) * stride_s + 4.0)
        for start, more in placed
    ]
    detections = VideoDetections(
        video=f"{name}.mp4",
        files=(TripFile(path=f"{name}.mp4", start_s=0.0, duration_s=length_s),),
        model="flash",
        outcome=Outcome.OK,
        reason="",
        duration_s=length_s,
        threshold=0.5,
        events=tuple(events),
        windows=windows(values, stride_s=stride_s),
    )
    made_by = Provenance(
        kind="detections", key=name, schema_version=1, inputs={}, settings={}, versions={}, created="", seconds=0.0
    )
    return ListedTrip(name, Path(name), detections, made_by, DEFAULT_TAXONOMY, length_s)


def test_where_two_models_disagree_comes_before_where_one_is_uncertain(found, tmp_path):
    other = tmp_path / "other"
    sure = event(5.0, start_s=2.0, end_s=8.0, probability=0.95, probabilities=chances(0.95))
    write_trip_of(other, "a", [0.02] * 7, [])
    write_trip_of(other, "b", [0.02, 0.95, 0.95, 0.02, 0.02, 0.02, 0.02], [sure])
    proposals = propose(found, 3, other)
    assert spans(proposals)[:2] == [("b", 2.0, 6.0), ("a", 7.0, 11.0)]
    assert [round(moment.worth, 6) for moment in proposals.moments] == [1.9, 1.2, 0.6]
    source = read_source(found)
    assert source.models == ("flash", "flash (other)")
    (item,) = [each for each in source.items if each.title == "b.mp4"]
    assert [answer.label.event_class for answer in item.answers] == ["normal", "collision"]
    assert item.said.event_class == "normal"
    with review_server(found) as address:
        _, _, page = ask(address, f"/queue?{PROPOSED}&against=models")
        assert page.decode().count('<tr data-item="') == 2


def test_a_second_model_that_searched_other_files_is_refused(found, tmp_path):
    write_trip_of(tmp_path / "other", "a", [0.02] * 7)
    with pytest.raises(UserError, match=r"other holds no search of the files of b\.mp4; search the same files"):
        propose(found, 3, tmp_path / "other")


def test_a_list_of_other_detections_is_refused(found):
    propose(found, 4)
    write_trip_of(found, "b", [0.02, 0.45, 0.45])
    with pytest.raises(UserError, match=r"made from other detections than those beside it; make it anew with `autodr"):
        read_source(found)
    (found / "next.json").write_text("{")
    with pytest.raises(UserError, match=r"next\.json holds no list of moments; make it anew"):
        read_source(found)


def run(*words):
    return CliRunner().invoke(app, ["review", "next", *map(str, words)])


def test_the_command_names_what_it_proposes_and_what_it_cannot(found):
    hole = NotJudged(path="/videos/c2.mp4", start_s=16.0, duration_s=None, reason="it is torn")
    write_trip_of(found, "c", [0.02], not_judged=(hole,), outcome=Outcome.ERROR, reason="it is torn")
    done = run(found, "--count", 2)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["b", "0:02.0", "0:06.0", "normal", "0.90"]
    assert len(lines) == 6
    assert lines[3].startswith("/videos/c2.mp4: a part of unknown length")
    assert lines[3].endswith("it is torn")
    assert lines[4] == "2 of 7 moments are proposed. To label them:"
    assert lines[5] == f"autodrive review {found} --queue {PROPOSED}"
    printed = json.loads(run(found, "--count", 2, "--json").stdout)
    assert printed == json.loads((found / "next.json").read_text())
    assert [moment["start_s"] for moment in printed["moments"]] == [2.0, 2.0]


def test_mistakes_are_told_in_one_sentence(found, tmp_path):
    for words in ((tmp_path,), (tmp_path / "nowhere",), (found, "--against", tmp_path)):
        done = run(*words)
        assert done.exit_code == 1
        assert done.stderr.startswith("autodrive: ")
        assert done.stderr.count("\n") == 1


@pytest.fixture
def filmed(tmp_path):
    """Two real drives of 16 s without an event, one of them in a catalog, in which a collision is annotated at 11 s."""
    videos = [write_clock(tmp_path / "videos" / f"{name}.mp4", fps=5, count=80) for name in ("a", "b")]
    for video, values in zip(videos, ([0.02, 0.5, 0.02, 0.02, 0.02, 0.4, 0.02], [0.02, 0.3, 0.02, 0.1]), strict=True):
        write_trip(tmp_path / "found", video.stem, [(video, 16.0)], windows=windows(values))
    table = tmp_path / "videos" / "manifest.csv"
    table.write_text("video,class,event_time_s\na.mp4,collision,11.0\n", encoding="utf-8")
    catalog = import_dataset("manifest", table, tmp_path / "catalog", ImportSettings())
    return tmp_path / "found", catalog


def test_what_a_reviewer_says_of_proposed_moments_is_the_next_version_of_the_data(filmed, tmp_path):
    found, catalog = filmed
    propose(found, 4)
    with review_server(found, start=PROPOSED) as address:
        status, headers, _ = ask(address, "/")
        assert (status, headers["location"]) == (303, f"/queue?{PROPOSED}")
        _, _, page = ask(address, headers["location"])
        ids = [part[:16] for part in page.decode().split('<tr data-item="')[1:]]
        views = [ask_json(address, f"/api/items/{item}")[1] for item in ids]
        shown = [(v["item"]["title"], v["item"]["start_s"], v["current"]["event_class"]) for v in views]
        assert shown == [("a.mp4", 0.0, "normal"), ("a.mp4", 8.0, "normal"), ("b.mp4", 0.0, "normal"),
                             ("b.mp4", 4.0, "normal")]  # fmt: skip
        assert {v["item"]["kind"] for v in views} == {"moment"}
        missed = {"event_class": "near_collision", "time_s": 4.5}
        answers = [
            decide(address, ids[0], {"decision": "confirm"}),
            decide(address, ids[1], {"decision": "confirm"}),
            decide(address, ids[2], {"decision": "change", "after": missed, "reason": "it brakes hard"}),
            decide(address, ids[3], {"decision": "confirm"}),
        ]
    assert [status for status, _ in answers] == [201] * 4
    new = apply_corrections(catalog, [found], tmp_path / "new", CorrectionSettings(relabel_test=True))
    outcomes = read_jsonl(new / "corrections_outcome.jsonl", CorrectionOutcome)
    assert [(each.outcome, each.reason) for each in outcomes] == [
        ("applied", "Normal at 4.00 s added"),
        ("applied", "Collision at 11.00 s removed"),  # a reviewer has watched the moment and says that it is Normal
        ("applied", "Near-Collision at 4.50 s added"),
        ("applied", "Normal at 8.00 s added"),
    ]
    a, b = read_videos(new)
    assert a.normal_at_s == (4.0, 11.0)
    assert (b.normal_at_s, b.partly_annotated, b.positive) == ((8.0,), True, True)
    assert [(e.video_id, e.event_class, e.time_s) for e in read_events(new)] == [(b.video_id, "near_collision", 4.5)]
    clips = read_clips(build_clips(new, tmp_path / "clips", ClipSettings(window_s=3.0)))
    of_b = [(clip.event_class, clip.start_s <= 8.0 < clip.end_s) for clip in clips if clip.video_id == b.video_id]
    assert of_b == [("near_collision", False), ("normal", True)]


def test_trips_without_any_event_have_something_to_review_once_it_is_proposed(tmp_path):
    write_trip(tmp_path / "found", "calm", [("/videos/calm.mp4", 12.0)])
    assert read_source(tmp_path / "found").items == ()
    items = read_proposed(tmp_path / "found", 50)
    assert [(item.start_s, item.end_s) for item in items] == [(0.0, 6.0), (2.0, 10.0), (6.0, 12.0)]
    assert items[0].answers[0].probabilities == CALM
    assert items[0].answers[0].curve is not None
