"""What holds of every answer, whatever a model writes."""

import re
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_autodrive.engines import parse_class, parse_reasoning
from vlm_autodrive.engines.answers.words import FILLER
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome

NAMES = ("A", "B", "C", "collision", "near-collision", "Near Collision", "normal", "none", "crash", "near miss")
WORDS = [
    "not", "no", "never", "neither", "nor", "cannot", "doubt", "maybe", "probably", "avoided", "almost", "but", "and",
    "or", "the", "answer", "is", "there", "was", "it", "this", "video", "shows", "between", "with", "truck", "brakes",
    "at", "t=3.4", "[t=2.0]", "because", "however", "whether", "if", "rather", "than", "near",
]  # fmt: skip
MARKS = [
    ".", ",", ":", ";", "?", "!", "(", ")", "[", "]", "{", "}", "{", "\"", "'", "`", "**", "#", "-", ">", "\n",
    "<think>", "</think>", "<answer>", "</answer>", "```json", "```", "\\boxed{", "}", "。", "、", ":", "⟦0⟧", "⟦7⟧",
    "⟦", "⟧",
]  # fmt: skip
PIECES = st.sampled_from([*NAMES, *WORDS, *MARKS])
ANSWERS = (
    st.lists(PIECES, max_size=14).map(" ".join) | st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=60)
)
PLAIN = ANSWERS.filter(lambda text: "<" not in text)
INNOCENT_WORDS = [
    word for word in [*WORDS, *sorted(FILLER), "truck", "hits", "road", "event"] if word not in ("a", "b", "c")
]
INNOCENT = st.lists(st.sampled_from([*INNOCENT_WORDS, *[mark for mark in MARKS if mark]]), max_size=14).map(" ".join)


def _names_a_class(text: str) -> bool:
    """Whether a text has the letter of a code, or what any class may be called."""
    plain = re.sub(r"[^a-z]", "", unicodedata.normalize("NFKC", text).casefold())
    return bool(re.search(r"[abc]|none|noevent", plain))


@given(ANSWERS)
@settings(max_examples=400, deadline=None)
def test_nothing_that_a_model_writes_is_an_exception(text):
    outcome, named = parse_class(text, DEFAULT_TAXONOMY)
    assert (outcome is Outcome.OK) == (named is not None)
    reasoning = parse_reasoning(text, DEFAULT_TAXONOMY, 6.0)
    assert reasoning.raw_text == text
    assert (reasoning.event_class is not None) == (reasoning.outcome in (Outcome.OK, Outcome.REPAIRED))


@given(st.text(max_size=80).filter(lambda text: not _names_a_class(text)))
@settings(max_examples=300, deadline=None)
def test_no_class_without_a_name_or_code(text):
    assert parse_class(text, DEFAULT_TAXONOMY)[1] is None


@given(INNOCENT.filter(lambda text: not re.search(r"no\W*event", text)))
@settings(max_examples=300, deadline=None)
def test_no_class_from_words_about_classes(text):
    assert parse_class(text, DEFAULT_TAXONOMY)[1] is None


@given(PLAIN, st.text(max_size=60).filter(lambda text: "<" not in text))
@settings(max_examples=300, deadline=None)
def test_thoughts_change_no_answer(text, thoughts):
    alone = parse_class(text, DEFAULT_TAXONOMY)
    assert parse_class(f"<think>{thoughts} The answer is A. {text}</think>\n{text}", DEFAULT_TAXONOMY) == alone
    assert parse_class(f"<think>{thoughts}{text}", DEFAULT_TAXONOMY) == (Outcome.UNPARSEABLE, None)
    # A chat template may open the thoughts itself.
    assert parse_class(f"{thoughts} The answer is A.</think>{text}", DEFAULT_TAXONOMY) == alone


@given(
    st.sampled_from(["", "It is a ", "The answer is ", "**", "<answer>", '{"answer": "', "Verdict: "]),
    st.sampled_from(["near", "Near", "NEAR"]),
    st.text("-_ \u2010\u2011\u2013\u00a0", max_size=3),
    st.sampled_from(["collision", "Collision", "miss", "crash", "COLLISIONS"]),
)
@settings(max_examples=200, deadline=None)
def test_a_near_collision_is_never_a_collision(before, near, between, name):
    after = {"**": "**", "<answer>": "</answer>", '{"answer": "': '"}'}.get(before, "")
    assert parse_class(f"{before}{near}{between}{name}{after}", DEFAULT_TAXONOMY)[1] != "collision"


@given(st.sampled_from(["not ", "no ", "never ", "without ", "there is no ", "it isn't "]), st.sampled_from(NAMES))
def test_what_is_denied_is_not_read(negation, name):
    assert parse_class(f"{negation}{name}", DEFAULT_TAXONOMY)[1] is None
