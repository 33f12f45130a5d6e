"""Mistakes are told in one sentence on stderr, with the right exit status."""

import errno
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vlm_autodrive.cli.detect import refuse_empty_search
from vlm_autodrive.cli.main import app
from vlm_autodrive.datasets.video_files import path_below
from vlm_autodrive.errors import UserError

run = CliRunner().invoke


def raising(error):
    def stage(*arguments, **options):
        raise error

    return stage


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "demo", "train.epoch=2"], "there is no setting train.epoch; did you mean epochs?"),
        (["run", "demo", "epochs=2"], "there is no setting epochs; did you mean train.epochs?"),
        (["run", "demo", "train.epochs=two"], "train.epochs must be a number, not 'two'"),
        (["run", "demo", "clips.split_by=day"], "clips.split_by must be one of"),
        (["run", "dem"], "there is no recipe dem; did you mean demo? `autodrive recipes ls` lists them."),
        (["run", "/no/such.yaml"], "there is no recipe /no/such.yaml; give the path of a YAML file, or a name."),
        (["run", "demo", "epochs"], "'epochs' is no setting; write it as key=value without blanks"),
        (["train", "x", "--out", "o", "epochs=-1"], "settings of train: epochs must be greater than 0, not -1"),
        (["clips", "absent", "--out", "o"], "absent does not exist"),
        (["evaluate", "c", "--model", "majorty", "--out", "o"], "there is no model majorty; did you mean majority?"),
        (
            ["evaluate", "c", "--model", "tiny_base", "--out", "o"],
            "there is no model tiny_base; did you mean tiny-base?",
        ),
        (["report", "absent", "--out", "o"], "absent does not exist"),
        (["recipes", "keys", "trian"], "there is no section trian"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_1(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(app, arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("autodrive: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == [] or arguments[0] in ("clips", "report")


@pytest.mark.parametrize(
    "arguments", [["train"], ["trian"], ["run", "demo", "--fast"], ["detect", "a=1", "--out", "o"]]
)
def test_wrong_usage_is_status_2(arguments):
    assert run(app, arguments).exit_code == 2


@pytest.mark.parametrize(
    ("option", "value", "span"),
    [
        ("--false-alarms-per-hour", "-1", "0 or more"),
        ("--before", "-1", "from 0 to 600"),
        ("--after", "0.05", "from 0.1 to 600"),
        ("--after", "601", "from 0.1 to 600"),
        ("--settle", "nan", "0.1 or more"),
    ],
)
def test_numbers_of_detect_out_of_their_range_are_wrong_usage(tmp_path, option, value, span):
    result = run(app, ["detect", str(tmp_path), "--out", str(tmp_path / "o"), "--watch", option, value])
    assert result.exit_code == 2
    assert f"'{option}': must be {span}, not {value}." in " ".join(result.stderr.replace("│", " ").split())


def test_seconds_to_settle_without_watching_are_wrong_usage(tmp_path):
    result = run(app, ["detect", str(tmp_path), "--out", str(tmp_path / "o"), "--settle", "5"])
    assert result.exit_code == 2
    assert "'--settle': needs --watch" in " ".join(result.stderr.split())


def test_a_setting_written_as_an_option_is_named():
    result = run(app, ["clips", "cat", "--out", "o", "--window_s", "10"])
    assert result.exit_code == 2
    assert "written without dashes: window_s=" in " ".join(result.stderr.replace("│", " ").split())


def caused_by(error):
    """An error that a library raises in place of the system's."""
    wrapper = RuntimeError("cannot serialize")
    wrapper.__cause__ = error
    return wrapper


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "o/a.mp4"), "the disk is full, so that o/a.mp4 could not"),
        (caused_by(OSError(errno.ENOSPC, "No space left on device")), "the disk is full, so that a file could not"),
        (ValueError("I/O error: No space left on device (os error 28)"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/r/o"), "/r/o cannot be opened or written (Permission"),
        (OSError(errno.EROFS, "Read-only file system", "/r/o"), "/r/o cannot be opened or written (Read-only"),
    ],
)
def test_a_disk_that_takes_nothing_is_one_sentence(error, sentence, monkeypatch):
    monkeypatch.setattr("vlm_autodrive.clips.build_clips", raising(error))
    result = run(app, ["clips", "cat", "--out", "o"])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"autodrive: {sentence}")
    assert result.stderr.count("\n") == 1


def test_a_bug_beside_a_forbidden_file_is_no_forbidden_file(monkeypatch):
    bug = ZeroDivisionError()
    bug.__context__ = PermissionError(errno.EACCES, "Permission denied", "/r/o")
    monkeypatch.setattr("vlm_autodrive.clips.build_clips", raising(bug))
    assert isinstance(run(app, ["clips", "cat", "--out", "o"]).exception, ZeroDivisionError)


def test_an_interruption_says_how_to_go_on(monkeypatch):
    monkeypatch.setattr("vlm_autodrive.clips.build_clips", raising(KeyboardInterrupt()))
    result = run(app, ["clips", "cat", "--out", "o"])
    assert result.exit_code == 130
    assert "the same command resumes" in result.stderr


def test_a_bug_is_not_dressed_up(monkeypatch):
    monkeypatch.setattr("vlm_autodrive.clips.build_clips", raising(ZeroDivisionError()))
    assert isinstance(run(app, ["clips", "cat", "--out", "o"]).exception, ZeroDivisionError)


def test_a_users_mistake_inside_a_stage_is_told_too(monkeypatch):
    monkeypatch.setattr("vlm_autodrive.clips.build_clips", raising(UserError("no such thing; make it.")))
    result = run(app, ["clips", "cat", "--out", "o"])
    assert (result.exit_code, result.stderr) == (1, "autodrive: no such thing; make it.\n")


@pytest.mark.parametrize("name", [r"C:\trips\a.mp4", "D:/trips/a.mp4", r"\\server\trips\a.mp4"])
def test_a_path_of_a_windows_machine_is_called_so(name):
    with pytest.raises(UserError, match="does not exist on this machine: it is a path of a Windows one"):
        refuse_empty_search([Path(name)], [])
    assert path_below("/data", name) is None  # as a manifest refuses every path out of its folder
    assert path_below("/data", r"trips\a.mp4") == "/data/trips/a.mp4"
