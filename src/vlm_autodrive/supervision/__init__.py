"""Supervision: what is taught about each clip, by kinds that can be switched on and off one by one."""

from vlm_autodrive.supervision.estimating import SupervisionEstimate, estimate_lines, estimate_supervision
from vlm_autodrive.supervision.rules.building import ClipSupervision
from vlm_autodrive.supervision.rules.by_rules import items_for_clip
from vlm_autodrive.supervision.rules.vqa.topics import TOPIC_NAMES, TOPICS, KnownShares, Topic
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.supervising import REPLIES_FILE, SUMMARY_FILE, supervise
from vlm_autodrive.supervision.teacher_settings import ServedTeacherSettings

__all__ = [
    "REPLIES_FILE",
    "SUMMARY_FILE",
    "TOPICS",
    "TOPIC_NAMES",
    "ClipSupervision",
    "KnownShares",
    "ServedTeacherSettings",
    "SuperviseSettings",
    "SupervisionEstimate",
    "Topic",
    "estimate_lines",
    "estimate_supervision",
    "items_for_clip",
    "supervise",
]
