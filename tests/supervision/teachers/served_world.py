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
_CODES = {c.label: c.code for c in DEFAULT_TAXONOMY.classes}


def data_of(asked: ReceivedRequest) -> dict:
    """The facts that the prompt holds."""
    return json.loads(asked.text.split("<data>\n")[1].split("\n</data>")[0])


def wanted_of(asked: ReceivedRequest) -> str:
    """What is asked for, by the words of the prompt."""
    if "Write one question with its answer" in asked.text:
        return "questions"
    return "reasoning" if "The verdicts are" in asked.text else "description"


def honest(asked: ReceivedRequest) -> Response:
    """What a good teacher answers."""
    answers = {"description": described, "questions": questioned, "reasoning": reasoned}
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


def clip_set(folder, clips):
    """A clip set of some clips."""
    with writing_artifact(folder, "clips", {}, Settings()) as partial:
        write_clips(partial, folder, DEFAULT_TAXONOMY, clips)
    return folder


def served_settings(url: str, cache, kinds=("verdict", "caption", "description", "vqa", "reasoning"), **values):
    """Settings of the stage with a served teacher; those of the endpoint are given by ``served``."""
    served = {"base_url": url, "model": "big-teacher", "cache": str(cache), **values.pop("served", {})}
    return SuperviseSettings.model_validate({"types": kinds, "teacher": "served", "served": served, **values})
