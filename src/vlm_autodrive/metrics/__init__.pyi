from . import classification
from .abstention import risk_coverage
from .agreement import Agreement, agreement, cohen_kappa, krippendorff_alpha_estimate
from .anticipation import HORIZON_S, AnticipationScores, ScoredWindow, anticipation, time_to_alert
from .bootstrap import Bootstrap, Ratio, Statistic, bootstrap_estimate, percentile_bounds
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
from .event_time import TOLERANCES_S, EventTimeScores, detection_scores, event_time_scores, match_events, temporal_iou
from .groups import connected_groups
from .held_out import FOLDS, held_out_by_name, held_out_probabilities, name_features
from .intervals import Estimate, few_clusters_warning, stratified_proportion, undefined, wilson
from .long_video_search import LONG_VIDEOS_FILE, DetectionScore, LongVideoSearch, read_long_videos
from .rouge import rouge_l
from .seeds import difference_over_seeds, over_seeds
from .significance import (
    LEVEL,
    McNemar,
    clips_to_settle,
    design_effect,
    holm,
    mcnemar,
    sign_flip_p_value,
    slice_p_value,
)

__all__ = [
    "FOLDS",
    "HORIZON_S",
    "LEVEL",
    "LONG_VIDEOS_FILE",
    "TOLERANCES_S",
    "Agreement",
    "AnticipationScores",
    "Bootstrap",
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
    "cohen_kappa",
    "connected_groups",
    "design_effect",
    "detection_scores",
    "difference_over_seeds",
    "event_time_scores",
    "few_clusters_warning",
    "fit_temperature",
    "held_out_by_name",
    "held_out_probabilities",
    "holm",
    "krippendorff_alpha_estimate",
    "macro_f1",
    "match_events",
    "mcnemar",
    "name_features",
    "over_seeds",
    "percentile_bounds",
    "ranking",
    "read_long_videos",
    "risk_coverage",
    "rouge_l",
    "sign_flip_p_value",
    "slice_p_value",
    "stratified_proportion",
    "temperature_warning",
    "temporal_iou",
    "time_to_alert",
    "undefined",
    "wilson",
]
