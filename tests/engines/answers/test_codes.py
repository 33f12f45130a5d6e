"""Reading codes and their probabilities: tables of what endpoints write and list."""

import math

import pytest

from vlm_autodrive.engines.answers.codes import (
    code_in,
    code_mass,
    code_probabilities,
    is_bare,
    unlisted_share,
    vote_shares,
)
from vlm_autodrive.engines.endpoint.completion import TokenLogprobs

CODES = ("A", "B", "C")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("A", "A"),
        (" B\n", "B"),
        ("C.", "C"),
        ("**A**", "A"),
        ("(B)", "B"),
        ("Answer: C", "C"),
        ("The answer is B.", "B"),
        ("B: Near-Collision", "B"),
        ("A\nA car brakes.", "A"),
        ("A car brakes hard", None),
        ("A or B", None),
        ("Either A, or B.", None),
        ("Collision", None),
        ("a", None),
        ("ABC", None),
        ("", None),
    ],
)
def test_a_code_is_an_answer_only_where_it_stands_as_one(text, code):
    assert code_in(text, CODES) == code


@pytest.mark.parametrize(("text", "bare"), [("A", True), (" **B**.\n", True), ("A car", False), ("C: Normal", False)])
def test_a_bare_code(text, bare):
    assert is_bare(text, CODES) == bare


def place(written, **listed):
    return TokenLogprobs(written, {token.replace("_", " "): math.log(share) for token, share in listed.items()})


def test_probabilities_are_the_codes_shares_of_what_the_codes_have_together():
    found = code_probabilities([place("B", A=0.1, B=0.4, C=0.3, The=0.1)], "B", CODES)
    assert found == pytest.approx((0.125, 0.5, 0.375))


def test_ways_to_write_a_code_are_added_up():
    found = code_probabilities([place(" A", _A=0.3, A=0.05, B=0.2, _B=0.2, **{"C.": 0.05})], " A", CODES)
    assert found == pytest.approx((0.35 / 0.8, 0.4 / 0.8, 0.05 / 0.8))


def test_a_mask_that_adds_one_number_to_all_changes_nothing():
    raw = {"A": -1.0, "B": -2.5, "C": -4.0, "It": -0.9}
    masked = {"A": -0.2, "B": -1.7, "C": -3.2, "It": -9999.0}
    before, after = (code_probabilities([TokenLogprobs("A", listed)], "A", CODES) for listed in (raw, masked))
    assert before == pytest.approx(after)


def test_a_code_that_is_not_listed_gets_the_most_that_it_can_have():
    least = code_probabilities([place("A", A=0.5, B=0.2, x=0.01)], "A", CODES)
    assert least == pytest.approx((0.5 / 0.71, 0.2 / 0.71, 0.01 / 0.71))
    rest = code_probabilities([place("A", A=0.6, B=0.395)], "A", CODES)
    assert rest == pytest.approx((0.6, 0.395, 0.005))


def test_a_probability_that_is_only_a_bound_is_known_as_one():
    assert unlisted_share([place("B", A=0.1, B=0.4, C=0.3)], "B", CODES) == 0.0
    only = [place("A", A=0.6)]
    assert code_probabilities(only, "A", CODES) == pytest.approx((0.6 / 1.4, 0.4 / 1.4, 0.4 / 1.4))
    assert unlisted_share(only, "A", CODES) == pytest.approx(0.4 / 1.4)
    assert unlisted_share([], "A", CODES) is None


@pytest.mark.parametrize("blank", ["Ġ", "▁"])
def test_tokens_as_their_vocabulary_writes_them_are_read(blank):
    listed = {f"{blank}A": math.log(0.3), "B": math.log(0.5), f"{blank}C": math.log(0.2)}
    assert code_probabilities([TokenLogprobs(f"{blank}A", listed)], " A", CODES) == pytest.approx((0.3, 0.5, 0.2))


def test_the_place_is_that_of_the_code():
    places = [place("The", The=0.9, A=0.05), place(" answer", _answer=1.0), place(" B", _B=0.6, _A=0.3, _C=0.1)]
    assert code_probabilities(places, "The answer B", CODES) == pytest.approx((0.3, 0.6, 0.1))


@pytest.mark.parametrize(
    ("places", "text"),
    [
        ([], "A"),
        ([TokenLogprobs("A", {})], "A"),
        ([place("A", A=0.9), place(" car", _car=0.9)], "A car"),
        ([place("A", A=0.9), place(" or", _or=0.9), place(" B", _B=0.9)], "A or B"),
        ([place("Normal", Normal=0.9)], "Normal"),
        ([TokenLogprobs("A", {"A": -math.inf, "B": -math.inf, "C": -math.inf})], "A"),
    ],
)
def test_there_are_none_where_none_can_be_told(places, text):
    assert code_probabilities(places, text, CODES) is None


def test_the_mass_of_the_codes_is_what_all_their_ways_of_writing_have_together():
    places = [place("The", The=0.9, A=0.05), place(" B", _B=0.2, B=0.1, _A=0.02, _nothing=0.5)]
    assert code_mass(places, "The B", CODES, constrained=False) == pytest.approx(0.32)
    assert code_mass([], "B", CODES, constrained=False) is None


def test_log_probabilities_behind_a_mask_tell_no_mass():
    """A server may rule out all other tokens first: then the codes have everything, whatever the model wanted."""
    masked = [TokenLogprobs("A", {"A": math.log(0.7), "B": math.log(0.3), "It": -9999.0})]
    own = [TokenLogprobs("A", {"A": math.log(0.07), "B": math.log(0.03), "It": math.log(0.8)})]
    assert code_mass(masked, "A", CODES, constrained=True) is None
    assert code_mass(own, "A", CODES, constrained=True) == pytest.approx(0.1)
    assert code_mass(masked, "A", CODES, constrained=False) == pytest.approx(1.0)


def test_votes_are_shares_of_those_that_name_a_code():
    assert vote_shares(["A", "B.", " A", "A"], CODES) == (0.75, 0.25, 0.0)
    assert vote_shares(["A", "A", "what?"], CODES) == (1.0, 0.0, 0.0)
    assert vote_shares(["A", "what?"], CODES) is None
