"""Calibration: thresholds for rates of false alarms, the promise beside the outcome, and the card that carries them."""

import json
import random
import re
import subprocess
import sys
from contextlib import contextmanager
from shutil import copytree, rmtree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detection.flashes import FlashEngine, write_drive
from tests.detection.test_scoring import event, noisy_scan, scanned
from tests.tiny_models import saved_tiny_model
from vlm_autodrive.artifacts import input_key
from vlm_autodrive.detection import CalibrateSettings, DetectSettings, calibrate, calibration, detect, detector
from vlm_autodrive.detection.calibration import fit_calibration, scarcity_words
from vlm_autodrive.detection.events import merge_windows
from vlm_autodrive.detection.ground_truth import match_ground_truth, read_ground_truth
from vlm_autodrive.detection.operating import with_threshold
from vlm_autodrive.detection.scan import CERTAIN
from vlm_autodrive.detection.scoring import score_detections
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import ModelCard, model_key, read_card, write_card
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.records import DEFAULT_TAXONOMY

ONE_WINDOW = CalibrateSettings(reasoning=False, min_windows=1)


def fitted(scans, truths, rate=1e-6, chosen=ONE_WINDOW):
    limited = chosen.model_copy(update={"max_false_alarms_per_hour": rate, "rates": ()})
    return fit_calibration(scans, truths, limited).point()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.floats(1, 200))
def test_the_threshold_keeps_to_the_rate_and_no_other_does_better(seed, rate):
    generator = random.Random(seed)
    scans, truths = [], {}
    for video in ("a", "b"):
        times = [generator.uniform(8, 80), generator.uniform(95, 170)]
        scan, truths[video] = noisy_scan(video, generator, times)
        scans.append(scan)
    threshold = fitted(scans, truths, rate).threshold

    def measured(value):
        tried = with_threshold(ONE_WINDOW, value)
        merged = [
            d.model_copy(update={"events": tuple(merge_windows(d.windows, tried, DEFAULT_TAXONOMY))}) for d in scans
        ]
        return score_detections(merged, truths).scores

    chosen = measured(threshold)
    assert chosen.false_alarms_per_hour.value <= rate
    for other in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        scores = measured(other)
        if scores.false_alarms_per_hour.value <= rate:
            assert scores.found <= chosen.found


def test_a_threshold_lies_midway_between_noise_and_signal():
    chances = [0.1] * 10 + [0.9] * 4 + [0.1] * 10 + [0.3] + [0.1] * 10
    assert fitted([scanned("a", chances)], {"a": [event("a", 15)]}).threshold == pytest.approx(0.6)


def test_of_thresholds_that_do_equally_well_one_in_the_middle_of_their_range_is_chosen():
    """Not the middle one of their number, which many scores next to nothing would pull down to nothing."""
    chances = [0.0001 * number for number in range(1, 39)] + [0.3, 0.9, 0.9, 0.9, 0.9, 0.3] + [0.001] * 10
    scan = scanned("a", chances)
    merged_all = merge_windows(scan.windows, with_threshold(ONE_WINDOW, 0.00001), DEFAULT_TAXONOMY)
    assert len(merged_all) == 1  # so low that all is one event, at whichever window is highest
    assert 0.1 < fitted([scan], {"a": [event("a", 51)]}).threshold < 0.7


def test_a_threshold_so_low_that_all_windows_merge_does_not_pass_for_one_without_false_alarms():
    chances = [0.2, 0.1] * 5 + [0.9] * 3 + [0.2, 0.1] * 5 + [0.96] * 3 + [0.1] * 9
    scan = scanned("a", chances)
    times = {t: merge_windows(scan.windows, with_threshold(ONE_WINDOW, t), DEFAULT_TAXONOMY) for t in (0.05, 0.5)}
    assert [len(times[0.05]), len(times[0.5])] == [1, 2]
    truths = {"a": [event("a", times[0.05][0].time_s)]}  # the one long event is right, by its highest window
    assert fitted([scan], truths).threshold == pytest.approx(0.93)  # where the false alarm at 0.9 is gone


def test_the_number_of_windows_is_fitted_unless_it_is_named():
    """Noise is as high as an event, but one window long; the event is seen by four."""
    chances = [0.1] * 10 + [0.9] * 4 + [0.1] * 10 + [0.95] + [0.1] * 20 + [0.95] + [0.1] * 5
    scan, truths = scanned("a", chances), {"a": [event("a", 15)]}
    free = fitted([scan], truths, chosen=CalibrateSettings(reasoning=False))
    assert free.min_windows > 1
    assert (free.recall.value, free.false_alarms_per_hour.value) == (1, 0)
    assert (fitted([scan], truths).min_windows, fitted([scan], truths).recall.value) == (1, 0)


def test_what_cannot_be_calibrated_is_refused():
    scan = scanned("a", [0.1, 1.0, 0.1, 0.1])
    with pytest.raises(UserError, match="nothing to calibrate on"):
        fitted([scan], {"b": []})
    with pytest.raises(UserError, match="no threshold keeps to 10 false alarms per hour: there are at least"):
        fitted([scan], {"a": [event("a", 8.4)]}, 10)
    with pytest.raises(UserError, match="no probabilities"):
        fitted([scanned("a", [1.0, 0.0], CERTAIN)], {"a": [event("a", 2)]}, 10)


@pytest.mark.parametrize(("rates", "told"), [((1.0, 10.0), 2), ((1.0, 1e6), 1), ((1e6,), 0)])
def test_footage_that_fixes_no_rate_is_told(rates, told):
    settings = ONE_WINDOW.model_copy(update={"max_false_alarms_per_hour": rates[-1], "rates": rates})
    words = scarcity_words(fit_calibration([scanned("a", [0.1] * 10)], {"a": []}, settings))
    assert len(words) == told
    assert told < 2 or "fixes no rate: even 10 false alarms per hour takes 0.37 h" in words[1]


def test_a_fixed_low_threshold_gives_way():
    assert with_threshold(DetectSettings(low_threshold=0.4), 0.2).effective_low_threshold == 0.2
    assert with_threshold(DetectSettings(), 0.2).effective_low_threshold == pytest.approx(0.12)


class Heard(SilentReporter):
    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A checkpoint whose card is real, and whose model sees flashes: white ones are events, blue ones false alarms."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    write_card(folder, ModelCard(name="flash", base="tiny-base", sampling=FlashEngine.sampling))

    @contextmanager
    def open_flashes(model, endpoint, inputs, reporter):
        yield FlashEngine(), model_key(model)

    for module in (detector, calibration):
        monkeypatch.setattr(module, "open_model", open_flashes)
    return folder


def drives(folder, name, count):
    """Drives with two events and a false alarm each, and their ground truth; the first of those known has one more."""
    rows = ["video,class,event_time_s"]
    for number in range(count):
        video = f"{name}{number}.mp4"
        blue = [41.0] if video == "known0.mp4" else []
        write_drive(folder / video, 44, flashes=[6.5 + number, 33.0], near=[20.0 - number, *blue])
        rows += [f"{video},collision,{6.5 + number}", f"{video},collision,33.0"]
        rows += [f"{video},near_collision,{time}" for time in blue]
    (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return [folder / f"{name}{number}.mp4" for number in range(count)], folder / f"{name}.csv"


def test_the_promise_beside_the_outcome(tmp_path, checkpoint):
    key = input_key(checkpoint)
    _, known = drives(tmp_path, "known", 3)
    (tmp_path / "calm").mkdir()
    write_drive(tmp_path / "calm" / "quiet.mp4", 30, near=[12.0])
    quiet = tmp_path / "calm"
    chosen = CalibrateSettings(rates=(1, 5, 200), max_false_alarms_per_hour=5)
    made = calibrate(str(checkpoint), known, [quiet], tmp_path / "found", chosen)
    assert (made.events, len(made.videos), made.held_out) == (7, 4, True)
    assert made.hours == pytest.approx((3 * 44 + 30) / 3600)
    assert [point.max_false_alarms_per_hour for point in made.points] == [1, 5, 200]
    assert read_card(str(checkpoint)).calibration == made
    assert input_key(checkpoint) == key == made.model_key, "what was made with the model is not stale now"

    unseen, truth = drives(tmp_path, "unseen", 2)
    heard = Heard()
    found = detect(unseen, str(checkpoint), tmp_path / "out", DetectSettings(), heard)
    promised = made.point()
    assert 0.9 < promised.threshold < 0.96
    assert {each.threshold for each in found} == {promised.threshold}
    outcome = score_detections(found, match_ground_truth(found, read_ground_truth(truth))).scores
    assert (outcome.found, outcome.events, outcome.false_alarms) == (4, 4, 0)
    assert (promised.recall.value, promised.false_alarms_per_hour.value) == (pytest.approx(6 / 7), 0)
    assert promised.recall.low <= outcome.recall.value <= promised.recall.high
    assert f"expect a recall of 0.86 [{promised.recall.low:.2f}, 1.00] and 0.00 [0.00, " in heard.said[0]
    assert "So few hours promise no such rate; 0.7 h without a false alarm would." in heard.said[0]
    assert found[0].expectation in heard.said[0]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["total"]["expectation"] == found[0].expectation

    many = detect(unseen, str(checkpoint), tmp_path / "many", DetectSettings(), false_alarms_per_hour=200)
    assert many[0].threshold == made.points[-1].threshold < 0.9, "which lets the false alarms in"
    assert [len(each.events) for each in many] == [3, 3]
    assert (many[0].events[0].calibrated_probability is None) == (made.temperature is None)
    scanned_again = calibrate(str(checkpoint), known, [quiet], tmp_path / "found", chosen)
    assert scanned_again == made


def test_what_the_user_names_stands_and_what_the_card_cannot_promise_is_refused(tmp_path, checkpoint):
    videos, known = drives(tmp_path, "known", 2)
    model, out = str(checkpoint), tmp_path / "out"
    heard = Heard()
    detect(videos[:1], model, out, DetectSettings(), heard)
    assert "is not calibrated; `autodrive calibrate" in heard.said[0]
    with pytest.raises(UserError, match="is not calibrated"):
        detect(videos[:1], model, out, DetectSettings(), false_alarms_per_hour=1)
    made = calibrate(model, known, [], tmp_path / "found", CalibrateSettings(rates=(0.5, 12), stride_s=1.0))
    with pytest.raises(UserError, match=r"no operating point for 0.1 .* lowest is 0.5"):
        detect(videos[:1], model, out, DetectSettings(), false_alarms_per_hour=0.1)
    with pytest.raises(UserError, match="exclude each other"):
        detect(videos[:1], model, out, DetectSettings(threshold=0.3), false_alarms_per_hour=1)
    with pytest.raises(UserError, match=r"calibrated otherwise: stride_s=1.2 \(there 1.0\)"):
        detect(videos[:1], model, out, DetectSettings(stride_s=1.2), false_alarms_per_hour=1)

    def threshold(chosen):
        [found] = detect(videos[:1], model, out, chosen, heard, overwrite=True)
        return found.threshold, [line for line in heard.said if line.startswith("flash: threshold")][-1]

    assert threshold(DetectSettings(threshold=0.3))[0] == 0.3
    value, said = threshold(DetectSettings(stride_s=1.2))
    assert (value, "does not hold here: stride_s=1.2 (there 1.0)" in said) == (made.point().threshold, True)
    value, said = threshold(DetectSettings())
    assert (value, "expect a recall of" in said) == (made.point().threshold, True)
    write_card(checkpoint, read_card(model).model_copy(update={"name": "other weights"}))
    assert "its weights have changed" in threshold(DetectSettings())[1]


def test_quiet_footage_alone_gives_a_threshold_and_no_recall(tmp_path, checkpoint):
    quiet = [write_drive(tmp_path / f"{number}.mp4", 20, near=[8.0]) for number in range(2)]
    made = calibrate(str(checkpoint), None, quiet, tmp_path / "found", CalibrateSettings(max_false_alarms_per_hour=20))
    assert made.point().recall.value is None
    assert made.point().threshold > 0.9
    assert "no true event" in made.notes[0]


def test_a_path_that_does_not_exist_is_refused(tmp_path, checkpoint):
    with pytest.raises(UserError, match=r"quiet\.mp4 does not exist"):
        calibrate(str(checkpoint), None, [tmp_path / "quiet.mp4"], tmp_path / "found", CalibrateSettings())


def test_what_has_no_card_to_write_into_is_refused(tmp_path):
    for model, sentence in (("tiny-base", "nothing to calibrate"), ("some/model", "no folder with a model's card")):
        with pytest.raises(UserError, match=sentence):
            calibrate(model, None, [], tmp_path, CalibrateSettings())


@pytest.mark.slow
def test_from_the_command_line_with_a_real_model(tmp_path):
    model = tmp_path / "model"
    copytree(saved_tiny_model("qwen3_vl"), model)
    video = write_drive(tmp_path / "a.mp4", 20, flashes=[9])
    write_drive(tmp_path / "b.mp4", 20)
    (tmp_path / "known.csv").write_text("video,class,event_time_s\na.mp4,collision,9\nb.mp4,normal,\n")

    def run(*arguments):
        command = [sys.executable, "-m", "vlm_autodrive", *arguments, "--model", "model", "--out", "found"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done

    made = run("calibrate", "--truth", "known.csv", "max_false_alarms_per_hour=500", "rates=[1,500]", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) == json.loads((model / "calibration.json").read_text())
    assert json.loads(made.stdout)["hours"] == pytest.approx(40 / 3600, abs=1e-3)
    table = run("calibrate", "--truth", "known.csv", "max_false_alarms_per_hour=500", "rates=[1,500]")
    lines = [re.split(r"  +", line.strip()) for line in table.stdout.splitlines()]
    assert lines[0][-1] == "hours that it takes"
    assert (lines[1][0], lines[1][-1]) == ("1", "3.7")
    assert (lines[2][0], len(lines[2])) == ("500", 5), "0.011 h are enough"
    assert "Written to model/calibration.json; " in table.stderr and "fixes no rate" not in table.stderr
    rmtree(tmp_path / "found")
    done = run("detect", str(video), "--false-alarms-per-hour", "500", "reasoning=false")
    assert (done.returncode, "expect a recall of" in done.stderr) == (0, True)
    rmtree(tmp_path / "found")
    done = run("detect", str(video), "--false-alarms-per-hour", "0.2", "reasoning=false")
    assert (done.returncode, "no operating point for 0.2" in done.stderr) == (1, True)
