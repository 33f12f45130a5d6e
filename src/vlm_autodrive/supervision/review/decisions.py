"""Review decisions: merged into the folder of the review, and the acceptance rates that follow."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from vlm_autodrive.artifacts import input_key, read_provenance, write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.metrics import Agreement, Estimate, agreement, stratified_proportion
from vlm_autodrive.records import Record, ReviewDecision, ReviewDraw, ReviewStratum, read_jsonl, write_jsonl
from vlm_autodrive.supervision.review.sampling import DECISIONS_FILE, PAGE_FILE, SAMPLE_FILE

RESULT_FILE = "review.json"

_FEW = 30

Latest = Mapping[tuple[str, str], ReviewDecision]
"""The last decision of each reviewer on each sample, by reviewer and sample id."""


class AcceptanceRate(Record):
    """The proportion of some samples that reviewers would accept.

    Attributes:
        rate: The share with its interval, each stratum counted by its size; ``n`` is how many were judged.
        drawn: How many were drawn.
        size: How many the supervision set has.
        in_unreviewed_strata: How many of those lie in strata of which nothing was judged yet, so that the share says
            nothing about them.
    """

    rate: Estimate
    drawn: int
    size: int
    in_unreviewed_strata: int


class ReviewResult(Record):
    """What a review came to so far; the content of ``review.json``.

    Attributes:
        review_id: The review.
        drawn: How many samples were drawn.
        judged: How many of them somebody judged.
        reviewers: How many decisions stand, by reviewer.
        accepted: The samples that passed the checks, and so are used for training.
        accepted_by: The same by ``type``, ``class`` and ``teacher``.
        rejected: The samples that the checks rejected: the proportion that reviewers would accept nevertheless.
        reasons: How often each reason for rejecting was chosen.
        agreement: How far each two reviewers agree.
        warnings: What to bear in mind.
    """

    review_id: str
    drawn: int
    judged: int
    reviewers: dict[str, int]
    accepted: AcceptanceRate
    accepted_by: dict[str, dict[str, AcceptanceRate]]
    rejected: AcceptanceRate
    reasons: dict[str, int]
    agreement: tuple[Agreement, ...]
    warnings: tuple[str, ...]


def read_review(supervision: Path, folder: Path) -> ReviewDraw:
    """What was drawn in a review of this supervision set.

    Raises:
        UserError: If there is none at ``folder``, or it is of another supervision set.
    """
    input_key(folder, "review")
    if read_provenance(folder).inputs["supervision"].key != input_key(supervision, "supervision"):
        raise UserError(f"{folder} is a review of another supervision set than {supervision}; name that one.")
    return ReviewDraw.model_validate_json((folder / SAMPLE_FILE).read_text(encoding="utf-8"))


def take_decisions(supervision: Path, folder: Path, files: Sequence[Path]) -> ReviewResult:
    """Take saved decisions into a review's folder, and work out its rates anew.

    All files are read before anything is written. ``decisions.jsonl`` keeps every decision ever taken; where a
    reviewer judged a sample again, the newer one counts.

    Args:
        supervision: The supervision set.
        folder: The review's folder.
        files: What people saved from its page.

    Raises:
        UserError: If a file holds no decisions, or those of another review or of samples that are not in this one.
    """
    review = read_review(supervision, folder)
    stored = folder / DECISIONS_FILE
    every = read_jsonl(stored, ReviewDecision) if stored.exists() else []
    for file in files:
        every += _read_saved(file, review, folder)
    kept = sorted(dict.fromkeys(every), key=lambda decision: decision.time)
    result = work_out(review, {(decision.reviewer, decision.sample_id): decision for decision in kept})
    write_jsonl(stored, kept)
    write_text(folder / RESULT_FILE, result.model_dump_json(indent=1) + "\n")
    return result


def _read_saved(file: Path, review: ReviewDraw, folder: Path) -> list[ReviewDecision]:
    if not file.is_file():
        raise UserError(f"{file} is no file; give what was saved from {folder / PAGE_FILE}.")
    decisions = read_jsonl(file, ReviewDecision)
    if not decisions:
        raise UserError(f"{file} holds no decisions; give what was saved from {folder / PAGE_FILE}.")
    known = {reviewed.sample_id for reviewed in review.samples}
    for decision in decisions:
        if decision.review_id != review.review_id:
            raise UserError(
                f"{file} is of the review {decision.review_id}, but {folder} is the review {review.review_id}; "
                "give it with the folder that its page lies in."
            )
        if decision.sample_id not in known:
            raise UserError(
                f"{file} judges {decision.sample_id}, which is not in {folder}; save it anew from the page."
            )
    return decisions


def work_out(review: ReviewDraw, latest: Latest) -> ReviewResult:
    """The rates that follow from decisions. Where several people judged a sample, it counts by the share who took it.

    Args:
        review: What was drawn.
        latest: The last decision of each reviewer on each sample.
    """
    said: dict[str, dict[str, bool]] = {}
    for (reviewer, sample_id), decision in latest.items():
        said.setdefault(sample_id, {})[reviewer] = decision.decision == "accept"
    scores: list[list[float]] = [[] for _ in review.strata]
    for reviewed in review.samples:
        if taken := list(said.get(reviewed.sample_id, {}).values()):
            scores[reviewed.stratum].append(sum(taken) / len(taken))

    def rate(belongs: Callable[[ReviewStratum], bool]) -> AcceptanceRate:
        rows = [(stratum, row) for stratum, row in zip(review.strata, scores, strict=True) if belongs(stratum)]
        return AcceptanceRate(
            rate=stratified_proportion([stratum.size for stratum, _ in rows], [row for _, row in rows]),
            drawn=sum(stratum.drawn for stratum, _ in rows),
            size=sum(stratum.size for stratum, _ in rows),
            in_unreviewed_strata=sum(stratum.size for stratum, row in rows if not row),
        )

    def rates_by(group: Callable[[ReviewStratum], str]) -> dict[str, AcceptanceRate]:
        names = dict.fromkeys(group(stratum) for stratum in review.strata if stratum.accepted)
        return {name: rate(lambda s, name=name: s.accepted and group(s) == name) for name in names}  # type: ignore[misc]

    reviewers = Counter(reviewer for reviewer, _ in latest)
    accepted = rate(lambda stratum: stratum.accepted)
    return ReviewResult(
        review_id=review.review_id,
        drawn=len(review.samples),
        judged=len(said),
        reviewers=dict(sorted(reviewers.items())),
        accepted=accepted,
        accepted_by={
            "type": rates_by(lambda stratum: stratum.type),
            "class": rates_by(lambda stratum: stratum.event_class or "unknown"),
            "teacher": rates_by(lambda stratum: stratum.teacher),
        },
        rejected=rate(lambda stratum: not stratum.accepted),
        reasons=dict(Counter(v.reason for v in latest.values() if v.decision == "reject" and v.reason).most_common()),
        agreement=tuple(
            agreement(a, b, [(by[a], by[b]) for by in said.values() if a in by and b in by])
            for a, b in combinations(sorted(reviewers), 2)
        ),
        warnings=_warnings(accepted),
    )


def _warnings(accepted: AcceptanceRate) -> tuple[str, ...]:
    warnings = []
    judged = accepted.rate.n
    if judged < _FEW:
        warnings.append(
            f"only {judged} accepted samples are judged: below {_FEW} the interval is wide, and says little yet"
        )
    if accepted.in_unreviewed_strata:
        warnings.append(
            f"{accepted.in_unreviewed_strata} of {accepted.size} accepted samples lie in strata of "
            "which none is judged yet; the rates say nothing about them"
        )
    return tuple(warnings)
