"""What a simulated drive did, and why: the truth that captions, questions and reasoning are made of."""

from typing import Literal

from vlm_autodrive.records.base import Record
from vlm_autodrive.records.incident import IncidentMetadata

Family = Literal[
    "lead_brake",
    "cut_in",
    "crossing_vehicle",
    "oncoming_drift",
    "pedestrian_crossing",
    "cyclist_crossing",
    "plain_driving",
]
Side = Literal["left", "right", "ahead"]
Distractor = Literal["speed_bump", "brake_for_nothing", "calm_close_pass"]


class StatePoint(Record):
    """The state of the drive at one time, every 0.2 s.

    Attributes:
        time_s: Seconds after the first frame.
        ego_speed_mps: Speed of the recording vehicle, in metres per second.
        gap_m: Free distance to the road user of the encounter, bumper to body; None if it is not on the scene.
        closing_speed_mps: Rate at which that distance shrinks (negative: grows); None likewise.
        lateral_m: Sideways place of that road user from the ego vehicle's middle, right positive; None likewise.
        lead_gap_m: Distance to the nearest vehicle ahead in the ego lane; None if there is none in view.
    """

    time_s: float
    ego_speed_mps: float
    gap_m: float | None
    closing_speed_mps: float | None
    lateral_m: float | None
    lead_gap_m: float | None


class Distraction(Record):
    """Something that looks or feels alarming and is not: a hard negative, in a clip of any class."""

    kind: Distractor
    time_s: float


class Encounter(Record):
    """One meeting with another road user, whose physics, not its label, decided how it ended.

    Attributes:
        family: The kind of scenario.
        event_class: ``collision``, ``near_collision`` or ``normal``, read off the simulated motion.
        time_s: Seconds after the first frame of contact or of the closest approach.
        onset_s: When the hazard began (brake lights, first sideways motion, first step); negative if before
            the first frame.
        alert_time_s: When an attentive driver would have been warned; None for a normal encounter.
        actor: The other road user, such as ``car``, ``truck``, ``van``, ``pedestrian`` or ``cyclist``.
        actor_color: Its colour, as a plain word.
        side: Where it came from, as seen by the driver.
        minimum_gap_m: The smallest free distance reached; 0 at contact.
        impact_speed_mps: Closing speed at contact; None without contact.
        closing_speed_mps: The largest closing speed in the two seconds before ``time_s``.
        peak_deceleration_mps2: The ego vehicle's hardest braking, as a positive number.
        evasive: What the ego driver did about it.
        reaction_time_s: From ``onset_s`` to the beginning of the ego driver's response; None if there was none.
        cause: One plain clause that says why it ended so, such as ``the driver braked too late``.
        incident: What holds of this encounter, beside what holds of the whole video, in that vocabulary.
    """

    family: Family
    event_class: str
    time_s: float
    onset_s: float
    alert_time_s: float | None
    actor: str
    actor_color: str
    side: Side
    minimum_gap_m: float
    impact_speed_mps: float | None
    closing_speed_mps: float
    peak_deceleration_mps2: float
    evasive: Literal["none", "braking", "steering", "braking_and_steering"]
    reaction_time_s: float | None
    cause: str
    incident: IncidentMetadata = IncidentMetadata()


class Scenario(Record):
    """The whole truth of one simulated video.

    Attributes:
        video_id: The video.
        seed: What it was made from.
        triplet_id: Shared by the three outcomes of one scenario; None for a drive of its own.
        changed_parameter: What differs within the triplet, such as ``reaction_time_s``.
        changed_value: Its value here.
        light_conditions: ``Bright``, ``Normal``, ``Twilight`` or ``Dark``, as in Nexar's metadata.
        weather: ``Clear``, ``Cloudy``, ``Rain`` or ``Snow``, likewise.
        scene: ``Urban``, ``Sub-urban``, ``Highway`` or ``Rural``, likewise.
        lanes: Lanes in the ego vehicle's direction.
        ego_lane: The ego vehicle's lane, 0 being the left one.
        duration_s: Length of the video.
        encounters: What happened, in order of time; empty for plain driving.
        distractions: Hard negatives shown in the video, in order of time.
        states: The motion, every 0.2 s, for the encounter nearest in time.
        incident: What holds at every moment of the video, in the vocabulary of incident metadata.
        hard_negative: Whether this is a Normal video that was made to look like an event.
    """

    video_id: str
    seed: int
    triplet_id: str | None
    changed_parameter: str | None
    changed_value: float | None
    light_conditions: str
    weather: str
    scene: str
    lanes: int
    ego_lane: int
    duration_s: float
    encounters: tuple[Encounter, ...]
    distractions: tuple[Distraction, ...]
    states: tuple[StatePoint, ...]
    hard_negative: bool
    incident: IncidentMetadata = IncidentMetadata()
