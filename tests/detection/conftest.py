import os
from pathlib import Path

import pytest


@pytest.fixture
def real_videos():
    """The folder of real dashcam clips."""
    root = Path(os.environ.get("AUTODRIVE_FIXTURES", Path(__file__).parents[3] / "shared" / "fixtures"))
    if not (root / "videos" / "labels.csv").is_file():
        pytest.skip(f"the real clips are not at {root}")
    return root / "videos"
