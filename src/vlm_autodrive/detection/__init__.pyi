from .calibration import calibrate, calibration_rows
from .detector import detect
from .long_videos import search_long_videos
from .operating import calibration_footage
from .scoring import score_folder
from .settings import CalibrateSettings, DetectRunSettings, DetectSettings
from .short_list.settings import ShortListSettings
from .short_list.stage import write_short_list

__all__ = [
    "CalibrateSettings",
    "DetectRunSettings",
    "DetectSettings",
    "ShortListSettings",
    "calibrate",
    "calibration_footage",
    "calibration_rows",
    "detect",
    "score_folder",
    "search_long_videos",
    "write_short_list",
]
