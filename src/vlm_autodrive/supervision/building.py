"""All items of one clip, by rules."""

from collections.abc import Iterable
from dataclasses import dataclass

from vlm_autodrive.records import Clip, Kind, SupervisionItem, Taxonomy
from vlm_autodrive.supervision.captions import caption_item
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.descriptions import description_item
from vlm_autodrive.supervision.facts import Facts, facts_of, shows_its_event, stated_times
from vlm_autodrive.supervision.reasoning import reasoning_item
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.verdict import verdict_item
from vlm_autodrive.supervision.vqa import ALL_KNOWN, KnownShares, vqa_items

NOT_SUPERVISED = {
    "test": "test clips are never supervised",
    "problem": "the clip cannot be used",
    "class": "the kind of its event is unknown",
    "taxonomy": "its class is not in the taxonomy",
}

NOT_SHOWN = "the event lies after the end of the clip, so only the verdict is taught"


@dataclass(frozen=True)
class ClipSupervision:
    """What was made for one clip.

    Attributes:
        items: Its items, each with its checks.
        missing: For each kind that was wanted and not made, why not.
    """

    items: tuple[SupervisionItem, ...]
    missing: dict[str, str]


def why_not(clip: Clip, taxonomy: Taxonomy) -> str:
    """Why a clip gets no supervision at all; empty if it does."""
    if clip.split == "test":
        return NOT_SUPERVISED["test"]
    if clip.problem:
        return NOT_SUPERVISED["problem"]
    if clip.event_class is None:
        return NOT_SUPERVISED["class"]
    return "" if clip.event_class in taxonomy.names else NOT_SUPERVISED["taxonomy"]


def items_for_clip(
    clip: Clip,
    taxonomy: Taxonomy,
    settings: SuperviseSettings,
    *,
    known: KnownShares = ALL_KNOWN,
    kinds: tuple[Kind, ...] | None = None,
) -> ClipSupervision:
    """Make the items of one labelled clip by rules.

    Args:
        clip: The clip.
        taxonomy: The classes.
        settings: What is wanted.
        known: What is known of the clip set's events.
        kinds: Make these kinds only, rather than all that the settings want.
    """
    facts = facts_of(clip, taxonomy)
    items: list[SupervisionItem] = []
    missing: dict[str, str] = {}
    for kind in settings.kinds if kinds is None else kinds:
        shown = kind == "verdict" or shows_its_event(clip)
        made = _make(kind, facts, settings, known) if shown else NOT_SHOWN
        if isinstance(made, str):
            missing[kind] = made
        else:
            items += made
    times = stated_times(settings.seed, clip.clip_id, clip.duration_s)
    return ClipSupervision(tuple(checked(item, facts, times) for item in items), missing)


def known_shares(clips: Iterable[Clip], taxonomy: Taxonomy) -> KnownShares:
    """What is known of the events in supervised clips; all of it without events."""
    events = times = involvements = 0
    for clip in clips:
        if clip.event_class in taxonomy.event_names and not why_not(clip, taxonomy):
            events += 1
            times += clip.event_time_s is not None
            involvements += clip.ego_involved is not None
    return KnownShares(times / events, involvements / events) if events else ALL_KNOWN


def _make(kind: Kind, facts: Facts, settings: SuperviseSettings, known: KnownShares) -> list[SupervisionItem] | str:
    if kind == "verdict":
        return [verdict_item(facts)]
    if kind == "caption":
        return [caption_item(facts, settings.seed)]
    if kind == "description":
        return [description_item(facts, settings.seed)]
    if kind == "vqa":
        questions = vqa_items(facts, settings.seed, settings.vqa_per_clip, settings.vqa_topics, known)
        return questions or "nothing is known that could be asked"
    reasoning = reasoning_item(facts)
    return reasoning if isinstance(reasoning, str) else [reasoning]
