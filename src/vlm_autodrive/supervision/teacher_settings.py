"""Settings of those who write supervision: what they are shown, which model they are, what they may cost."""

from typing import Literal

from pydantic import Field

from vlm_autodrive.engines import Called, EndpointSettings
from vlm_autodrive.settings import Settings

TEACHER = Called(
    who="the teacher",
    keys="served.",
    address="served.base_url",
    model="served.model",
    sent="labels, metadata and frames",
)


class TeacherContextSettings(Settings):
    """What a model that teaches is told and shown of a clip. Rules always have all that is known.

    Attributes:
        label: Whether it is told the class, the event's time and the simulation's truth. Without them a
            description is what the model sees by itself, and must not name an outcome.
        frames: Frames of each clip that it is shown; 0 for metadata alone.
        frame_height: Pixels of such a frame.
        frame_width: Likewise.
        frames_as: Whether an endpoint is sent images or a video.
    """

    label: bool = True
    frames: int = Field(0, ge=0, le=64)
    frame_height: int = Field(252, ge=16)
    frame_width: int = Field(448, ge=16)
    frames_as: Literal["images", "video"] = "images"


class ServedTeacherSettings(EndpointSettings):
    """An OpenAI-compatible endpoint.

    Attributes:
        model: The model's name there.
        json_schema: Whether the endpoint is asked to hold its answer to a JSON schema; false for one that
            refuses the request then.
        max_tokens: Most tokens of one answer.
        temperature: Of sampling; null leaves it to the endpoint, as some models want it.
    """

    model: str = ""
    json_schema: bool = True
    max_tokens: int = Field(1200, ge=16)
    temperature: float | None = Field(0.3, ge=0)


class LocalTeacherSettings(Settings):
    """A transformers model in this process.

    Attributes:
        model: A folder or a hub name of an image-text-to-text model.
        max_tokens: Most tokens of one answer.
        temperature: Of sampling; 0 for the likeliest answer.
    """

    model: str = ""
    max_tokens: int = Field(1200, ge=16)
    temperature: float = Field(0.0, ge=0)


class RejectionSamplingSettings(Settings):
    """The student as its own teacher of reasoning: traces sampled blind, kept where they come out right.

    Attributes:
        model: The student: ``tiny-base``, a checkpoint folder or a hub name.
        samples: Traces of each clip at most; the first right one is kept.
        temperature: Of sampling.
        max_tokens: Most tokens of one trace.
        time_tolerance_s: How far the time that a trace gives may lie from the event's.
    """

    model: str = ""
    samples: int = Field(4, ge=1)
    temperature: float = Field(0.8, gt=0)
    max_tokens: int = Field(400, ge=16)
    time_tolerance_s: float = Field(0.5, gt=0)
