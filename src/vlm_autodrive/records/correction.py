"""What a reviewer decides about a moment of video, or an SFT sample: what makes the next version of the data."""

import hashlib
from typing import Literal

from pydantic import AwareDatetime

from vlm_autodrive.records.base import Record
from vlm_autodrive.records.clip import Split
from vlm_autodrive.records.file_names import FileName

Decision = Literal["confirm", "change", "add", "undo", "accept", "reject", "correct"]
"""``confirm`` keeps what was said, ``change`` replaces it, ``add`` labels an event that nobody had named; ``accept``
takes an SFT sample as it is written, ``reject`` does not, ``correct`` writes its text anew; ``undo`` takes an earlier
decision back."""

RejectionReason = Literal["", "untrue", "time", "class", "unseen", "leak", "empty", "wording", "other"]
REJECTION_REASONS: dict[RejectionReason, str] = {
    "untrue": "Says what is not so",
    "time": "Wrong time",
    "class": "Wrong class",
    "unseen": "Cannot be seen",
    "leak": "Gives the answer away",
    "empty": "Says nothing",
    "wording": "Badly worded",
    "other": "Something else",
}
"""Why a reviewer may reject an SFT sample, in the words of the page."""


class MomentLabel(Record):
    """What somebody, or a model, says of a stretch of video. All times are in the item's own time.

    Attributes:
        event_class: The class name; that of no event for a false alarm.
        time_s: The moment of contact, or of the smallest gap; None without an event, or if unknown.
        start_s: Where the event begins; None if unknown.
        end_s: Where it ends; None if unknown.
        alert_time_s: When an attentive driver would have been warned; None if unknown.
    """

    event_class: str
    time_s: float | None = None
    start_s: float | None = None
    end_s: float | None = None
    alert_time_s: float | None = None


class SampleLabel(Record):
    """What somebody says of an SFT sample.

    Attributes:
        sample_id: The sample.
        accepted: Whether to train on it.
        target: What the student is to answer.
        rejection: Why not to train on it; empty if it is accepted, or if checks have rejected it.
    """

    sample_id: str
    accepted: bool
    target: str
    rejection: RejectionReason = ""


class Correction(Record):
    """One decision of one reviewer. Decisions are only ever added: the last one that is not undone holds.

    Attributes:
        correction_id: Unique.
        item_id: The item that was decided on; of an added event the item that was on the screen.
        decision: What kind of decision it is.
        reviewer: Who decided.
        at: When.
        before: What was said before; None if nothing was.
        after: What holds from now on; of an ``undo`` what held before the decision that it takes back.
        reason: Why; never empty where the class is changed.
        blind: Whether the model's answer was hidden.
        model: The model whose answer was judged, or the teacher of the sample; empty if there was none.
        undoes: The decision that is taken back; None but for ``undo``.
        video: The file that shows the moment.
        video_stream: Which of its video streams, as in the catalog.
        video_start_s: The item's time of that file's first frame: a moment in the file is its time minus this.
        window_start_s: Start of the stretch that was judged, in the item's time.
        window_end_s: Its end.
        video_id: The video in the catalog; None if the item came from none.
        clip_id: The clip; None if it is none.
        split: The clip's split; None likewise.
    """

    correction_id: str
    item_id: str
    decision: Decision
    reviewer: str
    at: AwareDatetime
    before: MomentLabel | SampleLabel | None
    after: MomentLabel | SampleLabel | None
    reason: str = ""
    blind: bool = False
    model: str = ""
    undoes: str | None = None
    video: FileName
    video_stream: int | None = None
    video_start_s: float = 0.0
    window_start_s: float
    window_end_s: float
    video_id: str | None = None
    clip_id: str | None = None
    split: Split | None = None


def item_id_of(*parts: str) -> str:
    """The id of an item, from what tells it from all others and stays over reruns."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]
