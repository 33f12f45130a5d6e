"""Checks of a whole supervision set, in one pass over its samples: duplicates, balance, diversity.

Of texts hashes are kept, so that what is needed grows by a few bytes for each sample and not with its length.
"""

import re
from collections import Counter, defaultdict
from typing import Any

from vlm_autodrive.records import OPTION_LETTERS, Check, SFTSample
from vlm_autodrive.supervision.checks.diversity import Diversity
from vlm_autodrive.supervision.checks.label_leakage import SAME_RATE_TOPICS
from vlm_autodrive.supervision.checks.prose import PROSE, QUESTIONS, is_by_model, prose_of
from vlm_autodrive.supervision.settings import LimitSettings

NAME = "duplicate"
_LONG_TEXT = 60  # characters: two clips may well share a text that is shorter
_PASSED = Check(name=NAME, passed=True)
_SHOWN_REASONS = 3


_NONE = "none was accepted, which no limit mends (a served teacher is looked at with `autodrive engines check URL`)"


class SetStatistics:
    """Finds duplicates, and counts accepted samples. Samples come clip by clip: all of one, then all of the next."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._clip_id = ""
        self._asked_of_clip: set[str] = set()
        self._clips: Counter[str] = Counter()
        self._questioned: Counter[str] = Counter()
        self._accepted: Counter[str] = Counter()
        self._topics: Counter[str] = Counter()
        self._rejected: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._accepted_by: Counter[tuple[str, str]] = Counter()
        self._rejected_by: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._verdicts: Counter[str] = Counter()
        self._yes_no: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._places: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._presupposing: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._diversity: defaultdict[tuple[str, str], Diversity] = defaultdict(Diversity)

    def mark(self, sample: SFTSample) -> SFTSample:
        """The sample with one more check: whether the same was accepted before it. Call it once for each sample.

        The same is the same question about the same clip, whatever the answer, and the same long text by a model
        about another clip. What was rejected already stays as it is, and is no one's forerunner.
        """
        if not sample.accepted:
            return sample
        question = hash((sample.clip_id, sample.type, sample.prompt.text))
        keys = {question}
        if is_by_model(sample) and sample.type in PROSE:
            text = " ".join(prose_of(sample).casefold().split())
            keys |= {hash((sample.type, text))} if len(text) >= _LONG_TEXT else set()
        known = keys & self._seen
        self._seen |= keys
        check = _PASSED
        if known:
            what = "the clip was asked this before" if question in known else "another clip has the same text"
            check = Check(name=NAME, passed=False, message=what)
        return sample.model_copy(update={"checks": (*sample.checks, check)})

    def add(self, sample: SFTSample, event_class: str) -> None:
        """Count a sample, with all its checks.

        Args:
            sample: The sample.
            event_class: Its clip's class.
        """
        if sample.clip_id != self._clip_id:
            self._clip_id = sample.clip_id
            self._clips[event_class] += 1
            self._asked_of_clip = set()
        if not sample.accepted:
            self._rejected[sample.type][_reason(sample)] += 1
            self._rejected_by[sample.type, sample.teacher][_reason(sample)] += 1
            return
        self._accepted[sample.type] += 1
        self._accepted_by[sample.type, sample.teacher] += 1
        self._topics[sample.topic] += 1
        if sample.type == "verdict":
            self._verdicts[sample.target] += 1
            return
        if sample.type in QUESTIONS:
            self._add_question(sample, event_class)
        self._diversity[sample.type, sample.teacher].add(
            sample.prompt.text if sample.type in QUESTIONS else prose_of(sample), by_model=is_by_model(sample)
        )

    def _add_question(self, sample: SFTSample, event_class: str) -> None:
        if not self._asked_of_clip:
            self._questioned[event_class] += 1
        if sample.topic in SAME_RATE_TOPICS and sample.topic not in self._asked_of_clip:
            self._presupposing[sample.topic][event_class] += 1
        self._asked_of_clip.add(sample.topic)
        answer = yes_or_no(sample)
        if answer:
            self._yes_no[sample.topic][answer] += 1
        if sample.options:
            place = OPTION_LETTERS.index(sample.answer) + 1
            self._places[sample.topic][f"{place} of {len(sample.options)}"] += 1

    def rejected_line(self) -> str:
        """How many samples were rejected so far, and mostly why; empty if none was."""
        reasons: Counter[str] = sum(self._rejected.values(), Counter())
        return f"{reasons.total()} rejected ({_listed(reasons)})" if reasons else ""

    def figures(self) -> dict[str, Any]:
        """All counts, for ``summary.json``; by type, topic or teacher in order of the alphabet."""
        return {
            "clips": self._clips.total(),
            "clips_by_class": _ordered(self._clips),
            "accepted": _ordered(self._accepted),
            "accepted_by_topic": _ordered(self._topics),
            "rejected": {type_: dict(reasons.most_common()) for type_, reasons in sorted(self._rejected.items())},
            "verdicts": _ordered(self._verdicts),
            "yes_no": {topic: _ordered(counts) for topic, counts in sorted(self._yes_no.items())},
            "option_places": {topic: _ordered(counts) for topic, counts in sorted(self._places.items())},
            "presupposing_rates": {
                topic: {
                    name: round(counts[name] / asked, 3) for name, asked in sorted(self._questioned.items()) if asked
                }
                for topic, counts in sorted(self._presupposing.items())
            },
            "diversity": [
                {"type": type_, "teacher": teacher, **diversity.figures()}
                for (type_, teacher), diversity in sorted(self._diversity.items())
            ],
        }

    def problems(self, limits: LimitSettings, *, at_the_end: bool = False) -> list[str]:
        """Why the quality of the set is below the limits; empty if it is not.

        Args:
            limits: The limits on quality.
            at_the_end: Whether the set is complete: a teacher of whom nothing was accepted is then told of however
                small the set is.
        """
        found = []
        for (type_, teacher), rejected in sorted(self._rejected_by.items()):
            accepted = self._accepted_by[type_, teacher]
            total = rejected.total() + accepted
            share = rejected.total() / total
            if (total >= limits.min_samples and share > limits.max_rejected) or (at_the_end and not accepted):
                bound = f"limits.max_rejected is {limits.max_rejected:.0%}" if accepted else _NONE
                found.append(
                    f"{rejected.total()} of {total} samples of the type {type_} by {teacher} were rejected, and "
                    f"{bound}: {_listed(rejected)}"
                )
        found += self._imbalances(limits)
        for (what_type, teacher), diversity in sorted(self._diversity.items()):
            enough = diversity.by_model and diversity.texts >= limits.min_samples
            if enough and diversity.commonest / diversity.texts > limits.max_template_share:
                what = "questions" if what_type in QUESTIONS else "texts"
                found.append(
                    f"{diversity.commonest} of {diversity.texts} {what} of the type {what_type} by {teacher} are one "
                    f"template, more than limits.max_template_share ({limits.max_template_share:.0%}): "
                    f"{diversity.example!r}"
                )
        return found

    def _imbalances(self, limits: LimitSettings) -> list[str]:
        """What an answer could be guessed from without looking."""
        found, bound = [], f"limits.max_imbalance is {limits.max_imbalance}"
        answers: Counter[str] = sum(self._yes_no.values(), Counter())
        share = answers["yes"] / answers.total() if answers else 0.5
        if answers.total() >= limits.min_samples and abs(share - 0.5) > limits.max_imbalance:
            found.append(f"{share:.0%} of {answers.total()} yes-no answers are yes ({bound})")
        by_count: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for name, count in sum(self._places.values(), Counter()).items():
            place, _, options = name.partition(" of ")
            by_count[options][place] += count
        for options, places in sorted(by_count.items()):
            place, most = places.most_common(1)[0]
            if places.total() >= limits.min_samples and most / places.total() - 1 / int(options) > limits.max_imbalance:
                found.append(
                    f"of {options} options number {place} is right in {most} of {places.total()} questions ({bound})"
                )
        asked = {name: count for name, count in self._questioned.items() if count >= limits.min_samples}
        for topic, counts in sorted(self._presupposing.items()):
            rates = {name: counts[name] / count for name, count in asked.items()}
            if len(rates) > 1 and max(rates.values()) - min(rates.values()) > limits.max_imbalance:
                told = ", ".join(f"{name} {rate:.0%}" for name, rate in sorted(rates.items()))
                found.append(f"{topic} is asked of some classes more often: {told} ({bound})")
        return found


def _reason(sample: SFTSample) -> str:
    """The first check that failed: a sample is counted once, and what failed after it is mostly its consequence."""
    failed = (check.name for check in sample.checks if not check.passed)
    return next(failed, f"outcome {sample.outcome}")


def _listed(reasons: Counter[str]) -> str:
    shown = [f"{reason} {count}" for reason, count in reasons.most_common(_SHOWN_REASONS)]
    return ", ".join(shown) + (", and others" if len(reasons) > len(shown) else "")


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def yes_or_no(sample: SFTSample) -> str:
    """``yes`` or ``no`` if that is the answer, or how it begins; else empty."""
    first = re.match(r"(yes|no)\b(?! )", sample.target.strip(), re.IGNORECASE)
    return first.group(1).casefold() if first else ""
