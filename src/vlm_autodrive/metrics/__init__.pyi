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
from .event_detection import event_detection_metrics, match_events, temporal_iou
from .event_time import TOLERANCES_S, EventTimeScores, event_time_scores
from .groups import connected_groups
from .held_out import FOLDS, held_out_by_name, held_out_probabilities, name_features
from .intervals import FEW_CLIPS, Estimate, few_clusters_warning, stratified_proportion, undefined, wilson
from .long_video_search import LongVideoScores, LongVideoSearch
from .operating_points import AlarmCounts, operating_point
from .rouge import rouge_l
from .seeds import difference_over_seeds, over_seeds
from .significance import (
    LEVEL,
    McNemar,
    clips_to_settle,
    design_effect,
    holm,
    mcnemar,
    minimum_detectable_difference,
    sign_flip_p_value,
    slice_p_value,
)

__all__ = [
    "FEW_CLIPS",
    "FOLDS",
    "HORIZON_S",
    "LEVEL",
    "TOLERANCES_S",
    "Agreement",
    "AlarmCounts",
    "AnticipationScores",
    "Bootstrap",
    "CalibrationScores",
    "Estimate",
    "EventTimeScores",
    "LongVideoScores",
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
    "difference_over_seeds",
    "event_detection_metrics",
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
    "minimum_detectable_difference",
    "name_features",
    "operating_point",
    "over_seeds",
    "percentile_bounds",
    "ranking",
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
