"""Write the golden results that ``tests/pins`` compares: what a change of the code alone must not change.

Run it from the repository's root, and only when a result is meant to change::

    python -m scripts.make_pins             # every pin
    python -m scripts.make_pins losses      # one of them

Each pin is a function that the tests call too. Keys in a pin are those of the records as they are dumped; where only
values count, they are in lists and digests, which have no keys.
"""

import argparse
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.detection.flashes import FlashEngine, write_drive
from tests.evaluation.builders import make_clip, write_clip_set
from tests.evaluation.synthetic import make_comparison
from tests.tiny_models import MODELS, saved_tiny_model
from tests.training.supervision_set import make_samples
from vlm_autodrive.artifacts import SAMPLES_FILE, read_clips, read_samples, write_clips, writing_artifact
from vlm_autodrive.artifacts.files import QUESTIONS_FILE
from vlm_autodrive.clips import ClipSettings
from vlm_autodrive.clips.clips_stage import cut_clips
from vlm_autodrive.detection import DetectSettings, detect
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.detection.results import EVENTS_FILE
from vlm_autodrive.evaluation.compare_stage import COMPARISON_FILE
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    Clip,
    DatasetQuestion,
    Event,
    Scenario,
    SFTSample,
    Video,
    write_jsonl,
)
from vlm_autodrive.settings import Settings
from vlm_autodrive.simulation import SimulateSettings
from vlm_autodrive.simulation.ground_truth import scenario_of
from vlm_autodrive.simulation.long_videos import draw_long_video
from vlm_autodrive.simulation.trajectories import SimulatedVideo
from vlm_autodrive.simulation.triplets import draw_single, draw_triplet
from vlm_autodrive.supervision import SuperviseSettings, supervise
from vlm_autodrive.training import TrainSettings, train
from vlm_autodrive.training.logs import LOG_FILE

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "pins" / "data"
TOLERANCE = 1e-5
NAMES = DEFAULT_TAXONOMY.names
_NOTHING = 1e-14  # two floats that differ by less than this are the same, even around 0
_SEED = 731
_IN_FULL = 8
_VIDEO_S, _DRIVE_S = 6.0, 60.0
_LOW = 6.5e-8  # a threshold that tiny-base, which was never trained on an event, reaches in some windows


def main() -> None:
    """Write the pins that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"pins to write: {', '.join(PINS)}; all by default")
    names = parser.parse_args().names or list(PINS)
    unknown = sorted(set(names) - set(PINS))
    if unknown:
        parser.error(f"there is no pin {', '.join(unknown)}; the pins are {', '.join(PINS)}")
    DATA.mkdir(parents=True, exist_ok=True)
    for name in names:
        with TemporaryDirectory() as work:
            path = DATA / f"{name}.json"
            path.write_text(_written(PINS[name](Path(work))) + "\n", encoding="utf-8")
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def read_pin(name: str) -> Any:
    """What a pin holds."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def differences(pinned: Any, made: Any, where: str = "") -> list[str]:
    """Where two JSON values differ: in anything, but floats only by more than a relative 1e-5."""
    if type(pinned) is not type(made):
        return [f"{where}: {_short(pinned)} became {_short(made)}"]
    if isinstance(pinned, dict):
        missing = [f"{where}: {key} is missing" for key in pinned if key not in made]
        new = [f"{where}: {key} is new" for key in made if key not in pinned]
        both = (differences(pinned[key], made[key], f"{where}/{key}") for key in pinned if key in made)
        return [*missing, *new, *(line for lines in both for line in lines)]
    if isinstance(pinned, list):
        length = [f"{where}: {len(pinned)} became {len(made)} entries"] if len(pinned) != len(made) else []
        each = (differences(a, b, f"{where}/{place}") for place, (a, b) in enumerate(zip(pinned, made, strict=False)))
        return [*length, *(line for lines in each for line in lines)]
    if isinstance(pinned, float):
        same = math.isclose(pinned, made, rel_tol=TOLERANCE, abs_tol=_NOTHING)
    else:
        same = pinned == made
    return [] if same else [f"{where}: {_short(pinned)} became {_short(made)}"]


# Supervision ----------------------------------------------------------------------------------------------------------


def supervision(work: Path) -> dict[str, Any]:
    """Rule-based supervision of simulated clips, which were never rendered."""
    videos, events, scenarios = _simulated()
    settings = ClipSettings(window_s=4.8, normal_windows_per_minute=4, seed=_SEED)
    clips = cut_clips(videos, events, scenarios, DEFAULT_TAXONOMY, settings)
    folder = write_clip_set(work / "clips", clips)
    write_jsonl(folder / QUESTIONS_FILE, _questions(videos))
    made = supervise(folder, work / "supervision", SuperviseSettings(seed=_SEED))
    return _supervised(read_clips(made), read_samples(made))


def _simulated() -> tuple[list[Video], list[Event], dict[str, Scenario]]:
    """A catalog of triplets, further Normal videos and long drives."""
    takes: list[tuple[str, str, SimulatedVideo, float]] = []
    for index in range(13):
        takes += [(f"t{index}-{n}", f"t{index}", t, _VIDEO_S) for n, t in enumerate(draw_triplet(_SEED, index, 6.0))]
    for index in range(10):
        takes += [(f"s{index}", f"s{index}", t, _VIDEO_S) for t in draw_single(_SEED, index, 6.0)]
    drives = SimulateSettings(seed=_SEED, long_video_duration_s=_DRIVE_S, long_video_events=2)
    takes += [(f"d{index}", f"d{index}", draw_long_video(drives, index), _DRIVE_S) for index in range(3)]
    videos, events, scenarios = [], [], {}
    for name, group, take, duration_s in takes:
        triplet = group if take.triplet else None
        scenario = scenario_of(take, name, _SEED, triplet, duration_s)
        told = [e for e in scenario.encounters if e.event_class != "normal"]
        videos.append(
            Video(
                video_id=name,
                path=f"/nowhere/{name}.mp4",
                positive=bool(told),
                duration_s=duration_s,
                group_id=group,
                triplet_id=triplet,
                metadata={k: getattr(scenario, k) for k in ("light_conditions", "weather", "scene")},
            )
        )
        events += [
            Event(
                event_id=f"{name}-e{number}",
                video_id=name,
                event_class=encounter.event_class,
                time_s=encounter.time_s,
                alert_time_s=encounter.alert_time_s,
                ego_involved=True,
            )
            for number, encounter in enumerate(told)
        ]
        scenarios[name] = scenario
    return videos, events, scenarios


def _questions(videos: Sequence[Video]) -> list[DatasetQuestion]:
    """Questions that a data set might have brought: one on the scene, one on the event, one in words of its own."""
    asked = (
        ("weather and light", "What is the weather?", ("sunny, by day", "rain, by night"), "rain, by night"),
        ("accident reason", "Why did the accident happen?", ("late braking", "a blind spot"), "late braking"),
        ("road surface", "What is the road made of?", (), "asphalt"),
    )
    return [
        DatasetQuestion(
            question_id=f"{video.video_id}-q{number}",
            video_id=video.video_id,
            topic=topic,
            question=question,
            options=options,
            answer=answer,
            source="some data set",
        )
        for video in videos[::4]
        for number, (topic, question, options, answer) in enumerate(asked)
        if video.positive or number != 1
    ]


def _supervised(clips: Sequence[Clip], samples: Sequence[SFTSample]) -> dict[str, Any]:
    """The windows, the samples of some clips in full, and of all clips a digest of what is said and of the rest."""
    by_clip: dict[str, list[SFTSample]] = {}
    for sample in samples:
        by_clip.setdefault(sample.clip_id, []).append(sample)
    whole = [*by_clip][:: max(len(by_clip) // _IN_FULL, 1)][:_IN_FULL]
    return {
        "clips": [
            [c.clip_id, c.split, c.event_class, c.start_s, c.end_s, c.event_time_s, c.alert_time_s, c.problem]
            for c in clips
        ],
        "samples": {name: [sample.model_dump(mode="json") for sample in by_clip[name]] for name in whole},
        "digests": {
            name: {
                "count": len(own),
                "rejected": sum(not sample.accepted for sample in own),
                "texts": _digest([[i.prompt.text, i.target, i.mirror_target] for i in own]),
                "rest": _digest([_rest(sample) for sample in own]),
            }
            for name, own in by_clip.items()
        },
    }


def _rest(sample: SFTSample) -> list[Any]:
    """What a sample holds beside its texts, without any key."""
    return [
        sample.sample_id,
        sample.type,
        sample.topic,
        sample.prompt.version,
        sample.teacher,
        sample.teacher_prompt_version,
        list(sample.teacher_inputs),
        list(sample.replies),
        str(sample.outcome.value),
        sample.accepted,
        [[check.name, check.passed, check.message] for check in sample.checks],
    ]


# Comparison -----------------------------------------------------------------------------------------------------------


def comparison(work: Path) -> Any:
    """What ``compare`` writes of four models, with every part that it can have."""
    made = make_comparison(work, seed=_SEED)
    return json.loads((made / COMPARISON_FILE).read_text(encoding="utf-8"))


# Losses ---------------------------------------------------------------------------------------------------------------


def losses(work: Path) -> dict[str, Any]:
    """The loss of 20 steps of tiny-base, and of the two steps of one epoch of each tiny family and way to train."""
    data = _taught(work)
    packed = {"optimizer": "muon", "pack_to_tokens": 300, "balance": "class", "loss_weights": {"reasoning": 2.0}}
    runs: dict[str, dict[str, Any]] = {
        "tiny-base": {"model": "tiny-base", "epochs": 10},
        **{name: {"model": str(saved_tiny_model(name)), "seed": 1} for name in MODELS},
        "qwen3_vl, packed": {"model": str(saved_tiny_model("qwen3_vl")), "seed": 1, **packed},
        "qwen3_vl, adapters": {"model": str(saved_tiny_model("qwen3_vl")), "seed": 1, "lora": {"r": 4}},
    }
    logged = {}
    for number, (name, changes) in enumerate(runs.items()):
        settings = TrainSettings(batch_size=3, learning_rate=1e-4, precision="fp32", **changes)
        out = train(data, work / f"run{number}", settings, frame_cache=work / "frames")
        lines = [json.loads(line) for line in (out / LOG_FILE).read_text(encoding="utf-8").splitlines()]
        logged[name] = [{k: line[k] for k in ("step", "loss", "learning_rate", "samples", "tokens")} for line in lines]
    return logged


def _taught(work: Path) -> Path:
    """A supervision set of six clips; the videos are coded without loss, so that any coder gives the same frames."""
    folder = work / "taught"
    clips = []
    for n in range(6):
        name, time_s = NAMES[n % 3], 1.0 + 0.2 * n
        shown = {"collision": {"flashes": [time_s]}, "near_collision": {"near": [time_s]}}.get(name, {})
        path = write_drive(work / f"taught{n}.mkv", 3.0, codec="ffv1", **shown)
        event_s = None if name == "normal" else time_s
        clips.append(
            make_clip(f"k{n}", name, path=str(path), end_s=2.4, split="train", event_time_s=event_s, group_id=f"k{n}")
        )
    with writing_artifact(folder, "supervision", {}, Settings()) as partial:
        assert partial is not None
        write_jsonl(partial / SAMPLES_FILE, [sample for clip in clips for sample in make_samples(clip)])
        write_clips(partial, folder, DEFAULT_TAXONOMY, clips)
    return folder


# Events ---------------------------------------------------------------------------------------------------------------


def events(work: Path) -> dict[str, Any]:
    """The ``events.json`` of two videos, by tiny-base and by an engine that sees flashes."""
    videos = [
        write_drive(work / "one.mkv", 14, flashes=[6], codec="ffv1"),
        write_drive(work / "two.mkv", 24, flashes=[3], near=[18], codec="ffv1"),
    ]
    settings = DetectSettings(eval_batch_size=4)
    low = settings.model_copy(update={"threshold": _LOW, "low_threshold": _LOW, "max_new_tokens": 96})
    detect(videos, "tiny-base", work / "tiny-base", low)
    detect_with_engine(videos, FlashEngine(), work / "flash", settings)
    return {
        engine: {
            video.stem: _events_of(work / engine / f"{work.name}_{video.stem}" / EVENTS_FILE, video) for video in videos
        }
        for engine in ("tiny-base", "flash")
    }


def _events_of(path: Path, video: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    assert text.count(str(video)) == 2  # as the video, and as the one file of its trip
    return json.loads(text.replace(str(video), video.name))


# Requests -------------------------------------------------------------------------------------------------------------


# Writing --------------------------------------------------------------------------------------------------------------


def _digest(values: Iterable[Any]) -> str:
    """A digest of values in order."""
    return hashlib.sha256(json.dumps(list(values), ensure_ascii=False).encode()).hexdigest()


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _written(value: Any, depth: int = 0) -> str:
    """JSON whose outer levels have a line for each entry."""
    if depth == 3 or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False)
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        lines = [f"{pad}{json.dumps(key)}: {_written(each, depth + 1)}" for key, each in value.items()]
    else:
        lines = [pad + _written(each, depth + 1) for each in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return first + "\n" + ",\n".join(lines) + "\n" + " " * depth + last


PINS: dict[str, Callable[[Path], Any]] = {
    "supervision": supervision,
    "comparison": comparison,
    "losses": losses,
    "events": events,
}

if __name__ == "__main__":
    main()
