"""Asking a model by its name."""

import pytest

from vlm_autodrive.detection import DetectSettings, detect, detecting


class Said(list):
    say = list.append


@pytest.mark.parametrize(("window_s", "warned"), [(4.8, False), (5.0, False), (10.0, True), (2.0, True)])
def test_windows_unlike_the_clips_of_training_are_said(monkeypatch, tmp_path, window_s, warned):
    monkeypatch.setattr(detecting, "detect_with_engine", lambda *given, **named: [])
    said = Said()
    settings = DetectSettings(window_s=window_s, stride_s=1)
    detect([], "tiny-base", tmp_path, settings, said)  # trained on clips of 4.8 s
    assert any("window_s=4.8" in line for line in said) == warned
