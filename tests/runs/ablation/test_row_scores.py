"""Rows with reasoning and held-out questions, and what each supervision type brings."""

import numpy as np
import pytest

from tests.evaluation.builders import make_clip, make_prediction, make_question, write_prediction_set
from vlm_autodrive.evaluation import CompareSettings
from vlm_autodrive.metrics import Ratio
from vlm_autodrive.records import DEFAULT_TAXONOMY, ChoiceAnswer, Outcome
from vlm_autodrive.runs.ablation.page import effect_rows, table_of
from vlm_autodrive.runs.ablation.result import AblationResult
from vlm_autodrive.runs.ablation.row_metrics import RowMetric
from vlm_autodrive.runs.ablation.scores import AblationRow, RowInput, score_rows
from vlm_autodrive.runs.ablation.type_effects import type_effects

SETTINGS = CompareSettings(resamples=400)
NAMES = DEFAULT_TAXONOMY.names
CLIPS = [make_clip(f"c{n}", NAMES[n % 3]) for n in range(12)]
QUESTIONS = [
    make_question(clip.clip_id, topic, "AB"[n % 2], options)
    for n, clip in enumerate(CLIPS)
    for topic, options in (("weather", ("dry", "wet", "snow")), ("zone", ("town", "country")))
]


def row(types, **values):
    return AblationRow(name=f"{types} {values}", role="cell", types=types, values={"types": "+".join(types), **values})


def predicted(folder, right_of, letter_of, traced=True, questions=QUESTIONS):
    """Predictions, whose verdicts are right for the first clips and whose traces name the class that is true."""
    made = []
    for n, clip in enumerate(CLIPS):
        answer = clip.event_class if n < right_of else NAMES[(n + 1) % 3]
        answers = {
            q.sample_id: ChoiceAnswer(outcome=Outcome.OK, letter=letter_of(q))
            for q in questions
            if q.clip_id == clip.clip_id
        }
        prediction = make_prediction(clip, answer, traced=clip.event_class if traced else None)
        made.append(prediction.model_copy(update={"questions": answers}))
    return write_prediction_set(folder, CLIPS, made, questions)


def test_a_row_has_vqa_accuracy_by_topic_and_the_consistency_of_its_traces_over_both_seeds(tmp_path):
    def known(q):
        return q.answer

    inputs = [
        RowInput(
            row(("verdict", "vqa")),
            {0: predicted(tmp_path / "a0", 12, known), 1: predicted(tmp_path / "a1", 6, lambda _: "A")},
        ),
        RowInput(row(("verdict",)), {0: predicted(tmp_path / "b0", 6, lambda q: "A" if q.topic == "zone" else "C")}),
        RowInput(row(("caption",)), {0: predicted(tmp_path / "c0", 6, known, traced=False, questions=QUESTIONS[:8])}),
    ]
    scored = score_rows(inputs, SETTINGS)
    first, second, third = (each.scores for each in scored.rows)
    assert first.vqa_accuracy.value == pytest.approx((1 + 0.5) / 2)
    assert {topic: figure.value for topic, figure in first.vqa_topics.items()} == {"weather": 0.75, "zone": 0.75}
    assert first.vqa_chance == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert first.reasoning_consistency.value == pytest.approx((12 / 12 + 6 / 12) / 2)
    assert (second.vqa_topics["weather"].value, second.vqa_topics["zone"].value) == (0, 0.5)
    gained = second.gains["vqa_accuracy"]
    assert gained.difference.value == pytest.approx(0.25 - 1)  # over the seed that both have
    assert gained.detectable == pytest.approx((gained.difference.high - gained.difference.low) / 2 * 1.4294, rel=1e-3)
    assert third.reasoning_consistency is None
    assert "reasoning_consistency" not in third.gains
    assert "vqa_accuracy" not in third.gains  # it was asked fewer questions
    assert "macro_f1" in third.gains


def hits(right):
    return np.column_stack([right, np.ones(len(right))])


def metric(right):
    return RowMetric(CLIPS, range(12), {0: hits(np.array(right, dtype=float))}, Ratio(0, 1))


def test_a_type_whose_interval_holds_0_is_not_shown_to_help():
    rows = [row(("verdict", "vqa", "reasoning")), row(("verdict", "reasoning")), row(("verdict", "vqa"))]
    rows += [row(("verdict", "vqa", "reasoning"), fps="2"), row(("verdict",))]
    all_types, no_vqa, no_reasoning, slow, verdict = rows
    worse, other = [0] * 8 + [1] * 4, [1, 0] * 6
    metrics = {
        all_types.name: {"macro_f1": metric([1] * 11 + [0])},
        no_vqa.name: {"macro_f1": metric(worse)},
        no_reasoning.name: {"macro_f1": metric([0] + [1] * 11)},
        slow.name: {"macro_f1": metric(other)},
        verdict.name: {"macro_f1": metric([1] * 12), "vqa_accuracy": metric(other)},
    }
    effects = type_effects(rows, metrics, ["macro_f1", "vqa_accuracy"], SETTINGS)
    found = {(each.type, each.without, each.beside): each for each in effects}
    assert set(found) == {
        ("vqa", no_vqa.name, all_types.name),
        ("reasoning", no_reasoning.name, all_types.name),
        ("reasoning", verdict.name, no_vqa.name),
        ("vqa", verdict.name, no_reasoning.name),
    }
    assert found["vqa", no_vqa.name, all_types.name].conclusion == "helps"
    assert found["reasoning", verdict.name, no_vqa.name].conclusion == "harms"
    even = found["reasoning", no_reasoning.name, all_types.name]
    assert (even.conclusion, even.gain.difference.value) == ("not shown to help", 0)
    assert even.gain.difference.low < 0 < even.gain.difference.high
    assert even.gain.detectable > 0


def test_the_table_has_columns_for_what_was_measured_and_rows_for_what_types_bring(tmp_path):
    both = row(("verdict", "vqa"))
    alone = row(("verdict",))
    inputs = [
        RowInput(both, {0: predicted(tmp_path / "a", 12, lambda q: q.answer)}),
        RowInput(alone, {0: predicted(tmp_path / "b", 6, lambda _: "A")}),
    ]
    scored = score_rows(inputs, SETTINGS)
    ablation = AblationResult(
        name="n",
        description="",
        notes=(),
        varied=(),
        types=("verdict", "vqa"),
        classes={each.name: each.label for each in DEFAULT_TAXONOMY.classes},
        rows=tuple(scored.rows),
        type_effects=type_effects(scored.rows, scored.metrics, ["macro_f1", "vqa_accuracy"], SETTINGS),
    )
    headings, rows = table_of(ablation)
    assert all(len(each.cells) == len(headings) for each in rows)
    cells = dict(zip(headings, rows[1].cells, strict=True))
    assert (cells["VQA accuracy"].text, cells["reasoning consistency"].text) == ("0.50", "0.50")
    gained = scored.rows[1].scores.gains["macro_f1"]
    assert cells["detectable"].text == f"{gained.detectable:.2f}"
    effects = effect_rows(ablation)
    assert [texts[:2] for texts in effects] == [("vqa", "macro-F1"), ("vqa", "VQA accuracy")]
    assert effects[1][4:] == ("helps", "all types − verdict alone")
