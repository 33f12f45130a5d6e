"""Captions from incident metadata: true in every word, complete, and silent on what is not known."""

import random
import re

from tests.supervision.rules.truth_incident import VALUES
from tests.supervision.rules.truth_sentences import parse
from tests.supervision.worlds import real_clip
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    INCIDENT_NUMBERS,
    INCIDENT_SYNONYMS,
    IncidentMetadata,
    find_incident_value,
    incident_values,
)
from vlm_autodrive.supervision import SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.rules.captions import structured_caption

CAPTION = SuperviseSettings(types=("caption",))
OF_EVENTS = ("ego_impact_side", "other_impact_side", "responsibility", "speed_kmh")
"""Fields of which clips without an event are not told."""


def recorded_clip(number: int, event_class: str, known: float = 1.0):
    """A clip of real footage with some fields at random, such as they can be together."""
    rng = random.Random(f"recorded {number} {event_class}")
    fields = {
        name: rng.choice(incident_values(name)) for name in IncidentMetadata.model_fields if incident_values(name)
    }
    fields |= {"speed_kmh": rng.uniform(5, 120)}
    if event_class != "collision":
        fields |= {"ego_impact_side": "none", "other_impact_side": "none"}
    if fields["road_surface"] in ("snowy", "icy"):
        fields["weather"] = "snow"
    kept = {name: value for name, value in fields.items() if rng.random() < known}
    clip = real_clip(number, event_class, None if event_class == "normal" else 4.2)
    return clip.model_copy(update={"incident": IncidentMetadata(**kept)})


def said_of(clip, text) -> dict:
    """What a caption says, as fields of incident metadata."""
    said = {}
    for statement in parse("caption", "", text):
        for name, *values in statement.claims:
            if name == "is":
                said[values[0]] = find_incident_value(values[0], values[1])
            elif name == "recorded":
                said[values[0]] = values[1]
            elif name == "speed at the event":
                assert abs(values[0] - clip.incident.speed_kmh / 3.6) <= 0.5
                said["speed_kmh"] = clip.incident.speed_kmh
            else:
                assert name in ("event", "class", "event at")
    return said


def expected(clip) -> dict:
    """All that is recorded, but what a caption has no words for: numbers of g, and what was not hit."""
    fields = {name: getattr(clip.incident, name) for name in clip.incident.known}
    if clip.event_class == "normal":
        fields = {name: value for name, value in fields.items() if name not in OF_EVENTS}
    people = {"pedestrian": "pedestrians", "cyclist": "cyclists"}.get(fields.get("other_type"))
    unsaid = {people, *(name for name in fields if name.endswith("impact_side") and fields[name] == "none")}
    return {name: value for name, value in fields.items() if name not in unsaid}


def test_a_caption_says_what_is_recorded_and_nothing_else():
    seen = set()
    for number in range(200):
        for name, known in (("collision", 1.0), ("near_collision", 0.5), ("normal", 0.7)):
            clip = recorded_clip(number, name, known)
            (sample,) = samples_for_clip(clip, DEFAULT_TAXONOMY, CAPTION).samples
            assert sample.accepted, (sample.target, sample.checks)
            structured = structured_caption(facts_of(clip, DEFAULT_TAXONOMY))
            assert said_of(clip, sample.target) == said_of(clip, structured) == expected(clip)
            seen |= expected(clip).items()
    values = {(name, value) for name in INCIDENT_SYNONYMS for value in incident_values(name)}
    unsaid = {(name, "none") for name in ("ego_impact_side", "other_impact_side")}
    assert {item for item in seen if item[0] not in INCIDENT_NUMBERS} == values - unsaid


def test_no_caption_uses_the_names_of_fields_or_values():
    names = re.compile(r"_|undetermined|impact side|blame|metadata|manoeuvre|responsib|density")
    for clip in (recorded_clip(number, "collision") for number in range(200)):
        (sample,) = samples_for_clip(clip, DEFAULT_TAXONOMY, CAPTION).samples
        for text in (sample.target, structured_caption(facts_of(clip, DEFAULT_TAXONOMY))):
            assert not names.search(text), text


def test_wordings_differ_and_the_structured_caption_stays_the_same():
    clip = recorded_clip(1, "collision")
    facts = facts_of(clip, DEFAULT_TAXONOMY)
    assert structured_caption(facts) == structured_caption(facts)
    like = [clip.model_copy(update={"clip_id": f"like_{number}"}) for number in range(50)]
    texts = {samples_for_clip(each, DEFAULT_TAXONOMY, CAPTION).samples[0].target for each in like}
    assert len(texts) > 45
    assert all(len(words) > 1 for name, words in VALUES.items() if name != "other_type")
