"""Where the real material is required, a skipped test that needs it fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

@pytest.mark.fixtures
def test_needs_them():
    pytest.skip("they are not there")

@pytest.mark.fixtures
@pytest.mark.xfail(strict=True)
def test_known_to_fail():
    assert False

def test_skipped_for_another_reason():
    pytest.skip("no GPU")
"""


@pytest.mark.parametrize(("required", "status", "line"), [("1", 1, "1 failed, 1 skipped"), ("", 0, "2 skipped")])
def test_a_skip_counts_as_a_failure_only_if_asked_for(tmp_path, required, status, line):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_it.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = fixtures: x\n")
    environment = os.environ | {"AUTODRIVE_REQUIRE_FIXTURES": required, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert line in done.stdout.splitlines()[-1]
