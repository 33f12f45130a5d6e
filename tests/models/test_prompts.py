"""The wordings of the direct verdict: what was trained stays as it was, and none says anything of a clip."""

import re
from typing import get_args

import pytest

from vlm_autodrive.models import MAIN, reasoning_prompt, variant_verdict_prompt, verdict_prompt
from vlm_autodrive.models.prompts import Wording
from vlm_autodrive.records import DEFAULT_TAXONOMY, PAPER_TAXONOMY, TAXONOMIES

TRAINED = """What happens in this video?
A: Collision (contact between a vehicle and another road user or object)
B: Near-Collision (contact narrowly avoided, by evasive braking or steering or by luck)
C: Normal (neither, however busy the traffic)
Answer with A, B or C only."""
WORDINGS = get_args(Wording)


def test_the_trained_wording_is_what_it_was():
    assert verdict_prompt(DEFAULT_TAXONOMY).text == TRAINED
    assert MAIN not in WORDINGS


def test_there_are_several_and_they_differ():
    assert len(WORDINGS) >= 3
    assert len({variant_verdict_prompt(w, DEFAULT_TAXONOMY).text for w in WORDINGS} | {TRAINED}) == len(WORDINGS) + 1


def test_the_paper_has_its_own_letters_and_their_order():
    lines = [
        "What type of driving event does the ego vehicle's dashcam capture?",
        "A: The ego vehicle collides with another vehicle or object",
        "B: The ego vehicle drives normally and there is no incident",
        "C: The ego vehicle nearly collides but avoids an accident",
    ]
    assert verdict_prompt(PAPER_TAXONOMY).text.splitlines() == [*lines, "Answer with A, B or C only."]
    assert reasoning_prompt(PAPER_TAXONOMY).text.splitlines()[:4] == lines
    back = variant_verdict_prompt("reversed", PAPER_TAXONOMY).text.splitlines()
    assert back == [lines[0], *lines[:0:-1], "Answer with C, B or A only."]
    assert "Collision (A), Normal (B) or Near-Collision (C)" in variant_verdict_prompt("short", PAPER_TAXONOMY).text
    by_severity = variant_verdict_prompt("checklist", PAPER_TAXONOMY).text.splitlines()[1:-1]
    assert [line[:3] for line in by_severity] == ["[A]", "[C]", "[B]"]


@pytest.mark.parametrize("taxonomy", TAXONOMIES.values())
@pytest.mark.parametrize("wording", WORDINGS)
def test_a_wording_offers_every_code_and_every_class_and_nothing_of_a_clip(wording, taxonomy):
    text = variant_verdict_prompt(wording, taxonomy).text
    for event_class in taxonomy.classes:
        assert re.search(rf"\b{event_class.code}\b", text)
        assert any(name and name in text for name in (event_class.label, event_class.definition, event_class.option))
    assert not re.search(r"\d|\{|\}|None", text)


def test_what_distinguishes_each():
    first, last = DEFAULT_TAXONOMY.classes[0], DEFAULT_TAXONOMY.classes[-1]
    short, checklist, expert, back = (variant_verdict_prompt(w, DEFAULT_TAXONOMY).text for w in WORDINGS)
    assert len(short) < len(TRAINED) / 2
    assert first.definition not in short
    assert first.definition in checklist
    assert first.label not in checklist
    assert "analyst" in expert
    assert back.index(last.label) < back.index(first.label)
    assert sorted(back.splitlines()[1:-1]) == TRAINED.splitlines()[1:-1]
