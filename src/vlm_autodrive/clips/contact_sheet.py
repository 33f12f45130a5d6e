"""Contact sheets: a clip's frames with their times, its class and the moment of its event, in one image."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vlm_autodrive.palette import ALERT, BAD, FAINT, INK, LINE, PAPER, Colour, class_colour
from vlm_autodrive.records import Clip, Taxonomy, shown_name
from vlm_autodrive.video import Blur, OpenVideo, SamplingSettings, VideoError, read_frames

_COLUMNS = 4
_FRAME_WIDTH = 264
_GAP = 10
_MARGIN = 20
_CAPTION = 22
_FPS, _MAX_READ = 30.0, 600  # so densely frames are read, and those are kept whose times suit
_WIDTH = 2 * _MARGIN + _COLUMNS * _FRAME_WIDTH + (_COLUMNS - 1) * _GAP


@dataclass(frozen=True)
class Still:
    """One frame of a clip.

    Attributes:
        time_s: Its true time, in seconds after the clip's start.
        picture: Its picture.
        is_event: Whether it is the one nearest to the event.
    """

    time_s: float
    picture: Image.Image
    is_event: bool


def read_stills(clip: Clip, count: int, blur: Blur = None) -> list[Still]:
    """Frames spread evenly over a clip, the one nearest to its event among them.

    Args:
        clip: The clip.
        count: How many; fewer if the clip has no more.
        blur: What is blurred in them.

    Raises:
        VideoError: If it cannot be read.
    """
    path = Path(clip.path)
    with OpenVideo(path, stream=clip.video_stream) as video:
        height, width = video.display_size
    height = max(8, round(height * _FRAME_WIDTH / width))
    sampling = SamplingSettings(fps=_FPS, max_frames=_MAX_READ, height=height, width=_FRAME_WIDTH)
    frames = read_frames(path, clip.start_s, clip.end_s, sampling, stream=clip.video_stream, blur=blur)
    event_s = clip.event_time_s if clip.event_time_s is not None and clip.event_time_s <= clip.duration_s else None

    def nearest(time_s: float) -> int:
        return min(range(len(frames.times_s)), key=lambda i: abs(frames.times_s[i] - time_s))

    chosen = [nearest((number + 0.5) * clip.duration_s / count) for number in range(count)]
    at_event = None
    if event_s is not None:
        at_event = nearest(event_s)
        chosen[min(range(count), key=lambda i: abs(frames.times_s[chosen[i]] - event_s))] = at_event
    return [
        Still(frames.times_s[index], Image.fromarray(frames.pixels[index]), index == at_event)
        for index in sorted(set(chosen))
    ]


def contact_sheet(clip: Clip, taxonomy: Taxonomy, count: int = 8, blur: Blur = None) -> Image.Image:
    """One clip as a picture: what it is called, its frames, and a line of time. What cannot be read says why.

    Args:
        clip: The clip.
        taxonomy: The classes, for its label and colour.
        count: How many frames.
        blur: What is blurred in them.
    """
    problem = clip.problem
    stills: list[Still] = []
    if not problem:
        try:
            stills = read_stills(clip, count, blur)
        except VideoError as error:
            problem = error.reason
    frame_height = max((s.picture.height for s in stills), default=0)
    rows = -(-len(stills) // _COLUMNS)
    body = rows * (frame_height + _CAPTION + _GAP) + 64 if stills else 44
    sheet = Image.new("RGB", (_WIDTH, 86 + body), PAPER)
    pen = ImageDraw.Draw(sheet)
    colour = class_colour(taxonomy.event_names, clip.event_class)
    _draw_head(pen, clip, taxonomy, colour)
    if problem:
        pen.text((_MARGIN, 88), f"Not usable: {problem}", fill=BAD, font=_font(16))
    for number, still in enumerate(stills):
        row, column = divmod(number, _COLUMNS)
        left = _MARGIN + column * (_FRAME_WIDTH + _GAP)
        top = 82 + row * (frame_height + _CAPTION + _GAP)
        sheet.paste(still.picture, (left, top))
        caption, ink = f"{still.time_s:.2f} s", FAINT
        if still.is_event:
            box = (left - 4, top - 4, left + _FRAME_WIDTH + 3, top + still.picture.height + 3)
            pen.rectangle(box, outline=colour, width=4)
            caption, ink = f"{still.time_s:.2f} s · the event", colour
        pen.text((left, top + frame_height + 5), caption, fill=ink, font=_font(15))
    if stills:
        _draw_time(pen, clip, stills, colour, 86 + body - 52)
    pen.line((0, sheet.height - 1, sheet.width, sheet.height - 1), fill=LINE)
    return sheet


def _draw_head(pen: ImageDraw.ImageDraw, clip: Clip, taxonomy: Taxonomy, colour: Colour) -> None:
    label = taxonomy.by_name(clip.event_class).label if clip.event_class is not None else "unknown kind"
    width = round(pen.textlength(label, font=_font(18)))
    pen.rounded_rectangle((_MARGIN, 14, _MARGIN + width + 24, 44), radius=8, fill=colour)
    pen.text((_MARGIN + 12, 18), label, fill=PAPER, font=_font(18))
    pen.text((_MARGIN + width + 38, 17), shown_name(clip.clip_id), fill=INK, font=_font(20))
    file = shown_name(Path(clip.path).name)
    said = [clip.split, f"{clip.start_s:.2f} to {clip.end_s:.2f} s of {file}", f"drive {shown_name(clip.group_id)}"]
    if clip.event_time_s is not None:
        after_s = clip.event_time_s - clip.duration_s
        place = f"event at {clip.event_time_s:.2f} s" if after_s <= 0 else f"event {after_s:.2f} s after the end"
        if clip.start_s > 0:  # as the annotations count
            place += f" (at {clip.start_s + clip.event_time_s:.2f} s of the file)"
        said.append(place + {True: ", own vehicle", False: ", others", None: ""}[clip.ego_involved])
    if clip.alert_time_s is not None:
        said.append(f"warning at {clip.alert_time_s:.2f} s")
    pen.text((_MARGIN, 52), _fitted(pen, "   ·   ".join(said)), fill=FAINT, font=_font(15))


def _draw_time(pen: ImageDraw.ImageDraw, clip: Clip, stills: list[Still], colour: Colour, top: int) -> None:
    """A line from the clip's start to its end: where the frames are taken, the warning and the event."""
    left, right = _MARGIN + 4, _WIDTH - _MARGIN - 4

    def column(time_s: float) -> int:
        return left + round(min(max(time_s / clip.duration_s, 0.0), 1.0) * (right - left))

    pen.line((left, top + 8, right, top + 8), fill=LINE, width=4)
    for still in stills:
        x = column(still.time_s)
        pen.ellipse((x - 4, top + 4, x + 4, top + 12), fill=FAINT)
    marks = [(clip.alert_time_s, "warning", ALERT), (clip.event_time_s, "event", colour)]
    labels_end = left + 40
    for time_s, name, ink in marks:
        if time_s is not None and time_s <= clip.duration_s:
            x = column(time_s)
            pen.line((x, top - 4, x, top + 20), fill=ink, width=4)
            width = round(pen.textlength(name, font=_font(14)))
            at = min(max(x - width // 2, labels_end + 8), right - width - 60)
            pen.text((at, top + 22), name, fill=ink, font=_font(14))
            labels_end = at + width
    pen.text((left - 4, top + 22), "0 s", fill=FAINT, font=_font(14))
    end = f"{clip.duration_s:.2f} s"
    pen.text((right + 4 - round(pen.textlength(end, font=_font(14))), top + 22), end, fill=FAINT, font=_font(14))


def _fitted(pen: ImageDraw.ImageDraw, text: str) -> str:
    """The text, cut with a mark if it is wider than the sheet."""
    room = _WIDTH - 2 * _MARGIN
    if pen.textlength(text, font=_font(15)) <= room:
        return text
    while text and pen.textlength(text + " …", font=_font(15)) > room:
        text = text[:-1]
    return text + " …"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
