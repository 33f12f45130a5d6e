"""The corrected supervision set: what reviewers decided about samples becomes a new set."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from vlm_autodrive.artifacts import (
    CORRECTIONS_FILE,
    CORRECTIONS_OUTCOME_FILE,
    HELD_OUT_QUESTIONS_FILE,
    SAMPLES_FILE,
    absolute_from_artifact,
    corrections_key,
    input_key,
    read_clips,
    read_corrections,
    read_provenance,
    read_samples,
    read_taxonomy,
    reduce_history,
    write_clips,
    write_corrections,
    write_text,
    writing_artifact,
)
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import (
    REJECTION_REASONS,
    Check,
    Clip,
    Correction,
    CorrectionOutcome,
    Record,
    SampleLabel,
    SFTSample,
    Taxonomy,
    copy_records,
    write_jsonl,
)
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision.checks import rechecked
from vlm_autodrive.supervision.checks.whole_set import SetStatistics
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.review.acceptance import ReviewResult, acceptance_rates
from vlm_autodrive.supervision.review.sampling import review_item_id, review_strata
from vlm_autodrive.supervision.samples import rewritten
from vlm_autodrive.supervision.set_writer import REPLIES_FILE
from vlm_autodrive.supervision.stage import SUMMARY_FILE

REVIEW_FILE = "review.json"
HUMAN_REVIEW = "human_review"


class SampleCorrectionSettings(Settings):
    """How reviewers' decisions are applied to a supervision set.

    Attributes:
        reviewer: Name of the reviewer whose decision counts where reviewers disagree. None to apply neither decision,
            and to list them as conflicts.
    """

    reviewer: str | None = Field(default=None, min_length=1)


class SampleCorrectionsResult(Record):
    """What reviewers' decisions changed in a supervision set: the content of ``review.json``.

    Attributes:
        corrections: How many decisions there are, those that do not hold any more too.
        outcomes: How many came to each outcome.
        before: How many samples could be trained on.
        after: How many can be now.
        review: The acceptance rates of the set as it was.
    """

    corrections: int
    outcomes: dict[str, int]
    before: int
    after: int
    review: ReviewResult


def correct_supervision(
    supervision: Path,
    corrections: Sequence[Path],
    out: Path,
    settings: SampleCorrectionSettings,
    reporter: Reporter = SILENT,
    *,
    overwrite: bool = False,
) -> Path:
    """Apply what reviewers decided about the samples of a supervision set, and write the result as a new one.

    Beside the files of every supervision set it holds all decisions (``corrections.jsonl``), what became of each
    (``corrections_outcome.jsonl``), and the acceptance rates (``review.json``).

    Args:
        supervision: The supervision set that was reviewed.
        corrections: Supervision sets that were reviewed, stores of a review, or files of corrections.
        out: Folder of the new set.
        settings: Whose decision counts.
        reporter: Gets the counts.
        overwrite: Replace another result in ``out``.

    Returns:
        ``out``.

    Raises:
        UserError: If there are no decisions on samples.
    """
    input_key(supervision, "supervision")
    history = read_corrections(corrections)
    if not history:
        raise UserError(f"{', '.join(map(str, corrections))} holds no decision yet; review some samples first.")
    if not all(isinstance(each.after, SampleLabel) for each in history):
        raise UserError(
            f"{', '.join(map(str, corrections))} holds decisions on clips or detections; export these by themselves, "
            "without a supervision set."
        )
    inputs = {"supervision": supervision}
    inputs |= {"corrections" if place == 0 else f"corrections {place + 1}": p for place, p in enumerate(corrections)}
    known_keys = dict.fromkeys(inputs.keys() - {"supervision"}, corrections_key(history))
    clips = read_provenance(supervision).inputs.get("clips")
    if clips is not None:  # so that held-out questions are known to be about these clips
        inputs["clips"] = Path(absolute_from_artifact(clips.path, supervision))
        known_keys["clips"] = clips.key
    with writing_artifact(out, "supervision", inputs, settings, overwrite=overwrite, known_keys=known_keys) as folder:
        if folder is not None:
            _write(folder, out, supervision, history, settings, reporter)
    return out


def _write(
    folder: Path,
    out: Path,
    supervision: Path,
    history: Sequence[Correction],
    settings: SampleCorrectionSettings,
    reporter: Reporter,
) -> None:
    clips = {clip.clip_id: clip for clip in read_clips(supervision)}
    taxonomy, samples = read_taxonomy(supervision), read_samples(supervision)
    changed, outcomes = apply_decisions(history, samples, clips, taxonomy, settings.reviewer)
    corrected = [changed.get(sample.sample_id, sample) for sample in samples]
    statistics = SetStatistics()
    for sample in corrected:
        statistics.add(sample, clips[sample.clip_id].event_class or "")
    before = supervision / SUMMARY_FILE
    summary = json.loads(before.read_text(encoding="utf-8")) if before.is_file() else {}
    result = SampleCorrectionsResult(
        corrections=len(history),
        outcomes=dict(Counter(each.outcome for each in outcomes)),
        before=sum(sample.accepted for sample in samples),
        after=sum(sample.accepted for sample in corrected),
        review=acceptance_rates(review_strata(samples, clips), reduce_history(history).holding),
    )
    write_jsonl(folder / SAMPLES_FILE, corrected)
    for name in (REPLIES_FILE, HELD_OUT_QUESTIONS_FILE):
        copy_records(supervision / name, folder / name)
    write_clips(folder, out, taxonomy, clips.values())
    write_text(folder / SUMMARY_FILE, json.dumps(summary | statistics.figures(), indent=1) + "\n")
    write_corrections(folder / CORRECTIONS_FILE, history, out)
    write_jsonl(folder / CORRECTIONS_OUTCOME_FILE, outcomes)
    write_text(folder / REVIEW_FILE, result.model_dump_json(indent=1) + "\n")
    reporter.say(f"{result.before} samples could be trained on, and {result.after} can be now.")


def read_sample_corrections_result(supervision: Path) -> SampleCorrectionsResult:
    """What reviewers' decisions changed in a set that :func:`correct_supervision` wrote."""
    return SampleCorrectionsResult.model_validate_json((supervision / REVIEW_FILE).read_text(encoding="utf-8"))


def apply_decisions(
    history: Sequence[Correction],
    samples: Sequence[SFTSample],
    clips: Mapping[str, Clip],
    taxonomy: Taxonomy,
    chosen: str | None = None,
) -> tuple[dict[str, SFTSample], tuple[CorrectionOutcome, ...]]:
    """Apply what holds of a history to samples.

    Args:
        history: All decisions, in order.
        samples: The samples of the supervision set.
        clips: Its clips, by id.
        taxonomy: Its classes.
        chosen: The reviewer whose decision counts where reviewers disagree.

    Returns:
        The samples that are others now, by id; and what became of each decision, in their order.
    """
    reduced = reduce_history(history)
    found = {name: ("superseded", why) for name, why in reduced.superseded.items()}
    found |= {name: ("refused", why) for name, why in reduced.refused.items()}
    by_item = {review_item_id(sample): sample for sample in samples}
    several: dict[str, list[Correction]] = {}
    for each in reduced.holding:
        several.setdefault(each.item_id, []).append(each)
    changed: dict[str, SFTSample] = {}
    for item_id, decisions in several.items():
        sample = by_item.get(item_id)
        if sample is None:
            why = "the supervision set has no such sample, or its text is another one now"
            found |= {each.correction_id: ("refused", why) for each in decisions}
            continue
        kept, without = _choose(decisions, chosen)
        found |= without
        if kept is not None:
            new, outcome, why = _applied(sample, kept, clips[sample.clip_id], taxonomy)
            changed[sample.sample_id], found[kept.correction_id] = new, (outcome, why)
    outcomes = tuple(
        CorrectionOutcome(
            correction_id=each.correction_id,
            item_id=each.item_id,
            decision=each.decision,
            reviewer=each.reviewer,
            outcome=found[each.correction_id][0],
            reason=found[each.correction_id][1],
        )
        for each in history
    )
    return changed, outcomes


def _choose(
    decisions: Sequence[Correction], chosen: str | None
) -> tuple[Correction | None, dict[str, tuple[str, str]]]:
    """Of the decisions of several reviewers on one sample the one that is applied, and what becomes of the others."""
    said = {(each.after.accepted, each.after.target) for each in decisions if isinstance(each.after, SampleLabel)}
    kept = decisions[-1]
    if len(said) == 1:
        why = "unchanged", f"{kept.reviewer} says the same"
    else:
        theirs = [each for each in decisions if each.reviewer == chosen]
        if not theirs:
            names = ", ".join(each.reviewer for each in decisions)
            why = "conflict", f"decisions of {names} contradict each other; choose one with reviewer (--reviewer)"
            return None, {each.correction_id: why for each in decisions}
        kept = theirs[-1]
        why = "superseded", f"the decision of {chosen} was chosen"
    return kept, {each.correction_id: why for each in decisions if each is not kept}


def _applied(sample: SFTSample, decision: Correction, clip: Clip, taxonomy: Taxonomy) -> tuple[SFTSample, str, str]:
    """The sample after a decision; whether it is applied, unchanged or refused; and why."""
    label = decision.after
    assert isinstance(label, SampleLabel)
    if decision.decision == "reject":
        why = ": ".join(part for part in (REJECTION_REASONS.get(label.rejection), decision.reason) if part)
        marked = _marked(sample, f"rejected by {decision.reviewer}: {why}")
        return (marked, "applied", why) if sample.accepted else (marked, "unchanged", _failures(sample))
    if decision.decision == "accept":
        marked = _marked(sample)
        if marked.accepted == sample.accepted:
            return marked, "unchanged", "it is trained on as it is" if sample.accepted else _failures(marked)
        return marked, "applied", "it is trained on again"
    corrected = _marked(rechecked(rewritten(sample, label.target), facts_of(clip, taxonomy)))
    if corrected.accepted:
        return corrected, "applied", "its text is another one now"
    # The text as it was is not accepted either, or nobody would have corrected it.
    why = _failures(corrected)
    return _marked(sample, f"{decision.reviewer} wrote it anew, but {why}"), "refused", why


def _marked(sample: SFTSample, problem: str = "") -> SFTSample:
    """The sample with a check more: what a person says of it, in place of what one said before."""
    others = [check for check in sample.checks if check.name != HUMAN_REVIEW]
    return sample.model_copy(
        update={"checks": (*others, Check(name=HUMAN_REVIEW, passed=not problem, message=problem))}
    )


def _failures(sample: SFTSample) -> str:
    failed = [f"{check.name}: {check.message}" for check in sample.checks if not check.passed]
    return f"the checks reject it ({'; '.join(failed) or f'outcome {sample.outcome}'})"
