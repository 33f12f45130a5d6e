from .detector import detect
from .long_videos import search_long_videos
from .scoring import score_folder
from .settings import DetectRunSettings, DetectSettings
from .thresholds import THRESHOLD_FILE, fit_threshold_on_folder, read_threshold, with_threshold

__all__ = [
    "THRESHOLD_FILE",
    "DetectRunSettings",
    "DetectSettings",
    "detect",
    "fit_threshold_on_folder",
    "read_threshold",
    "score_folder",
    "search_long_videos",
    "with_threshold",
]
