"""The records that everything else is made of. Import them from here."""

from vlm_autodrive.records.audit import REASONS, AuditedItem, AuditSample, AuditStratum, AuditVerdict, Reason
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
from vlm_autodrive.records.catalog import PRACTICE, DataSet, Event, ImportedQuestion, ImportIssue, Video, source_id_of
from vlm_autodrive.records.clip import ANTICIPATION, Clip, Split
from vlm_autodrive.records.detection import DetectedEvent, VideoDetections, WindowScore
from vlm_autodrive.records.judgement import Judgement, PersonsGrade
from vlm_autodrive.records.prediction import Prediction, ProbabilitySource, Reasoning, Verdict
from vlm_autodrive.records.scenario import Distraction, Encounter, Scenario, StatePoint
from vlm_autodrive.records.supervision import KINDS, Check, Kind, StudentPrompt, SupervisionItem, TeacherPrompt
from vlm_autodrive.records.taxonomy import DEFAULT_TAXONOMY, TAXONOMIES, TWO_CLASS_TAXONOMY, EventClass, Taxonomy

__all__ = [
    "ANTICIPATION",
    "DEFAULT_TAXONOMY",
    "KINDS",
    "PRACTICE",
    "REASONS",
    "TAXONOMIES",
    "TWO_CLASS_TAXONOMY",
    "AuditSample",
    "AuditStratum",
    "AuditVerdict",
    "AuditedItem",
    "Check",
    "Clip",
    "DataSet",
    "DetectedEvent",
    "Distraction",
    "Encounter",
    "Event",
    "EventClass",
    "ImportIssue",
    "ImportedQuestion",
    "Judgement",
    "Kind",
    "Outcome",
    "PersonsGrade",
    "Prediction",
    "ProbabilitySource",
    "Reason",
    "Reasoning",
    "Record",
    "Scenario",
    "Split",
    "StatePoint",
    "StudentPrompt",
    "SupervisionItem",
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
