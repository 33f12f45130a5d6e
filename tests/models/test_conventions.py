"""Models are asked in the form that their makers document."""

import pytest

from vlm_autodrive.models import find_convention
from vlm_autodrive.records import PAPER_TAXONOMY


@pytest.mark.parametrize(
    ("model", "family", "thinks"),
    [
        ("nvidia/Cosmos-Reason1-7B", "Cosmos-Reason1", True),
        ("/models/cosmos_reason1-7b/", "Cosmos-Reason1", True),
        ("nvidia/Cosmos-Reason2-2B", "Cosmos-Reason2", True),
        ("Qwen/Qwen3-VL-4B-Thinking", "Qwen3-VL Thinking", True),
        ("Qwen/Qwen3-VL-4B-Instruct", "general", False),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "general", False),
        ("tiny-base", "general", False),
        ("/runs/cosmos-reason1/final", "general", False),
    ],
)
def test_by_the_models_name(model, family, thinks):
    found = find_convention(model)
    assert (found.family, found.thinks) == (family, thinks)


def test_the_forms():
    options = [
        "What type of driving event does the ego vehicle's dashcam capture?",
        "(A) The ego vehicle collides with another vehicle or object",
        "(B) The ego vehicle drives normally and there is no incident",
        "(C) The ego vehicle nearly collides but avoids an accident",
    ]
    first, second, plain = (find_convention(name) for name in ("Cosmos-Reason1-7B", "Cosmos-Reason2-8B", "other"))
    assert first.prompt(PAPER_TAXONOMY).text.splitlines() == options
    assert all(mark in first.system for mark in ("<think>", "</think>", "<answer>", "</answer>"))
    assert second.prompt(PAPER_TAXONOMY).text.splitlines()[:4] == options
    assert "<think>" in second.prompt(PAPER_TAXONOMY).text
    assert "<think>" not in second.system
    assert plain.prompt(PAPER_TAXONOMY).text.splitlines()[:4] == options
    assert "parentheses" in plain.prompt(PAPER_TAXONOMY).text
    assert plain.system == ""
