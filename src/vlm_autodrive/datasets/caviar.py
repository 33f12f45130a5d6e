"""CAViAR's annotations of Nexar's positives: its ``test.json`` as an overlay, and its questions.

A list of ``{video_path, qa_pairs: [{benchmark, question, answer, choices?, correct_answer?, correct_index?}]}``.
The accident type ``None`` means that contact was avoided; any other is contact. The published file writes
``none`` beside the choice ``None``, and its ``correct_index`` then points at another choice: the text counts.

Weather, light and road conditions become incident metadata where Nexar's own columns are silent. A collision's type
does not tell which vehicle is the ego vehicle, and neither does who is at fault (``the driver of the white van``), so
that nothing is made of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.overlays import OverlayClasses
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DatasetQuestion, Event, IncidentMetadata, Taxonomy, Video, find_incident_value
from vlm_autodrive.tables import Row, read_json

NAME = "CAViAR"
LICENCE = "CAViAR's annotations are for research only."
_TYPE = "Accident Type"
_CONTACT, _AVOIDED = "collision", "near-miss"  # words by which a taxonomy knows its classes
_NO_CONTACT = IncidentMetadata(ego_impact_side="none", other_impact_side="none")
_SURROUNDINGS = (("Weather & Light", "weather"), ("Weather & Light", "light"), ("Road Conditions", "road_surface"))
_KINDS = {"none": _AVOIDED, "tbone": _CONTACT, "rearend": _CONTACT, "sidebyside": _CONTACT, "headon": _CONTACT}


def apply_caviar(path: Path, builder: DatasetBuilder, taxonomy: Taxonomy) -> None:
    """Name the kinds of a builder's events by CAViAR's accident types, and add its questions.

    Args:
        path: ``test.json``.
        builder: Nexar's videos.
        taxonomy: Must know a class by the word ``collision``, and one by ``near-miss``.

    Raises:
        UserError: If the file is not of this form, or holds half a character.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise UserError(f"{path} is no list of videos in JSON, as CAViAR's test.json is.")
    builder.rows += len(entries)
    overlay = OverlayClasses(builder, taxonomy, ())  # a spreadsheet has nothing to do with a JSON file
    for number, entry in enumerate(entries, start=1):
        _read_entry(path, number, entry, overlay)
    overlay.apply(_TYPE)
    _add_incidents(builder)
    builder.licence = " ".join(text for text in (builder.licence, LICENCE) if text)


def _read_entry(path: Path, number: int, entry: Any, overlay: OverlayClasses) -> None:
    builder = overlay.builder
    shape = entry if isinstance(entry, dict) else {}
    name, pairs = shape.get("video_path"), shape.get("qa_pairs")
    row = Row(path, number, {"video_path": name if isinstance(name, str) else ""})
    if not isinstance(name, str) or not isinstance(pairs, list):
        builder.reject(row, "", "no video_path with a list of qa_pairs; repair the entry")
        return
    video_id = overlay.video_id(row, "video_path")
    if video_id is None:
        return
    kinds: list[str] = []
    for place, pair in enumerate(pairs, start=1):
        question = _question(row, video_id, place, pair, builder)
        if question is None:
            continue
        builder.questions.append(question)
        if question.topic == _TYPE:
            kinds.append(question.answer)
    words = {_KINDS.get(_plain(kind), "") for kind in kinds}
    typed = Row(path, number, {_TYPE: ", ".join(kinds)})
    if len(words) != 1 or words == {""}:
        known = "T-Bone, Rear End, Side-by-Side, head-on and None"
        message = f"not one accident type out of {known}; the event stays of unknown kind"
        builder.warn(typed, _TYPE, message)
        return
    overlay.name(typed, video_id, _TYPE, words.pop(), f"{_TYPE} {kinds[0]}")


def _add_incidents(builder: DatasetBuilder) -> None:
    answers: dict[str, list[DatasetQuestion]] = {}
    for question in builder.questions:
        answers.setdefault(question.video_id, []).append(question)
    builder.videos = [_with_surroundings(video, answers.get(video.video_id, ())) for video in builder.videos]
    builder.events = [_without_contact(event, answers.get(event.video_id, ())) for event in builder.events]


def _with_surroundings(video: Video, answers: Sequence[DatasetQuestion]) -> Video:
    found = {}
    for topic, field in _SURROUNDINGS:
        values = {find_incident_value(field, a.answer) for a in answers if a.topic == topic} - {None}
        if len(values) == 1:
            found[field] = values.pop()
    return video.model_copy(update={"incident": video.incident.over(IncidentMetadata.model_validate(found))})


def _without_contact(event: Event, answers: Sequence[DatasetQuestion]) -> Event:
    if {_plain(answer.answer) for answer in answers if answer.topic == _TYPE} != {"none"}:
        return event
    return event.model_copy(update={"incident": event.incident.over(_NO_CONTACT)})


def _question(row: Row, video_id: str, place: int, pair: Any, builder: DatasetBuilder) -> DatasetQuestion | None:
    """One question; None, with an issue written, if it is not to be understood."""
    field = f"qa_pairs[{place}]"
    values = pair if isinstance(pair, dict) else {}
    topic, question = values.get("benchmark"), values.get("question")
    answer = values.get("correct_answer", values.get("answer"))
    options = values.get("choices", [])
    texts = [topic, question, answer, *(options if isinstance(options, list) else [None])]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        message = "no question with benchmark, question and answer; it is left out"
        builder.warn(row, field, message)
        return None
    answer = str(answer).strip()
    options = [option.strip() for option in options]
    if options:
        chosen = [option for option in options if option.casefold() == answer.casefold()]
        if len(chosen) != 1:
            message = f"its answer {answer!r} is not one of its choices; it is left out"
            builder.warn(row, field, message)
            return None
        answer = chosen[0]
        index = values.get("correct_index", options.index(answer))
        if index != options.index(answer):
            message = f"correct_index {index} contradicts the answer {answer!r}; the answer's text is taken"
            builder.warn(row, f"{field}.correct_index", message)
    return DatasetQuestion(
        question_id=f"{video_id}-caviar-{row.line}-{place}",
        video_id=video_id,
        topic=str(topic).strip(),
        question=str(question).strip(),
        options=tuple(options),
        answer=answer,
        source=NAME,
    )


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalpha())
