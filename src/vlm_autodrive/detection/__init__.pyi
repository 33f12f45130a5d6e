from .calibration import calibrate, calibration_rows, scarcity_words
from .detector import detect
from .long_videos import search_long_videos
from .operating import calibration_footage
from .scoring import score_folder
from .settings import CalibrateSettings, DetectRunSettings, DetectSettings
from .short_list.event_command import parse_command, send_events
from .short_list.listing import ListedEvent, ListedTrip, in_trip_time, list_events, read_trips
from .short_list.settings import ShortListSettings
from .short_list.stage import write_short_list
from .short_list.strips import film_strip
from .watch import watch

__all__ = [
    "CalibrateSettings",
    "DetectRunSettings",
    "DetectSettings",
    "ListedEvent",
    "ListedTrip",
    "ShortListSettings",
    "calibrate",
    "calibration_footage",
    "calibration_rows",
    "detect",
    "film_strip",
    "in_trip_time",
    "list_events",
    "parse_command",
    "read_trips",
    "scarcity_words",
    "score_folder",
    "search_long_videos",
    "send_events",
    "watch",
    "write_short_list",
]
