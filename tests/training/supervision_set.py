"""A small supervision set on real video files, for the tests of training."""

from pathlib import Path

from tests.clocks import write_clock
from vlm_autodrive.artifacts import SAMPLES_FILE, write_clips, writing_artifact
from vlm_autodrive.models import format_reasoning, reasoning_prompt, verdict_prompt
from vlm_autodrive.records import DEFAULT_TAXONOMY, Check, Clip, SFTSample, StudentPrompt, write_jsonl
from vlm_autodrive.settings import Settings

CLASSES = ("collision", "near_collision", "normal")


def make_clips(folder: Path, count: int = 6, split: str = "train") -> list[Clip]:
    """Clips of 2.4 s, each of its own video file; each class shows other numbers of the clock."""
    clips = []
    for number in range(count):
        path = write_clock(folder / f"{split}{number}.mp4", count=72)
        start_s = 2.4 * (number % 3)
        event_class = CLASSES[number % 3]
        time_s = None if event_class == "normal" else 1.2
        clips.append(
            Clip(
                clip_id=f"{split}{number}-w0",
                video_id=f"{split}{number}",
                path=str(path),
                start_s=start_s,
                end_s=start_s + 2.4,
                split=split,
                event_class=event_class,
                event_time_s=time_s,
                alert_time_s=None,
                ego_involved=None,
                group_id=f"{split}{number}",
                triplet_id=None,
                metadata={},
                source="clocks",
            )
        )
    return clips


def make_samples(clip: Clip) -> list[SFTSample]:
    """A verdict, a trace, one caption that can be mirrored and one question that cannot."""
    code = DEFAULT_TAXONOMY.by_name(str(clip.event_class)).code
    trace = format_reasoning("A car comes.", code, clip.event_time_s)

    def sample(kind, prompt, target, mirror):
        return SFTSample(
            sample_id=f"{clip.clip_id}-{kind}",
            clip_id=clip.clip_id,
            type=kind,
            topic=kind,
            prompt=prompt,
            target=target,
            mirror_target=mirror,
            teacher="rules",
            teacher_prompt_version="1",
        )

    return [
        sample("verdict", verdict_prompt(DEFAULT_TAXONOMY), code, code),
        sample("reasoning", reasoning_prompt(DEFAULT_TAXONOMY), trace, trace),
        sample("caption", StudentPrompt(text="Write a caption.", version="1"), "From the left.", "From the right."),
    ]


def make_supervision(folder: Path, count: int = 6, rejected: int | None = None) -> Path:
    """The whole artefact; the samples of clip number ``rejected`` fail a check."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = make_clips(folder, count)
    samples = [sample for clip in clips for sample in make_samples(clip)]
    if rejected is not None:
        failed = (Check(name="truth", passed=False, message="planted"),)
        bad = clips[rejected].clip_id
        samples = [i.model_copy(update={"checks": failed}) if i.clip_id == bad else i for i in samples]
    out = folder / "supervision"
    with writing_artifact(out, "supervision", {}, Settings()) as partial:
        write_jsonl(partial / SAMPLES_FILE, samples)
        write_clips(partial, out, DEFAULT_TAXONOMY, clips)
    return out
