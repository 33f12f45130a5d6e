import json

import av
import numpy as np
import pytest

from tests.evaluation.builders import FakeEngine, make_clip, write_clip_set
from vlm_autodrive.artifacts import (
    input_key,
    read_clips,
    read_predictions,
    read_provenance,
    write_clips,
    writing_artifact,
)
from vlm_autodrive.engines import InferenceResponse
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import EvaluateSettings, summary
from vlm_autodrive.evaluation.predict.stage import evaluate_with_engine, write_predictions
from vlm_autodrive.models import reasoning_prompt, variant_verdict_prompt, verdict_prompt
from vlm_autodrive.records import DEFAULT_TAXONOMY, PAPER_TAXONOMY, Outcome
from vlm_autodrive.settings import Settings
from vlm_autodrive.video import SamplingSettings

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
    plain = {"prompt_variants": (), "controls": ()}
    return evaluate_with_engine(clip_set, engine, "key", clip_set.parent / out, EvaluateSettings(**plain | settings))


def test_each_clip_of_the_split_has_one_answer_and_its_own(clip_set):
    out = run(clip_set, FakeEngine(code_of), eval_batch_size=2)
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


def test_letters_in_another_order_than_the_classes_are_mapped_by_the_taxonomy(clip_set):
    """Answered A, B and C by brightness, which the paper's letters mean as collision, normal and near-collision."""
    paper = clip_set.parent / "paper"
    with writing_artifact(paper, "clips", {}, Settings()) as folder:
        write_clips(folder, paper, PAPER_TAXONOMY, read_clips(clip_set))
    for prediction in read_predictions(run(paper, FakeEngine(code_of)))[:2]:
        named = {"clip-0": "collision", "clip-1": "normal"}[prediction.clip_id]
        assert prediction.verdict.event_class == prediction.reasoning.event_class == named
        assert max(prediction.verdict.probabilities, key=prediction.verdict.probabilities.get) == named


def test_reasoning_can_be_left_out(clip_set):
    assert all(p.reasoning is None for p in read_predictions(run(clip_set, FakeEngine(code_of), reasoning=False)))


def test_a_killed_run_goes_on_without_asking_again(clip_set):
    whole = read_predictions(run(clip_set, FakeEngine(code_of), "whole", eval_batch_size=2))
    dying = FakeEngine(code_of, die_after=2)
    with pytest.raises(KeyboardInterrupt):
        run(clip_set, dying, "killed", eval_batch_size=2)
    assert not (clip_set.parent / "killed").exists()
    (partial,) = clip_set.parent.glob(".killed.partial-*/answered.jsonl")
    with partial.open("a") as stream:
        stream.write('{"clip_id": "torn')
    second = FakeEngine(code_of)
    resumed = read_predictions(run(clip_set, second, "killed", eval_batch_size=2))
    assert sum(dying.asked) + sum(second.asked) == 4
    assert [p.model_copy(update={"latency_s": 0}) for p in resumed] == [
        p.model_copy(update={"latency_s": 0}) for p in whole
    ]


@pytest.mark.parametrize(("batch_size", "repeated"), [(1, 0), (2, 0), (3, 2), (16, 2)])
def test_a_killed_run_goes_on_with_another_batch_size(clip_set, batch_size, repeated):
    whole = read_predictions(run(clip_set, FakeEngine(code_of), "whole", eval_batch_size=2))
    with pytest.raises(KeyboardInterrupt):
        run(clip_set, FakeEngine(code_of, die_after=2), "killed", eval_batch_size=2)
    (partial,) = clip_set.parent.glob(".killed.partial-*/answered.jsonl")
    saved = [json.loads(line)["clip_id"] for line in partial.read_text().splitlines()]
    second = FakeEngine(code_of)
    resumed = read_predictions(run(clip_set, second, "killed", eval_batch_size=batch_size))
    assert len(saved) % batch_size == repeated
    askable = [p.clip_id for p in whole if p.verdict.outcome is not Outcome.ERROR]
    assert sum(second.asked) == len(set(askable) - set(saved[: len(saved) - repeated]))
    assert [p.model_copy(update={"latency_s": 0}) for p in resumed] == [
        p.model_copy(update={"latency_s": 0}) for p in whole
    ]


def test_the_batch_size_does_not_make_a_finished_run_anew(clip_set):
    run(clip_set, FakeEngine(code_of), eval_batch_size=2)
    again = FakeEngine(code_of)
    run(clip_set, again, eval_batch_size=3)
    assert again.asked == []


def test_a_finished_run_asks_nothing_and_another_model_does(clip_set):
    run(clip_set, FakeEngine(code_of))
    again = FakeEngine(code_of)
    run(clip_set, again)
    assert again.asked == []
    with pytest.raises(UserError, match="overwrite"):
        settings = EvaluateSettings(prompt_variants=(), controls=())
        evaluate_with_engine(clip_set, again, "other key", clip_set.parent / "out", settings)


class Answering(FakeEngine):
    def __init__(self, answer):
        super().__init__(None)
        self.given = answer

    def _one(self, frames, question):
        return self.given


@pytest.mark.parametrize(
    ("answer", "outcome", "name"),
    [
        (InferenceResponse(Outcome.OK, "This is a near-collision."), Outcome.OK, "near_collision"),
        (InferenceResponse(Outcome.OK, "Perhaps."), Outcome.UNPARSEABLE, None),
        (InferenceResponse(Outcome.TRUNCATED, "A", reason="too long"), Outcome.TRUNCATED, None),
        (InferenceResponse(Outcome.ERROR, "", reason="engine died"), Outcome.ERROR, None),
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
        def generate(self, clips, requests, own=()):
            return super().generate(clips, requests, own)[1:]

    with pytest.raises(RuntimeError, match="8 requests about 4 clips and gave 6 responses for 3 clips"):
        run(clip_set, Dropping(code_of))


def test_an_engine_that_drops_a_request_is_not_believed(clip_set):
    class Forgetful(FakeEngine):
        def generate(self, clips, requests, own=()):
            return super().generate(clips, requests[:1], own)

    with pytest.raises(RuntimeError, match="gave 4 responses"):
        run(clip_set, Forgetful(code_of))


class Fragile(FakeEngine):
    """Breaks down on clips of one brightness, with all that stand beside them."""

    def generate(self, clips, requests, own=()):
        if any(code_of(frames) == "B" for frames in clips):
            raise IndexError("list index out of range")
        return super().generate(clips, requests, own)


@pytest.mark.parametrize("eval_batch_size", [1, 2, 16])
def test_a_clip_on_which_the_engine_breaks_down_fails_alone(clip_set, eval_batch_size):
    predictions = read_predictions(run(clip_set, Fragile(code_of), eval_batch_size=eval_batch_size))
    reasons = {i: predictions[i].verdict.reason for i in (0, 1, 3, 5)}
    assert reasons == {
        0: "",
        1: "the engine broke down on this clip (IndexError: list index out of range)",
        3: "",
        5: "",
    }
    assert [predictions[i].verdict.event_class for i in (0, 3, 5)] == ["collision", "collision", "normal"]
    assert predictions[1].verdict.outcome is predictions[1].reasoning.outcome is Outcome.ERROR


def test_an_engine_that_never_works_is_let_fail(clip_set):
    class Broken(FakeEngine):
        def generate(self, clips, requests, own=()):
            raise IndexError("no weights")

    with pytest.raises(IndexError, match="no weights"):
        run(clip_set, Broken(code_of))


def test_every_record_says_what_was_asked_and_where_its_probabilities_come_from(clip_set):
    predictions = read_predictions(run(clip_set, FakeEngine(code_of), prompt_variants=("short", "expert")))
    verdict_text = verdict_prompt(DEFAULT_TAXONOMY).text
    for prediction in predictions:
        assert prediction.verdict.prompt == verdict_text
        assert prediction.reasoning.prompt == reasoning_prompt(DEFAULT_TAXONOMY).text
        assert list(prediction.prompt_variants) == ["short", "expert"]
        for wording, verdict in prediction.prompt_variants.items():
            assert verdict.prompt == variant_verdict_prompt(wording, DEFAULT_TAXONOMY).text
            assert verdict.outcome is prediction.verdict.outcome
            assert verdict.event_class == prediction.verdict.event_class
    assert [p.verdict.probability_source for p in predictions] == ["code_logprobs"] * 2 + [
        None,
        "code_logprobs",
        None,
        "code_logprobs",
    ]


def test_whatever_changes_a_prediction_makes_it_anew(clip_set):
    run(clip_set, FakeEngine(code_of))
    for change in (
        {"prompt_variants": ("short",)},
        {"controls": ("black",)},
        {"seed": 1},
        {"hide_s": 0.5},
        {"sampling": {"fps": 1}},
        {"max_new_tokens": 9},
        {"reasoning": False},
    ):
        with pytest.raises(UserError, match="overwrite"):
            run(clip_set, FakeEngine(code_of), **change)
    run(clip_set, FakeEngine(code_of), cache_workers=1)


def test_a_setting_of_the_sampling_leaves_the_others_as_the_model_wants_them(clip_set):
    class Seeing(FakeEngine):
        def generate(self, clips, requests, own=()):
            self.shapes = {frames.pixels.shape for frames in clips}
            return super().generate(clips, requests, own)

    engine = Seeing(code_of)
    out = run(clip_set, engine, sampling={"fps": 1})
    assert engine.shapes == {(2, 16, 24, 3)}
    assert read_provenance(out).facts["sampling"] == {"fps": 1.0, "max_frames": 4, "height": 16, "width": 24}
    with pytest.raises(UserError, match=r"laid over how fake wants its frames: .*n_frames=8 is more than max_frames=4"):
        run(clip_set, engine, sampling={"n_frames": 8}, out="eight")


def test_timestamps_that_a_model_was_trained_with_can_be_left_out(clip_set):
    engine = FakeEngine(code_of)
    engine.sampling = SamplingSettings(fps=4, max_frames=4, height=84, width=84, draw_timestamps=True)
    assert read_provenance(run(clip_set, engine)).facts["sampling"]["draw_timestamps"] is True
    out = run(clip_set, engine, sampling={"draw_timestamps": False}, out="plain")
    assert read_provenance(out).facts["sampling"]["draw_timestamps"] is False


def test_thoughts_that_the_chat_template_opened_are_read_as_thoughts(clip_set):
    class Thinking(FakeEngine):
        def _one(self, frames, question):
            return InferenceResponse(Outcome.OK, thought.format(self.code_of(frames)))

    thought = "[t=0.5] A car.\n</think>\n\n<answer>\n{}\n</answer>"
    first = read_predictions(run(clip_set, Thinking(code_of)))[0]
    assert (first.verdict.event_class, first.reasoning.event_class) == (DEFAULT_TAXONOMY.names[0],) * 2
    assert (first.reasoning.outcome, first.reasoning.trace) == (Outcome.OK, "[t=0.5] A car.")
    assert (first.reasoning.cited_times_s, first.reasoning.raw_text) == ((0.5,), thought.format("A"))


def lines_of(out):
    return (out / "predictions.jsonl").read_text().splitlines()


def test_a_retry_asks_about_errors_alone_and_keeps_the_rest_to_the_byte(clip_set):
    out = run(clip_set, Fragile(code_of), eval_batch_size=2)
    before, key = lines_of(out), input_key(out)
    write_grey(clip_set.parent / "2.mp4", 200)  # was broken, and the fifth stays unusable
    engine = FakeEngine(code_of)
    settings = EvaluateSettings(prompt_variants=(), controls=(), eval_batch_size=2)
    evaluate_with_engine(clip_set, engine, "key", out, settings, retry_errors=True)
    after = lines_of(out)
    assert engine.asked == [2]
    assert [i for i in range(6) if before[i] != after[i]] == [1, 2]
    assert [p.verdict.outcome for p in read_predictions(out)] == [Outcome.OK] * 4 + [Outcome.ERROR, Outcome.OK]
    assert read_predictions(out)[1].verdict.event_class == "near_collision"
    assert input_key(out) != key  # what was made of the old ones is out of date
    evaluate_with_engine(clip_set, engine, "key", out, settings, retry_errors=True)
    run(clip_set, engine, eval_batch_size=2)
    assert engine.asked == [2]
    assert lines_of(out) == after


def test_a_retry_does_not_ask_about_clips_that_cannot_be_used(clip_set, tmp_path):
    usable = [clip for clip in read_clips(clip_set) if clip.clip_id != "clip-2"]
    assert any(clip.problem for clip in usable)
    clips = write_clip_set(tmp_path / "usable", usable)
    settings = EvaluateSettings(prompt_variants=(), controls=())
    made = evaluate_with_engine(clips, FakeEngine(code_of), "key", tmp_path / "retried", settings)
    before = read_provenance(made)
    evaluate_with_engine(clips, FakeEngine(code_of), "key", tmp_path / "retried", settings, retry_errors=True)
    assert read_provenance(made) == before


def test_a_retry_that_is_interrupted_loses_nothing(clip_set):
    out = run(clip_set, Fragile(code_of), eval_batch_size=2)
    before = lines_of(out)
    settings = EvaluateSettings(prompt_variants=(), controls=(), eval_batch_size=2)
    with pytest.raises(KeyboardInterrupt):
        evaluate_with_engine(clip_set, FakeEngine(code_of, die_after=0), "key", out, settings, retry_errors=True)
    assert lines_of(out) == before
    evaluate_with_engine(clip_set, FakeEngine(code_of), "key", out, settings, retry_errors=True)
    assert [i for i in range(6) if before[i] != lines_of(out)[i]] == [1]


def test_the_summary_counts_every_outcome(clip_set):
    answers = [InferenceResponse(Outcome.OK, "Perhaps."), InferenceResponse(Outcome.OK, "A")]

    class Alternating(FakeEngine):
        def _one(self, frames, question):
            return answers[code_of(frames) == "A"]

    made = read_predictions(run(clip_set, Alternating(None)))
    assert summary(made) == (
        "6 clips; verdicts 2 ok, 2 unparseable, 2 error (33.3% unparseable); "
        "traces 2 repaired, 2 unparseable, 2 error (33.3% unparseable)."
    )


def test_predictions_must_be_one_for_each_clip(tmp_path):
    with pytest.raises(RuntimeError, match="exactly one"):
        write_predictions(tmp_path, tmp_path, DEFAULT_TAXONOMY, [make_clip("a")], [])


def test_an_empty_split_is_refused(clip_set):
    with pytest.raises(UserError, match="validation"):
        run(clip_set, FakeEngine(code_of), split="validation")
