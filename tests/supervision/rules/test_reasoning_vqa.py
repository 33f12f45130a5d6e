"""Reasoning VQA: its questions tell nothing of the class, its reasons lead to its answer."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from tests.supervision.rules.truth_world import films_and_clips
from tests.supervision.worlds import plain_clip, random_clip, real_clip
from vlm_autodrive.records import DEFAULT_TAXONOMY, OPTION_LETTERS, PAPER_TAXONOMY, IncidentMetadata
from vlm_autodrive.supervision import SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.checks.prose import parse_target
from vlm_autodrive.supervision.facts import facts_of, stated_times
from vlm_autodrive.supervision.rules.intentions import FEWEST_REASONS, INTENTIONS
from vlm_autodrive.supervision.rules.reasoning_vqa import (
    FEW_REASONS,
    UNDECIDED,
    UNEQUAL,
    UNKNOWN,
    asked_shares,
    reasoning_vqa_sample,
)

CLASSES = ("collision", "near_collision", "normal")
SETTINGS = SuperviseSettings(types=("reasoning_vqa",))
KNOWN = IncidentMetadata(
    weather="rain", ego_manoeuvre="straight", ego_braking="hard", other_type="truck", other_role="ahead",
    other_manoeuvre="brake", ego_impact_side="front",
)  # fmt: skip


def asked(clip, shares=None):
    return reasoning_vqa_sample(facts_of(clip, DEFAULT_TAXONOMY), 0, shares)


def known_clip(number, event_class, incident=KNOWN):
    time_s = None if event_class == "normal" else 6.0
    return real_clip(number, event_class, time_s).model_copy(update={"incident": incident})


def test_the_same_questions_are_asked_of_every_class_and_each_letter_is_right_as_often():
    forms, letters = {name: Counter() for name in CLASSES}, Counter()
    for number in range(900):
        for name in CLASSES:
            plain = name == "normal" and number % 4 == 0
            clip = plain_clip(number, number % 8 == 0) if plain else random_clip(number, name)
            sample = asked(clip)
            question, *options = sample.prompt.text.splitlines()[:5]
            forms[name][question, frozenset(option[3:] for option in options)] += 1
            letters[sample.answer] += 1
    assert forms["collision"].keys() == forms["near_collision"].keys() == forms["normal"].keys()
    assert len(forms["normal"]) == 8
    for question in forms["normal"]:
        rates = [forms[name][question] / 900 for name in CLASSES]
        assert max(rates) - min(rates) < 0.05, question  # over three standard errors of a difference
    assert chisquare([letters[letter] for letter in OPTION_LETTERS]).pvalue > 0.01


def test_no_class_can_be_told_from_question_and_options():
    """One class against the rest by a classifier over words, their pairs and letters, which never saw the drive."""
    samples = [
        (samples_for_clip(clip, DEFAULT_TAXONOMY, SETTINGS).samples[0].prompt.text, clip.event_class, clip.group_id)
        for _, clip in films_and_clips(triplets=150, singles=60)
    ]
    texts, classes, drives = map(np.array, zip(*samples, strict=True))
    model = make_pipeline(
        CountVectorizer(ngram_range=(1, 3), token_pattern=r"\w+|\n", lowercase=False), LogisticRegression(max_iter=2000)
    )
    rng = np.random.default_rng(5)
    members = [np.flatnonzero(drives == drive) for drive in np.unique(drives)]
    for name in CLASSES:
        truth = classes == name
        scores = cross_val_predict(model, texts, truth, groups=drives, cv=GroupKFold(5), method="decision_function")
        resampled = []
        for _ in range(400):
            drawn = np.concatenate([members[place] for place in rng.integers(0, len(members), len(members))])
            resampled.append(roc_auc_score(truth[drawn], scores[drawn]))
        low, high = np.percentile(resampled, [2.5, 97.5])
        print(f"{name}: AUC {roc_auc_score(truth, scores):.3f}, 95 % interval {low:.3f} to {high:.3f}")
        assert low <= 0.5 <= high, name


def test_reasons_lead_from_what_is_seen_first_to_the_answer():
    counts = Counter()
    for film, clip in films_and_clips(triplets=40, singles=20):
        (sample,) = samples_for_clip(clip, DEFAULT_TAXONOMY, SETTINGS).samples
        assert sample.accepted
        reasons = parse_target(sample.target).thoughts.splitlines()
        assert film.look.weather.lower() in reasons[0].lower()
        times = [float(line[3:].split("]")[0]) for line in reasons if line.startswith("[t=")]
        assert times == sorted(times)
        assert reasons[-1] == f"So: {sample.options[OPTION_LETTERS.index(sample.answer)]}."
        assert not any(word in sample.target.lower() for word in ("collision", "contact", "impact", "blame", "_"))
        counts[len(reasons)] += 1
    assert min(counts) >= 4 and counts.total() - counts[4] >= 0.95 * counts.total()


def test_what_is_not_seen_or_not_known_is_missing():
    whole = random_clip(5, "collision")
    early = {"end_s": whole.event_time_s - 0.4, "event_class": "normal", "event_time_s": None, "alert_time_s": None}
    assert asked(whole.model_copy(update=early)) == UNDECIDED
    assert asked(real_clip(1, "collision", 6.0, weather="Rain")) == UNKNOWN
    assert asked(known_clip(1, "collision", IncidentMetadata(ego_manoeuvre="straight"))) == FEW_REASONS


def test_real_footage_is_asked_what_its_metadata_answer_in_words_of_its_own():
    said = {}
    for number in range(60):
        sample = asked(known_clip(number, "collision"))
        said[sample.topic] = sample.options[OPTION_LETTERS.index(sample.answer)]
        reasons = parse_target(sample.target).thoughts.splitlines()
        assert reasons[:4] == [
            "Rain.",
            "The ego vehicle goes straight on.",
            "There is a truck ahead.",
            "It brakes.",
        ]
        assert len(reasons) >= FEWEST_REASONS and "contact" not in sample.target
    assert said == {
        "other_goal": "brake ahead",
        "for_whom": "a vehicle",
        "why_respond": "one is ahead in our lane",
        "ego_way": "go straight on",
    }


def test_real_footage_of_all_classes_is_asked_alike():
    turn = IncidentMetadata(weather="rain", light="dark", ego_manoeuvre="turn_left", road_surface="wet")
    clips = [known_clip(number, "collision") for number in range(400)]
    clips += [
        known_clip(number, "normal", turn if number % 4 == 0 else IncidentMetadata()) for number in range(400, 1200)
    ]
    shares = asked_shares(clips, DEFAULT_TAXONOMY)
    assert shares == {("ego_way", "collision"): 0.25, ("ego_way", "normal"): 1.0}
    got = [(clip.event_class, asked(clip, shares)) for clip in clips]
    rates = {
        name: np.mean([not isinstance(sample, str) for event_class, sample in got if event_class == name])
        for name in ("collision", "normal")
    }
    assert rates["normal"] == 0.25 and abs(rates["collision"] - 0.25) < 0.06
    alone = [*clips[:400], *(known_clip(number, "normal", IncidentMetadata()) for number in range(400, 500))]
    assert asked_shares(alone, DEFAULT_TAXONOMY) == {}
    assert {asked(clip, asked_shares(alone, DEFAULT_TAXONOMY)) for clip in alone} == {UNEQUAL}


def test_a_clip_with_too_few_reasons_counts_as_one_without_an_answer():
    turn = IncidentMetadata(weather="rain", ego_manoeuvre="turn_left")
    bare = IncidentMetadata(ego_manoeuvre="turn_left")
    clips = [known_clip(number, "collision", turn) for number in range(400)]
    clips += [known_clip(number, "normal", turn if number % 4 == 0 else bare) for number in range(400, 800)]
    assert asked(clips[401]) == FEW_REASONS
    assert asked_shares(clips, DEFAULT_TAXONOMY) == {("ego_way", "collision"): 0.25, ("ego_way", "normal"): 1.0}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("letter", lambda target, answer: target.replace(f"\n{answer}\n", f"\n{'B' if answer != 'B' else 'C'}\n")),
        ("format", lambda target, answer: target.replace(f"\n{answer}\n", "\nE\n")),
        ("format", lambda target, answer: target.replace(f"\n{answer}\n", f"\n{answer}\nt=1.0\n")),
        ("format", lambda target, answer: target.replace("<think>\n", "")),
        ("times", lambda target, answer: target.replace("So:", "[t=55.0] so:")),
        ("contact", lambda target, answer: target.replace("So:", "There is a collision.\nSo:")),
        ("metadata", lambda target, answer: target.replace("So:", "A dog runs.\nSo:")),
    ],
)
def test_a_spoilt_target_is_rejected(name, change):
    clip = random_clip(4, "near_collision")
    sample = asked(clip)
    spoilt = sample.model_copy(update={"target": change(sample.target, sample.answer)})
    assert spoilt.target != sample.target
    times = stated_times(0, clip.clip_id, clip.duration_s)
    checks = checked(spoilt, facts_of(clip, DEFAULT_TAXONOMY), times).checks
    failed = [check.name for check in checks if not check.passed]
    assert failed[0] == name


def test_a_lettered_question_answered_at_once_is_held_to_its_answer_too():
    clip = random_clip(4, "near_collision")
    sample = asked(clip).model_copy(update={"type": "vqa"})
    right = f"{sample.answer}\n{sample.options[OPTION_LETTERS.index(sample.answer)]}"
    facts, times = facts_of(clip, DEFAULT_TAXONOMY), stated_times(0, clip.clip_id, clip.duration_s)

    def failed(**change):
        return [c.name for c in checked(sample.model_copy(update=change), facts, times).checks if not c.passed]

    assert failed(target=right) == []
    assert failed(target=f"{sample.answer}\nanother option") == ["letter"]
    assert failed(target=right, answer="") == ["letter"]


def test_the_letters_of_the_options_are_not_those_of_the_classes():
    clip = random_clip(4, "near_collision")
    (sample,) = samples_for_clip(clip, PAPER_TAXONOMY, SETTINGS).samples
    assert sample.accepted and sample.target == asked(clip).target
    assert {form.name for form in INTENTIONS} >= {sample.topic}
