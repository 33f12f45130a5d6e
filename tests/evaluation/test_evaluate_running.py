import av
import numpy as np
import pytest
from evaluation_builders import FakeEngine, make_clip, write_clip_set

from vlm_autodrive.engines.protocol import Answer
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.running import evaluate, write_predictions
from vlm_autodrive.evaluation.settings import EvaluateSettings
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome
from vlm_autodrive.stores import read_clips, read_predictions

CODES = "ABC"


def write_grey(path, level):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), "rgb24")))
        container.mux(stream.encode())


def code_of(frames):
    return CODES[int(frames.pixels.mean() // 86)]


@pytest.fixture
def clip_set(tmp_path):
    """Seven clips of three brightnesses; the third is broken, the fifth unusable, one is for training."""
    clips = []
    for index in range(7):
        path = tmp_path / f"{index}.mp4"
        write_grey(path, 20 + 90 * (index % 3))
        clips.append(make_clip(f"clip-{index}", DEFAULT_TAXONOMY.names[index % 3], path=str(path)))
    (tmp_path / "2.mp4").write_bytes(b"no video")
    clips[4] = clips[4].model_copy(update={"problem": "too dark"})
    clips[6] = clips[6].model_copy(update={"split": "train"})
    return write_clip_set(tmp_path / "clips", clips)


def run(clip_set, engine, out="out", **settings):
    return evaluate(clip_set, engine, "key", clip_set.parent / out, EvaluateSettings(**settings))


def test_each_clip_of_the_split_has_one_answer_and_its_own(clip_set):
    out = run(clip_set, FakeEngine(code_of), batch_clips=2)
    predictions = read_predictions(out)
    assert [p.clip_id for p in predictions] == [c.clip_id for c in read_clips(out)] == [f"clip-{i}" for i in range(6)]
    for index in (0, 1, 3, 5):
        verdict = predictions[index].verdict
        assert verdict.outcome is Outcome.OK
        assert verdict.event_class == DEFAULT_TAXONOMY.names[index % 3]
        assert verdict.probabilities[verdict.event_class] == 0.8
        assert predictions[index].reasoning.event_class == verdict.event_class
        assert predictions[index].frame_times_s == (0.0, 0.5, 1.0, 1.5)
    assert [predictions[i].verdict.outcome for i in (2, 4)] == [Outcome.ERROR] * 2
    assert predictions[2].verdict.reason
    assert predictions[4].verdict.reason == predictions[4].reasoning.reason == "too dark"
    assert predictions[0].reasoning.event_time_s == 1.0


def test_reasoning_can_be_left_out(clip_set):
    assert all(p.reasoning is None for p in read_predictions(run(clip_set, FakeEngine(code_of), reasoning=False)))


def test_a_killed_run_goes_on_without_asking_again(clip_set):
    whole = read_predictions(run(clip_set, FakeEngine(code_of), "whole", batch_clips=2))
    dying = FakeEngine(code_of, die_after=2)
    with pytest.raises(KeyboardInterrupt):
        run(clip_set, dying, "killed", batch_clips=2)
    assert not (clip_set.parent / "killed").exists()
    (partial,) = clip_set.parent.glob(".killed.partial-*/answered.jsonl")
    with partial.open("a") as stream:
        stream.write('{"clip_id": "torn')
    second = FakeEngine(code_of)
    resumed = read_predictions(run(clip_set, second, "killed", batch_clips=2))
    assert sum(dying.asked) + sum(second.asked) == 4
    assert [p.model_copy(update={"latency_s": 0}) for p in resumed] == [
        p.model_copy(update={"latency_s": 0}) for p in whole
    ]


def test_a_finished_run_asks_nothing_and_another_model_does(clip_set):
    run(clip_set, FakeEngine(code_of))
    again = FakeEngine(code_of)
    run(clip_set, again)
    assert again.asked == []
    with pytest.raises(UserError, match="overwrite"):
        evaluate(clip_set, again, "other key", clip_set.parent / "out", EvaluateSettings())


class Answering(FakeEngine):
    def __init__(self, answer):
        super().__init__(None)
        self.given = answer

    def _one(self, frames, question):
        return self.given


@pytest.mark.parametrize(
    ("answer", "outcome", "name"),
    [
        (Answer(Outcome.OK, "This is a near-collision."), Outcome.OK, "near_collision"),
        (Answer(Outcome.OK, "Perhaps."), Outcome.UNPARSEABLE, None),
        (Answer(Outcome.TRUNCATED, "A", reason="too long"), Outcome.TRUNCATED, None),
        (Answer(Outcome.ERROR, "", reason="engine died"), Outcome.ERROR, None),
    ],
)
def test_free_and_failed_answers(clip_set, answer, outcome, name):
    prediction = read_predictions(run(clip_set, Answering(answer)))[0]
    assert (prediction.verdict.outcome, prediction.verdict.event_class) == (outcome, name)
    assert prediction.verdict.probabilities is None
    assert prediction.reasoning.event_class == name
    if answer.reason:
        assert prediction.verdict.reason == prediction.reasoning.reason == answer.reason


def test_an_engine_that_drops_a_clip_is_not_joined_by_position(clip_set):
    class Dropping(FakeEngine):
        def answer(self, clips, questions):
            return super().answer(clips, questions)[1:]

    with pytest.raises(ValueError, match="zip"):
        run(clip_set, Dropping(code_of))


def test_predictions_must_be_one_for_each_clip(tmp_path):
    with pytest.raises(RuntimeError, match="exactly one"):
        write_predictions(tmp_path, tmp_path, DEFAULT_TAXONOMY, [make_clip("a")], [])


def test_an_empty_split_is_refused(clip_set):
    with pytest.raises(UserError, match="validation"):
        run(clip_set, FakeEngine(code_of), split="validation")
