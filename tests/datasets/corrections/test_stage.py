"""From a review to a new catalog, and on to its clips, on real files."""

import json
import sqlite3
from contextlib import closing

import pytest
from typer.testing import CliRunner

from tests.datasets.corrections.builders import correction, detected, label, write_store
from vlm_autodrive.artifacts import (
    CORRECTIONS_FILE,
    REVIEW_STORE,
    read_clips,
    read_corrections,
    read_corrections_result,
    read_data_sets,
    read_events,
    read_provenance,
    read_videos,
    write_corrections,
)
from vlm_autodrive.cli.main import app
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import (
    CorrectionSettings,
    ImportSettings,
    apply_corrections,
    import_dataset,
)
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import CorrectionOutcome, read_jsonl, write_jsonl

NORMAL = label("normal")
WAS = label("collision", 4.0)
LONG = [n / 5 for n in range(100)]


@pytest.fixture
def catalog(make_video, tmp_path):
    """Of two videos of 20 s: ``a`` with a collision at 4 s, and ``b``, which is Normal."""
    for name in ("a", "b"):
        make_video(f"data/{name}.mp4", times_s=LONG)
    table = tmp_path / "data" / "manifest.csv"
    table.write_text("video,class,event_time_s\na.mp4,collision,4.0\nb.mp4,normal,\n", encoding="utf-8")
    return import_dataset("manifest", table, tmp_path / "catalog", ImportSettings())


@pytest.fixture
def of_clips(tmp_path):
    """Corrections of clips of that catalog: the collision is a near-collision; a collision in the Normal video."""
    folder = tmp_path / "data"
    return [
        correction(0, WAS, label("near_collision", 4.2), reason="no contact | at all", video=str(folder / "a.mp4")),
        correction(
            1, NORMAL, label(time_s=12.0), item="other", video=str(folder / "b.mp4"), video_id="b", clip_id="b-w0",
            window_start_s=8.0, window_end_s=18.0,
        ),
    ]  # fmt: skip


def exported(catalog, source, out, **settings):
    return apply_corrections(catalog, [source], out, CorrectionSettings(**settings))


def outcomes(folder):
    return [each.outcome for each in read_jsonl(folder / "corrections_outcome.jsonl", CorrectionOutcome)]


def test_a_store_becomes_a_catalog_that_clips_are_cut_from(catalog, of_clips, tmp_path):
    write_store(tmp_path / REVIEW_STORE, of_clips)
    made = exported(catalog, tmp_path, tmp_path / "corrected")
    assert read_provenance(made).kind == "catalog"
    assert [(e.video_id, e.event_class, e.time_s) for e in read_events(made)] == [
        ("a", "near_collision", 4.2),
        ("b", "collision", 12.0),
    ]
    assert outcomes(made) == ["applied", "applied"]
    assert [v.path for v in read_videos(made)] == [v.path for v in read_videos(catalog)]
    clips = read_clips(build_clips(made, tmp_path / "clips", ClipSettings(window_s=8.0)))
    assert {(c.video_id, c.event_class) for c in clips} == {("a", "near_collision"), ("b", "collision")}
    assert all(c.metadata["human_verified"] == "yes" for c in clips)
    assert [v.metadata for v in read_videos(catalog)] == [{}, {}]  # the old version stays as it is


def test_the_store_of_a_single_result_lies_beside_it(catalog, of_clips, tmp_path):
    reviewed = tmp_path / "predictions"
    reviewed.mkdir()
    write_store(tmp_path / f"predictions.{REVIEW_STORE}", of_clips)
    assert read_corrections([reviewed]) == of_clips


def test_the_diff_counts_the_classes_and_lists_each_change(catalog, of_clips, tmp_path):
    refused = correction(2, WAS, NORMAL, item="third", video_id="gone", reviewer="<b>bob</b>")
    write_jsonl(tmp_path / "c.jsonl", [*of_clips, refused])
    made = exported(catalog, tmp_path / "c.jsonl", tmp_path / "corrected")
    lines = (made / "diff.md").read_text(encoding="utf-8").splitlines()
    assert "3 corrections: 2 applied, 0 unchanged, 0 conflict, 1 refused, 0 superseded." in lines
    assert "| Collision | 1 | 1 |" in lines
    assert "| Near-Collision | 0 | 1 |" in lines
    assert "| a | Collision at 4.00 s | Near-Collision at 4.20 s | ada | no contact \\| at all |" in lines
    assert "| b | nothing | Collision at 12.00 s | ada |  |" in lines
    assert any("no video gone" in line and "\\<b>bob" in line for line in lines)
    result = read_corrections_result(made)
    assert len(result.changes) == 2
    assert result.agreement.items == 0


def test_corrections_are_kept_and_can_be_exported_again_from_elsewhere(catalog, of_clips, tmp_path):
    write_jsonl(tmp_path / "c.jsonl", of_clips)
    made = exported(catalog, tmp_path / "c.jsonl", tmp_path / "runs" / "corrected")
    kept = read_corrections([made])
    assert kept == of_clips
    assert not json.loads((made / CORRECTIONS_FILE).read_text().splitlines()[0])["video"].startswith("/")
    again = exported(catalog, made, tmp_path / "again")
    assert read_events(again) == read_events(made)


def test_the_same_review_is_up_to_date_and_another_decision_is_another_result(catalog, of_clips, tmp_path):
    store = tmp_path / REVIEW_STORE
    write_store(store, of_clips)
    made = exported(catalog, store, tmp_path / "corrected")
    before = (made / "provenance.json").read_text()
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("VACUUM")  # other bytes, the same decisions
    assert exported(catalog, store, tmp_path / "corrected") == made
    assert (made / "provenance.json").read_text() == before
    with closing(sqlite3.connect(store)) as connection:
        text = correction(9, None, label(time_s=17.0), decision="add", video=of_clips[0].video).model_dump_json()
        connection.execute("INSERT INTO decisions VALUES (99, ?)", (text,))
        connection.commit()
    with pytest.raises(UserError, match="another result"):
        exported(catalog, store, tmp_path / "corrected")


def test_detections_alone_become_a_catalog_of_their_own_and_clips(make_video, tmp_path):
    found, false_alarm = (make_video(f"trip/{name}.mp4", times_s=LONG) for name in ("one", "two"))
    said, window = label("collision", 9.0), {"window_start_s": 7.0, "window_end_s": 11.0}
    write_jsonl(
        tmp_path / "c.jsonl",
        [
            detected(0, found, said, said, decision="confirm", item="first", **window),
            detected(1, false_alarm, said, NORMAL, item="second", reason="a speed bump", **window),
        ],
    )
    made = exported(None, tmp_path / "c.jsonl", tmp_path / "corrected")
    assert outcomes(made) == ["applied", "applied"]
    clips = read_clips(build_clips(made, tmp_path / "clips", ClipSettings(window_s=4.0, normal_windows_per_minute=60)))
    assert [(c.video_id, c.event_class) for c in clips] == [("one", "collision"), ("two", "normal")]
    assert all(c.start_s < 9.0 < c.end_s and not c.problem for c in clips)  # and nowhere else: nobody looked there
    assert [(d.name, d.videos) for d in read_data_sets(made)] == [("review", 2)]


def test_a_trip_is_corrected_in_the_file_that_shows_the_moment(make_video, catalog, tmp_path):
    second = make_video("trip/second.mp4", times_s=LONG)
    said = label("collision", 69.0, alert_time_s=58.0)
    step = detected(
        0, second, said, said, decision="confirm", video_start_s=60.0, window_start_s=57.0, window_end_s=72.0
    )
    write_jsonl(tmp_path / "c.jsonl", [step])
    made = exported(catalog, tmp_path / "c.jsonl", tmp_path / "corrected")
    (event,) = (e for e in read_events(made) if e.video_id == "second")
    assert (event.time_s, event.alert_time_s) == (9.0, None)  # the alert is in the file before
    (clip,) = (c for c in read_clips(build_clips(made, tmp_path / "clips", ClipSettings())) if c.video_id == "second")
    assert clip.split == "train"


def test_reviews_of_two_people_are_merged_by_time(catalog, of_clips, tmp_path):
    bobs = [c.model_copy(update={"correction_id": f"b{n}", "reviewer": "bob"}) for n, c in enumerate(of_clips)]
    write_store(tmp_path / "ada.sqlite3", of_clips)
    write_jsonl(tmp_path / "bob.jsonl", bobs)
    both = [tmp_path / "ada.sqlite3", tmp_path / "bob.jsonl"]
    made = apply_corrections(catalog, both, tmp_path / "corrected", CorrectionSettings())
    assert sorted(outcomes(made)) == ["applied", "applied", "unchanged", "unchanged"]
    agreement = read_corrections_result(made).agreement
    assert (agreement.items, agreement.alike.value, agreement.krippendorff_alpha.value) == (2, 1.0, 1.0)
    twice = read_corrections([*both, tmp_path / "bob.jsonl"])
    assert len(twice) == 4


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "holds no corrections"),
        (lambda path: write_jsonl(path / CORRECTIONS_FILE, []), "no correction yet"),
        (lambda path: (path / CORRECTIONS_FILE).write_text("{}\n"), "line 1"),
        (lambda path: sqlite3.connect(path / REVIEW_STORE).execute("CREATE TABLE other (x)"), "no such table"),
        (
            lambda path: write_jsonl(
                path / CORRECTIONS_FILE, [correction(0, WAS, WAS), correction(0, WAS, NORMAL, reason="other")]
            ),
            "two corrections are called c0",
        ),
        (lambda path: write_jsonl(path / CORRECTIONS_FILE, [correction(0, WAS, NORMAL)]), "--catalog"),
    ],
)
def test_what_is_no_review_is_told_in_one_sentence(write, message, tmp_path):
    (tmp_path / "review").mkdir()
    write(tmp_path / "review")
    with pytest.raises(UserError, match=message):
        exported(None, tmp_path / "review", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_prints_counts_agreement_and_where_it_wrote(catalog, of_clips, tmp_path):
    bob = correction(2, WAS, WAS, decision="confirm", reviewer="bob", video=of_clips[0].video)
    tested = correction(
        3, NORMAL, NORMAL, decision="confirm", item="t", split="test", video=of_clips[0].video, window_start_s=10.0
    )
    write_corrections(tmp_path / CORRECTIONS_FILE, [*of_clips, bob, tested], tmp_path)
    arguments = ["review", "export", str(tmp_path), "--catalog", str(catalog), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    assert done.output.count("4 corrections: 1 applied, 0 unchanged, 2 conflict, 1 refused, 0 superseded.") == 1
    assert f"Next: autodrive clips {tmp_path / 'out'} --out CLIPS" in done.stderr
    assert "judged 1 items and gave 0% of them the same class" in done.stdout
    assert done.stdout.rstrip().endswith(str(tmp_path / "out"))
    chosen = CliRunner().invoke(app, [*arguments, "--reviewer", "ada", "--relabel-test", "--overwrite", "--json"])
    assert chosen.exit_code == 0
    assert json.loads(chosen.stdout)["outcomes"] == {"applied": 2, "superseded": 1, "unchanged": 1}
