"""Settings of the evaluation stages."""

from typing import Annotated, Literal

from pydantic import Field

from vlm_autodrive.engines import ServedModelSettings, StructuredSettings
from vlm_autodrive.models import PromptVariant
from vlm_autodrive.records import Split
from vlm_autodrive.settings import NOT_IN_KEY, Settings
from vlm_autodrive.video import SamplingSettings

BASELINES = ("majority", "camera_shake")
"""Names of the baselines, which their predictions bear."""


Control = Literal["black", "shuffled", "no_video", "event_hidden", "elsewhere_hidden"]
"""Names of controls. ``black`` paints every frame black. ``shuffled`` keeps the frames and their times but not
which frame stands at which time. ``no_video`` asks in words alone. ``event_hidden`` paints black the frames
around the event, ``elsewhere_hidden`` as many others in a row."""

OF_EVERY_CLIP: tuple[Control, ...] = ("black", "shuffled", "no_video")
"""Those that every clip can be given; the others need an event whose time is known."""


class EvaluateSettings(Settings):
    """How a model is evaluated on a clip set.

    Attributes:
        split: The clips evaluated.
        reasoning: Whether to generate the reasoning trace too.
        prompt_variants: Further wordings of the direct verdict, to measure the prompt sensitivity.
        controls: Input ablations on which the direct verdict is requested too; without them nothing shows that
            the model uses the video.
        hide_s: Frames at most so many seconds from the event are hidden by the control event_hidden.
        seed: Of the order of the control shuffled.
        sampling: Changes to how frames are taken; what is not named stays as the model was trained with, or at
            its default for a model without a card of ours.
        eval_batch_size: Clips given to the engine at once; results are saved after each batch.
        max_new_tokens: Most tokens of a trace; a longer one counts as truncated.
        frame_cache: Folder for decoded frames; by default ``.cache/frames`` beside the result.
        cache_workers: Processes that decode frames beforehand; 0 decodes in this one.
        endpoint: Where the model is served, if it is not in this process.
    """

    split: Split = "test"
    reasoning: bool = True
    prompt_variants: tuple[PromptVariant, ...] = ("short", "checklist", "expert", "reversed")
    controls: tuple[Control, ...] = ("black", "shuffled", "no_video", "event_hidden", "elsewhere_hidden")
    hide_s: float = Field(0.75, gt=0)
    seed: int = 0
    sampling: SamplingSettings | None = None
    eval_batch_size: int = Field(16, ge=1)
    max_new_tokens: int = Field(320, ge=1)
    frame_cache: Annotated[str | None, NOT_IN_KEY] = None
    cache_workers: Annotated[int, NOT_IN_KEY] = Field(0, ge=0)
    endpoint: ServedModelSettings = ServedModelSettings()


class BaselineSettings(Settings):
    """How the baselines without a model are made.

    Attributes:
        split: The clips predicted; they are always fitted on the ``train`` split.
        height: Pixels of the small grey frames that the camera-shake baseline looks at.
        width: Likewise.
        windows_s: Lengths of the windows over which motion is summarised.
        regularisation: Inverse strength ``C`` of the logistic regression's penalty.
        training_clips: Most training clips that are measured, taken evenly; the regression needs no more.
        workers: Processes that decode clips; 0 decodes in this one.
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
        resamples: Draws of the bootstrap.
        seed: Its seed.
        smallest_slice: Slices with fewer clips are left out of the tables.
    """

    resamples: int = Field(2000, ge=200)
    seed: int = 0
    smallest_slice: int = Field(5, ge=1)


class ReportSettings(Settings):
    """What the report shows.

    Attributes:
        title: The page's heading.
        notes: Plain statements set at the head of the page: what the data is and what it cannot show.
        errors_shown: Most confident errors shown.
        examples_per_class: Right and wrong clips shown for each class, of each at most this many.
        clips_listed: Clips named in each list to which a cell of a confusion table leads.
        frames_per_example: Frames in a film strip.
        frame_width: Pixels of each.
        seconds_around: Seconds of film before and after the event.
    """

    title: str = "Before and after training"
    notes: tuple[str, ...] = ()
    errors_shown: int = Field(6, ge=0)
    examples_per_class: int = Field(2, ge=0)
    clips_listed: int = Field(25, ge=1)
    frames_per_example: int = Field(7, ge=2, le=12)
    frame_width: int = Field(220, ge=64)
    seconds_around: float = Field(1.5, gt=0)


class JudgeSettings(StructuredSettings):
    """A served model that grades reasoning traces."""

    model: str = Field(min_length=1)
    max_tokens: int = Field(400, ge=16)
    temperature: float | None = Field(0.0, ge=0)
