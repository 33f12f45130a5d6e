"""A run does its stages in order, only those that are out of date, and goes on after being killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.listening import Listens
from tests.tiny_models import saved_tiny_model
from vlm_autodrive.artifacts import PROVENANCE, read_provenance, write_clips, writing_artifact
from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import REPORT_FILES
from vlm_autodrive.metrics import LongVideoSearch
from vlm_autodrive.records import DEFAULT_TAXONOMY, Clip
from vlm_autodrive.runs import load_recipe, prepare_training, run_recipe, train_command
from vlm_autodrive.video import SamplingSettings

ORDER = [
    "simulate",
    "import",
    "clips",
    "supervise",
    "train",
    "evaluate base on validation",
    "evaluate base",
    "evaluate tuned",
    "evaluate majority",
    "evaluate camera_shake",
    "evaluate tuned on validation",
    "clips ahead",
    "evaluate base ahead",
    "evaluate tuned ahead",
    "compare",
    "detect",
    "report",
]


VALIDATION_CLIP = Clip(
    clip_id="kept-back",
    video_id="kept-back",
    path="/nowhere/kept-back.mp4",
    start_s=0.0,
    end_s=2.0,
    split="validation",
    event_class="normal",
    event_time_s=None,
    alert_time_s=None,
    ego_involved=None,
    group_id="kept-back",
    triplet_id=None,
    metadata={},
)


def _renamed(folders):
    return {f"{folder.parent.name} {name}": folder for name, folder in folders.items()}


@pytest.fixture
def stages(monkeypatch):
    """Stands in for every stage: each writes the names of its inputs into an artefact with the true settings."""
    begun = []

    def write(kind, inputs, out, settings, overwrite):
        assert overwrite
        with writing_artifact(out, kind, inputs, settings, overwrite=overwrite) as folder:
            if folder is not None:
                begun.append(f"{kind} {out.name}")
                names = sorted(path.name if " " not in name else name for name, path in inputs.items())
                (folder / "settings.json").write_text(settings.model_dump_json())
                text = json.dumps({"headline": "", "models": {}, "notes": ["few clips"], "inputs": names})
                for name in ("report.html", "report.json"):
                    (folder / name).write_text(text)
                if getattr(settings, "separate_files", False):
                    (folder / REPORT_FILES).mkdir()
                    (folder / REPORT_FILES / "report.css").write_text("")
                if kind == "clips":
                    write_clips(folder, out, DEFAULT_TAXONOMY, [VALIDATION_CLIP])
                if kind == "long_videos":
                    found = LongVideoSearch(videos=1, events=settings.tuning_videos, hours=0.1, threshold=0.5)
                    (folder / "long_videos.json").write_text(found.model_dump_json())
        return out

    def put(target, kind):
        def stage(source, out, settings, reporter, *, overwrite, **rest):
            return write(kind, {"source": source}, out, settings, overwrite)

        monkeypatch.setattr(f"vlm_autodrive.runs.stages.{target}", stage)

    def evaluate(clips, model, out, settings, reporter, *, questions=None, validation=None, executor=None, overwrite):
        inputs = {"clips": clips} | ({"model": Path(model)} if Path(model).is_dir() else {})
        if validation is not None:
            assert settings.choose_prompt
            inputs["validation"] = validation
        return write(f"predictions of {Path(model).name}", inputs, out, settings, overwrite)

    def correct(catalog, corrections, out, settings, reporter, *, test_ids, overwrite):
        inputs = {"catalog": catalog} | {path.name: path for path in corrections}
        return write("catalog", inputs | ({} if test_ids is None else {"test": test_ids}), out, settings, overwrite)

    monkeypatch.setattr("vlm_autodrive.runs.stages.apply_corrections", correct)
    put("build_clips", "clips")
    put("validate", "catalog")
    put("supervise", "supervision")
    put("train", "checkpoint")
    monkeypatch.setattr(
        "vlm_autodrive.runs.stages.write_report",
        lambda comparison, out, settings, reporter, *, long_videos, corrections, run_dir, overwrite: write(
            "report",
            {"comparison": run_dir / "comparison"} | {path.name: path for path in (long_videos, corrections) if path},
            out,
            settings,
            overwrite,
        ),
    )
    monkeypatch.setattr(
        "vlm_autodrive.runs.stages.simulate",
        lambda out, settings, reporter, *, overwrite: write("simulated", {}, out, settings, overwrite),
    )
    monkeypatch.setattr(
        "vlm_autodrive.runs.stages.import_dataset",
        lambda format_, path, out, settings, reporter, *, overwrite: write(
            "catalog", {"source": path}, out, settings, overwrite
        ),
    )
    monkeypatch.setattr(
        "vlm_autodrive.runs.stages.compare",
        lambda predictions, out, settings, reporter, *, validation, anticipation, overwrite: write(
            "comparison", {**predictions, **_renamed(validation), **_renamed(anticipation)}, out, settings, overwrite
        ),
    )
    monkeypatch.setattr("vlm_autodrive.runs.stages.evaluate", evaluate)
    monkeypatch.setattr("vlm_autodrive.runs.stages.evaluate_baseline", evaluate)
    monkeypatch.setattr(
        "vlm_autodrive.runs.stages.search_long_videos",
        lambda checkpoint, simulated, out, section, reporter, *, executor, overwrite: write(
            "long_videos", {"checkpoint": checkpoint, "simulated": simulated}, out, section, overwrite
        ),
    )
    return begun


def test_every_stage_in_order_and_then_nothing(stages, tmp_path):
    reporter = Listens()
    outcome = run_recipe(load_recipe("smoke"), tmp_path / "run", reporter)
    assert list(outcome.executed) == ORDER
    assert outcome.notes == ("few clips",)
    assert stages == [
        "simulated simulated",
        "catalog catalog",
        "clips clips",
        "supervision supervision",
        "checkpoint checkpoint",
        "predictions of tiny-base base",
        "predictions of tiny-base base",
        "predictions of checkpoint tuned",
        "predictions of majority majority",
        "predictions of camera_shake camera_shake",
        "predictions of checkpoint tuned",
        "clips clips-ahead",
        "predictions of tiny-base base",
        "predictions of checkpoint tuned",
        "comparison comparison",
        "long_videos long_videos",
        "report report",
    ]
    assert (outcome.long_videos["videos"], outcome.long_videos["score"]) == (1, None)
    assert outcome.report_html == tmp_path / "run" / "report.html"
    assert outcome.report_json.read_text() == (tmp_path / "run" / "report" / "report.json").read_text()
    reporter.said.clear()
    again = run_recipe(load_recipe("smoke"), tmp_path / "run", reporter)
    assert again.executed == ()
    assert len(stages) == len(ORDER)
    assert [line for line in reporter.said if line.endswith("up to date")] == [f"{name}: up to date" for name in ORDER]


def test_the_stages_before_training_alone_and_then_the_others(stages, tmp_path):
    prepare_training(load_recipe("smoke"), tmp_path)
    assert len(stages) == ORDER.index("train")
    assert list(run_recipe(load_recipe("smoke"), tmp_path).executed) == ORDER[ORDER.index("train") :]
    (tmp_path / "checkpoint" / PROVENANCE).unlink()
    with pytest.raises(UserError, match="was not made by a run"):  # before torchrun's training would replace it
        prepare_training(load_recipe("smoke"), tmp_path)


def test_on_torchrun_training_is_started_between_the_stages(stages, tmp_path, monkeypatch):
    started = []

    def start(command, check):
        started.append((command, len(stages)))
        return subprocess.CompletedProcess(command, len(started) - 1)

    monkeypatch.setattr(subprocess, "run", start)
    arguments = ["run", "smoke", "train.epochs=2", "--run-dir", str(tmp_path), "--on", "torchrun", "--processes", "2"]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    [(command, before)] = started
    assert command == [
        *(sys.executable, "-m", "torch.distributed.run"),
        *train_command("smoke", ["train.epochs=2"], tmp_path, 2)[1:],
    ]
    assert before == ORDER.index("train") and len(stages) == len(ORDER)
    failed = CliRunner().invoke(app, arguments)
    assert failed.exit_code == 1 and "the training has failed, see above" in " ".join(failed.output.split())


def test_each_stage_gets_what_the_one_before_it_made(stages, tmp_path):
    run_recipe(load_recipe("smoke"), tmp_path)

    def inputs(place):
        return json.loads((tmp_path / place / "report.json").read_text())["inputs"]

    assert inputs("catalog") == ["simulated"]
    assert inputs("clips") == ["catalog"]
    assert inputs("supervision") == ["clips"]
    assert inputs("checkpoint") == ["supervision"]
    assert inputs("predictions/base") == ["base", "clips"]  # the base model's prompt is chosen on validation clips
    assert inputs("predictions/tuned") == ["checkpoint", "clips"]
    assert inputs("validation/tuned") == ["checkpoint", "clips"]
    assert inputs("ahead/tuned") == ["checkpoint", "clips-ahead"]
    models = ["base", "camera_shake", "majority", "tuned"]
    further = ["ahead base", "ahead tuned", "validation base", "validation tuned"]
    assert inputs("comparison") == sorted([*models, *further])
    assert inputs("long_videos") == ["checkpoint", "simulated"]
    assert inputs("report") == ["comparison", "long_videos"]


@pytest.mark.parametrize(
    ("override", "first"),
    [
        ("simulate.seed=99", 0),
        ("clips.seed=99", 2),
        ("supervise.seed=99", 3),
        ("detect.threshold=0.123", 15),
        ("report.title=New", 16),
    ],
)
def test_a_changed_setting_does_its_stage_and_what_follows(stages, tmp_path, override, first):
    run_recipe(load_recipe("smoke"), tmp_path)
    anew = [
        name for name in ORDER[4:] if "base" not in name and not name.endswith(("majority", "shake", "clips ahead"))
    ]
    wanted = ["supervise", *anew] if override.startswith("supervise") else ORDER[first:]
    if override.startswith("clips"):
        wanted = ORDER[2:]
    assert list(run_recipe(load_recipe("smoke", [override]), tmp_path).executed) == wanted


def test_a_lost_result_is_made_again_and_what_rests_on_it_stays(stages, tmp_path):
    run_recipe(load_recipe("smoke"), tmp_path)
    for path in (tmp_path / "clips").iterdir():
        path.unlink()
    (tmp_path / "clips").rmdir()
    (tmp_path / "report.html").unlink()
    assert run_recipe(load_recipe("smoke"), tmp_path).executed == ("clips",)
    assert (tmp_path / "report.html").is_file()


def test_the_files_of_a_report_go_where_it_is_copied_and_go_with_it(stages, tmp_path):
    files = tmp_path / REPORT_FILES
    beside = load_recipe("smoke", ["report.separate_files=true"])
    run_recipe(beside, tmp_path)
    assert [path.name for path in files.iterdir()] == ["report.css"]
    (files / "report.css").unlink()
    files.rmdir()
    assert run_recipe(beside, tmp_path).executed == ()
    assert (files / "report.css").is_file()
    run_recipe(load_recipe("smoke"), tmp_path)
    assert not files.exists()


def test_a_recipe_of_real_footage_reads_its_path_and_leaves_detection_out(stages, tmp_path):
    (tmp_path / "footage").mkdir()
    tiny = ["train.model=tiny-base", "train.sampling=null"]  # no hub in tests
    recipe = load_recipe("nexar", [f"import.path={tmp_path}/footage", *tiny])
    outcome = run_recipe(recipe, tmp_path / "run")
    assert list(outcome.executed) == [name for name in ORDER if name not in ("simulate", "detect")]
    assert outcome.long_videos is None
    assert json.loads((tmp_path / "run" / "catalog" / "report.json").read_text())["inputs"] == ["footage"]
    assert json.loads((tmp_path / "run" / "report" / "report.json").read_text())["inputs"] == ["comparison"]


def test_corrections_come_between_import_and_clips_and_reach_the_report(stages, tmp_path):
    run_recipe(load_recipe("smoke"), tmp_path / "run")
    review, test_ids = tmp_path / "review.jsonl", tmp_path / "ids.txt"
    review.write_text("{}\n")
    test_ids.write_text("kept-back\n")
    model = saved_tiny_model("qwen3_vl")
    changes = [f"corrections={{paths: [{review}], compare_with: {model}}}", f"clips.frozen_test={test_ids}"]
    made = list(run_recipe(load_recipe("smoke", changes), tmp_path / "run").executed)
    assert made[:3] == ["corrections", "clips", "supervise"]
    assert "train" in made and "evaluate before_corrections" in made

    def inputs(place):
        return json.loads((tmp_path / "run" / place / "report.json").read_text())["inputs"]

    assert inputs("corrected") == ["catalog", "ids.txt", "review.jsonl"]
    assert inputs("clips") == ["corrected"]
    assert inputs("report") == ["comparison", "corrected", "long_videos"]
    assert "before_corrections" in inputs("comparison")
    review.write_text("{} \n")
    assert "train" in run_recipe(load_recipe("smoke", changes), tmp_path / "run").executed


def test_videos_are_validated_between_import_and_clips_if_the_recipe_says_so(stages, tmp_path):
    run_recipe(load_recipe("smoke"), tmp_path / "run")
    made = list(run_recipe(load_recipe("smoke", ["validate={strict: true}"]), tmp_path / "run").executed)
    assert made[:2] == ["validate", "clips"]
    inputs = {
        place: json.loads((tmp_path / "run" / place / "report.json").read_text())["inputs"]
        for place in ("validated", "clips")
    }
    assert inputs == {"validated": ["catalog"], "clips": ["validated"]}
    assert read_provenance(tmp_path / "run" / "validated").settings["strict"] is True


def test_a_run_after_corrections_is_not_compared_with_itself(stages, tmp_path):
    changes = [f"corrections={{paths: [review], compare_with: {tmp_path}/checkpoint}}", "clips.split_by=hash"]
    with pytest.raises(UserError, match="another --run-dir"):
        run_recipe(load_recipe("smoke", changes), tmp_path)


def test_corrections_need_a_test_split_that_classes_do_not_move():
    with pytest.raises(UserError, match="frozen_test"):
        load_recipe("smoke", ["corrections.paths=[review]"])
    assert load_recipe("smoke", ["corrections.paths=[review]", "clips.split_by=hash"]).corrections.paths == ("review",)


def test_a_failed_stage_stops_the_run_and_the_next_one_goes_on_there(stages, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise UserError("it does not fit.")

    with monkeypatch.context() as patched:
        patched.setattr("vlm_autodrive.runs.stages.train", fail)
        with pytest.raises(UserError, match="it does not fit"):
            run_recipe(load_recipe("smoke"), tmp_path)
    assert not (tmp_path / "predictions").exists()
    assert list(run_recipe(load_recipe("smoke"), tmp_path).executed) == ORDER[4:]


def test_validation_and_what_comes_ahead_are_asked_of_the_same_test_videos(stages, tmp_path):
    run_recipe(load_recipe("smoke"), tmp_path)

    def settings(place):
        return json.loads((tmp_path / place / "settings.json").read_text())

    assert settings("validation/tuned")["split"] == "validation"
    assert settings("ahead/tuned")["split"] == "test"
    ahead = settings("clips-ahead")
    assert ahead["frozen_test"] == str(tmp_path / "clips" / "test_ids.txt")
    assert ahead["anticipation_s"] == [0.5, 1.0, 1.5]


def test_the_prompt_of_the_base_model_alone_is_chosen_unless_the_recipe_forbids_it(stages, tmp_path):
    for run, override in (("chosen", []), ("main", ["evaluate.choose_prompt=false"])):
        run_recipe(load_recipe("smoke", override), tmp_path / run)

    def settings(place):
        return json.loads((tmp_path / place / "settings.json").read_text())

    assert settings("chosen/predictions/base")["choose_prompt"]
    assert not settings("chosen/predictions/tuned")["choose_prompt"]
    assert not settings("main/predictions/base")["choose_prompt"]
    asked = settings("chosen/validation/base")
    assert (asked["split"], asked["reasoning"], asked["controls"]) == ("validation", False, [])
    assert set(asked["prompt_variants"]) >= {"short", "paper", "own"}
    assert settings("main/validation/base")["prompt_variants"] == []


def test_every_model_is_shown_the_frames_of_the_training(stages, tmp_path):
    changes = ["train.sampling={max_frames: 12, height: 252, width: 462}", "evaluate.sampling.fps=2"]
    run_recipe(load_recipe("smoke", changes), tmp_path)
    wanted = SamplingSettings(fps=2, max_frames=12, height=252, width=462).model_dump(mode="json")
    for place in ("predictions/base", "predictions/tuned", "validation/base", "ahead/base", "ahead/tuned"):
        kept = json.loads((tmp_path / place / "provenance.json").read_text())["settings"]["sampling"]
        assert SamplingSettings.model_validate(kept).model_dump(mode="json") == wanted


def test_without_validation_clips_and_anticipation_nothing_more_is_asked(stages, tmp_path, monkeypatch):
    monkeypatch.setattr("vlm_autodrive.runs.stages.iterate_clips", lambda folder: iter(()))
    made = run_recipe(load_recipe("smoke", ["anticipation=null"]), tmp_path).executed
    assert list(made) == [name for name in ORDER if not name.endswith(("validation", "ahead"))]


def test_a_run_asks_no_served_model(stages, tmp_path):
    recipe = load_recipe("smoke", ["evaluate.endpoint.base_url=http://127.0.0.1:9/v1"])
    with pytest.raises(UserError, match="autodrive evaluate CLIPS --model NAME --endpoint URL"):
        run_recipe(recipe, tmp_path)
    assert stages == []


def test_a_folder_that_is_not_the_runs_own_is_never_replaced(stages, tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "mine.txt").write_text("precious")
    with pytest.raises(UserError, match="was not made by a run"):
        run_recipe(load_recipe("smoke"), tmp_path)
    assert (tmp_path / "clips" / "mine.txt").read_text() == "precious"


HOLD = """
import sys, time
from pathlib import Path
from vlm_autodrive.runs.folder import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_runs_do_not_work_in_one_folder(stages, tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another run is at work"):
            run_recipe(load_recipe("smoke"), tmp_path)
        assert stages == []
    finally:
        holder.kill()
        holder.wait()
    assert list(run_recipe(load_recipe("smoke"), tmp_path).executed) == ORDER


def start(run_dir, *overrides):
    program = "from vlm_autodrive.cli.main import main; main()"
    command = [sys.executable, "-c", program, "run", "smoke", "--run-dir", str(run_dir), *overrides]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.slow
def test_the_shipped_smoke_recipe_goes_the_whole_way(tmp_path):
    first = start(tmp_path)
    printed, said = first.communicate(timeout=500)
    assert first.returncode == 0, said
    assert f"Report: {tmp_path}/report.html" in printed
    assert "macro-F1" in printed
    models = json.loads((tmp_path / "report.json").read_text())["models"]
    assert set(models) == {"base", "tuned", "majority", "camera_shake"}
    for scores in models.values():
        assert {"n", "accuracy", "macro_f1", "balanced_accuracy", "per_class"} <= set(scores)
        assert set(scores["per_class"]) == {"collision", "near_collision", "normal"}
        assert all({"value", "low", "high"} <= set(each["f1"]) for each in scores["per_class"].values())
    assert "://" not in (tmp_path / "report.html").read_text().replace("http://www.w3.org", "")
    found = json.loads((tmp_path / "long_videos" / "long_videos.json").read_text())
    assert found["score"]["videos"] == 1
    assert (tmp_path / "long_videos" / "found" / "index.html").is_file()
    shown = json.loads((tmp_path / "report.json").read_text())["long_videos"]
    assert shown == {key: value for key, value in found.items() if key != "timelines"}

    second = start(tmp_path)
    printed, said = second.communicate(timeout=200)
    assert second.returncode == 0, said
    assert "Nothing to do" in printed
    assert said.count("up to date") == len(ORDER)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_been(tmp_path):
    small = (
        f"train.model={saved_tiny_model('qwen3_vl')}",
        "train.epochs=2",
        "train.batch_size=2",
        "evaluate.max_new_tokens=8",
        "simulate.triplets=6",
        "simulate.long_videos=0",
        "detect=null",
    )
    whole = start(tmp_path / "whole", *small)
    assert whole.wait(timeout=400) == 0, whole.stderr.read()

    killed = tmp_path / "killed"
    for path in ("simulated", "checkpoint"):
        process = start(killed, *small)
        _kill_once(process, lambda path=path: _half_done(killed, path))
        assert not (killed / path).exists()
    last = start(killed, *small)
    _, said = last.communicate(timeout=400)
    assert last.returncode == 0, said
    assert "going on at" in said
    assert "clips: up to date" in said
    weights = "checkpoint/model.safetensors"
    assert (killed / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    assert _verdicts(killed) == _verdicts(tmp_path / "whole")
    assert list(killed.glob(".*.partial-*")) == []


def _half_done(run_dir: Path, stage: str) -> bool:
    """Whether an unfinished stage has something that a later run can go on from."""
    if stage == "checkpoint":
        return any(run_dir.glob(".checkpoint.partial-*/states/state-*.safetensors"))
    return any(run_dir.glob(f".{stage}.partial-*/train/*/*.mp4"))


def _kill_once(process: subprocess.Popen, ready, patience_s: float = 200) -> None:
    give_up = time.monotonic() + patience_s
    while not ready():
        assert process.poll() is None, f"it ended before it could be killed: {process.stderr.read()}"
        assert time.monotonic() < give_up
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def _verdicts(run_dir: Path) -> list[tuple[str, dict]]:
    lines = (run_dir / "predictions" / "tuned" / "predictions.jsonl").read_text().splitlines()
    return [(record["clip_id"], record["verdict"]) for record in map(json.loads, lines)]


def test_frames_that_the_model_cannot_take_are_refused_before_anything_is_made(tmp_path):
    recipe = load_recipe("own", ["import.path=none.csv", "train.model=tiny-base"])
    with pytest.raises(UserError, match=r"height=252 and sampling.width=462 \(train.sampling.height and"):
        run_recipe(recipe, tmp_path)
    assert not (tmp_path / "catalog").exists()
