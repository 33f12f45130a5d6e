"""Accuracy on held-out questions: by hand, by topic, paired, and with clusters of clips."""

import numpy as np
import pytest

from tests.evaluation.builders import make_clip, make_prediction, make_question, write_prediction_set
from vlm_autodrive.artifacts import read_clips, read_held_out_questions, read_taxonomy
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import CompareSettings, ReportSettings, compare, read_comparison, write_report
from vlm_autodrive.evaluation.report.markdown import markdown
from vlm_autodrive.metrics import wilson
from vlm_autodrive.records import ChoiceAnswer, Outcome, append_jsonl

RIGHT = "ABCABCABAB"  # of the questions on weather; those on the zone have two options
ZONE = "ABABABABAB"


def clips_and_questions(groups=10):
    clips = [make_clip(f"c{n}", group_id=f"g{n % groups}") for n in range(10)]
    questions = [make_question(f"c{n}", "weather", RIGHT[n]) for n in range(10)]
    questions += [make_question(f"c{n}", "zone", ZONE[n], ("town", "country")) for n in range(10)]
    return clips, questions


def answered(clips, questions, say):
    """Predictions whose answers ``say`` gives for each question; None for a failure."""
    made = []
    for clip in clips:
        answers = {}
        for question in questions:
            if question.clip_id == clip.clip_id:
                letter = say(question)
                outcome = Outcome.ERROR if letter is None else Outcome.OK
                answers[question.sample_id] = ChoiceAnswer(outcome=outcome, letter=letter)
        made.append(make_prediction(clip, "normal").model_copy(update={"questions": answers}))
    return made


def compared(tmp_path, clips, questions, **models):
    folders = {}
    for name, say in models.items():
        asked = questions if say is not None else ()
        predictions = answered(clips, asked, say)
        folders[name] = write_prediction_set(tmp_path / name, clips, predictions, asked)
    return compare(folders, tmp_path / "comparison", CompareSettings(resamples=400))


def test_a_model_that_always_says_a_has_the_accuracy_of_a(tmp_path):
    clips, questions = clips_and_questions()
    made = compared(tmp_path, clips, questions, first=lambda _: "A", known=lambda q: q.answer, baseline=None)
    models = read_comparison(made).models
    vqa = models["first"].vqa
    assert vqa.topics["weather"].accuracy == wilson(RIGHT.count("A"), 10)
    assert vqa.topics["zone"].accuracy == wilson(ZONE.count("A"), 10)
    assert vqa.accuracy.value == (RIGHT + ZONE).count("A") / 20
    assert vqa.accuracy.n == 20
    assert (vqa.topics["weather"].chance, vqa.topics["zone"].chance) == (pytest.approx(1 / 3), 0.5)
    assert vqa.chance == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert models["known"].vqa.accuracy.value == 1.0
    assert models["baseline"].vqa is None
    assert read_held_out_questions(made) == [q for n in range(10) for q in questions if q.clip_id == f"c{n}"]


def test_questions_without_an_answer_count_as_wrong(tmp_path):
    clips, questions = clips_and_questions()

    def lost(q):
        return None if q.clip_id in ("c3", "c4") else q.answer

    vqa = read_comparison(compared(tmp_path, clips, questions, m=lost)).models["m"].vqa
    assert (vqa.accuracy.value, vqa.accuracy.n) == (16 / 20, 20)


def test_the_difference_is_paired_question_by_question_and_topic_by_topic(tmp_path):
    clips, questions = clips_and_questions()

    def half(q):
        return q.answer if q.topic == "zone" else "A"

    made = read_comparison(compared(tmp_path, clips, questions, a=lambda _: "A", b=half, c=None))
    pairs = {(pair.first, pair.second): pair for pair in made.pairs}
    pair = pairs["a", "b"]
    assert pair.vqa_accuracy.value == pytest.approx(ZONE.count("B") / 20)
    assert pair.vqa_accuracy.low > 0
    assert pair.vqa_topics["weather"].value == 0
    assert pair.vqa_topics["zone"].value == ZONE.count("B") / 10
    assert pairs["a", "c"].vqa_accuracy is None
    assert pairs["a", "c"].vqa_topics == {}


def test_clips_of_one_drive_are_resampled_together(tmp_path):
    widths = []
    for name, groups in (("apart", 10), ("together", 5)):
        clips, questions = clips_and_questions(groups)

        def right(q, groups=groups):
            return q.answer if int(q.clip_id[1:]) % groups < groups // 2 else "D"

        vqa = read_comparison(compared(tmp_path / name, clips, questions, m=right)).models["m"].vqa
        widths.append(vqa.accuracy.high - vqa.accuracy.low)
    assert widths[1] > 1.2 * widths[0]


def test_models_that_were_asked_other_questions_are_not_compared(tmp_path):
    clips, questions = clips_and_questions()
    folders = {
        name: write_prediction_set(tmp_path / name, clips, answered(clips, asked, lambda _: "A"), asked)
        for name, asked in (("a", questions), ("b", questions[1:]))
    }
    with pytest.raises(UserError, match="other questions"):
        compare(folders, tmp_path / "out", CompareSettings())


def test_an_answer_that_is_missing_is_told_and_two_that_differ_are_none(tmp_path):
    clips, questions = clips_and_questions()
    said = answered(clips, questions, lambda q: q.answer)
    short = [said[0].model_copy(update={"questions": {}}), *said[1:]]
    folder = write_prediction_set(tmp_path / "short", clips, short, questions)
    with pytest.raises(UserError, match="one answer to each question about c0"):
        compare({"m": folder}, tmp_path / "out", CompareSettings())
    folder = write_prediction_set(tmp_path / "twice", clips, said, questions)
    append_jsonl(folder / "predictions.jsonl", answered(clips[:1], questions, lambda _: "D"))
    made = read_comparison(compare({"m": folder}, tmp_path / "out", CompareSettings()))
    assert made.models["m"].vqa.accuracy.value == 18 / 20


def test_page_and_markdown_show_both_models_their_difference_and_chance(tmp_path):
    clips, questions = clips_and_questions()
    made = compared(tmp_path, clips, questions, base=lambda _: "A", tuned=lambda q: q.answer, majority=None)
    figures, taxonomy = read_comparison(made), read_taxonomy(made)
    assert read_clips(made) == clips
    text = markdown("t", "h", (), figures, taxonomy)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    zone = next(row for row in rows if row[0] == "zone")
    assert zone[1:3] == ["10", "0.50"]
    assert [cell[:4] for cell in zone[3:]] == ["0.50", "1.00", "+0.5"]
    page = (write_report(made, tmp_path / "report", ReportSettings()) / "report.html").read_text()
    section = page[page.index('id="vqa"') : page.index("</section>", page.index('id="vqa"'))]
    assert [word in section for word in ("weather", "zone", "0.33", "Fine-tuned − Base")] == [True] * 4
    assert np.isclose(figures.models["tuned"].vqa.accuracy.value, 1.0)
