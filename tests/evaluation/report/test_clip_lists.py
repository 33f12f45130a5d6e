"""The lists of clips to which the page's counts lead hold just those clips, and say what they leave out."""

import json
import re

import pytest

from tests.evaluation.builders import NAMES, write_video
from tests.evaluation.synthetic import make_comparison
from vlm_autodrive.artifacts import read_clips
from vlm_autodrive.evaluation import ReportSettings, read_comparison, write_report
from vlm_autodrive.evaluation.compare_stage import predictions_file
from vlm_autodrive.evaluation.report.clip_lists import cell_anchor, confusion_lists, flip_lists
from vlm_autodrive.records import DEFAULT_TAXONOMY, Prediction, read_jsonl


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists")
    videos = [write_video(folder / f"{i}.mp4", seed=i) for i in range(3)]
    return make_comparison(folder, count=90, videos=videos)


@pytest.fixture(scope="module")
def predictions(comparison):
    return {
        name: {p.clip_id: p for p in read_jsonl(comparison / predictions_file(name), Prediction)}
        for name in read_comparison(comparison).models
    }


def test_each_cell_lists_as_many_clips_as_it_counts(comparison, predictions):
    figures = read_comparison(comparison)
    found = confusion_lists(read_clips(comparison), predictions, DEFAULT_TAXONOMY, comparison, 90)
    for number, (model, scores) in enumerate(figures.models.items()):
        listed = {one.anchor: one for one in found[model]}
        for i, row in enumerate(scores.confusion):
            for j, count in enumerate(row):
                one = listed.pop(cell_anchor(number, i, j), None)
                assert (0 if one is None else one.total) == count
                for clip in one.clips if one else ():
                    verdict = predictions[model][clip.clip_id].verdict
                    assert verdict.event_class == (NAMES[j] if j < len(NAMES) else None)
                    assert clip.truth == DEFAULT_TAXONOMY.classes[i].label
        assert not listed


def test_a_long_list_shows_the_surest_and_counts_the_rest(comparison, predictions):
    found = confusion_lists(read_clips(comparison), predictions, DEFAULT_TAXONOMY, comparison, 4)
    long = next(one for one in found["tuned"] if one.total > 4)
    whole = confusion_lists(read_clips(comparison), predictions, DEFAULT_TAXONOMY, comparison, 90)
    every = next(one for one in whole["tuned"] if one.anchor == long.anchor)
    assert (len(long.clips), long.total) == (4, len(every.clips))
    surest = sorted((max(clip.probabilities) for clip in every.clips), reverse=True)
    assert [max(clip.probabilities) for clip in long.clips] == surest[:4]


def test_flips_are_those_of_the_pair(comparison, predictions):
    figures = read_comparison(comparison)
    found = {
        one.anchor: one
        for one in flip_lists(figures, read_clips(comparison), predictions, DEFAULT_TAXONOMY, comparison, 90)
    }
    for number, pair in enumerate(figures.pairs):
        for ids, anchor in (
            (pair.only_second_right, f"flips-{number}-only-second-right"),
            (pair.only_first_right, f"flips-{number}-only-first-right"),
        ):
            assert {clip.clip_id for clip in found[anchor].clips} == set(ids) if ids else anchor not in found


def test_a_video_is_named_from_the_comparison_and_is_no_link(comparison):
    out = write_report(comparison, comparison.parent / "elsewhere" / "report", ReportSettings(clips_listed=3))
    page = (out / "report.html").read_text()
    assert '<td class="where">../0.mp4, 0.0 – 2.0 s</td>' in page
    assert str(comparison.parent) not in page
    assert "in <code>predictions-tuned.jsonl</code> of the comparison" in page
    assert set(re.findall(r'href="(.)', page)) == {"#"}


def test_every_figure_of_the_comparison_stands_in_the_json(comparison):
    out = write_report(comparison, comparison.parent / "report", ReportSettings())
    data = json.loads((out / "report.json").read_text())
    original = json.loads((comparison / "comparison.json").read_text())
    assert {key: data[key] for key in original} == original
    assert data["models"]["tuned"]["calibration"]["temperature_scaled"]["bins"]
    assert 0 < len(data["errors"]) <= 6
