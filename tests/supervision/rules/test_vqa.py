"""Balance, equal rates, and questions that know nothing of the event."""

from collections import Counter

import pytest

from tests.supervision.rules.test_understanding import auc_intervals, simulated_clips
from tests.supervision.worlds import known_of, plain_clip, random_clip, real_clip
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.settings import parse_settings
from vlm_autodrive.supervision import TOPICS, KnownShares, SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.facts import facts_of, stated_times
from vlm_autodrive.supervision.rules.vqa.topics import known_shares, vqa_samples
from vlm_autodrive.supervision.student_prompts import PROMPTS

CLASSES = ("collision", "near_collision", "normal")
SAME_RATE = {topic.name for topic in TOPICS if topic.same_rate}


def asked(clip, wanted=8, **options):
    return vqa_samples(facts_of(clip, DEFAULT_TAXONOMY), 0, wanted, **options)


def test_binary_answers_are_balanced():
    answers: dict[str, Counter] = {}
    for number in range(300):
        for name in CLASSES:
            for sample in asked(random_clip(number, name), 60):
                if sample.target in ("yes", "no"):
                    answers.setdefault(sample.topic, Counter())[sample.target] += 1
    assert set(answers) == {
        "light_check", "weather_check", "scene_check", "gap_check", "gap_trend", "actor_check", "contact", "bump",
        "person", "stop_check", "not_braking", "event_check", "event_before", "ego_involved",
    }  # fmt: skip
    for topic, counts in answers.items():
        assert sum(counts.values()) > (80 if topic == "not_braking" else 300), topic
        assert 0.42 < counts["yes"] / sum(counts.values()) < 0.58, (topic, counts)


def test_questions_that_presuppose_something_are_asked_of_all_classes_alike():
    count = 700
    rates = {}
    for name in CLASSES:
        clips = [random_clip(number, name) for number in range(count)]
        if name == "normal":  # plain driving, of which least can be asked, must not change the rate
            clips = [plain_clip(n, n % 2 == 0) if n % 3 == 0 else clip for n, clip in enumerate(clips)]
        topics = Counter(sample.topic for clip in clips for sample in asked(clip))
        rates[name] = {topic: topics[topic] / count for topic in SAME_RATE}
    for topic in SAME_RATE:
        values = [rates[name][topic] for name in CLASSES]
        assert min(values) > (0.01 if topic == "not_braking" else 0.1), (topic, values)  # asked of one family only
        assert max(values) - min(values) < 0.07, (topic, values)  # three standard errors of a difference


def test_a_normal_clip_is_told_that_there_is_no_event():
    samples = {sample.topic: sample for sample in asked(random_clip(1, "normal"), 60)}
    for topic in ("event_time", "cause"):
        assert samples[topic].target == "There is no such event."
    assert samples["impact_speed"].target == "There is no impact."


def test_unknown_event_times_do_not_make_the_question_a_sign_of_normal_clips():
    clips = [real_clip(n, "collision", 5.0 if n % 4 == 0 else None) for n in range(600)]
    clips += [real_clip(n + 600, "normal", None) for n in range(600)]
    known = known_shares(clips, DEFAULT_TAXONOMY)
    assert known == KnownShares(time=0.25, involvement=0.0)
    rate = Counter()
    for clip in clips:
        for topic in {sample.topic for sample in asked(clip, 60, known=known)}:
            rate[clip.event_class, topic] += 1
    for topic in ("event_time", "event_half", "event_third", "event_before"):
        assert rate["collision", topic] == 150
        assert abs(rate["normal", topic] - 150) < 40
    assert rate["collision", "ego_involved"] == rate["normal", "ego_involved"] == 0
    assert rate["collision", "event_check"] == rate["normal", "event_check"] == 600


def test_stated_times_cannot_know_the_event():
    clip = random_clip(3, "collision")
    times = stated_times(0, clip.clip_id, clip.duration_s)
    assert len(times) == 6
    assert all(0 < t < clip.duration_s for t in times)
    moved = clip.model_copy(update={"event_class": "normal", "event_time_s": None, "alert_time_s": None})
    named = {t for c in (clip, moved) for i in asked(c, 60) for t in _times(i.prompt.text)}
    assert named <= {f"{t:.1f}" for t in times}
    near_event = total = 0
    for number in range(500):
        clip = random_clip(number, "collision")
        for t in stated_times(0, clip.clip_id, clip.duration_s):
            near_event += abs(t - clip.event_time_s) <= 0.5
            total += 1
    assert 0.15 < near_event / total < 0.27  # one second of a clip of 4.8


def _times(text):
    return [word.strip("?,. ").removeprefix("t=") for word in text.split() if word.startswith("t=")]


def test_topics_can_be_chosen_for_a_base_model_of_normal_driving():
    topics = ("gap", "closing_speed", "ego_speed", "weather_check", "lead_gap")
    settings = SuperviseSettings(types=("verdict", "caption", "vqa"), vqa_topics=topics, understanding_per_clip=0)
    for number in range(20):
        result = samples_for_clip(random_clip(number, "normal"), DEFAULT_TAXONOMY, settings)
        assert {i.topic for i in result.samples if i.type == "vqa"} <= set(topics)
        assert len([i for i in result.samples if i.type == "vqa"]) >= 5
        assert {i.type for i in result.samples} == {"verdict", "caption", "vqa"}


def test_a_misspelt_topic_is_refused():
    with pytest.raises(UserError, match="no VQA topic wether"):
        parse_settings(SuperviseSettings, {"vqa_topics": ["wether"]}, "recipe")


def test_every_topic_has_its_prompt_and_is_reached():
    reached = {i.topic for n in range(30) for name in CLASSES for i in asked(random_clip(n, name), 60)}
    assert reached == {topic.name for topic in TOPICS}
    assert reached <= set(PROMPTS)


def test_no_more_than_wanted_is_asked_and_no_question_twice():
    for number in range(30):
        for wanted in (0, 1, 5, 12):
            samples = asked(random_clip(number, "collision"), wanted)
            assert len(samples) <= wanted
            assert len({sample.prompt.text for sample in samples}) == len(samples)


def test_no_class_can_be_told_from_the_questions_on_all_topics():
    """Of a plain drive less can be asked; so the others are asked less too."""
    clips = simulated_clips()
    known = known_of(clips)
    assert known.topics["gap_trend", "collision"] < 0.9 and known.topics["gap_trend", "normal"] == 1
    texts = []
    for seed in range(3):
        settings = SuperviseSettings(types=("vqa",), understanding_per_clip=0, vqa_per_clip=8, seed=seed)
        made = [samples_for_clip(clip, DEFAULT_TAXONOMY, settings, known=known).samples for clip in clips]
        texts += ["\n".join(f"{sample.topic}\n{sample.prompt.text}" for sample in samples) for samples in made]
    classes, groups = ([getattr(clip, name) for clip in clips] * 3 for name in ("event_class", "group_id"))
    found = auc_intervals(texts, classes, groups)
    print(found)
    assert all(low <= 0.5 <= high for low, _, high in found.values()), found
