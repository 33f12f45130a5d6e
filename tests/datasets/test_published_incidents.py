"""What published data sets say of incidents, in the project's vocabulary, and no more than they say."""

from collections import Counter

import pytest

from tests.datasets.test_overlays import caviar, entry, hub
from vlm_autodrive.datasets import ImportSettings
from vlm_autodrive.datasets.accident_types import accident_of_phrase, accident_of_type
from vlm_autodrive.datasets.dota import read_dota
from vlm_autodrive.datasets.mmau import read_mmau
from vlm_autodrive.datasets.nexar import read_nexar
from vlm_autodrive.datasets.tau106k import read_tau106k
from vlm_autodrive.datasets.vru_accident import read_vru_accident
from vlm_autodrive.records import IncidentMetadata

SETTINGS = ImportSettings()
RESPONSIBILITY = "responsibility"


@pytest.fixture
def annotations(fixtures_dir):
    return fixtures_dir / "annotations"


def counted(events, field):
    return Counter(getattr(event.incident, field) for event in events if getattr(event.incident, field) is not None)


@pytest.mark.fixtures
def test_every_type_means_the_same_by_its_number_and_by_its_phrase(annotations):
    calamine = pytest.importorskip("python_calamine")
    workbook = calamine.CalamineWorkbook.from_path(annotations / "mm-au/cap_text_annotations.xls")
    phrases = {int(number): text for number, text in workbook.get_sheet_by_name("Sheet1").to_python()[1:]}
    assert len(phrases) == 58
    for number, phrase in phrases.items():
        assert accident_of_phrase(phrase) == accident_of_type(number), phrase
    assert accident_of_type(1).model_dump(exclude_none=True) == {
        "other_type": "pedestrian", "other_role": "crossing", "other_manoeuvre": "cross", "pedestrians": "crossing",
    }  # fmt: skip
    for number in range(1, 63):
        said = accident_of_type(number)
        other = said.other_type
        assert (other is None) == ("ego-car" not in phrases.get(number, "") or number in (15, 61, 62))
        if other not in (None, "object"):
            assert other.replace("cycle", "bike", other == "motorcycle") in phrases[number]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ego-car hits pedestrian.", {"other_type": "pedestrian", "pedestrians": "present"}),
        ("ego-car hits a motorcycle or cyclist", {}),
        ("Car hits motorcycle or cyclist", {}),
        ("cyclist hits pedestrian", {"pedestrians": "present", "cyclists": "present"}),
        ("car hits car", {}),
        ("", {}),
    ],
)
def test_a_phrase_says_no_more_than_it_says(text, expected):
    assert accident_of_phrase(text) == IncidentMetadata.model_validate(expected)


@pytest.mark.fixtures
def test_mm_au(annotations):
    pytest.importorskip("python_calamine")
    reading = read_mmau(annotations / "mm-au", SETTINGS)
    ego = [event for event in reading.events if event.ego_involved]
    others = [event for event in reading.events if not event.ego_involved]
    assert set(counted(ego, "other_type")) == {"pedestrian", "cyclist", "motorcycle", "truck", "car", "object"}
    assert {name for event in others for name in event.incident.known} == {"pedestrians", "cyclists"}
    assert not counted(reading.events, RESPONSIBILITY)
    roles = counted(ego, "other_role")
    assert (roles["ahead"], roles["behind"]) == (638, 127)
    assert counted(ego, "ego_impact_side") == {"rear": 127}
    assert counted(ego, "other_manoeuvre")["brake"] == 638
    assert counted(ego, "other_manoeuvre")["reverse"] == 153 + 30 + 12 + 9
    first = {video.video_id: video for video in reading.videos}["cap-000001"].incident
    assert first == IncidentMetadata(weather="clear", light="day", scene="urban", road_layout="intersection")


@pytest.mark.fixtures
def test_dota(annotations):
    reading = read_dota(annotations / "dota/metadata_train.json", SETTINGS)
    ego = [event for event in reading.events if event.ego_involved]
    assert counted(ego, "other_role") == {"ahead": 298, "oncoming": 267}
    assert counted(ego, "other_type") == {"pedestrian": 26, "object": 32}
    assert counted(reading.events, "pedestrians") == {"present": 26 + 35}
    assert not any(counted(reading.events, name) for name in ("other_manoeuvre", "ego_impact_side", RESPONSIBILITY))


@pytest.mark.fixtures
def test_tau106k(annotations):
    reading = read_tau106k(annotations / "tau-106k", SETTINGS)
    assert counted(reading.events, "other_type") == {"pedestrian": 6}
    assert counted(reading.events, "pedestrians") == {"present": 16}
    assert {name for event in reading.events for name in event.incident.known} == {"other_type", "pedestrians"}


@pytest.mark.fixtures
def test_vru_accident(annotations):
    reading = read_vru_accident(annotations / "vru-accident", SETTINGS)
    surroundings = [video.incident for video in reading.videos]
    assert Counter(said.weather for said in surroundings) == {"clear": 299, "rain": 12, "snow": 12}
    assert Counter(said.light for said in surroundings) == {"day": 276, "dark": 47}
    assert Counter(said.scene for said in surroundings) == {
        "urban": 275, "rural": 42, "highway": 3, "mountain": 2, "tunnel": 1,
    }  # fmt: skip
    assert Counter(said.road_layout for said in surroundings)["intersection"] == 101
    assert {name for said in surroundings for name in said.known} == {"weather", "light", "scene", "road_layout"}
    assert counted(reading.events, "other_type") == {"pedestrian": 91, "cyclist": 32}
    assert counted(reading.events, "other_role") == {"crossing": 103}


def pair(topic, answer, *choices):
    return {"benchmark": topic, "question": "What was it?", "answer": answer, "choices": choices}


def test_caviar_says_what_nexar_does_not(tmp_path):
    hub(tmp_path)
    weather, light = ("Snowy", "Sunny", "Rainy", "Cloudy"), ("Day", "Night")
    near, crash = entry("00776", "none", 4), entry("00491", "Rear End")
    near["qa_pairs"] += [pair("Weather & Light", "Rainy", *weather), pair("Weather & Light", "Night", *light)]
    near["qa_pairs"] += [pair("Road Conditions", "Wet", "Dry", "Wet", "Snowy")]
    crash["qa_pairs"] += [pair("Weather & Light", "Sunny", *weather), pair("Weather & Light", "Cloudy", *weather)]
    crash["qa_pairs"] += [{"benchmark": "Faulter Identification", "question": "Who?", "answer": "The white van."}]
    reading = read_nexar(tmp_path, ImportSettings(overlay=str(caviar(tmp_path, near, crash))))
    videos = {video.video_id: video.incident for video in reading.videos}
    assert videos["00776"] == IncidentMetadata(weather="rain", light="dark", road_surface="wet")
    assert videos["00491"] == IncidentMetadata()
    events = {event.video_id: event.incident for event in reading.events}
    assert events["00776"] == IncidentMetadata(ego_impact_side="none", other_impact_side="none")
    assert events["00491"] == IncidentMetadata()


def test_nexar_words_are_values_and_what_is_none_stays_as_it_is(tmp_path):
    lights, weathers = ("Normal", "Bright", "Dark", "Twilight"), ("Clear", "Cloudy", "Rain", "Snow")
    scenes = ("Urban", "Sub-urban", "Highway", "Rural", "Industrial", "Other", "Nature")
    rows = [f"{n:05d}.mp4,{lights[n % 4]},{weathers[n % 4]},{scene}" for n, scene in enumerate(scenes)]
    folder = tmp_path / "train" / "negative"
    folder.mkdir(parents=True)
    (folder / "metadata.csv").write_text("\n".join(["file_name,light_conditions,weather,scene", *rows]) + "\n")
    reading = read_nexar(tmp_path, SETTINGS)
    assert not reading.issues
    assert {video.incident.light for video in reading.videos} == {"normal", "bright", "dark", "twilight"}
    assert {video.incident.weather for video in reading.videos} == {"clear", "cloudy", "rain", "snow"}
    assert [video.incident.scene for video in reading.videos] == [
        "urban", "suburban", "highway", "rural", "industrial", None, None,
    ]  # fmt: skip
    assert [video.metadata for video in reading.videos] == [*[{}] * 5, {"scene": "Other"}, {"scene": "Nature"}]
