"""The benchmark of the review page measures what it says."""

from benchmarks.review import kill_often, measure, write_detections
from vlm_autodrive.artifacts import read_corrections
from vlm_autodrive.review import read_source


def test_the_folder_holds_so_many_events_and_the_server_is_measured_and_killed(tmp_path):
    found = tmp_path / "found"
    write_detections(found, 120)
    assert len(read_source(found).items) == 120
    took = measure(found, 6)
    assert set(took) == {"list", "item", "save"} and min(took.values()) > 0
    assert len(read_corrections([found / "review.sqlite3"])) == 6
    answered, lost = kill_often(found, found / "review.sqlite3", 1)
    assert (lost, answered > 0) == (0, True)
    assert len(read_corrections([found / "review.sqlite3"])) >= 6 + answered
