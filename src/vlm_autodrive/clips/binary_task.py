"""The task of two classes: whether there is an event, whatever its kind."""

from collections.abc import Mapping, Sequence

from vlm_autodrive.records import (
    BINARY_TAXONOMY,
    DEFAULT_TAXONOMY,
    Encounter,
    Event,
    EventClass,
    Scenario,
    Taxonomy,
)


def binary_taxonomy(taxonomy: Taxonomy) -> Taxonomy:
    """A taxonomy with all its events in one class; the same one if it has but one already."""
    events = [c for c in taxonomy.classes if c.is_event]
    if len(events) == 1:
        return taxonomy
    if taxonomy == DEFAULT_TAXONOMY:
        return BINARY_TAXONOMY
    definition = ", or ".join(c.definition for c in events)
    event = EventClass(name="event", label="Event", code=events[0].code, definition=definition, takes_unknown=True)
    return Taxonomy(classes=(event, taxonomy.normal))


def as_binary(
    taxonomy: Taxonomy, events: Sequence[Event], scenarios: Mapping[str, Scenario]
) -> tuple[Taxonomy, list[Event], dict[str, Scenario]]:
    """Taxonomy, events and scenarios with one class for all events, those of unknown kind among them."""
    two = binary_taxonomy(taxonomy)
    (event_name,) = two.event_names
    normal = taxonomy.normal.name

    def rename(encounter: Encounter) -> Encounter:
        name = two.normal.name if encounter.event_class == normal else event_name
        return encounter.model_copy(update={"event_class": name})

    return (
        two,
        [event.model_copy(update={"event_class": event_name}) for event in events],
        {
            video_id: scenario.model_copy(update={"encounters": tuple(map(rename, scenario.encounters))})
            for video_id, scenario in scenarios.items()
        },
    )
