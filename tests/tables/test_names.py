"""Names that a spreadsheet or a file system changed fit what they were, and are never taken for one of several."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_autodrive.tables import KnownNames, is_exponent

KNOWN = ("00822", "20240501123005", "20240502080000", "20240501123005123499", "café", "a.mp4")


@pytest.mark.parametrize(
    ("text", "names", "words", "lossy"),
    [
        ("00822", ["00822"], "", False),
        ("822", ["00822"], "zeros", False),
        ("822.0", ["00822"], "zeros", False),
        ("2.02405E+13", ["20240501123005", "20240502080000"], "power of ten", True),
        ("2,0240501E+13", ["20240501123005"], "power of ten", True),
        ("2.0240502e13", ["20240502080000"], "power of ten", True),
        ("9E+99", [], "power of ten", True),
        ("20240501123005100000", ["20240501123005123499"], "after 15 digits", True),
        ("20240501123005999000", [], "", False),
        ("cafe\u0301", ["café"], "Unicode form", False),
        ("823", [], "", False),
        ("b.mp4", [], "", False),
        ("9" * 5000, [], "", False),
    ],
)
def test_a_changed_name_and_what_it_fits(text, names, words, lossy):
    match = KnownNames(KNOWN).find(text)
    assert list(match.names) == names
    assert words in match.damage
    assert bool(match.damage) == bool(words)
    assert match.lossy == lossy or not match.damage
    assert match.one == (names[0] if len(names) == 1 else None)


def test_a_name_that_is_there_is_taken_as_it_stands():
    both = ("822", "00822", "cafe\u0301", "café", "2E+05")
    for name in both:
        match = KnownNames(both).find(name)
        assert (match.names, match.damage) == ((name,), "")
    assert KnownNames(both[:2]).find("0822").one is None  # two fit, so neither is taken


def test_no_id_is_taken_for_a_power_of_ten():
    assert [is_exponent(text) for text in ("2E+5", "2.5e5", "10_068", "e5", "1e", "12E5", "E5", "2e-5")] == [
        True, True, False, False, False, False, False, False,
    ]  # fmt: skip


ids = st.text("0123456789", min_size=1, max_size=18)


@given(st.lists(ids, min_size=1, max_size=8), st.integers(0, 8), st.data())
def test_the_original_is_always_among_what_a_changed_id_fits(known, digits, data):
    original = data.draw(st.sampled_from(known))
    changed = [str(int(original)), f"{int(original)}.0"]
    if int(original):
        changed.append(f"{Decimal(int(original)):.{digits}E}")
    for text in changed:
        match = KnownNames(known).find(text)
        assert original in match.names or match.names == (text,)
