import numpy as np
import pytest
from sklearn import metrics as sk
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from tests.evaluation.builders import NAMES, make_clip, make_prediction
from tests.evaluation.score.scored import scored
from vlm_autodrive.evaluation import EvaluationSamples
from vlm_autodrive.evaluation.score.models import event_scores
from vlm_autodrive.evaluation.score.samples import clusters_of
from vlm_autodrive.evaluation.score.slices import slice_scores, slice_tests
from vlm_autodrive.records import BINARY_TAXONOMY, DEFAULT_TAXONOMY, IncidentMetadata


def samples_of(clips, answers, taxonomy=DEFAULT_TAXONOMY):
    said = tuple(make_prediction(c, a) for c, a in zip(clips, answers, strict=True))
    return EvaluationSamples(taxonomy, tuple(clips), 0, tuple(clusters_of(clips)), {"m": said})


def test_two_classes_against_scikit_learn():
    rng = np.random.default_rng(0)
    clips = [make_clip(f"{i}", NAMES[rng.integers(3)]) for i in range(200)]
    answers = [str(rng.choice([c.event_class, *NAMES])) for c in clips]
    scores = scored(event_scores, samples_of(clips, answers))
    truth, said = [c.event_class != "normal" for c in clips], [a != "normal" for a in answers]
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, said, average="binary")
    assert scores.accuracy.value == pytest.approx(sk.accuracy_score(truth, said), abs=1e-9)
    assert (scores.precision.value, scores.recall.value) == pytest.approx((precision, recall), abs=1e-9)
    assert scores.f1.value == pytest.approx(f1, abs=1e-9)
    (_, false_alarms), _ = sk.confusion_matrix(truth, said)
    normal = len(truth) - sum(truth)
    assert scores.false_positive_rate.value == pytest.approx(false_alarms / normal, abs=1e-9)
    low, high = proportion_confint(false_alarms, normal, method="wilson")
    assert (scores.false_positive_rate.low, scores.false_positive_rate.high) == pytest.approx((low, high), abs=1e-9)


def test_a_wrong_kind_of_event_is_an_event_and_silence_is_none():
    clips = [make_clip(f"{i}", name) for i, name in enumerate(["collision", "near_collision", "normal", "normal"])]
    scores = scored(event_scores, samples_of(clips, ["near_collision", None, None, "normal"]))
    assert scores.accuracy.value == 0.5
    assert scores.recall.value == 0.5
    assert scores.precision.value == 1
    assert scores.false_positive_rate.value == 0


def test_two_classes_of_a_taxonomy_that_has_two():
    clips = [make_clip("a", "event"), make_clip("b", "normal")]
    scores = scored(event_scores, samples_of(clips, ["event", "event"], BINARY_TAXONOMY))
    assert (scores.recall.value, scores.false_positive_rate.value) == (1, 1)


def test_slices_by_ego_source_and_length():
    clips = [
        make_clip(
            f"{i}",
            NAMES[i % 3],
            ego_involved=None if i % 3 == 2 else i % 2 == 0,
            source="Nexar" if i < 24 else "DoTA",
            end_s=(2.0, 5.0, 40.0)[i % 3],
        )
        for i in range(60)
    ]
    answers = [c.event_class if i < 24 else None for i, c in enumerate(clips)]
    found = scored(slice_scores, samples_of(clips, answers), 5)
    assert list(found) == ["ego", "source", "length"]
    assert {k: f.n for k, f in found["ego"].items()} == {"involved": 20, "not involved": 20}
    assert {k: (f.value, f.n) for k, f in found["source"].items()} == {"DoTA": (0, 36), "Nexar": (1, 24)}
    assert list(found["length"]) == ["under 3 s", "3 to 6 s", "30 s or more"]
    assert (found["source"]["Nexar"].low, found["source"]["Nexar"].high) == pytest.approx(
        proportion_confint(24, 24, method="wilson"), abs=1e-9
    )


def night_world(hard):
    """Forty drives of three clips, half of them at night, where a share of the answers is wrong."""
    rng = np.random.default_rng(1)
    clips, answers = [], []
    for drive in range(40):
        night = drive < 20
        for i in range(3):
            weather = ("clear", "cloudy", "rain", "snow")[drive % 4]
            incident = IncidentMetadata(light="dark" if night else "day", weather=weather)
            clips.append(make_clip(f"{drive}-{i}", "normal", group_id=f"g{drive}", incident=incident))
            answers.append("collision" if night and rng.random() < hard else "normal")
    return samples_of(clips, answers)


def test_a_slice_where_the_model_is_worse_is_found():
    tests = scored(slice_tests, night_world(0.5), 5)
    weathers = [("weather", value) for value in ("clear", "cloudy", "rain", "snow")]
    assert [(t.field, t.value) for t in tests] == [*weathers, ("light", "dark"), ("light", "day")]
    night = tests[4]
    assert night.difference.value == pytest.approx(-0.5, abs=0.15)
    assert night.difference.high < 0
    assert night.difference.n == 60
    assert night.p_holm < 0.01
    assert all(t.p_holm > 0.05 for t in tests[:4])
    adjusted = multipletests([t.p_value for t in tests], method="holm")[1]
    assert [t.p_holm for t in tests] == pytest.approx(adjusted, abs=1e-9)


def test_no_slice_is_found_where_all_are_alike():
    tests = scored(slice_tests, night_world(0.0), 5)
    assert {t.p_holm for t in tests} == {1.0}


def test_a_field_with_one_value_has_no_rest_to_test_against():
    clips = [make_clip(f"{i}", incident=IncidentMetadata(light="day")) for i in range(20)]
    assert scored(slice_tests, samples_of(clips, ["normal"] * 20), 5) == ()


def test_the_rest_of_a_slice_is_what_has_the_field_too():
    """Clips of unknown light are all wrong; they must not make the day look better than the night."""
    clips = [make_clip(f"{i}", incident=IncidentMetadata(light="day" if i % 2 else "dark")) for i in range(40)]
    clips += [make_clip(f"unknown-{i}") for i in range(40)]
    tests = scored(slice_tests, samples_of(clips, ["normal"] * 40 + ["collision"] * 40), 5)
    assert [(t.value, t.difference.value, t.p_value) for t in tests] == [("dark", 0.0, 1.0), ("day", 0.0, 1.0)]


def test_what_is_recorded_of_an_event_makes_no_slice():
    incident = IncidentMetadata(road_layout="curve", other_type="car", ego_impact_side="front", speed_kmh=30)
    clips = [make_clip(f"{i}", incident=incident, metadata={"weather": "odd"}) for i in range(20)]
    assert set(scored(slice_scores, samples_of(clips, ["normal"] * 20), 5)) & set(IncidentMetadata.model_fields) == {
        "road_layout"
    }


def test_shocks_are_slices_of_clips_with_telemetry():
    clips = [make_clip(f"{i}", NAMES[i % 3], peak_g=(0.1, 0.5, None)[i // 10]) for i in range(30)]
    found = scored(slice_scores, samples_of(clips, [c.event_class for c in clips]), 5)["shock"]
    assert {value: score.n for value, score in found.items()} == {"below 0.5 g": 10, "0.5 g or more": 10}


def test_events_that_cameras_marked_are_slices_of_clips_of_known_cameras():
    kinds = ({"camera_channel": "front"}, {"camera_channel": "front", "camera_event": "event"}, {})
    clips = [make_clip(f"{i}", NAMES[i % 3], metadata=kinds[i // 10]) for i in range(30)]
    found = scored(slice_scores, samples_of(clips, [c.event_class for c in clips]), 5)["camera_event"]
    assert {value: score.n for value, score in found.items()} == {"marked": 10, "not marked": 10}
