"""The acceptance rates of a supervision set: the proportion of its samples that reviewers would train on."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

from vlm_autodrive.metrics import Agreement, Estimate, agreement, stratified_proportion
from vlm_autodrive.records import Correction, Record, SampleLabel
from vlm_autodrive.supervision.review.sampling import ReviewStratum

_FEW = 30


class AcceptanceRate(Record):
    """The proportion of some samples that reviewers would accept.

    Attributes:
        rate: The share with its interval, each stratum counted by its size; ``n`` is how many were judged.
        size: How many the supervision set has.
        in_unreviewed_strata: How many of those lie in strata of which nothing was judged yet, so that the share says
            nothing about them.
    """

    rate: Estimate
    size: int
    in_unreviewed_strata: int


class ReviewResult(Record):
    """What a review came to so far.

    Attributes:
        judged: How many samples somebody judged.
        reviewers: How many decisions hold, by reviewer.
        accepted: The samples that passed the checks, and so are used for training.
        accepted_by: The same by ``type``, ``class`` and ``teacher``.
        rejected: The samples that the checks rejected: the proportion that reviewers would accept nevertheless.
        reasons: How often each reason for rejecting was chosen.
        corrected: How many decisions wrote the text anew; the text as it was is then not accepted.
        agreement: How far each two reviewers agree.
        warnings: What to bear in mind.
    """

    judged: int
    reviewers: dict[str, int]
    accepted: AcceptanceRate
    accepted_by: dict[str, dict[str, AcceptanceRate]]
    rejected: AcceptanceRate
    reasons: dict[str, int]
    corrected: int
    agreement: tuple[Agreement, ...]
    warnings: tuple[str, ...]


def acceptance_rates(strata: Mapping[ReviewStratum, Sequence[str]], holding: Iterable[Correction]) -> ReviewResult:
    """The rates that follow from decisions. Where several people judged a sample, it counts by the share who took it.

    Args:
        strata: The ids of all samples as items of the review, by stratum.
        holding: The decisions that hold. Those on other samples, or on other texts, say nothing here.
    """
    stratum_of = {item_id: name for name, found in strata.items() for item_id in found}
    decisions = [each for each in holding if each.item_id in stratum_of]
    said: dict[str, dict[str, bool]] = {}
    for each in decisions:
        said.setdefault(each.item_id, {})[each.reviewer] = each.decision == "accept"
    scores: dict[ReviewStratum, list[float]] = {name: [] for name in strata}
    for item_id, taken in said.items():
        scores[stratum_of[item_id]].append(sum(taken.values()) / len(taken))

    def rate(belongs: Callable[[ReviewStratum], bool]) -> AcceptanceRate:
        chosen = {name: len(found) for name, found in strata.items() if belongs(name)}
        return AcceptanceRate(
            rate=stratified_proportion(list(chosen.values()), [scores[name] for name in chosen]),
            size=sum(chosen.values()),
            in_unreviewed_strata=sum(size for name, size in chosen.items() if not scores[name]),
        )

    def rates_by(group: Callable[[ReviewStratum], str]) -> dict[str, AcceptanceRate]:
        names = dict.fromkeys(group(stratum) for stratum in strata if stratum.accepted)
        return {name: rate(lambda s, name=name: s.accepted and group(s) == name) for name in names}  # type: ignore[misc]

    reviewers = Counter(each.reviewer for each in decisions)
    reasons = Counter(each.after.rejection for each in decisions if isinstance(each.after, SampleLabel))
    accepted = rate(lambda stratum: stratum.accepted)
    return ReviewResult(
        judged=len(said),
        reviewers=dict(sorted(reviewers.items())),
        accepted=accepted,
        accepted_by={
            "type": rates_by(lambda stratum: stratum.type),
            "class": rates_by(lambda stratum: stratum.event_class or "unknown"),
            "teacher": rates_by(lambda stratum: stratum.teacher),
        },
        rejected=rate(lambda stratum: not stratum.accepted),
        reasons={reason: count for reason, count in reasons.most_common() if reason},
        corrected=sum(each.decision == "correct" for each in decisions),
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
