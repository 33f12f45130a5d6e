"""VRU-Accident: multiple-choice questions on accidents with pedestrians, cyclists and other vulnerable road users.

``MetaData/{CAP_DATA,DADA_2000,DoTA,MANUAL_DATA}/*_VQA_annotation.json``: ``{"./VRU_videos/DoTA/VRU_1.mp4":
{category: {question, options: "A. …, B. …", GT: "A"}}}``. The videos are cut from CAP, DADA-2000 and DoTA, and
numbered anew, so whose footage one is cannot be read from its name. No file tells when anything happens.
"""

import re
from pathlib import Path

from vlm_autodrive.datasets.footage import accident_class, add_video, alone, locate
from vlm_autodrive.datasets.json_table import entry_row, read_entries
from vlm_autodrive.datasets.reading import Reading, inside
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.table import Row
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DatasetQuestion, Event, ImportIssue, Taxonomy, Video

SOURCE = "VRU-Accident"
_HOW_TO_ANSWER = re.compile(r"\s*Choose the correct option[^.]*\.\s*$", re.IGNORECASE)
_LETTERS = "ABCDEFGH"


def read_vru_accident(path: Path, settings: ImportSettings) -> Reading:
    """Read one file of questions, or all below a folder; every video counts as a row.

    Raises:
        UserError: If there is none.
    """
    files = sorted(path.rglob("*_VQA_annotation.json")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path} holds no file *_VQA_annotation.json; give VRU-Accident's folder MetaData.")
    reading = Reading(name=SOURCE, licence="Apache-2.0 by its hub page; the videos are of CAP, DADA-2000 and DoTA.")
    taken: dict[str, Row] = {}
    for file in files:
        entries = read_entries(file)
        reading.rows += len(entries)
        for number, (name, value) in enumerate(entries, start=1):
            _read_entry(entry_row(file, number, name, value), value, _root(file, settings), settings, reading, taken)
        reading.issues.append(_no_times(file))
    return reading


def _root(file: Path, settings: ImportSettings) -> Path:
    """The folder that ``VRU_videos`` is in: that of ``MetaData``, or of the files' own folders."""
    if settings.videos:
        return Path(settings.videos)
    above = file.parent.parent
    return above.parent if above.name == "MetaData" else above


def _no_times(file: Path) -> ImportIssue:
    return ImportIssue(
        file=str(file), line=None, field="event_time_s", value="", rejected=False,
        message="no event of these files has a time; clips can be cut around them only with times from elsewhere",
    )  # fmt: skip


def _read_entry(
    row: Row, value: object, root: Path, settings: ImportSettings, reading: Reading, taken: dict[str, Row]
) -> None:
    name = row.text("name")
    place = inside(root, name) if name else None
    if place is None or place.suffix != ".mp4":
        message = "not the path of an .mp4 file below the data set's folder, so the video is left out"
        reading.issues.append(row.issue("name", message, rejected=True))
        return
    if not isinstance(value, dict):
        reading.issues.append(row.issue("name", "no questions by category; repair the entry", rejected=True))
        return
    number = f"{place.parent.name}/{place.stem}"
    footage = alone("vru", number)
    found, problem = locate(root, [name.removeprefix("./"), number + ".mp4"], None)
    video = Video(
        video_id=number.replace("/", "-"),
        path=str(found),
        positive=True,
        group_id=footage.group_id,
        problem=problem,
        source=SOURCE,
        source_id=footage.source_id,
    )
    if not add_video(reading, video, row, taken):
        return
    questions = [q for topic, asked in value.items() if (q := _question(row, video, str(topic), asked, reading))]
    reading.items += questions
    _add_event(video, row, questions, settings.taxonomy, reading)


def _add_event(video: Video, row: Row, questions: list[DatasetQuestion], taxonomy: Taxonomy, reading: Reading) -> None:
    event_class = accident_class("accident", taxonomy)
    kind = next((question.answer for question in questions if question.topic == "accident type"), "")
    event = Event(
        event_id=f"{video.video_id}-e0",
        video_id=video.video_id,
        event_class=event_class.name if event_class else None,
        time_s=None,
        ego_involved="ego" in kind.casefold() if kind else None,  # the types name the ego vehicle where it has a part
    )
    reading.add_event(event, row)
    reading.spellings["accident", event_class.label if event_class else "unknown kind"] += 1


def _question(row: Row, video: Video, topic: str, asked: object, reading: Reading) -> DatasetQuestion | None:
    match asked:
        case {"question": str() as question, "options": str() as text, "GT": str() as letter}:
            options = split_options(text)
            number = _LETTERS.find(letter.strip()) if len(letter.strip()) == 1 else -1
            if 0 <= number < len(options):
                if len(set(options)) < len(options):
                    doubled = Row(row.file, row.line, {topic: text})
                    message = "an option stands twice; it is offered once"
                    reading.issues.append(doubled.issue(topic, message, rejected=False))
                return DatasetQuestion(
                    question_id=f"{video.video_id}/{topic.replace(' ', '-')}",
                    video_id=video.video_id,
                    topic=topic,
                    question=_HOW_TO_ANSWER.sub("", question).strip(),
                    options=tuple(dict.fromkeys(options)),
                    answer=options[number],
                    source=SOURCE,
                )
    message = "no question with options 'A. …, B. …' and the letter of the right one; this question is left out"
    cells = {**row.cells, topic: str(asked)[:80]}
    reading.issues.append(Row(row.file, row.line, cells).issue(topic, message, rejected=False))
    return None


def split_options(text: str) -> tuple[str, ...]:
    """The options of a text like ``A. a car, a van, B. a bus.`` without their letters; empty if they cannot be told.

    An option may hold commas and full stops, and the comma before the next letter may be missing, so the letters
    are looked for in their order. The same option may stand twice.
    """
    options: list[str] = []
    rest = text.strip()
    if not rest.startswith("A."):
        return ()
    rest = rest[2:]
    for letter in _LETTERS[1:]:
        parts = re.split(rf"(?<=[\s,.;]){letter}\.", rest, maxsplit=1)
        if len(parts) == 1:
            break
        options.append(parts[0])
        rest = parts[1]
    options.append(rest)
    plain = tuple(option.strip(" ,.;\n\t") for option in options)
    return plain if len(plain) > 1 and all(plain) else ()
