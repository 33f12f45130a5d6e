"""Which items the queue lists, in which order, and where one stands among them."""

import pytest

from tests.evaluation.builders import make_clip, make_prediction
from tests.review.asking import ask, ask_json, decide
from tests.review.folders import write_predictions
from tests.review.serving import review_server
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import IncidentMetadata
from vlm_autodrive.review import read_source
from vlm_autodrive.review.queue import PAGE_SIZE, ReviewQueue, queue_state, worth


def chances(p):
    return {"collision": p / 2, "near_collision": p / 2, "normal": 1 - p}


CLIPS = {
    "sure": ("collision", "collision", 0.98, "collision"),
    "unsure": ("collision", "collision", 0.55, "collision"),
    "wrong": ("normal", "collision", 0.9, "collision"),
    "split": ("normal", "normal", 0.1, "collision"),
    "both": ("normal", "near_collision", 0.5, "normal"),
    "open": (None, "normal", 0.2, "normal"),
    "failed": ("normal", None, None, "normal"),
}
"""Label, what model a says and its probability of any event, what model b says."""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("said")
    rain = IncidentMetadata(weather="rain")
    clips = [
        make_clip(name, label, incident=rain if name in ("sure", "both") else IncidentMetadata())
        for name, (label, *_) in CLIPS.items()
    ]
    of_a = [
        make_prediction(clip, answer, probabilities=None if p is None else chances(p))
        for clip, (_, answer, p, _) in zip(clips, CLIPS.values(), strict=True)
    ]
    of_b = [make_prediction(clip, other) for clip, (*_, other) in zip(clips, CLIPS.values(), strict=True)]
    write_predictions(folder / "a", clips, of_a)
    write_predictions(folder / "b", clips, of_b)
    return folder


@pytest.fixture(scope="module")
def source(said):
    return read_source(said)


def listed(source, query=""):
    state = queue_state(dict(pair.split("=") for pair in query.split("&") if pair))
    rows = ReviewQueue(source.items, source.models, source.taxonomy, "ada").rows({}, state)
    return [row.item.clip_id for row in rows]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sort=name", sorted(CLIPS)),
        ("sort=name&class=collision", ["sure", "unsure", "wrong"]),
        ("sort=name&class=collision&model=b", ["split", "sure", "unsure", "wrong"]),
        ("sort=name&label=collision", ["sure", "unsure"]),
        ("sort=name&min_p=0.5", ["both", "sure", "unsure", "wrong"]),
        ("sort=name&min_p=0.15&max_p=0.6", ["both", "open", "unsure"]),
        ("sort=name&model=b&min_p=0", []),
        ("sort=name&against=label", ["both", "failed", "split", "wrong"]),
        ("sort=name&against=label&model=b", ["split", "wrong"]),
        ("sort=name&against=models", ["both", "failed", "split"]),
        ("sort=name&slice=weather:rain", ["both", "sure"]),
        ("sort=name&slice=weather:snow", []),
        ("sort=name&slice=nothing", []),
        ("sort=name&model=nobody", []),
        ("sort=name&reviewed=yes", []),
        ("sort=p&min_p=0.3", ["sure", "wrong", "unsure", "both"]),
    ],
)
def test_filters(source, query, expected):
    assert listed(source, query) == expected


def test_what_is_most_worth_a_look_comes_first(source):
    # uncertainty at 0.5 is 1, at 0.55 0.9, at 0.9, 0.1 and 0.2 it is 0.2, 0.2 and 0.4; plus one for each disagreement
    assert listed(source) == ["both", "split", "failed", "wrong", "unsure", "open", "sure"]
    assert worth(0.25, against_label=True, against_models=False) == 1.25
    assert worth(0.0, against_label=True, against_models=True) == 2.0


def test_a_sample_is_the_same_whatever_the_order_and_differs_by_seed(source):
    drawn = listed(source, "sample=3&seed=1&sort=name")
    assert len(drawn) == 3 and drawn == sorted(drawn)
    assert sorted(listed(source, "sample=3&seed=1&sort=p")) == drawn
    assert len({tuple(listed(source, f"sample=3&seed={seed}&sort=name")) for seed in range(8)}) > 1
    assert sorted(listed(source, "sample=100")) == sorted(CLIPS)
    # each is drawn about equally often
    counts = dict.fromkeys(CLIPS, 0)
    for seed in range(350):
        for name in listed(source, f"sample=2&seed={seed}"):
            counts[name] += 1
    assert all(60 <= count <= 140 for count in counts.values())


@pytest.mark.parametrize(
    "query", ["sort=best", "min_p=2", "min_p=x", "page=0", "reviewed=maybe", "against=me", "sample=0", "colour=red"]
)
def test_an_address_that_cannot_be_is_refused_in_a_sentence(said, query):
    with pytest.raises(UserError, match=r"the address asks for .*, which cannot be: .*\."):
        queue_state(dict([query.split("=")]))
    with review_server(said) as served:
        status, _, content = ask(served, f"/queue?{query}")
        assert (status, content.count(b"\n")) == (400, 1)
        assert ask_json(served, f"/api/items/{'0' * 16}?{query}")[0] == 400


def test_the_state_comes_back_from_its_own_address():
    state = queue_state(
        {"class": "collision", "min_p": "0.5", "sort": "p", "slice": "weather:Heavy rain & fog", "page": ""}
    )
    assert state.query(page=3) == "class=collision&min_p=0.5&slice=weather%3AHeavy+rain+%26+fog&sort=p&page=3"
    assert queue_state({}).query() == ""


def test_previous_and_next_go_by_the_queue_that_one_came_from(said):
    with review_server(said) as served:
        ids = {item.clip_id: item.item_id for item in read_source(said).items}

        def neighbours(name, query):
            view = ask_json(served, f"/api/items/{ids[name]}?{query}")[1]
            names = {item_id: name for name, item_id in ids.items()}
            place = (view["position"], view["queue_length"])
            return names.get(view["previous"]), names.get(view["next"]), *place

        assert neighbours("sure", "sort=name&slice=weather:rain") == ("both", None, 2, 2)
        assert neighbours("both", "sort=name&slice=weather:rain") == (None, "sure", 1, 2)
        # a decision takes the item out of the queue, but it stays on the screen, and the next one is still the next
        assert decide(served, ids["open"], {"decision": "change", "after": {"event_class": "normal"}})[0] == 201
        assert neighbours("open", "sort=name&reviewed=no") == ("failed", "split", 3, 7)
        assert neighbours("failed", "sort=name&reviewed=no") == ("both", "split", 2, 6)
        rows = ask(served, "/queue?reviewed=yes")[2].decode()
        assert ids["open"] in rows and ids["sure"] not in rows


def test_long_queues_come_in_pages(tmp_path):
    clips = [make_clip(f"c{number:03d}") for number in range(PAGE_SIZE + 5)]
    write_predictions(tmp_path / "said", clips, [make_prediction(clip, "normal") for clip in clips])
    with review_server(tmp_path / "said") as served:
        pages = [ask(served, f"/queue?sort=name&page={page}")[2].decode() for page in (1, 2, 9)]
    seen = [{part[:16] for part in page.split('href="/items/')[1:]} for page in pages]
    assert [len(each) for each in seen] == [PAGE_SIZE, 5, 5]
    assert not seen[0] & seen[1] and seen[1] == seen[2]
