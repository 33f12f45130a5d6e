from .estimate import estimate_lines, estimate_supervision
from .export.stage import ExportSettings, ExportSummary, export_supervision
from .review.acceptance import AcceptanceRate, ReviewResult, acceptance_rates
from .review.corrections import (
    SampleCorrectionSettings,
    SampleCorrectionsResult,
    correct_supervision,
    read_sample_corrections_result,
)
from .review.sampling import ReviewSettings, ReviewStratum, draw_samples, review_item_id, review_strata
from .rules.vqa.topics import TOPIC_NAMES, TOPICS, KnownShares
from .set_writer import REPLIES_FILE
from .settings import SuperviseSettings
from .stage import SUMMARY_FILE, samples_for_clip, supervise
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
    "ReviewStratum",
    "SampleCorrectionSettings",
    "SampleCorrectionsResult",
    "SuperviseSettings",
    "acceptance_rates",
    "choose_types",
    "correct_supervision",
    "draw_samples",
    "estimate_lines",
    "estimate_supervision",
    "export_supervision",
    "read_sample_corrections_result",
    "review_item_id",
    "review_strata",
    "samples_for_clip",
    "supervise",
]
