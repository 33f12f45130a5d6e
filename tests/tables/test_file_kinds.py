"""A file that is no table is named for what it is, with what to do, by every reader of tables and of JSON."""

import gzip
import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.errors import UserError
from vlm_autodrive.tables import read_entries, read_table

JAAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations count="1"><track label="pedestrian"><box frame="0" occluded="0"/></track></annotations>
"""


def archive():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("xl/workbook.xml", "<workbook/>")
    return stream.getvalue()


def array():
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


LABELS = {"a.mp4": 3.5}
KINDS = {
    "jaad": (JAAD.encode(), "XML with the boxes of objects, as CVAT and JAAD write it.*manifest"),
    "cvat": (b"<annotations>\n<version>1.1</version>", "CVAT and JAAD"),
    "voc": (b"<annotation><folder>a</folder>", "CVAT and JAAD"),
    "xml": (b'<?xml version="1.0"?><Workbook/>', "XML, and no XML is read"),
    "page": (
        b"\xef\xbb\xbf\n<!DOCTYPE html><title>404</title>",
        r"an HTML page \(404\), not a table; download",
    ),
    "denied": (
        b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
        "a storage server's refusal",
    ),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "annex": (b"/annex/objects/SHA256E-s12--0.csv\n", "git annex get"),
    "workbook": (archive(), "workbook.*save the sheet as CSV"),
    "old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel workbook"),
    "packed": (gzip.compress(b"video,class"), "a gzip archive; unpack it first"),
    "tar": (bytes(257) + b"ustar", "a tar archive; unpack it first"),
    "array": (array(), "NumPy.*export its table"),
    "video": (b"\0\0\0\x20ftypisom", "name the table"),
} | {f"pickle {protocol}": (pickle.dumps(LABELS, protocol), "never read.*manifest") for protocol in range(6)}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_named_by_every_reader(tmp_path, kind):
    content, message = KINDS[kind]
    path = tmp_path / "labels"
    path.write_bytes(content)
    for read in (lambda: read_table(path, {}, ["video"]), lambda: read_entries(path)):
        with pytest.raises(UserError, match=f"labels is .*{message}"):
            read()
    with pytest.raises(UserError, match=message):
        import_dataset("manifest", path, tmp_path / "catalog", ImportSettings())


@pytest.mark.parametrize(
    "header",
    [
        "par1,video",
        "matlab,video",
        "clip\n5",
        "c\n1",
        "class\nx",
        "BZh,video",
        "video,<html>",
        "(video)",
        "riff,ftyp,a",
    ],
)
def test_tables_with_such_words_are_tables(tmp_path, header):
    path = tmp_path / "m.csv"
    path.write_text(f"{header}\n1\n")
    assert read_table(path, {}, []).total >= 1
    path.write_text(json.dumps({header: 1}))
    assert read_entries(path) == [(header, 1)]


@pytest.mark.parametrize(("name", "kind"), [("video_0001.xml", "jaad"), ("A3D_labels.pkl", "pickle 4")])
def test_a_folder_of_such_files_is_named_for_them(tmp_path, name, kind):
    content, message = KINDS[kind]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name} is .*{message}"):
        import_dataset("manifest", tmp_path, tmp_path / "catalog", ImportSettings())
    (tmp_path / name).rename(tmp_path / "other.txt")
    with pytest.raises(UserError, match=r"holds no manifest\.csv or manifest\.jsonl"):
        import_dataset("manifest", tmp_path, tmp_path / "catalog", ImportSettings())
