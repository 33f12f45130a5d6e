from .detector import detect
from .long_videos import search_long_videos
from .scoring import score_folder
from .settings import DetectRunSettings, DetectSettings
from .thresholds import THRESHOLD_FILE, calibrate_threshold, read_threshold, with_threshold

__all__ = [
    "THRESHOLD_FILE",
    "DetectRunSettings",
    "DetectSettings",
    "calibrate_threshold",
    "detect",
    "read_threshold",
    "score_folder",
    "search_long_videos",
    "with_threshold",
]
