"""A supervision set under review: its samples as items, decisions on them, and the rates on the queue's page."""

import pytest

from tests.evaluation.builders import make_clip
from tests.review.asking import ask, ask_json, decide, undo
from tests.review.folders import write_clip_set
from tests.review.serving import review_server
from tests.review.test_command import refusal
from tests.supervision.review.review_world import ATTACK, MODEL, supervision_set
from vlm_autodrive.artifacts import read_corrections, read_samples
from vlm_autodrive.review import open_review, read_source
from vlm_autodrive.review.queue import queue_state
from vlm_autodrive.review.samples import text_pieces
from vlm_autodrive.supervision import ReviewSettings, review_item_id


@pytest.fixture(scope="module")
def supervision(tmp_path_factory):
    return supervision_set(tmp_path_factory.mktemp("world"))


@pytest.fixture
def served(supervision, tmp_path):
    with review_server(supervision, store=tmp_path / "s.sqlite3", drawing=ReviewSettings(samples=40)) as address:
        yield address


def items(address, query=""):
    """The ids of the queue, in its order."""
    page = ask(address, f"/queue?{query}")[2].decode()
    return list(dict.fromkeys(part[:16] for part in page.split('href="/items/')[1:]))


def test_each_drawn_sample_is_one_item_and_the_same_when_opened_again(supervision):
    source = read_source(supervision)
    assert (source.kind, len(source.items)) == ("samples", 63)
    assert {item.item_id for item in source.items} == {review_item_id(each) for each in read_samples(supervision)}
    few = [read_source(supervision, ReviewSettings(samples=20, seed=seed)).items for seed in (0, 0, 1)]
    assert [[item.item_id for item in drawn] for drawn in few[:1]] == [[item.item_id for item in few[1]]]
    assert {item.item_id for item in few[2]} != {item.item_id for item in few[0]}
    only = read_source(supervision, ReviewSettings(types=("caption",)))
    assert {item.sample.sample.type for item in only.items} == {"caption"}


def test_an_item_shows_the_clip_its_class_and_what_people_may_filter_by(supervision):
    (item,) = (
        item
        for item in read_source(supervision).items
        if item.sample.sample.sample_id == "clip_00001_near_collision/reasoning/reasoning"
    )
    assert (item.start_s, item.end_s, item.label.event_class) == (0.2, 5.0, "near_collision")
    told = {"type": "reasoning", "class": "Near-Collision", "teacher": "rules", "checks": "accepted"}
    assert told.items() <= item.slices.items()
    assert item.sample.meaning.startswith("B = Near-Collision at ")
    cited = [piece.time_s for piece in item.sample.answer if piece.time_s is not None]
    assert cited
    assert all(0.2 <= time_s <= 5.0 for time_s in cited)


@pytest.mark.parametrize(
    ("text", "moments"),
    [
        ("The car brakes [t=3.4]. It hits at 5 s.", [3.4, 5.0]),
        ("t=1.9\n</answer>", [1.9]),
        ("Within 2 s; at 15 m/s; at 3 sites", []),
        ("[t=1.0, t=99.5]", [1.0, None]),
        ("", []),
    ],
)
def test_moments_are_found_in_item_time_and_nothing_of_the_text_is_lost(text, moments):
    pieces = text_pieces(text, make_clip("a", start_s=10.0, end_s=16.0))
    found = [None if piece.is_outside else round(piece.time_s - 10, 6) for piece in pieces if piece.time_s is not None]
    assert found == moments
    assert "".join(piece.text for piece in pieces) == text


def test_the_queue_comes_in_the_order_of_the_draw_and_is_filtered_by_slice(supervision, served):
    drawn = read_source(supervision, ReviewSettings(samples=40)).items
    assert items(served) == [item.item_id for item in drawn]
    by_model = [item.item_id for item in drawn if item.sample.sample.teacher == MODEL]
    assert items(served, "slice=teacher:model+%3Cimg+src%3Dx+onerror%3Dalert(1)%3E") == by_model
    rejected = [item.item_id for item in drawn if not item.sample.sample.accepted]
    assert items(served, "slice=checks:rejected") == rejected


def test_decisions_are_kept_with_the_texts_of_before_and_after(supervision, served, tmp_path):
    one = items(served)[0]
    view = ask_json(served, f"/api/items/{one}")[1]
    target = view["item"]["sample"]["sample"]["target"]
    assert view["current"]["target"] == target
    assert decide(served, one, {"decision": "accept", "reason": "good"})[0] == 201
    rejection = {"decision": "reject", "rejection": "time"}
    assert decide(served, one, rejection, '"1"')[0] == 201
    assert decide(served, one, {"decision": "correct", "target": "It is\r\nbetter.  "}, '"2"')[0] == 201
    assert undo(served, one, '"3"')[0] == 201
    status, refused = decide(served, one, {"decision": "accept"}, '"3"')
    assert (status, refused["current"]["rejection"]) == (409, "time")
    *three, taken_back = read_corrections([tmp_path / "s.sqlite3"])
    assert [(each.decision, each.after.accepted, each.after.rejection, each.after.target) for each in three] == [
        ("accept", True, "", target),
        ("reject", False, "time", target),
        ("correct", True, "", "It is\nbetter."),
    ]
    assert [each.before.target for each in three] == [target] * 3
    assert (three[0].reason, three[0].reviewer, taken_back.undoes) == ("good", "ada", three[2].correction_id)
    assert taken_back.after == three[1].after
    assert three[0].clip_id == view["item"]["clip_id"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"decision": "reject"}, "the reason is missing"),
        ({"decision": "reject", "rejection": "mood"}, "rejection cannot be taken"),
        ({"decision": "correct"}, "the corrected text is empty"),
        ({"decision": "correct", "target": "x" * 20_001}, "target cannot be taken"),
        ({"decision": "confirm"}, "this is an SFT sample; accept, reject or correct it"),
    ],
)
def test_what_cannot_be_decided_is_refused_with_the_way_out(served, body, message):
    one = items(served)[0]
    status, answer = decide(served, one, body)
    assert status == 422
    assert message in answer["error"]
    target = ask_json(served, f"/api/items/{one}")[1]["current"]["target"]
    status, answer = decide(served, one, {"decision": "correct", "target": target})
    assert "the text is as it was" in answer["error"]


def test_a_clip_is_neither_accepted_nor_rejected(tmp_path):
    with review_server(write_clip_set(tmp_path / "clips", [make_clip("one")])) as address:
        status, answer = decide(address, items(address)[0], {"decision": "accept"})
    assert (status, answer["error"]) == (422, "this is no SFT sample; confirm or change what is said of it.")


def test_the_page_tells_rates_reasons_and_agreement_and_texts_stay_text(supervision, tmp_path):
    store = tmp_path / "s.sqlite3"
    for reviewer, wrong in (("ada", 2), ("bob", 3)):
        with review_server(supervision, reviewer, store=store) as address:
            for number, one in enumerate(items(address)[:40]):
                tag = '"0"' if reviewer == "ada" else '"1"'
                body = {"decision": "reject", "rejection": "untrue"} if number < wrong else {"decision": "accept"}
                assert decide(address, one, body, tag)[0] == 201
            page = ask(address, "/queue")[2].decode()
    told = " ".join(page.replace("<", " <").split())
    review = open_review(supervision, "ada", store)
    try:
        found = review.acceptance()
        done = [row for row in review.rows(queue_state({})) if row.reviewed]
    finally:
        review.close()
    rate = found.accepted.rate
    assert len(done) == found.judged == 40
    assert f"{100 * rate.value:.0f} % </td>" in told
    assert f"{100 * rate.low:.0f} to {100 * rate.high:.0f} % </td>" in told
    assert "Says what is not so: 5" in told
    (pair,) = found.agreement
    assert f"ada and bob agree on 98 % of 40 samples; Cohen’s kappa {pair.cohen_kappa:.2f}." in told
    assert MODEL not in page and ATTACK not in page


def test_options_of_the_draw_reach_it_and_are_refused_with_other_sources(supervision, tmp_path):
    clips = write_clip_set(tmp_path / "clips", [make_clip("one")])
    for option in (("--samples", 5), ("--type", "vqa"), ("--seed", 1)):
        said = refusal(clips, "--reviewer", "ada", *option)
        assert "is no supervision set; leave --samples, --type and --seed out" in said
    said = refusal(supervision, "--reviewer", "ada", "--samples", 2)
    assert "fewer than the" in said and "strata" in said
    assert "no samples of the types description" in refusal(supervision, "--reviewer", "ada", "--type", "description")
    assert "must be one of 'verdict', 'caption'" in refusal(supervision, "--reviewer", "ada", "--type", "poem")


def test_blind_the_checks_are_hidden_until_the_reviewer_has_decided(supervision, tmp_path):
    with review_server(supervision, store=tmp_path / "s.sqlite3", blind=True) as address:
        one = items(address)[0]
        assert "rejected by the checks" not in ask(address, "/queue")[2].decode()
        assert ask_json(address, f"/api/items/{one}")[1]["hide_answer"]
        decide(address, one, {"decision": "accept", "blind": True})
        assert not ask_json(address, f"/api/items/{one}")[1]["hide_answer"]
