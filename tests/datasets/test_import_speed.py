"""A hundred thousand rows are imported in seconds and in half a gigabyte."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "import_manifest.py"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(PATH.parent))  # what one benchmark takes from another
    spec = importlib.util.spec_from_file_location("import_manifest", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_large_manifest(benchmark, tmp_path):
    cost = benchmark.measure(tmp_path, 100_000, 0)
    assert cost.cpu_s < 20  # on the processor, since other work may be on the machine too
    assert cost.peak_mb < 500


def test_a_small_one_with_videos(benchmark, tmp_path):
    assert benchmark.measure(tmp_path, 300, 20).peak_mb < 300
