"""Catalogs of videos that lie on a store: named by addresses, or beside a manifest that lies there itself."""

import pytest

from tests.stores import write_noise
from vlm_autodrive.addresses import plain_path
from vlm_autodrive.artifacts import read_clips, read_events, read_provenance, read_videos
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import ImportSettings, ValidateSettings, import_dataset, validate
from vlm_autodrive.errors import UserError

ROWS = [("a", "collision", "3.5"), ("b", "normal", ""), ("gone", "normal", "")]


@pytest.fixture
def manifests(store, make_video, tmp_path):
    """The same two videos, and one that is not there, in a local folder, by addresses, and in a stored folder."""
    table = "video,class,event_time_s\n"
    files = [make_video(f"set/{name}.mp4") for name in ("a", "b")]
    for file in files:
        store.put(file, f"set/{file.name}")
    local = tmp_path / "set" / "manifest.csv"
    local.write_text(table + "".join(f"{name}.mp4,{kind},{time_s}\n" for name, kind, time_s in ROWS))
    named = tmp_path / "named" / "manifest.csv"
    named.parent.mkdir()
    named.write_text(table + "".join(f"{store.url}/set/{name}.mp4,{kind},{time_s}\n" for name, kind, time_s in ROWS))
    return {"local": local, "named": named, "stored": store.put(local, "set/manifest.csv")}


def without_path(records):
    return [record.model_copy(update={"path": ""}) for record in records]


@pytest.mark.parametrize("kind", ["named", "stored"])
def test_a_catalog_is_that_of_the_local_files_but_for_the_paths(store, manifests, tmp_path, kind):
    catalogs = {name: tmp_path / f"catalog-{name}" for name in ("local", kind)}
    for name, out in catalogs.items():
        import_dataset("manifest", plain_path(manifests[name]), out, ImportSettings())
    videos = read_videos(catalogs[kind])
    assert [video.path for video in videos] == [f"{store.url}/set/{name}.mp4" for name in ("a", "b", "gone")]
    assert without_path(videos) == without_path(read_videos(catalogs["local"]))
    assert [video.problem for video in videos] == ["", "", "the file does not exist"]
    assert f'"{store.url}/set/a.mp4"' in (catalogs[kind] / "videos.jsonl").read_text()
    assert [e.time_s for e in read_events(catalogs[kind])] == [e.time_s for e in read_events(catalogs["local"])]
    for name, out in catalogs.items():
        validate(out, tmp_path / f"valid-{name}", ValidateSettings(), workers=1)
    found = read_videos(tmp_path / f"valid-{kind}")
    assert [(v.duration_s, v.notes, v.problem) for v in found] == [
        (v.duration_s, v.notes, v.problem) for v in read_videos(tmp_path / "valid-local")
    ]


def test_a_folder_on_a_store_is_imported_by_its_manifest(store, manifests, tmp_path):
    import_dataset("manifest", plain_path(f"{store.url}/set"), tmp_path / "catalog", ImportSettings())
    assert [video.problem for video in read_videos(tmp_path / "catalog")] == ["", "", "the file does not exist"]
    with pytest.raises(UserError, match="s3://drives/none does not exist"):
        import_dataset("manifest", plain_path(f"{store.url}/none"), tmp_path / "none", ImportSettings())


def test_other_content_at_an_address_is_another_catalog(store, manifests, make_video, tmp_path):
    import_dataset("manifest", manifests["named"], tmp_path / "one", ImportSettings())
    store.put(make_video("other.mp4", count=30), "set/a.mp4")
    import_dataset("manifest", manifests["named"], tmp_path / "two", ImportSettings())
    assert read_provenance(tmp_path / "one").key != read_provenance(tmp_path / "two").key


def test_an_import_reads_no_video_as_a_whole(store, tmp_path):
    video = write_noise(tmp_path / "long.mp4")
    (tmp_path / "manifest.csv").write_text(f"video\n{store.put(video, 'long/long.mp4')}\n")
    store.line.bytes_down = 0
    import_dataset("manifest", tmp_path / "manifest.csv", tmp_path / "catalog", ImportSettings())
    assert not read_videos(tmp_path / "catalog")[0].problem
    assert store.line.bytes_down < video.stat().st_size / 4


def test_a_store_that_refuses_is_a_problem_of_each_video(manifests, store, tmp_path):
    with store.refusing():
        import_dataset("manifest", manifests["named"], tmp_path / "refused", ImportSettings())
    videos = read_videos(tmp_path / "refused")
    assert len(videos) == 3 and all("check the credentials" in video.problem for video in videos)


def test_a_file_address_is_a_plain_path(manifests, tmp_path):
    text = manifests["local"].read_text().replace("a.mp4", f"file://{manifests['local'].parent}/a.mp4")
    manifests["local"].write_text(text)
    import_dataset("manifest", manifests["local"], tmp_path / "catalog", ImportSettings())
    assert read_videos(tmp_path / "catalog")[0].path == str(manifests["local"].parent / "a.mp4")


def test_clips_keep_the_addresses(store, manifests, tmp_path):
    import_dataset("manifest", manifests["named"], tmp_path / "catalog", ImportSettings())
    clips = read_clips(build_clips(tmp_path / "catalog", tmp_path / "deep" / "clips", ClipSettings(window_s=2.0)))
    assert {clip.path for clip in clips if not clip.problem} == {f"{store.url}/set/{n}.mp4" for n in ("a", "b")}
    assert f'"path":"{store.url}/set/a.mp4"' in (tmp_path / "deep" / "clips" / "clips.jsonl").read_text()
