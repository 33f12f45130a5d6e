"""Any file's name goes into records and comes back: JSON holds it as text, and no two names are written alike."""

import json
import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.records import Clip, FileName, Record, Video, file_name_of, file_name_text, shown_name


class Named(Record):
    name: FileName


NAMES = st.binary(max_size=30).map(os.fsdecode) | st.text(st.sampled_from("\\xe95c\udce9a/"), max_size=12)


@given(NAMES)
@example("caf\udce9.mp4")
@example(r"caf\xe9.mp4")
@example(r"caf\x5cxe9.mp4")
def test_every_name_is_read_back_as_it_was(name):
    text = file_name_text(name)
    text.encode("utf-8")
    assert file_name_of(text) == name
    line = Named(name=name).model_dump_json()
    assert json.loads(line)["name"] == text
    assert Named.model_validate_json(line).name == name


def test_ordinary_names_are_written_as_they_are_and_others_readably():
    assert file_name_text("Fahrt/Überholen \\ 100 %.mp4") == "Fahrt/Überholen \\ 100 %.mp4"
    assert file_name_text(os.fsdecode("caf\xe9.mp4".encode("latin-1"))) == r"caf\xe9.mp4"
    assert file_name_text(r"caf\xe9.mp4") == r"caf\x5cxe9.mp4"
    assert file_name_text("half\ud83d") == r"half\ud83d"  # from broken JSON; no file has such a name
    assert shown_name("a\nb\t\u202egpm\udce9.mp4") == r"a\nb\t\u202egpm\xe9.mp4"


def test_text_files_hold_such_names(tmp_path):
    write_text(tmp_path / "a.txt", "caf\udce9")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == r"caf\xe9"


@pytest.mark.parametrize("record", [Video, Clip])
def test_records_say_that_a_path_is_text(record):
    assert record.model_json_schema()["properties"]["path"]["type"] == "string"
    with pytest.raises(ValueError, match="must be text"):
        Named.model_validate({"name": 5})
