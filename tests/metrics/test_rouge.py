import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from vlm_autodrive.metrics import rouge_l

ORACLE = RougeScorer(["rougeL"], use_stemmer=False)
WORDS = st.lists(st.sampled_from(["the", "Car", "brakes,", "at", "[t=3.4]", "t", "3", "é", "near-miss", "\n", "--"]))


@given(WORDS, WORDS)
@example([], [])
@example(["a"] * 90, ["a"] * 70)
def test_it_is_that_of_the_package_rouge_score(said, wanted):
    text, reference = " ".join(said), " ".join(wanted)
    assert rouge_l(text, reference) == pytest.approx(ORACLE.score(reference, text)["rougeL"].fmeasure, abs=1e-9)


@given(st.text(max_size=60), st.text(max_size=60))
def test_so_it_is_on_any_text(text, reference):
    assert rouge_l(text, reference) == pytest.approx(ORACLE.score(reference, text)["rougeL"].fmeasure, abs=1e-9)


def test_by_hand():
    # in common, in order: a, car, brakes; 3 of 5 words said and of 4 wanted
    assert rouge_l("a red car brakes hard", "a car then brakes") == pytest.approx(
        2 * (3 / 5) * (3 / 4) / (3 / 5 + 3 / 4)
    )
    assert rouge_l("", "a car") == rouge_l("a car", "") == 0.0


def test_it_does_not_tell_hits_from_misses():
    """Why it says little of whether a trace is right."""
    right, wrong = (
        f"The lead car brakes at [t=2.1] and the ego car {verb} it at [t=3.4]." for verb in ("hits", "misses")
    )
    assert rouge_l(wrong, right) > 0.9
