from .base import (
    Outcome,
    Record,
    append_jsonl,
    iterate_jsonl,
    read_jsonl,
    read_partial_jsonl,
    write_jsonl,
    writing_jsonl,
)
from .catalog import TRAIN_ONLY, DataSet, DatasetQuestion, Event, ImportIssue, Video, source_id_of
from .clip import ANTICIPATION, Clip, Split
from .detection import DetectedEvent, VideoDetections, WindowScore
from .judgement import HumanRating, Judgement
from .prediction import Prediction, ProbabilitySource, Reasoning, Verdict
from .review import REJECTION_REASONS, ReviewDecision, ReviewDraw, ReviewedSample, ReviewStratum
from .scenario import Distraction, Distractor, Encounter, Family, Scenario, Side, StatePoint
from .supervision import SUPERVISION_TYPES, Check, SFTSample, StudentPrompt, SupervisionType, TeacherPrompt
from .taxonomy import BINARY_TAXONOMY, DEFAULT_TAXONOMY, TAXONOMIES, EventClass, Taxonomy

__all__ = [
    "ANTICIPATION",
    "BINARY_TAXONOMY",
    "DEFAULT_TAXONOMY",
    "REJECTION_REASONS",
    "SUPERVISION_TYPES",
    "TAXONOMIES",
    "TRAIN_ONLY",
    "Check",
    "Clip",
    "DataSet",
    "DatasetQuestion",
    "DetectedEvent",
    "Distraction",
    "Distractor",
    "Encounter",
    "Event",
    "EventClass",
    "Family",
    "HumanRating",
    "ImportIssue",
    "Judgement",
    "Outcome",
    "Prediction",
    "ProbabilitySource",
    "Reasoning",
    "Record",
    "ReviewDecision",
    "ReviewDraw",
    "ReviewStratum",
    "ReviewedSample",
    "SFTSample",
    "Scenario",
    "Side",
    "Split",
    "StatePoint",
    "StudentPrompt",
    "SupervisionType",
    "Taxonomy",
    "TeacherPrompt",
    "Verdict",
    "Video",
    "VideoDetections",
    "WindowScore",
    "append_jsonl",
    "iterate_jsonl",
    "read_jsonl",
    "read_partial_jsonl",
    "source_id_of",
    "write_jsonl",
    "writing_jsonl",
]
