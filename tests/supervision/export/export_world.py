"""A supervision set on real video files with everything in it that an export must and must not write."""

from dataclasses import dataclass
from pathlib import Path

from tests.clocks import write_clock
from vlm_autodrive.artifacts import SAMPLES_FILE, write_clips, writing_artifact
from vlm_autodrive.models import SYSTEM_PROMPT, format_reasoning, reasoning_prompt, verdict_prompt
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    Check,
    Clip,
    Outcome,
    SFTSample,
    StudentPrompt,
    write_jsonl,
)
from vlm_autodrive.settings import Settings

PLANTED = "planted-metadata"
EVENT_TIME_S = 1.2345
LENGTH_S = 2.4


@dataclass(frozen=True)
class Expected:
    """What a trainer must get of one sample: system prompt, question, answer, and the numbers of the frames."""

    system: str
    prompt: str
    target: str
    frames: tuple[int, ...]


def a_clip(folder: Path, event_class: str, split: str, number: int, start_s: float) -> Clip:
    name = f"{event_class}-{split}-{number}"  # as people name their files
    write_clock(folder / f"{name}.mp4", count=72)
    return Clip(
        clip_id=f"{name}-w0", video_id=name, path=str(folder / f"{name}.mp4"), start_s=start_s,
        end_s=round(start_s + LENGTH_S, 3), split=split, event_class=event_class, event_time_s=EVENT_TIME_S,
        alert_time_s=None, ego_involved=True, group_id=name, triplet_id=None, metadata={"weather": PLANTED},
    )  # fmt: skip


def an_item(clip: Clip, kind: str, prompt: StudentPrompt, target: str, **more) -> SFTSample:
    values = {"topic": kind, "mirror_target": "mirrored", "teacher": "a teacher", "teacher_prompt_version": "1", **more}
    sample_id = f"{clip.clip_id}/{kind}/{values['topic']}"
    return SFTSample(sample_id=sample_id, clip_id=clip.clip_id, type=kind, prompt=prompt, target=target, **values)


def good_items(clip: Clip) -> list[SFTSample]:
    code = DEFAULT_TAXONOMY.by_name(str(clip.event_class)).code
    trace = format_reasoning("A van brakes [t=0.4].\n\nIt is “close”, 2 m.", code, 1.2)
    asked = StudentPrompt(text="Wie spät?\n\nA: früh \\ B: «spät»", version="1")
    return [
        an_item(clip, "verdict", verdict_prompt(DEFAULT_TAXONOMY), code),
        an_item(clip, "reasoning", reasoning_prompt(DEFAULT_TAXONOMY), trace),
        an_item(clip, "vqa", asked, 'früh, "vielleicht"\u2028or\tnot', topic="clock", outcome=Outcome.REPAIRED),
    ]


def make_world(folder: Path) -> tuple[Path, dict[str, list[Expected]]]:
    """The supervision set, and what must come of it for each split, in order."""
    videos = folder / "videos"
    train = [a_clip(videos, c, "train", i, 1.2 * i) for i, c in enumerate(("collision", "normal", "near_collision"))]
    validation, test = a_clip(videos, "normal", "validation", 3, 4.8), a_clip(videos, "collision", "test", 4, 0.0)
    gone = train[0].model_copy(update={"clip_id": "gone-w0", "path": str(videos / "gone.mp4")})
    short = train[0].model_copy(update={"clip_id": "short-w0", "start_s": 6.0, "end_s": 12.0})
    taught = {clip.clip_id: good_items(clip) for clip in (*train, validation, test, gone, short)}
    failed = (Check(name="truth", passed=False, message="untrue"),)
    question = StudentPrompt(text="rejected question", version="1")
    bad = [
        an_item(train[0], "caption", question, "rejected by a check", checks=failed),
        an_item(train[1], "caption", question, "cut of", outcome=Outcome.TRUNCATED),
        an_item(train[1], "vqa", StudentPrompt(text="Is <video> here?", version="1"), "yes", topic="tag"),
    ]
    out = folder / "supervision"
    with writing_artifact(out, "supervision", {}, Settings()) as partial:
        write_jsonl(partial / SAMPLES_FILE, [*(sample for samples in taught.values() for sample in samples), *bad])
        write_clips(partial, out, DEFAULT_TAXONOMY, [*train, validation, test, gone, short])
    expected = {
        "train": [one for clip in train for one in expected_of(clip, taught[clip.clip_id])],
        "validation": expected_of(validation, taught[validation.clip_id]),
    }
    return out, expected


def expected_of(clip: Clip, samples: list[SFTSample]) -> list[Expected]:
    first = round(10 * clip.start_s)
    frames = tuple(range(first, first + round(10 * LENGTH_S)))
    return [Expected(SYSTEM_PROMPT, sample.prompt.text, sample.target, frames) for sample in samples]
