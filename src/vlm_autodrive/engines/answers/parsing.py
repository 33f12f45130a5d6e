"""Parsing of generated text: the predicted class, the cited times, the reasoning trace.

The schema comes first: a JSON object, alone, fenced or behind a few words, names the class under one of
:data:`KEYS`. Free text is read by the small grammar of :mod:`~vlm_autodrive.engines.answers.grammar`.

Nothing is guessed. A block that is not closed, a block that comes twice, a broken object, two answers that
contradict each other: the answer is unparseable, and so counted as wrong.
"""

import json
import re
from typing import Any

from vlm_autodrive.engines.answers.grammar import parse_answer
from vlm_autodrive.engines.answers.times import cited_times, find_times, is_in_clip, without_times
from vlm_autodrive.engines.protocol import InferenceResponse
from vlm_autodrive.records import Outcome, Reasoning, Taxonomy

KEYS = ("answer", "verdict", "class", "label", "category", "prediction")
"""Where a JSON object may name the class; where it has several of these, they must not contradict each other."""

_OBJECT = re.compile(r"\{\s*(?:[\"'}]|\w+\s*:)|```\s*json", re.IGNORECASE)
_FENCE = re.compile(r"```(?:\s*json)?", re.IGNORECASE)
_BLOCK = {name: re.compile(rf"<\s*(/?)\s*{name}\s*>", re.IGNORECASE) for name in ("think", "answer")}
_REFUSAL = re.compile(
    r"^\W*(?:unfortunately\W+)?(?:i['’]?m (?:very )?sorry|"
    r"sorry|i (?:can(?:no|['’])t|am unable|am not able|won['’]t)|unable to|as an ai)",
    re.IGNORECASE,
)


class _BadBlockError(Exception):
    """A block that is not closed, or comes twice; the message says which."""


def parse_class(text: str, taxonomy: Taxonomy) -> tuple[Outcome, str | None]:
    """The class that an answer names.

    Args:
        text: What the model wrote: a code, a label, a short sentence; think and answer blocks may be there.
        taxonomy: The classes.

    Returns:
        ``ok`` and the class name; or ``unparseable`` (``refused`` if the model declined) and None.
    """
    try:
        _, rest = _split_block(text, "think")
        inside, outside = _split_block(rest, "answer")
    except _BadBlockError:
        return Outcome.UNPARSEABLE, None
    if inside is None:
        return _parse_text(outside, taxonomy)
    outcome, named = _parse_text(inside, taxonomy)
    _, beside = _parse_text(outside, taxonomy)
    if beside is not None and beside != named:
        return Outcome.UNPARSEABLE, None
    return outcome, named


def parse_reasoning(text: str, taxonomy: Taxonomy, clip_duration_s: float) -> Reasoning:
    """Take a reasoned answer apart, in the format of ``models.prompts.reasoning_prompt``.

    The outcome is ``ok`` for the format and ``repaired`` where the class is beyond doubt though a block
    is missing or the time is of no use; everything else is ``unparseable`` or ``refused``. Times are read as
    :mod:`~vlm_autodrive.engines.answers.times` tells; those outside the clip are kept as they are.

    Args:
        text: All that the model wrote.
        taxonomy: The classes.
        clip_duration_s: Length of the clip; an event time outside it makes the answer ``repaired``.
    """
    try:
        trace, rest = _split_block(text, "think")
        inside, _ = _split_block(rest, "answer")
    except _BadBlockError as error:
        return _failed(text, Outcome.UNPARSEABLE, str(error))
    answer = rest if inside is None else inside
    cited = cited_times(trace or "")
    outcome, named = parse_class(rest, taxonomy)
    if named is None:
        reason = "the model declined to answer" if outcome is Outcome.REFUSED else "the answer names no single class"
        return _failed(text, outcome, reason, trace or "", cited)
    repairs = []
    if trace is None:
        repairs.append("no think block")
    if inside is None:
        repairs.append("no answer block")
    labelled = {each.time_s for each in find_times(answer) if each.labelled}
    if len(labelled) > 1:
        return _failed(text, Outcome.UNPARSEABLE, "the answer gives two different times", trace or "", cited)
    event_time_s = None
    if named == taxonomy.normal.name:
        if labelled:
            repairs.append("a time was given without an event")
    elif times := labelled or set(cited_times(answer)):
        if len(times) > 1:
            repairs.append("the answer gives several times, none as the event's")
        else:
            event_time_s = times.pop()
            if not is_in_clip(event_time_s, clip_duration_s):
                repairs.append(f"the event time {event_time_s:g} s lies outside the clip")
    return Reasoning(
        outcome=Outcome.REPAIRED if repairs else Outcome.OK,
        event_class=named,
        trace=trace or "",
        cited_times_s=cited,
        event_time_s=event_time_s,
        raw_text=text,
        reason="; ".join(repairs),
    )


def parse_reasoning_response(answer: InferenceResponse, taxonomy: Taxonomy, clip_duration_s: float) -> Reasoning:
    """An engine's answer to the reasoning prompt, taken apart, or the record of why there is none.

    Args:
        answer: The answer; one that failed has no trace and no class.
        taxonomy: The classes.
        clip_duration_s: As for :func:`parse_reasoning`.
    """
    if answer.outcome in (Outcome.OK, Outcome.REPAIRED):
        return parse_reasoning(answer.text, taxonomy, clip_duration_s)
    return _failed(answer.text, answer.outcome, answer.reason)


def _failed(text: str, outcome: Outcome, reason: str, trace: str = "", cited: tuple[float, ...] = ()) -> Reasoning:
    return Reasoning(
        outcome=outcome,
        event_class=None,
        trace=trace,
        cited_times_s=cited,
        event_time_s=None,
        raw_text=text,
        reason=reason,
    )


def _parse_text(text: str, taxonomy: Taxonomy) -> tuple[Outcome, str | None]:
    if _OBJECT.search(text):
        try:
            given, beside = _split_object(text)
        except ValueError:
            return Outcome.UNPARSEABLE, None
        named = _parse_object(given, taxonomy)
        _, other = _parse_text(beside, taxonomy)
        if named is None or other not in (None, named):
            return Outcome.UNPARSEABLE, None
        return Outcome.OK, named
    plain = without_times(text).replace("’", "'").strip()
    named = parse_answer(plain, taxonomy).verdict(taxonomy)
    if named is not None:
        return Outcome.OK, named
    return (Outcome.REFUSED if _REFUSAL.match(plain) else Outcome.UNPARSEABLE), None


def _split_object(text: str) -> tuple[dict[str, Any], str]:
    """The one JSON object in a text, and the text around it.

    Raises:
        ValueError: If it is broken, a key comes twice, or there are several.
    """
    bare = _FENCE.sub("\n", text)
    begin = bare.index("{")
    found, length = json.JSONDecoder(object_pairs_hook=_without_repeats).raw_decode(bare[begin:])
    beside = f"{bare[:begin]}\n{bare[begin + length :]}"
    if "{" in beside or "}" in beside:
        raise ValueError("there are several objects, or parts of one")
    return found, beside


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = {key.strip().casefold(): value for key, value in pairs}
    if len(plain) != len(pairs):
        raise ValueError("a key comes twice")
    return plain


def _parse_object(given: dict[str, Any], taxonomy: Taxonomy) -> str | None:
    """The class under the keys that name one; None unless each names the same."""
    named = set()
    for value in (given[key] for key in KEYS if key in given):
        named.add(parse_answer(value, taxonomy).verdict(taxonomy) if isinstance(value, str) else None)
    return named.pop() if len(named) == 1 else None


def _split_block(text: str, name: str) -> tuple[str | None, str]:
    """The inside of the one block of that name (None without one), and the text around it.

    Thoughts may lack the tag that opens them: chat templates of models that think write it themselves.

    Raises:
        _BadBlockError: If tags do not make up exactly one closed block.
    """
    tags = list(_BLOCK[name].finditer(text))
    if not tags:
        return None, text
    if name == "think" and len(tags) == 1 and tags[0].group(1):
        return text[: tags[0].start()].strip(), text[tags[0].end() :]
    if len(tags) != 2 or tags[0].group(1) or not tags[1].group(1):
        kind = "is not closed" if len(tags) == 1 else "comes more than once or out of order"
        raise _BadBlockError(f"the {name} block {kind}")
    inside = text[tags[0].end() : tags[1].start()]
    return inside.strip(), f"{text[: tags[0].start()]}\n{text[tags[1].end() :]}"
