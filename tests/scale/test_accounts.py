"""Of two hundred videos, whatever they are, each has its account at every stage on a cluster."""

import json
import os
from functools import partial

import pytest
from typer.testing import CliRunner

from tests.clocks import write_clock
from tests.scale.odd_videos import UNUSABLE, write_odd_videos
from tests.scale.steps import PoisonedChecker
from vlm_autodrive.artifacts import read_account, read_clips, read_samples
from vlm_autodrive.cli.main import app
from vlm_autodrive.datasets import ImportSettings, ValidateSettings, import_dataset, read_validations, validate
from vlm_autodrive.progress import SILENT
from vlm_autodrive.scale import on_cluster

pytestmark = pytest.mark.slow
ALL = 200


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """180 good videos, which are one file under many names, and twenty odd ones."""
    folder = tmp_path_factory.mktemp("fleet") / "videos"
    folder.mkdir()
    write_odd_videos(folder)
    names = [*(file.name for file in folder.iterdir()), "missing.mp4"]
    good = write_clock(folder / "good-000.mp4", count=5, fps=10, size=(64, 64))
    for number in range(1, ALL - len(names)):
        os.link(good, folder / f"good-{number:03d}.mp4")
    names += [file.name for file in folder.glob("good-*")]
    assert len(names) == ALL
    rows = "".join(f"{name},normal\n" for name in names)
    (folder / "manifest.csv").write_text(f"video,class\n{rows}")
    return import_dataset("manifest", folder, folder.parent / "catalog", ImportSettings(), SILENT)


def autodrive(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output


def test_two_hundred_accounts_at_each_stage(catalog, tmp_path, cluster):
    validated, clips, supervision = tmp_path / "validated", tmp_path / "clips", tmp_path / "supervision"
    autodrive("validate", catalog, "--out", validated, "--on", cluster)
    found = [json.loads(line) for line in (validated / "validation.jsonl").read_text().splitlines()]
    assert len(found) == len({each["video_id"] for each in found}) == ALL
    assert {each["video_id"]: each["problem"] for each in found if each["problem"]} == UNUSABLE
    assert read_account(validated).model_dump() == {"inputs": ALL, "records": ALL, "quarantined": {}}

    autodrive("clips", validated, "--out", clips, "--on", cluster, "window_s=2")
    cut = read_clips(clips)
    assert len({clip.clip_id for clip in cut}) == len(cut)
    assert {clip.video_id for clip in cut} == {each["video_id"] for each in found}
    assert {clip.video_id: clip.problem for clip in cut if clip.problem} == UNUSABLE
    assert read_account(clips).model_dump() == {"inputs": ALL, "records": ALL, "quarantined": {}}

    autodrive("supervise", clips, "--out", supervision, "--on", cluster)
    summary = json.loads((supervision / "summary.json").read_text())
    written = {sample.clip_id for sample in read_samples(supervision)}
    assert written == {clip.clip_id for clip in cut if clip.split != "test" and not clip.problem}
    account = read_account(supervision)
    assert account.inputs == account.records == len(written) and account.quarantined == {}
    assert len(written) + sum(summary["clips_without_samples"].values()) == len(cut)


def test_poison_is_quarantined_its_neighbours_are_not_and_a_retry_clears_it(catalog, tmp_path, cluster):
    out, settings = tmp_path / "validated", ValidateSettings()
    (tmp_path / "first").mkdir()
    (tmp_path / "again").mkdir()
    raising, killing = ("good-003", "hevc"), ("good-100",)
    with on_cluster(cluster, SILENT) as executor:
        poisoned = partial(PoisonedChecker, attempts=tmp_path / "first", raising=raising, killing=killing)
        validate(catalog, out, settings, executor=executor, check_with=poisoned)
        first = {each.video_id: each for each in read_validations(out)}
        account = read_account(out)
        cured = partial(PoisonedChecker, attempts=tmp_path / "again")
        validate(catalog, out, settings, executor=executor, check_with=cured, retry_errors=True)
    reasons = {name: f"ValueError: {name} is poison and that is its last line" for name in raising}
    assert account.quarantined.keys() == {*raising, *killing}
    assert {name: account.quarantined[name] for name in raising} == reasons
    assert "the worker process died" in account.quarantined["good-100"]
    assert (account.inputs, account.records) == (ALL, ALL - 3)
    assert len(first) == ALL
    for name, reason in account.quarantined.items():
        assert first[name].problem == f"quarantined after two attempts: {reason}"
    tries = {file.name: file.stat().st_size for file in (tmp_path / "first").iterdir()}
    assert [tries[name] for name in raising] == [2, 2]
    assert 2 <= tries["good-100"] <= 4  # Ray repeats each attempt once

    assert {file.name for file in (tmp_path / "again").iterdir()} == {*raising, *killing}
    assert read_account(out).model_dump() == {"inputs": ALL, "records": ALL, "quarantined": {}}
    validate(catalog, tmp_path / "here", settings, workers=2)
    assert (out / "validation.jsonl").read_bytes() == (tmp_path / "here" / "validation.jsonl").read_bytes()
    here = {each.video_id: each for each in read_validations(tmp_path / "here")}
    assert {name: each for name, each in first.items() if name not in account.quarantined} == {
        name: each for name, each in here.items() if name not in account.quarantined
    }
