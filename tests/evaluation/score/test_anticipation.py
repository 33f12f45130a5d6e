"""Causal windows through compare: Nexar's metric, no frame later than allowed, no failure that helps."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from typer.testing import CliRunner

from tests.clips.catalogs import event, video
from tests.evaluation.builders import (
    FakeEngine,
    make_clip,
    make_prediction,
    write_clip_set,
    write_prediction_set,
    write_video,
)
from vlm_autodrive.artifacts import read_predictions
from vlm_autodrive.cli.main import app
from vlm_autodrive.clips import ClipSettings
from vlm_autodrive.clips.clips_stage import cut_clips
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import CompareSettings, EvaluateSettings, compare, read_comparison
from vlm_autodrive.evaluation.predict.stage import evaluate_with_engine
from vlm_autodrive.records import ANTICIPATION, DEFAULT_TAXONOMY, Outcome

LEADS_S = (0.5, 1.0, 1.5)
SETTINGS = CompareSettings(resamples=200)


def challenge_score(scores, positives, groups):
    """Nexar's metric written out: scikit-learn for each time ahead, then the mean."""
    scores, positives, groups = np.array(scores), np.array(positives), np.array(groups)
    return np.mean([average_precision_score(positives[groups == g], scores[groups == g]) for g in np.unique(groups)])


def windows(count=40):
    """Clips of the stage itself: every second video has an event, whose warning may be too late for some of them."""
    videos = [video(f"v{i}", 40.0, i % 2 == 0) for i in range(count)]
    kinds = ("collision", "near_collision")
    events = [
        event(v.video_id, 20.0, kinds[i % 2], alert_time_s=18.0 if i % 5 else 19.2)
        for i, v in enumerate(videos)
        if v.positive
    ]
    settings = ClipSettings(window_s=5, anticipation_s=LEADS_S)
    return cut_clips(videos, events, {}, DEFAULT_TAXONOMY, settings)


def chances(clip, rng):
    p = float(np.clip(rng.normal(0.5 if clip.event_class == "normal" else 0.7, 0.2), 0.01, 0.99))
    return {"collision": 0.6 * p, "near_collision": 0.4 * p, "normal": 1 - p}


def predictions(clips, **changes):
    rng = np.random.default_rng(1)
    said = []
    for clip in clips:
        if clip.problem:
            said.append(failed(make_prediction(clip, None), clip.problem))
            continue
        last_s = clip.duration_s - 0.1
        prediction = make_prediction(clip, "normal", probabilities=chances(clip, rng))
        said.append(prediction.model_copy(update={"frame_times_s": (0.0, last_s), **changes}))
    return said


def failed(prediction, reason):
    verdict = prediction.verdict.model_copy(
        update={"outcome": Outcome.ERROR, "event_class": None, "probabilities": None, "reason": reason}
    )
    return prediction.model_copy(update={"verdict": verdict})


def scored(tmp_path, clips, said):
    folder = write_prediction_set(tmp_path / "m", clips, said)
    settings = CompareSettings(resamples=300)
    return read_comparison(compare({"m": folder}, tmp_path / "out", settings)).models["m"].anticipation


def test_compare_gives_the_challenge_figure(tmp_path):
    clips = windows()
    said = predictions(clips)
    figures = scored(tmp_path, clips, said)
    usable = [(c, p.verdict.probabilities) for c, p in zip(clips, said, strict=True) if not c.problem]
    assert len(clips) - len(usable) == figures.left_out == 8  # four warnings, too late for 1 and 1.5 s ahead
    scores = [p["collision"] + p["near_collision"] for _, p in usable]
    positives = [c.event_class != "normal" for c, _ in usable]
    groups = [c.metadata[ANTICIPATION] for c, _ in usable]
    assert figures.mean_average_precision.value == pytest.approx(challenge_score(scores, positives, groups), abs=1e-9)
    assert figures.clips == {"0.5": (20, 20), "1": (16, 20), "1.5": (16, 20)}
    assert figures.chance["1"] == pytest.approx(16 / 36)
    mine = [i for i, group in enumerate(groups) if group == "1"]
    expected = average_precision_score([positives[i] for i in mine], [scores[i] for i in mine])
    assert figures.average_precision["1"].value == pytest.approx(expected, abs=1e-9)
    assert figures.average_precision["1"].low < expected < figures.average_precision["1"].high


def test_from_footage_to_the_figure(tmp_path):
    """Real frames of real windows: none of them is later than it may be, and the brighter film is the event."""
    footage, events = [], []
    for i in range(6):
        path = write_video(tmp_path / f"{i}.mp4", seconds=6, seed=i)
        footage.append(video(f"v{i}", 6.0, i % 2 == 0).model_copy(update={"path": str(path)}))
        events += [event(f"v{i}", 5.0, alert_time_s=3.0)] if i % 2 == 0 else []
    clips = cut_clips(footage, events, {}, DEFAULT_TAXONOMY, ClipSettings(window_s=2, anticipation_s=LEADS_S))
    clips = [c.model_copy(update={"split": "test"}) for c in clips]
    folder = write_clip_set(tmp_path / "clips", clips)
    engine = FakeEngine(lambda frames: "A" if frames.pixels.mean() > 127 else "C")
    made = evaluate_with_engine(folder, engine, "key", tmp_path / "p", EvaluateSettings(reasoning=False))
    said = {p.clip_id: p for p in read_predictions(made)}
    for clip in clips:
        if clip.event_time_s is not None:
            ahead_s = clip.event_time_s - max(said[clip.clip_id].frame_times_s)
            assert ahead_s > float(clip.metadata[ANTICIPATION])
    figures = read_comparison(compare({"m": made}, tmp_path / "out", CompareSettings(resamples=200))).models["m"]
    scores = [1 - said[c.clip_id].verdict.probabilities["normal"] for c in clips]
    expected = challenge_score(
        scores, [c.event_class != "normal" for c in clips], [c.metadata[ANTICIPATION] for c in clips]
    )
    assert figures.anticipation.mean_average_precision.value == pytest.approx(expected, abs=1e-9)
    assert figures.anticipation.clips == {"0.5": (3, 3), "1": (3, 3), "1.5": (3, 3)}


def test_what_another_model_answered_is_refused(tmp_path):
    path = write_video(tmp_path / "0.mp4", seconds=3)
    splits = {"test": "a", "validation": "b"}
    clips = [make_clip(clip_id, path=str(path), split=split) for split, clip_id in splits.items()]
    folder = write_clip_set(tmp_path / "clips", clips)
    made = {}
    for key in ("old weights", "new weights"):
        for split in splits:
            asked = EvaluateSettings(split=split, reasoning=False, prompt_variants=(), controls=())
            out = tmp_path / key / split
            made[key, split] = evaluate_with_engine(folder, FakeEngine(lambda frames: "C"), key, out, asked)
    tested = {"tuned": made["new weights", "test"]}
    compare(tested, tmp_path / "out", SETTINGS, validation={"tuned": made["new weights", "validation"]})
    with pytest.raises(UserError, match="holds answers of another model"):
        compare(tested, tmp_path / "o2", SETTINGS, validation={"tuned": made["old weights", "validation"]})


def test_a_frame_later_than_allowed_is_refused(tmp_path):
    clips = [c for c in windows() if not c.problem]
    said = predictions(clips)
    index = next(i for i, c in enumerate(clips) if c.event_class == "collision" and c.metadata[ANTICIPATION] == "1")
    late = said[index].model_copy(update={"frame_times_s": (0.0, clips[index].duration_s + 0.25)})
    said[index] = late
    message = rf"{clips[index].clip_id} is to end 1 s before its event, but m was shown it up to 0\.750 s before"
    with pytest.raises(UserError, match=message):
        scored(tmp_path, clips, said)


def test_a_window_that_reaches_too_far_is_refused(tmp_path):
    clips = [c for c in windows() if not c.problem]
    clips[0] = clips[0].model_copy(update={"end_s": clips[0].end_s + 0.4})
    with pytest.raises(UserError, match=r"but m was shown it up to 0\.100 s before"):
        scored(tmp_path, clips, predictions(clips))


@pytest.mark.parametrize("event_class", ["collision", "normal"])
def test_a_failed_clip_ranks_where_it_does_the_most_harm(tmp_path, event_class):
    clips = [c for c in windows() if not c.problem]
    said = predictions(clips)
    before = scored(tmp_path / "before", clips, said)
    index = next(i for i, c in enumerate(clips) if c.event_class == event_class)
    lead = clips[index].metadata[ANTICIPATION]
    said[index] = failed(said[index], "the endpoint died")
    after = scored(tmp_path / "after", clips, said)
    assert after.average_precision[lead].value < before.average_precision[lead].value
    assert after.clips == before.clips
    mine = [i for i, c in enumerate(clips) if c.metadata[ANTICIPATION] == lead]
    positives = [clips[i].event_class != "normal" for i in mine]
    worst = -1.0 if event_class == "collision" else 2.0
    values = [
        worst if (p := said[i].verdict.probabilities) is None else p["collision"] + p["near_collision"] for i in mine
    ]
    assert after.average_precision[lead].value == pytest.approx(average_precision_score(positives, values), abs=1e-9)


def test_votes_of_which_none_names_a_class_are_no_answer(tmp_path):
    """They would sum to 0 for an event, the best that a window without one can have."""
    clips = [c for c in windows() if not c.problem]
    said = predictions(clips)
    index = next(i for i, c in enumerate(clips) if c.event_class == "normal")
    silent = said[index].verdict.model_copy(update={"probabilities": dict.fromkeys(DEFAULT_TAXONOMY.names, 0.0)})
    dead = scored(tmp_path / "dead", clips, [*said[:index], failed(said[index], "died"), *said[index + 1 :]])
    said[index] = said[index].model_copy(update={"verdict": silent})
    assert scored(tmp_path / "silent", clips, said) == dead


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probabilities": {"collision": 0.5, "normal": 0.5}}, "leave out near_collision"),
        ({"probability_source": "votes"}, "of several kinds"),
    ],
)
def test_probabilities_that_are_none_are_refused_of_windows_given_beside(tmp_path, changes, message):
    ahead = [c for c in windows() if not c.problem]
    said = predictions(ahead)
    said[3] = said[3].model_copy(update={"verdict": said[3].verdict.model_copy(update=changes)})
    clips = [make_clip("a", "collision"), make_clip("b", "normal")]
    folder = write_prediction_set(tmp_path / "m", clips, [make_prediction(c, "normal") for c in clips])
    beside = write_prediction_set(tmp_path / "ahead", ahead, said)
    with pytest.raises(UserError, match=message):
        compare({"m": folder}, tmp_path / "out", CompareSettings(resamples=300), anticipation={"m": beside})


def test_a_videos_windows_are_one_cluster(tmp_path):
    clips = [c for c in windows() if not c.problem]
    apart = [c.model_copy(update={"group_id": c.clip_id}) for c in clips]
    probabilities = {c.video_id: chances(c, np.random.default_rng(i)) for i, c in enumerate(clips)}
    said = [make_prediction(c, "normal", probabilities=probabilities[c.video_id]) for c in clips]
    said = [p.model_copy(update={"frame_times_s": ()}) for p in said]
    together = scored(tmp_path / "a", clips, said).mean_average_precision
    separate = scored(tmp_path / "b", apart, said).mean_average_precision
    assert together.value == separate.value
    assert together.high - together.low > 1.2 * (separate.high - separate.low)


def test_windows_that_show_the_event_and_models_without_probabilities_have_no_such_figure(tmp_path):
    clips = [make_clip("a", "collision"), make_clip("b", "normal")]
    p = {"collision": 0.5, "near_collision": 0.1, "normal": 0.4}
    assert scored(tmp_path / "a", clips, [make_prediction(c, "normal", probabilities=p) for c in clips]) is None
    causal = [c for c in windows() if not c.problem]
    assert scored(tmp_path / "b", causal, [make_prediction(c, "normal") for c in causal]) is None


def test_an_event_after_the_window_is_not_one_that_a_trace_could_cite(tmp_path):
    clips = [c for c in windows() if not c.problem]
    said = [make_prediction(c, c.event_class, traced=c.event_class, time_s=1.0) for c in clips]
    folder = write_prediction_set(tmp_path / "m", clips, said)
    scores = read_comparison(compare({"m": folder}, tmp_path / "out", CompareSettings(resamples=300))).models["m"]
    assert scores.event_time.n == 0
    assert scores.traces.cites_event["2"].n == 0


def test_the_command_prints_it(tmp_path):
    clips = windows()
    folder = write_prediction_set(tmp_path / "m", clips, predictions(clips))
    result = CliRunner().invoke(
        app, ["compare", f"m={folder}", "resamples=300", "--all", "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    figures = read_comparison(tmp_path / "out").models["m"].anticipation
    for label, figure in (
        ("AP 1.5 s ahead of the event", figures.average_precision["1.5"]),
        ("mean AP ahead of the event", figures.mean_average_precision),
    ):
        (line,) = [line for line in result.stdout.splitlines() if label in line]
        assert f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]" in line
