from .audit import audit
from .building import build_clips
from .frozen import TEST_IDS_FILE
from .inspecting import inspect_clips
from .settings import ClipSettings

__all__ = [
    "TEST_IDS_FILE",
    "ClipSettings",
    "audit",
    "build_clips",
    "inspect_clips",
]
