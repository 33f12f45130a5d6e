"""What holds of a history of decisions, whatever was undone, and however reviewers interleave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.datasets.corrections.builders import correction, label, undo
from vlm_autodrive.artifacts import reduce_history
from vlm_autodrive.datasets import reviewer_agreement

CLASSES = ("collision", "near_collision", "normal")
WHO = st.tuples(st.sampled_from(["ada", "bob"]), st.sampled_from(["one", "two"]))


def ids(corrections):
    return [each.correction_id for each in corrections]


@given(st.lists(st.tuples(WHO, st.sampled_from([*CLASSES, "undo"])), max_size=30))
def test_the_last_that_is_not_undone_holds_of_each_reviewer_and_item(steps):
    """As on the page: undo takes back a reviewer's last decision on an item, which is a stack for each of them."""
    history, stacks = [], {}
    for number, ((reviewer, item), what) in enumerate(steps):
        stack = stacks.setdefault((reviewer, item), [])
        if what != "undo":
            history.append(correction(number, after=label(what), reviewer=reviewer, item=item))
            stack.append(f"c{number}")
        elif stack:
            history.append(undo(number, stack.pop()[1:], reviewer=reviewer, item=item))
    reduced = reduce_history(history)
    assert set(ids(reduced.holding)) == {stack[-1] for stack in stacks.values() if stack}
    assert reduced.refused == {}


@given(st.lists(st.tuples(WHO, st.sampled_from(["confirm", "change", "add", "undo"]), st.integers(0, 20)), max_size=20))
def test_each_decision_holds_or_is_told_why_not(steps):
    history = [
        undo(number, undoes, reviewer=reviewer, item=item)
        if decision == "undo"
        else correction(number, after=label(), decision=decision, reviewer=reviewer, item=item)
        for number, ((reviewer, item), decision, undoes) in enumerate(steps)
    ]
    reduced = reduce_history(history)
    assert sorted([*ids(reduced.holding), *reduced.superseded, *reduced.refused]) == sorted(ids(history))


@given(st.lists(st.tuples(WHO, st.sampled_from([*CLASSES, "undo"])), max_size=30))
def test_what_one_reviewer_decides_leaves_the_others_as_they_are(steps):
    history, last = [], {}
    for number, ((reviewer, item), what) in enumerate(steps):
        if what != "undo":
            history.append(correction(number, after=label(what), reviewer=reviewer, item=item))
        elif (reviewer, item) in last:
            history.append(undo(number, last[reviewer, item][1:], reviewer=reviewer, item=item))
        else:
            continue
        last[reviewer, item] = f"c{number}"
    alone = reduce_history([each for each in history if each.reviewer == "ada"])
    assert [each for each in reduce_history(history).holding if each.reviewer == "ada"] == list(alone.holding)


def test_an_undo_that_is_undone_takes_nothing_back():
    history = [correction(0, after=label()), undo(1, 0), undo(2, 1)]
    assert ids(reduce_history(history).holding) == ["c0"]
    assert ids(reduce_history([*history, undo(3, 2)]).holding) == []


def test_an_undo_takes_back_only_an_earlier_decision_of_the_same_reviewer():
    history = [undo(0, 1), correction(1, after=label()), undo(2, 1, reviewer="bob"), undo(3, 99)]
    reduced = reduce_history(history)
    assert ids(reduced.holding) == ["c1"]
    assert set(reduced.refused) == {"c0", "c2", "c3"}
    assert "ada" in reduced.refused["c2"]


def test_every_added_event_holds_until_it_is_undone():
    history = [correction(n, after=label(time_s=n), decision="add") for n in range(3)]
    assert ids(reduce_history([*history, undo(3, 1)]).holding) == ["c0", "c2"]


def test_what_was_said_first_of_an_item_is_kept():
    history = [correction(0, label(time_s=3.0), label(time_s=3.5)), correction(1, label(time_s=3.5), label(time_s=4.0))]
    assert reduce_history(history).first_said == {"clip": label(time_s=3.0)}


def test_agreement_is_of_the_items_that_several_judged():
    history = [
        correction(0, after=label("collision"), item="one", blind=True),
        correction(1, after=label("normal"), item="two", video="/data/b.mp4"),
        correction(2, after=label("normal"), item="three", video="/data/c.mp4"),
        correction(3, after=label("collision"), item="one", reviewer="bob", blind=True),
        correction(4, after=label("near_collision"), item="two", reviewer="bob", video="/data/b.mp4"),
        correction(5, after=label("collision", 4.0), item="one", reviewer="bob", decision="add"),
    ]
    found = reviewer_agreement(reduce_history(history))
    assert found.reviewers == {"ada": 3, "bob": 3}
    assert (found.items, found.blind, found.alike.value) == (2, 1, 0.5)
    # Observed disagreement 1 / 2; expected, of two collisions, a near-collision and a normal, (16 - 6) / (4 * 3).
    assert found.krippendorff_alpha.value == pytest.approx(1 - (1 / 2) / (10 / 12))
    assert found.krippendorff_alpha.low is not None


def test_one_reviewer_agrees_with_nobody():
    found = reviewer_agreement(reduce_history([correction(0, after=label())]))
    assert (found.items, found.alike.value, found.krippendorff_alpha.value) == (0, None, None)
