"""VRU-Accident: multiple-choice questions on accidents with pedestrians, cyclists and other vulnerable road users.

``MetaData/{CAP_DATA,DADA_2000,DoTA,MANUAL_DATA}/*_VQA_annotation.json``: ``{"./VRU_videos/DoTA/VRU_1.mp4":
{category: {question, options: "A. …, B. …", GT: "A"}}}``. The videos are cut from CAP, DADA-2000 and DoTA, and
numbered anew, so whose footage one is cannot be read from its name. No file tells when anything happens.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from vlm_autodrive.datasets.accident_types import accident_class, accident_of_phrase
from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.source_footage import sole_footage
from vlm_autodrive.datasets.video_files import inside, locate
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DatasetQuestion, IncidentMetadata, Taxonomy, Video, find_incident_value
from vlm_autodrive.tables import Row, entry_row, read_entries

SOURCE = "VRU-Accident"
_HOW_TO_ANSWER = re.compile(r"\s*Choose the correct option[^.]*\.\s*$", re.IGNORECASE)
_LETTERS = "ABCDEFGH"
_TOPICS = {"location": "scene", "road type": "road_layout"}
_WEATHERS = {"sunny": "clear", "clear": "clear", "cloudy": "cloudy", "rainy": "rain", "snowy": "snow", "foggy": "fog"}
_LIGHTS = {"day": "day", "afternoon": "day", "night": "dark"}


def read_vru_accident(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read one file of questions, or all below a folder; every video counts as a row.

    Raises:
        UserError: If there is none.
    """
    files = sorted(path.rglob("*_VQA_annotation.json")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path} holds no file *_VQA_annotation.json; give VRU-Accident's folder MetaData.")
    builder = DatasetBuilder(
        name=SOURCE, licence="Apache-2.0 by its hub page; the videos are of CAP, DADA-2000 and DoTA."
    )
    for file in files:
        entries = read_entries(file)
        builder.rows += len(entries)
        for number, (name, value) in enumerate(entries, start=1):
            _read_entry(entry_row(file, number, name, value), value, _root(file, settings), settings, builder)
        message = "no event of these files has a time; clips can be cut around them only with times from elsewhere"
        builder.warn_of_file(file, message, column="event_time_s")
    return builder


def _root(file: Path, settings: ImportSettings) -> Path:
    """The folder that ``VRU_videos`` is in: that of ``MetaData``, or of the files' own folders."""
    if settings.videos:
        return Path(settings.videos)
    above = file.parent.parent
    return above.parent if above.name == "MetaData" else above


def _read_entry(row: Row, value: object, root: Path, settings: ImportSettings, builder: DatasetBuilder) -> None:
    name = row.text("name")
    place = inside(root, name) if name else None
    if place is None or place.suffix != ".mp4":
        message = "not the path of an .mp4 file below the data set's folder, so the video is left out"
        builder.reject(row, "name", message)
        return
    if not isinstance(value, dict):
        builder.reject(row, "name", "no questions by category; repair the entry")
        return
    number = f"{place.parent.name}/{place.stem}"
    footage = sole_footage("vru", number)
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
    if not builder.add_video(video, row):
        return
    questions = [q for topic, question in value.items() if (q := _question(row, video, str(topic), question, builder))]
    builder.questions += questions
    answers = {question.topic: question.answer for question in questions}
    builder.videos[-1] = video.model_copy(update={"incident": _surroundings(answers)})
    _add_event(video, row, answers.get("accident type", ""), settings.taxonomy, builder)


def _surroundings(answers: Mapping[str, str]) -> IncidentMetadata:
    """What the answers to the questions on the surroundings say, such as ``sunny day`` or ``T-junction``."""
    found = {field: find_incident_value(field, answers.get(topic, "")) for topic, field in _TOPICS.items()}
    words = answers.get("weather and light", "").casefold().split()
    found["weather"] = next((_WEATHERS[word] for word in words if word in _WEATHERS), None)
    found["light"] = next((_LIGHTS[word] for word in words if word in _LIGHTS), None)
    return IncidentMetadata.model_validate(found)


def _add_event(video: Video, row: Row, kind: str, taxonomy: Taxonomy, builder: DatasetBuilder) -> None:
    # The types name the ego vehicle where it has a part.
    ego = "ego" in kind.casefold() if kind else None
    event_class = accident_class("accident", taxonomy)
    incident = accident_of_phrase(kind)
    builder.add_event(
        video.video_id, row, event_class, time_s=None, ego_involved=ego, incident=incident, spelling="accident"
    )


def _question(row: Row, video: Video, topic: str, value: object, builder: DatasetBuilder) -> DatasetQuestion | None:
    match value:
        case {"question": str() as question, "options": str() as text, "GT": str() as letter}:
            options = split_options(text)
            number = _LETTERS.find(letter.strip()) if len(letter.strip()) == 1 else -1
            if 0 <= number < len(options):
                if len(set(options)) < len(options):
                    doubled = Row(row.file, row.line, {topic: text})
                    message = "an option appears twice; it is offered once"
                    builder.warn(doubled, topic, message)
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
    cells = {**row.cells, topic: str(value)[:80]}
    builder.warn(Row(row.file, row.line, cells), topic, message)
    return None


def split_options(text: str) -> tuple[str, ...]:
    """The options of a text like ``A. a car, a van, B. a bus.`` without their letters; empty if they are not clear.

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
