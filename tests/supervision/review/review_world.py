"""A supervision set on real videos for the tests of the review: several teachers, rejected samples, hostile texts."""

from datetime import UTC, datetime, timedelta

from tests.clocks import write_clock
from tests.supervision.worlds import random_clip
from vlm_autodrive.artifacts import read_samples, write_clips, writing_artifact
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    Check,
    Correction,
    SampleLabel,
    SFTSample,
    StudentPrompt,
    write_jsonl,
)
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision import SuperviseSettings, review_item_id, supervise

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
CLASSES = ("collision", "near_collision", "normal")
MODEL = "model <img src=x onerror=alert(1)>"
ATTACK = "</div></script><script>document.title = 'owned'</script> <b>&amp; at 1.2 s, t=3.0 and [t=99.5]"

SIZES = (
    ("vqa", "rules", True, 700),
    ("vqa", "rules", True, 800),
    ("caption", "rules", True, 90),
    ("description", "model", True, 60),
    ("description", "model", False, 7),
    ("reasoning", "model", True, 1),
)


class Named(Settings):
    name: str


def supervision_set(folder, *, per_class=3):
    """Written by rules for clips of clock videos; every third description and caption is then a model's."""
    clips = []
    for number in range(per_class):
        for name in CLASSES:
            clip = random_clip(number, name)
            # 25 frames a second that start 0.2 s before the clip does
            video = write_clock(folder / "videos" / f"{clip.clip_id}.mp4", fps=25, count=130)
            clips.append(clip.model_copy(update={"path": str(video), "start_s": 0.2, "end_s": 5.0}))
    clips[0] = clips[0].model_copy(update={"path": str(folder / "gone.mp4"), "metadata": {"weather": "<b>Rain</b>"}})
    with writing_artifact(folder / "clips", "clips", {}, Named(name=f"{per_class} of each")) as partial:
        write_clips(partial, folder / "clips", DEFAULT_TAXONOMY, clips)
    types = ("verdict", "caption", "vqa", "reasoning")
    settings = SuperviseSettings(types=types, vqa_per_clip=4, understanding_per_clip=0)
    out = supervise(folder / "clips", folder / "supervision", settings)
    write_jsonl(out / "samples.jsonl", (changed(sample, number) for number, sample in enumerate(read_samples(out))))
    return out


def changed(sample, number):
    if sample.type != "caption":
        return sample
    passed = Check(name="length", passed=True)
    by_model = sample.model_copy(update={"teacher": MODEL, "teacher_inputs": ("label", "frames"), "checks": (passed,)})
    if number % 2:
        return by_model
    failed = Check(name="consistency", passed=False, message="says <i>rain</i>")
    return by_model.model_copy(update={"target": ATTACK, "checks": (passed, failed)})


def many_samples(sizes):
    """Samples without videos, so many of each type, teacher and whether accepted; clips of two classes in turn."""
    clips = {clip.clip_id: clip for clip in (random_clip(0, "collision"), random_clip(1, "normal"))}
    samples = [
        SFTSample(
            sample_id=f"{number}/{index}",
            clip_id=list(clips)[number % 2],
            type=type_,
            topic=type_,
            prompt=StudentPrompt(text="?", version="1"),
            target=f"{index}",
            mirror_target=None,
            teacher=teacher,
            teacher_prompt_version="1",
            checks=() if accepted else (Check(name="length", passed=False),),
        )
        for number, (type_, teacher, accepted, size) in enumerate(sizes)
        for index in range(size)
    ]
    return samples, clips


def decided(number, sample, decision, reviewer="ada", *, target=None, rejection="", **more):
    """A decision on a sample, as the review page keeps it."""
    said = SampleLabel(sample_id=sample.sample_id, accepted=sample.accepted, target=sample.target)
    now = {"accepted": decision != "reject", "target": target or sample.target, "rejection": rejection}
    told = {"correction_id": f"c{number}", "video": "/data/a.mp4", "window_start_s": 0.0, "window_end_s": 4.8}
    return Correction(
        item_id=review_item_id(sample),
        decision=decision,
        reviewer=reviewer,
        at=NOON + timedelta(seconds=number),
        before=said,
        after=said.model_copy(update=now),
        **(told | more),
    )
