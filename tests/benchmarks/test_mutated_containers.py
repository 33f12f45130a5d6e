"""Mutated containers: a damaged file fails by itself, and its batch goes on. The full number runs by the script."""

import av
import pytest

from benchmarks.mutated_containers import (
    CONTAINERS,
    mutated,
    read_in_every_way,
    run_verbs,
    sound_file,
    write_batch,
)
from tests.tiny_models import saved_tiny_model
from vlm_autodrive.video import probe


@pytest.fixture(autouse=True)
def quiet():
    av.logging.set_level(None)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_sound_files_are_sound(tmp_path, kind):
    path = tmp_path / f"a.{kind.rpartition('.')[2]}"
    path.write_bytes(sound_file(kind))
    assert read_in_every_way(path) == ""


@pytest.mark.parametrize("first", range(0, 300, 30))
def test_mutated_files_give_pictures_or_the_error_of_one_file(tmp_path, first):
    used = 0
    for number in range(first, first + 30):
        ending, content = mutated(number)
        path = tmp_path / f"{number}.{ending}"
        path.write_bytes(content)
        used += not read_in_every_way(path)
    assert 0 < used < 30


@pytest.mark.parametrize("number", [1348, 1856, 2506, 2766])
def test_one_packet_with_a_wrong_time_does_not_make_two_seconds_into_a_day(tmp_path, number):
    """Found by the script: each is a transport stream with one time far behind the others."""
    path = tmp_path / "stray.ts"
    path.write_bytes(mutated(number)[1])
    assert read_in_every_way(path) == ""
    assert 1.5 < probe(path).duration_s < 2.3
    assert "cut off" not in probe(path).notes


def test_a_file_is_made_again_by_its_number():
    assert mutated(7) == mutated(7)
    assert len({mutated(number)[1] for number in range(100)}) == 100


def test_a_batch_of_them_goes_through_every_verb(tmp_path):
    paths = write_batch(tmp_path / "videos", 1000, 20)
    verbs = []
    for verb, records, wanted in run_verbs(tmp_path / "videos", paths, str(saved_tiny_model("qwen3_vl"))):
        assert records == wanted > 0, verb
        verbs.append(verb)
    assert verbs == ["import", "validate", "clips", "inspect", "plan", "supervise", "evaluate", "detect"]
