"""The coverage simulation runs, and the intervals hold the truth about as often as they say."""

import sys

import pytest

from benchmarks import interval_coverage as simulation


@pytest.mark.parametrize(("sizes", "mix"), [((1,), "10/15/75 %"), ((1, 1, 2, 2, 3, 3, 4, 8), "balanced")])
def test_intervals_hold_the_truth(sizes, mix):
    trials = 120
    held = simulation.coverage(100, simulation.MIXES[mix], sizes, trials, resamples=400)
    for name, (hits, count) in held.items():
        assert count >= 0.98 * trials, name
        assert hits / count > 0.95 - 4 * (0.95 * 0.05 / trials) ** 0.5, name  # four standard errors


def test_the_table_is_written_between_the_marks(monkeypatch, tmp_path):
    page = tmp_path / "statistics.md"
    page.write_text("before\n<!-- interval coverage: begin -->\nold\n<!-- interval coverage: end -->\nafter\n")
    monkeypatch.setattr(simulation, "DOCS", page)
    monkeypatch.setattr(simulation, "SIZES", (50,))
    monkeypatch.setattr(sys, "argv", ["interval_coverage.py", "--trials", "3", "--write"])
    simulation.main()
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert text.count("\n| ") == 1 + len(simulation.MIXES) * len(simulation.STRUCTURES)
