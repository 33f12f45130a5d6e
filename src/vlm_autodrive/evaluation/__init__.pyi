from .compare_stage import compare, compare_samples, read_comparison
from .judge.stage import estimate_judging, estimate_lines, judge
from .predict.baselines import baselines_of, evaluate_baseline
from .predict.prompt_choice import validation_settings
from .predict.stage import evaluate
from .report.formats import p_value, signed, signed_interval, with_interval
from .report.headline import headline
from .report.media import REPORT_FILES
from .report.stage import HTML_FILE, MARKDOWN_FILE, read_long_videos, read_report, write_report
from .report.statements import (
    failure_lines,
    have_all_failed,
    model_notes,
    scarcity_notes,
    statistics_sentence,
    summary,
)
from .report.tables import main_rows, right_answers
from .score.answers import read_answers
from .score.records import Comparison, Diagnostic, ModelScores
from .score.samples import EvaluationSamples, read_evaluation_samples
from .score.slice_fields import SLICE_FIELDS, slice_value
from .settings import (
    BASELINES,
    BEFORE_CORRECTIONS,
    BaselineSettings,
    CompareSettings,
    EvaluateSettings,
    JudgeSettings,
    ReportSettings,
)

__all__ = [
    "BASELINES",
    "BEFORE_CORRECTIONS",
    "HTML_FILE",
    "MARKDOWN_FILE",
    "REPORT_FILES",
    "SLICE_FIELDS",
    "BaselineSettings",
    "CompareSettings",
    "Comparison",
    "Diagnostic",
    "EvaluateSettings",
    "EvaluationSamples",
    "JudgeSettings",
    "ModelScores",
    "ReportSettings",
    "baselines_of",
    "compare",
    "compare_samples",
    "estimate_judging",
    "estimate_lines",
    "evaluate",
    "evaluate_baseline",
    "failure_lines",
    "have_all_failed",
    "headline",
    "judge",
    "main_rows",
    "model_notes",
    "p_value",
    "read_answers",
    "read_comparison",
    "read_evaluation_samples",
    "read_long_videos",
    "read_report",
    "right_answers",
    "scarcity_notes",
    "signed",
    "signed_interval",
    "slice_value",
    "statistics_sentence",
    "summary",
    "validation_settings",
    "with_interval",
    "write_report",
]
