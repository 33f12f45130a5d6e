"""Left and right in the mirror image."""

import re

import pytest

from tests.supervision.worlds import random_clip
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.supervision import SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.samples import mirror_free_text, mirror_text

SIDES = re.compile(r"\b(left|right)\b", re.IGNORECASE)
EVERYTHING = SuperviseSettings(vqa_per_clip=60)
SAMPLES = [
    sample
    for number in range(60)
    for name in ("collision", "near_collision", "normal")
    for sample in samples_for_clip(
        random_clip(number, name), DEFAULT_TAXONOMY, SuperviseSettings(vqa_per_clip=60)
    ).samples
]


def test_no_text_with_a_side_is_its_own_mirror_image():
    sided = 0
    for sample in SAMPLES:
        if SIDES.search(sample.prompt.text):
            assert sample.mirror_target is None
        elif SIDES.search(sample.target):
            assert sample.mirror_target is not None
            assert sample.mirror_target != sample.target
            assert len(SIDES.findall(sample.mirror_target)) == len(SIDES.findall(sample.target))
            sided += 1
        else:
            assert sample.mirror_target == sample.target
    assert sided > 50


def test_mirroring_twice_is_the_identity():
    for sample in SAMPLES:
        if sample.mirror_target is not None:
            assert mirror_text(sample.mirror_target) == sample.target


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("From the left.", "From the right."),
        ("Left, then right", "Right, then left"),
        ("lane 2 of 4 from the left", "lane 2 of 4 from the right"),
        ("a copyright of lefties", "a copyright of lefties"),
        ("the leftmost lane", None),
    ],
)
def test_sides_are_swapped_in_text_by_rules(text, mirrored):
    assert mirror_text(text) == mirrored


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("It comes from the left into the right lane.", "It comes from the right into the left lane."),
        ("It stops right away.", None),
        ("The car left the road.", None),
        ("It has the right of way.", None),
        ("A van on the right brakes.", "A van on the left brakes."),
        ("It brakes.", "It brakes."),
    ],
)
def test_a_teachers_text_is_mirrored_only_where_sides_are_meant(text, mirrored):
    assert mirror_free_text(text) == mirrored
