"""Random encounters and scenery, drawn without regard to the outcome."""

from dataclasses import dataclass

import numpy as np

from vlm_autodrive.records import Family
from vlm_autodrive.simulation.families import CROSSING, Setup
from vlm_autodrive.simulation.physics import BRAKE_LIMIT_MPS2, NORMAL_GAP_M

FAMILIES: tuple[Family, ...] = (
    "lead_brake",
    "cut_in",
    "crossing_vehicle",
    "oncoming_drift",
    "pedestrian_crossing",
    "cyclist_crossing",
)
COLORS = ("red", "blue", "white", "yellow", "green", "black", "silver", "orange")
_CLOTHES = ("red", "blue", "white", "yellow", "orange", "green")


@dataclass(frozen=True)
class Look:
    """What the world looks like; shared by the three outcomes of a triplet.

    Attributes:
        seed: Of scenery, traffic and noise.
        light: ``Bright``, ``Normal``, ``Twilight`` or ``Dark``.
        weather: ``Clear``, ``Cloudy``, ``Rain`` or ``Snow``.
        scene: ``Urban``, ``Sub-urban``, ``Highway`` or ``Rural``.
        lanes: Lanes in the ego vehicle's direction.
        ego_lane: The ego vehicle's, 0 being the left one.
        curvature: Of the road, in 1/m, right bends positive.
        haze: How thick the air is, 0 to 1.
        actor_color: The colour of the other road user.
        noise: Strength of the camera's noise, in grey levels.
        bonnet: The grey level of the ego vehicle's bonnet.
    """

    seed: int
    light: str
    weather: str
    scene: str
    lanes: int
    ego_lane: int
    curvature: float
    haze: float
    actor_color: str
    noise: float
    bonnet: int


def draw_look(rng: np.random.Generator, family: Family) -> Look:
    """Draw a world that the family can happen in."""
    scenes = ["Urban", "Sub-urban", "Rural"]
    if family in ("lead_brake", "cut_in", "plain_driving"):
        scenes.append("Highway")
    scene = str(rng.choice(scenes))
    light = str(rng.choice(["Bright", "Normal", "Twilight", "Dark"], p=[0.3, 0.3, 0.2, 0.2]))
    weather = str(rng.choice(["Clear", "Cloudy", "Rain", "Snow"], p=[0.4, 0.25, 0.2, 0.15]))
    most = {"Urban": 3, "Sub-urban": 2, "Rural": 1, "Highway": 3}[scene]
    lanes = int(rng.integers(2 if scene == "Highway" else 1, most + 1))
    if family == "cut_in":
        lanes = max(lanes, 2)
    ego_lane = int(rng.integers(0, lanes))
    if family == "oncoming_drift":
        ego_lane = 0
    if family in ("pedestrian_crossing", "cyclist_crossing"):
        ego_lane = lanes - 1  # beside the kerb
    colors = _CLOTHES if family in ("pedestrian_crossing", "cyclist_crossing") else COLORS
    return Look(
        seed=int(rng.integers(2**31)),
        light=light,
        weather=weather,
        scene=scene,
        lanes=lanes,
        ego_lane=ego_lane,
        curvature=float(rng.choice([0.0, 0.0, 0.0, 1 / 450, -1 / 450])),
        haze=float(rng.uniform(0.0, 0.25) + {"Clear": 0.0, "Cloudy": 0.1, "Rain": 0.25, "Snow": 0.35}[weather]),
        actor_color=str(rng.choice(colors)),
        noise=float(rng.uniform(0.6, 2.4)),
        bonnet=int(rng.integers(18, 90)),
    )


def draw_speed(rng: np.random.Generator, scene: str, family: Family) -> float:
    """Draw a cruising speed."""
    low, high = {"Urban": (7.0, 12.5), "Sub-urban": (8.0, 14.5), "Rural": (10.0, 16.0), "Highway": (13.5, 19.0)}[scene]
    if family in CROSSING:
        low, high = 7.0, 11.0
    return float(rng.uniform(low, high))


def draw_setup(rng: np.random.Generator, family: Family, look: Look, speed: float) -> Setup:
    """Draw an encounter of the family; whether it has all three outcomes is for the solver to say."""
    limit = BRAKE_LIMIT_MPS2[look.weather]
    vehicle = str(rng.choice(["car", "van", "truck"], p=[0.6, 0.25, 0.15]))
    reaction = float(rng.uniform(0.6, 1.2))
    margin = NORMAL_GAP_M[family] * float(rng.uniform(1.05, 1.5))
    side = int(rng.choice([-1, 1]))
    coin = rng.random() < 0.5
    if family == "lead_brake":
        headway = float(rng.uniform(0.8, 1.7))
        slowest = 0.0 if speed < 11.0 and rng.random() < 0.5 else float(rng.uniform(0.2, 0.5)) * speed
        return Setup(
            family, "reaction_time_s" if coin else "initial_gap_m", speed, limit, margin, reaction,
            swerve_m=0.0, actor=vehicle, side=0, actor_speed=speed,
            actor_brake=float(rng.uniform(0.55, 0.9) * limit), actor_slowest=slowest, initial_gap_m=headway * speed,
        )  # fmt: skip
    if family == "cut_in":
        side = -1 if look.ego_lane == look.lanes - 1 else 1 if look.ego_lane == 0 else side
        slower = float(rng.uniform(0.45, 0.75)) * speed
        return Setup(
            family, "reaction_time_s" if coin else "initial_gap_m", speed, limit, margin, reaction,
            swerve_m=float(rng.choice([0.0, 0.7])), actor=vehicle, side=side, actor_speed=slower,
            actor_brake=float(rng.uniform(0.0, 2.0)), actor_slowest=slower * 0.8,
            manoeuvre_s=float(rng.uniform(1.2, 1.9)), initial_gap_m=float(rng.uniform(0.7, 1.4)) * speed,
        )  # fmt: skip
    if family == "oncoming_drift":
        other = float(rng.uniform(7.0, 13.0))
        return Setup(
            family, "reaction_time_s" if coin else "drift_m", speed, limit, margin, reaction,
            swerve_m=float(rng.uniform(1.6, 2.1)) if coin else float(rng.uniform(0.6, 1.2)), actor=vehicle, side=-1,
            actor_speed=other, manoeuvre_s=float(rng.uniform(1.0, 1.7)),
            initial_gap_m=float(rng.uniform(2.0, 3.2)) * (speed + other), drift_m=float(rng.uniform(1.7, 2.1)),
        )  # fmt: skip
    if family == "crossing_vehicle":
        actor, pace = str(rng.choice(["car", "van"], p=[0.7, 0.3])), float(rng.uniform(5.0, 7.5))
        start = float(rng.uniform(13.0, 20.0))
    elif family == "cyclist_crossing":
        actor, pace, start = "cyclist", float(rng.uniform(2.6, 3.6)), float(rng.uniform(5.5, 8.0))
    else:
        actor, pace, start = "pedestrian", float(rng.uniform(1.4, 2.1)), float(rng.uniform(3.4, 5.0))
    if not coin:
        reaction += 0.5  # with a quick driver, whoever is hit comes late and from the side, out of the picture
    arrival_s = start / pace + float(rng.uniform(-0.25, 0.25))
    return Setup(
        family, "reaction_time_s" if coin else "actor_start_s", speed, limit, margin, reaction,
        swerve_m=0.0, actor=actor, side=side, actor_speed=pace, start_m=start,
        initial_gap_m=max(arrival_s, 1.2) * speed,
    )  # fmt: skip
