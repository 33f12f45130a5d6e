"""Diagnostics of the answers: failed, truncated, unparsable or constant."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from vlm_autodrive.evaluation.score import Diagnostic, EvaluationSamples
from vlm_autodrive.evaluation.settings import OF_EVERY_CLIP
from vlm_autodrive.records import Outcome, Reasoning, Verdict

_MUCH = 0.1  # of failed clips beyond which the estimates are about the failures
_SOME = 0.05  # of answers that name no class, or are cut off, from which on a reader must know
_NEARLY_ALL = 0.98
_EXACT = 0.01  # a smaller probability of an unlisted code moves no curve
_ALARMS = 0.95
_COMMON = 0.9  # where so many clips are of one class, answering it always is no fault that shows
_FEWEST = 10
_FEWEST_DEAD = 3
_SHOWN = 3
_CONNECTION = re.compile(
    r"connect|refused|reset by|timed? ?out|no answer within|unreachable|be reached|no route|name or service|"
    r"name resolution|asked no more|broken pipe|unavailable|bad gateway|HTTP (?:429|5\d\d)|says [45]\d\d",
    re.IGNORECASE,
)
_BOUNDS = {"verdicts": "max_thinking_tokens or max_answer_tokens", "traces": "max_new_tokens"}
_VARYING = re.compile(r"\S*[/\\]\S+|\b0x[0-9a-f]+\b|\d+(?:\.\d+)?")
_MAJORITY = "majority"  # the baseline that does so on purpose


def diagnose_answers(samples: EvaluationSamples, model: str) -> Iterator[Diagnostic]:
    """The faults of one model's answers."""
    verdicts = [prediction.verdict for prediction in samples.predictions[model]]
    died_at = _died_at(verdicts)
    if died_at is not None:
        yield _died(samples, model, verdicts, died_at)
    failed = [i for i, verdict in enumerate(verdicts[:died_at]) if verdict.outcome is Outcome.ERROR]
    failed = [i for i in failed if samples.clips[i].clip_id not in samples.repeated.get(model, ())]
    if failed:
        yield _failed(samples, model, verdicts, failed)
    yield from _repeated(samples, model)
    yield from _failed_further(samples, model)
    answered = [i for i, verdict in enumerate(verdicts) if verdict.outcome is not Outcome.ERROR]
    traces = [p.reasoning for p in samples.predictions[model] if p.reasoning is not None]
    traces = [trace for trace in traces if trace.outcome is not Outcome.ERROR]
    for what, given in (("verdicts", [verdicts[i] for i in answered]), ("traces", traces)):
        yield from _unreadable(model, what, given)
    bounds = bounds_told(verdicts)
    if bounds:
        yield Diagnostic(
            severity="warning",
            kind="bounded_probabilities",
            model=model,
            text=f"Probabilities of {model} are partly bounds: {bounds}. Curves, calibration and thresholds rest on "
            "them; raise endpoint.top_logprobs, or set endpoint.votes.",
        )
    if len(verdicts) >= _FEWEST and samples.predictions[model][0].model != _MAJORITY:
        yield from _monotonous(samples, model)


def bounds_told(verdicts: Sequence[Verdict]) -> str:
    """How many probabilities an endpoint left to be bounded, in words; empty where they are too few or small to count.

    Args:
        verdicts: Direct verdicts of one model.
    """
    shares = [verdict.unlisted_share for verdict in verdicts if verdict.unlisted_share is not None]
    bounded = [share for share in shares if share > _EXACT]
    if len(bounded) <= _SOME * len(shares):
        return ""
    return (
        f"in {len(bounded)} of {len(shares)} verdicts the endpoint did not list every class code, and one that is not "
        f"listed is given the most that it can have, up to {max(bounded):.2f}"
    )


def _died_at(verdicts: Sequence[Verdict]) -> int | None:
    """The place from which on no clip was answered, for want of a connection; None if there is none."""
    answered = [i for i, verdict in enumerate(verdicts) if verdict.outcome is not Outcome.ERROR]
    begin = answered[-1] + 1 if answered else 0
    lost = [verdict for verdict in verdicts[begin:] if _CONNECTION.search(verdict.reason)]
    if len(lost) < _FEWEST_DEAD or len(lost) < 0.8 * (len(verdicts) - begin):
        return None
    return begin


def _died(samples: EvaluationSamples, model: str, verdicts: Sequence[Verdict], begin: int) -> Diagnostic:
    clip, count = samples.clips[begin].clip_id, len(verdicts) - begin
    where = (
        f"none of the {len(verdicts)} clips was answered"
        if begin == 0
        else f"from clip {begin + 1} of {len(verdicts)} on ({clip}) nothing was answered, {count} clips in all"
    )
    return Diagnostic(
        severity="invalid",
        kind="endpoint_died",
        model=model,
        text=f"The endpoint of {model} died: {where} ({_reasons(verdicts[begin:])}). They count as wrong, so its "
        "metrics say little of the model; ask those clips anew.",
    )


def _failed(samples: EvaluationSamples, model: str, verdicts: Sequence[Verdict], failed: Sequence[int]) -> Diagnostic:
    proportion = len(failed) / len(verdicts)
    shown = ", ".join(samples.clips[i].clip_id for i in failed[:_SHOWN]) + (" …" if len(failed) > _SHOWN else "")
    by_class = Counter(samples.taxonomy.by_name(samples.truths[i]).label for i in failed)
    classes = ", ".join(f"{count} {label}" for label, count in by_class.most_common())
    return Diagnostic(
        severity="invalid" if proportion > _MUCH else "warning",
        kind="failed_answers",
        model=model,
        text=f"{len(failed)} of {len(verdicts)} clips ({proportion:.0%}) got no answer from {model}: "
        f"{_reasons([verdicts[i] for i in failed])}. They are {shown} ({classes}), and count as wrong.",
    )


def _failed_further(samples: EvaluationSamples, model: str) -> Iterator[Diagnostic]:
    """Controls and prompt variants that failed where the verdict itself did not: not asked, they prove nothing."""
    answered = [p for p in samples.predictions[model] if p.verdict.outcome is not Outcome.ERROR]
    asked = {
        f"the control {control.replace('_', ' ')}": [p.controls.get(control) for p in answered]
        for control in OF_EVERY_CLIP
    }
    for name in dict.fromkeys(name for p in answered for name in p.prompt_variants):
        asked[f"the prompt variant {name.replace('_', ' ')}"] = [p.prompt_variants.get(name) for p in answered]
    told, reasons = [], []
    for what, said in asked.items():
        failed = [verdict for verdict in said if verdict is None or verdict.outcome is Outcome.ERROR]
        if len(failed) / max(1, len(said)) > _SOME and any(verdict is not None for verdict in said):
            told.append(f"{len(failed)} of {len(said)} under {what}")
            reasons += [verdict for verdict in failed if verdict is not None]
    if told:
        yield Diagnostic(
            severity="warning",
            kind="failed_controls",
            model=model,
            text=f"Questions to {model} failed though those on the original video did not: {', '.join(told)}"
            f"{f' ({_reasons(reasons)})' if reasons else ''}. They count as wrong there, so what is lost there is no "
            "proof that the model looks at the video or depends on the prompt; ask them anew with `--retry-errors`.",
        )


def _reasons(failed: Sequence[Verdict]) -> str:
    """The commonest reasons, alike but for numbers and paths taken as one, each in the words of the first."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for verdict in failed:
        alike = _VARYING.sub("#", verdict.reason or "no reason given")
        first.setdefault(alike, (verdict.reason or "no reason given").strip().rstrip("."))
        counts[alike] += 1
    told = [f"{first[alike]} ({count} times)" for alike, count in counts.most_common(_SHOWN)]
    others = sum(count for _, count in counts.most_common()[_SHOWN:])
    return "; ".join([*told, *([f"other reasons ({others} times)"] if others else [])])


def _repeated(samples: EvaluationSamples, model: str) -> Iterator[Diagnostic]:
    repeated = samples.repeated.get(model, ())
    if repeated:
        reasons = {p.clip_id: p.verdict.outcome for p in samples.predictions[model]}
        undecided = sum(reasons.get(clip_id) is Outcome.ERROR for clip_id in repeated)
        shown = ", ".join(repeated[:_SHOWN]) + (" …" if len(repeated) > _SHOWN else "")
        yield Diagnostic(
            severity="invalid",
            kind="duplicated_ids",
            model=model,
            text=f"The predictions of {model} answer {len(repeated)} clips more than once ({shown}), as if two runs "
            f"had been written to one file. Each clip counts once; the {undecided} of them whose answers differ count "
            "as wrong, since nobody knows which is meant.",
        )


def _unreadable(model: str, what: str, given: Sequence[Verdict | Reasoning]) -> Iterator[Diagnostic]:
    if not given:
        return
    outcomes = Counter(one.outcome for one in given)
    unread, refused, cut = (outcomes[o] for o in (Outcome.UNPARSEABLE, Outcome.REFUSED, Outcome.TRUNCATED))
    if (unread + refused) / len(given) > _SOME:
        example = next(one.raw_text for one in given if one.outcome in (Outcome.UNPARSEABLE, Outcome.REFUSED))
        yield Diagnostic(
            severity="warning",
            kind="unparseable_answers",
            model=model,
            text=f"{unread + refused} of {len(given)} {what} of {model} ({(unread + refused) / len(given):.0%}) name "
            f"no single class{f', of which {refused} decline to answer' if refused else ''}, and count as wrong; such "
            f"as “{_short(example)}”.",
        )
    if cut / len(given) > _SOME:
        yield Diagnostic(
            severity="warning",
            kind="truncated_answers",
            model=model,
            text=f"{cut} of {len(given)} {what} of {model} ({cut / len(given):.0%}) were cut off at the most tokens "
            f"allowed before an answer came, and count as wrong; raise {_BOUNDS[what]}.",
        )


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 80 else words[:79] + "…"


def _monotonous(samples: EvaluationSamples, model: str) -> Iterator[Diagnostic]:
    """Always the same class, or always an alarm, though the clips are not like that."""
    answers = [answer for answer in samples.answers(model) if answer is not None]
    if len(answers) < _FEWEST:
        return
    truths, normal = samples.truths, samples.taxonomy.normal.name
    commonest, said = Counter(answers).most_common(1)[0]
    alarms = sum(answer != normal for answer in answers) / len(answers)
    label = samples.taxonomy.by_name(commonest).label
    constant = said / len(answers) >= _NEARLY_ALL
    calm = [answer for answer, truth in zip(samples.answers(model), truths, strict=True) if truth == normal]
    if alarms >= _ALARMS and len(calm) / len(truths) > 1 - _COMMON:
        wrongly = sum(answer is not None and answer != normal for answer in calm)
        what = f"“{label}”" if constant else "an event"
        yield Diagnostic(
            severity="warning",
            kind="always_alarms",
            model=model,
            text=f"{model} always alarms: it sees {what} in {alarms:.0%} of the clips it answers, and in {wrongly} of "
            f"the {len(calm)} where nothing happens. Its recall of events is therefore worth nothing.",
        )
    elif constant and max(Counter(truths).values()) / len(truths) <= _COMMON:
        right = truths.count(commonest) / len(truths)
        yield Diagnostic(
            severity="warning",
            kind="always_same_class",
            model=model,
            text=f"{model} says “{label}” for {said} of the {len(answers)} clips it answers, whatever they show"
            f"{': it is blind to events' if commonest == normal else ''}. {right:.0%} of the clips are of that class, "
            "so its accuracy is that of the majority class.",
        )
