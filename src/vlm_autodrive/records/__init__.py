"""The records that everything else is made of. Import them from here."""

from vlm_autodrive.records.base import (
    Outcome,
    Record,
    append_jsonl,
    iterate_jsonl,
    read_jsonl,
    read_partial_jsonl,
    write_jsonl,
    writing_jsonl,
)
from vlm_autodrive.records.catalog import TRAIN_ONLY, DataSet, DatasetQuestion, Event, ImportIssue, Video, source_id_of
from vlm_autodrive.records.clip import ANTICIPATION, Clip, Split
from vlm_autodrive.records.detection import DetectedEvent, VideoDetections, WindowScore
from vlm_autodrive.records.judgement import HumanRating, Judgement
from vlm_autodrive.records.prediction import Prediction, ProbabilitySource, Reasoning, Verdict
from vlm_autodrive.records.review import REASONS, Reason, ReviewDecision, ReviewedSample, ReviewSample, ReviewStratum
from vlm_autodrive.records.scenario import Distraction, Encounter, Scenario, StatePoint
from vlm_autodrive.records.supervision import (
    SUPERVISION_TYPES,
    Check,
    SFTSample,
    StudentPrompt,
    SupervisionType,
    TeacherPrompt,
)
from vlm_autodrive.records.taxonomy import BINARY_TAXONOMY, DEFAULT_TAXONOMY, TAXONOMIES, EventClass, Taxonomy

__all__ = [
    "ANTICIPATION",
    "BINARY_TAXONOMY",
    "DEFAULT_TAXONOMY",
    "REASONS",
    "SUPERVISION_TYPES",
    "TAXONOMIES",
    "TRAIN_ONLY",
    "Check",
    "Clip",
    "DataSet",
    "DatasetQuestion",
    "DetectedEvent",
    "Distraction",
    "Encounter",
    "Event",
    "EventClass",
    "HumanRating",
    "ImportIssue",
    "Judgement",
    "Outcome",
    "Prediction",
    "ProbabilitySource",
    "Reason",
    "Reasoning",
    "Record",
    "ReviewDecision",
    "ReviewSample",
    "ReviewStratum",
    "ReviewedSample",
    "SFTSample",
    "Scenario",
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
