"""Descriptions: what happens in which order, who, where and when; as a structure, and as the prose made of it."""

from typing import Annotated

from pydantic import Field

from vlm_autodrive.supervision.phrases import Answer, Phrase, PhraseOrNothing, Seconds
from vlm_autodrive.supervision.rules.wording import sentence

_SAME_MOMENT_S = 0.25
_NOBODY = "there is no road user to watch"
_NO_EVENT = "no event"


class Happening(Answer):
    """One thing that happens, and when it begins, in seconds after the clip's beginning."""

    time_s: Seconds
    what: Phrase


class NamedEvent(Answer):
    """The event, and its second; None where that is not known."""

    kind: Phrase
    time_s: Seconds | None = None


class Description(Answer):
    """A clip, described.

    Attributes:
        scene: Light, weather and road.
        ego_motion: How the ego vehicle moves, as a clause.
        road_users: Those that matter; None where nobody has looked, empty where there are none.
        happenings: What happens, the event itself included. A clause each, without its time.
        event: The event; None if there is none.
        cause: Why there was an event.
        ego_response: What the ego driver does about it, as words behind "the ego driver".
    """

    scene: PhraseOrNothing = ""
    ego_motion: PhraseOrNothing = ""
    road_users: Annotated[tuple[Phrase, ...], Field(max_length=12)] | None = None
    happenings: Annotated[tuple[Happening, ...], Field(max_length=16)] = ()
    event: NamedEvent | None = None
    cause: Phrase | None = None
    ego_response: Phrase | None = None


class BlindDescription(Description):
    """A clip, described by one who was not told its label, and so has no say on how it ends."""

    scene: Phrase
    road_users: Annotated[tuple[Phrase, ...], Field(max_length=12)]
    event: None = None
    cause: None = None


def prose(description: Description) -> str:
    """The text that the student is taught: one sentence for each thing, in order of time.

    What the happenings tell already is not said again: the road users, a response in the same words, and an
    event at whose moment something is said to happen.
    """
    happenings = sorted(description.happenings, key=lambda h: (h.time_s, h.what))
    lines = [description.scene, description.ego_motion]
    if description.road_users and not happenings:
        lines.append(f"on the road: {', '.join(map(_clause, description.road_users))}")
    lines += [f"at {happening.time_s:.1f} s {_clause(happening.what)}" for happening in happenings]
    if description.road_users == ():
        lines.append(_NOBODY)
    lines += [_event(description), _response(description)]
    if description.cause is not None:
        lines.append(f"cause: {_clause(description.cause)}")
    return " ".join(sentence(line) for line in lines if line)


def _event(description: Description) -> str:
    event, happenings = description.event, description.happenings
    if event is None:
        return _NO_EVENT if description.road_users is None and not happenings else ""
    if event.time_s is None:
        return _clause(event.kind)
    if any(abs(happening.time_s - event.time_s) <= _SAME_MOMENT_S for happening in happenings):
        return ""
    return f"{_clause(event.kind)} at {event.time_s:.1f} s"


def _response(description: Description) -> str:
    response = description.ego_response
    if response is None or any(response in happening.what for happening in description.happenings):
        return ""
    return f"the ego driver {_clause(response)}"


def _clause(text: str) -> str:
    """``text`` as it stands inside a sentence: no full stop, and a small letter unless it begins a name."""
    text = text.rstrip(". ")
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
