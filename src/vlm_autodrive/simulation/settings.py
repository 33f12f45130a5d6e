"""Settings of the simulation stage."""

from typing import Annotated

from pydantic import Field

from vlm_autodrive.settings import NOT_IN_KEY, Settings


class SimulateSettings(Settings):
    """Settings of the simulation.

    Attributes:
        seed: Random seed of the simulation; the same seed gives the same bytes.
        triplets: Number of matched triplets: one scenario with a Normal, a Near-Collision and a Collision outcome.
        singles: Number of additional Normal videos: plain driving and benign encounters.
        long_videos: Number of long continuous videos for detection, in ``long_videos/``.
        train_only_videos: Number of long videos for training only, in ``train_only/``; none is also used for detection.
        long_video_duration_s: Length of a long video in seconds.
        long_video_events: Number of encounters in a long video that end as Collision or Near-Collision.
        video_duration_s: Length of a short video in seconds.
        fps: Frame rate of the videos in frames per second.
        width: Frame width in pixels; must be even.
        height: Frame height in pixels; must be even.
        workers: Number of worker processes; 0 for one per core. It does not change the result.
    """

    seed: int = 0
    triplets: int = Field(default=100, ge=0)
    singles: int = Field(default=30, ge=0)
    long_videos: int = Field(default=0, ge=0)
    train_only_videos: int = Field(default=0, ge=0)
    long_video_duration_s: float = Field(default=300.0, ge=40.0)
    long_video_events: int = Field(default=4, ge=0)
    video_duration_s: float = Field(default=6.0, ge=5.0, le=6.0)
    fps: int = Field(default=10, ge=5, le=25)
    width: int = Field(default=320, ge=64, le=1920, multiple_of=2)
    height: int = Field(default=180, ge=36, le=1080, multiple_of=2)
    workers: Annotated[int, NOT_IN_KEY] = Field(default=0, ge=0)
