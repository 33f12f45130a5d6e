"""The understanding questions of one clip."""

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.multiple_choice import choice_sample, shuffled_choice
from vlm_autodrive.supervision.rules.understanding.dimensions import DIMENSIONS, INCIDENT_QUESTIONS
from vlm_autodrive.supervision.rules.understanding.event_question import EVENT_DIMENSION, MOST_CLASSES
from vlm_autodrive.supervision.rules.understanding.profiles import ClassProfiles, ClipProfile, drawn_profiles
from vlm_autodrive.supervision.samples import rng_for
from vlm_autodrive.supervision.student_prompts import understanding_question


def understanding_samples(facts: Facts, seed: int, wanted: int, profiles: ClassProfiles) -> list[SFTSample]:
    """Multiple-choice questions on as many dimensions, the first of them the class and its why.

    Args:
        facts: The clip.
        seed: Of every draw.
        wanted: How many; fewer where not enough is known.
        profiles: What is known of the clips of each class in the set.
    """
    if not wanted:
        return []
    drawn = drawn_profiles(facts, seed, profiles)
    samples = [_event_sample(facts, seed, drawn)] if len(facts.taxonomy.classes) <= MOST_CLASSES else []
    answerable = frozenset.intersection(*(profile.answerable for profile in drawn.values()))
    order = rng_for(seed, facts.clip.clip_id, "dimensions").sample(DIMENSIONS, len(DIMENSIONS))
    for dimension in order:
        if len(samples) == wanted:
            break
        questions = [q for q in INCIDENT_QUESTIONS if q.dimension == dimension and q.name in answerable]
        if not questions:
            continue
        rng = rng_for(seed, facts.clip.clip_id, dimension)
        question = rng.choice(questions)
        right = question.answer(facts) or ""
        text = understanding_question(question.name, rng)
        choice = shuffled_choice(text, right, [option for option in question.all_options if option != right], rng)
        samples.append(choice_sample(facts, dimension, choice))
    return samples


def _event_sample(facts: Facts, seed: int, drawn: dict[str, ClipProfile]) -> SFTSample:
    rng = rng_for(seed, facts.clip.clip_id, EVENT_DIMENSION)
    options = {name: rng.choice(profile.options) for name, profile in drawn.items()}
    text = understanding_question(EVENT_DIMENSION, rng)
    right = options.pop(facts.label.name)
    choice = shuffled_choice(text, right, tuple(options.values()), rng)
    return choice_sample(facts, EVENT_DIMENSION, choice)
