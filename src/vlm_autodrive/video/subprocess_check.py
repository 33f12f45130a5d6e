"""Video checks in a subprocess with limits, so that no file can crash the main process.

A file may crash the decoder, fill the memory or keep it busy for ever. The process that decodes may
use so much memory and must give a sign of life now and then; if it dies or falls silent, the video has
its reason, and the next one gets a new process. ``python -m vlm_autodrive.video.subprocess_check`` is that
process: it takes a JSON list of a path and a video stream's number on each line and answers with lines of its own.
"""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vlm_autodrive.video.check import VideoCheck, check_video
from vlm_autodrive.video.errors import VideoError

_MEGABYTE = 1 << 20
_WORKER = (sys.executable, "-m", "vlm_autodrive.video.subprocess_check")
_MEMORY_SIGNS = ("allocate memory", "out of memory")


@dataclass(frozen=True)
class DecodeLimits:
    """What one check decodes, and what it may take. It may take as long as it gets on: a video may be of any length.

    Attributes:
        memory_mb: Megabytes of address space beyond what the process has to begin with.
        stall_timeout_s: Seconds without a sign of progress.
        whole: Decode all of a long video, rather than samples.
    """

    memory_mb: int = 2000
    stall_timeout_s: float = 60.0
    whole: bool = False


class SubprocessVideoChecker:
    """Checks one video after another in a process of its own; use it as a context manager."""

    def __init__(self, limits: DecodeLimits, worker: Sequence[str] = _WORKER) -> None:
        """Check within ``limits``; ``worker`` is the command of the process, to which what it must know is added."""
        self._limits = limits
        self._command = [*worker, str(limits.memory_mb), *(["whole"] if limits.whole else [])]
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""

    def __enter__(self) -> "SubprocessVideoChecker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None
            self._received = b""

    def check(self, path: Path, stream: int | None = None) -> VideoCheck | str:
        """What decoding a video shows; or, in plain words, why it cannot be decoded. ``stream`` as for the probe."""
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps([str(path), stream]).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._post_mortem(process)
        while True:
            line = self._line(process, time.monotonic() + self._limits.stall_timeout_s)
            if line is None:
                self.close()
                return f"decoding it made no progress for {self._limits.stall_timeout_s:g} s"
            if not line:
                return self._post_mortem(process)
            answer = json.loads(line)
            if "check" in answer:
                return VideoCheck.model_validate(answer["check"])
            if "reason" in answer:
                return str(answer["reason"])

    def _start(self) -> "subprocess.Popen[bytes]":
        single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each thread takes address space
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **single},
        )
        return self._process

    def _line(self, process: "subprocess.Popen[bytes]", until: float) -> bytes | None:
        """The next line; empty if the process has ended, None if none comes in time."""
        assert process.stdout is not None
        while b"\n" not in self._received:
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return None
            received = os.read(process.stdout.fileno(), 1 << 16)
            if not received:
                return b""
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return line

    def _post_mortem(self, process: "subprocess.Popen[bytes]") -> str:
        status = process.wait()
        self.close()
        cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return f"the decoder crashed on it ({cause})"


def serve(memory_mb: int, check: Callable[..., VideoCheck] = check_video) -> None:
    """Be the process that decodes: read paths from stdin until it ends, and answer each on stdout."""
    _limit_memory(memory_mb)

    def tell(time_s: float) -> None:
        print(json.dumps({"at_s": time_s}), flush=True)

    for line in sys.stdin:
        answer: dict[str, object]
        try:
            path, stream = json.loads(line)
            found = check(Path(path), tell, stream=stream)
            answer, reason = {"check": found.model_dump()}, found.damage
        except VideoError as error:
            answer, reason = {"reason": error.reason}, error.reason
        except MemoryError:
            answer, reason = {}, _MEMORY_SIGNS[0]
        except Exception as error:  # a fault of ours costs this video alone, and is not blamed on it
            reason = f"not checked, by a fault of this program ({error!r}); please report it"
            answer = {"reason": reason}
        if any(sign in reason for sign in _MEMORY_SIGNS):
            answer = {"reason": f"decoding it takes more than {memory_mb} MB of memory"}
        print(json.dumps(answer), flush=True)


def _limit_memory(memory_mb: int) -> None:
    """Allow this process so much more address space than it has; where the system tells, which Linux does."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sizes = Path("/proc/self/statm")
    if sizes.exists():
        used = int(sizes.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory_mb * _MEGABYTE,) * 2)


if __name__ == "__main__":
    serve(int(sys.argv[1]), partial(check_video, whole="whole" in sys.argv[2:]))
