"""Every stage on a cluster of two nodes makes what one machine makes, record for record."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from vlm_autodrive.artifacts import Account, read_account, read_predictions
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import ImportSettings, ValidateSettings, import_dataset, validate
from vlm_autodrive.detection import DetectSettings, detect
from vlm_autodrive.evaluation import EvaluateSettings, evaluate
from vlm_autodrive.progress import SILENT
from vlm_autodrive.scale import on_cluster
from vlm_autodrive.supervision import SuperviseSettings, supervise
from vlm_autodrive.video import FrameCache, SamplingSettings

pytestmark = pytest.mark.slow
DRIVES = Path(str(files("vlm_autodrive") / "simulated_drives"))
MODEL = "tiny-simulated"


@pytest.fixture(scope="module")
def executor(cluster):
    with on_cluster(cluster, SILENT) as connected:
        yield connected


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    return import_dataset("manifest", DRIVES / "manifest.csv", folder / "catalog", ImportSettings(), SILENT)


@pytest.fixture(scope="module")
def clips(catalog):
    """All are for training, so that they can be supervised, and evaluated as the split train."""
    settings = ClipSettings(window_s=4.8, split={"train": 1, "validation": 0, "test": 0})
    return build_clips(catalog, catalog.parent / "clips", settings, SILENT)


def both(folder, make, executor):
    """The result of one machine, and that of the cluster."""
    here, there = folder / "here", folder / "there"
    make(here, None)
    make(there, executor)
    return here, there


def assert_same_files(here, there):
    names = {file.name for file in here.rglob("*") if file.is_file()}
    assert names | {"account.json"} == {file.name for file in there.rglob("*") if file.is_file()}
    for file in here.rglob("*"):
        if file.is_file() and file.name != "provenance.json":
            assert file.read_bytes() == (there / file.relative_to(here)).read_bytes(), file.name
    keys = [json.loads((each / "provenance.json").read_text())["key"] for each in (here, there)]
    assert keys[0] == keys[1]


def test_validate(tmp_path, catalog, executor):
    here, there = both(
        tmp_path, lambda out, where: validate(catalog, out, ValidateSettings(), executor=where), executor
    )
    assert_same_files(here, there)
    assert read_account(there) == Account(inputs=2, records=2, quarantined={})


def test_clips(tmp_path, catalog, executor):
    settings = ClipSettings(window_s=2, normal_windows_per_minute=20)
    here, there = both(
        tmp_path, lambda out, where: build_clips(catalog, out, settings, SILENT, executor=where), executor
    )
    assert_same_files(here, there)


def test_supervise(tmp_path, clips, executor):
    here, there = both(
        tmp_path, lambda out, where: supervise(clips, out, SuperviseSettings(), SILENT, executor=where), executor
    )
    assert_same_files(here, there)


def test_evaluate(tmp_path, clips, executor):
    settings = EvaluateSettings(
        eval_batch_size=3, split="train", controls=("no_video",), frame_cache=str(tmp_path / "frames")
    )
    here, there = both(
        tmp_path, lambda out, where: evaluate(clips, MODEL, out, settings, SILENT, executor=where), executor
    )
    one, other = ([each.model_copy(update={"latency_s": 0}) for each in read_predictions(out)] for out in (here, there))
    assert one and one == other


def test_detect(tmp_path, executor):
    videos, settings = [DRIVES / "drive-1.mp4", DRIVES / "drive-2.mp4"], DetectSettings()
    here, there = both(
        tmp_path, lambda out, where: detect(videos, MODEL, out, settings, SILENT, executor=where), executor
    )
    trips = sorted(path.parent.name for path in here.glob("*/events.json"))
    assert len(trips) == 2 and trips == sorted(path.parent.name for path in there.glob("*/events.json"))
    for trip in trips:
        assert {file.name for file in (here / trip).iterdir()} == {file.name for file in (there / trip).iterdir()}
        for name in ("events.json", "timeline.png"):
            assert (here / trip / name).read_bytes() == (there / trip / name).read_bytes()
    assert any(json.loads((here / trip / "events.json").read_text())["events"] for trip in trips)


def test_the_frame_cache(tmp_path, clips, executor):
    from vlm_autodrive.artifacts import read_clips

    listed, sampling = read_clips(clips), SamplingSettings(fps=4)
    here, there = FrameCache(tmp_path / "here", sampling), FrameCache(tmp_path / "there", sampling)
    assert here.fill(listed) == there.fill(listed, executor=executor)
    assert not there.missing(listed)[0]
    for clip in listed:
        one, other = here.get(clip), there.get(clip)
        assert one.times_s == other.times_s and (one.pixels == other.pixels).all()


def test_without_on_ray_is_not_imported(tmp_path, catalog):
    code = (
        "import sys; from vlm_autodrive.cli.main import main\n"
        f"sys.argv = ['autodrive', 'validate', {str(catalog)!r}, '--out', {str(tmp_path / 'out')!r}]\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "assert 'vlm_autodrive.datasets.validation_stage' in sys.modules\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('ray', 's3fs')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
