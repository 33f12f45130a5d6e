from . import frame_cache
from .check import VideoCheck
from .clip_file import write_clip_file
from .coming import DAMAGED_FILE, ComingFrames, damaged_clips, decode_ahead
from .container import OpenVideo, VideoError, upright_size
from .decode import Window, read_frames, read_pictures, read_windows
from .frame_cache import FrameCache, Times
from .frames import FRAMES_PER_TOKEN, Frames, SamplingSettings
from .guarded import GuardedChecker, Limits
from .probe import VideoInfo, probe
from .sampler import wanted_frames

__all__ = [
    "DAMAGED_FILE",
    "FRAMES_PER_TOKEN",
    "ComingFrames",
    "FrameCache",
    "Frames",
    "GuardedChecker",
    "Limits",
    "OpenVideo",
    "SamplingSettings",
    "Times",
    "VideoCheck",
    "VideoError",
    "VideoInfo",
    "Window",
    "damaged_clips",
    "decode_ahead",
    "frame_cache",
    "probe",
    "read_frames",
    "read_pictures",
    "read_windows",
    "upright_size",
    "wanted_frames",
    "write_clip_file",
]
