"""The survey of a clip set before supervision: one light pass over its clips."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from vlm_autodrive.artifacts import iterate_clips, read_questions, read_taxonomy
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Clip, Taxonomy
from vlm_autodrive.supervision.dataset_questions import AssignedQuestions, assign_questions
from vlm_autodrive.supervision.dimensions import DimensionProfiles, dimension_profiles
from vlm_autodrive.supervision.facts import facts_of, shows_its_event
from vlm_autodrive.supervision.rules.reasoning_vqa import asked_shares, equal_shares
from vlm_autodrive.supervision.rules.understanding.profiles import ClipProfile, profile_of
from vlm_autodrive.supervision.rules.vqa.topics import TOPIC_NAMES, KnownShares, answered_topics, known_shares
from vlm_autodrive.supervision.settings import SuperviseSettings

_CLIPS_FOR_TOPICS = 500  # of each class; enough to know a rate within two in a hundred, in a few seconds
NOT_SUPERVISED = {
    "test": "test clips are never supervised",
    "problem": "the clip cannot be used",
    "class": "the kind of its event is unknown",
    "taxonomy": "its class is not in the taxonomy",
}


@dataclass(frozen=True)
class ClipSetSurvey:
    """What a clip set holds for supervision.

    Attributes:
        taxonomy: The classes.
        supervised: How many clips get samples.
        unsupervised: Why not, for each other clip, by id.
        test: How many of those are test clips.
        known: What is known of the events, and of the clips of each class.
        questions: Which clips are asked which dataset questions.
        dimensions: What a writer can ask the clips of each class; empty without understanding questions by one.
    """

    taxonomy: Taxonomy
    supervised: int
    unsupervised: dict[str, str]
    test: int
    known: KnownShares
    questions: AssignedQuestions
    dimensions: DimensionProfiles


def survey_clips(clips: Path, settings: SuperviseSettings) -> ClipSetSurvey:
    """Go over a clip set once, keeping no clip's motion in memory.

    Raises:
        UserError: If no clip can be supervised.
    """
    taxonomy = read_taxonomy(clips)
    supervised, recorded, unsupervised, test = [], [], {}, 0
    profiles: dict[str, Counter[ClipProfile]] = {}
    answered: Counter[tuple[str, str]] = Counter()
    looked_at: Counter[str] = Counter()
    for clip in iterate_clips(clips):
        reason = why_not(clip, taxonomy)
        test += clip.split == "test"
        # Of test clips too, and whatever is trained: held-out questions must tell no more than those of training.
        if not unusable(clip, taxonomy) and shows_its_event(clip):
            facts = facts_of(clip, taxonomy)
            name = facts.label.name
            profiles.setdefault(name, Counter())[profile_of(facts)] += 1
            if looked_at[name] < _CLIPS_FOR_TOPICS:
                looked_at[name] += 1
                answered.update((topic, name) for topic in answered_topics(facts, settings.seed))
        if reason:
            unsupervised[clip.clip_id] = reason
        else:
            supervised.append(clip.model_copy(update={"scenario": None}))
            if clip.scenario is None and shows_its_event(clip):
                recorded.append(clip)
    if not supervised:
        raise UserError("no clip of the splits train and validation has a usable label; supervise another clip set.")
    wanted = settings.dataset_questions and "vqa" in settings.types
    of_data_set = read_questions(clips) if wanted else []
    shown = [clip for clip in supervised if shows_its_event(clip)]
    understanding = settings.chain == "paper" and "vqa" in settings.teacher_types
    clips_again = (clip for clip in iterate_clips(clips) if clip.clip_id not in unsupervised)
    return ClipSetSurvey(
        taxonomy=taxonomy,
        supervised=len(supervised),
        unsupervised=unsupervised,
        test=test,
        known=replace(
            known_shares(supervised, taxonomy),
            intentions=asked_shares(recorded, taxonomy),
            profiles=profiles,
            topics=equal_shares(TOPIC_NAMES, answered, looked_at),
        ),
        questions=assign_questions(shown, of_data_set, taxonomy, settings.seed),
        dimensions=dimension_profiles(clips_again, taxonomy) if understanding else {},
    )


def why_not(clip: Clip, taxonomy: Taxonomy) -> str:
    """Why a clip gets no supervision at all; empty if it does."""
    return NOT_SUPERVISED["test"] if clip.split == "test" else unusable(clip, taxonomy)


def unusable(clip: Clip, taxonomy: Taxonomy) -> str:
    """Why nothing true can be written about a clip of whatever split; empty if something can."""
    if clip.problem:
        return NOT_SUPERVISED["problem"]
    if clip.event_class is None:
        return NOT_SUPERVISED["class"]
    return "" if clip.event_class in taxonomy.names else NOT_SUPERVISED["taxonomy"]
