from . import frame_cache
from .check import VideoCheck
from .clip_file import write_clip_file
from .container import OpenVideo, VideoError, upright_size
from .decode import Window, read_frames, read_pictures, read_windows
from .frame_cache import FrameCache, Times
from .frame_sampler import wanted_frames
from .frames import FRAMES_PER_TOKEN, Frames, SamplingSettings
from .prefetch import DAMAGED_FILE, PrefetchedFrames, damaged_clips, prefetch_frames
from .probe import VideoInfo, probe
from .subprocess_check import DecodeLimits, SubprocessVideoChecker

__all__ = [
    "DAMAGED_FILE",
    "FRAMES_PER_TOKEN",
    "DecodeLimits",
    "FrameCache",
    "Frames",
    "OpenVideo",
    "PrefetchedFrames",
    "SamplingSettings",
    "SubprocessVideoChecker",
    "Times",
    "VideoCheck",
    "VideoError",
    "VideoInfo",
    "Window",
    "damaged_clips",
    "frame_cache",
    "prefetch_frames",
    "probe",
    "read_frames",
    "read_pictures",
    "read_windows",
    "upright_size",
    "wanted_frames",
    "write_clip_file",
]
