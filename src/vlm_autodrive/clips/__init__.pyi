from .audit import audit
from .clips_stage import build_clips
from .inspection import inspect_clips
from .settings import ClipSettings
from .splits import TEST_IDS_FILE

__all__ = [
    "TEST_IDS_FILE",
    "ClipSettings",
    "audit",
    "build_clips",
    "inspect_clips",
]
