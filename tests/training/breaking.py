"""A training run that ends suddenly: by ``kill -9`` behind a step, or while it writes the next state.

``python -m tests.training.breaking SUPERVISION OUT SETTINGS FRAMES STEPS kill|torn THREADS``
"""

import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import torch

from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.training import TrainSettings, train

_TORN_BYTES = 100_000  # less than a tiny model's state, more than any other file that a step writes


class Breaking(SilentReporter):
    """Ends its process when the bar of training has moved by some steps."""

    def __init__(self, steps, how):
        self._left, self._how = steps, how

    @contextmanager
    def task(self, description, total, done=0):
        with super().task(description, total, done) as silent:
            yield self if description == "training" else silent

    def advance(self, steps=1, status=""):
        self._left -= steps
        if self._left:
            return
        if self._how == "torn":  # the operating system kills it at the first byte too many
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (_TORN_BYTES, _TORN_BYTES))
        else:
            os.kill(os.getpid(), signal.SIGKILL)


def break_off(supervision: Path, out: Path, settings: TrainSettings, frames: Path, steps: int, how: str) -> int:
    """Train for some steps in another process that then dies; its exit status."""
    command = [sys.executable, "-m", __name__, str(supervision), str(out), settings.model_dump_json(), str(frames)]
    return subprocess.run([*command, str(steps), how, str(torch.get_num_threads())], timeout=400).returncode


if __name__ == "__main__":
    supervision, out, settings, frames, steps, how, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    chosen = TrainSettings.model_validate_json(settings)
    train(Path(supervision), Path(out), chosen, Breaking(int(steps), how), frame_cache=Path(frames))
