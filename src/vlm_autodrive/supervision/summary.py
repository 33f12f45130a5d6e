"""The summary of a supervision set: what was accepted, what was rejected and why, which clips have nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from vlm_autodrive.records import SupervisionItem


def summarise(
    items: Iterable[SupervisionItem],
    unsupervised: Mapping[str, str],
    missing: Iterable[Mapping[str, str]],
) -> dict[str, Any]:
    """Count what was made.

    Args:
        items: Every item.
        unsupervised: Why not, for each clip without items.
        missing: For each supervised clip, the kinds that were wanted and not made, with reasons.
    """
    accepted: Counter[str] = Counter()
    topics: Counter[str] = Counter()
    rejected: defaultdict[str, Counter[str]] = defaultdict(Counter)
    clips = set()
    for item in items:
        clips.add(item.clip_id)
        if item.accepted:
            accepted[item.kind] += 1
            topics[item.topic] += 1
        else:
            rejected[item.kind][_reason(item)] += 1
    not_made: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for reasons in missing:
        for kind, reason in reasons.items():
            not_made[kind][reason] += 1
    return {
        "clips": len(clips),
        "accepted": dict(sorted(accepted.items())),
        "accepted_by_topic": dict(sorted(topics.items())),
        "rejected": {kind: dict(counts.most_common()) for kind, counts in sorted(rejected.items())},
        "not_made": {kind: dict(counts.most_common()) for kind, counts in sorted(not_made.items())},
        "clips_without_items": dict(Counter(unsupervised.values()).most_common()),
        "clips_without_items_ids": {clip_id: why for clip_id, why in sorted(unsupervised.items()) if "test" not in why},
    }


def _reason(item: SupervisionItem) -> str:
    failed = [check.name for check in item.checks if not check.passed]
    return ", ".join(failed) if failed else f"outcome {item.outcome}"
