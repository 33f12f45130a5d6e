"""Checks that every item goes through: what fails one stays on record, with the reason, and is not taught."""

from collections.abc import Sequence

from vlm_autodrive.records import SupervisionItem
from vlm_autodrive.supervision.checks.consistency import check_consistency
from vlm_autodrive.supervision.checks.format import check_format
from vlm_autodrive.supervision.checks.leaks import check_leaks
from vlm_autodrive.supervision.facts import Facts

__all__ = ["check_consistency", "check_format", "check_leaks", "checked"]


def checked(item: SupervisionItem, facts: Facts, stated_times: Sequence[float]) -> SupervisionItem:
    """The item with its checks.

    Args:
        item: The item.
        facts: Its clip.
        stated_times: The seconds that questions about this clip may name.
    """
    checks = [check_leaks(item.prompt, facts.clip, facts.taxonomy, stated_times), check_consistency(item, facts)]
    if item.kind == "reasoning":
        checks.append(check_format(item.target, facts.taxonomy))
    return item.model_copy(update={"checks": tuple(checks)})
