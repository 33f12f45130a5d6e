"""Questions that a data set brought along become VQA samples: true, at equal rates, and telling nothing."""

import json
from collections import Counter

import pytest
from pydantic import ValidationError

from tests.supervision.worlds import real_clip
from vlm_autodrive.artifacts import read_questions, read_samples, write_clips, writing_artifact
from vlm_autodrive.artifacts.files import QUESTIONS_FILE
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.datasets.vru_accident import read_vru_accident
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.records import DEFAULT_TAXONOMY, DatasetQuestion, write_jsonl
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision import SUMMARY_FILE, SuperviseSettings, supervise
from vlm_autodrive.supervision.dataset_questions import assign_questions, dataset_question_samples
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.rules.wording import NO_EVENT

NORMAL = [real_clip(number, "normal", None) for number in range(200)]


def clip_of(video_id, event_class="collision", place=0):
    changes = {"clip_id": f"{video_id}-w{place}", "video_id": video_id, "path": f"/vru/{video_id}.mp4"}
    return real_clip(0, event_class, None).model_copy(update=changes)


def question(video_id, topic="accident reason", **changes):
    fields = {
        "question_id": f"{video_id}/{topic}", "video_id": video_id, "topic": topic, "question": "Why did it happen?",
        "options": ("the lorry braked late", "it rained"), "answer": "the lorry braked late", "source": "Set",
    }  # fmt: skip
    return DatasetQuestion(**(fields | changes))


def made(clips, questions):
    """The samples of each clip, and how many questions were left out."""
    asked = assign_questions(clips, questions, DEFAULT_TAXONOMY, 0)
    facts = [facts_of(clip, DEFAULT_TAXONOMY) for clip in clips if clip.clip_id in asked.by_clip]
    samples = {f.clip.clip_id: dataset_question_samples(f, asked.by_clip[f.clip.clip_id], 0) for f in facts}
    return samples, asked.left_out


def flat(clips, questions):
    return [sample for samples in made(clips, questions)[0].values() for sample in samples]


@pytest.mark.fixtures
def test_vru_accident_questions_become_vqa_samples(fixtures_dir):
    reading = read_vru_accident(fixtures_dir / "annotations/vru-accident", ImportSettings())
    samples = flat([clip_of(video.video_id) for video in reading.videos] + NORMAL, reading.questions)
    assert {sample.type for sample in samples} == {"vqa"}
    assert len({sample.sample_id for sample in samples}) == len(samples)
    answers = {(q.video_id, f"imported_{q.topic.replace(' ', '_')}"): q.answer for q in reading.questions}
    for sample in samples:
        answer = sample.target.splitlines()[1]
        if sample.clip_id.startswith("real_"):
            assert answer == NO_EVENT
        else:
            assert answer == answers[sample.clip_id.removesuffix("-w0"), sample.topic]
        assert f"{sample.answer}: {answer}" in sample.prompt.text.splitlines()
        assert len(sample.options) == 4
        assert sample.teacher == "VRU-Accident"
    accepted = Counter(sample.topic for sample in samples if sample.accepted)
    assert accepted["imported_location"] == accepted["imported_road_type"] == 323
    assert accepted["imported_accident_type"] > 450
    assert not any("accident" in sample.prompt.text.splitlines()[0] for sample in samples)
    failed = {check.name for sample in samples if not sample.accepted for check in sample.checks if not check.passed}
    assert failed == {"leaks"}  # options that say accident, crash or collision


@pytest.mark.fixtures
def test_questions_on_an_event_are_asked_of_both_at_the_same_rate(fixtures_dir):
    reading = read_vru_accident(fixtures_dir / "annotations/vru-accident", ImportSettings())
    with_event = [clip_of(video.video_id) for video in reading.videos]
    silent = {video.video_id for video in reading.videos[::3]}
    samples = flat(with_event + NORMAL, [q for q in reading.questions if q.video_id not in silent])
    for topic in ("imported_accident_type", "imported_accident_reason", "imported_prevention_method"):
        asked = Counter(sample.clip_id.startswith("real_") for sample in samples if sample.topic == topic)
        assert asked[False] == len(with_event) - len(silent)
        assert asked[True] / len(NORMAL) == pytest.approx(asked[False] / len(with_event), abs=0.01)


def test_a_question_on_the_event_is_not_asked_of_a_window_beside_it():
    questions = [question("a"), question("a", "location", options=(), answer="in a town", question="Where is it?")]
    samples = made([clip_of("a"), clip_of("a", "normal", place=1)], questions)[0]
    assert {sample.topic: sample.target.splitlines()[-1] for sample in samples["a-w0"]} == {
        "imported_accident_reason": "the lorry braked late", "imported_location": "in a town",
    }  # fmt: skip
    assert {sample.topic: sample.target.splitlines()[-1] for sample in samples["a-w1"]} == {
        "imported_accident_reason": NO_EVENT, "imported_location": "in a town",
    }  # fmt: skip


def test_without_clips_to_compare_no_question_presupposes_an_event():
    samples, left_out = made([clip_of("a")], [question("a"), question("a", "road type")])
    assert [sample.topic for sample in samples["a-w0"]] == ["imported_road_type"]
    assert left_out == 1


@pytest.mark.parametrize(
    ("change", "event_class"),
    [
        ({"question": "Who caused the crash?", "topic": "blame"}, "collision"),
        ({"question": "What is in 00000.mp4?", "topic": "what"}, "collision"),
        ({"answer": "the lorry hit a car", "options": ()}, "near_collision"),
    ],
)
def test_questions_that_tell_and_answers_that_contradict_are_not_taught(change, event_class):
    clip = real_clip(0, event_class, None)
    samples = made([clip, real_clip(1, "normal", None)], [question(clip.video_id, **change)])[0][clip.clip_id]
    assert [sample.accepted for sample in samples] == [False]
    assert any(check.message for check in samples[0].checks)


def test_a_question_about_a_span_is_asked_in_clip_time_of_clips_without_an_event_that_show_it_whole():
    reason = "because the light turns red"
    asked = question(
        "a", "reason of the ego action", question="The car slows down. Why?", options=(), answer=reason,
        start_s=12.0, end_s=15.5,
    )  # fmt: skip
    places = [(10.0, 20.0), (13.0, 23.0), (5.0, 15.0), (12.0, 15.5)]
    clips = [
        clip_of("a", event_class, place).model_copy(update={"start_s": start_s, "end_s": end_s})
        for event_class in ("normal", "collision")
        for place, (start_s, end_s) in enumerate(places, start=10 * (event_class == "collision"))
    ]
    samples = made(clips, [asked])[0]
    assert {clip_id: [(s.prompt.text, s.target) for s in own] for clip_id, own in samples.items()} == {
        "a-w0": [("From t=2.0 to t=5.5: The car slows down. Why?", reason)],
        "a-w3": [("From t=0.0 to t=3.5: The car slows down. Why?", reason)],
    }
    assert all(sample.accepted for own in samples.values() for sample in own)


@pytest.mark.parametrize("span", [(3.0, None), (None, 3.0), (3.0, 3.0), (4.0, 3.0), (-1.0, 3.0)])
def test_a_span_has_a_start_and_after_it_an_end(span):
    with pytest.raises(ValidationError):
        question("a", start_s=span[0], end_s=span[1])


def test_options_are_shuffled_and_stay_the_same_from_run_to_run():
    clips = [clip_of(f"v{number}") for number in range(40)] + NORMAL[:40]
    questions = [question(f"v{number}") for number in range(40)]
    first = flat(clips, questions)
    assert first == flat(clips, questions)
    places = Counter(i.answer for i in first if NO_EVENT not in i.target)
    assert set(places) == {"A", "B", "C"}


class Told(SilentReporter):
    def __init__(self):
        self.lines = []

    def say(self, message):
        self.lines.append(message)


def test_the_stage_asks_them_unless_switched_off(tmp_path):
    folder = tmp_path / "clips"
    with writing_artifact(folder, "clips", {}, Settings()) as partial:
        write_clips(partial, folder, DEFAULT_TAXONOMY, [clip_of("a"), clip_of("b")])
        write_jsonl(partial / QUESTIONS_FILE, [question("a"), question("a", "road type"), question("z", "road type")])
    told = Told()
    nothing_else = {"types": ("verdict", "vqa"), "vqa_per_clip": 0, "understanding_per_clip": 0}
    out = supervise(folder, tmp_path / "on", SuperviseSettings(**nothing_else), told)
    assert [(i.clip_id, i.topic) for i in read_samples(out) if i.type == "vqa"] == [("a-w0", "imported_road_type")]
    assert json.loads((out / SUMMARY_FILE).read_text())["not_made"] == {
        "vqa": {"nothing is known that could be asked": 1}
    }
    assert any(line.startswith("1 dataset questions are not asked") for line in told.lines)
    for number, changes in enumerate(({"dataset_questions": False}, {"types": ("verdict",)})):
        settings = SuperviseSettings(**(nothing_else | changes))
        assert {i.type for i in read_samples(supervise(folder, tmp_path / f"off{number}", settings))} == {"verdict"}


def test_questions_travel_from_the_data_set_to_the_clips(tmp_path, make_video):
    entry = {"question": "What type of road is shown?", "options": "A. highway, B. alley", "GT": "B"}
    content = {f"./VRU_videos/DoTA/VRU_{n}.mp4": {"road type": entry} for n in (1, 2)}
    (tmp_path / "DoTA").mkdir()
    (tmp_path / "DoTA" / "DoTA_VQA_annotation.json").write_text(json.dumps(content))
    make_video("VRU_videos/DoTA/VRU_1.mp4", count=20)
    catalog = import_dataset("vru-accident", tmp_path, tmp_path / "catalog", ImportSettings())
    clips = build_clips(catalog, tmp_path / "clips", ClipSettings())
    assert read_questions(clips) == read_questions(catalog)
    assert [q.answer for q in read_questions(clips)] == ["alley", "alley"]
