from pathlib import Path

import av
import numpy as np

from vlm_autodrive.artifacts import HELD_OUT_QUESTIONS_FILE, write_clips, writing_artifact
from vlm_autodrive.engines import InferenceResponse
from vlm_autodrive.models import format_reasoning
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    Clip,
    HeldOutQuestion,
    Outcome,
    Prediction,
    Reasoning,
    StudentPrompt,
    Verdict,
    write_jsonl,
)
from vlm_autodrive.settings import Settings
from vlm_autodrive.video import SamplingSettings

NAMES = DEFAULT_TAXONOMY.names


def write_video(path: Path, *, shake_at: float | None = None, seconds: float = 2.0, fps: int = 10, seed: int = 0):
    """A street of stripes that drifts; ``shake_at`` makes the camera jump for 0.3 s."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 255, size=(24, 40, 3), dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.bit_rate = 2_000_000
        for index in range(round(seconds * fps)):
            shaken = shake_at is not None and shake_at <= index / fps < shake_at + 0.3
            moved = np.roll(picture, (12 * (-1) ** index if shaken else 0, index), axis=(0, 1))
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(moved), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def make_clip(clip_id: str, event_class: str | None = "normal", **changes) -> Clip:
    values = {
        "clip_id": clip_id,
        "video_id": f"video-{clip_id}",
        "path": f"/nowhere/{clip_id}.mp4",
        "start_s": 0.0,
        "end_s": 2.0,
        "split": "test",
        "event_class": event_class,
        "event_time_s": 1.0 if event_class in NAMES[:2] else None,
        "alert_time_s": None,
        "ego_involved": None,
        "group_id": f"group-{clip_id}",
        "triplet_id": None,
        "metadata": {},
    }
    return Clip(**(values | changes))


def make_verdict(answer: str | None, probabilities=None) -> Verdict:
    outcome = Outcome.OK if answer else Outcome.UNPARSEABLE
    return Verdict(outcome=outcome, event_class=answer, probabilities=probabilities, raw_text=str(answer))


def make_prediction(
    clip: Clip,
    answer: str | None,
    *,
    traced: str | None = None,
    time_s=None,
    probabilities=None,
    prompt_variants=None,
    controls=None,
):
    reasoning = None
    if traced is not None:
        reasoning = Reasoning(
            outcome=Outcome.OK,
            event_class=traced,
            trace="It happens [t=1.0]. <b>&",
            cited_times_s=(1.0,),
            event_time_s=time_s,
            raw_text="raw",
        )
    return Prediction(
        clip_id=clip.clip_id,
        model="some-model",
        verdict=make_verdict(answer, probabilities),
        reasoning=reasoning,
        frame_times_s=(0.0, 1.0),
        latency_s=0.1,
        prompt_variants=prompt_variants or {},
        controls=controls or {},
    )


def make_question(clip_id, topic="weather", answer="A", options=("dry", "wet", "snow")):
    lines = [f"{letter}: {option}" for letter, option in zip("ABCD", options, strict=False)]
    return HeldOutQuestion(
        sample_id=f"{clip_id}/vqa/{topic}",
        clip_id=clip_id,
        type="vqa",
        topic=topic,
        prompt=StudentPrompt(text="\n".join([f"Which {topic}?", *lines, "Answer with the letter."]), version="1"),
        options=options,
        answer=answer,
    )


class _Name(Settings):
    name: str


def write_clip_set(folder: Path, clips) -> Path:
    with writing_artifact(folder, "clips", {}, _Name(name=folder.name)) as partial:
        write_clips(partial, folder, DEFAULT_TAXONOMY, clips)
    return folder


def write_question_set(folder: Path, clips, questions) -> Path:
    with writing_artifact(folder, "supervision", {"clips": clips}, Settings()) as partial:
        write_jsonl(partial / HELD_OUT_QUESTIONS_FILE, questions)
    return folder


def write_prediction_set(folder: Path, clips, predictions, questions=()) -> Path:
    from vlm_autodrive.evaluation.predict.stage import write_predictions

    with writing_artifact(folder, "predictions", {}, _Name(name=folder.name)) as partial:
        write_predictions(partial, folder, DEFAULT_TAXONOMY, clips, predictions)
        if questions:
            write_jsonl(partial / HELD_OUT_QUESTIONS_FILE, questions)
    return folder


class FakeEngine:
    """Answers by the mean brightness of a clip's frames, so that a shifted answer is noticed.

    Asked without frames, it names the last class.
    """

    name = "fake"
    sampling = SamplingSettings(fps=2, max_frames=4, height=16, width=24)

    def __init__(self, code_of, die_after: int | None = None):
        self.code_of, self.die_after = code_of, die_after
        self.asked: list[int] = []

    def generate(self, clips, requests, own=()):
        if self.die_after is not None and sum(self.asked) >= self.die_after:
            raise KeyboardInterrupt
        self.asked.append(len(clips))
        own = own or [()] * len(clips)
        return [[self._one(f, request) for request in (*requests, *also)] for f, also in zip(clips, own, strict=True)]

    def _one(self, frames, question):
        code = self.code_of(frames) if frames.times_s else DEFAULT_TAXONOMY.codes[-1]
        if question.codes:
            probabilities = tuple(0.8 if c == code else 0.1 for c in question.codes)
            return InferenceResponse(Outcome.OK, code, probabilities, probability_source="code_logprobs")
        return InferenceResponse(Outcome.OK, format_reasoning("Seen [t=0.5].", code, None if code == "C" else 1.0))
