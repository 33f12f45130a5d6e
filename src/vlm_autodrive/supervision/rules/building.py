"""What is always written by rules about one clip: its verdict, caption and questions."""

from collections.abc import Iterable
from dataclasses import dataclass

from vlm_autodrive.records import Clip, SFTSample, Taxonomy
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.facts import Facts, shows_its_event, stated_times
from vlm_autodrive.supervision.rules.captions import caption_item
from vlm_autodrive.supervision.rules.verdict import verdict_item
from vlm_autodrive.supervision.rules.vqa.topics import ALL_KNOWN, KnownShares, vqa_items
from vlm_autodrive.supervision.settings import SuperviseSettings

NOT_SUPERVISED = {
    "test": "test clips are never supervised",
    "problem": "the clip cannot be used",
    "class": "the kind of its event is unknown",
    "taxonomy": "its class is not in the taxonomy",
}

NOTHING_TO_ASK = "nothing is known that could be asked"
NOT_SHOWN = "the event lies after the end of the clip, so only the verdict is taught"


@dataclass(frozen=True)
class ClipSupervision:
    """What was made for one clip.

    Attributes:
        items: Its items, each with its checks.
        missing: For each kind that was wanted and not made, why not.
    """

    items: tuple[SFTSample, ...]
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


def items_by_rule(facts: Facts, settings: SuperviseSettings, *, known: KnownShares = ALL_KNOWN) -> ClipSupervision:
    """Make the items of one labelled clip that are always made by rules: verdict, caption and questions.

    Args:
        facts: The clip.
        settings: What is wanted.
        known: What is known of the clip set's events.
    """
    clip = facts.clip
    items: list[SFTSample] = []
    missing: dict[str, str] = {}
    shown = shows_its_event(clip)
    if "verdict" in settings.types:
        items.append(verdict_item(facts))
    if "caption" in settings.types and shown:
        items.append(caption_item(facts, settings.seed))
    if "vqa" in settings.types and shown:
        asked = vqa_items(facts, settings.seed, settings.vqa_per_clip, settings.vqa_topics, known)
        items += asked
        missing |= {} if asked else {"vqa": NOTHING_TO_ASK}
    missing |= {} if shown else {kind: NOT_SHOWN for kind in ("caption", "vqa") if kind in settings.types}
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
