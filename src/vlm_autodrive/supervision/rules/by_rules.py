"""All items of one clip by rules, for notebooks: what the stage does for each clip of a set."""

from vlm_autodrive.engines import run_async
from vlm_autodrive.records import Clip, Taxonomy
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.rules.building import ClipSupervision, items_by_rule
from vlm_autodrive.supervision.rules.teacher import RulesTeacher
from vlm_autodrive.supervision.rules.vqa.topics import ALL_KNOWN, KnownShares
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teaching import taught


def items_for_clip(
    clip: Clip, taxonomy: Taxonomy, settings: SuperviseSettings, *, known: KnownShares = ALL_KNOWN
) -> ClipSupervision:
    """Make the items of one labelled clip by rules.

    Args:
        clip: The clip.
        taxonomy: The classes.
        settings: What is wanted; its teacher is not asked.
        known: What is known of the clip set's events.
    """
    facts = facts_of(clip, taxonomy)
    made = items_by_rule(facts, settings, known=known)
    told = run_async(taught(RulesTeacher(settings.seed), facts, settings))
    return ClipSupervision((*made.items, *told.items), made.missing | told.missing)
