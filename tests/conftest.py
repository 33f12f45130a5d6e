"""What holds for the whole suite."""

import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from tests.clocks import write_clock
from tests.real_models import write_real_model

# How long an example takes says more of the machine than of the code. In CI examples are the same each time, so that
# what a change does decides; everywhere else they are drawn anew, and may find what nobody has seen yet.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def fixtures_dir():
    """The folder of real material; tests that use it carry the marker ``fixtures``."""
    root = Path(os.environ.get("AUTODRIVE_FIXTURES", Path(__file__).parents[2] / "shared" / "fixtures"))
    if not (root / "videos" / "labels.csv").is_file():
        pytest.skip(f"the real material is not at {root}")
    return root


@pytest.fixture(scope="session")
def real_model(fixtures_dir, tmp_path_factory):
    """The folder of a model of :data:`tests.real_models.REAL_MODELS`, by its name; copy it to change it."""
    return cache(lambda name: write_real_model(fixtures_dir, name, tmp_path_factory.mktemp("real") / name))


@pytest.fixture
def make_video(tmp_path):
    """Writes videos whose frames show their own number: ``make_video("a.mp4", times_s=...)``."""
    return lambda name="a.mp4", **how: write_clock(tmp_path / name, **how)


@pytest.fixture(scope="module")
def store():
    """A real S3 server with a bucket, which the environment names; see :mod:`tests.stores`."""
    from tests.stores import serving_store  # takes a second to import

    with serving_store() as serving:
        yield serving


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where the real material must be at hand, a skipped test that needs it has failed."""
    report = (yield).get_result()
    required = os.environ.get("AUTODRIVE_REQUIRE_FIXTURES") == "1" and item.get_closest_marker("fixtures")
    if required and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but AUTODRIVE_REQUIRE_FIXTURES=1: {report.longrepr}"
