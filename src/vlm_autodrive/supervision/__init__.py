"""Supervision: what is taught about each clip, by kinds that can be switched on and off one by one."""

from vlm_autodrive.supervision.building import ClipSupervision, items_for_clip
from vlm_autodrive.supervision.settings import ServedTeacherSettings, SuperviseSettings
from vlm_autodrive.supervision.supervising import SUMMARY_FILE, supervise
from vlm_autodrive.supervision.vqa import TOPIC_NAMES, TOPICS, KnownShares, Topic

__all__ = [
    "SUMMARY_FILE",
    "TOPICS",
    "TOPIC_NAMES",
    "ClipSupervision",
    "KnownShares",
    "ServedTeacherSettings",
    "SuperviseSettings",
    "Topic",
    "items_for_clip",
    "supervise",
]
