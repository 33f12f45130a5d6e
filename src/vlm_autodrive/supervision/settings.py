"""Settings of the supervision stage."""

from typing import Literal

from pydantic import Field, model_validator

from vlm_autodrive.records import KINDS, Kind
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision.vqa import TOPIC_NAMES


class ServedTeacherSettings(Settings):
    """An OpenAI-compatible endpoint that writes descriptions and reasoning.

    Attributes:
        base_url: Such as ``http://127.0.0.1:8000/v1``.
        model: The model's name there.
        allow_remote: Whether metadata, labels and frames may leave this machine.
        api_key_env: Environment variable that holds the key; empty for none. The key is never kept.
        frames: Frames of each clip that are sent along; 0 for text alone.
        frame_height: Pixels of a frame that is sent.
        frame_width: Likewise.
        concurrency: Requests in flight.
        timeout_s: Of one request.
        attempts: Tries of one request on 429, 5xx and broken connections.
        longest_wait_s: Never wait longer than this between tries, whatever the server says.
        max_tokens: Most tokens of one answer.
        temperature: Of sampling.
    """

    base_url: str = "http://127.0.0.1:8000/v1"
    model: str = ""
    allow_remote: bool = False
    api_key_env: str = ""
    frames: int = Field(0, ge=0, le=64)
    frame_height: int = Field(252, ge=16)
    frame_width: int = Field(448, ge=16)
    concurrency: int = Field(8, ge=1, le=256)
    timeout_s: float = Field(120.0, gt=0)
    attempts: int = Field(6, ge=1)
    longest_wait_s: float = Field(60.0, ge=0)
    max_tokens: int = Field(800, ge=16)
    temperature: float = Field(0.3, ge=0)


class SuperviseSettings(Settings):
    """What is taught about each clip.

    Attributes:
        kinds: The kinds of supervision that are made; each is independent of the others.
        vqa_per_clip: Questions for each clip.
        vqa_topics: Names of the topics that questions are drawn from; all if null.
        imported_questions: Whether questions that a data set brought along are asked too, beside these.
        teacher: Who writes descriptions and reasoning.
        served: The endpoint of a served teacher.
        seed: Of every draw.
    """

    kinds: tuple[Kind, ...] = KINDS
    vqa_per_clip: int = Field(8, ge=0)
    vqa_topics: tuple[str, ...] | None = None
    imported_questions: bool = True
    teacher: Literal["rules", "served"] = "rules"
    served: ServedTeacherSettings = ServedTeacherSettings()
    seed: int = 0

    @model_validator(mode="after")
    def _check(self) -> "SuperviseSettings":
        unknown = sorted(set(self.vqa_topics or ()) - set(TOPIC_NAMES))
        if unknown:
            raise ValueError(f"no VQA topic {', '.join(unknown)}; the topics are {', '.join(TOPIC_NAMES)}")
        if self.teacher == "served" and not self.served.model:
            raise ValueError("teacher: served needs served.model, the model's name at the endpoint")
        return self
