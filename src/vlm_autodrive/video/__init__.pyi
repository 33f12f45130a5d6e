from . import frame_cache
from .camera_files import EVENT, FRONT, CameraFile, OwnPattern, camera_file
from .check import VideoCheck
from .clip_file import ClipPiece, write_clip_file, write_joined_clip
from .container import OpenVideo
from .damage import damage_words
from .decode import read_frames, read_pictures, read_windows
from .errors import VideoError
from .face_blur import Blur
from .frame_cache import FrameCache, Times
from .frame_sampler import target_frame_count
from .frames import TEMPORAL_PATCH_SIZE, Frames, SamplingSettings, Window
from .joined_video import Footage
from .playback import Playback, playback, write_proxy
from .prefetch import DAMAGED_FILE, PrefetchedFrames, damaged_clips, prefetch_frames
from .probe import VideoInfo, cut_off, probe
from .read_ahead import read_ahead
from .subprocess_check import DecodeLimits, SubprocessVideoChecker
from .timestamps import check_legible, is_legible
from .trips import LeftAside, Trip, empty_trip, file_state, join_files

__all__ = [
    "DAMAGED_FILE",
    "EVENT",
    "FRONT",
    "TEMPORAL_PATCH_SIZE",
    "Blur",
    "CameraFile",
    "ClipPiece",
    "DecodeLimits",
    "Footage",
    "FrameCache",
    "Frames",
    "LeftAside",
    "OpenVideo",
    "OwnPattern",
    "Playback",
    "PrefetchedFrames",
    "SamplingSettings",
    "SubprocessVideoChecker",
    "Times",
    "Trip",
    "VideoCheck",
    "VideoError",
    "VideoInfo",
    "Window",
    "camera_file",
    "check_legible",
    "cut_off",
    "damage_words",
    "damaged_clips",
    "empty_trip",
    "file_state",
    "frame_cache",
    "is_legible",
    "join_files",
    "playback",
    "prefetch_frames",
    "probe",
    "read_ahead",
    "read_frames",
    "read_pictures",
    "read_windows",
    "target_frame_count",
    "write_clip_file",
    "write_joined_clip",
    "write_proxy",
]
