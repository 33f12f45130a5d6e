"""The sdist holds what it should and no more; the wheel built from it, without Node, works outside of the tree."""

import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import vlm_autodrive

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "vlm_autodrive"
WEB = PACKAGE / "review" / "web"
VERSION = vlm_autodrive.__version__
LARGEST_MB = {"sdist": 30, "file": 10}

pytestmark = pytest.mark.slow
pytest.importorskip("hatchling")


def build(target, tree, folder):
    """What hatchling makes of a tree, with no program at hand but Python."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    nothing = {"PATH": str(folder), "PYTHONPATH": ":".join(sys.path)}
    subprocess.run(command, cwd=tree, env=nothing, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    with tarfile.open(sdist) as archive:
        archive.extractall(tree, filter="data")
    return build("wheel", tree / f"vlm_autodrive-{VERSION}", tmp_path_factory.mktemp("wheel"))


def source_files():
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return [path for path in files if "node_modules" not in path.parts]


def test_the_sdist_holds_what_it_should_and_no_more(sdist):
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2]: member for name, member in zip(archive.getnames(), archive, strict=True)}
    for path in source_files():
        assert str(path.relative_to(ROOT)) in members
    needed = {"README.md", "LICENSE", "CHANGELOG.md", "constraints.txt", "Makefile", "docs/usage.md"}
    assert needed <= members.keys()
    private = re.compile(r"^(runs|dist|\.git|\.venv)/|(^|/)(\.env|node_modules|__pycache__)|\.(pem|key|pyc)$")
    odd = [name for name in members if private.search(name)]
    assert odd == []
    assert max(member.size for member in members.values()) < LARGEST_MB["file"] * 1e6
    assert sdist.stat().st_size < LARGEST_MB["sdist"] * 1e6


def test_the_wheel_holds_the_package_and_the_built_page(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    packed = [path for path in source_files() if not path.is_relative_to(WEB)]
    assert held == {str(path.relative_to(PACKAGE.parent)): path.read_bytes() for path in packed}
    page = {"static/app.js", "static/app.css", "templates/base.html.j2", "templates/item.html.j2"}
    assert {f"vlm_autodrive/review/{name}" for name in page} <= held.keys()


def test_the_readme_of_the_package_has_no_link_that_leads_nowhere(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = message_from_bytes(archive.read(f"vlm_autodrive-{VERSION}.dist-info/METADATA"))
    readme = metadata.get_payload()
    assert (metadata["Version"], metadata["Description-Content-Type"]) == (VERSION, "text/markdown")
    assert readme.startswith("# VLM-AutoDrive\n")
    assert [target for target in re.findall(r"\]\(([^)]*)\)", readme) if not target.startswith("https://")] == []


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh environment with the wheel, which finds the dependencies where they are installed here."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True, cwd=folder)
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    here = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (packages / "dependencies.pth").write_text("\n".join(here) + "\n")
    return folder


def run(folder, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["OMP_NUM_THREADS"] = "1"
    command = [str(folder / "env" / "bin" / "autodrive"), *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_installed_wheel_works_in_another_folder(installed):
    python = installed / "env" / "bin" / "python"
    where = "import vlm_autodrive; print(vlm_autodrive.__file__)"
    place = subprocess.run([str(python), "-I", "-c", where], cwd=installed, capture_output=True, text=True, check=True)
    assert Path(place.stdout.strip()).is_relative_to(installed)
    assert run(installed, "--version") == f"autodrive {VERSION}\n"
    assert "detect" in run(installed, "--help")
    assert "demo" in run(installed, "recipes", "ls")
    drive = Path(place.stdout.strip()).parent / "simulated_drives" / "drive-1.mp4"
    shown = run(installed, "detect", str(drive), "--model", "tiny-simulated", "--out", "found", "reasoning=false")
    assert "collision at " in shown
    assert (installed / "found" / "index.html").is_file()


def test_what_the_wheel_requires_is_installed_here(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = message_from_bytes(archive.read(f"vlm_autodrive-{VERSION}.dist-info/METADATA"))
    from packaging.requirements import Requirement

    for requirement in map(Requirement, metadata.get_all("Requires-Dist")):
        if requirement.marker is None:
            assert requirement.specifier.contains(importlib.metadata.version(requirement.name)), requirement
