"""A cluster that works from and to an S3 server makes what one machine makes of local files."""

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from vlm_autodrive.artifacts import fetch_artifact, read_account
from vlm_autodrive.datasets import ImportSettings, ValidateSettings, import_dataset, read_validations, validate
from vlm_autodrive.detection import DetectSettings, detect
from vlm_autodrive.progress import SILENT

pytestmark = pytest.mark.slow
DRIVES = Path(str(files("vlm_autodrive") / "simulated_drives"))
NAMES = ("drive-1.mp4", "drive-2.mp4", "manifest.csv")


def autodrive(*words):
    """Type a command, whose cluster and workers find the store by the environment, as any user's do."""
    command = [sys.executable, "-m", "vlm_autodrive", *map(str, words)]
    return subprocess.run(command, check=True, timeout=500, stdout=subprocess.PIPE, text=True).stdout


def test_from_and_to_a_store(store, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTODRIVE_STORES", str(tmp_path / "mirror"))
    drives = f"{store.url}/fleet"
    for name in NAMES:
        store.put(DRIVES / name, f"fleet/{name}")
    autodrive("import", "manifest", f"{drives}/manifest.csv", "--out", f"{drives}/catalog")
    autodrive("validate", f"{drives}/catalog", "--out", f"{drives}/validated", "--on", "ray")
    autodrive("detect", drives, "--model", "tiny-simulated", "--out", f"{drives}/found", "--on", "ray", "--json")
    assert not [path for path in Path(os.environ["AUTODRIVE_STORES"]).rglob("*.mp4") if "fleet/drive" in str(path)]

    local = import_dataset("manifest", DRIVES / "manifest.csv", tmp_path / "catalog", ImportSettings(), SILENT)
    validate(local, tmp_path / "validated", ValidateSettings())
    stored = fetch_artifact(f"{drives}/validated")
    assert read_account(stored).records == 2
    assert [_without_path(each) for each in read_validations(stored)] == [
        _without_path(each) for each in read_validations(tmp_path / "validated")
    ]
    one = detect([DRIVES / name for name in NAMES[:2]], "tiny-simulated", tmp_path / "found", DetectSettings(), SILENT)
    found = [json.loads(store.read(key)) for key in sorted(store.keys("fleet/found")) if key.endswith("events.json")]
    assert len(found) == len(one) == 2
    for here, there in zip(one, found, strict=True):
        for field in ("events", "windows", "not_judged", "duration_s", "outcome"):
            assert there[field] == here.model_dump(mode="json")[field]
    assert any(each["events"] for each in found)
    assert all(each["video"].startswith("s3:") for each in found)


def _without_path(found):
    return found.model_copy(update={"path": ""})
