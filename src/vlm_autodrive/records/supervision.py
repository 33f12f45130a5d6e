"""SFT samples: what a model is trained on about a clip, and the two kinds of prompt that must never mix."""

from typing import Literal, get_args

from vlm_autodrive.records.base import Outcome, Record

SupervisionType = Literal["verdict", "caption", "description", "vqa", "reasoning_vqa", "reasoning"]
OPTION_LETTERS = "ABCD"
"""The letters of a multiple-choice question's options, in their order."""
SUPERVISION_TYPES: tuple[SupervisionType, ...] = get_args(SupervisionType)


class StudentPrompt(Record):
    """What the trained model reads beside the video. Never holds the label, an id, a name or an event time."""

    text: str
    version: str


class TeacherPrompt(Record):
    """What a teacher reads. It may hold the label and all metadata, so a student must never be given one."""

    system: str
    text: str
    version: str


class Check(Record):
    """One check of a sample: its name, whether it passed, and why not."""

    name: str
    passed: bool
    message: str = ""


class SFTSample(Record):
    """One question and answer about one clip.

    Attributes:
        sample_id: Unique in the supervision set.
        clip_id: The clip.
        type: Which supervision type it is; ``verdict`` is the direct verdict without reasoning, ``reasoning_vqa`` a
            multiple-choice question whose answer follows on its reasons.
        topic: Finer than the type, such as ``weather`` or ``event_time``.
        prompt: The student's user prompt.
        target: What the student is to answer, exactly.
        mirror_target: ``target`` for the clip's mirror image; None where the text would become false
            and cannot be changed, so that the clip must not be mirrored behind this sample.
        teacher: Who wrote the target: ``rules``, a model's name, or ``human`` where a reviewer corrected it.
        teacher_prompt_version: Version of the teacher's prompt or rule set.
        teacher_inputs: What the writer had before it: some of ``label``, ``metadata``, ``scenario``, ``frames``,
            ``description`` and ``data set``, in this order.
        replies: Ids of the teacher's replies that the target was made from; they stand in ``replies.jsonl``
            with all that the teacher wrote. Empty for rules.
        options: The options of a multiple-choice sample, in the order of their letters A, B, C, D; empty otherwise.
        answer: The letter of the right option; empty without options.
        outcome: How the writing ended.
        checks: The checks it went through; it is trained on only if the outcome is good and all passed.
    """

    sample_id: str
    clip_id: str
    type: SupervisionType
    topic: str
    prompt: StudentPrompt
    target: str
    mirror_target: str | None
    teacher: str
    teacher_prompt_version: str
    teacher_inputs: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    answer: str = ""
    outcome: Outcome = Outcome.OK
    checks: tuple[Check, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the sample may be trained on."""
        return self.outcome in (Outcome.OK, Outcome.REPAIRED) and all(check.passed for check in self.checks)


class HeldOutQuestion(Record):
    """A multiple-choice question about a validation or test clip: asked of a model, never trained on.

    Attributes:
        sample_id: As in ``SFTSample``, of which it is one on a clip that is held out.
        clip_id: The clip.
        type: Which supervision type the rules wrote it for: ``vqa`` or ``reasoning_vqa``.
        topic: What it is about.
        prompt: The user prompt, which asks for the answer at once.
        options: The options, in the order of their letters A, B, C, D.
        answer: The letter of the right one.
    """

    sample_id: str
    clip_id: str
    type: SupervisionType
    topic: str
    prompt: StudentPrompt
    options: tuple[str, ...]
    answer: str

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of the options."""
        return tuple(OPTION_LETTERS[: len(self.options)])
