from . import classification
from .abstention import risk_coverage
from .anticipation import AnticipationScores, anticipation
from .calibration import (
    CalibrationScores,
    ReliabilityBin,
    at_temperature,
    calibration_estimates,
    fit_temperature,
    temperature_warning,
)
from .classification import macro_f1
from .curves import RankingScores, areas, ranking
from .event_time import TOLERANCES_S, EventTimeScores, detection_scores, event_time_scores, match_events
from .intervals import (
    Estimate,
    Ratio,
    Statistic,
    bootstrap_estimate,
    cluster_bootstrap,
    cluster_sums,
    few_clusters_warning,
    mean,
    percentile_bounds,
    renumbered,
    resampled_sums,
    share,
    undefined,
    wilson,
)
from .krippendorff import krippendorff_alpha_estimate
from .long_video_search import LONG_VIDEOS_FILE, DetectionScore, LongVideoSearch, read_long_videos
from .paired import LEVEL, McNemar, clips_to_settle, design_effect, holm, mcnemar, paired_difference, paired_differences
from .permutation import sign_flip_p_value, slice_p_value
from .rouge import rouge_l
from .seeds import difference_over_seeds, over_seeds
from .stratified import Agreement, agreement, stratified_proportion
from .temporal_iou import temporal_iou
from .time_to_alert import HORIZON_S, ScoredWindow, time_to_alert

__all__ = [
    "HORIZON_S",
    "LEVEL",
    "LONG_VIDEOS_FILE",
    "TOLERANCES_S",
    "Agreement",
    "AnticipationScores",
    "CalibrationScores",
    "DetectionScore",
    "Estimate",
    "EventTimeScores",
    "LongVideoSearch",
    "McNemar",
    "RankingScores",
    "Ratio",
    "ReliabilityBin",
    "ScoredWindow",
    "Statistic",
    "agreement",
    "anticipation",
    "areas",
    "at_temperature",
    "bootstrap_estimate",
    "calibration_estimates",
    "classification",
    "clips_to_settle",
    "cluster_bootstrap",
    "cluster_sums",
    "design_effect",
    "detection_scores",
    "difference_over_seeds",
    "event_time_scores",
    "few_clusters_warning",
    "fit_temperature",
    "holm",
    "krippendorff_alpha_estimate",
    "macro_f1",
    "match_events",
    "mcnemar",
    "mean",
    "over_seeds",
    "paired_difference",
    "paired_differences",
    "percentile_bounds",
    "ranking",
    "read_long_videos",
    "renumbered",
    "resampled_sums",
    "risk_coverage",
    "rouge_l",
    "share",
    "sign_flip_p_value",
    "slice_p_value",
    "stratified_proportion",
    "temperature_warning",
    "temporal_iou",
    "time_to_alert",
    "undefined",
    "wilson",
]
