"""Two real processes on one folder of results: the second is refused, and a killed one leaves no lock."""

import subprocess
import sys

import pytest

from tests.detection.flashes import FlashEngine, write_drive
from vlm_autodrive.detection import DetectSettings
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.errors import UserError

SLOW = """
import sys, time
from pathlib import Path
from tests.detection.flashes import FlashEngine
from vlm_autodrive.detection import DetectSettings
from vlm_autodrive.detection.detector import detect_with_engine

class Slow(FlashEngine):
    def generate(self, clips, requests, own=()):
        if self.clips_seen >= 4:
            print("half way", flush=True)
            time.sleep(60)
        return super().generate(clips, requests, own)

settings = DetectSettings(eval_batch_size=4, reasoning=False)
detect_with_engine([Path(sys.argv[1])], Slow(), Path(sys.argv[2]), settings)
"""


def test_a_second_search_is_refused_and_a_killed_one_is_gone_on_with(tmp_path):
    video, out = write_drive(tmp_path / "drive.mp4", 16, flashes=[9]), tmp_path / "out"
    settings = DetectSettings(eval_batch_size=4, reasoning=False)
    first = subprocess.Popen([sys.executable, "-c", SLOW, str(video), str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "half way\n"
        with pytest.raises(UserError, match="another process searches videos into"):
            detect_with_engine([video], FlashEngine(), out, settings)
    finally:
        first.kill()
        first.wait()
    engine = FlashEngine()
    (found,) = detect_with_engine([video], engine, out, settings)
    assert len(found.windows) == engine.clips_seen + 4
    assert len(found.events) == 1
