"""What DADA-2000's types of accident say, by number as in MM-AU and by phrase as in VRU-Accident, and MM-AU's causes.

The phrases are those of the sheets ``Sheet1`` and ``causes and measures`` in MM-AU's ``cap_text_annotations.xls``. Only
an accident of the ego vehicle has another party. Of the accidents of others no more is known than that pedestrians or
cyclists are in view.
"""

import re

from vlm_autodrive.records import EventClass, IncidentMetadata, Taxonomy

_CROSSING = {"other_role": "crossing", "other_manoeuvre": "cross"}
_EGO_HITS: dict[str, dict[str, str]] = {
    "ego-car hits a crossing pedestrian": {"other_type": "pedestrian", "pedestrians": "crossing", **_CROSSING},
    "ego-car hits a pedestrian": {"other_type": "pedestrian", "pedestrians": "present"},
    "ego-car hits a crossing cyclist": {"other_type": "cyclist", "cyclists": "crossing", **_CROSSING},
    "ego-car hits a cyclist": {"other_type": "cyclist", "cyclists": "present"},
    "ego-car hits a crossing motorbike": {"other_type": "motorcycle", **_CROSSING},
    "ego-car hits a motorbike": {"other_type": "motorcycle"},
    "ego-car hits a crossing truck": {"other_type": "truck", **_CROSSING},
    "ego-car hits a truck": {"other_type": "truck"},
    "ego-car is overtaken by a truck": {"other_type": "truck", "other_manoeuvre": "overtake"},
    "ego-car hits a crossing car": {"other_type": "car", **_CROSSING},
    "ego-car hits a car": {"other_type": "car"},
    "ego-car is overtaken by a car": {"other_type": "car", "other_manoeuvre": "overtake"},
    "ego-car hits large roadblocks": {"other_type": "object"},
    "ego-car hits a curb": {"other_type": "object"},
    "ego-car hits small roadblocks road potholes": {},
    "ego-car hits trees": {"other_type": "object"},
    "ego-car hits telegraphpoles": {"other_type": "object"},
    "ego-car hits other road facilties": {"other_type": "object"},
}
_EGO_TYPES = {number: IncidentMetadata.model_validate(said) for number, said in enumerate(_EGO_HITS.values(), start=1)}
_EGO_PHRASES = {phrase.replace(" a ", " "): _EGO_TYPES[number] for number, phrase in enumerate(_EGO_HITS, start=1)}
# Of the list of causes those that say where another vehicle is or what it does; the ego vehicle is always ``Ego-car``.
_REVERSES = {"other_manoeuvre": "reverse"}
_CAUSES: dict[str, dict[str, str]] = {
    "the vehicle in front of ego-car decelerates or stops suddenly": {
        "other_role": "ahead", "other_manoeuvre": "brake",
    },
    "ego-car is rear ended by the rear car": {
        "other_role": "behind", "ego_impact_side": "rear", "other_impact_side": "front",
    },
    "the vehicle does not notice the vehicles when reversing": _REVERSES,
    "the vehicle reverses and collides with other vehicles": _REVERSES,
    "the truck does not notice other vehicles when reversing": _REVERSES,
}  # fmt: skip
_PEDESTRIAN_TYPES = (52, 54, 56, 58)
_CYCLIST_TYPES = (53, 55, 57, 59, 60)


def accident_of_type(number: int, cause: str = "") -> IncidentMetadata:
    """What a type says, from 1 to 62, and what the sentence on the cause adds to it."""
    if number in _EGO_TYPES:
        added = _CAUSES.get(_plain(cause), {})
        return _EGO_TYPES[number].over(IncidentMetadata.model_validate(added)) if added else _EGO_TYPES[number]
    return _in_view(number in _PEDESTRIAN_TYPES, number in _CYCLIST_TYPES)


def accident_of_phrase(text: str) -> IncidentMetadata:
    """What the phrase of a type says; nothing where it is none of them and names nobody on foot or cycle."""
    plain = _plain(text).replace(" a ", " ")
    if plain.startswith("ego-car"):
        return _EGO_PHRASES.get(plain, IncidentMetadata())
    words = set(re.findall(r"[a-z]+", plain))
    doubtful = "or" in words  # as in "motorcycle or cyclist"
    return _in_view("pedestrian" in words and not doubtful, "cyclist" in words and not doubtful)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .")


def _in_view(pedestrians: bool, cyclists: bool) -> IncidentMetadata:
    return IncidentMetadata(pedestrians="present" if pedestrians else None, cyclists="present" if cyclists else None)


def accident_class(spelling: str, taxonomy: Taxonomy) -> EventClass | None:
    """The class of what a data set calls an accident; None, for an unknown kind, if the taxonomy has none."""
    found = taxonomy.find(spelling) or taxonomy.find("accident")
    return found if found is not None and found.is_event else None
