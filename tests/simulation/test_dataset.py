"""The data set on disk: layout, bytes, resuming."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from vlm_autodrive.artifacts import artifact_key
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.records import Scenario
from vlm_autodrive.simulation import SimulateSettings, dataset, simulate
from vlm_autodrive.simulation.dataset import HEADER, MANIFEST_HEADER, video_ids

SETTINGS = SimulateSettings(seed=4, triplets=2, singles=1, width=128, height=72, video_duration_s=5.0, workers=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("simulated") / "data", SETTINGS)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "provenance.json"
    }


def test_layout_is_that_of_nexar(made: Path) -> None:
    truth = [Scenario.model_validate_json(line) for line in (made / "truth.jsonl").read_text().splitlines()]
    assert [t.video_id for t in truth] == [f"{i:05d}" for i in range(7)]
    by_id = {t.video_id: t for t in truth}
    overlay = {row["id"]: row["class"] for row in csv.DictReader((made / "overlay.csv").open())}
    assert Counter(overlay.values()) == {"collision": 2, "near_collision": 2}
    seen = set()
    for side in ("positive", "negative"):
        with (made / "train" / side / "metadata.csv").open() as stream:
            reader = csv.DictReader(stream)
            assert tuple(reader.fieldnames or ()) == HEADER
            for row in reader:
                name = row["file_name"].removesuffix(".mp4")
                seen.add(name)
                assert (made / "train" / side / row["file_name"]).is_file()
                assert bool(row["time_of_event"]) == (side == "positive") == (name in overlay)
                assert row["weather"] == by_id[name].weather
                if side == "positive":
                    encounter = by_id[name].encounters[0]
                    assert overlay[name] == encounter.event_class
                    assert float(row["time_of_alert"]) < float(row["time_of_event"]) == encounter.time_s < 5.3
    assert seen == set(by_id)
    assert not (made / "long_videos").exists()
    assert not (made / "parts").exists()


def test_videos_are_what_was_asked_for(made: Path) -> None:
    for path in made.rglob("*.mp4"):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            times = [float(frame.pts * stream.time_base) for frame in container.decode(stream)]
            assert (stream.width, stream.height, stream.pix_fmt) == (128, 72, "yuv420p")
        assert times == pytest.approx([i / 10 for i in range(50)])


def test_pictures_move_and_are_neither_black_nor_white(made: Path) -> None:
    for path in made.rglob("*.mp4"):
        with av.open(str(path)) as container:
            frames = [f.to_ndarray(format="gray").astype(int) for f in container.decode(video=0)]
        assert 20 < frames[0].mean() < 230
        assert frames[0].std() > 8
        assert abs(frames[0] - frames[20]).mean() > 2


@pytest.mark.slow
def test_number_of_workers_changes_no_byte(made: Path, tmp_path: Path) -> None:
    again = simulate(tmp_path / "again", SETTINGS.model_copy(update={"workers": 2}))
    assert _bytes(again) == _bytes(made)


def test_progress_is_counted_in_seconds_of_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    class Counts(SilentReporter):
        @contextmanager
        def task(self, description: str, total: int, done: int = 0) -> Iterator["Counts"]:
            counted.append(total - done)
            yield self

        def advance(self, steps: int = 1, status: str = "") -> None:
            counted.append(steps)

    monkeypatch.setattr(dataset, "_film", lambda path, video, settings: path.write_bytes(b""))
    drives = {"long_videos": 1, "train_only_videos": 1, "long_video_duration_s": 50}
    simulate(tmp_path / "out", SimulateSettings(triplets=1, singles=1, workers=1, **drives), Counts())
    assert counted == [124, 50, 50, 18, 6]


def test_workers_are_no_part_of_the_key() -> None:
    other = SETTINGS.model_copy(update={"workers": 7})
    assert artifact_key("simulated_dataset", {}, SETTINGS) == artifact_key("simulated_dataset", {}, other)


def test_interrupted_run_goes_on_and_ends_with_the_same_bytes(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real, done = tmp_path / "data", dataset._film, []

    def failing(path: Path, video: object, settings: SimulateSettings) -> None:
        if len(done) == 4:
            path.with_name(f"{path.name}.partial").write_bytes(b"half a video")
            raise KeyboardInterrupt
        done.append(path)
        real(path, video, settings)

    monkeypatch.setattr(dataset, "_film", failing)
    with pytest.raises(KeyboardInterrupt):
        simulate(out, SETTINGS)
    assert not out.exists()
    filmed: list[Path] = []

    def counting(path: Path, video: object, settings: SimulateSettings) -> None:
        filmed.append(path)
        real(path, video, settings)

    monkeypatch.setattr(dataset, "_film", counting)
    next(iter(tmp_path.rglob("*.mp4"))).unlink()
    simulate(out, SETTINGS)
    assert len(filmed) == 7 - 4 + 1  # only what was missing
    assert _bytes(out) == _bytes(made)


def test_other_settings_do_not_overwrite(made: Path) -> None:
    with pytest.raises(UserError, match="overwrite"):
        simulate(made, SETTINGS.model_copy(update={"seed": 5}))


def test_missing_panda3d_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install .\.\[sim\]"):
        simulate(tmp_path / "data", SETTINGS)


def test_ids_tell_nothing() -> None:
    ids = video_ids(SimulateSettings(triplets=200, singles=50))
    assert len(set(ids)) == 650
    collisions = sorted(int(i) for i in ids[2:600:3])
    assert 250 < sum(collisions) / len(collisions) < 400
    assert video_ids(SimulateSettings(seed=1, triplets=200, singles=50)) != ids


def test_long_videos_have_a_manifest(tmp_path: Path) -> None:
    settings = SimulateSettings(
        seed=1, triplets=0, singles=0, long_videos=1, train_only_videos=1, long_video_duration_s=40.0,
        long_video_events=1,
        width=96, height=54, workers=1,
    )  # fmt: skip
    out = simulate(tmp_path / "data", settings)
    assert not (out / "train").exists()
    assert not (out / "overlay.csv").exists()
    truth = json.loads((out / "long_videos" / "truth.jsonl").read_text())
    events = [e for e in truth["encounters"] if e["event_class"] != "normal"]
    with (out / "long_videos" / "manifest.csv").open() as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
        assert tuple(reader.fieldnames or ()) == MANIFEST_HEADER
    assert [(r["video"], r["class"], float(r["event_time_s"])) for r in rows] == [
        ("000.mp4", e["event_class"], e["time_s"]) for e in events
    ]
    assert len(rows) == 1
    with av.open(str(out / "long_videos" / "000.mp4")) as container:
        assert container.streams.video[0].frames == 400
    train_only = json.loads((out / "train_only" / "truth.jsonl").read_text())
    assert train_only["video_id"] == "train-only-000"
    assert train_only["encounters"] != truth["encounters"]
    with (out / "train_only" / "manifest.csv").open() as stream:
        assert [r["video"] for r in csv.DictReader(stream)] == ["train-only-000.mp4"]
