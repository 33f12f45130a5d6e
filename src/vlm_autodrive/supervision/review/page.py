"""The page of a review: each sample with its checks, its clip's frames, and the moments that its words cite."""

import base64
import hashlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vlm_autodrive.engines import find_times, is_in_clip, parse_reasoning
from vlm_autodrive.html_pages import page_templates
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import REJECTION_REASONS, Clip, ReviewDraw, SFTSample, Taxonomy
from vlm_autodrive.video import Frames, OpenVideo, SamplingSettings, VideoError, read_frames

_FPS, _MAX_READ = 30.0, 600  # so densely frames are read, and those are kept whose times suit
_SPREAD = 8
_FRAME_WIDTH = 400
_JPEG_QUALITY = 74


@dataclass(frozen=True)
class TextPiece:
    """A piece of a text.

    Attributes:
        text: The words.
        time_s: The moment that they cite; None if they cite none.
        frame: Number of the frame nearest to it; None if there is none, such as for a time outside the clip.
    """

    text: str
    time_s: float | None = None
    frame: int | None = None


@dataclass(frozen=True)
class ReviewFrame:
    """One frame of a sample's clip: its picture as a data address, its true clip time, and what marks it."""

    picture: str
    time_s: float
    is_event: bool
    is_cited: bool


@dataclass(frozen=True)
class ReviewPage:
    """What the page shows of one sample.

    Attributes:
        sample: The sample.
        clip: Its clip.
        label: The clip's class, in words.
        prompt: The question, cut at the moments that it cites.
        target: The answer, likewise.
        meaning: What class the answer's code stands for; empty if it holds none.
        frames: The clip's frames in the order of time; empty if they could not be read.
        problem: Why not.
    """

    sample: SFTSample
    clip: Clip
    label: str
    prompt: tuple[TextPiece, ...]
    target: tuple[TextPiece, ...]
    meaning: str
    frames: tuple[ReviewFrame, ...]
    problem: str


def render_page(
    title: str,
    review: ReviewDraw,
    samples: Sequence[SFTSample],
    clips: Mapping[str, Clip],
    taxonomy: Taxonomy,
    reporter: Reporter,
) -> str:
    """The whole page, which needs no other file and no network.

    The page's program holds no data: it finds them in the markup, which jinja escapes. The policy in the page's
    head lets this one program run, known by its hash, so that a script in a text could not even if it got there.

    Args:
        title: The page's title.
        review: What was drawn.
        samples: The drawn SFT samples, in the order of the draw.
        clips: The clips, by id.
        taxonomy: The classes.
        reporter: Told of the progress.
    """
    environment = page_templates("vlm_autodrive.supervision.review")
    program = Path(__file__).with_name("templates").joinpath("review.js").read_text(encoding="utf-8")
    return environment.get_template("review.html.j2").render(
        title=title,
        review=review,
        pages=make_pages(samples, clips, taxonomy, reporter),
        reasons=REJECTION_REASONS,
        program=program,
        program_hash=base64.b64encode(hashlib.sha256(program.encode()).digest()).decode(),
    )


def make_pages(
    samples: Sequence[SFTSample], clips: Mapping[str, Clip], taxonomy: Taxonomy, reporter: Reporter
) -> list[ReviewPage]:
    """What the page shows of each sample, in the order of ``samples``; each clip is read once."""
    by_clip: defaultdict[str, list[SFTSample]] = defaultdict(list)
    for sample in samples:
        by_clip[sample.clip_id].append(sample)
    pages: dict[str, ReviewPage] = {}
    with reporter.task("Reading frames", len(by_clip)) as task:
        for clip_id, of_clip in by_clip.items():
            clip = clips[clip_id]
            frames, problem = None, clip.problem
            if not problem:
                try:
                    frames = _read(clip)
                except VideoError as error:
                    problem = error.reason
            for sample in of_clip:
                pages[sample.sample_id] = _page(sample, clip, frames, problem, taxonomy)
            task.advance()
    return [pages[sample.sample_id] for sample in samples]


def cited_moments(text: str) -> list[tuple[str, float | None]]:
    """A text in pieces, each with the moment in seconds that it cites, or None; joined they are the text."""
    pieces: list[tuple[str, float | None]] = []
    end = 0
    for cited in find_times(text):
        pieces += [(text[end : cited.start], None), (text[cited.start : cited.end], cited.time_s)]
        end = cited.end
    return [piece for piece in [*pieces, (text[end:], None)] if piece[0]]


def _read(clip: Clip) -> Frames:
    path = Path(clip.path)
    with OpenVideo(path, stream=clip.video_stream) as video:
        height, width = video.display_size
    scale = min(1.0, _FRAME_WIDTH / width)
    sampling = SamplingSettings(
        fps=_FPS, max_frames=_MAX_READ, height=max(8, round(height * scale)), width=max(8, round(width * scale))
    )
    return read_frames(path, clip.start_s, clip.end_s, sampling, stream=clip.video_stream)


def _page(sample: SFTSample, clip: Clip, frames: Frames | None, problem: str, taxonomy: Taxonomy) -> ReviewPage:
    texts = [cited_moments(sample.prompt.text), cited_moments(sample.target)]
    cited: dict[float, int] = {}
    numbers: dict[int, int] = {}
    shown: tuple[ReviewFrame, ...] = ()
    if frames is not None:
        times_s = frames.times_s
        moments = {time_s for pieces in texts for _, time_s in pieces if time_s is not None}
        cited = {t: _nearest(times_s, t) for t in moments if is_in_clip(t, clip.duration_s)}
        event_s = clip.event_time_s
        events = {_nearest(times_s, event_s)} if event_s is not None and event_s <= clip.duration_s else set()
        spread = {_nearest(times_s, (number + 0.5) * clip.duration_s / _SPREAD) for number in range(_SPREAD)}
        chosen = sorted(spread | set(cited.values()) | events)
        numbers = {index: number for number, index in enumerate(chosen)}
        shown = tuple(
            ReviewFrame(_picture(frames, index), times_s[index], index in events, index in cited.values())
            for index in chosen
        )
    prompt, target = (
        tuple(TextPiece(text, time_s, numbers[cited[time_s]] if time_s in cited else None) for text, time_s in pieces)
        for pieces in texts
    )
    return ReviewPage(
        sample=sample,
        clip=clip,
        label="unknown kind" if clip.event_class is None else taxonomy.by_name(clip.event_class).label,
        prompt=prompt,
        target=target,
        meaning=_meaning(sample, clip, taxonomy),
        frames=shown,
        problem=problem,
    )


def _nearest(times_s: Sequence[float], time_s: float) -> int:
    return min(range(len(times_s)), key=lambda index: abs(times_s[index] - time_s))


def _picture(frames: Frames, index: int) -> str:
    stream = io.BytesIO()
    Image.fromarray(frames.pixels[index]).save(stream, format="JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


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
