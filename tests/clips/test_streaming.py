"""The stage holds no catalog, and gives the same clips as if it did, in whatever order the files are."""

import hashlib
import json
import pickle
import random
from pathlib import Path

import pytest

from tests.clips.catalogs import event, video
from tests.clips.test_clips_stage import Listener
from tests.clips.varied_catalogs import CASES, write_case
from vlm_autodrive.artifacts import (
    EVENTS_FILE,
    read_events,
    read_scenarios,
    read_taxonomy,
    read_videos,
    reading_rows_by_video,
    write_catalog,
    write_clips,
    writing_artifact,
)
from vlm_autodrive.clips import TEST_IDS_FILE, ClipSettings, build_clips
from vlm_autodrive.clips.catalog_facts import collect_facts, records_of_videos
from vlm_autodrive.clips.catalog_records import reading_catalog
from vlm_autodrive.clips.clips_stage import cut_clips
from vlm_autodrive.clips.cutter import Cutter
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DEFAULT_TAXONOMY, Clip, Event, read_jsonl, write_jsonl

PINS = Path(__file__).with_name("varied_catalogs.json")


def digest(out, said):
    """A digest of all that the stage made; fields that clips get later, and their defaults, do not count."""
    clips = [clip.model_dump_json(exclude_defaults=True) for clip in read_jsonl(out / "clips.jsonl", Clip)]
    made = "\n".join([*clips, (out / TEST_IDS_FILE).read_text(), *said.lines])
    return hashlib.sha256(made.encode()).hexdigest()


@pytest.mark.parametrize("name", CASES)
def test_the_clips_are_those_that_were_cut_with_the_whole_catalog_in_memory(tmp_path, name):
    catalog, settings = write_case(name, tmp_path)
    said = Listener()
    out = build_clips(catalog, tmp_path / "clips", settings, said)
    assert digest(out, said) == json.loads(PINS.read_text())[name]


@pytest.mark.parametrize("name", ["simulated", "simulated, ahead"])
def test_from_files_and_from_memory_the_bytes_are_the_same(tmp_path, name):
    catalog, settings = write_case(name, tmp_path)
    out = build_clips(catalog, tmp_path / "clips", settings, Listener())
    records = read_videos(catalog), read_events(catalog), read_scenarios(catalog)
    write_clips(tmp_path, out, DEFAULT_TAXONOMY, cut_clips(*records, read_taxonomy(catalog), settings))
    assert (out / "clips.jsonl").read_bytes() == (tmp_path / "clips.jsonl").read_bytes()


def test_the_order_of_events_is_of_no_weight(tmp_path):
    catalog, settings = write_case("fleet, many windows", tmp_path)
    first = build_clips(catalog, tmp_path / "first", settings, Listener())
    events = read_events(catalog)
    random.Random(1).shuffle(events)
    write_jsonl(catalog / EVENTS_FILE, events)
    second = build_clips(catalog, tmp_path / "second", settings, Listener())
    assert (first / "clips.jsonl").read_bytes() == (second / "clips.jsonl").read_bytes()


def test_a_video_is_cut_from_its_own_records_in_any_process(tmp_path):
    catalog, settings = write_case("simulated, many windows", tmp_path)
    with reading_catalog(catalog) as records:
        facts = collect_facts(records, DEFAULT_TAXONOMY, settings, frozenset())
        cutter = Cutter(DEFAULT_TAXONOMY, settings, facts.event_positions)
        for one in records_of_videos(records, facts, frozenset()):
            sent, its_records = pickle.loads(pickle.dumps((cutter, one)))
            assert sent.clips_of(its_records) == cutter.clips_of(one)


def write(tmp_path, videos, events):
    catalog = tmp_path / "catalog"
    with writing_artifact(catalog, "catalog", {}, ClipSettings()) as folder:
        write_catalog(folder, catalog, DEFAULT_TAXONOMY, videos, events, [], [])
    return catalog


def test_an_event_of_no_video_is_refused(tmp_path):
    catalog = write(tmp_path, [video("a", positive=True)], [event("a", 9), event("b", 9)])
    with pytest.raises(UserError, match="1 events are of videos that are not in the catalog; import"):
        build_clips(catalog, tmp_path / "clips", ClipSettings(), Listener())


@pytest.mark.parametrize("hashes", ["differ", "are one"])
def test_rows_are_found_by_their_videos(tmp_path, monkeypatch, hashes):
    if hashes == "are one":
        monkeypatch.setattr("vlm_autodrive.artifacts.rows_by_video.hash", lambda _: 1, raising=False)
    path = tmp_path / "events.jsonl"
    events = [event(f"v{n % 7}", float(n), number=n) for n in range(50)]
    write_jsonl(path, events)
    with reading_rows_by_video(path, Event) as rows:
        assert len(rows) == 50
        for name in ("v6", "v0", "v3"):
            assert rows.of(name) == [e for e in events if e.video_id == name]
        assert rows.of("none") == []


def test_a_line_that_is_no_record_is_named(tmp_path):
    path = tmp_path / "events.jsonl"
    write_jsonl(path, [event("a", 9), event("b", 9)])
    with path.open("a") as stream:
        stream.write('{"video_id": "odd"}\n')
    with reading_rows_by_video(path, Event) as rows, pytest.raises(UserError, match=r"line 3: event_id: Field req"):
        rows.of("odd")
    with path.open("a") as stream:
        stream.write("{\n")
    with pytest.raises(UserError, match=r"events\.jsonl, line 4"), reading_rows_by_video(path, Event):
        pass
