"""What is reviewed: events, proposed moments, clips and SFT samples; an item each, its label, what models say."""

from typing import Literal

from vlm_autodrive.records import (
    MomentLabel,
    Outcome,
    Record,
    SampleLabel,
    SFTSample,
    Split,
    TripFile,
    WindowScore,
)

ItemKind = Literal["event", "moment", "clip", "sample"]


class ProbabilityCurve(Record):
    """What a model gave along the whole time line of an item.

    Attributes:
        windows: The scored windows in order, in item time; their probabilities are None where there are none.
    """

    windows: tuple[WindowScore, ...]


class ReviewAnswer(Record):
    """What one model says of an item. All times are in item time.

    Attributes:
        model: The model's name.
        outcome: How it answered.
        reason: Why it failed, in plain words; empty if it did not.
        label: What it says; None if it named no class.
        probabilities: Of each class, by class name; empty if it gave none.
        calibrated_probability: The probability of any event at the temperature of the model's calibration; None if
            there is none.
        reasoning: Its reasoning trace, with the moments that it cites as ``[t=12.3]``; empty if there is none.
        reasoning_class: The class that the trace comes to; None if it names none.
        contradicts: Whether that is another class than the answer's.
        cited_times_s: The moments that the trace cites.
        threshold: The probability of any event from which a window counted; None if it does not apply.
        alert_time_s: When an alarm could have been given; None if that is not known.
        curve: Its scores along the time line; None if there are none.
    """

    model: str
    outcome: Outcome = Outcome.OK
    reason: str = ""
    label: MomentLabel | None
    probabilities: dict[str, float] = {}
    calibrated_probability: float | None = None
    reasoning: str = ""
    reasoning_class: str | None = None
    contradicts: bool = False
    cited_times_s: tuple[float, ...] = ()
    threshold: float | None = None
    alert_time_s: float | None = None
    curve: ProbabilityCurve | None = None


class TextPiece(Record):
    """A piece of a text.

    Attributes:
        text: The words.
        time_s: The moment that they cite, in item time; None if they cite none.
        is_outside: Whether the clip has no such moment.
    """

    text: str
    time_s: float | None = None
    is_outside: bool = False


class ReviewedSample(Record):
    """An SFT sample as people review it.

    Attributes:
        sample: The sample.
        question: What the student is asked, cut at the moments that it cites.
        answer: What it is to answer, likewise.
        meaning: The class that the answer's code stands for; empty if it names none.
    """

    sample: SFTSample
    question: tuple[TextPiece, ...]
    answer: tuple[TextPiece, ...]
    meaning: str


class ReviewItem(Record):
    """One thing to review: a detected event, a moment proposed for labelling, a clip, or an SFT sample.

    Item time is the trip's time for events and moments, and the video's own time for clips and samples.

    Attributes:
        item_id: Sixteen hexadecimal digits, the same whenever the same folder is opened.
        kind: What it is.
        title: A name for people, in one line.
        files: The files that show it, in order; empty if there are none to be shown.
        video_stream: Which of their video streams is read; None for the choice.
        start_s: Where the stretch begins that is shown first.
        end_s: Where it ends.
        duration_s: Length of the whole time line, as far as it is known before the files are opened.
        label: The ground truth; of a sample that of its clip; None if there is none.
        answers: What each model says.
        sample: The SFT sample that is reviewed; None for events and clips.
        place: Its place in the random draw, from 0 on; 0 for all where nothing is drawn.
        slices: The parts of the data that it belongs to, such as ``weather: Rain``.
        split: The clip's split; None if it is none.
        video_id: The video in the catalog; None if it came from none.
        clip_id: The clip; None if it is none.
        problem: Why the record cannot be used, in plain words; empty if it can.
    """

    item_id: str
    kind: ItemKind
    title: str
    files: tuple[TripFile, ...]
    video_stream: int | None = None
    start_s: float
    end_s: float
    duration_s: float
    label: MomentLabel | None = None
    answers: tuple[ReviewAnswer, ...] = ()
    sample: ReviewedSample | None = None
    place: int = 0
    slices: dict[str, str] = {}
    split: Split | None = None
    video_id: str | None = None
    clip_id: str | None = None
    problem: str = ""

    @property
    def said(self) -> MomentLabel | SampleLabel | None:
        """What is said of it before any decision: the ground truth, or else the first model's answer.

        Of a sample it is what the checks come to.
        """
        if self.sample is not None:
            sample = self.sample.sample
            return SampleLabel(sample_id=sample.sample_id, accepted=sample.accepted, target=sample.target)
        return self.label or next((answer.label for answer in self.answers), None)

    def answer_of(self, model: str | None) -> ReviewAnswer | None:
        """The answer of a model by its name, of the first model for None; None if there is no such answer."""
        return next((answer for answer in self.answers if model is None or answer.model == model), None)
