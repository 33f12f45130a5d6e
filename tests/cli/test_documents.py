"""The commands that the documents, the help and the recipes show can be typed just so."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from vlm_autodrive.cli.main import app
from vlm_autodrive.cli.options import is_setting, settings_from
from vlm_autodrive.runs import SECTIONS, CapacityInputs, load_recipe, shipped_recipes

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^(?:#|\$|[\w.]+=\S+)? *(?:\S*/bin/)?(autodrive .*)$")


def in_documents():
    for document in DOCUMENTS:
        for block in BLOCK.findall(document.read_text()):
            yield from commands_in(block)


def in_recipes():
    for recipe in (ROOT / "src" / "vlm_autodrive" / "recipes").glob("*.yaml"):
        yield from commands_in(recipe.read_text())


def in_help():
    waiting = [get_command(app)]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        yield from re.findall(r"Example: (autodrive .*)", command.help or "")


def commands_in(text):
    for line in text.replace("\\\n", " ").splitlines():
        if found := COMMAND.match(line.strip()):
            yield found[1]


def parse(command):
    """The verb and its parameters, as typer reads them; nothing is run."""
    words = shlex.split(command, comments=True)[1:]
    parser, verb = get_command(app), ""
    while hasattr(parser, "commands"):
        two = " ".join(words[:2])
        verb = two if two in parser.commands else words[0]
        assert verb in parser.commands, f"there is no verb {verb}"
        words = words[len(verb.split()) :]
        parser = parser.commands[verb]
    return verb, parser.make_context(verb, words).params


@pytest.mark.parametrize("command", sorted({*in_documents(), *in_recipes(), *in_help()}))
def test_a_shown_command_can_be_typed(command):
    verb, given = parse(command)
    settings = given.get("settings") or [text for text in given.get("arguments", ()) if is_setting(text)]
    recipe = given.get("recipe") if given.get("recipe") in shipped_recipes() else None
    if verb in ("run", "show", "ablate"):
        load_recipe(recipe or "demo", settings)
    if given.get("hours") is not None:
        settings_from(CapacityInputs, "capacity", None, [str(given["supervision"] or "days=7"), *settings], hours=1.0)
        return
    section = {"plan": "train"}.get(verb, verb)
    # NAME=FOLDER of compare are no settings, and those of ablate are of the whole recipe
    if section in SECTIONS and verb not in ("compare", "ablate"):
        settings_from(SECTIONS[section], section, recipe, settings)


@pytest.mark.parametrize("document", sorted(ROOT.glob("*.md")), ids=lambda path: path.name)
def test_links_beside_the_docs_lead_to_files(document):
    """Those of docs/ are checked by `make docs`, with their anchors."""
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_commands_are_found_at_all():
    assert len(set(in_documents())) > 25
    assert len(set(in_recipes())) >= 2
    assert len(set(in_help())) >= 12


@pytest.mark.parametrize(
    "command", ["autodrive learn x", "autodrive train x --out o --fast", "autodrive train --out o", "autodrive clips x"]
)
def test_a_wrong_command_would_be_seen(command):
    with pytest.raises(Exception, match=r"no verb|No such option|Missing"):
        parse(command)
