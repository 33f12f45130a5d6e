"""A road in grey, in which a white flash is a collision and a blue one a near-collision, and a model that sees it."""

import av
import numpy as np

from vlm_autodrive.engines import InferenceResponse
from vlm_autodrive.records import Outcome
from vlm_autodrive.video import SamplingSettings

FPS = 10


def write_drive(path, duration_s, flashes=(), near=(), codec="libx264"):
    """A video whose frames turn white for 0.3 s at each of ``flashes`` and blue at each of ``near``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 128, 72, "yuv420p"
        stream.options = {"g": "10", "preset": "ultrafast"} if codec == "libx264" else {}
        for index in range(round(duration_s * FPS)):
            time = index / FPS
            pixels = np.full((72, 128, 3), 70, np.uint8)
            pixels[40:, :, :] = 45
            pixels[:, (index * 3) % 120 : (index * 3) % 120 + 8] = 110
            if any(abs(time - flash) <= 0.151 for flash in flashes):
                pixels[:] = 255
            if any(abs(time - flash) <= 0.151 for flash in near):
                pixels[:] = (20, 20, 230)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


class FlashEngine:
    """Answers by what is in the frames; counts what it is asked."""

    name = "flash"
    sampling = SamplingSettings(fps=10, max_frames=64, height=36, width=64)

    def __init__(self, *, fail_after=None, probabilities=True, refuse=()):
        self.clips_seen = 0
        self.traces_asked = 0
        self.fail_after = fail_after
        self.probabilities = probabilities
        self.refuse = set(refuse)

    def generate(self, clips, requests, own=()):
        results = []
        for clip in clips:
            white = [t for t, p in zip(clip.times_s, clip.pixels, strict=True) if p.mean() > 200]
            blue = [
                t
                for t, p in zip(clip.times_s, clip.pixels, strict=True)
                if p[..., 2].mean() > 150 and p[..., 0].mean() < 100
            ]
            results.append([self._one(request, white, blue) for request in requests])
        return results

    def _one(self, question, white, blue):
        if not question.codes:
            self.traces_asked += 1
            time = (white or blue or [0])[0]
            code = "A" if white else "B" if blue else "C"
            text = f"<think>\nflash [t={time:.1f}]\n</think>\n\n<answer>\n{code}\nt={time:.1f}\n</answer>"
            return InferenceResponse(Outcome.OK, text)
        self.clips_seen += 1
        if self.fail_after is not None and self.clips_seen > self.fail_after:
            raise KeyboardInterrupt
        if self.clips_seen in self.refuse:
            return InferenceResponse(Outcome.ERROR, "", reason="the endpoint is down")
        chances = (0.9, 0.06, 0.04) if white else (0.05, 0.85, 0.1) if blue else (0.02, 0.03, 0.95)
        text = "ABC"[int(np.argmax(chances))]
        return InferenceResponse(Outcome.OK, text, chances if self.probabilities else None)
