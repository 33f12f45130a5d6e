"""What may be asked of a clip, so that neither the questions nor their options tell its class.

What is known may hang on the class: of many data sets only events have a manoeuvre on record. A clip is therefore
asked only what is known of itself and of one more clip of each other class, drawn at random. Whatever its own class
is, that is what is known of one random clip of every class.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from vlm_autodrive.records import Taxonomy
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.understanding.dimensions import INCIDENT_QUESTIONS
from vlm_autodrive.supervision.rules.understanding.event_question import event_options, true_options
from vlm_autodrive.supervision.samples import drawn_from_other_classes


@dataclass(frozen=True)
class ClipProfile:
    """What is known of a clip.

    Attributes:
        answerable: Names of the questions whose right option is known.
        options: The options of its class, in the question for the class, that are true of it.
    """

    answerable: frozenset[str]
    options: tuple[str, ...]


ClassProfiles = Mapping[str, Counter[ClipProfile]]
"""For each class how many clips of a set have which profile."""


def profile_of(facts: Facts) -> ClipProfile:
    """What is known of one clip."""
    answerable = frozenset(question.name for question in INCIDENT_QUESTIONS if question.answer(facts) is not None)
    return ClipProfile(answerable, true_options(facts))


def drawn_profiles(facts: Facts, seed: int, profiles: ClassProfiles) -> dict[str, ClipProfile]:
    """A clip's own profile under its class, and for each other class that of one of its clips, in the classes' order.

    Without any clip of a class all is taken to be known of it.
    """
    own = {facts.label.name: profile_of(facts)}
    drawn = own | drawn_from_other_classes(facts, seed, "profile", profiles)
    return {name: drawn.get(name) or _all_known(name, facts.taxonomy) for name in facts.taxonomy.names}


def _all_known(name: str, taxonomy: Taxonomy) -> ClipProfile:
    return ClipProfile(
        frozenset(question.name for question in INCIDENT_QUESTIONS), event_options(taxonomy.by_name(name), taxonomy)
    )
