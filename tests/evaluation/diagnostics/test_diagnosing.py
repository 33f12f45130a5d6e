"""No model is accused without cause, whatever chance deals."""

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.builders import NAMES, make_clip, make_prediction
from vlm_autodrive.evaluation import EvaluationSamples, ModelScores
from vlm_autodrive.evaluation.diagnostics import diagnose
from vlm_autodrive.evaluation.predict.contamination import find_overlaps, same_footage
from vlm_autodrive.evaluation.score.samples import clusters_of
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome, Verdict

SCORES = ModelScores.model_construct(prompt="main", code_mass=None, prompt_variants={}, prompt_choice=None)


def samples_of(rng, count: int, per_drive: int, share_right: float, controls: str = "") -> EvaluationSamples:
    """Clips with numbered names, in drives; a model right in so many of them; its answers on controls."""
    truths = [NAMES[i] for i in rng.choice(3, count, p=(0.3, 0.3, 0.4))]
    numbers = rng.permutation(10 * count)[:count]
    clips = [
        make_clip(
            f"{numbers[i]:05d}-w0", truths[i], group_id=f"drive-{i // per_drive}", path=f"/v/{numbers[i]:05d}.mp4"
        )
        for i in range(count)
    ]
    answers = [name if rng.random() < share_right else NAMES[rng.integers(3)] for name in truths]
    predictions = []
    for clip, answer in zip(clips, answers, strict=True):
        given = {
            "constant": "normal",
            "random": NAMES[rng.integers(3)],
            "mostly": rng.choice(NAMES, p=(0.05, 0.1, 0.85)),
        }
        blind = str(given.get(controls, ""))
        verdict = Verdict(outcome=Outcome.OK, event_class=blind, probabilities=None, raw_text=blind)
        shown = {"black": verdict, "no_video": verdict, "shuffled": verdict} if controls else {}
        predictions.append(make_prediction(clip, answer).model_copy(update={"controls": shown}))
    return EvaluationSamples(DEFAULT_TAXONOMY, tuple(clips), 0, tuple(clusters_of(clips)), {"m": tuple(predictions)})


@pytest.mark.parametrize(
    ("count", "per_drive", "share_right", "controls"),
    [
        (30, 1, 0.9, "random"),
        (60, 2, 0.9, "constant"),
        (120, 4, 0.6, "random"),
        (200, 1, 0.3, "mostly"),
        (60, 1, 0, ""),
    ],
)
def test_honest_models_of_every_skill_are_accused_of_nothing(count, per_drive, share_right, controls):
    for seed in range(25):
        samples = samples_of(np.random.default_rng(seed), count, per_drive, share_right, controls)
        assert diagnose(samples, {"m": SCORES}) == (), seed


def test_names_by_drive_are_no_names_that_tell():
    """Each drive has a name and mostly one class of its own: what is learnt of one says nothing of the next."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        samples = samples_of(rng, 120, 4, 0.9, "constant")
        drives = [f"{rng.integers(10**6):06d}" for _ in range(30)]
        clips = tuple(
            clip.model_copy(update={"event_class": NAMES[i // 4 % 3], "video_id": f"{drives[i // 4]}_{i % 4}"})
            for i, clip in enumerate(samples.clips)
        )
        said = tuple(make_prediction(clip, clip.event_class) for clip in clips)
        assert diagnose(replace(samples, clips=clips, predictions={"m": said}), {"m": SCORES}) == (), seed


def test_videos_of_one_camera_that_cannot_be_read_are_no_answers_that_follow_names():
    rng = np.random.default_rng(0)
    samples = samples_of(rng, 90, 1, 0.9)
    normal = Verdict(outcome=Outcome.OK, event_class="normal", probabilities=None, raw_text="C")
    failed = Verdict(outcome=Outcome.ERROR, event_class=None, probabilities=None, raw_text="", reason="no video")
    clips, said = [], []
    for index, clip in enumerate(samples.clips):
        broken = index % 3 == 0
        clips.append(clip.model_copy(update={"video_id": f"{'rear' if broken else 'front'}-{clip.clip_id}"}))
        verdict = failed if broken else normal
        said.append(make_prediction(clip, None).model_copy(update={"verdict": verdict, "controls": {"black": verdict}}))
    found = diagnose(replace(samples, clips=tuple(clips), predictions={"m": tuple(said)}), {"m": SCORES})
    assert [f.kind for f in found] == ["failed_answers", "always_same_class"]


@pytest.mark.parametrize("lost", ["failed", "missing"])
def test_a_control_that_failed_is_no_proof_of_sight(lost):
    """A macro-F1 of 0 on black video, since it was never answered, must not look as if the video had been needed."""
    samples = samples_of(np.random.default_rng(0), 60, 1, 0.9, "constant")
    failed = Verdict(outcome=Outcome.ERROR, event_class=None, probabilities=None, raw_text="", reason="refused, 400")
    said = [p.model_copy(update={"prompt_variants": {"short": p.verdict}}) for p in samples.predictions["m"]]
    for i in range(0, 60, 2):
        others = {} if lost == "missing" else {"short": failed}
        black = {} if lost == "missing" else {"black": failed}
        controls = {name: verdict for name, verdict in said[i].controls.items() if name != "black"} | black
        said[i] = said[i].model_copy(update={"controls": controls, "prompt_variants": others})
    (found,) = diagnose(replace(samples, predictions={"m": tuple(said)}), {"m": SCORES})
    assert (found.severity, found.kind) == ("warning", "failed_controls")
    assert "30 of 60 under the control black, 30 of 60 under the prompt variant short" in found.text
    assert ("refused, 400 (60 times)" in found.text) == (lost == "failed")


def test_ids_of_another_catalog_mean_nothing():
    asked = [make_clip("1", video_id="00001", group_id="g", path="/here/00001.mp4")]
    other = [(make_clip("x", video_id="00001", group_id="g", path="/there/00001.mp4"), "s")]
    assert find_overlaps(asked, other, files_alone=True) == []
    assert [tie.kind for tie in find_overlaps(asked, other)] == ["video"]


def test_clips_with_a_problem_teach_nothing():
    asked = [make_clip("1", group_id="g")]
    assert (
        find_overlaps(asked, [(make_clip("2", group_id="g", problem="it would add to the test split"), "train")]) == []
    )


def test_windows_that_follow_each_other_are_not_the_same_footage():
    clips = [make_clip(f"{i}", path="/v.mp4", start_s=2.0 * i, end_s=2.0 * i + 3.0) for i in range(4)]
    assert same_footage(clips) == []
    assert len(same_footage([*clips, clips[0].model_copy(update={"clip_id": "again", "start_s": 0.5})])) == 1
