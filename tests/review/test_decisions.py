"""Decisions over HTTP: what is taken, what is refused and why, undo, and conflicts."""

import pytest

from tests.detection.short_list.searched import event, write_trip
from tests.evaluation.builders import make_clip, make_prediction
from tests.review.asking import OWN, ask, ask_json, decide, first_item, undo
from tests.review.folders import write_predictions
from tests.review.serving import review_server
from vlm_autodrive.artifacts import read_corrections
from vlm_autodrive.metrics import Bootstrap, krippendorff_alpha_estimate

NEAR = {"event_class": "near_collision", "time_s": 9.0, "start_s": 8.0, "end_s": 10.0}


@pytest.fixture
def found(tmp_path):
    trip = [("/videos/a1.mp4", 6.0), ("/videos/a2.mp4", 6.0)]
    write_trip(tmp_path / "found", "a", trip, [event(3.0), event(9.0)])
    return tmp_path / "found"


@pytest.fixture
def served(found):
    with review_server(found) as address:
        yield address


@pytest.fixture
def item(served):
    return first_item(served, "sort=name")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """The address of a server that takes no decision, and an item."""
    folder = tmp_path_factory.mktemp("untouched") / "found"
    write_trip(folder, "a", [("/videos/a1.mp4", 6.0), ("/videos/a2.mp4", 6.0)], [event(3.0)])
    with review_server(folder) as address:
        yield address, first_item(address)


def view(served, item):
    return ask_json(served, f"/api/items/{item}")[1]


def test_a_confirmation_keeps_what_was_said(served, item, found):
    before = view(served, item)
    assert (before["decisions"], before["etag"], before["hide_answer"]) == ([], '"0"', False)
    status, answer = decide(served, item, {"decision": "confirm"})
    assert (status, answer["etag"]) == (201, '"1"')
    made = answer["correction"]
    assert made["before"] == made["after"] == before["current"] == before["item"]["answers"][0]["label"]
    assert (made["reviewer"], made["model"], made["blind"], made["reason"]) == ("ada", "flash", False, "")
    assert (made["window_start_s"], made["window_end_s"]) == (0.0, 7.0)
    assert [each.model_dump(mode="json") for each in read_corrections([found / "review.sqlite3"])] == [made]
    assert view(served, item)["decisions"] == [made]


def test_a_change_tells_the_file_that_shows_the_moment(served, item):
    body = {"decision": "change", "after": NEAR, "reason": " it just missed ", "blind": True}
    status, answer = decide(served, item, body)
    assert status == 201
    made = answer["correction"]
    assert made["after"] == {**NEAR, "alert_time_s": None}
    assert (made["reason"], made["blind"]) == ("it just missed", True)
    assert (made["video"], made["video_start_s"]) == ("/videos/a2.mp4", 6.0)
    assert view(served, item)["current"]["event_class"] == "near_collision"


def test_times_alone_may_be_changed_without_a_reason(served, item):
    after = {"event_class": "collision", "time_s": 3.2, "start_s": 2.0, "end_s": 4.0, "alert_time_s": 2.5}
    assert decide(served, item, {"decision": "change", "after": after})[0] == 201


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"decision": "change", "after": NEAR}, "the class is changed; say why"),
        ({"decision": "change", "after": NEAR, "reason": "  "}, "say why"),
        ({"decision": "change"}, "the new label is missing"),
        ({"decision": "change", "after": {"event_class": "fender_bender"}, "reason": "x"}, "no class fender_bender"),
        ({"decision": "change", "after": {**NEAR, "time_s": 13.0, "end_s": 14.0}, "reason": "x"}, "outside the video"),
        ({"decision": "change", "after": {**NEAR, "start_s": -0.1}, "reason": "x"}, "outside the video"),
        ({"decision": "change", "after": {**NEAR, "start_s": 9.5}, "reason": "x"}, "in this order"),
        ({"decision": "change", "after": {**NEAR, "alert_time_s": 9.5}, "reason": "x"}, "alert must not come after"),
        ({"decision": "change", "after": {"event_class": "normal", "time_s": 3.0}, "reason": "x"}, "has no event"),
        ({"decision": "add", "after": {"event_class": "normal"}}, "needs the class of an event"),
        ({"decision": "undo"}, "decision cannot be taken"),
        ({"decision": "change", "after": {**NEAR, "colour": "red"}, "reason": "x"}, "colour cannot be taken"),
        ({"decision": "confirm", "reviewer": "eve"}, "reviewer cannot be taken"),
        ({"decision": "confirm", "reason": "x" * 2001}, "reason cannot be taken"),
        ([], "cannot be taken"),
        (b'{"decision": "change", "after": {"event_class": "collision", "time_s": NaN}}', "outside the video"),
        (b'{"decision": "change", "after": {"event_class": "collision", "time_s": 1e999}}', "outside the video"),
        (b"{", "cannot be taken"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_refused_in_a_sentence(untouched, body, reason):
    served, item = untouched
    status, answer = decide(served, item, body)
    assert status == 422
    assert reason in answer["error"]
    assert answer["error"].count("\n") == 0
    assert view(served, item)["decisions"] == []


def test_a_decision_on_an_old_state_is_a_conflict_that_tells_what_holds(served, item):
    decide(served, item, {"decision": "change", "after": NEAR, "reason": "it just missed"})
    for body in ({"decision": "confirm"}, {"decision": "change"}):  # a conflict is told before a mistake
        status, answer = decide(served, item, body, '"0"')
        assert status == 409
        assert (answer["etag"], answer["current"]["event_class"]) == ('"1"', "near_collision")
        assert "look at it again" in answer["error"]
    assert len(view(served, item)["decisions"]) == 1
    assert decide(served, item, {"decision": "confirm"}, answer["etag"])[0] == 201


def test_two_servers_on_one_store_conflict_as_two_tabs_do(found):
    with review_server(found, "ada") as ada, review_server(found, "bob") as bob:
        item = first_item(ada, "sort=name")
        assert decide(ada, item, {"decision": "confirm"})[0] == 201
        assert decide(bob, item, {"decision": "confirm"})[0] == 409
        assert decide(bob, item, {"decision": "confirm"}, '"1"')[0] == 201
        assert [each["reviewer"] for each in view(ada, item)["decisions"]] == ["ada", "bob"]


def test_a_decision_without_the_state_it_is_about_is_refused(served, item):
    status, answer = ask_json(served, f"/api/items/{item}/decisions", "POST", OWN, {"decision": "confirm"})
    assert (status, "If-Match" in answer["error"]) == (400, True)


def test_undo_takes_back_the_last_decision_and_keeps_it_in_the_record(served, item):
    said = view(served, item)["current"]
    decide(served, item, {"decision": "confirm"})
    _, changed = decide(served, item, {"decision": "change", "after": NEAR, "reason": "x"}, '"1"')
    status, answer = undo(served, item, '"2"')
    assert (status, answer["etag"]) == (201, '"3"')
    assert answer["correction"]["undoes"] == changed["correction"]["correction_id"]
    assert answer["correction"]["before"]["event_class"] == "near_collision"
    assert answer["correction"]["after"] == said
    assert view(served, item)["current"] == said
    assert [each["decision"] for each in view(served, item)["decisions"]] == ["confirm", "change", "undo"]
    assert undo(served, item, '"2"')[0] == 409
    assert undo(served, item, '"3"')[0] == 201  # the confirmation
    status, answer = undo(served, item, '"4"')
    assert (status, answer["error"]) == (422, "there is no decision of yours on this item to take back.")


def test_nobody_takes_back_anothers_decision(found):
    with review_server(found, "ada") as ada, review_server(found, "bob") as bob:
        item = first_item(ada, "sort=name")
        decide(ada, item, {"decision": "confirm"})
        assert undo(bob, item, '"1"')[0] == 422


def test_an_added_event_leaves_the_items_own_label(served, item):
    said = view(served, item)["current"]
    status, answer = decide(served, item, {"decision": "add", "after": NEAR})
    assert (status, answer["correction"]["before"]) == (201, None)
    assert view(served, item)["current"] == said


def test_many_are_accepted_at_once_each_with_its_outcome(served):
    rows = ask(served, "/queue?sort=name")[2].decode()
    ids = list(dict.fromkeys(part[:16] for part in rows.split('href="/items/')[1:]))
    decide(served, ids[1], {"decision": "confirm"})
    wanted = [{"id": ids[0], "etag": '"0"'}, {"id": ids[1], "etag": '"0"'}, {"id": "0" * 16, "etag": '"0"'}]
    status, answer = ask_json(served, "/api/accept", "POST", OWN, {"items": wanted})
    assert status == 200
    outcomes = [(each["id"], each["outcome"], each["etag"]) for each in answer["outcomes"]]
    assert outcomes == [(ids[0], "confirmed", '"1"'), (ids[1], "conflict", '"1"'), ("0" * 16, "unknown", "")]
    summary = ask_json(served, "/api/summary")[1]
    assert (summary["items"], summary["reviewed"], summary["left"]) == (2, 2, 0)
    assert summary["by_decision"] == {"confirm": 2}


def test_an_unlabelled_clip_cannot_be_confirmed(tmp_path):
    clip = make_clip("one", None)
    write_predictions(tmp_path / "said", [clip], [make_prediction(clip, None)])
    with review_server(tmp_path / "said") as served:
        item = first_item(served)
        assert view(served, item)["current"] is None
        status, answer = decide(served, item, {"decision": "confirm"})
        assert (status, "choose its class" in answer["error"]) == (422, True)
        after = {"event_class": "normal"}
        status, answer = decide(served, item, {"decision": "change", "after": after})
        assert (status, answer["correction"]["before"], answer["correction"]["clip_id"]) == (201, None, "one")


def test_a_blind_review_hides_the_answer_until_the_first_decision(found):
    with review_server(found, "bob") as bob:
        item = first_item(bob, "sort=name")
        decide(bob, item, {"decision": "confirm"})
    with review_server(found, "ada", blind=True) as served:
        assert view(served, item)["hide_answer"]
        page = ask(served, "/queue")[2].decode()
        assert "hidden" in page
        assert decide(served, item, {"decision": "confirm", "blind": True}, '"1"')[1]["correction"]["blind"]
        assert not view(served, item)["hide_answer"]


def test_the_agreement_of_two_reviewers_is_reported(tmp_path):
    clips = [make_clip(f"c{n}", ("collision", "near_collision", "normal")[n % 3]) for n in range(12)]
    write_predictions(tmp_path / "said", clips, [make_prediction(clip, "normal") for clip in clips])
    grades = []
    with review_server(tmp_path / "said", "ada") as ada, review_server(tmp_path / "said", "bob") as bob:
        page = ask(ada, "/queue?sort=name")[2].decode()
        ids = list(dict.fromkeys(part[:16] for part in page.split('href="/items/')[1:]))
        assert ask_json(ada, "/api/summary")[1]["agreement"] is None
        for number, item in enumerate(ids):
            first = ("collision", "near_collision", "normal").index(view(ada, item)["current"]["event_class"])
            assert decide(ada, item, {"decision": "confirm"})[0] == 201
            if number % 4 == 0:
                after = {"event_class": "collision"}
                assert decide(bob, item, {"decision": "change", "after": after, "reason": "x"}, '"1"')[0] == 201
            else:
                assert decide(bob, item, {"decision": "confirm"}, '"1"')[0] == 201
            grades.append([float(first), 0.0 if number % 4 == 0 else float(first)])
        summary = ask_json(ada, "/api/summary")[1]
    expected = krippendorff_alpha_estimate(grades, Bootstrap(range(12)), "nominal")
    assert summary["decided_by_two"] == 12
    assert summary["reviewers"] == {"ada": 12, "bob": 12}
    assert summary["agreement"]["value"] == pytest.approx(expected.value)
    assert summary["agreement"]["low"] < summary["agreement"]["value"] < 1


def test_a_reason_with_a_formula_is_kept_as_it_is(served, item):
    body = {"decision": "change", "after": NEAR, "reason": "=HYPERLINK(1)"}
    assert decide(served, item, body)[1]["correction"]["reason"] == "=HYPERLINK(1)"


def test_an_item_that_does_not_exist_is_not_found(served):
    assert ask_json(served, "/api/items/nothing")[0] == 404
    assert decide(served, "nothing", {"decision": "confirm"})[0] == 404
    assert ask_json(served, "/api/media/nothing")[0] == 404
    assert ask(served, "/items/nothing")[0] == 404
    assert ask(served, "/media/nothing")[0] == 404
    assert ask(served, "/strips/nothing.jpg")[0] == 404
