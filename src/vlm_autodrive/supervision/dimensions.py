"""The dimensions of understanding questions: which ones a writer is asked for about a clip, drawn without its class.

Three presuppose something of the clip, so that their questions are ours, the same for every clip: a writer's own words
would tell who was hit. Where there is nothing of the kind, an option that says so is the right one; it is offered to
every clip. Which dimensions can be asked at all may depend on the class, since metadata of an incident are recorded
where there is one. So a clip is asked only what can be asked of itself and of one more clip of each other class, drawn
at random, as in :mod:`~vlm_autodrive.supervision.rules.understanding.profiles`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from vlm_autodrive.records import Clip, Taxonomy
from vlm_autodrive.supervision.facts import Facts, facts_of, shows_its_event
from vlm_autodrive.supervision.rules.understanding.event_question import EVENT_DIMENSION
from vlm_autodrive.supervision.samples import drawn_from_other_classes, rng_for

_FEWEST, _MOST = 5, 7
EVENT_TOPIC = f"teacher_{EVENT_DIMENSION}"


@dataclass(frozen=True)
class Dimension:
    """One dimension of understanding questions.

    Attributes:
        name: As in ``SFTSample.topic``, behind ``teacher_``.
        about: What it is about, for the writer.
        known: The fields of the incident metadata of which one must be known.
        question: The question, where the writer does not word it.
        none: The right option where what the question presupposes is not there.
        applies: Whether it is there; None where that is not known.
    """

    name: str
    about: str
    known: tuple[str, ...] = ()
    question: str = ""
    none: str = ""
    applies: Callable[[Facts], bool | None] = lambda _: True

    @property
    def topic(self) -> str:
        """The topic of its samples."""
        return f"teacher_{self.name}"


def _hit(facts: Facts) -> bool | None:
    """Whether the ego vehicle is hit."""
    side = facts.incident.ego_impact_side
    if side is not None:
        return side != "none"
    return facts.label.contact if facts.label.is_event else False


IMPACT_SIDE = Dimension(
    "impact_sides",
    "the side of the ego vehicle that is hit",
    ("ego_impact_side",),
    "Which side of the ego vehicle is hit?",
    "there is no contact",
    _hit,
)
RESPONSIBILITY = Dimension(
    "responsibility",
    "who or what brings it about: the ego driver, another road user, the road",
    ("responsibility",),
    "Who or what brings the event about?",
    "there is no such event",
    lambda facts: facts.label.is_event,
)
DIMENSIONS: tuple[Dimension, ...] = (
    Dimension("weather", "the weather, and how far one sees", ("weather",)),
    Dimension("light", "the light", ("light",)),
    Dimension("road", "the road: its kind, its course and its surface", ("scene", "road_layout", "road_surface")),
    Dimension("surroundings", "how dense the traffic is, and what the road leads through", ("traffic_density", "zone")),
    Dimension("ego_motion", "how the ego vehicle moves", ("ego_manoeuvre", "ego_braking", "speed_kmh")),
    Dimension("other_motion", "how the other road user moves", ("other_manoeuvre",)),
    Dimension("road_users", "of what kind the other road user is, and where it is", ("other_type", "other_role")),
    IMPACT_SIDE,
    RESPONSIBILITY,
    Dimension("people", "what people on foot and on bicycles do", ("pedestrians", "cyclists")),
)
"""Those that are drawn, named as those of the rules; the one on the event is asked of every clip."""

ON_EVENTS = frozenset([EVENT_TOPIC, *(dimension.topic for dimension in DIMENSIONS if dimension.question)])
"""Topics of questions by a writer that presuppose an event or contact, and are asked of every class alike."""


@dataclass(frozen=True)
class DimensionSlot:
    """One understanding question that a writer is asked for.

    Attributes:
        dimension: What it is about.
        none_is_right: Whether the option ``dimension.none`` must be the right one.
    """

    dimension: Dimension
    none_is_right: bool = False


DimensionProfiles = Mapping[str, Counter[frozenset[str]]]
"""For each class how many clips of a set can be asked which dimensions."""


def askable(facts: Facts) -> dict[str, bool]:
    """The dimensions that enough is known of, and for each whether it applies."""
    known = {}
    for dimension in DIMENSIONS:
        applies = dimension.applies(facts)
        recorded = any(getattr(facts.incident, name) is not None for name in dimension.known)
        if applies is False or (applies and recorded):
            known[dimension.name] = applies
    return known


def dimension_profiles(clips: Iterable[Clip], taxonomy: Taxonomy) -> DimensionProfiles:
    """Which dimensions the clips of each class that show their event can be asked."""
    profiles: dict[str, Counter[frozenset[str]]] = {}
    for clip in clips:
        if shows_its_event(clip):
            facts = facts_of(clip, taxonomy)
            profiles.setdefault(facts.label.name, Counter())[frozenset(askable(facts))] += 1
    return profiles


def dimension_slots(
    facts: Facts, seed: int, wanted: int | None, profiles: DimensionProfiles
) -> tuple[DimensionSlot, ...]:
    """Which understanding questions a writer is asked for about a clip; the last is that on the event.

    Args:
        facts: The clip.
        seed: Of the draw.
        wanted: How many, fewer where not enough is known; None draws 5 to 7, as in the paper.
        profiles: What the clips of each class can be asked; classes that are left out limit nothing.
    """
    clip_id = facts.clip.clip_id
    rng = rng_for(seed, clip_id, "dimensions")
    wanted = rng.randint(_FEWEST, _MOST) if wanted is None else wanted
    known = askable(facts)
    common = set(known)
    common = common.intersection(*drawn_from_other_classes(facts, seed, "dimensions of", profiles).values())
    drawn = [dimension for dimension in rng.sample(DIMENSIONS, len(DIMENSIONS)) if dimension.name in common]
    slots = [
        DimensionSlot(dimension, none_is_right=not known[dimension.name]) for dimension in drawn[: max(wanted - 1, 0)]
    ]
    return (*slots, DimensionSlot(event_dimension(facts.taxonomy))) if wanted else ()


def event_dimension(taxonomy: Taxonomy) -> Dimension:
    """The dimension that every clip is asked, in the words of the verdict question."""
    return Dimension(EVENT_DIMENSION, "which event it is, and what shows it", question=taxonomy.question)
