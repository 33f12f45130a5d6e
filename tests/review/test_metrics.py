"""The metrics page: each count leads to exactly the clips that it counts, whatever is decided meanwhile."""

import re
import time
from html import unescape

import pytest

from tests.evaluation.builders import make_clip, make_prediction
from tests.review.asking import ask, decide
from tests.review.folders import write_clip_set, write_predictions
from tests.review.serving import review_server
from vlm_autodrive.artifacts import PREDICTIONS_FILE
from vlm_autodrive.evaluation import CompareSettings, compare, read_comparison
from vlm_autodrive.records import append_jsonl
from vlm_autodrive.review import open_review, read_source
from vlm_autodrive.review.metrics import find_comparison, matrix_rows
from vlm_autodrive.review.queue import QueueState

SAID = {
    "a": ("collision", "collision", "normal"),
    "b": ("collision", None, "collision"),
    "c": ("near_collision", "collision", "near_collision"),
    "d": ("normal", "normal", "normal"),
    "e": ("normal", "collision", None),
    "f": ("normal", "normal", "near_collision"),
    "unknown": (None, "collision", "normal"),
}
"""Ground truth, what the model one says, what two says."""


@pytest.fixture
def said(tmp_path):
    clips = [make_clip(name, truth) for name, (truth, *_) in SAID.items()]
    for place, model in enumerate(("one", "two"), start=1):
        answers = [make_prediction(clip, row[place]) for clip, row in zip(clips, SAID.values(), strict=True)]
        write_predictions(tmp_path / "predictions" / model, clips, answers)
    return tmp_path / "predictions"


def counts_of(review):
    """What each model's cells say, and how many rows the queue has for each."""
    comparison = review.metrics.wait(60)
    for model, scores in comparison.models.items():
        for truth, cells in matrix_rows(model, scores.confusion, review.source.taxonomy.classes):
            for cell in cells:
                parameters = dict(pair.split("=") for pair in cell.query.split("&"))
                rows = review.rows(QueueState.model_validate(parameters))
                yield (model, truth.name, cell.answer), cell.count, sorted(row.item.clip_id for row in rows)


def metrics_page(address):
    """The page, once it is computed, with the links of its counts: each count and its address."""
    while True:
        status, _, content = ask(address, "/metrics")
        if status != 202:
            page = content.decode()
            return page, [
                (int(n), unescape(at)) for at, n in re.findall(r'href="(/queue\?[^"]+)"[^>]*>(\d+)</a>', page)
            ]
        time.sleep(0.2)


def matching(address, path):
    """How many items the queue says that it lists at an address."""
    text = ask(address, path)[2].decode()
    return int(re.search(r"\d+ to \d+ of (\d+)", text)[1])


def test_each_cell_counts_exactly_the_rows_of_its_queue(said):
    review = open_review(said, "ada")
    found = {cell: ids for cell, count, ids in counts_of(review) if count == len(ids)}
    assert len(found) == 2 * 3 * 4
    assert found["one", "collision", "Collision"] == ["a"]
    assert found["one", "collision", "no answer"] == ["b"]
    assert found["one", "normal", "Collision"] == ["e"]
    assert found["two", "normal", "no answer"] == ["e"]
    assert sum(len(ids) for ids in found.values()) == 2 * 6  # the clip of unknown class is in none
    (pair,) = review.metrics.wait(60).pairs
    for right, wrong, ids in (("two", "one", pair.only_second_right), ("one", "two", pair.only_first_right)):
        rows = review.rows(QueueState(right=right, wrong=wrong))
        assert sorted(row.item.clip_id for row in rows) == sorted(ids) != []
    review.close()


def test_a_decision_changes_neither_a_count_nor_the_clips_it_leads_to(said):
    ids = {item.clip_id: item.item_id for item in read_source(said).items}
    with review_server(said) as served:
        before, links = metrics_page(served)
        assert '<p class="headline">These results mean nothing: ' in before
        assert len(links) == 14  # 6 + 5 cells that hold clips, two of the pair, and the clips of unknown class
        assert [matching(served, at) for _, at in links] == [count for count, _ in links]
        change = {"decision": "change", "after": {"event_class": "normal"}, "reason": "no contact"}
        for clip in ("a", "unknown"):
            assert decide(served, ids[clip], change)[0] == 201
        assert matching(served, "/queue?label=normal") == 5
        assert metrics_page(served)[0] == before
        assert [matching(served, at) for _, at in links] == [count for count, _ in links]


def test_two_answers_for_one_clip_that_differ_are_no_answer_in_both_places(said):
    clip = make_clip("a", "collision")
    append_jsonl(said / "one" / PREDICTIONS_FILE, [make_prediction(clip, "normal")])
    found = {cell: ids for cell, count, ids in counts_of(open_review(said, "ada")) if count == len(ids)}
    assert len(found) == 2 * 3 * 4
    assert found["one", "collision", "no answer"] == ["a", "b"]


def test_the_comparison_of_the_run_is_taken_if_it_is_of_these_predictions(said, tmp_path):
    models = {name: said / name for name in ("two", "one")}
    compare(models, tmp_path / "comparison", CompareSettings(resamples=300, seed=5))
    assert find_comparison(read_source(said)) == read_comparison(tmp_path / "comparison")
    clips = [make_clip(name, truth) for name, (truth, *_) in SAID.items()]
    write_predictions(said / "three", clips, [make_prediction(clip, "normal") for clip in clips])
    assert set(find_comparison(read_source(said)).models) == {"one", "two", "three"}


def test_why_there_are_no_metrics_is_said(said, tmp_path):
    other = make_clip("other")
    write_predictions(said / "three", [other], [make_prediction(other, "normal")])
    with review_server(said) as served:
        assert "three and one were not asked about the same clips" in metrics_page(served)[0]
        assert 'href="/metrics"' in ask(served, "/queue")[2].decode()
    with review_server(said, blind=True) as served:
        assert "start it without --blind" in metrics_page(served)[0]
    with review_server(write_clip_set(tmp_path / "clips", [other])) as served:
        assert "there are no predictions here" in metrics_page(served)[0]
        assert 'href="/metrics"' not in ask(served, "/queue")[2].decode()
