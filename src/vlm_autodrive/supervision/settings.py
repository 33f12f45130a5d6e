"""Settings of the supervision stage."""

from typing import Literal

from pydantic import Field, model_validator

from vlm_autodrive.engines import EndpointNames, StructuredSettings
from vlm_autodrive.records import SUPERVISION_TYPES, SupervisionType
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision.rules.vqa.topics import TOPIC_NAMES
from vlm_autodrive.video import Blur, check_legible

TEACHER = EndpointNames(
    who="the teacher",
    keys="served.",
    address="served.base_url",
    model="served.model",
    sent="labels, metadata and frames",
)
CAPTIONER = EndpointNames(
    who="the captioner",
    keys="captioner.served.",
    address="captioner.served.base_url",
    model="captioner.served.model",
    sent="labels, metadata and frames",
)


class TeacherContextSettings(Settings):
    """The inputs that a teacher model gets for each clip. The rule-based teacher always uses all known facts.

    Attributes:
        label: Whether the teacher's prompt holds the class, the event's time, all metadata and the simulation's ground
            truth. Without them a description covers only what the teacher sees, and must not name an outcome.
        frames: Number of frames of each clip that the teacher gets; 0 for metadata only.
        frame_height: Height of these frames in pixels.
        frame_width: Width of these frames in pixels.
        frames_as: Whether a served teacher gets separate ``images`` or one ``video``.
        draw_timestamps: Draw each frame's time in a band at its bottom, as the sampling setting of this name does.
    """

    label: bool = True
    frames: int = Field(0, ge=0, le=64)
    frame_height: int = Field(252, ge=16)
    frame_width: int = Field(448, ge=16)
    frames_as: Literal["images", "video"] = "images"
    draw_timestamps: bool = False

    @model_validator(mode="after")
    def _legible(self) -> "TeacherContextSettings":
        if self.draw_timestamps:
            check_legible(self.frame_height, self.frame_width)
        return self


class ServedTeacherSettings(StructuredSettings):
    """The endpoint of a served teacher."""


class LocalTeacherSettings(Settings):
    """A transformers model in this process.

    Attributes:
        model: Folder or hub name of an image-text-to-text model.
        max_tokens: Maximum number of new tokens per answer.
        temperature: Sampling temperature; 0 for greedy decoding.
    """

    model: str = ""
    max_tokens: int = Field(1200, ge=16)
    temperature: float = Field(0.0, ge=0)


class CaptionerSettings(Settings):
    """Who writes descriptions, if not the teacher: a vision-language model beside a teacher that reads text alone.

    Attributes:
        teacher: What describes: ``rules``, a ``local`` model or a ``served`` model; null for the teacher itself.
        local: The model of ``captioner.teacher: local``.
        served: The endpoint of ``captioner.teacher: served``, with a budget of its own.
    """

    teacher: Literal["rules", "local", "served"] | None = None
    local: LocalTeacherSettings = LocalTeacherSettings()
    served: ServedTeacherSettings = ServedTeacherSettings()


class RejectionSamplingSettings(Settings):
    """Rejection sampling: the student writes reasoning traces without the label, and the first right one is kept.

    Attributes:
        model: The student: ``tiny-base``, a checkpoint folder or a hub name.
        samples: Maximum number of traces sampled per clip; the first correct one is kept.
        temperature: Sampling temperature.
        max_tokens: Maximum number of new tokens per trace.
        time_tolerance_s: Maximum distance in seconds between the event time of a correct trace and the ground truth.
    """

    model: str = ""
    samples: int = Field(4, ge=1)
    temperature: float = Field(0.8, gt=0)
    max_tokens: int = Field(400, ge=16)
    time_tolerance_s: float = Field(0.5, gt=0)


class LimitSettings(Settings):
    """Limits on the quality of a supervision set; beyond one of them the run stops with the reason.

    Attributes:
        max_rejected: Maximum proportion of rejected samples, per type and teacher.
        max_imbalance: Maximum imbalance of VQA samples: how far the proportion of yes answers may be from 0.5, that of
            each position of the correct option from uniform, and the rates of questions that presuppose an event may
            differ between classes.
        max_template_share: Maximum proportion of a type's accepted samples from one teacher model that follow the same
            template.
        min_samples: Minimum number of samples of a type for the limits on proportions to apply.
    """

    max_rejected: float = Field(0.5, ge=0, le=1)
    max_imbalance: float = Field(0.25, ge=0, le=1)
    max_template_share: float = Field(0.5, ge=0, le=1)
    min_samples: int = Field(50, ge=1)


class SuperviseSettings(Settings):
    """Which SFT samples are made of each clip, and by which teacher.

    Attributes:
        types: Supervision types to make; each is independent of the others.
        understanding_per_clip: Number of rule-based understanding questions per clip: multiple choice, each on another
            dimension, one of them always on the event and its why; 0 for none.
        vqa_per_clip: Number of other rule-based questions per clip.
        vqa_topics: Topics of those other questions; null for all.
        dataset_questions: Whether to include the questions that come with a data set.
        teacher: Teacher that writes descriptions, reasoning and, if it is a model, further questions: ``rules``, a
            ``local`` model or a ``served`` model.
        captioner: Who writes the descriptions, if another than the teacher.
        chain: What a teacher model writes from. With ``description`` it writes questions and reasoning from the
            description. With ``paper`` it writes understanding questions from the structured caption (the metadata in
            sentences), and a reasoning question and a thinking trace from that and the description.
        teacher_questions: Number of questions per clip that a teacher model writes in addition to the rule-based ones;
            null for 4 of ``chain: description`` and for 5 to 7 of ``chain: paper``.
        reasoning: How reasoning is made: ``two_steps``, from the description (``chain: paper``: and the structured
            caption); ``one_step``, from the teacher's inputs directly; ``rejection_sampling``, by the student.
        context: Inputs of a teacher model, or of the captioner.
        blur: What is blurred in the frames that they get: ``faces``; null for nothing. Number plates are not blurred.
        local: The model of ``teacher: local``.
        served: The endpoint of ``teacher: served``.
        rejection_sampling: The student of ``reasoning: rejection_sampling``.
        limits: Limits beyond which the run stops.
        seed: Random seed of all random choices: questions, options, templates and sampling.
    """

    types: tuple[SupervisionType, ...] = Field(SUPERVISION_TYPES, min_length=1)
    understanding_per_clip: int = Field(5, ge=0, le=7)
    vqa_per_clip: int = Field(10, ge=0)
    vqa_topics: tuple[str, ...] | None = Field(None, min_length=1)
    dataset_questions: bool = True
    teacher: Literal["rules", "local", "served"] = "rules"
    captioner: CaptionerSettings = CaptionerSettings()
    chain: Literal["description", "paper"] = "description"
    teacher_questions: int | None = Field(None, ge=0, le=12)
    reasoning: Literal["two_steps", "one_step", "rejection_sampling"] = "two_steps"
    context: TeacherContextSettings = TeacherContextSettings()
    blur: Blur = None
    local: LocalTeacherSettings = LocalTeacherSettings()
    served: ServedTeacherSettings = ServedTeacherSettings()
    rejection_sampling: RejectionSamplingSettings = RejectionSamplingSettings()
    limits: LimitSettings = LimitSettings()
    seed: int = 0

    @property
    def rule_based_types(self) -> tuple[SupervisionType, ...]:
        """The wanted types that rules write, the questions beside those of a teacher."""
        return tuple(type_ for type_ in self.types if type_ == "vqa" or type_ not in self._types_by_models)

    @property
    def teacher_types(self) -> tuple[SupervisionType, ...]:
        """The wanted types that a teacher or captioner which is a model writes."""
        return tuple(
            type_
            for type_ in self.types
            if type_ in self._types_by_models and not (type_ == "reasoning" and self.samples_reasoning)
        )

    @property
    def samples_reasoning(self) -> bool:
        """Whether reasoning comes from rejection sampling."""
        return self.reasoning == "rejection_sampling"

    @property
    def describes_by_rules(self) -> bool:
        """Whether descriptions are written by rules."""
        return "rules" in (self.teacher, self.captioner.teacher)

    @property
    def _types_by_models(self) -> tuple[SupervisionType, ...]:
        if self.teacher == "rules":
            return ("reasoning",) if self.samples_reasoning else ()
        described: tuple[SupervisionType, ...] = () if self.describes_by_rules else ("description",)
        return (*described, "vqa", *(("reasoning_vqa",) if self.chain == "paper" else ()), "reasoning")

    @model_validator(mode="after")
    def _check(self) -> "SuperviseSettings":
        unknown = sorted(set(self.vqa_topics or ()) - set(TOPIC_NAMES))
        if unknown:
            raise ValueError(f"no VQA topic {', '.join(unknown)}; the topics are {', '.join(TOPIC_NAMES)}")
        self._check_models()
        if self.reasoning == "rejection_sampling" and not self.rejection_sampling.model:
            raise ValueError(
                "reasoning: rejection_sampling needs rejection_sampling.model, a checkpoint folder or a hub name"
            )
        if len(set(self.types)) != len(self.types):
            raise ValueError("a type is named twice in types")
        return self

    def _check_models(self) -> None:
        captioner = self.captioner
        for keys, teacher, local, served in (
            ("", self.teacher, self.local, self.served),
            ("captioner.", captioner.teacher, captioner.local, captioner.served),
        ):
            if teacher == "served" and not served.model:
                raise ValueError(f"{keys}teacher: served needs {keys}served.model, the model's name at the endpoint")
            if teacher == "local" and not local.model:
                raise ValueError(f"{keys}teacher: local needs {keys}local.model, a folder or a hub name")
            if "rules" in (served.model, local.model.rstrip("/").split("/")[-1]):
                raise ValueError("a model called rules is taken for the teacher by rules; serve it by another name")
        if self.teacher == "rules":
            if captioner.teacher is not None:
                raise ValueError("a captioner writes what a teacher model reads; set teacher to local or served")
            return
        if self.chain == "paper" and self.reasoning == "one_step":
            raise ValueError("chain: paper reasons from captions; set reasoning to two_steps or rejection_sampling")
        context = self.context
        described = set(self.teacher_types) - ({"vqa"} if self.chain == "paper" else set())
        if not described or (self.describes_by_rules and self.reasoning != "one_step"):
            return
        if not context.label and not context.frames:
            raise ValueError("a teacher that is told no label and shown no frame can only guess; set context.frames")
        if self.chain == "paper" and context.label:
            raise ValueError(
                "chain: paper has descriptions written without the label; set context.label: false and context.frames, "
                "or captioner.teacher: rules"
            )
