import numpy as np
import pytest

from tests.evaluation.builders import make_clip, write_clip_set, write_video
from vlm_autodrive.artifacts import read_predictions
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import BaselineSettings
from vlm_autodrive.evaluation.predict import baselines
from vlm_autodrive.evaluation.predict import camera_motion as motion
from vlm_autodrive.evaluation.predict.baselines import baselines_of, camera_marks, camera_shake, g_force, majority
from vlm_autodrive.evaluation.predict.camera_motion import motion_features, phase_shift
from vlm_autodrive.records import Outcome


def test_majority_goes_by_the_training_clips_alone(tmp_path):
    train = [make_clip(f"t{i}", name, split="train") for i, name in enumerate(["normal", "collision", "collision"])]
    test = [make_clip(f"x{i}", "normal") for i in range(5)]
    out = majority(write_clip_set(tmp_path / "clips", [*train, *test]), tmp_path / "out", BaselineSettings())
    predictions = read_predictions(out)
    assert [p.clip_id for p in predictions] == [c.clip_id for c in test]
    assert {p.verdict.event_class for p in predictions} == {"collision"}
    assert predictions[0].verdict.probabilities == pytest.approx(
        {"collision": 2 / 3, "near_collision": 0.0, "normal": 1 / 3}
    )


def test_majority_needs_training_clips(tmp_path):
    with pytest.raises(UserError, match=r"split\.train above 0"):
        majority(write_clip_set(tmp_path / "clips", [make_clip("a")]), tmp_path / "out", BaselineSettings())


def test_phase_shift_knows_direction():
    picture = np.random.default_rng(0).random((54, 96))
    assert phase_shift(picture, np.roll(picture, (3, -5), axis=(0, 1))) == (3.0, -5.0)


def test_features_of_one_frame_are_finite():
    still = motion_features(np.zeros((1, 16, 16)), (0.0,), (0.25, 1.0))
    assert np.isfinite(still).all()
    assert still.shape == motion_features(np.random.default_rng(0).random((9, 16, 16)), range(9), (0.25, 1.0)).shape


def test_camera_shake_is_told_from_a_smooth_drive_whatever_is_in_the_picture(tmp_path):
    clips = []
    for index in range(24):
        jolt = index % 2 == 0
        path = write_video(tmp_path / f"{index}.mp4", shake_at=0.3 + 0.1 * (index % 9) if jolt else None, seed=index)
        name = "collision" if jolt else "normal"
        clips.append(make_clip(f"c{index}", name, path=str(path), split="train" if index < 14 else "test"))
    (tmp_path / "23.mp4").write_bytes(b"broken")
    out = camera_shake(write_clip_set(tmp_path / "clips", clips), tmp_path / "out", BaselineSettings())
    predictions = read_predictions(out)
    assert [p.clip_id for p in predictions] == [c.clip_id for c in clips[14:]]
    assert [p.verdict.event_class for p in predictions[:-1]] == [c.event_class for c in clips[14:-1]]
    assert predictions[-1].verdict.outcome is Outcome.ERROR
    assert predictions[-1].verdict.reason
    assert sum(predictions[0].verdict.probabilities.values()) == pytest.approx(1)
    assert predictions[0].verdict.probabilities["near_collision"] == 0


def test_a_killed_measurement_goes_on(tmp_path, monkeypatch):
    path = str(write_video(tmp_path / "v.mp4", seconds=1))
    clips = [
        make_clip(f"c{i}", ("collision", "normal")[i % 2], path=path, end_s=1.0, split="train" if i < 4 else "test")
        for i in range(6)
    ]
    clip_set = write_clip_set(tmp_path / "clips", clips)
    measured = []

    def measure(clip, settings):
        measured.append(clip.clip_id)
        if len(measured) == 4:
            raise KeyboardInterrupt
        return motion.measure(clip, settings)

    monkeypatch.setattr(baselines, "measure", measure)
    monkeypatch.setattr(baselines, "_SAVE_EVERY", 2)
    with pytest.raises(KeyboardInterrupt):
        camera_shake(clip_set, tmp_path / "out", BaselineSettings())
    out = camera_shake(clip_set, tmp_path / "out", BaselineSettings())
    assert measured == ["c0", "c1", "c2", "c3", "c2", "c3", "c4", "c5"]
    assert [p.clip_id for p in read_predictions(out)] == ["c4", "c5"]
    assert not (out / "measured.jsonl").exists()


@pytest.mark.slow
def test_workers_change_nothing(tmp_path):
    paths = [str(write_video(tmp_path / f"{i}.mp4", seed=i, shake_at=i % 2 or None)) for i in range(6)]
    clips = [
        make_clip(f"c{i}", ("normal", "collision")[i % 2], path=path, split="train" if i < 4 else "test")
        for i, path in enumerate(paths)
    ]
    clip_set = write_clip_set(tmp_path / "clips", clips)
    alone = camera_shake(clip_set, tmp_path / "alone", BaselineSettings())
    shared = camera_shake(clip_set, tmp_path / "shared", BaselineSettings(workers=2))
    assert read_predictions(alone) == read_predictions(shared)


def test_camera_shake_needs_two_classes(tmp_path):
    path = write_video(tmp_path / "v.mp4")
    clips = [make_clip("a", "normal", split="train", path=str(path)), make_clip("b", path=str(path))]
    with pytest.raises(UserError, match="two"):
        camera_shake(write_clip_set(tmp_path / "clips", clips), tmp_path / "out", BaselineSettings())


def test_the_labels_of_the_test_clips_are_never_learnt(tmp_path):
    paths = [str(write_video(tmp_path / f"{i}.mp4", seed=i, shake_at=0.5 if i % 2 else None)) for i in range(8)]
    said = []
    for name, test_labels in (("true", ("normal", "collision")), ("swapped", ("collision", "normal"))):
        clips = [
            make_clip(
                f"c{i}",
                ("normal", "collision")[i % 2] if i < 4 else test_labels[i % 2],
                path=path,
                split="train" if i < 4 else "test",
            )
            for i, path in enumerate(paths)
        ]
        out = camera_shake(write_clip_set(tmp_path / name, clips), tmp_path / f"out-{name}", BaselineSettings())
        said.append(read_predictions(out))
    assert said[0] == said[1]


def test_g_force_finds_the_threshold_between_driving_and_blows(tmp_path):
    rng = np.random.default_rng(0)
    clips = [
        make_clip(
            f"c{index}",
            ("normal", "collision", "near_collision")[index % 3],
            split="train" if index < 60 else "test",
            peak_g=float((0.2, 3.0, 0.6)[index % 3] * np.exp(rng.normal(0, 0.1))),
        )
        for index in range(90)
    ]
    clips.append(make_clip("bare", "collision"))
    clips += [make_clip(f"more{index}", "normal", split="train") for index in range(9)]
    clip_set = write_clip_set(tmp_path / "clips", clips)
    assert baselines_of(clip_set) == ("majority", "camera_shake", "g_force")
    out = g_force(clip_set, tmp_path / "out", BaselineSettings())
    predictions = read_predictions(out)
    assert [p.clip_id for p in predictions] == [f"c{index}" for index in range(60, 90)] + ["bare"]
    assert [p.verdict.event_class for p in predictions[:-1]] == [c.event_class for c in clips[60:90]]
    bare = predictions[-1].verdict
    assert (bare.outcome, bare.event_class) == (Outcome.OK, "normal")
    assert bare.probabilities["normal"] == pytest.approx(29 / 69)


def test_g_force_needs_telemetry_of_two_classes(tmp_path):
    clips = [make_clip("a", "normal", split="train", peak_g=0.1), make_clip("b", "collision", split="train")]
    clip_set = write_clip_set(tmp_path / "clips", [*clips, make_clip("c")])
    assert baselines_of(clip_set) == ("majority", "camera_shake")
    with pytest.raises(UserError, match="evaluate majority and camera_shake instead"):
        g_force(clip_set, tmp_path / "out", BaselineSettings())


def marked(event, time_s="1"):
    return {"camera_channel": "front"} | ({"camera_event": "honk", "camera_event_time_s": time_s} if event else {})


def test_camera_marks_tell_what_such_clips_were_in_training(tmp_path):
    names = {True: ["collision", "collision", "normal"], False: ["normal", "normal", "near_collision"]}
    clips = [
        make_clip(f"{mark}{index}", name, split="train", metadata=marked(mark))
        for mark, classes in names.items()
        for index, name in enumerate(classes)
    ]
    tested = {"yes": marked(True), "no": marked(False), "outside": marked(True, "900"), "unknown": {}}
    clips += [make_clip(name, "normal", split="test", metadata=metadata) for name, metadata in tested.items()]
    clip_set = write_clip_set(tmp_path / "clips", clips)
    assert baselines_of(clip_set) == ("majority", "camera_shake", "camera_marks")
    out = camera_marks(clip_set, tmp_path / "out", BaselineSettings())
    found = {p.clip_id: p.verdict.probabilities for p in read_predictions(out)}
    assert found["yes"] == pytest.approx({"collision": 2 / 3, "near_collision": 0, "normal": 1 / 3})
    assert found["no"] == found["outside"] == pytest.approx({"collision": 0, "near_collision": 1 / 3, "normal": 2 / 3})
    assert found["unknown"] == pytest.approx({"collision": 1 / 3, "near_collision": 1 / 6, "normal": 1 / 2})


def test_camera_marks_need_marked_and_other_clips(tmp_path):
    clips = [make_clip("a", "collision", split="train", metadata=marked(True)), make_clip("b", "normal", split="test")]
    clip_set = write_clip_set(tmp_path / "clips", clips)
    assert "camera_marks" not in baselines_of(clip_set)
    with pytest.raises(UserError, match="both with and without"):
        camera_marks(clip_set, tmp_path / "out", BaselineSettings())
