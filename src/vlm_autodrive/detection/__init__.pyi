from .calibration import calibrate, calibration_rows
from .detector import detect
from .long_videos import search_long_videos
from .scoring import score_folder
from .settings import CalibrateSettings, DetectRunSettings, DetectSettings

__all__ = [
    "CalibrateSettings",
    "DetectRunSettings",
    "DetectSettings",
    "calibrate",
    "calibration_rows",
    "detect",
    "score_folder",
    "search_long_videos",
]
