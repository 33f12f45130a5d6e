"""Rule-based descriptions and reasoning: in the very words that they have always used."""

import hashlib
import json

import pytest

from tests.supervision.worlds import plain_clip, random_clip, real_clip
from vlm_autodrive.models import format_reasoning
from vlm_autodrive.records import DEFAULT_TAXONOMY, Distraction
from vlm_autodrive.supervision import SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.rules.descriptions import prose
from vlm_autodrive.supervision.rules.reasoning import NO_MOTION
from vlm_autodrive.supervision.samples import NO_TIME
from vlm_autodrive.supervision.teacher_schemas import Description, Happening, NamedEvent

CLASSES = ("collision", "near_collision", "normal")
BOTH = SuperviseSettings(types=("description", "reasoning"), seed=3)


def by_rules(clip, settings=BOTH):
    return samples_for_clip(clip, DEFAULT_TAXONOMY, settings)


def targets(clip):
    return {sample.type: sample.target for sample in by_rules(clip).samples}


def many_clips():
    clips = [random_clip(number, name) for number in range(100) for name in CLASSES]
    clips += [plain_clip(number, number % 2 == 0) for number in range(1000, 1010)]
    for number in range(30):
        whole = random_clip(number, CLASSES[number % 3], duration_s=8.0)
        cut = {"end_s": 3.0, "clip_id": f"cut_{number}", "event_class": "normal", "event_time_s": None}
        kinds = (("brake_for_nothing", 0.5), ("speed_bump", 2.0), ("calm_close_pass", 3.3))
        distractions = tuple(Distraction(kind=kind, time_s=time_s) for kind, time_s in kinds)
        scenario = whole.scenario.model_copy(update={"distractions": distractions})
        clips += [
            whole.model_copy(update=cut),
            whole.model_copy(update={"clip_id": f"d{number}", "scenario": scenario}),
        ]
    for number, (name, time_s) in enumerate([("collision", 8.4), ("near_collision", 3.25), ("normal", None)]):
        clips += [real_clip(number, name, time_s), real_clip(number + 10, name, time_s, weather="Rain", scene="Urban")]
        clips.append(real_clip(number + 20, name, time_s).model_copy(update={"ego_involved": False}))
    return clips


def test_a_trained_demos_figures_hang_on_these_words():
    words = targets(random_clip(0, "collision"))
    assert words["description"] == (
        "Cloudy weather, twilight, highway with 4 lanes our way. The ego vehicle slows down from 15 m/s to 6 m/s, in "
        "the left lane. At 0.5 s an orange truck from the left starts to move into our lane. At 0.7 s a speed bump "
        "jolts the camera. At 1.1 s the ego driver brakes. At 1.9 s there is contact with it at 8 m/s and a jolt. "
        "Cause: the driver reacted late."
    )
    assert words["reasoning"] == format_reasoning(
        "An orange truck comes from the left.\n[t=1.9] closest: contact, with a jolt.\n[t=0.7] a speed bump jolts "
        "the camera.\n[t=1.1] gap under 10 m, closing.\nHigh risk; the ego driver brakes.\nContact: Collision.",
        "A",
        1.9,
    )
    real = real_clip(21, "near_collision", 3.25, weather="Snow").model_copy(update={"ego_involved": False})
    assert targets(real)["description"] == "Snow. Near-collision of others at 3.2 s."
    assert targets(real_clip(2, "normal", None))["description"] == "No event."
    assert targets(plain_clip(3, False))["description"].endswith(". There is no road user to watch.")


def test_the_words_of_many_clips_stay_since_the_figures_of_a_trained_demo_hang_on_them():
    words = [targets(clip) for clip in many_clips()]
    assert len(words) == 379
    assert (
        hashlib.sha256(json.dumps(words).encode()).hexdigest()
        == "51ef3e03caf0a1df955a8807eef8bf2b1d1faebc245bf6db7c2e4b33295b3b43"
    )


def test_its_samples_say_what_they_were_made_from_and_name_no_reply():
    simulated, real = by_rules(random_clip(1, "collision")), by_rules(real_clip(1, "normal", None, weather="Rain"))
    assert {sample.teacher_inputs for sample in simulated.samples} == {("label", "metadata", "scenario")}
    assert {sample.teacher_inputs for sample in real.samples} == {("label", "metadata")}
    for made in (simulated, real):
        assert [(i.type, i.teacher, i.replies, i.accepted) for i in made.samples] == [
            ("description", "rules", (), True),
            ("reasoning", "rules", (), True),
        ]


def test_what_it_does_not_know_is_missing_and_not_rejected():
    untimed = by_rules(real_clip(1, "collision", None))
    assert [sample.type for sample in untimed.samples] == ["description"]
    assert untimed.missing == {"reasoning": NO_TIME}
    still = plain_clip(2, True)
    still = still.model_copy(update={"scenario": still.scenario.model_copy(update={"states": ()})})
    assert by_rules(still).missing == {"reasoning": NO_MOTION}
    survey = by_rules(real_clip(5, "collision", 10.5))
    assert survey.samples == ()
    assert set(survey.missing) == {"description", "reasoning"}


@pytest.mark.parametrize("how", ["two_steps", "one_step"])
@pytest.mark.parametrize("type_", ["description", "reasoning"])
def test_each_type_stands_alone_whichever_way_models_reason(type_, how):
    clip = random_clip(4, "near_collision")
    alone = by_rules(clip, BOTH.model_copy(update={"types": (type_,), "reasoning": how}))
    assert alone.samples == tuple(sample for sample in by_rules(clip).samples if sample.type == type_)


def test_no_event_is_denied_in_a_teachers_place():
    assert prose(Description(scene="Rain.")) == "Rain."
    assert prose(Description(scene="Rain."), by_rules=True) == "Rain. No event."


FULL = Description(
    scene="Rain at dusk.",
    ego_motion="the ego vehicle slows down",
    road_users=("A red car ahead", "BMW on the left"),
    happenings=(
        Happening(time_s=3.04, what="The red car is hit."),
        Happening(time_s=1.0, what="A red car  brakes"),
    ),
    event=NamedEvent(kind="Collision", time_s=3.1),
    cause="The driver looked away.",
    ego_response="brakes hard",
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {},
            "Rain at dusk. The ego vehicle slows down. At 1.0 s a red car brakes. At 3.0 s the red car is hit. "
            "The ego driver brakes hard. Cause: the driver looked away.",
        ),
        (
            {"happenings": (), "cause": None},
            "Rain at dusk. The ego vehicle slows down. On the road: a red car ahead, BMW on the left. "
            "Collision at 3.1 s. The ego driver brakes hard.",
        ),
        (
            {"event": NamedEvent(kind="collision", time_s=5.0), "ego_motion": "", "cause": None, "ego_response": None},
            "Rain at dusk. At 1.0 s a red car brakes. At 3.0 s the red car is hit. Collision at 5.0 s.",
        ),
        (
            {"event": NamedEvent(kind="near-collision"), "happenings": (), "road_users": (), "ego_response": None},
            "Rain at dusk. The ego vehicle slows down. There is no road user to watch. Near-collision. "
            "Cause: the driver looked away.",
        ),
        (
            {"event": None, "cause": None, "happenings": (Happening(time_s=1, what="the ego driver brakes hard"),)},
            "Rain at dusk. The ego vehicle slows down. At 1.0 s the ego driver brakes hard.",
        ),
    ],
)
def test_prose_says_each_thing_once_in_order_of_time(change, said):
    assert prose(Description.model_validate(FULL.model_dump() | {k: _plain(v) for k, v in change.items()})) == said


def _plain(value):
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value.model_dump() if hasattr(value, "model_dump") else value
