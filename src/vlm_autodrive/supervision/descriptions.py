"""Descriptions: what happens in which order, who, where and when, in prose."""

from vlm_autodrive.records import SupervisionItem
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.items import make_item, rng_for
from vlm_autodrive.supervision.student_prompts import prompt_for
from vlm_autodrive.supervision.teachers.rules import describe


def description_item(facts: Facts, seed: int) -> SupervisionItem:
    """The description by rules."""
    rng = rng_for(seed, facts.clip.clip_id, "description")
    return make_item(facts, "description", "description", prompt_for("description", rng), describe(facts, rng))
