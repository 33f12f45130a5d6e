"""What reviewers decided about samples makes a new set, and each decision has one outcome."""

import json

import pytest
from typer.testing import CliRunner

from tests.supervision.review.review_world import decided, many_samples, supervision_set
from tests.tiny_models import saved_tiny_model
from tests.training.supervision_set import make_supervision
from vlm_autodrive.artifacts import (
    input_key,
    read_clips,
    read_corrections,
    read_held_out_questions,
    read_provenance,
    read_samples,
)
from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.predict.questions import questions_input
from vlm_autodrive.records import DEFAULT_TAXONOMY, CorrectionOutcome, read_jsonl, write_jsonl
from vlm_autodrive.supervision import (
    REPLIES_FILE,
    SUMMARY_FILE,
    ExportSettings,
    SampleCorrectionSettings,
    correct_supervision,
    export_supervision,
    read_sample_corrections_result,
)
from vlm_autodrive.supervision.review.corrections import HUMAN_REVIEW, apply_decisions
from vlm_autodrive.training import TrainSettings, train

run = CliRunner().invoke


@pytest.fixture(scope="module")
def supervision(tmp_path_factory):
    return supervision_set(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def samples(supervision):
    return read_samples(supervision)


def exported(supervision, tmp_path, decisions, **settings):
    """The new set's samples by id, and its outcomes in the order of the decisions."""
    write_jsonl(tmp_path / "corrections.jsonl", decisions)
    out = correct_supervision(
        supervision, [tmp_path / "corrections.jsonl"], tmp_path / "out", SampleCorrectionSettings(**settings)
    )
    outcomes = read_jsonl(out / "corrections_outcome.jsonl", CorrectionOutcome)
    return {sample.sample_id: sample for sample in read_samples(out)}, outcomes


def of(samples, type_, accepted=True, place=0):
    return [sample for sample in samples if sample.type == type_ and sample.accepted == accepted][place]


def said_by_people(sample):
    return [(check.passed, check.message) for check in sample.checks if check.name == HUMAN_REVIEW]


def test_each_decision_is_applied_and_nothing_else_changes(supervision, samples, tmp_path):
    accepted, rejected = of(samples, "vqa"), of(samples, "vqa", place=1)
    corrected, wrong = of(samples, "reasoning"), of(samples, "reasoning", place=1)
    by_checks = of(samples, "caption", accepted=False)
    better = corrected.target.replace("<think>\n", "<think>\nThe road is busy.\n")
    new, outcomes = exported(
        supervision,
        tmp_path,
        [
            decided(0, accepted, "accept"),
            decided(1, rejected, "reject", rejection="time", reason="it is later"),
            decided(2, corrected, "correct", target=better),
            decided(3, wrong, "correct", target="It never happens."),
            decided(4, by_checks, "accept"),
        ],
    )
    assert [each.outcome for each in outcomes] == ["unchanged", "applied", "applied", "refused", "unchanged"]
    assert said_by_people(new[accepted.sample_id]) == [(True, "")]
    lost = new[rejected.sample_id]
    assert (lost.target, lost.accepted) == (rejected.target, False)
    assert said_by_people(lost) == [(False, "rejected by ada: Wrong time: it is later")]
    written = new[corrected.sample_id]
    assert (written.target, written.teacher, written.accepted) == (better, "human", True)
    assert written.teacher_inputs == ("label", "frames")
    # Beside the checks that were made before, those of what no rule writes.
    names = {check.name for check in corrected.checks} | {HUMAN_REVIEW, "loop", "sources"}
    assert {check.name for check in written.checks} == names
    assert "not one think block followed by one answer block" in outcomes[3].reason
    assert (new[wrong.sample_id].target, new[wrong.sample_id].accepted) == (wrong.target, False)
    assert "says <i>rain</i>" in outcomes[4].reason
    assert not new[by_checks.sample_id].accepted
    touched = {each.sample_id for each in (accepted, rejected, corrected, wrong, by_checks)}
    assert [new[each.sample_id] for each in samples if each.sample_id not in touched] == [
        each for each in samples if each.sample_id not in touched
    ]
    assert list(new) == [each.sample_id for each in samples]


def test_the_new_set_has_all_files_counts_and_rates(supervision, samples, tmp_path):
    first = of(samples, "vqa")
    exported(supervision, tmp_path, [decided(0, first, "reject", rejection="untrue")])
    out = tmp_path / "out"
    assert (out / REPLIES_FILE).read_bytes() == (supervision / REPLIES_FILE).read_bytes()
    assert read_held_out_questions(out) == read_held_out_questions(supervision)
    assert read_clips(out) == read_clips(supervision)
    before, after = (json.loads((folder / SUMMARY_FILE).read_text()) for folder in (supervision, out))
    assert before.keys() == after.keys()
    assert after["rejected"]["vqa"] == {HUMAN_REVIEW: 1}
    result = read_sample_corrections_result(out)
    assert (result.before - result.after, result.outcomes) == (1, {"applied": 1})
    assert result.review.accepted_by["type"]["vqa"].rate.value == 0
    assert [each.correction_id for each in read_corrections([out])] == ["c0"]
    assert questions_input(out, supervision.parent / "clips")  # it is known to be of these clips
    assert input_key(out, "supervision") != input_key(supervision)
    assert read_provenance(out).inputs.keys() == {"supervision", "corrections", "clips"}


def test_a_decision_on_another_text_is_refused(samples, supervision, tmp_path):
    other = of(samples, "vqa").model_copy(update={"target": "no longer"})
    _, (outcome,) = exported(supervision, tmp_path, [decided(0, other, "accept")])
    assert (outcome.outcome, outcome.reason) == (
        "refused",
        "the supervision set has no such sample, or its text is another one now",
    )


def test_reviewers_who_disagree_change_nothing_until_one_is_chosen():
    samples, clips = many_samples((("caption", "model", True, 3),))
    decisions = [
        decided(0, samples[0], "accept"),
        decided(1, samples[0], "reject", "bob", rejection="empty"),
        decided(2, samples[1], "reject", rejection="time"),
        decided(3, samples[1], "reject", "bob", rejection="empty"),
        decided(4, samples[2], "reject", rejection="time"),
        decided(5, samples[2], "accept"),
    ]
    changed, outcomes = apply_decisions(decisions, samples, clips, DEFAULT_TAXONOMY)
    kinds = ["conflict", "conflict", "unchanged", "applied", "superseded", "unchanged"]
    assert [each.outcome for each in outcomes] == kinds
    assert "ada, bob contradict each other" in outcomes[0].reason
    assert changed.keys() == {samples[1].sample_id, samples[2].sample_id}
    changed, outcomes = apply_decisions(decisions, samples, clips, DEFAULT_TAXONOMY, "bob")
    assert [each.outcome for each in outcomes[:2]] == ["superseded", "applied"]
    assert not changed[samples[0].sample_id].accepted


def test_a_later_review_takes_back_what_an_earlier_one_rejected():
    samples, clips = many_samples((("caption", "model", True, 1),))
    first, _ = apply_decisions([decided(0, samples[0], "reject", rejection="time")], samples, clips, DEFAULT_TAXONOMY)
    (rejected,) = first.values()
    then, (outcome,) = apply_decisions([decided(0, rejected, "accept", "bob")], [rejected], clips, DEFAULT_TAXONOMY)
    assert outcome.outcome == "applied"
    assert then[rejected.sample_id].accepted


def test_the_verb_prints_rates_reasons_and_outcomes(supervision, samples, tmp_path):
    chosen = samples[:20]
    write_jsonl(
        tmp_path / "ada.jsonl",
        [
            decided(n, each, "accept") if n > 2 else decided(n, each, "reject", rejection="untrue")
            for n, each in enumerate(chosen)
        ],
    )
    write_jsonl(tmp_path / "bob.jsonl", [decided(100 + n, chosen[n], "accept", "bob") for n in range(5)])
    # The decisions lie beside the set, as the page keeps them; the other reviewer's come as a file.
    (supervision / "corrections.jsonl").write_bytes((tmp_path / "ada.jsonl").read_bytes())
    try:
        command = ["review", "export", str(supervision), str(tmp_path / "bob.jsonl"), "--out", str(tmp_path / "out")]
        done = run(app, command)
        as_json = run(app, [*command, "--json"])
    finally:
        (supervision / "corrections.jsonl").unlink()
    assert done.exit_code == 0, done.stderr
    told = " ".join(done.stdout.split())
    result = json.loads((tmp_path / "out" / "review.json").read_text())
    rate = result["review"]["accepted"]["rate"]
    interval = f"{100 * rate['low']:.0f} to {100 * rate['high']:.0f} %"
    assert f"accepted by the checks {100 * rate['value']:.0f} % {interval} {rate['n']}" in told
    assert "type vqa" in told and "class normal" in told and "rejected by the checks" in told
    assert "Decisions that hold: ada 20, bob 5. Reasons: says what is not so 3." in told
    assert "ada and bob agree on 40% of 5 samples" in told
    assert "25 decisions: conflict 6, unchanged 19." in told
    assert json.loads(as_json.stdout) == result


def test_what_does_not_fit_is_told_in_a_sentence(supervision, samples, tmp_path):
    done = run(app, ["review", "export", str(supervision), "--out", str(tmp_path / "a"), "--relabel-test"])
    assert done.exit_code == 1
    assert "are not for a supervision set; leave them out" in done.stderr
    done = run(app, ["review", "export", str(supervision), "--out", str(tmp_path / "a")])
    assert done.exit_code == 1
    assert "holds no corrections; give the folder that was reviewed" in done.stderr
    write_jsonl(tmp_path / "samples.jsonl", [decided(0, samples[0], "accept")])
    done = run(app, ["review", "export", str(tmp_path / "samples.jsonl"), "--out", str(tmp_path / "a")])
    assert done.exit_code == 1
    assert "holds decisions on SFT samples; export these with their supervision set" in done.stderr
    with pytest.raises(UserError, match="holds clips, not a supervision set; run `autodrive supervise` on it first"):
        correct_supervision(supervision.parent / "clips", [], tmp_path / "a", SampleCorrectionSettings())


@pytest.mark.slow
def test_it_is_trained_on_and_exported_as_any_other(tmp_path):
    supervision = make_supervision(tmp_path / "data", count=2)
    first, second, *_ = read_samples(supervision)
    decisions = [decided(0, first, "reject", rejection="class"), decided(1, second, "accept")]
    exported(supervision, tmp_path, decisions)
    settings = TrainSettings(
        model=str(saved_tiny_model("qwen3_vl")), epochs=1, batch_size=2, precision="fp32", warmup_steps=0.0
    )
    assert read_provenance(train(tmp_path / "out", tmp_path / "checkpoint", settings)).kind == "checkpoint"
    summary = export_supervision(tmp_path / "out", tmp_path / "messages", ExportSettings(to="messages"), workers=1)
    assert summary.samples_rejected == 1
