"""A served teacher of the tests' own: it knows nothing but what it is sent, and writes what the words ask for."""

import json
import re
from zlib import crc32

from starlette.responses import Response

from tests.fake_endpoint import ReceivedRequest, completion
from vlm_autodrive.artifacts import write_clips, writing_artifact
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision import SuperviseSettings

_SLOT = re.compile(r"^(\d+)\. (.+): ((?:a|an) (?:yes-no|question|open|multiple).+)$", re.MULTILINE)
_DIMENSION = re.compile(r"^- (\w+): (.+)$", re.MULTILINE)
_CODES = {c.label: c.code for c in DEFAULT_TAXONOMY.classes}


def data_of(asked: ReceivedRequest) -> dict:
    """The facts that the prompt holds."""
    return json.loads(asked.text.split("<data>\n")[1].split("\n</data>")[0])


def wanted_of(asked: ReceivedRequest) -> str:
    """What is asked for, by the words of the prompt."""
    if "Write one question with its answer" in asked.text:
        return "questions"
    if "for each of these dimensions" in asked.text:
        return "understanding"
    if "Write one hard" in asked.text:
        return "reasoning_vqa"
    if "leave steps empty" in asked.text:
        return "thinking"
    return "reasoning" if "The verdicts are" in asked.text else "description"


def honest(asked: ReceivedRequest) -> Response:
    """What a good teacher answers."""
    answers = {
        "description": described,
        "questions": questioned,
        "reasoning": reasoned,
        "understanding": understood,
        "reasoning_vqa": intended,
        "thinking": thought,
    }
    return completion(json.dumps(answers[wanted_of(asked)](asked)))


def described(asked: ReceivedRequest) -> dict:
    data = data_of(asked)
    time_s = data.get("event_time_s")
    event = {"event": None, "cause": None}
    if time_s is not None:
        event = {"event": {"kind": data["class"].lower(), "time_s": time_s}, "cause": "nobody looked"}
    return {
        "scene": f"a road beside house {crc32(asked.text.encode())}",
        "ego_motion": "the ego vehicle drives on",
        "road_users": ["a grey lorry ahead"],
        "happenings": [{"time_s": 0.3, "what": "a grey lorry ahead goes slower"}],
        "ego_response": None,
        **event,
    }


def questioned(asked: ReceivedRequest) -> dict:
    written = []
    for number, about, kind in _SLOT.findall(asked.text):
        question = {"number": int(number), "question": f"What can be said of {about}?", "answer": "it goes slower"}
        if "yes-no" in kind:
            question["answer"] = "yes" if "'yes'" in kind else "no"
        elif "number of seconds" in kind:
            question["answer"] = "0.3"
        elif "multiple choice" in kind:
            answer = "cannot be told" if "cannot be told" in kind else "a lorry"
            question |= {"answer": answer, "others": ["a tram", "a bus", "a horse"]}
        written.append(question)
    return {"questions": written}


def reasoned(asked: ReceivedRequest) -> dict:
    data = data_of(asked)
    time_s = data.get("event_time_s")
    contact = data["class"] == "Collision"
    steps = ["A grey lorry is ahead.", f"[t={time_s or 0.5:.1f}] It is closest.", "The risk is plain to see."]
    steps.append("There is contact." if contact else "There is no contact.")
    return {"steps": steps, "verdict": _CODES[data["class"]], "event_time_s": time_s}


def class_in(asked: ReceivedRequest) -> str:
    """The class that the structured caption names."""
    facts = data_of(asked)["facts"].casefold()
    near = "near-collision" in facts
    return "Near-Collision" if near else "Collision" if "collision" in facts else "Normal"


def understood(asked: ReceivedRequest) -> dict:
    written = []
    for name, line in _DIMENSION.findall(asked.text):
        question = {"dimension": name, "question": f"What of the {name.replace('_', ' ')}?", "answer": "A"}
        if name == "event_and_why":
            options = [f"{label}: a lorry is seen" for label in _CODES]
            question |= {"options": options, "answer": "ABC"[list(_CODES).index(class_in(asked))]}
        elif none := re.search(r"one of its options is '(.+?)'", line):
            place = "A" if "right one" in line else "B"
            question |= {"options": [none.group(1), "a thing", "another"], "answer": place}
        else:
            question |= {"options": ["a thing", "another", "a third"]}
        written.append(question)
    return {"questions": written}


def intended(asked: ReceivedRequest) -> dict:
    """A reasoning question, other for each clip."""
    reasons = ["A grey lorry is ahead.", "It goes slower.", "The gap shrinks.", "We go slower.", "The gap stays."]
    question = f"What does the driver want by house {crc32(asked.text.encode())}?"
    return {"question": question, "options": ["to park", "to turn", "to wait", "to go"], "answer": "C"} | {
        "reasons": [*reasons, f"That is by house {crc32(asked.text.encode())}."]
    }


def thought(asked: ReceivedRequest) -> dict:
    label = class_in(asked)
    end = "There is contact." if label == "Collision" else "There is no contact."
    return {"steps": [f"A lorry is by house {crc32(asked.text.encode())}.", end], "answer": _CODES[label]}


def clip_set(folder, clips):
    """A clip set of some clips."""
    with writing_artifact(folder, "clips", {}, Settings()) as partial:
        write_clips(partial, folder, DEFAULT_TAXONOMY, clips)
    return folder


def served_settings(url: str, cache, kinds=("verdict", "caption", "description", "vqa", "reasoning"), **values):
    """Settings of the stage with a served teacher; those of the endpoint are given by ``served``."""
    served = endpoint_at(url, cache, **values.pop("served", {}))
    return SuperviseSettings.model_validate({"types": kinds, "teacher": "served", "served": served, **values})


def endpoint_at(url: str, cache, **values) -> dict:
    """Settings of an endpoint."""
    return {"base_url": url, "model": "big-teacher", "cache": str(cache), **values}
