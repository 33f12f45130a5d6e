"""Incident metadata: every field has its values, and every spelling means one of them."""

import pytest

from vlm_autodrive.records import (
    INCIDENT_NUMBERS,
    INCIDENT_SYNONYMS,
    SURROUNDINGS,
    IncidentMetadata,
    find_incident_value,
    incident_values,
)


def plain(text):
    return "".join(filter(str.isalnum, text.casefold()))


def test_every_field_is_a_number_or_has_synonyms_of_each_of_its_values():
    assert set(IncidentMetadata.model_fields) == {*INCIDENT_NUMBERS, *INCIDENT_SYNONYMS}
    for field, values in INCIDENT_SYNONYMS.items():
        assert tuple(values) == incident_values(field)
    assert not any(map(incident_values, INCIDENT_NUMBERS))


@pytest.mark.parametrize("field", INCIDENT_SYNONYMS)
def test_a_spelling_means_one_value(field):
    seen = {}
    for value, others in INCIDENT_SYNONYMS[field].items():
        for text in (value, *others):
            assert seen.setdefault(plain(text), value) == value
            assert find_incident_value(field, text.upper()) == value
    assert find_incident_value(field, "") is None and find_incident_value(field, "something else") is None


def test_known_fields_stand_over_others():
    video = IncidentMetadata(weather="rain", light="dark", ego_manoeuvre="straight")
    event = IncidentMetadata(light="twilight", responsibility="other", speed_kmh=0.0)
    assert event.over(video) == IncidentMetadata(
        weather="rain", light="twilight", ego_manoeuvre="straight", responsibility="other", speed_kmh=0.0
    )
    assert video.surroundings() == IncidentMetadata(weather="rain", light="dark")
    assert set(event.known) == {"light", "responsibility", "speed_kmh"} and set(SURROUNDINGS) < set(INCIDENT_SYNONYMS)
