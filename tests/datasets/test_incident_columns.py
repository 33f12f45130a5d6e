"""Incident metadata of manifests: typed columns, in any usual spelling, of videos and of their events."""

from pathlib import Path

import pytest

from vlm_autodrive.datasets import ImportSettings
from vlm_autodrive.datasets.manifest import read_manifest
from vlm_autodrive.records import INCIDENT_NUMBERS, INCIDENT_SYNONYMS, SURROUNDINGS, IncidentMetadata

DOCS = Path(__file__).parents[2] / "docs"


def manifest(root, *lines, name="manifest.csv"):
    (root / name).write_text("\n".join(lines) + "\n")
    return read_manifest(root / name, ImportSettings())


def test_what_holds_for_the_video_goes_to_it_and_the_rest_to_the_rows_event(tmp_path):
    reading = manifest(
        tmp_path,
        "video,class,event_time_s,weather,Light_Conditions,other_type,ego_impact_side,responsibility,speed_kmh,lateral_g",
        'a.mp4,collision,4,Rainy,Night,lorry,Front-Left,ego driver,"52,5",-0.4',
        "a.mp4,near-miss,9,,,bike,no contact,,,",
        "b.mp4,normal,,sunny,,,,,31,",
        "c.mp4,,,,,,,,31,",
    )
    assert not reading.issues
    assert [video.incident for video in reading.videos] == [
        IncidentMetadata(weather="rain", light="dark"),
        IncidentMetadata(weather="clear", speed_kmh=31),
        IncidentMetadata(speed_kmh=31),
    ]
    assert [event.incident for event in reading.events] == [
        IncidentMetadata(
            other_type="truck", ego_impact_side="front_left", responsibility="driver", speed_kmh=52.5, lateral_g=-0.4
        ),
        IncidentMetadata(other_type="cyclist", ego_impact_side="none"),
    ]
    assert not any(video.metadata for video in reading.videos)


def test_equal_records_are_one_so_that_a_large_table_fits_into_memory(tmp_path):
    rows = [f"{n}.mp4,collision,4,rain,bus" for n in range(3)]
    reading = manifest(tmp_path, "video,class,event_time_s,weather,other_type", *rows)
    assert len({id(video.incident) for video in reading.videos}) == 1
    assert len({id(event.incident) for event in reading.events}) == 1
    assert reading.events[0].incident == IncidentMetadata(other_type="bus")


def test_rows_that_differ_in_what_holds_for_the_video_are_told_of(tmp_path):
    reading = manifest(
        tmp_path, "video,class,event_time_s,weather,other_type", "a.mp4,crash,4,rain,car", "a.mp4,crash,9,Snow,bus"
    )
    assert reading.videos[0].incident == IncidentMetadata(weather="rain")
    assert [event.incident.other_type for event in reading.events] == ["car", "bus"]
    assert [(i.line, i.field, i.value, i.rejected) for i in reading.issues] == [(3, "weather", "Snow", False)]


@pytest.mark.parametrize(
    ("column", "text", "named"),
    [
        ("weather", "hail", "clear, cloudy, rain, snow, fog"),
        ("other_type", "tank", "car, van, truck"),
        ("responsibility", "not at fault", "driver, other, road"),
        ("speed_kmh", "-1", "from 0 to 400"),
        ("speed_kmh", "401", "from 0 to 400"),
        ("speed_kmh", "fast", "from 0 to 400"),
        ("speed_kmh", "inf", "from 0 to 400"),
        ("longitudinal_g", "-51", "from -50 to 50"),
        ("lateral_g", "51", "from -50 to 50"),
    ],
)
def test_what_is_no_value_is_an_issue_and_stays_in_the_metadata(tmp_path, column, text, named):
    reading = manifest(tmp_path, f"video,class,event_time_s,{column}", f"a.mp4,collision,4,{text}")
    [issue] = reading.issues
    assert (issue.line, issue.field, issue.value, issue.rejected) == (2, column, text, False)
    assert named in issue.message
    assert reading.events[0].incident == reading.videos[0].incident == IncidentMetadata()
    assert reading.videos[0].metadata == {column: text}


@pytest.mark.parametrize("text", ["", "NaN", "n/a", "-", "unknown"])
def test_what_is_not_known_is_no_issue(tmp_path, text):
    reading = manifest(tmp_path, "video,class,weather,speed_kmh", f"a.mp4,normal,{text},{text}")
    assert not reading.issues
    assert reading.videos[0].incident == IncidentMetadata()


@pytest.mark.parametrize("field", [name for name, values in INCIDENT_SYNONYMS.items() if "none" in values])
def test_none_is_a_value_where_there_may_be_none(tmp_path, field):
    reading = manifest(tmp_path, f"video,class,{field}", "a.mp4,normal,None")
    assert getattr(reading.videos[0].incident, field) == "none"
    assert not reading.issues and not reading.videos[0].metadata


def test_a_unit_is_not_guessed(tmp_path):
    """A speed in another unit is no speed in km/h: the column stays as it is, and an issue names ours."""
    reading = manifest(tmp_path, "video,class,speed_mph,weathr", "a.mp4,normal,31,rain")
    assert reading.videos[0].incident == IncidentMetadata()
    assert reading.videos[0].metadata == {"speed_mph": "31", "weathr": "rain"}
    messages = {issue.field: issue.message for issue in reading.issues}
    assert messages == {
        "speed_mph": "taken as metadata; if you mean speed_kmh, give the column that name, and its numbers that unit",
        "weathr": "taken as metadata; if you mean weather, give the column that name",
    }


def test_json_lines_have_the_same_columns(tmp_path):
    reading = manifest(
        tmp_path,
        '{"video": "a.mp4", "class": "collision", "event_time_s": 4, "speed_kmh": 50, "other_role": "lead vehicle", '
        '"pedestrians": "none", "zone": null}',
        name="manifest.jsonl",
    )
    assert reading.events[0].incident == IncidentMetadata(speed_kmh=50, other_role="ahead", pedestrians="none")
    assert not reading.issues


def table_row(field):
    if field in INCIDENT_NUMBERS:
        least, largest = INCIDENT_NUMBERS[field]
        values = f"a number from {least:g} to {largest:g}"
    else:
        spelled = INCIDENT_SYNONYMS[field].items()
        values = ", ".join(f"`{value}`" + (f" ({', '.join(others)})" if others else "") for value, others in spelled)
    whose = "video" if field in SURROUNDINGS else "event"
    return f"| `{field}` | {whose} | {IncidentMetadata.model_fields[field].description} | {values} |\n"


def test_the_documented_table_is_that_of_the_code():
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    expected = "".join(map(table_row, IncidentMetadata.model_fields))
    assert expected in text, f"docs/data.md needs these rows:\n{expected}"
