"""Understanding VQA: its dimensions, and questions and options from which no class can be told."""

import random
from collections import Counter

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from tests.supervision.rules.test_incident_captions import recorded_clip
from tests.supervision.rules.truth_sentences import parse
from tests.supervision.rules.truth_world import films_and_clips, windows_of_drives
from tests.supervision.worlds import known_of, real_clip
from vlm_autodrive.metrics import Bootstrap, areas, held_out_probabilities, percentile_bounds
from vlm_autodrive.records import (
    BINARY_TAXONOMY,
    DEFAULT_TAXONOMY,
    PAPER_TAXONOMY,
    IncidentMetadata,
    find_incident_value,
    incident_values,
)
from vlm_autodrive.supervision import SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.checks.label_leakage import find_label_leak
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.rules.understanding.dimensions import DIMENSIONS, INCIDENT_QUESTIONS
from vlm_autodrive.supervision.rules.understanding.event_question import EVENT_DIMENSION, event_options
from vlm_autodrive.supervision.student_prompts import UNDERSTANDING_PROMPTS

ONLY = SuperviseSettings(types=("vqa",), understanding_per_clip=7, vqa_per_clip=0)
FLEETS = (
    ("other_type", "other_role", "other_manoeuvre", "responsibility", "ego_impact_side", "other_impact_side"),
    ("ego_manoeuvre", "ego_braking", "ego_impact_side", "pedestrians", "traffic_density", "zone"),
    ("other_type", "responsibility"),
    (),
)
"""What is recorded of an event, by whoever recorded it."""


def simulated_clips():
    clips = [clip for _, clip in films_and_clips(triplets=150, singles=60)]
    return clips + [clip for _, clip in windows_of_drives(3, 9.0)]


def recorded_clips(count: int = 4500):
    """Clips of real footage of which only events have incident metadata, collisions more and other values of it."""
    clips = []
    for number in range(count):
        name = ("collision", "near_collision", "normal")[number % 3]
        rng = random.Random(f"recorded {number}")
        fields = {"weather": rng.choice(("rain", "rain", "snow") if name == "collision" else ("clear", "cloudy"))}
        fleet = {"collision": FLEETS[:3], "near_collision": FLEETS, "normal": FLEETS[3:]}[name]
        for field in rng.choice(fleet):
            values = incident_values(field)
            fields[field] = rng.choice(values[:3] if name == "collision" else values[1:3])
        if name == "near_collision":
            fields = {key: value for key, value in fields.items() if not key.endswith("impact_side")}
        clip = real_clip(number, name, None if name == "normal" else 3.0)
        clips.append(clip.model_copy(update={"incident": IncidentMetadata.model_validate(fields)}))
    return clips


def bag_of_words(texts) -> csr_matrix:
    from sklearn.feature_extraction.text import CountVectorizer

    words = CountVectorizer(ngram_range=(1, 4), token_pattern=r"[^\s]+", binary=True, min_df=3, dtype=np.float64)
    return csr_matrix(words.fit_transform(texts))


def auc_intervals(texts, classes, groups) -> dict[str, tuple[float, float, float]]:
    """Of each class against the rest the area under the ROC curve of a text classifier on groups it has not seen."""
    from sklearn.naive_bayes import BernoulliNB

    names = sorted(set(classes))
    numbers = np.array([names.index(name) for name in classes])
    group_numbers = np.unique(groups, return_inverse=True)[1]
    chances = held_out_probabilities(BernoulliNB(), bag_of_words(texts), numbers, group_numbers, n_repeats=3)
    found = {}
    for number, name in enumerate(names):
        value, drawn = areas(chances[:, number], numbers == number, Bootstrap(group_numbers.tolist(), 1000, 0))
        low, high = percentile_bounds(drawn[1])
        found[name] = (low, float(value[1]), high)
    return found


@pytest.mark.parametrize(("clips", "seeds"), [(simulated_clips, 6), (recorded_clips, 1)])
def test_no_class_can_be_told_from_questions_and_options(clips, seeds):
    """With several seeds, of few clips many questions are asked, and less hangs on a few draws."""
    made = clips()
    known = known_of(made)
    texts, answers, counts = [], [], []
    for seed in range(seeds):
        for clip in made:
            settings = ONLY.model_copy(update={"seed": seed})
            samples = samples_for_clip(clip, DEFAULT_TAXONOMY, settings, known=known).samples
            assert all(sample.accepted for sample in samples), [sample.checks for sample in samples]
            texts.append("\n".join(f"{sample.topic}\n{sample.prompt.text}" for sample in samples))
            answers.append("\n".join(sample.target for sample in samples))
            counts.append(len(samples))
    classes, groups = (
        [getattr(clip, name) for _ in range(seeds) for clip in made] for name in ("event_class", "group_id")
    )
    found = auc_intervals(texts, classes, groups)
    print(found, Counter(counts))
    assert all(low <= 0.5 <= high for low, _, high in found.values()), found
    assert np.mean(counts) > (6.5 if clips is simulated_clips else 3)
    told = auc_intervals(answers, classes, groups)
    assert min(low for low, _, _ in told.values()) > 0.95  # the test of the test: the answers do tell


def test_each_clip_is_asked_about_the_event_and_about_other_dimensions():
    asked = Counter()
    for clip in recorded_clips(300):
        samples = samples_for_clip(clip, DEFAULT_TAXONOMY, ONLY).samples
        topics = [sample.topic for sample in samples]
        assert topics[0] == EVENT_DIMENSION
        assert len(set(topics)) == len(topics) <= 7
        assert set(topics[1:]) <= set(DIMENSIONS)
        for sample in samples:
            assert 3 <= len(set(sample.options)) == len(sample.options) <= 4
            asked[sample.topic, sample.answer] += 1
    assert {topic for topic, _ in asked} >= {EVENT_DIMENSION, "weather", "responsibility", "impact_sides"}
    for topic in (EVENT_DIMENSION, "weather"):
        counts = [asked[topic, letter] for letter in "ABC"]
        assert min(counts) > 0.2 * sum(counts), topic


@pytest.mark.parametrize("wanted", [0, 1, 5])
def test_the_setting_bounds_their_number(wanted):
    settings = ONLY.model_copy(update={"understanding_per_clip": wanted})
    clip = simulated_clip()
    assert len(samples_for_clip(clip, DEFAULT_TAXONOMY, settings).samples) == wanted


def test_options_are_the_same_whatever_is_true():
    seen: dict[tuple[str, frozenset[str]], set[str]] = {}
    for clip in recorded_clips(900):
        for sample in samples_for_clip(clip, DEFAULT_TAXONOMY, ONLY).samples[1:]:
            question = sample.prompt.text.splitlines()[0]
            seen.setdefault((question, frozenset(sample.options)), set()).add(sample.target.splitlines()[1])
    tables = {frozenset(question.all_options) for question in INCIDENT_QUESTIONS}
    assert {options for _, options in seen} <= tables
    assert all(len(answers) > 1 for (question, _), answers in seen.items() if "hit" in question)


def test_reasons_of_an_option_do_not_hang_on_whether_it_is_right():
    clips = [clip for _, clip in films_and_clips(triplets=60, singles=0)]
    known = known_of(clips)
    reasons: dict[tuple[str, bool], Counter] = {}
    for seed in range(10):
        settings = ONLY.model_copy(update={"seed": seed, "understanding_per_clip": 1})
        for clip in clips:
            (sample,) = samples_for_clip(clip, DEFAULT_TAXONOMY, settings, known=known).samples
            for option in sample.options:
                label = option.partition(",")[0]
                reasons.setdefault((label, option in sample.target), Counter())[option] += 1
    for event_class in DEFAULT_TAXONOMY.classes:
        right, wrong = (reasons[event_class.label, is_right] for is_right in (True, False))
        assert set(right) == set(wrong) <= set(event_options(event_class, DEFAULT_TAXONOMY))
        assert len(right) > 2
        for option in right:
            assert abs(right[option] / right.total() - wrong[option] / wrong.total()) < 0.06, option


@pytest.mark.parametrize("taxonomy", [BINARY_TAXONOMY, PAPER_TAXONOMY])
def test_other_taxonomies_have_their_own_event_question(taxonomy):
    clip = simulated_clip()
    if taxonomy is BINARY_TAXONOMY:
        clip = clip.model_copy(update={"event_class": "event"})
    sample = samples_for_clip(clip, taxonomy, ONLY).samples[0]
    assert sample.accepted, sample.checks
    assert len(sample.options) == len(taxonomy.classes)
    assert sample.target.splitlines()[1].startswith(taxonomy.by_name(clip.event_class).label)


def test_an_answer_of_another_class_is_rejected():
    sample = samples_for_clip(simulated_clip(), DEFAULT_TAXONOMY, ONLY).samples[0]
    normal = next(option for option in sample.options if option.startswith("Normal"))
    facts = facts_of(simulated_clip(), DEFAULT_TAXONOMY)
    failed = checked(sample.model_copy(update={"target": f"A\n{normal}", "checks": ()}), facts, ())
    assert "answer" in {check.name for check in failed.checks if not check.passed}


def test_one_option_that_names_a_class_tells_it():
    sample = samples_for_clip(simulated_clip(), DEFAULT_TAXONOMY, ONLY).samples[0]
    first, *others = sample.prompt.text.splitlines()
    lines = [line for line in others if "Normal" not in line]
    prompt = sample.prompt.model_copy(update={"text": "\n".join([first, *lines])})
    assert "class word" in find_label_leak(prompt, simulated_clip(), DEFAULT_TAXONOMY, ())


def test_every_question_has_its_prompts():
    assert {question.name for question in INCIDENT_QUESTIONS} | {EVENT_DIMENSION} == set(UNDERSTANDING_PROMPTS)


def simulated_clip():
    """A collision of which much is known."""
    return next(clip for _, clip in films_and_clips(triplets=1, singles=0) if clip.event_class == "collision")


def test_answers_about_real_footage_are_what_is_recorded():
    asked = Counter()
    for number in range(150):
        for name in DEFAULT_TAXONOMY.names:
            clip = recorded_clip(number, name)
            for sample in samples_for_clip(clip, DEFAULT_TAXONOMY, ONLY).samples:
                assert sample.accepted, sample.checks
                (statement,) = parse("vqa", sample.prompt.text, sample.target)
                for claim, *values in statement.claims:
                    asked[claim] += 1
                    if claim in ("recorded", "is"):
                        right = [find_incident_value(values[0], value) for value in values[1:] if value is not True]
                        assert getattr(clip.incident, values[0]) in right, (statement, clip.incident)
                    elif claim == "class":
                        assert values == [clip.event_class.replace("_", "-")]
                    elif claim == "event":
                        assert values == [name != "normal"]
                    else:  # a collision of others leaves the ego vehicle's side unhit
                        sides = (clip.incident.ego_impact_side, clip.incident.other_impact_side)
                        assert claim == "contact" and (values == [name == "collision"] or "none" in sides)
    assert min(asked[claim] for claim in ("recorded", "is", "class", "event", "contact")) > 100
