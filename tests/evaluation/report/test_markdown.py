"""The report in short: what a pull request shows, and what the terminal does."""

import re
import shutil

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.evaluation.synthetic import CONTROLS, make_comparison
from vlm_autodrive.cli.main import app
from vlm_autodrive.cli.tables import print_comparison, print_run_result
from vlm_autodrive.evaluation import Diagnostic, ReportSettings, headline, read_comparison, with_interval, write_report
from vlm_autodrive.evaluation.report.markdown import markdown
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.runs import RunResult


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    controls = [control for control in CONTROLS if control != "no_video"]
    return make_comparison(tmp_path_factory.mktemp("md"), count=60, controls=controls, blind=True)


def test_the_command_prints_what_it_wrote(comparison, tmp_path):
    out = tmp_path / "report"
    result = CliRunner().invoke(app, ["report", str(comparison), "--out", str(out), "--format", "md", "title=Mine"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == (out / "report.md").read_text().strip()
    assert {path.name for path in out.iterdir()} == {"report.html", "report.json", "report.md", "provenance.json"}
    assert result.stdout.startswith("## Mine\n\n**These results are invalid")


def test_findings_come_before_the_figures_and_the_worst_first(comparison):
    figures = read_comparison(comparison)
    text = markdown("T", headline(figures, DEFAULT_TAXONOMY), (), figures, DEFAULT_TAXONOMY)
    invalid, warning = (
        next(d.text for d in figures.diagnostics if d.severity == severity) for severity in ("invalid", "warning")
    )
    assert "does not use the video" in invalid
    parts = ("> [!CAUTION]", invalid, "> [!WARNING]", warning, "| accuracy")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_every_row_has_a_cell_for_each_model(comparison):
    figures = read_comparison(comparison)
    text = markdown("T", "V", (), figures, DEFAULT_TAXONOMY)
    main = text[text.index("In brackets") :]
    for part, columns in ((text, 2), (main, len(figures.models))):
        table = part[part.index("| |") :].partition("\n\n")[0].splitlines()
        assert {line.count("|") for line in table} == {columns + 2}
    collisions = [scores.confusion[0][0] for scores in (figures.models["base"], figures.models["tuned"])]
    assert f"| Collisions found, too few clips | {collisions[0]} of 20 | {collisions[1]} of 20 |" in text
    cells = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", main, re.MULTILINE))
    assert cells["macro-F1"] == with_interval(figures.models["base"].macro_f1)
    assert cells["calibration error (ECE)"] == with_interval(figures.models["base"].calibration.uncalibrated.ece)
    assert "| No video | not run | | |" in text
    assert "`autodrive evaluate CLIPS --model MODEL --out DIR 'controls=[no_video]'`" in text


def test_names_cannot_break_the_table(comparison):
    figures = read_comparison(comparison)
    named = {("a|b <i>" if name == "tuned" else name): scores for name, scores in figures.models.items()}
    text = markdown("T `x`", "V *v*", ("[n](u)",), figures.model_copy(update={"models": named}), DEFAULT_TAXONOMY)
    assert "a\\|b \\<i>" in text and "T \\`x\\`" in text and "V \\*v\\*" in text and "[n]\\(u)" in text


def test_a_run_ends_with_the_headline_of_its_report(comparison, tmp_path, capsys):
    made = write_report(comparison, tmp_path / "report", ReportSettings(title="Mine"))
    shutil.copytree(comparison, tmp_path / "comparison")
    html, figures = made / "report.html", made / "report.json"
    run = RunResult(
        run_dir=tmp_path,
        executed=(),
        headline="H.",
        notes=("A note.",),
        models={},
        long_videos=None,
        report_html=html,
        report_json=figures,
    )
    print_run_result(run, everything=True)
    printed = capsys.readouterr().out
    places = [printed.index(part) for part in ("are invalid", "INVALID", "Collision recall", "A note.", str(html))]
    assert places == sorted(places)
    assert f"Next: autodrive review {tmp_path}/predictions\n" in printed
    assert f"autodrive detect VIDEOS --model {tmp_path}/checkpoint --out FOUND\n" in printed
    assert "| correct |" in (made / "report.md").read_text()


def test_the_terminal_says_the_headline_and_the_diagnostics_first(comparison, capsys):
    print_comparison(comparison, everything=True)
    printed = capsys.readouterr().out
    places = [
        printed.index(part)
        for part in (
            "These results are invalid",
            "INVALID: tuned does not use",
            "WARNING: ",
            "Held-out clips: 60",
            "balanced accuracy",
        )
    ]
    assert places == sorted(places)
    recall = with_interval(read_comparison(comparison).models["tuned"].per_class["collision"].recall)
    [row] = [line for line in printed.splitlines() if "Collision recall" in line and "Near" not in line]
    assert recall in row
    assert "calibration error (ECE)" in printed and "any event: average precision" in printed


def test_the_short_table_has_six_rows(comparison, capsys):
    print_comparison(comparison, everything=False)
    table = capsys.readouterr().out.partition("Held-out clips")[2]
    rows = [line.strip(" │").split("│")[0].strip() for line in table.splitlines() if "[" in line or "correct" in line]
    assert rows[:6] == [
        "correct", "macro-F1", "Collision F1", "Near-Collision F1", "any event: recall", "Normal: false positive rate",
    ]  # fmt: skip
    assert "balanced accuracy" not in table
    assert "--all prints all figures" in table


def test_at_80_columns_no_name_and_no_figure_is_cut(comparison, capsys, monkeypatch):
    monkeypatch.setattr("vlm_autodrive.cli.tables._console", lambda: Console(highlight=False, width=80))
    print_comparison(comparison, everything=True)
    table = capsys.readouterr().out.partition("Held-out clips")[2]
    assert "…" not in table and "Near-Collision" in table
    lines = [line for line in table.splitlines() if line.startswith("│")]
    assert lines and all(line.endswith("│") and len(line) <= 80 for line in lines)


def test_what_holds_of_two_models_alike_is_said_once(comparison, capsys, tmp_path):
    figures = read_comparison(comparison)
    shutil.copytree(comparison, tmp_path / "same")
    alike = tuple(
        Diagnostic(severity="warning", kind="always", model=name, text=f"{name} says “Normal” of all clips.")
        for name in ("base", "tuned")
    )
    changed = figures.model_copy(update={"diagnostics": alike})
    (tmp_path / "same" / "comparison.json").write_text(changed.model_dump_json())
    print_comparison(tmp_path / "same", everything=False)
    printed = capsys.readouterr().out
    assert printed.count("WARNING") == 1
    assert "WARNING: base and tuned alike: the model says “Normal” of all clips." in printed
