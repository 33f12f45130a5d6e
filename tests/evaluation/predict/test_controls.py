"""What each control shows, to whom, and how often the model is asked for it."""

import numpy as np
import pytest

from tests.evaluation.builders import FakeEngine, make_clip, write_clip_set, write_video
from vlm_autodrive.artifacts import read_predictions
from vlm_autodrive.evaluation import EvaluateSettings
from vlm_autodrive.evaluation.predict.controls import (
    apply_control,
    black,
    elsewhere_hidden,
    event_hidden,
    no_video,
    shuffled,
)
from vlm_autodrive.evaluation.predict.stage import evaluate_with_engine
from vlm_autodrive.records import Outcome
from vlm_autodrive.video import Frames

ALL = ("black", "shuffled", "no_video", "event_hidden", "elsewhere_hidden")


def film(count=16, step_s=0.3):
    """Frames that are each of a brightness of their own, none of them black."""
    levels = np.arange(1, count + 1, dtype=np.uint8)[:, None, None, None]
    return Frames(np.broadcast_to(levels, (count, 4, 6, 3)).copy(), tuple(round(i * step_s, 3) for i in range(count)))


def hidden(frames):
    return [i for i, picture in enumerate(frames.pixels) if not picture.any()]


def test_black_keeps_the_times_and_nothing_else():
    true = film()
    assert hidden(black(true)) == list(range(16))
    assert black(true).times_s == true.times_s
    assert black(true).pixels.shape == true.pixels.shape


def test_shuffled_keeps_every_frame_and_the_times_but_not_the_order():
    true = film()
    levels = [int(picture.max()) for picture in shuffled(true, "a", 0).pixels]
    assert sorted(levels) == list(range(1, 17))
    assert levels != sorted(levels)
    assert shuffled(true, "a", 0).times_s == true.times_s
    assert (shuffled(true, "a", 0).pixels == shuffled(true, "a", 0).pixels).all()
    assert (shuffled(true, "a", 0).pixels != shuffled(true, "b", 0).pixels).any()
    assert (shuffled(true, "a", 0).pixels != shuffled(true, "a", 1).pixels).any()
    for seed in range(20):  # of two frames there is but one other order
        assert shuffled(film(2), "a", seed).pixels[0].max() == 2
    assert shuffled(film(1), "a", 0).pixels[0].max() == 1


def test_without_video_no_frame_is_left():
    assert no_video(film()).pixels.shape == (0, 4, 6, 3)
    assert no_video(film()).times_s == ()


@pytest.mark.parametrize(
    ("event_s", "radius_s", "near", "elsewhere"),
    [
        (2.4, 0.5, [7, 8, 9], [0, 1, 2]),  # as much room before as behind, but for one frame
        (0.9, 0.5, [2, 3, 4], [13, 14, 15]),
        (4.45, 0.75, [13, 14, 15], [0, 1, 2]),
        (0.0, 0.3, [0, 1], [14, 15]),
        (2.4, 1.0, [5, 6, 7, 8, 9, 10, 11], None),  # nowhere is room for seven others
        (5.2, 0.5, None, None),  # a causal window ends before its event
        (2.4, 9.0, list(range(16)), None),
    ],
)
def test_as_many_frames_are_hidden_elsewhere_as_at_the_event(event_s, radius_s, near, elsewhere):
    true = film()
    at_event = event_hidden(true, event_s, radius_s)
    beside = elsewhere_hidden(true, event_s, radius_s)
    assert (None if at_event is None else hidden(at_event)) == near
    assert (None if beside is None else hidden(beside)) == elsewhere
    for changed in (at_event, beside):
        if changed is not None:
            kept = [i for i in range(16) if i not in hidden(changed)]
            assert (changed.pixels[kept] == true.pixels[kept]).all()
            assert changed.times_s == true.times_s
    assert hidden(true) == []


@pytest.mark.parametrize("event_s", np.linspace(0, 4.5, 46))
def test_the_frames_hidden_elsewhere_are_the_farthest_that_there_are(event_s):
    true = film()
    near = hidden(event_hidden(true, event_s, 0.75))
    beside = hidden(elsewhere_hidden(true, event_s, 0.75))
    assert len(near) == len(beside)
    assert not set(near) & set(beside)

    def distance(begin):
        return min(abs(true.times_s[i] - event_s) for i in range(begin, begin + len(near)))

    ways = [b for b in range(17 - len(near)) if not set(range(b, b + len(near))) & set(near)]
    assert distance(beside[0]) >= max(map(distance, ways)) - 0.3001  # of two sides as long, either


def test_only_clips_with_an_event_of_known_time_have_it_hidden():
    true = film()
    for clip, told in [(make_clip("a", "collision"), True), (make_clip("b", "normal"), False)]:
        given = [control for control in ALL if apply_control(control, clip, true, 0.5, 0) is not None]
        assert given == list(ALL if told else ALL[:3])


class Watching(FakeEngine):
    """Remembers what it was shown; answers A unless all frames are black."""

    def __init__(self):
        super().__init__(lambda frames: "A" if frames.pixels.any() else "B")
        self.shown = []

    def generate(self, clips, requests, own=()):
        self.shown.append([(len(frames.times_s), len(hidden(frames)), len(requests)) for frames in clips])
        return super().generate(clips, requests, own)


@pytest.fixture
def clip_set(tmp_path):
    clips = []
    for index, name in enumerate(["collision", "normal", "near_collision", "collision"]):
        path = write_video(tmp_path / f"{index}.mp4", seed=index)
        clips.append(make_clip(f"c{index}", name, path=str(path)))
    (tmp_path / "3.mp4").write_bytes(b"no video")
    return write_clip_set(tmp_path / "clips", clips)


def test_every_readable_clip_is_asked_about_once_more_for_each_control(clip_set):
    engine = Watching()
    out = evaluate_with_engine(
        clip_set, engine, "key", clip_set.parent / "out", EvaluateSettings(eval_batch_size=2, hide_s=0.3)
    )
    assert engine.shown == [
        [(4, 0, 7)] * 2,  # six prompts and the reasoning
        [(4, 4, 1)] * 2,
        [(4, 0, 1)] * 2,
        [(0, 0, 1)],  # the words alone, once for all
        [(4, 1, 1)],
        [(4, 1, 1)],
        [(4, 0, 7)],
        [(4, 4, 1)],
        [(4, 0, 1)],
        [(4, 1, 1)],
        [(4, 1, 1)],
    ]
    made = read_predictions(out)
    assert [list(p.controls) for p in made] == [list(ALL), list(ALL[:3]), list(ALL), list(ALL[:3])]
    for prediction in made[:3]:
        assert prediction.verdict.event_class == "collision"
        assert prediction.controls["black"].event_class == "near_collision"
        assert prediction.controls["shuffled"].event_class == "collision"
        assert prediction.controls["no_video"].event_class == "normal"
        assert {verdict.prompt for verdict in prediction.controls.values()} == {prediction.verdict.prompt}
    assert {verdict.outcome for verdict in made[3].controls.values()} == {Outcome.ERROR}
    assert made[3].verdict.reason == made[3].controls["black"].reason


def test_an_engine_that_cannot_do_without_video_fails_at_that_control_alone(clip_set):
    class Needing(Watching):
        def generate(self, clips, requests, own=()):
            if any(not frames.times_s for frames in clips):
                raise ValueError("no frames")
            return super().generate(clips, requests, own)

    out = evaluate_with_engine(clip_set, Needing(), "key", clip_set.parent / "out", EvaluateSettings())
    for prediction in read_predictions(out)[:3]:
        assert prediction.controls["no_video"].outcome is Outcome.ERROR
        assert "no frames" in prediction.controls["no_video"].reason
        assert prediction.verdict.outcome is prediction.controls["black"].outcome is Outcome.OK
