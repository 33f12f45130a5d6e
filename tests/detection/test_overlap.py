"""A scan sees what windows share once, with the scores of the naive way; where it cannot, that is said."""

import threading

import pytest

from tests.detection.flashes import FlashEngine, write_drive
from tests.detection.test_detector import Heard
from tests.tiny_models import MODELS, load_tiny
from vlm_autodrive.detection import DetectSettings, scan
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.detection.overlap import unshared_words
from vlm_autodrive.engines import LocalEngine

SETTINGS = DetectSettings(eval_batch_size=4, reasoning=False)  # windows of 16 frames, a stride of 4


class NaiveEngine:
    """The same model, with nothing but what every engine has."""

    def __init__(self, engine):
        self.name, self.sampling, self.generate = engine.name, engine.sampling, engine.generate


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return write_drive(tmp_path_factory.mktemp("drive") / "drive.mp4", 17.3, flashes=[6.1], near=[12])


@pytest.mark.parametrize("model_type", MODELS)
def test_scores_are_those_of_the_naive_way(drive, tmp_path, model_type):
    engine = LocalEngine(load_tiny(model_type)[0])
    (naive,) = detect_with_engine([drive], NaiveEngine(engine), tmp_path / "naive", SETTINGS)
    (shared,) = detect_with_engine([drive], engine, tmp_path / "shared", SETTINGS)
    assert len(shared.windows) == 12
    for one, other in zip(shared.windows, naive.windows, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
        assert one.model_copy(update={"probabilities": None}) == other.model_copy(update={"probabilities": None})


def test_every_patch_of_the_grid_is_seen_once(drive, tmp_path):
    loaded, _ = load_tiny("qwen3_vl")
    seen = []
    tower = loaded.model.get_submodule(loaded.family.vision_tower)
    hook = tower.register_forward_pre_hook(
        lambda _, __, named: seen.append(int(named["grid_thw"][:, 0].sum())), with_kwargs=True
    )
    detect_with_engine([drive], LocalEngine(loaded), tmp_path / "out", SETTINGS)
    hook.remove()
    # Eleven windows begin on the grid, each two pairs behind the one before; the last ends with the video.
    assert sum(seen) == (10 * 2 + 8) + 8


def test_a_stride_off_the_grid_is_told_once_with_one_that_is_on_it(drive, tmp_path):
    engine, heard = LocalEngine(load_tiny("qwen3_vl")[0]), Heard()
    off = SETTINGS.model_copy(update={"stride_s": 1.0})
    detect_with_engine([drive, drive.with_name("none.mp4")], engine, tmp_path / "out", off, reporter=heard)
    (told,) = [words for words in heard.said if "stride_s=1 is not" in words]
    assert "0.6 s each; with stride_s=1.2 " in told
    heard.said.clear()
    detect_with_engine([drive], engine, tmp_path / "out", off, reporter=heard)  # done before
    assert not [words for words in heard.said if "stride_s" in words]


def test_when_nothing_is_to_be_said():
    loaded, _ = load_tiny("internvl")
    engine = LocalEngine(loaded)
    assert unshared_words(engine, 4.8, 0.9) == ""  # a frame is a patch of its own
    assert "stride_s=0.9 " in unshared_words(engine, 4.8, 1.0)
    assert "stride_s=0.3 " in unshared_words(engine, 4.8, 0.1)
    assert unshared_words(engine, 4.8, 4.8) == ""  # windows do not overlap
    assert unshared_words(FlashEngine(), 4.8, 1.0) == ""  # an engine that sees every window by itself


def test_drawn_times_are_named_as_the_reason(monkeypatch):
    engine = LocalEngine(load_tiny("qwen3_vl")[0])
    drawn = engine.sampling.model_copy(update={"draw_timestamps": True})
    monkeypatch.setattr(LocalEngine, "sampling", drawn)
    assert "times drawn into its frames" in unshared_words(engine, 4.8, 1.2)


def test_frames_are_decoded_while_the_model_works(drive, tmp_path, monkeypatch):
    """The next batch is ready before the first has its verdicts."""
    ready, waited = threading.Semaphore(0), []
    read = scan.read_windows

    def reading(*arguments, **named):
        for found in read(*arguments, **named):
            ready.release()
            yield found

    class Waiting(FlashEngine):
        def generate(self, clips, requests, own=()):
            if not waited:
                waited.append(all(ready.acquire(timeout=10) for _ in range(8)))
            return super().generate(clips, requests, own)

    monkeypatch.setattr(scan, "read_windows", reading)
    detect_with_engine([drive], Waiting(), tmp_path / "out", SETTINGS)
    assert waited == [True]
