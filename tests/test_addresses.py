"""Addresses told from paths, and what a store says of them."""

import sys
from pathlib import Path

import pytest

from vlm_autodrive.addresses import (
    AddressError,
    NoSuchAddressError,
    address_of,
    files_below,
    is_address,
    is_file,
    is_folder,
    is_mirrored,
    is_there,
    mirror_of,
    mirrored_address,
    place_of,
    plain_path,
    state_of,
)
from vlm_autodrive.errors import UserError


@pytest.mark.parametrize("text", ["s3://drives/a.mp4", "s3:/drives/a.mp4", "gs://b/k", "memory://x"])
def test_both_spellings_are_one_address(text):
    assert is_address(text)
    assert address_of(Path(text)) == text.replace(":/", "://").replace(":///", "://") == place_of(text)


@pytest.mark.parametrize("text", ["a.mp4", "/a/b", "C:/a.mp4", "C:\\a", "s3", "file:///a", "file:/a", "a:b/c", "é:/a"])
def test_paths_are_no_addresses(text):
    assert not is_address(text) and address_of(text) == text


def test_a_file_address_is_a_plain_path():
    assert plain_path("file:///data/a.mp4") == plain_path(Path("file:///data/a.mp4")) == Path("/data/a.mp4")
    assert plain_path("s3://drives/a.mp4") == Path("s3:/drives/a.mp4")


def test_the_mirror_of_an_address_tells_it_again(monkeypatch, tmp_path):
    monkeypatch.setenv("AUTODRIVE_STORES", str(tmp_path))
    for endpoint in ("", "http://127.0.0.1:9000"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        here = mirror_of("s3://drives/runs/a.mp4")
        assert is_mirrored(here) and mirrored_address(here) == "s3://drives/runs/a.mp4"
    assert not is_mirrored(tmp_path.parent) and not is_mirrored("s3://drives/runs/a.mp4")


def test_a_store_tells_what_lies_at_an_address(store, tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    first = store.put(tmp_path / "a", "told/one.mp4")
    store.put(tmp_path / "a", "told/deep/two.mp4")
    folder = f"{store.url}/told"
    assert is_there(first) and is_file(first) and not is_folder(first)
    assert is_there(folder) and is_folder(folder) and not is_file(folder)
    assert [address_of(path) for path in files_below(Path(folder))] == [f"{folder}/deep/two.mp4", f"{folder}/one.mp4"]
    before = state_of(first)
    assert before.size == 5 and files_below(Path(folder))[Path(first)] == before
    (tmp_path / "a").write_bytes(b"54321")
    store.put(tmp_path / "a", "told/one.mp4")
    assert state_of(first) != before


def test_what_is_missing_or_refused_is_said_with_the_address(store, tmp_path):
    for address, why in [(f"{store.url}/none.mp4", "file does not exist"), ("s3://nowhere/a.mp4", "no such bucket")]:
        assert not is_there(address) and not is_file(address) and not is_folder(address)
        with pytest.raises(NoSuchAddressError, match=why) as caught:
            state_of(Path(address))
        assert address in str(caught.value)
    (tmp_path / "a").write_bytes(b"12345")
    there = store.put(tmp_path / "a", "refused.mp4")
    with store.refusing(), pytest.raises(AddressError, match="refuses access; check the credentials"):
        state_of(there)


def test_without_fsspec_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UserError, match=r"pip install 'vlm-autodrive\[scale\]'"):
        state_of("s3://drives/a.mp4")


def test_an_unknown_kind_of_address_is_refused():
    with pytest.raises(UserError, match="fsspec does not know"):
        state_of("nonsense://drives/a.mp4")
