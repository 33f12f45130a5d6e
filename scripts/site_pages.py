"""Pages of the documentation site that are made when it is built: a hook of mkdocs (see mkdocs.yml).

README.md is the first page, and files beside it that are linked are pages or downloads. The reference of commands,
settings and Python functions comes from the code.
"""

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))  # the site shows this checkout, whatever is installed

LINK = re.compile(r"\]\((?P<target>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)")
TYPE = re.compile(r" <[\w\[\]]+>$")  # how typer names the type of an argument


def on_config(config: Any) -> Any:
    """Put the pages beside README.md, such as the changelog, at the end of the reference."""
    config["nav"][-1]["Reference"] += [name for name in beside_readme() if name.endswith(".md")]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that do not lie in docs/."""
    made = {"cli.md": cli(), "settings.md": settings(), "api.md": api()}
    made["index.md"] = "---\ntitle: Overview\n---\n\n" + as_in_docs((ROOT / "README.md").read_text())
    for name in beside_readme():
        text = (ROOT / name).read_text()
        made[name] = as_in_docs(text) if name.endswith(".md") else text
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links from docs/ to files beside README.md lead to their pages."""
    return LINK.sub(lambda link: f"]({link['target'].removeprefix('../')}{link['anchor'] or ''})", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Show a reference in a docstring, such as :func:`...`, as the name alone."""
    return re.sub(r":(?:func|class|meth|mod|data|attr):(?=<code>)", "", html)


def beside_readme() -> list[str]:
    """The documents beside README.md, and the other files there that the README links to, such as the licence."""
    linked = {link["target"] for link in LINK.finditer((ROOT / "README.md").read_text())}
    documents = {path.name for path in ROOT.glob("*.md")} - {"README.md"}
    return sorted(documents | {name for name in linked if "/" not in name and (ROOT / name).is_file()})


def as_in_docs(text: str) -> str:
    """The text of a file beside docs/ with its links as they are in docs/."""
    return LINK.sub(lambda link: f"]({link['target'].removeprefix('docs/')}{link['anchor'] or ''})", text)


def cli() -> str:
    """Every command with its arguments and options, as ``--help`` has them."""
    from typer.main import get_command

    from vlm_autodrive.cli.main import app

    parts = ["# Commands", "What `autodrive COMMAND --help` says. What all have in common: [usage](usage.md)."]
    waiting = [("autodrive", get_command(app))]
    while waiting:
        name, command = waiting.pop(0)
        inner = getattr(command, "commands", {})
        waiting = [(f"{name} {verb}", inner[verb]) for verb in inner] + waiting
        if inner:
            continue
        context = command.make_context(name, [], resilient_parsing=True)
        pieces = re.sub(r"[{}]", "", " ".join(command.collect_usage_pieces(context)))
        parts += [f"## {name}", f"```text\n{name} {pieces}\n```", help_text(command.help or "")]
        rows = [parameter.get_help_record(context) for parameter in command.get_params(context)]
        rows = [(f"`{TYPE.sub('', one)}`", cell(two)) for one, two in filter(None, rows) if "--help" not in one]
        parts.append(table(("argument or option", "meaning"), rows))
    return "\n\n".join(parts) + "\n"


def help_text(text: str) -> str:
    """The help of a command as Markdown: its examples are code."""
    paragraphs = [
        re.sub(r"^(Examples?: )(autodrive .*)$", r"```console\n\2\n```", paragraph) for paragraph in text.split("\n\n")
    ]
    return "\n\n".join(paragraphs)


def settings() -> str:
    """Every setting of every section, with default and meaning."""
    from vlm_autodrive.runs import SECTIONS
    from vlm_autodrive.settings import describe_settings

    parts = [
        "# Settings",
        "What `autodrive recipes keys` says. A command takes the settings of its own section as `key=value`; "
        "`autodrive run` takes all, with the section before the key: `train.epochs=2`.",
    ]
    for section, model in SECTIONS.items():
        rows = [
            (f"`{key}`", f"`{value}`" if value else "", cell(said)) for key, value, said in describe_settings(model)
        ]
        parts += [f"## {section}", table(("setting", "default", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def api() -> str:
    """The public functions and classes, by mkdocstrings from their docstrings."""
    import vlm_autodrive

    intro = "Everything here is imported from `vlm_autodrive`. [README](index.md#from-python) has examples."
    names = [f"::: vlm_autodrive.{name}" for name in sorted(vlm_autodrive.__all__, key=str.lower)]
    return "\n\n".join(["# Python", intro, *names]) + "\n"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(text: str) -> str:
    """Text for a cell of a table, in which it is no markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([|*_\[\]])", r"\\\1", " ".join(text.split()))
