"""The direct verdict: a class code and nothing else."""

from vlm_autodrive.models import verdict_prompt
from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.items import make_item


def verdict_item(facts: Facts) -> SFTSample:
    """The one direct-verdict item of a labelled clip."""
    return make_item(
        facts, "verdict", "verdict", verdict_prompt(facts.taxonomy), facts.label.code, teacher_inputs=("label",)
    )
