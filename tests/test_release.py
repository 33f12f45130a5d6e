"""What a release promises in files of the tree: dependencies, extras, images, citation, cards and policies."""

import ast
import fnmatch
import importlib.metadata
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml
from safetensors import safe_open

import vlm_autodrive

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "vlm_autodrive"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_DEVELOPERS = {"bench", "dev", "docs"}


def names(requirements):
    return {re.match(r"[\w-]+", text)[0].lower().replace("_", "-") for text in requirements}


def test_every_package_that_is_imported_is_declared():
    declared = names(PROJECT["dependencies"]).union(*(names(EXTRAS[e]) for e in EXTRAS if e not in FOR_DEVELOPERS))
    providers = importlib.metadata.packages_distributions()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                imported = [node.module]
            for module in {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"vlm_autodrive"}:
                assert module in providers, f"{path} imports {module}, which is not installed here"
                assert names(providers[module]) & declared, f"{path} imports {module}, which is not declared"


def test_every_extra_is_described_and_named_by_commands():
    page = (ROOT / "docs" / "installation.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(EXTRAS)
    for path in PACKAGE.rglob("*.py"):
        for extra in re.findall(r"\[(\w+)\]'", " ".join(re.findall(r"pip install '[^']*'", path.read_text()))):
            assert extra in EXTRAS, f"{path} names the extra {extra}"


def instructions(path):
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines()]


CONTAINERFILES = sorted((ROOT / "containers").iterdir())


@pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda path: path.name)
def test_an_image_is_built_from_what_it_copies(path, tmp_path):
    """No engine is needed: the package is built from just the files that are copied."""
    told = instructions(path)
    known = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in told} <= known and told[0][0] == "FROM"
    ignored = [line for line in (ROOT / ".containerignore").read_text().splitlines() if line and line[0] != "#"]
    for name, rest in told:
        if name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                assert f"!{source}" in ignored, f"{source} is kept out of the image by .containerignore"
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, tmp_path / target)
                else:
                    shutil.copy(ROOT / source, tmp_path / target)
    assert ignored[0] == "*"
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "dist")]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (install,) = [shlex.split(rest) for name, rest in told if name == "RUN" and rest.startswith("pip install")]
    assert install[install.index("-c") + 1] == "constraints.txt"
    assert set(re.search(r"\[(.*)\]", install[-1])[1].split(",")) == set(EXTRAS) - FOR_DEVELOPERS
    assert dict(told)["ENTRYPOINT"] == '["autodrive"]' and "autodrive" in PROJECT["scripts"]
    assert dict(told)["USER"] != "root"
    shown = re.findall(r"^#   podman build -f (\S+)", path.read_text(), re.MULTILINE)
    assert shown == [str(path.relative_to(ROOT))]


def test_there_is_an_image_with_and_one_without_cuda():
    cuda = {path.name: "whl/cpu" not in path.read_text() for path in CONTAINERFILES}
    assert cuda == {"Containerfile.cpu": False, "Containerfile.gpu": True}


def test_nothing_private_can_get_into_an_image():
    lines = (ROOT / ".containerignore").read_text().splitlines()
    allowed = [line[1:] for line in lines if line.startswith("!")]
    for name in ("runs", ".venv", ".git", ".env", "tests"):
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in allowed)


def test_the_citation_has_what_its_format_requires():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert (cited["cff-version"], cited["type"]) == ("1.2.0", "software")
    assert (cited["version"], cited["license"]) == (vlm_autodrive.__version__, PROJECT["license"])
    (paper,) = cited["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert paper["identifiers"][0]["value"] == "arXiv:2603.18178"
    for author in [*cited["authors"], *paper["authors"]]:
        assert author.keys() in ({"name"}, {"given-names", "family-names"})


def test_the_changelog_begins_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", text, re.MULTILINE)
    assert versions[0][0] == vlm_autodrive.__version__
    assert all(date.fromisoformat(day) for _, day in versions)
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").iterdir()), ids=lambda path: path.name)
def test_an_issue_template_is_a_form(path):
    form = yaml.safe_load(path.read_text())
    assert {"name", "description", "body"} <= form.keys()
    ids = [part["id"] for part in form["body"]]
    assert len(ids) == len(set(ids)) and any(part.get("validations", {}).get("required") for part in form["body"])
    for part in form["body"]:
        assert part["type"] in ("textarea", "input") and part["attributes"]["label"]


def test_the_model_card_describes_every_shipped_model():
    card = (ROOT / "docs" / "model-card.md").read_text()
    for model in sorted((PACKAGE / "models" / "assets").iterdir()):
        weights = model / "model.safetensors"
        if not weights.is_file():
            continue
        with safe_open(weights, "pt") as opened:
            shapes = [opened.get_slice(name) for name in opened.keys()]  # noqa: SIM118
            count = sum(int(torch_size(shape)) for shape in shapes)
            kinds = {shape.get_dtype() for shape in shapes}
        assert f"`{model.name}`" in card
        assert f"{count / 1e6:.1f} million weights" in card and kinds == {"BF16"}


def torch_size(shape):
    size = 1
    for length in shape.get_shape():
        size *= length
    return size


def test_the_data_card_has_the_numbers_of_the_recipe():
    settings = yaml.safe_load((PACKAGE / "recipes" / "demo.yaml").read_text())["simulate"]
    card = (ROOT / "docs" / "data-card.md").read_text()
    assert f"recipe `demo` (seed {settings['seed']})" in card
    assert f"{settings['triplets']}: one scenario" in card and f"{3 * settings['triplets']:,} videos of 6 s" in card
    assert f"{settings['singles']} Normal ones" in card
    long = f"{settings['long_videos']} of {settings['long_video_duration_s']} s with {settings['long_video_events']}"
    assert f"{long} events" in card and f"{settings['train_only_videos']} more for training only" in card
    short_s = (3 * settings["triplets"] + settings["singles"]) * 6
    hours = short_s + (settings["long_videos"] + settings["train_only_videos"]) * settings["long_video_duration_s"]
    assert f"{hours / 3600:.1f} hours" in card
