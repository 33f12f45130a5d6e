"""The wheel holds all that the package reads at run time, and is built without Node."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "vlm_autodrive"
WEB = PACKAGE / "review" / "web"


@pytest.mark.slow
def test_the_wheel_is_built_without_node_and_holds_the_built_page(tmp_path):
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "dist")]
    nothing = {"PATH": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    subprocess.run(command, cwd=ROOT, env=nothing, check=True, capture_output=True)
    (built,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as wheel:
        held = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    packed = {str(path.relative_to(PACKAGE.parent)): path for path in files if not path.is_relative_to(WEB)}
    assert held == {name: path.read_bytes() for name, path in packed.items()}
    page = {"static/app.js", "static/app.css", "templates/base.html.j2", "templates/item.html.j2"}
    assert {f"vlm_autodrive/review/{name}" for name in page} <= held.keys()
