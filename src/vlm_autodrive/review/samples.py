"""SFT samples as items of a review: their texts cut at the moments that they cite."""

from vlm_autodrive.engines import find_times, is_in_clip, parse_reasoning
from vlm_autodrive.records import Clip, SFTSample, Taxonomy
from vlm_autodrive.review.items import ReviewedSample, ReviewItem, TextPiece
from vlm_autodrive.supervision import review_item_id


def sample_item(sample: SFTSample, clip: Clip, shown: ReviewItem, taxonomy: Taxonomy, place: int) -> ReviewItem:
    """The item of a sample.

    Args:
        sample: The sample.
        clip: Its clip.
        shown: The item of the clip.
        taxonomy: The classes.
        place: Its place in the draw.
    """
    label = taxonomy.find(clip.event_class or "")
    of_sample = {
        "type": sample.type,
        "class": label.label if label is not None else "unknown",
        "teacher": sample.teacher,
        "checks": "accepted" if sample.accepted else "rejected",
    }
    topic = "" if sample.topic == sample.type else f" ({sample.topic.replace('_', ' ')})"
    return shown.model_copy(
        update={
            "item_id": review_item_id(sample),
            "kind": "sample",
            "title": f"{sample.type}{topic} of {shown.title}",
            "sample": ReviewedSample(
                sample=sample,
                question=text_pieces(sample.prompt.text, clip),
                answer=text_pieces(sample.target, clip),
                meaning=_meaning(sample, clip, taxonomy),
            ),
            "place": place,
            "slices": of_sample | shown.slices,
        }
    )


def text_pieces(text: str, clip: Clip) -> tuple[TextPiece, ...]:
    """A text about a clip in pieces; joined they are the text."""
    pieces: list[TextPiece] = []
    end = 0
    for cited in find_times(text):
        words = text[cited.start : cited.end].rstrip()  # a line's end is part of some spellings
        pieces.append(TextPiece(text=text[end : cited.start]))
        pieces.append(
            TextPiece(
                text=words,
                time_s=round(clip.start_s + cited.time_s, 6),
                is_outside=not is_in_clip(cited.time_s, clip.duration_s),
            )
        )
        end = cited.start + len(words)
    return tuple(piece for piece in (*pieces, TextPiece(text=text[end:])) if piece.text)


def _meaning(sample: SFTSample, clip: Clip, taxonomy: Taxonomy) -> str:
    """The class that a verdict or a reasoning comes to; other types use letters for other things."""
    if sample.type not in ("verdict", "reasoning"):
        return ""
    read = parse_reasoning(sample.target, taxonomy, clip.duration_s)
    if read.event_class is None:
        return f"no class: {read.reason}"
    named = taxonomy.by_name(read.event_class)
    when = "" if read.event_time_s is None else f" at {read.event_time_s:.1f} s"
    return f"{named.code} = {named.label}{when}"
