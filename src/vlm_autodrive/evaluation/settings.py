"""Settings of the evaluation stages."""

from typing import Annotated, Literal

from pydantic import Field

from vlm_autodrive.engines import ServedModelSettings, StructuredSettings
from vlm_autodrive.models import PromptName, PromptVariant
from vlm_autodrive.records import Split
from vlm_autodrive.settings import NOT_IN_KEY, Settings
from vlm_autodrive.video import Blur, SamplingSettings

BASELINES = ("majority", "camera_shake", "g_force", "camera_marks")
"""Names of the baselines, which their predictions bear."""

BEFORE_CORRECTIONS = "before_corrections"
"""The model of the run before reviewers' corrections, in the comparison of the run after them."""

G_FORCE = "g_force"
"""The one that needs telemetry, and is made for clip sets with any."""

CAMERA_MARKS = "camera_marks"
"""The one that needs footage of cameras that mark events themselves, and is made for clip sets with any."""


Control = Literal["black", "shuffled", "no_video", "event_hidden", "elsewhere_hidden"]
"""Names of controls. ``black`` paints every frame black. ``shuffled`` keeps the frames and their times but not
which frame stands at which time. ``no_video`` asks in words alone. ``event_hidden`` paints black the frames
around the event, ``elsewhere_hidden`` as many others in a row."""

OF_EVERY_CLIP: tuple[Control, ...] = ("black", "shuffled", "no_video")
"""Those that every clip can be given; the others need an event whose time is known."""


class EvaluateSettings(Settings):
    """How a model is evaluated on a clip set.

    Attributes:
        split: Split of the clips to evaluate.
        reasoning: Whether to also generate a reasoning trace per clip.
        prompt: Prompt of the direct verdict on which all metrics rest: ``main``, which training uses, or the name of a
            variant.
        prompt_variants: Variants of the direct verdict prompt, to measure prompt sensitivity. ``paper`` is left out
            where the classes are not those of the paper; ``own``, the form that the model's maker documents, where the
            model was trained here.
        choose_prompt: Whether to choose ``prompt`` among main and the variants, by macro-F1 on the validation clips,
            which are predicted with all of them first. None to choose for the base model of a run or an ablation only.
        validation_clips: Maximum number of validation clips to predict, at even intervals of each class; None for all.
        controls: Input ablations on which the direct verdict is also predicted, to test whether the model uses the
            video.
        hide_s: Half-width in seconds of the interval around the event whose frames the control event_hidden paints
            black.
        questions_per_clip: Maximum number of held-out questions per clip, if the evaluation is given any.
        seed: Random seed of the frame order of the control shuffled, and of the draw of held-out questions.
        sampling: Overrides of the frame sampling. A setting that is not given keeps its value from the model's
            training, or its default for a model that was not trained here.
        eval_batch_size: Clips per batch; predictions are saved after each batch. It changes probabilities by
            rounding alone.
        max_new_tokens: Maximum number of new tokens per reasoning trace; a longer trace counts as truncated.
        max_thinking_tokens: Maximum number of new tokens of an answer to the variant own by a model that thinks first.
        max_answer_tokens: The same by a model that does not.
        frame_cache: Folder for decoded frames; None for ``.cache/frames`` beside the result.
        cache_workers: Number of processes that decode frames in advance; 0 to decode in this process.
        endpoint: Endpoint of a served model; without base_url the model runs in this process.
    """

    split: Split = "test"
    reasoning: bool = True
    prompt: PromptName = "main"
    prompt_variants: tuple[PromptVariant, ...] = ("short", "checklist", "expert", "reversed", "paper", "own")
    choose_prompt: bool | None = None
    validation_clips: int | None = Field(None, ge=1)
    controls: tuple[Control, ...] = ("black", "shuffled", "no_video", "event_hidden", "elsewhere_hidden")
    hide_s: float = Field(0.75, gt=0)
    questions_per_clip: int = Field(3, ge=0)
    seed: int = 0
    sampling: SamplingSettings | None = None
    eval_batch_size: Annotated[int, NOT_IN_KEY] = Field(16, ge=1)
    max_new_tokens: int = Field(320, ge=1)
    max_thinking_tokens: int = Field(4096, ge=1)
    max_answer_tokens: int = Field(24, ge=1)
    frame_cache: Annotated[str | None, NOT_IN_KEY] = None
    cache_workers: Annotated[int, NOT_IN_KEY] = Field(0, ge=0)
    endpoint: ServedModelSettings = ServedModelSettings()


class BaselineSettings(Settings):
    """How the baselines without a model are made.

    Attributes:
        split: Split of the clips to predict; the baselines are always fitted on the ``train`` split.
        height: Height in pixels of the greyscale frames of the camera-shake baseline.
        width: Width in pixels of the greyscale frames of the camera-shake baseline.
        windows_s: Lengths in seconds of the windows over which motion is aggregated.
        regularisation: Inverse strength ``C`` of the logistic regression's penalty.
        training_clips: Maximum number of training clips, taken at even intervals.
        workers: Number of processes that decode clips; 0 to decode in this process.
    """

    split: Split = "test"
    height: int = Field(54, ge=16)
    width: int = Field(96, ge=16)
    windows_s: tuple[float, ...] = (0.25, 1.0)
    regularisation: float = Field(0.1, gt=0)
    training_clips: int = Field(1500, ge=10)
    workers: Annotated[int, NOT_IN_KEY] = Field(0, ge=0)


class CompareSettings(Settings):
    """How models are compared.

    Attributes:
        resamples: Number of bootstrap resamples.
        seed: Random seed of the bootstrap.
        smallest_slice: Minimum number of clips of a slice in the tables.
    """

    resamples: int = Field(2000, ge=200)
    seed: int = 0
    smallest_slice: int = Field(5, ge=1)


class ReportSettings(Settings):
    """What the report shows.

    Attributes:
        title: Heading of the page.
        notes: Notes at the top of the page, such as on the data and its limits.
        errors_shown: Number of errors most worth watching to show.
        examples_per_class: Maximum number of correct and of wrong clips to show for each class.
        clips_listed: Maximum number of clips in the list behind each cell of a confusion matrix.
        frames_per_example: Number of frames per frame strip.
        frame_width: Width of these frames in pixels.
        seconds_around: Seconds of video before and after the event in a frame strip.
        with_clips: Whether to write the errors that are shown as video clips beside the page, which plays them.
        separate_files: Whether to write style and pictures beside the page instead of into it, for a server whose
            content policy forbids inline style and embedded pictures.
        blur: What is blurred in frame strips and clips: ``faces``; null for nothing. Number plates are not blurred.
    """

    title: str = "Before and after training"
    notes: tuple[str, ...] = ()
    errors_shown: int = Field(10, ge=0)
    examples_per_class: int = Field(2, ge=0)
    clips_listed: int = Field(25, ge=1)
    frames_per_example: int = Field(7, ge=2, le=12)
    frame_width: int = Field(220, ge=64)
    seconds_around: float = Field(1.5, gt=0)
    with_clips: bool = False
    separate_files: bool = False
    blur: Blur = None


class JudgeSettings(StructuredSettings):
    """A served model that grades reasoning traces."""

    model: str = Field(min_length=1)
    max_tokens: int = Field(400, ge=16)
    temperature: float | None = Field(0.0, ge=0)
