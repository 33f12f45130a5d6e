"""Settings of the supervision stage."""

from typing import Literal

from pydantic import Field, model_validator

from vlm_autodrive.engines import EndpointNames, StructuredSettings
from vlm_autodrive.records import SUPERVISION_TYPES, SupervisionType
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision.rules.vqa.topics import TOPIC_NAMES

TEACHER = EndpointNames(
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


class ServedTeacherSettings(StructuredSettings):
    """The endpoint of a served teacher."""


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
    """Rejection sampling: the student writes reasoning traces without the label, and the first right one is kept.

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


class LimitSettings(Settings):
    """When a supervision set as a whole is too poor to train on: the run then stops and says why.

    Attributes:
        rejected: Largest share of the samples of a type by one teacher that may be rejected.
        uneven: How far the share of yes, or of a place among the options, may lie from even, and the rates at which
            two classes are asked what presupposes an event may lie apart.
        same_skeleton: Largest share of a type's accepted texts by a model that may be one template.
        counted_from: Shares are judged from this many samples of a type on.
    """

    rejected: float = Field(0.5, ge=0, le=1)
    uneven: float = Field(0.25, ge=0, le=1)
    same_skeleton: float = Field(0.5, ge=0, le=1)
    counted_from: int = Field(50, ge=1)


class SuperviseSettings(Settings):
    """Which SFT samples are made of each clip, and by whom.

    Attributes:
        types: The supervision types that are made; each is independent of the others.
        vqa_per_clip: Questions by rules for each clip.
        vqa_topics: Names of the topics that questions are drawn from; all if null.
        dataset_questions: Whether questions that a data set brought along are asked too, beside these.
        teacher: Who writes descriptions and reasoning.
        teacher_questions: Questions for each clip that a teacher which is a model writes from its
            description, beside those by rules.
        reasoning: How a teacher comes to the reasoning: in ``two_steps``, from its own description; in
            ``one_step``, from what it is told and shown; or by ``rejection_sampling`` of the student.
        context: What a teacher that is a model is told and shown.
        local: The model, for ``teacher: local``.
        served: The endpoint, for ``teacher: served``.
        rejection_sampling: The student that is sampled, for ``reasoning: rejection_sampling``.
        limits: What stops the run.
        seed: Of every draw.
    """

    types: tuple[SupervisionType, ...] = Field(SUPERVISION_TYPES, min_length=1)
    vqa_per_clip: int = Field(10, ge=0)
    vqa_topics: tuple[str, ...] | None = Field(None, min_length=1)
    dataset_questions: bool = True
    teacher: Literal["rules", "local", "served"] = "rules"
    teacher_questions: int = Field(4, ge=0, le=12)
    reasoning: Literal["two_steps", "one_step", "rejection_sampling"] = "two_steps"
    context: TeacherContextSettings = TeacherContextSettings()
    local: LocalTeacherSettings = LocalTeacherSettings()
    served: ServedTeacherSettings = ServedTeacherSettings()
    rejection_sampling: RejectionSamplingSettings = RejectionSamplingSettings()
    limits: LimitSettings = LimitSettings()
    seed: int = 0

    @property
    def rule_based_types(self) -> tuple[SupervisionType, ...]:
        """The wanted types that rules write, the questions beside those of a teacher."""
        others = ("description", "reasoning") if self.teacher != "rules" else ()
        sampled = ("reasoning",) if self.reasoning == "rejection_sampling" else ()
        return tuple(type_ for type_ in self.types if type_ not in (*others, *sampled))

    @property
    def teacher_types(self) -> tuple[SupervisionType, ...]:
        """The wanted types that a teacher which is a model writes."""
        sampled = ("reasoning",) if self.reasoning == "rejection_sampling" else ()
        others = ("verdict", "caption", *sampled)
        return tuple(type_ for type_ in self.types if type_ not in others)

    @model_validator(mode="after")
    def _check(self) -> "SuperviseSettings":
        unknown = sorted(set(self.vqa_topics or ()) - set(TOPIC_NAMES))
        if unknown:
            raise ValueError(f"no VQA topic {', '.join(unknown)}; the topics are {', '.join(TOPIC_NAMES)}")
        if self.teacher == "served" and not self.served.model:
            raise ValueError("teacher: served needs served.model, the model's name at the endpoint")
        if self.teacher == "local" and not self.local.model:
            raise ValueError("teacher: local needs local.model, a folder or a hub name")
        if self.reasoning == "rejection_sampling" and not self.rejection_sampling.model:
            raise ValueError(
                "reasoning: rejection_sampling needs rejection_sampling.model, a checkpoint folder or a hub name"
            )
        if self.teacher != "rules" and not self.context.label and not self.context.frames:
            raise ValueError("a teacher that is told no label and shown no frame can only guess; set context.frames")
        if "rules" in (self.served.model, self.local.model.rstrip("/").split("/")[-1]):
            raise ValueError("a model called rules would be taken for the teacher by rules; serve it by another name")
        if len(set(self.types)) != len(self.types):
            raise ValueError("a type is named twice in types")
        return self
