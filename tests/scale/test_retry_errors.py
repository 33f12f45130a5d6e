"""What a stage makes of a quarantined input: a record with the reason, an account, and another try if it is wanted."""

import json

import pytest

from tests.clocks import write_clock
from tests.detection.flashes import FlashEngine, write_drive
from tests.evaluation.builders import FakeEngine, make_clip, write_clip_set
from tests.scale.here import HereExecutor
from vlm_autodrive.artifacts import read_account, read_clips, read_predictions, read_samples
from vlm_autodrive.clips import ClipSettings, build_clips, on_cluster
from vlm_autodrive.datasets import ImportSettings, ValidateSettings, import_dataset, read_validations, validate
from vlm_autodrive.detection import DetectSettings
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.engines import ClusterEngine
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import EvaluateSettings
from vlm_autodrive.evaluation.predict.stage import evaluate_with_engine
from vlm_autodrive.progress import SILENT
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision import SuperviseSettings, supervise
from vlm_autodrive.supervision import on_cluster as supervision_on_cluster

REASON = "quarantined after two attempts: ValueError: poison"
NAMES = ("a", "b", "c")


@pytest.fixture
def catalog(tmp_path):
    for name in NAMES:
        write_clock(tmp_path / f"{name}.mp4", count=20, fps=10, size=(64, 48))
    lines = ["video,class", *(f"{name}.mp4,normal" for name in NAMES)]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return import_dataset("manifest", tmp_path / "manifest.csv", tmp_path / "catalog", ImportSettings(), SILENT)


def test_validate(tmp_path, catalog):
    out, settings = tmp_path / "out", ValidateSettings()
    validate(catalog, out, settings, executor=HereExecutor({"b"}))
    assert {each.video_id: each.problem for each in read_validations(out)} == {"a": "", "b": REASON, "c": ""}
    assert read_account(out).model_dump() == {
        "inputs": 3, "records": 2, "quarantined": {"b": "ValueError: poison"},
    }  # fmt: skip
    untouched = HereExecutor()
    validate(catalog, out, settings, executor=untouched)
    assert untouched.given == []
    again = HereExecutor()
    validate(catalog, out, settings, executor=again, retry_errors=True)
    assert again.given == ["b"]
    assert read_account(out).quarantined == {}
    validate(catalog, tmp_path / "plain", settings)
    assert (out / "videos.jsonl").read_bytes() == (tmp_path / "plain" / "videos.jsonl").read_bytes()
    assert (out / "validation.jsonl").read_bytes() == (tmp_path / "plain" / "validation.jsonl").read_bytes()
    validate(catalog, out, settings, executor=(once_more := HereExecutor()), retry_errors=True)
    assert once_more.given == []  # there is nothing to retry


def test_what_cannot_be_used_is_not_tried_again(tmp_path, catalog):
    """Its reason stays as it was, beside that of its annotation."""
    listed = [json.loads(line) for line in (catalog / "videos.jsonl").read_text().splitlines()]
    listed[2]["problem"] = "two labels contradict each other"
    (catalog / "videos.jsonl").write_text("".join(f"{json.dumps(video)}\n" for video in listed))
    (tmp_path / "c.mp4").write_bytes(b"")
    out, settings = tmp_path / "out", ValidateSettings()
    validate(catalog, out, settings, executor=HereExecutor({"b"}))
    validate(catalog, out, settings, executor=(again := HereExecutor()), retry_errors=True)
    assert again.given == ["b"]
    validate(catalog, tmp_path / "plain", settings)
    assert "two labels contradict each other; the file is empty" in (out / "validation.jsonl").read_text()
    assert (out / "validation.jsonl").read_bytes() == (tmp_path / "plain" / "validation.jsonl").read_bytes()


class Dying(HereExecutor):
    """The driver is killed after some results."""

    def __init__(self, after, failing=()):
        super().__init__(failing)
        self.after = after

    def run(self, steps, jobs):
        for number, result in enumerate(super().run(steps, jobs)):
            if number == self.after:
                raise KeyboardInterrupt
            yield result


def test_a_killed_job_does_only_what_is_missing(tmp_path, catalog):
    out, settings = tmp_path / "out", ValidateSettings()
    with pytest.raises(KeyboardInterrupt):
        validate(catalog, out, settings, executor=Dying(2, {"a"}))
    validate(catalog, out, settings, executor=(second := HereExecutor()))
    assert second.given == ["c"]  # a is quarantined, and stays so
    assert set(read_account(out).quarantined) == {"a"}
    with pytest.raises(KeyboardInterrupt):
        validate(catalog, tmp_path / "other", settings, executor=Dying(2, {"a"}))
    validate(catalog, tmp_path / "other", settings, executor=(second := HereExecutor()), retry_errors=True)
    assert second.given == ["a", "c"]
    assert read_account(tmp_path / "other").quarantined == {}


def test_clips(tmp_path, catalog):
    out, settings = tmp_path / "out", ClipSettings(window_s=2)
    build_clips(catalog, out, settings, SILENT, executor=HereExecutor({"b"}))
    assert {clip.video_id: clip.problem for clip in read_clips(out)} == {"a": "", "b": REASON, "c": ""}
    assert read_account(out).model_dump() == {
        "inputs": 3, "records": 2, "quarantined": {"b": "ValueError: poison"},
    }  # fmt: skip
    build_clips(catalog, out, settings, SILENT, executor=HereExecutor(), retry_errors=True)
    build_clips(catalog, tmp_path / "plain", settings, SILENT)
    assert (out / "clips.jsonl").read_bytes() == (tmp_path / "plain" / "clips.jsonl").read_bytes()
    assert read_account(out).quarantined == {}


class Shuffling(HereExecutor):
    """Gives results in another order, as far as a cluster could."""

    def run(self, steps, jobs):
        return reversed(list(super().run(steps, jobs)))


def test_clips_come_in_the_order_of_the_videos(tmp_path, catalog, monkeypatch):
    monkeypatch.setattr(on_cluster, "_VIDEOS_OF_A_JOB", 1)
    build_clips(catalog, tmp_path / "out", ClipSettings(window_s=2), SILENT, executor=Shuffling())
    assert [clip.video_id for clip in read_clips(tmp_path / "out")] == list(NAMES)


def test_another_result_is_not_retried(tmp_path, catalog):
    out = tmp_path / "out"
    validate(catalog, out, ValidateSettings(), executor=HereExecutor({"b"}))
    with pytest.raises(UserError, match="already holds another result"):
        validate(catalog, out, ValidateSettings(whole=True), executor=HereExecutor(), retry_errors=True)
    validate(catalog, out, ValidateSettings(whole=True), executor=(anew := HereExecutor()), overwrite=True)
    assert anew.given == list(NAMES)


def test_a_video_without_a_decoder_is_not_checked_again(tmp_path, catalog):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    out = tmp_path / "out"
    validate(catalog, out, ValidateSettings(), executor=HereExecutor({"b"}))
    validate(catalog, out, ValidateSettings(), executor=(again := HereExecutor()), retry_errors=True)
    assert again.given == ["b"]
    validate(catalog, tmp_path / "plain", ValidateSettings())
    assert (out / "validation.jsonl").read_bytes() == (tmp_path / "plain" / "validation.jsonl").read_bytes()


def test_a_killed_job_goes_on_without_a_cluster(tmp_path, catalog):
    with pytest.raises(KeyboardInterrupt):
        validate(catalog, tmp_path / "out", ValidateSettings(), executor=Dying(2, {"a"}))
    validate(catalog, tmp_path / "out", ValidateSettings())
    validate(catalog, tmp_path / "plain", ValidateSettings())
    assert_same(tmp_path / "out", tmp_path / "plain")


def assert_same(one, other):
    assert {file.name for file in one.iterdir()} == {file.name for file in other.iterdir()}
    for file in one.iterdir():
        if file.name != "provenance.json":
            assert file.read_bytes() == (other / file.name).read_bytes(), file.name


@pytest.fixture
def clips(tmp_path):
    listed = []
    for number in range(7):
        path = write_clock(tmp_path / f"{number}.mp4", count=20, fps=10, size=(64, 48))
        split = "train" if number < 3 else "test"
        listed.append(make_clip(f"clip-{number}", "normal", path=str(path)).model_copy(update={"split": split}))
    return write_clip_set(tmp_path / "clips", listed)


def test_supervise(tmp_path, clips):
    out, settings = tmp_path / "out", SuperviseSettings()
    supervise(clips, out, settings, SILENT, executor=HereExecutor({"clip-1"}))
    assert {sample.clip_id for sample in read_samples(out)} == {"clip-0", "clip-2"}
    summary = json.loads((out / "summary.json").read_text())
    assert REASON in json.dumps(summary)
    assert read_account(out).model_dump() == {
        "inputs": 3, "records": 2, "quarantined": {"clip-1": "ValueError: poison"},
    }  # fmt: skip
    supervise(clips, out, settings, SILENT, executor=(again := HereExecutor()), retry_errors=True)
    assert again.given == ["clip-1"]
    supervise(clips, tmp_path / "plain", settings, SILENT)
    assert {file.name for file in out.iterdir()} == {
        "account.json", *(file.name for file in (tmp_path / "plain").iterdir()),
    }  # fmt: skip
    for name in ("samples.jsonl", "summary.json", "held_out_questions.jsonl"):
        assert (out / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


def test_supervise_goes_on_without_a_cluster(tmp_path, clips, monkeypatch):
    monkeypatch.setitem(supervision_on_cluster._CLIPS_OF_A_JOB, "rules", 1)
    with pytest.raises(KeyboardInterrupt):
        supervise(clips, tmp_path / "out", SuperviseSettings(), SILENT, executor=Dying(2, {"clip-0"}))
    supervise(clips, tmp_path / "out", SuperviseSettings(), SILENT)
    supervise(clips, tmp_path / "plain", SuperviseSettings(), SILENT)
    assert_same(tmp_path / "out", tmp_path / "plain")


class OpenFake:
    """Opens an engine that names the class A; it can be pickled, as what opens a real one can."""

    def __enter__(self):
        return FakeEngine(always_a)

    def __exit__(self, *_):
        return None

    def __call__(self):
        return self


def always_a(frames):
    return "A"


def test_evaluate(tmp_path, clips):
    out, settings = tmp_path / "out", EvaluateSettings(prompt_variants=(), controls=("no_video",), eval_batch_size=3)

    def run(executor, **how):
        cluster = None if executor is None else ClusterEngine(executor, OpenFake(), served=False)
        evaluate_with_engine(clips, FakeEngine(always_a), "key", how.pop("out", out), settings, cluster=cluster, **how)

    run(first := HereExecutor({"clip-4"}))
    assert first.given == ["clip-3", "clip-4", "clip-5", "clip-6"]  # the batch of three was split
    found = {each.clip_id: each for each in read_predictions(out)}
    assert found["clip-4"].verdict.outcome is Outcome.ERROR
    assert found["clip-4"].verdict.reason == found["clip-4"].controls["no_video"].reason == REASON
    assert {clip_id for clip_id, each in found.items() if each.verdict.outcome is Outcome.OK} == {
        "clip-3", "clip-5", "clip-6",
    }  # fmt: skip
    assert read_account(out).quarantined == {"clip-4": "ValueError: poison"}
    run(again := HereExecutor(), retry_errors=True)
    assert again.given == ["clip-4"]
    run(None, out=tmp_path / "plain")
    one, other = (
        [p.model_copy(update={"latency_s": 0}) for p in read_predictions(each)] for each in (out, tmp_path / "plain")
    )
    assert one == other
    assert len(one) == len([clip for clip in read_clips(clips) if clip.split == "test"])


def test_evaluate_goes_on_without_a_cluster(tmp_path, clips):
    out, settings = tmp_path / "out", EvaluateSettings(prompt_variants=(), eval_batch_size=1)
    cluster = ClusterEngine(Dying(2, {"clip-3"}), OpenFake(), served=False)
    with pytest.raises(KeyboardInterrupt):
        evaluate_with_engine(clips, FakeEngine(always_a), "key", out, settings, cluster=cluster)
    evaluate_with_engine(clips, FakeEngine(always_a), "key", out, settings)
    assert {each.verdict.outcome for each in read_predictions(out)} == {Outcome.OK}
    assert not list(out.glob("*quarantined*"))


def test_evaluate_with_other_batches_settles_each_clip_once(tmp_path, clips):
    """A clip that was quarantined in a batch of its own is tried again with the others of its new batch."""
    out, settings = tmp_path / "out", EvaluateSettings(prompt_variants=(), eval_batch_size=1)
    with pytest.raises(KeyboardInterrupt):
        cluster = ClusterEngine(Dying(2, {"clip-3"}), OpenFake(), served=False)
        evaluate_with_engine(clips, FakeEngine(always_a), "key", out, settings, cluster=cluster)
    settings = settings.model_copy(update={"eval_batch_size": 4})
    cluster = ClusterEngine(HereExecutor(), OpenFake(), served=False)
    evaluate_with_engine(clips, FakeEngine(always_a), "key", out, settings, cluster=cluster)
    assert read_account(out).model_dump() == {"inputs": 4, "records": 4, "quarantined": {}}


class OpenBroken(OpenFake):
    def __enter__(self):
        return FakeEngine(broken)


def broken(frames):
    raise RuntimeError("out of memory")


def test_a_model_that_breaks_down_on_all_clips_is_not_evaluated(tmp_path, clips):
    cluster = ClusterEngine(HereExecutor(), OpenBroken(), served=False)
    settings = EvaluateSettings(prompt_variants=(), eval_batch_size=2)
    with pytest.raises(UserError, match=r"broke down on this clip .RuntimeError: out of memory"):
        evaluate_with_engine(clips, FakeEngine(broken), "key", tmp_path / "out", settings, cluster=cluster)


class OpenFlash(OpenFake):
    def __enter__(self):
        return FlashEngine()


def test_detect(tmp_path):
    videos = [write_drive(tmp_path / f"{name}.mp4", 8, flashes=[4.0]) for name in NAMES]
    out, settings = tmp_path / "out", DetectSettings()

    def run(executor, out=out, **how):
        cluster = None if executor is None else ClusterEngine(executor, OpenFlash(), served=False)
        return detect_with_engine(videos, FlashEngine(), out, settings, cluster=cluster, **how)

    plain = tmp_path / "plain"
    run(None, plain)
    folder = {name: next(plain.glob(f"*_{name}")).name for name in NAMES}
    found = run(HereExecutor({folder["b"]}))
    assert [(each.outcome, each.reason) for each in found] == [
        (Outcome.OK, ""), (Outcome.ERROR, REASON), (Outcome.OK, ""),
    ]  # fmt: skip
    assert found[1].duration_s is None and found[1].not_judged
    assert read_account(out).model_dump() == {
        "inputs": 3, "records": 2, "quarantined": {folder["b"]: "ValueError: poison"},
    }  # fmt: skip
    run(untouched := HereExecutor())
    assert untouched.given == []
    run(again := HereExecutor(), retry_errors=True)
    assert again.given == [folder["b"]]
    for name in folder.values():
        for file in ("events.json", "timeline.png"):
            assert (out / name / file).read_bytes() == (plain / name / file).read_bytes()
    assert read_account(out).quarantined == {}
