"""The stage as a whole, by rules."""

import json
import subprocess
import sys

import pytest

from tests.supervision.worlds import plain_clip, random_clip, real_clip
from vlm_autodrive.artifacts import read_clips, read_provenance, read_samples, write_clips, writing_artifact
from vlm_autodrive.engines import parse_reasoning
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DEFAULT_TAXONOMY, PAPER_TAXONOMY, IncidentMetadata, Taxonomy
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision import SUMMARY_FILE, SuperviseSettings, samples_for_clip, supervise
from vlm_autodrive.supervision.rules.reasoning_vqa import UNEQUAL

CLASSES = ("collision", "near_collision", "normal")


def clip_set(folder, clips, taxonomy=DEFAULT_TAXONOMY):
    with writing_artifact(folder, "clips", {}, Settings()) as partial:
        write_clips(partial, folder, taxonomy, clips)
    return folder


@pytest.fixture
def mixed(tmp_path):
    clips = [random_clip(n, name) for n in range(4) for name in CLASSES]
    clips += [random_clip(50, "collision", split="test"), random_clip(51, "normal", split="validation")]
    clips += [plain_clip(60, True), real_clip(70, None, 3.0), real_clip(71, "collision", None, weather="Rain")]
    clips += [random_clip(80, "normal").model_copy(update={"problem": "cannot be decoded"})]
    return clip_set(tmp_path / "clips", clips)


def test_every_clip_is_accounted_for(mixed, tmp_path):
    out = supervise(mixed, tmp_path / "supervision", SuperviseSettings())
    assert read_provenance(out).kind == "supervision"
    samples, clips = read_samples(out), read_clips(out)
    assert clips == read_clips(mixed)
    summary = json.loads((out / SUMMARY_FILE).read_text())
    supervised = {sample.clip_id for sample in samples}
    assert summary["clips"] == len(supervised) == 15
    assert sum(summary["clips_without_samples"].values()) == len(clips) - 15 == 3
    assert summary["clips_without_samples"]["test clips are never supervised"] == 1
    assert summary["clips_without_samples_ids"].keys() == {"real_00070", "clip_00080_normal"}
    assert not supervised & {c.clip_id for c in clips if c.split == "test" or c.problem or c.event_class is None}
    assert sum(summary["accepted"].values()) == sum(sample.accepted for sample in samples)
    assert summary["accepted"]["verdict"] == 15
    assert sum(summary["not_made"]["reasoning"].values()) == 1
    assert len({sample.sample_id for sample in samples}) == len(samples)


def test_the_paper_is_taught_with_its_question_and_letters(tmp_path):
    clips = [random_clip(n, name) for n in range(2) for name in CLASSES] + [real_clip(71, "collision", 1.0)]
    folder = clip_set(tmp_path / "clips", clips, PAPER_TAXONOMY)
    samples = read_samples(supervise(folder, tmp_path / "out", SuperviseSettings(types=("verdict", "reasoning"))))
    assert all(sample.accepted for sample in samples), samples
    letters = {"collision": "A", "normal": "B", "near_collision": "C"}
    labels = {clip.clip_id: clip.event_class for clip in clips}
    for sample in samples:
        assert sample.prompt.text.startswith(PAPER_TAXONOMY.question)
        named = parse_reasoning(sample.target, PAPER_TAXONOMY, 4.8).event_class
        assert named == labels[sample.clip_id]
        if sample.type == "verdict":
            assert sample.target == letters[named]


def test_real_footage_is_asked_a_goal_only_where_all_classes_can_be(tmp_path):
    turning = IncidentMetadata(weather="rain", ego_manoeuvre="turn_left", road_surface="wet")
    settings = SuperviseSettings(types=("verdict", "reasoning_vqa"))

    def made(name, known_of_normal):
        clips = [random_clip(0, "normal")]
        for number, event_class in enumerate(("collision", "normal") * 8):
            known = turning if event_class == "collision" or number < known_of_normal else IncidentMetadata()
            clip = real_clip(number, event_class, 5.0 if event_class == "collision" else None)
            clips.append(clip.model_copy(update={"incident": known}))
        out = supervise(clip_set(tmp_path / f"{name} clips", clips), tmp_path / name, settings)
        return json.loads((out / SUMMARY_FILE).read_text())

    every = made("every", 16)
    assert (every["accepted"]["reasoning_vqa"], every["not_made"]) == (17, {})
    assert every["accepted_by_topic"]["ego_way"] == 16
    none = made("none", 0)
    assert none["accepted"]["reasoning_vqa"] == 1 and none["not_made"] == {"reasoning_vqa": {UNEQUAL: 16}}


def test_rejected_items_stay_with_their_reason(tmp_path):
    swapped = random_clip(1, "collision").model_copy(
        update={"event_class": "normal", "event_time_s": None, "alert_time_s": None}
    )
    clips = clip_set(tmp_path / "clips", [swapped, random_clip(2, "normal")])
    out = supervise(clips, tmp_path / "out", SuperviseSettings(types=("verdict", "caption")))
    samples = {(i.clip_id, i.type): i for i in read_samples(out)}
    assert len(samples) == 4
    assert not samples[swapped.clip_id, "verdict"].accepted
    assert "collision" in next(c.message for c in samples[swapped.clip_id, "verdict"].checks if not c.passed)
    summary = json.loads((out / SUMMARY_FILE).read_text())
    assert summary["rejected"] == {"caption": {"label": 1}, "verdict": {"label": 1}}


@pytest.mark.parametrize("type_", ["verdict", "caption", "description", "vqa", "reasoning_vqa", "reasoning"])
def test_each_kind_stands_alone(mixed, tmp_path, type_):
    alone = read_samples(supervise(mixed, tmp_path / "one", SuperviseSettings(types=(type_,))))
    together = read_samples(supervise(mixed, tmp_path / "all", SuperviseSettings()))
    assert alone == [sample for sample in together if sample.type == type_]


def test_the_same_is_made_again_byte_by_byte_and_nothing_is_made_twice(mixed, tmp_path):
    first = supervise(mixed, tmp_path / "a", SuperviseSettings())
    second = supervise(mixed, tmp_path / "b", SuperviseSettings())
    assert (first / "samples.jsonl").read_bytes() == (second / "samples.jsonl").read_bytes()
    stamp = (first / "samples.jsonl").stat().st_mtime_ns
    supervise(mixed, first, SuperviseSettings())
    assert (first / "samples.jsonl").stat().st_mtime_ns == stamp
    with pytest.raises(UserError, match="overwrite"):
        supervise(mixed, first, SuperviseSettings(seed=2))


def test_a_set_without_usable_labels_is_refused(tmp_path):
    clips = clip_set(tmp_path / "clips", [random_clip(1, "normal", split="test"), real_clip(2, None, None)])
    with pytest.raises(UserError, match="no clip"):
        supervise(clips, tmp_path / "out", SuperviseSettings())


def test_a_base_model_is_taught_normal_driving_alone(tmp_path):
    clips = clip_set(tmp_path / "clips", [random_clip(n, "normal") for n in range(20)])
    topics = ("gap", "weather_check", "ego_speed")
    settings = SuperviseSettings(types=("verdict", "caption", "vqa"), vqa_topics=topics, understanding_per_clip=0)
    samples = read_samples(supervise(clips, tmp_path / "out", settings))
    assert {i.target for i in samples if i.type == "verdict"} == {"C"}
    assert all(sample.accepted for sample in samples)
    assert not any("event" in sample.prompt.text for sample in samples if sample.type == "vqa")


def test_supervision_by_rules_needs_no_torch():
    code = "import sys, vlm_autodrive.supervision, vlm_autodrive.artifacts.files; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


WRITER = {"teacher": "local", "local": {"model": "m"}}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"types": ()}, "at least 1 item"),
        ({"types": ("vqa", "vqa")}, "named twice"),
        ({"vqa_topics": ()}, "at least 1 item"),
        ({"teacher": "served", "served": {"model": "rules"}}, "called rules"),
        ({"teacher": "local", "local": {"model": "models/rules/"}}, "called rules"),
        ({"teacher": "local", "local": {"model": "m"}, "context": {"label": False}}, "can only guess"),
        ({"captioner": {"teacher": "served", "served": {"model": "m"}}}, "set teacher to local or served"),
        ({**WRITER, "captioner": {"teacher": "local"}}, r"captioner\.teacher: local needs captioner\.local\.model"),
        ({**WRITER, "chain": "paper"}, r"set context\.label: false and context\.frames"),
        ({**WRITER, "chain": "paper", "context": {"label": False}}, "can only guess"),
        ({**WRITER, "chain": "paper", "reasoning": "one_step"}, "two_steps or rejection_sampling"),
    ],
)
def test_settings_that_mean_nothing_are_refused(values, told):
    with pytest.raises(ValueError, match=told):
        SuperviseSettings.model_validate(values)


def test_every_item_says_what_it_was_made_from(mixed, tmp_path):
    samples = read_samples(supervise(mixed, tmp_path / "out", SuperviseSettings()))
    teacher_inputs = {(sample.type, sample.teacher_inputs) for sample in samples if sample.clip_id.startswith("clip")}
    known = ("label", "metadata", "scenario")
    assert teacher_inputs == {
        ("verdict", ("label",)),
        *((type_, known) for type_ in SuperviseSettings().types if type_ != "verdict"),
    }


def test_classes_of_ones_own_are_not_told_that_nothing_was_barely_missed():
    ours = Taxonomy(classes=(DEFAULT_TAXONOMY.classes[0], DEFAULT_TAXONOMY.classes[2]))
    texts = [i.target for i in samples_for_clip(real_clip(1, "normal", None), ours, SuperviseSettings()).samples]
    assert not any("barely missed" in text for text in texts)
    usual = samples_for_clip(real_clip(1, "normal", None), DEFAULT_TAXONOMY, SuperviseSettings()).samples
    assert any("barely missed" in sample.target for sample in usual)
