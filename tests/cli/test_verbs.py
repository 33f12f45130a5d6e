"""Each verb passes on what it was given: paths, settings, and whether to overwrite."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.evaluation.builders import make_clip
from vlm_autodrive.cli.main import app
from vlm_autodrive.records import DetectedEvent, Outcome, Prediction, Verdict, VideoDetections, write_jsonl
from vlm_autodrive.training.plan.stage import ClipCost, TrainingPlan

run = CliRunner().invoke


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Puts a stand-in for a stage function, which notes its arguments and returns its folder."""
    noted = []

    monkeypatch.chdir(tmp_path)
    (tmp_path / "made").mkdir()
    write_jsonl(tmp_path / "made" / "videos.jsonl", [])

    def put(target, returned=None):
        def stage(*arguments, **options):
            noted.append((arguments, options))
            return Path("made") if returned is None else returned

        monkeypatch.setattr(f"vlm_autodrive.{target}", stage)
        return noted

    return put


STAGES = [
    (["simulate", "triplets=3"], "simulation.simulate", [], {"triplets": 3}),
    (
        ["import", "manifest", "m.csv", "strict=true"],
        "datasets.import_dataset",
        ["manifest", [Path("m.csv")]],
        {},
    ),
    (["clips", "cat", "split.train=0.6", "split.test=0.3"], "clips.build_clips", [Path("cat")], {}),
    (["supervise", "cl", "vqa_per_clip=2"], "supervision.supervise", [Path("cl")], {"vqa_per_clip": 2}),
    (
        ["train", "sup", "--model", "m", "epochs=2"],
        "training.train",
        [Path("sup")],
        {"epochs": 2, "model": "m"},
    ),
    (["report", "cmp", "title=Mine"], "evaluation.write_report", [Path("cmp")], {"title": "Mine"}),
]


@pytest.mark.parametrize(("arguments", "target", "before", "wanted"), STAGES, ids=[s[0][0] for s in STAGES])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_stage_gets_its_paths_and_settings(calls, arguments, target, before, wanted, overwrite):
    noted = calls(target)
    result = run(app, [*arguments, "--out", "o", *(["--overwrite"] if overwrite else [])])
    assert result.exit_code == 0, result.stderr
    [(given, options)] = noted
    rest = list(given)
    assert rest.pop(len(before)) == Path("o")
    settings = rest[len(before)]
    assert rest[: len(before)] == before
    assert {key: getattr(settings, key) for key in wanted} == wanted
    assert options["overwrite"] is overwrite
    assert result.stdout == ("made/report.html\n" if arguments[0] == "report" else "made\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [([], ""), (["train.model=m", "train.epochs=1"], "Changed settings: train.model=m, train.epochs=1.")],
)
def test_a_run_tells_which_settings_were_changed(calls, monkeypatch, given, said):
    monkeypatch.setattr("vlm_autodrive.cli.tables.print_run_result", lambda result, **_: None)
    noted = calls("runs.run_recipe")
    assert run(app, ["run", "smoke", *given]).exit_code == 0
    description = noted[0][0][0].description
    assert description.endswith(said) and ("Changed settings" in description) == bool(given)


@pytest.mark.parametrize(("given", "wanted"), [([], None), (["--long-videos", "d"], Path("d"))])
def test_report_is_told_of_the_long_videos(calls, given, wanted):
    noted = calls("evaluation.write_report")
    result = run(app, ["report", "cmp", "title=Mine", "--out", "o", *given])
    assert result.exit_code == 0, result.stderr
    assert noted[0][1]["long_videos"] == wanted


def test_an_override_may_name_its_section(calls):
    noted = calls("training.train")
    assert run(app, ["train", "sup", "--out", "o", "train.epochs=3", "lora.r=4"]).exit_code == 0
    settings = noted[0][0][2]
    assert (settings.epochs, settings.lora) == (3, {"r": 4})


def test_a_recipe_is_the_start_and_overrides_lie_over_it(calls, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "name: mine\nimport: {path: x, strict: true}\ntrain: {epochs: 7, seed: 5}\ndetect: {videos: [a]}\n"
    )
    noted = calls("training.train")
    assert run(app, ["train", "sup", "--out", "o", "--recipe", str(recipe), "seed=6"]).exit_code == 0
    assert (noted[0][0][2].epochs, noted[0][0][2].seed) == (7, 6)
    noted.clear()
    calls("datasets.import_dataset")
    result = run(app, ["import", "nexar", "y", "--out", "o", "--recipe", str(recipe)])
    assert result.exit_code == 0, result.stderr
    assert noted[0][0][3].strict


def test_plan_ends_with_1_if_something_does_not_fit(calls):
    clip = ClipCost(clip_id="c", frames=4, seconds=2.0, prefix_tokens=50, sample_tokens=60, samples=2)
    planned = TrainingPlan(model="m", clips=(clip,), max_length=200, steps=1, tokens_shared=110, tokens_separate=160)
    calls("training.plan", planned)
    result = run(app, ["plan", "sup"])
    assert (result.exit_code, "everything fits" in result.stdout) == (0, True)
    calls("training.plan", planned.model_copy(update={"max_length": 100}))
    result = run(app, ["plan", "sup", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["max_length"] == 100


def test_plan_shows_a_clip(calls):
    noted = calls("training.show_loss_mask", "the mask")
    assert run(app, ["plan", "sup", "--show", "c7"]).stdout == "the mask\n"
    assert noted[0][0][2] == "c7"


def test_evaluate_tells_models_from_baselines_and_ends_with_a_summary(calls, tmp_path):
    verdict = Verdict(outcome=Outcome.UNPARSEABLE, event_class=None, probabilities=None, raw_text="Perhaps.")
    said = Prediction(clip_id="c", model="m", verdict=verdict, reasoning=None, frame_times_s=(), latency_s=0.1)
    lost = said.model_copy(update={"clip_id": "d", "verdict": verdict.model_copy(update={"outcome": Outcome.ERROR})})
    write_jsonl(tmp_path / "predictions.jsonl", [said, lost])
    write_jsonl(tmp_path / "clips.jsonl", [make_clip("c"), make_clip("d", problem="nobody labelled it")])
    noted = calls("evaluation.evaluate", tmp_path)
    result = run(app, ["evaluate", "cl", "--model", "some/model", "--out", "o", "reasoning=false", "--retry-errors"])
    assert result.exit_code == 0, result.stderr
    assert noted[-1][0][:3] == (Path("cl"), "some/model", Path("o"))
    assert noted[-1][0][3].reasoning is False
    assert noted[-1][1]["retry_errors"] is True
    assert result.stdout == f"{tmp_path}\n"
    assert result.stderr == (
        "1 of the clips left out: nobody labelled it.\n1 clip; verdicts 1 unparseable (100.0% unparseable).\n"
    )
    calls("evaluation.evaluate_baseline", tmp_path)
    result = run(app, ["evaluate", "cl", "--model", "camera_shake", "--out", "o", "regularisation=2"])
    assert result.exit_code == 0, result.stderr
    assert noted[-1][0][1] == "camera_shake"
    again = run(app, ["evaluate", "cl", "--model", "camera_shake", "--out", "o", "--retry-errors"])
    assert again.exit_code == 1
    assert "leave --retry-errors out" in again.stderr
    assert noted[-1][0][3].regularisation == 2


def test_evaluate_with_a_recipe_shows_the_frames_of_its_training(calls, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("name: mine\nimport: {path: x}\ntrain: {sampling: {max_frames: 40, height: 252}}\n")
    write_jsonl(tmp_path / "predictions.jsonl", [])
    noted = calls("evaluation.evaluate", tmp_path)
    given = ["evaluate", "cl", "--model", "m", "--out", "o"]
    for more in (
        [],
        ["--recipe", str(recipe), "sampling.fps=2"],
        ["--recipe", str(recipe), "--endpoint", "http://a/v1"],
    ):
        run(app, [*given, *more])
    without, shown, served = (arguments[3].sampling for arguments, _ in noted)
    assert without is None
    assert (shown.fps, shown.max_frames, shown.height, shown.width) == (2, 40, 252, 448)
    assert served is None  # its frames are those of endpoint.sampling


def test_compare_tells_predictions_from_settings(calls, monkeypatch):
    noted = calls("evaluation.compare")
    monkeypatch.setattr("vlm_autodrive.cli.tables.print_comparison", lambda folder, **_: print("scores of", folder))
    result = run(app, ["compare", "base=p/b", "p/tuned", "resamples=300", "--out", "o"])
    assert result.exit_code == 0, result.stderr
    assert noted[0][0][0] == {"base": Path("p/b"), "tuned": Path("p/tuned")}
    assert noted[0][0][2].resamples == 300
    assert result.stdout == "scores of made\nmade\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a/tuned", "b/tuned"], "a/tuned and b/tuned are both called tuned"),
        (["base=a", "base=b"], "a and b are both called base"),
        (["base=a", "resample=300"], "there is no setting resample, nor a folder 300; did you mean resamples?"),
        (["base=a", "--anticipation", "base=b", "--anticipation", "base=c"], "b and c are both called base"),
    ],
)
def test_compare_leaves_no_argument_out_silently(calls, arguments, sentence):
    noted = calls("evaluation.compare")
    result = run(app, ["compare", *arguments, "--out", "o"])
    assert (result.exit_code, noted) == (1, [])
    assert sentence in result.stderr


def detections(video, **changes):
    event = DetectedEvent(
        event_class="near_collision", time_s=61.26, start_s=59, end_s=64, probability=0.87, probabilities={}
    )
    whole = VideoDetections(
        video=video, model="m", outcome=Outcome.OK, reason="", duration_s=90, threshold=0.5, events=(event,), windows=()
    )
    return whole.model_copy(update=changes)


def test_detect_tells_videos_from_settings(calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / "a=b.mp4"
    odd.touch()
    Path("trip.mp4").touch()
    bad = detections("bad.avi", outcome=Outcome.ERROR, reason="no video stream", duration_s=None, events=())
    noted = calls("detection.detect", [detections("x/trip.mp4"), bad])
    calls("detection.write_short_list")
    options = ["--clips", "--after", "6", "--format", "fiftyone", "--format", "label-studio"]
    result = run(app, ["detect", "trip.mp4", str(odd), "stride_s=1", "--model", "m", "--out", "o", *options])
    assert result.exit_code == 0, result.stderr
    given = noted[0][0]
    assert given[:3] == ([Path("trip.mp4"), odd], "m", Path("o"))
    assert given[3].stride_s == 1
    folder, listing = noted[1][0][:2]
    assert (folder, listing.clips, listing.annotate, listing.single_file) == (Path("o"), True, False, False)
    assert (listing.before_s, listing.after_s, listing.formats) == (4, 6, ("fiftyone", "label-studio"))
    assert "near-collision at 61.3 s (0.87)" in result.stdout
    assert "no video stream" in result.stdout


def test_detect_says_which_model_it_took(calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("trip.mp4").touch()
    noted = calls("detection.detect", [detections("trip.mp4")])
    calls("detection.write_short_list")
    result = run(app, ["detect", "trip.mp4", "--out", "o"])
    assert (result.exit_code, noted) == (1, [])
    assert "name a model with --model" in result.stderr
    result = run(app, ["detect", "trip.mp4", "--model", "tiny-base", "--out", "o"])
    assert (result.exit_code, noted[-2][0][1]) == (0, "tiny-base")
    checkpoint = tmp_path / "runs/demo/checkpoint"
    checkpoint.mkdir(parents=True)
    (checkpoint / "provenance.json").touch()
    result = run(app, ["detect", "trip.mp4", "--out", "o"])
    assert noted[-2][0][1] == "runs/demo/checkpoint"
    assert "runs/demo/checkpoint" in result.stderr


def test_a_command_that_failed_for_an_event_is_told_by_the_exit_status(calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("trip.mp4").touch()
    calls("detection.detect", [detections("trip.mp4")])
    noted = calls("detection.write_short_list")
    calls("detection.send_events", 2)
    command = ["detect", "trip.mp4", "--model", "m", "--out", "o", "--on-event"]
    result = run(app, [*command, "true now"])
    assert (result.exit_code, "failed for 2 events" in result.stderr) == (1, True)
    assert noted[-1][0][1][1:] == ["now"]
    noted.clear()
    result = run(app, [*command, "no-such-program"])
    assert (result.exit_code, noted) == (1, [])  # before anything is searched
    assert "there is no program 'no-such-program'" in result.stderr


@pytest.mark.parametrize("option", [["--truth", "t.csv"], ["--json"]])
def test_what_needs_an_end_cannot_be_had_while_watching(calls, option):
    noted = calls("detection.watch", [])
    result = run(app, ["detect", "in", "--watch", "--model", "m", "--out", "o", *option])
    assert (result.exit_code, noted) == (2, [])
    assert "--watch" in result.stderr


def test_detect_marks_reasoning_that_contradicts_its_event(calls, tmp_path):
    (tmp_path / "trip.mp4").touch()
    event = detections("trip.mp4").events[0]
    doubted = event.model_copy(update={"reasoning": "calm", "reasoning_class": "normal", "contradicts": True})
    calls("detection.detect", [detections("trip.mp4", events=(event, doubted))])
    calls("detection.write_short_list")
    result = run(app, ["detect", str(tmp_path / "trip.mp4"), "--model", "m", "--out", "o"])
    assert "near-collision at 61.3 s (0.87), near-collision at 61.3 s (0.87; its reasoning says normal)" in (
        " ".join(result.stdout.split())
    )
