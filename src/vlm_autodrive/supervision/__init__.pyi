from .estimate import estimate_lines, estimate_supervision
from .export.stage import ExportSettings, ExportSummary, export_supervision
from .review.decisions import AcceptanceRate, ReviewResult, read_review, take_decisions
from .review.sampling import ReviewSettings, start_review
from .rules.vqa.topics import TOPIC_NAMES, TOPICS, KnownShares
from .settings import SuperviseSettings
from .stage import REPLIES_FILE, SUMMARY_FILE, samples_for_clip, supervise
from .type_filter import choose_types

__all__ = [
    "REPLIES_FILE",
    "SUMMARY_FILE",
    "TOPICS",
    "TOPIC_NAMES",
    "AcceptanceRate",
    "ExportSettings",
    "ExportSummary",
    "KnownShares",
    "ReviewResult",
    "ReviewSettings",
    "SuperviseSettings",
    "choose_types",
    "estimate_lines",
    "estimate_supervision",
    "export_supervision",
    "read_review",
    "samples_for_clip",
    "start_review",
    "supervise",
    "take_decisions",
]
