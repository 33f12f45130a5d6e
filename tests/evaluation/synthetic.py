"""A comparison with every part that it can have, made from synthetic predictions of four models."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from starlette.responses import Response

from tests.evaluation.builders import NAMES, make_clip, make_prediction, write_prediction_set
from tests.fake_endpoint import ReceivedRequest, completion, serve
from tests.training.supervision_set import make_samples
from vlm_autodrive.artifacts import SAMPLES_FILE, write_clips, writing_artifact
from vlm_autodrive.evaluation import CompareSettings, JudgeSettings, compare, judge
from vlm_autodrive.records import (
    ANTICIPATION,
    DEFAULT_TAXONOMY,
    Clip,
    IncidentMetadata,
    Prediction,
    Verdict,
    write_jsonl,
)
from vlm_autodrive.settings import Settings

SKILL = {"base": 0.3, "tuned": 2.6, "camera_shake": 1.2, "majority": 0.0}
"""What is added to the score of the true class, by model."""
CONTROLS = ("black", "shuffled", "no_video", "event_hidden", "elsewhere_hidden")


def make_comparison(
    work: Path,
    *,
    seed: int = 0,
    count: int = 48,
    videos: Sequence[Path] = (),
    controls: Sequence[str] = CONTROLS,
    blind: bool = False,
    resamples: int = 200,
) -> Path:
    """Compare four models whose answers are drawn by their skill.

    Args:
        work: Where everything is written; the comparison is its folder ``comparison``.
        seed: Of the answers.
        count: Labelled clips, in matched triplets; one without a label is added.
        videos: Videos of the clips, by turns; without any, no clip can be read.
        controls: Those that the base and the tuned model were given.
        blind: Whether the tuned model answers black video as it does the true one, which is an invalid diagnostic.
        resamples: Of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    clips = _test_clips(count, videos)
    said = {name: _answers(clips, name, rng, further=name in ("base", "tuned"), blind=blind) for name in SKILL}
    for name in ("base", "tuned"):
        said[name] = [_with_controls(prediction, controls) for prediction in said[name]]
    folders = {name: write_prediction_set(work / name, clips, said[name]) for name in SKILL}
    validation_clips = [make_clip(f"v{n}", NAMES[n % 3], split="validation") for n in range(36)]
    validation, ahead = (
        {
            name: write_prediction_set(work / f"{kind}-{name}", some, _answers(some, name, rng))
            for name in ("base", "tuned")
        }
        for kind, some in (("validation", validation_clips), ("ahead", _anticipation_clips()))
    )
    return compare(
        folders,
        work / "comparison",
        CompareSettings(resamples=resamples),
        validation=validation,
        anticipation=ahead,
        references=_references(work / "references", clips),
        judgements={"tuned": _judged(folders["tuned"], clips, work)},
    )


def _with_controls(prediction: Prediction, controls: Sequence[str]) -> Prediction:
    kept = {name: verdict for name, verdict in prediction.controls.items() if name in controls}
    return prediction.model_copy(update={"controls": kept})


def _test_clips(count: int, videos: Sequence[Path]) -> list[Clip]:
    """Matched triplets with metadata, of which some are hard negatives, and one clip without a label."""
    clips = [
        make_clip(
            f"c{n:02d}",
            NAMES[n % 3],
            triplet_id=f"t{n // 3}",
            path=str(videos[n % len(videos)]) if videos else f"/nowhere/c{n:02d}.mp4",
            group_id=f"g{n // 6}",
            alert_time_s=0.4 if n % 3 < 2 else None,
            ego_involved=n % 5 > 0 if n % 3 < 2 else None,
            metadata={"hard_negative": str(n % 9 == 2).lower()},
            incident=IncidentMetadata.model_validate(
                {"light": ("bright", "dark")[n % 2], "weather": ("clear", "rain", "snow")[n // 3 % 3]}
            ),
        )
        for n in range(count)
    ]
    return [*clips, make_clip("unlabelled", None)]


def _anticipation_clips() -> list[Clip]:
    """Windows that end before an event, for three times ahead; one of them cannot be used."""
    clips = []
    for n in range(36):
        lead_s, is_event = ("0.5", "1", "1.5")[n % 3], n // 3 % 2 == 0
        changes = {
            "metadata": {ANTICIPATION: lead_s},
            "event_time_s": 2.0 + float(lead_s) if is_event else None,
            "group_id": f"a{n // 3}",
            "problem": "the warning comes later" if n == 6 else "",
        }
        clips.append(make_clip(f"a{n:02d}", NAMES[n // 6 % 2] if is_event else "normal", **changes))
    return clips


def _answers(
    clips: Sequence[Clip], model: str, rng: np.random.Generator, further: bool = False, blind: bool = False
) -> list[Prediction]:
    """Answers drawn by a model's skill: verdict and trace, and ``further`` those to prompt variants and on controls."""
    skill = SKILL[model]
    source = "code_logprobs" if model in ("base", "tuned") else "fitted"

    def verdict(clip: Clip, by: float) -> Verdict:
        scores = rng.normal(size=3)
        scores[NAMES.index(clip.event_class or "normal")] += by
        scores[2] += 4.0 if model == "majority" else 0.0
        shares = np.exp(scores) / np.exp(scores).sum()
        chances = {name: round(float(share), 6) for name, share in zip(NAMES, shares, strict=True)}
        chances["normal"] = round(1.0 - chances["collision"] - chances["near_collision"], 6)
        named = max(chances, key=lambda name: chances[name])
        if model == "tuned" and rng.random() < 0.06:
            return make_prediction(clip, None).verdict
        found = make_prediction(clip, named, probabilities=chances).verdict
        return found.model_copy(update={"probability_source": source})

    said = []
    for number, clip in enumerate(clips):
        first = verdict(clip, skill)
        time_s = None if first.event_class in (None, "normal") else round(float(rng.uniform(0.2, 1.8)), 1)
        traced = (first.event_class or "normal") if further else None
        made = make_prediction(clip, first.event_class, traced=traced, time_s=time_s)
        changes: dict[str, Any] = {"verdict": first}
        if further and made.reasoning is not None:
            cited = (time_s or 0.5, round(float(rng.uniform(0.2, 1.8)), 1))
            trace = f"A car is near [t={cited[0]:.1f}]. Then <{number}> follows [t={cited[1]:.1f}]."
            changes["reasoning"] = made.reasoning.model_copy(update={"trace": trace, "cited_times_s": cited})
            variants = ("short", "checklist", "expert", "reversed")
            changes["prompt_variants"] = {name: verdict(clip, 0.8 * skill) for name in variants}
            hidden = ("event_hidden", "elsewhere_hidden") if clip.event_time_s is not None else ()
            rest = {"elsewhere_hidden": 0.9 * skill, "event_hidden": 0.3 * skill}
            controls = ("black", "shuffled", "no_video", *hidden)
            changes["controls"] = {name: verdict(clip, rest.get(name, 0.1 * skill)) for name in controls}
            if blind and model == "tuned":
                changes["controls"]["black"] = first
        said.append(made.model_copy(update=changes))
    return said


def _references(folder: Path, clips: Sequence[Clip]) -> Path:
    """A supervision set that holds a trace of every second clip."""
    labelled = [clip for clip in clips if clip.event_class is not None]
    with writing_artifact(folder, "supervision", {}, Settings()) as partial:
        assert partial is not None
        write_jsonl(partial / SAMPLES_FILE, [item for clip in labelled[::2] for item in make_samples(clip)])
        write_clips(partial, folder, DEFAULT_TAXONOMY, labelled)
    return folder


def _judged(predictions: Path, clips: Sequence[Clip], work: Path) -> Path:
    """What a scripted judge and two people think of a model's traces."""
    human_ratings = work / "ratings.csv"
    rows = [f"{clip.clip_id},{1 + (3 * n) % 5},{'AB'[n % 2]}" for n, clip in enumerate(clips[:24])]
    human_ratings.write_text("\n".join(["clip_id,grade,person", *rows]) + "\n", encoding="utf-8")
    with serve(grade_by_number) as endpoint:
        return judge(predictions, work / "judgements", judge_settings(endpoint.url, work), human_ratings=human_ratings)


def judge_settings(url: str, work: Path) -> JudgeSettings:
    return JudgeSettings(base_url=url, model="judge-model", cache=str(work / "judge-cache"))


def grade_by_number(asked: ReceivedRequest) -> Response:
    """A grade by the number that the trace names."""
    number = re.search(r"<(\d+)>", asked.text.encode().decode("unicode_escape"))
    grade = 1 + (3 * int(number[1]) + int(number[1]) // 5) % 5 if number else 3
    return completion(json.dumps({"why": "It fits.", "grade": grade}))
