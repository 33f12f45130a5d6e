"""Every question that a student is asked beside those in models.prompts: fixed strings, in one table.

``{t}``, ``{a}`` and ``{b}`` are seconds drawn without knowledge of the event; ``{value}`` is a claim,
true or false by a toss. No prompt mentions a side or a class. The options of multiple-choice questions are no part of
them: they follow in lettered lines.
"""

import random

from vlm_autodrive.records import StudentPrompt

VERSION = "1"

PROMPTS: dict[str, tuple[str, ...]] = {
    "caption": ("Write a caption.", "Caption this video.", "Sum up this video in one line."),
    "description": ("Describe what happens, in order.", "What happens, who is in it, where and when?"),
    "light_check": ("Does the video show {value}?",),
    "weather_check": ("Does the video show {value}?",),
    "scene_check": ("Does the video show {value}?",),
    "conditions": ("What are the conditions?", "What light, weather and road does the video show?"),
    "not_there": ("Which of these does the video not show?",),
    "untold": ("What is {value}?",),
    "lanes": ("How many lanes lead in our direction?",),
    "ego_lane": ("Which lane is the ego vehicle in?",),
    "ego_speed": ("How fast is the ego vehicle at {t}?",),
    "ego_trend": ("Does the ego vehicle get faster or slower from {a} to {b}?",),
    "gap": ("How far is the road user to watch at {t}?",),
    "gap_check": ("Is the road user to watch nearer than {value} at {t}?",),
    "closing_speed": ("How fast does the gap to the road user to watch change at {t}?",),
    "gap_trend": ("Does the gap to the road user to watch {value} from {a} to {b}?",),
    "time_to_contact": ("If the gap kept changing as at {t}, when would it be gone?",),
    "stop_distance": ("If the ego vehicle lost 6 m/s each second from {t} on, how far would it still roll?",),
    "stop_check": (
        "If the ego vehicle lost 6 m/s each second from {t} on, would it roll {value} than the gap to the road "
        "user to watch at {t}?",
    ),
    "lead_gap": ("How far ahead is the nearest vehicle in our lane at {t}?",),
    "actor_check": ("Is the road user to watch a {value}?",),
    "color": ("What colour is the road user to watch?",),
    "side": ("Where does the road user to watch come from?",),
    "response": ("What does the ego driver do about the road user to watch?",),
    "jolt": ("What jolts the camera, and when?", "Is there a jolt, and what causes it?"),
    "bump": ("Does a speed bump jolt the camera?",),
    "no_bump": ("Is the ride free of speed bumps?",),
    "person": ("Is there a {value} in the video?",),
    "no_person": ("Is the video without any {value}?",),
    "closest_time": ("When is the road user to watch closest?",),
    "closest_gap": ("How close does the road user to watch come at most?",),
    "contact": ("Does the ego vehicle touch another road user?",),
    "no_contact": ("Does the ego vehicle stay clear of all other road users?",),
    "event_time": ("When does the event happen?", "At what second is the event?"),
    "cause": ("What causes the event?", "Why does the event happen?"),
    "impact_speed": ("How fast is the impact?",),
    "order": ("What comes first: the driver's response to the road user to watch, or its closest moment?",),
    "outcome": ("How does the meeting with the road user to watch end?",),
    "not_braking": ("Had the ego driver not braked for it, would the road user to watch be reached in the video?",),
    "not_braking_clear": ("Had the ego driver not braked for it, would the road user to watch stay out of reach?",),
    "event_check": ("Does an event happen?", "Is there any event in the video?"),
    "no_event_check": ("Is the video free of any event?", "Does the video pass without an event?"),
    "event_half": ("In which half of the video is the event?",),
    "event_third": ("In which third of the video is the event?",),
    "event_before": ("Does the event happen before {t}?",),
    "event_after": ("Does the event happen after {t}?",),
    "ego_involved": ("Is the ego vehicle involved in the event?",),
    "others_only": ("Is the event one of others only?",),
    "other_goal": (
        "What does the road user to watch want to do at first?",
        "What is the road user to watch about to do at first?",
    ),
    "ego_goal": (
        "How does the ego driver want to stay clear of all other road users?",
        "What does the ego driver do to stay clear of all other road users?",
    ),
    "for_whom": ("For whom does the ego driver slow down or steer away?", "To whom does the ego driver respond?"),
    "why_respond": (
        "Why does the ego driver slow down or steer away for the road user to watch?",
        "What makes the ego driver respond to the road user to watch?",
    ),
    "ego_way": ("What does the ego driver want to do next?", "Where does the ego driver want to go?"),
}


def prompt_for(topic: str, rng: random.Random, **values: str) -> StudentPrompt:
    """One wording of a topic's question, with its places filled in."""
    return StudentPrompt(text=rng.choice(PROMPTS[topic]).format(**values), version=VERSION)


UNDERSTANDING_PROMPTS: dict[str, tuple[str, ...]] = {
    "event_and_why": ("What does the dashcam record, and what shows it?", "Which is it, and why?"),
    "weather": ("What is the weather?", "What is the weather like?"),
    "light": ("What is the light like?", "How light is it outside?"),
    "brightness": ("How bright is it?", "What kind of light is there?"),
    "road_kind": ("What kind of road is it?", "On what kind of road is it?"),
    "road_surface": ("What is the road surface like?", "What does the road surface look like?"),
    "road_course": ("How does the road run?", "Where does the road lead?"),
    "traffic": ("How much traffic is there?", "How busy is the road?"),
    "along_the_road": ("What is beside the road?", "What does the road lead through?"),
    "place": ("Which of these is beside the road?", "Which of these does the road pass?"),
    "ego_does": ("What does the ego vehicle do?", "What is the ego vehicle about?"),
    "ego_does_at_event": ("What is the ego vehicle about at the event?", "What does the ego vehicle do at the event?"),
    "ego_brakes": ("How hard does the ego vehicle brake?", "Is the ego vehicle braked, and how hard?"),
    "ego_brakes_at_event": ("How hard does the ego vehicle brake at the event?",),
    "other_does": ("What does the road user to watch do?",),
    "other_does_at_event": ("What does the other party do in the event?",),
    "other_is": ("What is the road user to watch?", "Who is the road user to watch?"),
    "other_is_at_event": ("What is the other party in the event?", "Who else takes part in the event?"),
    "other_place": ("Where is the road user to watch at first?",),
    "other_place_before_event": ("Where is the other party before the event?",),
    "ego_hit": ("Where is the ego vehicle hit?", "Which part of the ego vehicle is hit?"),
    "other_hit": ("Where is the other party hit?", "Which part of the other party is hit?"),
    "fault_or_both": ("Who is at fault in the event?", "Whose fault is the event?"),
    "fault_or_road": ("Who is at fault in the event?", "Whose fault is the event?"),
    "fault_or_open": ("Who is at fault in the event?", "Whose fault is the event?"),
    "on_foot": ("What do people on foot do?", "Are there people on foot, and what do they do?"),
    "on_foot_at_event": ("What do people on foot do at the event?",),
    "on_bicycles": ("What do cyclists do?", "Are there cyclists, and what do they do?"),
    "on_bicycles_at_event": ("What do cyclists do at the event?",),
}
"""The questions of understanding VQA, whose options follow in lettered lines."""


def understanding_question(name: str, rng: random.Random) -> str:
    """One wording of a question of understanding VQA, without its options."""
    return rng.choice(UNDERSTANDING_PROMPTS[name])


IMPORTED_PROMPTS: dict[str, str] = {
    "weather and light": "What are the weather and the light like?",
    "location": "Where is this?",
    "accident type": "What kind of event happens?",
    "accident reason": "Why does the event happen?",
    "prevention method": "How could the event be prevented?",
}
"""Words for the topics of VRU-Accident that do not name the class; others are asked as they stand."""

IMPORTED_ON_EVENTS = ("accident type", "accident reason", "prevention method")
"""Those of them that presuppose an event: clips without one are asked them at the same rate."""
