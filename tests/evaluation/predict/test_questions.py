"""Held-out questions asked of real tiny models about real small videos: one answer each, joined by id."""

import json

import pytest

from tests.evaluation.builders import (
    FakeEngine,
    make_clip,
    make_question,
    write_clip_set,
    write_question_set,
    write_video,
)
from vlm_autodrive.artifacts import (
    HELD_OUT_QUESTIONS_FILE,
    read_held_out_questions,
    read_predictions,
    read_provenance,
)
from vlm_autodrive.engines import InferenceResponse
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import EvaluateSettings, evaluate
from vlm_autodrive.evaluation.predict.questions import choice_answer, draw_questions
from vlm_autodrive.evaluation.predict.stage import evaluate_with_engine
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome

QUICK = {"prompt_variants": (), "controls": (), "max_new_tokens": 8}


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Seven clips of unequal lengths, of which one cannot be decoded, with 0 to 4 questions each."""
    folder = tmp_path_factory.mktemp("asked")
    clips = []
    for index in range(7):
        length_s = (2.0, 2.5)[index % 2]
        path = write_video(folder / f"{index}.mp4", seconds=length_s, seed=index)
        clips.append(make_clip(f"clip-{index}", DEFAULT_TAXONOMY.names[index % 3], path=str(path), end_s=length_s))
    (folder / "3.mp4").write_bytes(b"no video")
    clip_set = write_clip_set(folder / "clips", clips)
    topics = ("weather", "light", "road", "zone")
    questions = [
        make_question(f"clip-{index}", topic, "AB"[place % 2], ("x", "y", "z", "w")[: 2 + (index + place) % 3])
        for index in range(7)
        for place, topic in enumerate(topics[: index % 5])
    ]
    questions += [make_question("clip-of-validation")]
    return clip_set, write_question_set(folder / "supervision", clip_set, questions), questions


def test_each_question_has_one_answer_and_those_of_a_clip_that_cannot_be_decoded_are_errors(asked, tmp_path):
    clip_set, supervision, questions = asked
    settings = EvaluateSettings(**QUICK, eval_batch_size=4)
    out = evaluate(clip_set, "tiny-base", tmp_path / "out", settings, questions=supervision)
    kept = read_held_out_questions(out)
    drawn = draw_questions(supervision, [make_clip(f"clip-{n}") for n in range(7)], 3, settings.seed)
    assert kept == [question for of_clip in drawn.values() for question in of_clip]
    assert set(kept) < set(questions)
    by_id = {question.sample_id: question for question in kept}
    for prediction in read_predictions(out):
        mine = [question.sample_id for question in kept if question.clip_id == prediction.clip_id]
        assert list(prediction.questions) == mine
        assert len(mine) == min(3, int(prediction.clip_id[-1]) % 5)
        for sample_id, answer in prediction.questions.items():
            if prediction.clip_id == "clip-3":
                assert (answer.outcome, answer.letter) == (Outcome.ERROR, None)
                assert answer.reason == prediction.verdict.reason != ""
            else:
                assert answer.outcome is Outcome.OK
                assert sum(answer.probabilities) == pytest.approx(1)
                best = answer.probabilities.index(max(answer.probabilities))
                assert answer.letter == by_id[sample_id].letters[best]
    assert read_provenance(out).inputs["questions"].path.endswith("held_out_questions.jsonl")


def test_without_questions_the_other_answers_are_the_same(asked, tmp_path):
    clip_set, supervision, _ = asked
    settings = EvaluateSettings(**QUICK)
    with_them = read_predictions(evaluate(clip_set, "tiny-base", tmp_path / "a", settings, questions=supervision))
    without = evaluate(clip_set, "tiny-base", tmp_path / "b", settings)
    assert read_held_out_questions(without) == []
    for one, other in zip(with_them, read_predictions(without), strict=True):
        assert other.questions == {}
        assert (one.verdict, one.reasoning) == (other.verdict, other.reasoning)


class Asked(FakeEngine):
    """Answers every question with B, and dies after some clips."""

    def __init__(self, die_after=None):
        super().__init__(lambda frames: "B", die_after)


def test_a_resumed_evaluation_equals_one_that_was_not_interrupted(asked, tmp_path):
    clip_set, supervision, _ = asked
    settings = EvaluateSettings(**QUICK, eval_batch_size=2)

    def run(engine, name):
        return evaluate_with_engine(clip_set, engine, "key", tmp_path / name, settings, questions=supervision)

    def lines(out):
        rows = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
        return [row | {"latency_s": 0} for row in rows], (out / HELD_OUT_QUESTIONS_FILE).read_bytes()

    whole = lines(run(Asked(), "whole"))
    with pytest.raises(KeyboardInterrupt):
        run(Asked(die_after=3), "killed")
    assert lines(run(Asked(), "killed")) == whole
    answers = [answer for row in whole[0] for answer in row["questions"].values() if row["clip_id"] != "clip-3"]
    assert answers
    assert {answer["letter"] for answer in answers} == {"B"}
    again = Asked()
    run(again, "whole")
    assert again.asked == []


def test_a_question_that_failed_is_asked_again_with_the_other_errors(asked, tmp_path):
    clip_set, supervision, _ = asked
    settings = EvaluateSettings(**QUICK)

    class Failing(Asked):
        def _one(self, frames, request):
            if "Which light?" in request.prompt:
                return InferenceResponse(Outcome.ERROR, "", reason="busy")
            return super()._one(frames, request)

    def run(engine, **retry):
        return evaluate_with_engine(clip_set, engine, "k", tmp_path / "out", settings, questions=supervision, **retry)

    made = read_predictions(run(Failing()))
    failed = {p.clip_id for p in made if any(answer.reason == "busy" for answer in p.questions.values())}
    assert failed
    engine = Asked()
    run(engine, retry_errors=True)
    assert sum(engine.asked) == len(failed)


def test_questions_of_other_clips_are_refused(asked, tmp_path):
    _, supervision, _ = asked
    others = write_clip_set(tmp_path / "others", [make_clip("clip-0", end_s=1.0)])
    with pytest.raises(UserError, match="not about the clips"):
        evaluate(others, "tiny-base", tmp_path / "out", EvaluateSettings(**QUICK), questions=supervision)


@pytest.mark.parametrize(
    ("response", "outcome", "letter"),
    [
        (InferenceResponse(Outcome.OK, "B"), Outcome.OK, "B"),
        (InferenceResponse(Outcome.OK, "(B) wet, since the road shines"), Outcome.OK, "B"),
        (InferenceResponse(Outcome.OK, "B\nA dry road"), Outcome.OK, "B"),
        (InferenceResponse(Outcome.OK, "It is B."), Outcome.OK, "B"),
        (InferenceResponse(Outcome.OK, "A or B."), Outcome.UNPARSEABLE, None),
        (InferenceResponse(Outcome.OK, "A wet road"), Outcome.UNPARSEABLE, None),
        (InferenceResponse(Outcome.OK, "D"), Outcome.UNPARSEABLE, None),  # there are three options
        (InferenceResponse(Outcome.TRUNCATED, "B: a road that", reason="no end"), Outcome.REPAIRED, "B"),
        (InferenceResponse(Outcome.TRUNCATED, "Well, this", reason="no end"), Outcome.TRUNCATED, None),
        (InferenceResponse(Outcome.ERROR, "B", reason="died"), Outcome.ERROR, None),
    ],
)
def test_the_letter_is_read_from_what_was_written(response, outcome, letter):
    answer = choice_answer(make_question("clip-0"), response)
    assert (answer.outcome, answer.letter) == (outcome, letter)
