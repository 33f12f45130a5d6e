"""What people said in an audit: their saved verdicts taken into its folder, and the rates that follow."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from vlm_autodrive.artifacts import input_key, read_provenance, write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.metrics import Agreement, Estimate, agreement, stratified_proportion
from vlm_autodrive.records import Record, ReviewDecision, ReviewSample, ReviewStratum, read_jsonl, write_jsonl
from vlm_autodrive.supervision.review_sampling import PAGE_FILE, SAMPLE_FILE, VERDICTS_FILE

RESULT_FILE = "audit.json"

_FEW = 30

Latest = Mapping[tuple[str, str], ReviewDecision]
"""The last verdict of each reviewer on each item, by reviewer and item id."""


class AcceptanceRate(Record):
    """How many of some items people would have taught.

    Attributes:
        rate: The share with its interval, each stratum counted by its size; ``n`` is how many were judged.
        drawn: How many were drawn.
        size: How many the supervision set has.
        out_of_reach: How many of those lie in strata of which nothing was judged yet, so that the share says
            nothing about them.
    """

    rate: Estimate
    drawn: int
    size: int
    out_of_reach: int


class ReviewResult(Record):
    """What an audit came to so far; the content of ``audit.json``.

    Attributes:
        review_id: The audit.
        drawn: How many items were drawn.
        judged: How many of them somebody judged.
        reviewers: How many verdicts stand, by reviewer.
        accepted: The items that passed the checks, and so are taught.
        accepted_by: The same by ``kind``, ``class`` and ``teacher``.
        rejected: The items that the checks rejected: the share that people would have taught all the same.
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


def read_sample(supervision: Path, audit: Path) -> ReviewSample:
    """The sample of an audit of this supervision set.

    Raises:
        UserError: If there is none at ``audit``, or it is of another supervision set.
    """
    input_key(audit, "audit")
    if read_provenance(audit).inputs["supervision"].key != input_key(supervision, "supervision"):
        raise UserError(f"{audit} is an audit of another supervision set than {supervision}; name that one.")
    return ReviewSample.model_validate_json((audit / SAMPLE_FILE).read_text(encoding="utf-8"))


def take_verdicts(supervision: Path, audit: Path, files: Sequence[Path]) -> ReviewResult:
    """Take saved verdicts into an audit's folder, and work out its rates anew.

    All files are read before anything is written. ``verdicts.jsonl`` keeps every verdict ever taken; where a
    reviewer judged an item again, the newer one counts.

    Args:
        supervision: The supervision set.
        audit: The audit's folder.
        files: What people saved from its page.

    Raises:
        UserError: If a file holds no verdicts, or those of another audit or of items that are not in this one.
    """
    sample = read_sample(supervision, audit)
    stored = audit / VERDICTS_FILE
    every = read_jsonl(stored, ReviewDecision) if stored.exists() else []
    for file in files:
        every += _read_saved(file, sample, audit)
    kept = sorted(dict.fromkeys(every), key=lambda verdict: verdict.time)
    result = work_out(sample, {(verdict.reviewer, verdict.sample_id): verdict for verdict in kept})
    write_jsonl(stored, kept)
    write_text(audit / RESULT_FILE, result.model_dump_json(indent=1) + "\n")
    return result


def _read_saved(file: Path, sample: ReviewSample, audit: Path) -> list[ReviewDecision]:
    if not file.is_file():
        raise UserError(f"{file} is no file; give what was saved from {audit / PAGE_FILE}.")
    verdicts = read_jsonl(file, ReviewDecision)
    if not verdicts:
        raise UserError(f"{file} holds no verdicts; give what was saved from {audit / PAGE_FILE}.")
    known = {audited.sample_id for audited in sample.items}
    for verdict in verdicts:
        if verdict.review_id != sample.review_id:
            raise UserError(
                f"{file} is of the audit {verdict.review_id}, but {audit} is the audit {sample.review_id}; "
                "give it with the folder that its page lies in."
            )
        if verdict.sample_id not in known:
            raise UserError(f"{file} judges {verdict.sample_id}, which is not in {audit}; save it anew from the page.")
    return verdicts


def work_out(sample: ReviewSample, latest: Latest) -> ReviewResult:
    """The rates that follow from verdicts. Where several people judged an item, it counts by the share who took it.

    Args:
        sample: What was drawn.
        latest: The last verdict of each reviewer on each item.
    """
    said: dict[str, dict[str, bool]] = {}
    for (reviewer, sample_id), verdict in latest.items():
        said.setdefault(sample_id, {})[reviewer] = verdict.verdict == "accept"
    scores: list[list[float]] = [[] for _ in sample.strata]
    for audited in sample.items:
        if taken := list(said.get(audited.sample_id, {}).values()):
            scores[audited.stratum].append(sum(taken) / len(taken))

    def rate(belongs: Callable[[ReviewStratum], bool]) -> AcceptanceRate:
        rows = [(stratum, row) for stratum, row in zip(sample.strata, scores, strict=True) if belongs(stratum)]
        return AcceptanceRate(
            rate=stratified_proportion([stratum.size for stratum, _ in rows], [row for _, row in rows]),
            drawn=sum(stratum.drawn for stratum, _ in rows),
            size=sum(stratum.size for stratum, _ in rows),
            out_of_reach=sum(stratum.size for stratum, row in rows if not row),
        )

    def rates_by(group: Callable[[ReviewStratum], str]) -> dict[str, AcceptanceRate]:
        names = dict.fromkeys(group(stratum) for stratum in sample.strata if stratum.accepted)
        return {name: rate(lambda s, name=name: s.accepted and group(s) == name) for name in names}  # type: ignore[misc]

    reviewers = Counter(reviewer for reviewer, _ in latest)
    accepted = rate(lambda stratum: stratum.accepted)
    return ReviewResult(
        review_id=sample.review_id,
        drawn=len(sample.items),
        judged=len(said),
        reviewers=dict(sorted(reviewers.items())),
        accepted=accepted,
        accepted_by={
            "type": rates_by(lambda stratum: stratum.type),
            "class": rates_by(lambda stratum: stratum.event_class or "unknown"),
            "teacher": rates_by(lambda stratum: stratum.teacher),
        },
        rejected=rate(lambda stratum: not stratum.accepted),
        reasons=dict(Counter(v.reason for v in latest.values() if v.verdict == "reject" and v.reason).most_common()),
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
            f"only {judged} accepted items are judged: below {_FEW} the interval is wide, and says little yet"
        )
    if accepted.out_of_reach:
        warnings.append(
            f"{accepted.out_of_reach} of {accepted.size} accepted items lie in strata of which none is judged yet; "
            "the rates say nothing about them"
        )
    return tuple(warnings)
