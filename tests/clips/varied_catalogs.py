"""Catalogs on disk with everything that the clips stage treats in a way of its own, and settings for each."""

import random

from tests.clips.catalogs import encounter, event, scenario, triplet, video
from vlm_autodrive.artifacts import TELEMETRY_FILE, write_catalog, writing_artifact
from vlm_autodrive.clips import ClipSettings
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    DatasetQuestion,
    IncidentMetadata,
    TelemetrySeries,
    write_jsonl,
)

MANY_WINDOWS = {"windows_per_event": 3, "windows_per_normal": 2, "normal_windows_per_minute": 4.0, "window_s": 6.0}
AHEAD = {"anticipation_s": (0.5, 1.5), "window_s": 5.0, "normal_windows_per_minute": 2.0}
CASES = {
    "simulated": ("simulated", {}),
    "simulated, many windows": ("simulated", MANY_WINDOWS),
    "simulated, ahead": ("simulated", AHEAD),
    "simulated, binary by count": ("simulated", {"unknown_events": "binary", "split_by": "count"}),
    "fleet": ("fleet", {}),
    "fleet, many windows": ("fleet", {**MANY_WINDOWS, "ego_only": True}),
    "fleet, ahead": ("fleet", AHEAD),
    "fleet, binary": ("fleet", {"unknown_events": "binary", **MANY_WINDOWS}),
    "fleet, by count": ("fleet", {"split_by": "count", "respect_split": False, "seed": 3}),
    "fleet, frozen test": ("fleet", {"frozen_test": "v003\nv010\nv011\nv040\n", "seed": 5}),
}
"""The catalog and the settings of each case; ``frozen_test`` is the text of its file."""


def write_case(name, folder):
    """Write the catalog of a case; returns its folder and its settings."""
    kind, changes = CASES[name]
    catalog = folder / "catalog"
    videos, events, scenarios, series = {"simulated": _simulated, "fleet": _fleet}[kind](random.Random(7))
    videos = [v.model_copy(update={"path": f"{folder}{v.path}"}) for v in videos]
    questions = [DatasetQuestion(question_id="q", video_id=videos[0].video_id, topic="t", question="?", answer="a")]
    with writing_artifact(catalog, "catalog", {}, ClipSettings()) as made:
        write_catalog(made, catalog, DEFAULT_TAXONOMY, videos, events, scenarios, [], questions)
        if series:
            write_jsonl(made / TELEMETRY_FILE, series)
    if "frozen_test" in changes:
        (folder / "frozen.txt").write_text(changes["frozen_test"])
        changes = {**changes, "frozen_test": str(folder / "frozen.txt")}
    return catalog, ClipSettings(**changes)


def _simulated(rng):
    worlds = [triplet(f"t{n}", rng.uniform(3, 11), 14.0, 0.3) for n in range(15)]
    videos, events = [v for w in worlds for v in w[0]], [e for w in worlds for e in w[1]]
    scenarios = [s for w in worlds for s in w[2].values()]
    for n in range(12):
        name = f"s{n}"
        videos.append(video(name, 90.0 if n % 3 else 9.0))
        meeting = [encounter(rng.uniform(2, 8))] if n % 2 else []
        scenarios.append(scenario(name, videos[-1].duration_s, *meeting, distractions=(4.0,) if n % 4 == 0 else ()))
    videos[4] = videos[4].model_copy(update={"problem": "unreadable"})
    rng.shuffle(videos)
    rng.shuffle(scenarios)
    return videos, events, scenarios, []


def _fleet(rng):
    videos, events, series = [], [], []
    for n in range(120):
        name = f"v{n:03}"
        kind = n % 6
        more = {"positive": kind in (0, 1, 2), "group_id": f"drive{n // 4}", "source": ("A", "B")[n % 2]}
        more["incident"] = IncidentMetadata(
            weather="rain" if n % 3 else None, road_layout="curve" if n % 4 else None, other_type="van"
        )
        more["metadata"] = {"vehicle": f"car {n % 9}"}
        duration_s = rng.choice([8.0, 12.0, 40.0, 65.5])
        if n % 7 == 0:
            more["source_id"] = f"nexar:{n // 14:05}"
        if n % 11 == 0:
            more["split"] = ("train", "test-private", "train_only", "val")[n // 11 % 4]
        if n % 13 == 0:
            more["problem"] = ("cannot be decoded", "ends 3 s early", "ends 5 s early")[n // 13 % 3]
        if n % 9 == 0 and duration_s > 30:
            more["section_starts_s"] = (11.0, 25.5)
        if kind == 3 and n % 4 == 3:
            more |= {"normal_at_s": (3.0, 6.5), "partly_annotated": True}
        if kind == 5 and n % 4 == 1:
            more["positive"] = None
        videos.append(video(name, None if n == 60 else duration_s, **more))
        for number in range((1, 2, 1)[kind] if kind < 3 and n != 50 else 0):
            time_s = None if n % 17 == 0 else round(rng.uniform(0.5, duration_s - 0.1), 3)
            alert_s = round(time_s - 1.2, 3) if time_s is not None and time_s > 2 and n % 5 else None
            known = None if n % 8 == 2 else rng.choice(["collision", "near_collision"])
            incident = IncidentMetadata(ego_impact_side="rear" if n % 2 else None, speed_kmh=30.0 + n % 50)
            facts = {"alert_time_s": alert_s, "ego_involved": (True, False, None)[n % 3], "incident": incident}
            events.append(event(name, time_s, known, number, **facts))
        if n % 5 == 0:
            times = tuple(round(0.1 * i, 1) for i in range(1, int(duration_s * 10)))
            rates = {"longitudinal_g": tuple(0.01 * (i % 37) for i in range(len(times)))}
            rates |= {"lateral_g": tuple(-0.02 * (i % 11) for i in range(len(times)))}
            rates |= {"vertical_g": (0.0,) * len(times), "acceleration_times_s": times}
            series.append(TelemetrySeries(video_id=name, sources=("gpmf",), alignment="clock", **rates))
    rng.shuffle(events)
    rng.shuffle(series)
    return videos, events, [], series
