"""The commands that the documents show exist, with the options that they show."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vlm_autodrive.cli.main import app
from vlm_autodrive.recipe import SECTIONS
from vlm_autodrive.settings import describe_settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SECTION_OF = {"supervise": "supervise", "train": "train", "clips": "clips", "simulate": "simulate", "detect": "detect"}


def commands():
    for document in DOCUMENTS:
        for block in re.findall(r"```console\n(.*?)```", document.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("autodrive "):
                    yield line.split("#")[0].strip()


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_a_command_in_the_documents_exists(command):
    words = command.split()[1:]
    verb = words[:2] if words[0] == "recipes" else words[:1]
    result = CliRunner().invoke(app, [*verb, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", result.stdout), f"{' '.join(verb)} has no {option}"
    if words[0] in SECTION_OF:
        known = {key for key, _, _ in describe_settings(SECTIONS[SECTION_OF[words[0]]])}
        assert {word.partition("=")[0] for word in words if re.match(r"[a-z_.]+=", word)} <= known


def test_documents_are_checked_at_all():
    assert len(set(commands())) > 15
