"""A simulated data set's incident metadata in the catalog, from the ground truth beside it."""

from vlm_autodrive.artifacts import read_events, read_scenarios, read_videos, write_text
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.simulation.ground_truth import scenario_of
from vlm_autodrive.simulation.triplets import draw_triplet


def test_catalog_holds_what_the_simulation_knows(tmp_path, make_video):
    root = tmp_path / "set"
    normal, _, collision = draw_triplet(11, 0, 6.0)
    truth = {name: scenario_of(video, name, 11, "t0", 6.0) for name, video in (("n", normal), ("c", collision))}
    truth["m"] = truth["c"].model_copy(update={"video_id": "m"})
    event_s = truth["c"].encounters[0].time_s
    header = "file_name,time_of_event,weather\n"
    for side, rows in (("positive", f"c.mp4,{event_s},Fog\nm.mp4,{event_s - 0.5},Fog\n"), ("negative", "n.mp4,,Fog\n")):
        for row in rows.splitlines():
            make_video(f"set/train/{side}/{row.split(',')[0]}", count=60)
        write_text(root / "train" / side / "metadata.csv", header + rows)
    write_text(root / "truth.jsonl", "".join(s.model_dump_json() + "\n" for s in truth.values()))
    out = import_dataset("nexar", root, tmp_path / "catalog", ImportSettings())

    assert read_scenarios(out) == truth
    assert {v.video_id: v.incident for v in read_videos(out)} == {n: s.incident for n, s in truth.items()}
    events = {e.video_id: e.incident for e in read_events(out)}
    assert events["c"] == truth["c"].encounters[0].incident
    assert events["c"].ego_impact_side != "none"
    assert events["c"].responsibility is not None
    assert events["m"].known == ()  # moved by hand: what is known of the contact is not true of that time
