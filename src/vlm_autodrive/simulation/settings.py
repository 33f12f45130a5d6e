"""Settings of the simulation stage."""

from typing import Annotated

from pydantic import Field

from vlm_autodrive.settings import NOT_IN_KEY, Settings


class SimulateSettings(Settings):
    """Settings of the simulation.

    Attributes:
        seed: What everything is drawn from; the same seed gives the same bytes.
        triplets: Matched triplets: one scenario with a Normal, a Near-Collision and a Collision outcome.
        singles: Further Normal videos: plain driving, and benign encounters.
        long_videos: Long continuous videos to search, in ``long_videos/``.
        train_only_videos: Long videos to train on, in ``train_only/``; never the same as those to search.
        long_video_duration_s: Length of a long video.
        long_video_events: Encounters of a long video that end as Collision or Near-Collision.
        video_duration_s: Length of a short video.
        fps: Frames per second.
        width: Pixels, even.
        height: Pixels, even.
        workers: Processes; 0 is one per core. It changes nothing but the time taken.
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
