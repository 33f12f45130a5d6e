"""The summary of a supervision set: what was accepted, what was rejected and why, which clips have nothing."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from vlm_autodrive.records import DEFAULT_TAXONOMY, Taxonomy
from vlm_autodrive.supervision.checks.whole_set import SetStatistics

_SHOWN = 3


def summarise(
    statistics: SetStatistics,
    unsupervised: Mapping[str, str],
    not_made: Mapping[str, Counter[str]],
) -> dict[str, Any]:
    """All figures of a supervision set, for ``summary.json``.

    Args:
        statistics: What was gathered of its samples.
        unsupervised: Why not, for each clip without samples.
        not_made: For each type that was wanted and not made, how often for which reason.
    """
    return statistics.figures() | {
        "not_made": {type_: dict(counts.most_common()) for type_, counts in sorted(not_made.items()) if counts},
        "clips_without_samples": dict(Counter(unsupervised.values()).most_common()),
        "clips_without_samples_ids": {
            clip_id: why for clip_id, why in sorted(unsupervised.items()) if "test" not in why
        },
    }


def figures_lines(summary: Mapping[str, Any], taxonomy: Taxonomy = DEFAULT_TAXONOMY) -> list[str]:
    """A summary as a few lines for the terminal, which name the classes of the taxonomy."""
    accepted, rejected = summary["accepted"], summary["rejected"]
    lines = [
        f"{sum(accepted.values())} samples accepted for {summary['clips']} clips: "
        + (", ".join(f"{type_} {count}" for type_, count in accepted.items()) or "none")
    ]
    for type_, reasons in rejected.items():
        total = sum(reasons.values())
        share = total / (total + accepted.get(type_, 0))
        lines.append(f"rejected of {type_}: {total} ({share:.0%}): {_commonest(reasons)}")
    for type_, reasons in summary["not_made"].items():
        lines.append(f"not made of {type_}: {sum(reasons.values())}: {_commonest(reasons)}")
    if summary["clips_without_samples"]:
        without = summary["clips_without_samples"]
        lines.append(f"clips without samples: {sum(without.values())}: {_commonest(without)}")
    if summary["verdicts"]:
        labels = {each.code: f"{each.label} ({each.code})" for each in taxonomy.classes}
        named = {labels.get(code, code): count for code, count in summary["verdicts"].items()}
        lines.append(f"verdicts: {_shares(named)}")
    if summary["yes_no"]:
        lines.append(f"yes/no answers: {_shares(_over_topics(summary['yes_no']))}; {_least_even(summary['yes_no'])}")
    if summary["option_places"]:
        lines.append(_places(_over_topics(summary["option_places"])))
    rates = summary["presupposing_rates"]
    if rates:
        apart = {topic: max(by_class.values()) - min(by_class.values()) for topic, by_class in rates.items()}
        topic = max(apart, key=lambda name: apart[name])
        by_class = ", ".join(f"{name} {rate:.1%}" for name, rate in rates[topic].items())
        lines.append(f"questions that presuppose: {len(rates)} topics; rates farthest apart for {topic}: {by_class}")
    lines += [
        f"{row['type']} by {row['teacher']}: {row['texts']} texts in {row['templates']} wordings, numbers and road "
        f"users left aside; the commonest in {row['commonest_share']:.1%} of them"
        for row in summary["diversity"]
    ]
    return lines


def _commonest(reasons: Mapping[str, int]) -> str:
    ordered = sorted(reasons.items(), key=lambda pair: -pair[1])
    shown = ", ".join(f"{reason} ({count})" for reason, count in ordered[:_SHOWN])
    return shown + (", and others" if len(ordered) > _SHOWN else "")


def _shares(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{name} {count / total:.1%}" for name, count in counts.items())


def _over_topics(by_topic: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in by_topic.values():
        total.update(counts)
    return dict(sorted(total.items()))


def _places(counts: Mapping[str, int]) -> str:
    """Where the right option stands, over the questions with the commonest number of options."""
    by_number: dict[str, dict[str, int]] = {}
    for name, count in counts.items():
        place, number = name.split(" of ")
        by_number.setdefault(number, {})[place] = count
    number, places = max(by_number.items(), key=lambda pair: sum(pair[1].values()))
    return f"place of the right option among {number}: {_shares(places)}"


def _least_even(by_topic: Mapping[str, Mapping[str, int]]) -> str:
    shares = {topic: counts.get("yes", 0) / sum(counts.values()) for topic, counts in by_topic.items()}
    topic = max(shares, key=lambda name: abs(shares[name] - 0.5))
    return f"farthest from even: {topic}, yes {shares[topic]:.1%} of {sum(by_topic[topic].values())}"
