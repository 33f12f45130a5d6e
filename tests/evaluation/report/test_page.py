import base64
import json
import re

import pytest
from PIL import Image

from tests.evaluation.builders import make_clip, make_prediction, write_prediction_set, write_video
from vlm_autodrive.artifacts import writing_artifact
from vlm_autodrive.cli.tables import _long_videos_line
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import CompareSettings, ReportSettings, compare, write_report
from vlm_autodrive.evaluation.predict.stage import write_predictions
from vlm_autodrive.evaluation.report.examples import choose_examples, strip_times
from vlm_autodrive.evaluation.report.worst_errors import worst_errors
from vlm_autodrive.metrics import FEW_CLIPS, LongVideoScores, LongVideoSearch, event_detection_metrics, wilson
from vlm_autodrive.metrics.anticipation import TimeToAlert
from vlm_autodrive.records import DEFAULT_TAXONOMY, EventClass, Taxonomy
from vlm_autodrive.settings import Settings

NAMES = DEFAULT_TAXONOMY.names
ATTACK = "<script>alert('x')</script> hits [t=1.0] & runs"


@pytest.fixture
def comparison(tmp_path):
    videos = [str(write_video(tmp_path / f"{i}.mp4", seed=i)) for i in range(2)]
    clips = [
        make_clip(f"clip-{i}", NAMES[i % 3], path=videos[i % 2], triplet_id=f"t{i // 3}", group_id=f"g{i // 3}")
        for i in range(18)
    ]
    clips[3] = clips[3].model_copy(update={"path": str(tmp_path / "gone.mp4")})
    paths = {}
    for model in ("base", "tuned", "majority"):
        said = []
        for i, clip in enumerate(clips):
            answer = clip.event_class if model == "tuned" and i % 5 else "normal"
            p = {"collision": 0.2, "near_collision": 0.3, "normal": 0.5}
            prediction = make_prediction(
                clip, answer, traced=None if model == "majority" else answer, time_s=1.1, probabilities=p
            )
            if prediction.reasoning is not None:
                changed = prediction.reasoning.model_copy(update={"trace": ATTACK})
                prediction = prediction.model_copy(update={"reasoning": changed})
            said.append(prediction)
        paths[model] = write_prediction_set(tmp_path / model, clips, said)
    return compare(paths, tmp_path / "comparison", CompareSettings(resamples=300))


class Searched(Settings):
    threshold: float


def long_videos_of(folder, threshold=0.613, scored=True, fixed_on=("000.mp4", "001.mp4"), **changes):
    """What detection leaves: four videos of half an hour, three of five events found, two false alarms."""
    true = {"2": [10.0, 60.0], "3": [30.0, 90.0], "4": [50.0], "5": []}
    found = {"2": [10.5, 61.0], "3": [30.1, 200.0], "4": [300.0]}
    scores = event_detection_metrics(found, true, dict.fromkeys(true, 0.5), 1.5)
    score = LongVideoScores(
        model="m",
        threshold=threshold,
        tolerance_s=1.5,
        videos=4,
        videos_with_errors=1,
        scores=scores,
        median_error_s=0.5,
        class_right=wilson(2, 3),
        times_real_time=7.25,
    )
    search = LongVideoSearch(
        videos=4,
        events=5,
        hours=2.0,
        threshold=threshold,
        threshold_fitted_on=fixed_on,
        max_false_alarms_per_hour=12 if fixed_on else None,
        score=score if scored else None,
        timelines=("timelines/1_002.png", "timelines/2_003.png"),
    ).model_copy(update=changes)
    with writing_artifact(folder, "long videos", {}, Searched(threshold=threshold), overwrite=True) as work:
        (work / "timelines").mkdir()
        for number, name in enumerate(search.timelines):
            Image.new("RGB", (16, 9), (200, 10 * number, 0)).save(work / name)
        (work / "long_videos.json").write_text(search.model_dump_json())
    return folder


def long_videos_section(page):
    [section] = re.findall(r'<section id="long-videos">\s*<h2>Long videos</h2>(.*?)</section>', page, re.DOTALL)
    return re.sub(r"\s+", " ", section)


def report_of(comparison, long_videos=None, **settings):
    out = write_report(comparison, comparison.parent / "report", ReportSettings(**settings), long_videos=long_videos)
    return (out / "report.html").read_text(), json.loads((out / "report.json").read_text())


def test_the_page_needs_nothing_from_outside(comparison):
    page, _ = report_of(comparison)
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!data:)\w", page)
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert page.count("data:image/jpeg;base64,") >= 7 * 6


def test_model_text_is_escaped_and_citations_marked(comparison):
    page, _ = report_of(comparison)
    assert "&lt;script&gt;alert(" in page
    assert "<mark>[t=1.0]</mark> &amp; runs" in page


def test_notes_stand_at_the_head(comparison):
    page, data = report_of(comparison, notes=("The base model is blind by construction.",), title="My <run>")
    head = page[: page.index("</header>")]
    assert "The base model is blind by construction." in head
    assert "Other cameras, roads and weather may give other numbers." in head
    assert '"headline invalid">These results mean nothing: 18 clips are too few to evaluate a model on. On 18 ' in head
    assert "None of the 18 test clips is from our simulation." in page
    assert "My &lt;run&gt;" in head
    assert data["notes"][0] == "The base model is blind by construction."


def test_the_json_holds_the_comparison(comparison):
    _, data = report_of(comparison)
    original = json.loads((comparison / "comparison.json").read_text())
    assert data["models"] == original["models"]
    assert data["pairs"] == original["pairs"]
    assert (data["before"], data["after"], data["n"]) == ("base", "tuned", 18)
    assert set(data["models"]["base"]["accuracy"]) >= {"value", "low", "high"}


@pytest.mark.parametrize(("fixed_on", "shown"), [(("000.mp4",), True), ((), False)])
def test_the_promise_stands_beside_the_outcome_of_a_calibrated_model_only(comparison, fixed_on, shown):
    promise = "calibrated for 1 false alarms per hour: expect a recall of <0.9>"
    page, _ = report_of(comparison, long_videos_of(comparison.parent / "long", fixed_on=fixed_on, expectation=promise))
    told = "The promise made beforehand: calibrated for 1 false alarms per hour: expect a recall of &lt;0.9&gt;"
    assert (told in long_videos_section(page)) == shown


def test_without_long_videos_there_is_no_section_on_them(comparison):
    page, data = report_of(comparison)
    assert "Long videos" not in page
    assert data["long_videos"] is None


def test_the_search_of_long_videos_is_shown(comparison, tmp_path):
    page, data = report_of(comparison, long_videos_of(tmp_path / "long_videos"))
    section = long_videos_section(page)
    scores = data["long_videos"]["score"]["scores"]
    assert (scores["found"], scores["events"], scores["false_alarms"], scores["hours"]) == (3, 5, 2, 2.0)
    assert data["long_videos"]["threshold_fitted_on"] == ["000.mp4", "001.mp4"]
    assert "timelines" not in data["long_videos"]
    assert "Time to alert" not in section
    shown = dict(
        re.findall(r'<div class="label">([^<]*)</div><div class="change now">([^<]*)</div>', section),
    )
    assert shown == {
        "Recall within 1.5 s": "0.60",
        "False alarms per hour": "1.0",
        "Threshold": "0.613",
        "Speed": "7.2 ×",
    }
    recall, rate = scores["recall"], scores["false_alarms_per_hour"]
    assert f"3 of 5 events found; {recall['low']:.2f} – {recall['high']:.2f}" in section
    assert f"2 in 2.00 h; {rate['low']:.1f} – {rate['high']:.1f}" in section
    assert "fitted beforehand on 2 other videos (000.mp4, 001.mp4), to allow at most 12 false alarms" in section
    assert "1 of the videos could not be read" in section
    assert "Only 4 independent videos" in section


def test_the_timelines_are_in_the_page_itself(comparison, tmp_path):
    folder = long_videos_of(tmp_path / "long_videos")
    page, _ = report_of(comparison, folder)
    shown = re.findall(r'src="data:image/png;base64,([^"]+)" alt="Timeline of (\w+)"', page)
    assert [name for _, name in shown] == ["002", "003"]
    wanted = [(folder / "timelines" / name).read_bytes() for name in ("1_002.png", "2_003.png")]
    assert [base64.b64decode(picture) for picture, _ in shown] == wanted


def test_the_terminal_says_when_the_events_are_too_few(tmp_path):
    folder = long_videos_of(tmp_path / "long_videos")
    search = LongVideoSearch.model_validate_json((folder / "long_videos.json").read_text())
    assert search.score.scores.events < FEW_CLIPS
    assert _long_videos_line(search).endswith("times real time. So few events allow no firm conclusion.")
    many = search.score.scores.model_copy(update={"events": FEW_CLIPS})
    enough = search.model_copy(update={"score": search.score.model_copy(update={"scores": many})})
    assert _long_videos_line(enough).endswith("times real time.")


def test_the_time_to_alert_is_shown_beside_that_of_a_detector_that_always_alarms(comparison, tmp_path):
    folder = long_videos_of(tmp_path / "long_videos")
    search = LongVideoSearch.model_validate_json((folder / "long_videos.json").read_text())
    alert = TimeToAlert(
        threshold=0.613,
        horizon_s=10,
        events=5,
        warned=wilson(4, 5),
        median_s=wilson(1, 2),
        mean_s=3.25,
        mean_of_always_alarming_s=9.8,
    )
    score = search.score.model_copy(update={"time_to_alert": alert})
    shown = long_videos_of(tmp_path / "others", score=score)
    section = long_videos_section(report_of(comparison, shown)[0])
    assert (
        "At the threshold 0.613, 4 of the 5 events (0.80, 0.38 – 0.96) had an alarm in the 10 s before they happened"
        in section
    )
    assert "in the literature, is 3.2 s; a detector that always alarms gets 9.8 s" in section


def test_a_threshold_that_was_not_fitted_beforehand_is_said_to_be_so(comparison, tmp_path):
    page, _ = report_of(comparison, long_videos_of(tmp_path / "long_videos", fixed_on=()))
    assert "it was not fitted on other videos" in long_videos_section(page)
    assert "fitted beforehand" not in page


def test_long_videos_without_truth_are_shown_without_scores(comparison, tmp_path):
    page, data = report_of(comparison, long_videos_of(tmp_path / "long_videos", scored=False))
    section = long_videos_section(page)
    assert "Events found" in section and "not scored" in section
    assert "Recall" not in section and "simulated" not in section
    assert data["long_videos"]["score"] is None


def test_nothing_found_and_nothing_true_is_no_error(comparison, tmp_path):
    empty = event_detection_metrics({}, {"2": []}, {"2": 0.5}, 1.5)
    score = LongVideoScores(
        model="m",
        threshold=0.5,
        tolerance_s=1.5,
        videos=1,
        videos_with_errors=0,
        scores=empty,
        median_error_s=None,
        class_right=wilson(0, 0),
    )
    folder = long_videos_of(tmp_path / "long_videos", score=score, videos=1, events=0, timelines=())
    section = long_videos_section(report_of(comparison, folder)[0])
    assert "0 of 0 events found" in section
    assert "Speed" not in section and "Timelines" not in section


def test_new_findings_make_the_report_anew(comparison, tmp_path):
    folder = long_videos_of(tmp_path / "long_videos")
    out = write_report(comparison, tmp_path / "report", ReportSettings(), long_videos=folder)
    before = (out / "report.html").stat().st_mtime_ns
    write_report(comparison, out, ReportSettings(), long_videos=folder)
    assert (out / "report.html").stat().st_mtime_ns == before
    long_videos_of(folder, threshold=0.721)
    write_report(comparison, out, ReportSettings(), long_videos=folder, overwrite=True)
    assert "0.721" in long_videos_section((out / "report.html").read_text())


def test_a_folder_that_holds_no_long_videos_is_refused(comparison, tmp_path):
    with pytest.raises(UserError, match="not long videos; give another folder"):
        write_report(comparison, tmp_path / "report", ReportSettings(), long_videos=comparison)


def test_an_unreadable_video_is_said_to_be_one(comparison):
    page, _ = report_of(comparison, examples_per_class=18)
    assert page.count('<p class="problem">No frames:') == 1
    shown = re.findall(r'<article class="example" id="([^"]+)">', page)
    assert len(shown) == len(set(shown)) == 18


def test_the_figures_on_the_page_are_those_of_the_models(comparison):
    page, data = report_of(comparison)
    row = re.search(r"<th>Accuracy</th>(.*?)</tr>", page, re.DOTALL).group(1)
    shown = re.findall(r'<td class="num">([\d.]+)', row)
    assert shown == [f"{data['models'][m]['accuracy']['value']:.2f}" for m in ("base", "tuned", "majority")]


def test_examples_are_right_or_wrong_as_said():
    clips = [make_clip(f"c{i}", NAMES[i % 2]) for i in range(20)]
    predictions = {c.clip_id: make_prediction(c, "collision" if i < 10 else None) for i, c in enumerate(clips)}
    right = choose_examples(clips, predictions, "collision", True, 3)
    wrong = choose_examples(clips, predictions, "collision", False, 99)
    assert len(right) == 3
    assert {c.clip_id for c in right} <= {f"c{i}" for i in range(0, 10, 2)}
    assert {c.clip_id for c in wrong} == {f"c{i}" for i in range(10, 20, 2)}


def chosen_errors(truths, said, most):
    clips = [make_clip(f"c{i}", truth) for i, truth in enumerate(truths)]
    predictions = {
        clip.clip_id: make_prediction(
            clip, answer, probabilities=None if p is None else {**dict.fromkeys(NAMES, (1 - p) / 2), answer: p}
        )
        for clip, (answer, p) in zip(clips, said, strict=True)
    }
    return worst_errors(clips, predictions, DEFAULT_TAXONOMY, most)


def test_the_errors_worth_watching_are_those_of_which_the_model_is_surest():
    truths = ["normal"] * 5 + ["collision"] * 4
    said = [("collision", 0.6), ("normal", 0.99), ("near_collision", 0.9), (None, None), ("collision", None)]
    said += [("normal", 0.7), ("normal", 0.8), ("collision", 0.9), ("near_collision", 0.95)]
    found = chosen_errors(truths, said, 9)
    assert [(e.kind, e.clip.clip_id) for e in found] == [
        ("Missed", "c6"), ("Missed", "c5"), ("False alarm", "c2"), ("False alarm", "c0"), ("False alarm", "c4"),
        ("Another class", "c8"),
    ]  # fmt: skip
    assert found[1].why.startswith("The model says Normal with a probability of 0.70: number 2 of 2 missed events")
    assert found[4].why.startswith("The model says Collision. One of 3 false alarms; without probabilities")


@pytest.mark.parametrize(
    ("missed", "alarms", "most", "shown"), [(9, 9, 4, (2, 2)), (1, 9, 4, (1, 3)), (9, 1, 5, (4, 1)), (9, 9, 0, (0, 0))]
)
def test_missed_events_and_false_alarms_share_the_places(missed, alarms, most, shown):
    found = chosen_errors(
        ["collision"] * missed + ["normal"] * alarms, [("normal", 0.8)] * missed + [("collision", 0.9)] * alarms, most
    )
    kinds = [error.kind for error in found]
    assert (kinds.count("Missed"), kinds.count("False alarm")) == shown


@pytest.mark.parametrize(
    ("event_s", "first", "last"), [(1.0, 0.0, 2.0), (0.1, 0.0, 1.0), (1.9, 1.0, 2.0), (None, 0.5, 1.5)]
)
def test_the_strip_stays_inside_the_clip_around_the_event(event_s, first, last):
    around = 1.5 if event_s == 1.0 else 0.5
    clip = make_clip("a", "collision").model_copy(update={"event_time_s": event_s})
    times = strip_times(clip, ReportSettings(seconds_around=around, frames_per_example=5))
    assert (times[0], times[-1], len(times)) == (first, last, 5)


def test_the_summary_begins_with_the_sentences_of_the_page(comparison):
    page, data = report_of(comparison)
    text = (comparison.parent / "report" / "report.md").read_text()
    assert text.splitlines()[2] == f"**{data['headline']}**"
    assert data["headline"].split(". ")[0] in page[: page.index("</header>")]
    assert [step["text"] in text for step in data["next_steps"]] == [True] * len(data["next_steps"])
    assert len(data["next_steps"]) >= 3


def test_files_beside_the_page_are_written_only_where_they_are_asked_for(comparison, tmp_path):
    plain = write_report(comparison, tmp_path / "plain", ReportSettings())
    assert not (plain / "report-files").exists()
    out = write_report(comparison, tmp_path / "files", ReportSettings(separate_files=True, with_clips=True))
    page = (out / "report.html").read_text()
    named = set(re.findall(r'(?:src|href|poster)="(report-files/[^"]+)"', page))
    assert named == {f"report-files/{path.name}" for path in (out / "report-files").iterdir()}
    assert {name.rpartition(".")[2] for name in named} == {"css", "jpg", "mp4"}
    assert "data:" not in page and "<style" not in page and "style=" not in page


WORST_CASES = {
    "one clip": ({"tuned": ["collision"]}, ["normal"]),
    "one model": ({"tuned": ["collision", "normal", "normal"]}, ["normal", "collision", "near_collision"]),
    "no tuned model": ({"base": ["normal"] * 3, "majority": ["normal"] * 3}, ["collision", "normal", "normal"]),
    "no events": ({"base": ["collision"] * 4, "tuned": ["normal"] * 4}, ["normal"] * 4),
    "no normal clip": ({"base": ["normal"] * 4, "tuned": ["collision"] * 4}, ["collision"] * 4),
    "several models": ({name: ["normal", "collision"] for name in "abcd"}, ["collision", "normal"]),
    "nothing answered": ({"tuned": [None, None]}, ["collision", "normal"]),
}


@pytest.mark.parametrize("case", WORST_CASES)
def test_every_comparison_makes_a_page(tmp_path, case):
    answers, truths = WORST_CASES[case]
    clips = [make_clip(f"c{i}", truth) for i, truth in enumerate(truths)]
    paths = {
        name: write_prediction_set(
            tmp_path / name, clips, [make_prediction(clip, answer) for clip, answer in zip(clips, said, strict=True)]
        )
        for name, said in answers.items()
    }
    made = compare(paths, tmp_path / "comparison", CompareSettings(resamples=200))
    page, data = report_of(made, with_clips=True)
    assert f"On {len(clips)} test clip{'s' * (len(clips) != 1)}" in data["headline"]
    assert "None" not in data["headline"] and "–" not in data["headline"]
    assert "too few clips" in page
    text = (tmp_path / "report" / "report.md").read_text()
    assert all("()" not in written and "(; " not in written for written in (page, text)), "no empty brackets"
    assert page.count("No frames: the file does not exist") == page.count('<p class="problem">')


def test_classes_of_ones_own_are_told_by_their_labels(tmp_path):
    own = Taxonomy(
        classes=(
            EventClass(name="braking", label="Hard braking", code="A", definition="It brakes."),
            EventClass(name="calm", label="Calm", code="B", definition="It drives on.", is_event=False),
        )
    )
    clips = [make_clip(f"c{i}", ("braking", "calm")[i % 2]) for i in range(4)]
    said = [make_prediction(clip, "braking") for clip in clips]
    with writing_artifact(tmp_path / "tuned", "predictions", {}, Settings()) as partial:
        write_predictions(partial, tmp_path / "tuned", own, clips, said)
    made = compare({"tuned": tmp_path / "tuned"}, tmp_path / "comparison", CompareSettings(resamples=200))
    page, data = report_of(made)
    assert data["headline"].startswith(
        "These results mean nothing: 4 clips are too few to evaluate a model on. "
        "On 4 test clips the trained model found 2 of 2 Hard braking clips. It raised a false alarm on 2 of 2 Calm "
    )
    assert "False alarm:</span> Calm" in page
