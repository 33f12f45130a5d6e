"""Help is quick, whole and readable."""

import subprocess
import sys
from itertools import pairwise

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from vlm_autodrive import __version__
from vlm_autodrive.cli.main import app

VERBS = [
    "demo",
    "run",
    "recipes",
    "simulate",
    "import",
    "validate",
    "clips",
    "audit",
    "inspect",
    "supervise",
    "export",
    "models",
    "plan",
    "train",
    "evaluate",
    "judge",
    "compare",
    "report",
    "ablate",
    "calibrate",
    "detect",
    "review next",
    "review export",
    "review",
]
HEAVY = ("torch", "transformers", "pydantic", "yaml", "numpy", "panda3d", "scipy", "sklearn", "av", "jinja2", "PIL")
PROGRAM = f"""
import sys
sys.argv = ["autodrive", "--help"]
from vlm_autodrive.cli.main import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
print([name for name in {HEAVY} if name in sys.modules])
print([name for name in sys.modules if name.startswith("vlm_autodrive.") and "cli" not in name])
"""


def test_help_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    heavy, ours = done.stdout.splitlines()[-2:]
    assert heavy == "[]"
    assert ours == "['vlm_autodrive.errors', 'vlm_autodrive.addresses']"


def test_help_names_every_verb_and_where_to_start():
    text = CliRunner().invoke(app, ["--help"]).stdout
    assert [verb for verb in VERBS if f" {verb} " not in text] == []
    assert "Start with: autodrive demo" in text


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_explains_itself(verb):
    result = CliRunner().invoke(app, [*verb.split(), "-h"])
    assert result.exit_code == 0
    assert "Example:" in result.stdout or verb == "recipes"


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["supervise", "runs/clips"], "supervise"),
        (["review", "--store", "export", "clips"], "review"),
        (["review", "./export"], "review"),
        (["review", "export", "set"], "review export"),
        (["review", "export"], "review export"),
        (["audit", "supervise"], "audit"),
    ],
)
def test_a_verb_of_two_words_stands_beside_that_of_the_first(words, verb):
    group = get_command(app)
    name, command, rest = group.resolve_command(
        group.make_context("autodrive", ["--help"], resilient_parsing=True), words
    )
    assert (name, command) == (verb, group.commands[verb])
    assert [*name.split(), *rest] == words


def test_the_version():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"autodrive {__version__}\n"


def test_paragraphs_fill_the_width():
    lines = CliRunner().invoke(app, ["import", "--help"], env={"COLUMNS": "60"}).stdout.splitlines()
    begin = next(number for number, line in enumerate(lines) if "Whatever cannot" in line)
    paragraph = lines[begin : next(number for number in range(begin, len(lines)) if not lines[number].strip())]
    assert len(paragraph) > 3
    for line, following in pairwise(paragraph):
        assert len(f"{line.rstrip()} {following.split()[0]}") >= 60
