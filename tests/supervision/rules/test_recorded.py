"""Reasoning traces of real footage: all that incident metadata say, and nothing else."""

import random

import pytest

from tests.supervision.worlds import random_clip, real_clip
from vlm_autodrive.models import reasoning_prompt
from vlm_autodrive.records import DEFAULT_TAXONOMY, PAPER_TAXONOMY, IncidentMetadata, incident_values
from vlm_autodrive.supervision import SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.checks.prose import parse_target

SETTINGS = SuperviseSettings(types=("reasoning", "reasoning_vqa"), seed=1)
ALL = IncidentMetadata(
    weather="rain", light="dark", scene="urban", road_layout="intersection", road_surface="wet",
    traffic_density="heavy", zone="commercial", ego_manoeuvre="turn_left", ego_braking="hard", other_type="truck",
    other_role="oncoming", other_manoeuvre="straight", ego_impact_side="front_right", other_impact_side="front",
    pedestrians="waiting", cyclists="none", responsibility="driver", speed_kmh=31.0, longitudinal_g=-0.6,
)  # fmt: skip
FIELDS = [name for name in IncidentMetadata.model_fields if incident_values(name)]


def recorded_clip(incident, event_class="collision", ego_involved=True):
    time_s = None if event_class == "normal" else 6.0
    clip = real_clip(1, event_class, time_s)
    return clip.model_copy(update={"incident": incident, "ego_involved": ego_involved if time_s else None})


def trace(clip, taxonomy=DEFAULT_TAXONOMY):
    sample = next(one for one in samples_for_clip(clip, taxonomy, SETTINGS).samples if one.type == "reasoning")
    assert sample.accepted, sample.checks
    assert sample.prompt == reasoning_prompt(taxonomy)
    return parse_target(sample.target)


def test_a_trace_says_all_that_is_recorded_before_the_event_and_the_verdict():
    assert trace(recorded_clip(ALL)).thoughts.splitlines() == [
        "Darkness, rain, urban road, a wet road surface, an intersection, dense traffic, "
        "shops and offices along the road.",
        "The ego vehicle turns left.",
        "There is a truck coming towards us.",
        "It goes straight on.",
        "Somebody on foot waits, no bicycle.",
        "The ego driver brakes hard.",
        "[t=6.0] contact between a vehicle and another road user or object.",
        "The ego vehicle has contact at the right front.",
        "The ego vehicle is involved.",
        "Collision.",
    ]


def test_where_there_is_no_contact_none_is_placed_and_what_is_not_known_is_not_said():
    near = trace(recorded_clip(ALL, "near_collision")).thoughts
    assert "has contact" not in near and near.endswith("Near-Collision.")
    normal = trace(recorded_clip(ALL, "normal")).thoughts
    assert normal.splitlines()[-2:] == ["No road user is touched or barely missed.", "Normal."]
    assert trace(recorded_clip(IncidentMetadata(), "normal")).thoughts == (
        "No road user is touched or barely missed.\nNormal."
    )
    lone = recorded_clip(IncidentMetadata(other_manoeuvre="cut_in", other_type="van"), ego_involved=None)
    assert trace(lone).thoughts.splitlines()[0] == "A van cuts in."
    lone = recorded_clip(IncidentMetadata(other_manoeuvre="brake"), ego_involved=None)
    assert trace(lone).thoughts.splitlines()[0] == "Another road user brakes."


def test_each_field_changes_the_trace_and_no_value_is_written_as_a_value():
    """But for who was responsible and where the other party was hit, which the video need not show."""
    whole = trace(recorded_clip(ALL)).thoughts
    for field in FIELDS:
        less = trace(recorded_clip(ALL.model_copy(update={field: None}))).thoughts
        assert (less == whole) == (field in ("responsibility", "other_impact_side")), field
    rng = random.Random(2)
    for _ in range(300):
        drawn = {name: rng.choice([None, *incident_values(name)]) for name in FIELDS}
        for event_class in ("collision", "near_collision", "normal"):
            thoughts = trace(recorded_clip(IncidentMetadata(**drawn), event_class)).thoughts
            assert "_" not in thoughts and "impact" not in thoughts and "fault" not in thoughts
            assert len(thoughts.splitlines()) <= 10


@pytest.mark.parametrize(("event_class", "letter"), [("collision", "A"), ("normal", "B"), ("near_collision", "C")])
def test_the_papers_letters_end_the_traces_of_its_taxonomy(event_class, letter):
    for clip in (recorded_clip(ALL, event_class), random_clip(3, event_class)):
        told = trace(clip, PAPER_TAXONOMY)
        assert told.code == letter
        assert told.thoughts == trace(clip).thoughts or event_class == "normal"
