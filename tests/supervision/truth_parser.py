"""Reads every text that rules write about a clip, and says what each sentence claims.

Its words, tables and expressions are its own: it imports nothing that writes those texts. A sentence that it does
not know is an error, so that no text escapes the test by being new.
"""

import re
from dataclasses import dataclass, field

LIGHT = {"Bright": ("bright daylight", "bright light of day"), "Normal": ("plain daylight", "ordinary daylight"),
         "Twilight": ("twilight", "half-light"), "Dark": ("darkness", "the dark")}  # fmt: skip
WEATHER = {"Clear": ("clear weather", "a clear sky"), "Cloudy": ("cloudy weather", "a cloudy sky"),
           "Rain": ("rainy weather", "rain"), "Snow": ("snowy weather", "snow")}  # fmt: skip
SCENE = {"Urban": ("urban road", "city road"), "Sub-urban": ("suburban road", "road in the suburbs"),
         "Highway": ("highway", "motorway"), "Rural": ("rural road", "country road")}  # fmt: skip
TABLES = {"light": LIGHT, "weather": WEATHER, "scene": SCENE}
T = r"t=(\d+\.\d)"
WHO = r"(?:an? (?P<color>\w+) (?P<kind>car|van|truck)|a (?P<person>pedestrian|cyclist) in (?P<clothes>\w+))"
FROM = r"(?P<origin>ahead|from the left|from the right)"
LANE = r"the (?:only|left|right|middle) lane|lane \d of \d from the left"
RESPONSE = r"does nothing|slows down a little|brakes(?: hard)?(?: and steers away)?|steers away"
DISTANCE = r"under 1 m|\d+ m"
ROUGH = r"(?:under|over) \d+ m"
CLOSING = r"not closing|closing slowly|closing fast|closing"
NO_EVENT = "There is no such event."
NOBODY = "There is none to watch."
NOT_TOLD = "It cannot be told."


@dataclass(frozen=True)
class Statement:
    """One sentence, or one question with its answer.

    Attributes:
        text: As written.
        claims: What it says, each a name and what goes with it; it is true if all are.
        about: ``event`` if it says how a meeting ends, when, how fast, why, or that there is none; ``part`` if it
            says only roughly when, or whose event it is, in one of two or three words; ``other`` if it says only what
            the other road user is like or how the gap changes; ``scene`` otherwise.
    """

    text: str
    claims: tuple[tuple, ...]
    about: str = field(default="scene")


class UnknownSentence(ValueError):
    """A sentence that the parser cannot read."""


def parse(kind: str, question: str, answer: str) -> list[Statement]:
    """What an item says."""
    if kind == "caption" or kind == "description":
        return _prose(answer)
    if kind == "reasoning":
        return _reasoning(question, answer)
    if kind == "verdict":
        return [Statement(answer, (("class", _options(question)[answer]),), "event")]
    return [_answered(question, answer)]


# Prose.

_AT = r"at (\d+\.\d) s"
_STARTS = "|".join(
    ("starts to brake", "starts to move into our lane", "is about to cross", "starts to drift towards our lane",
     "steps off to cross", "rides off to cross")
)  # fmt: skip


def _prose(text):
    sentences = re.findall(r"[^.]+(?:\.\d[^.]*)*\.(?=\s|$)", text)
    if "".join(sentences).replace(" ", "") != text.replace(" ", ""):
        raise UnknownSentence(text)
    return [_sentence(sentence.strip()) for sentence in sentences]


def _sentence(sentence):
    said = sentence[0].lower() + sentence[1:-1]
    for read in (_event_sentence, _happening, _motion, _surroundings):
        statement = read(sentence, said)
        if statement is not None:
            return statement
    raise UnknownSentence(sentence)


def _event_sentence(sentence, said):
    if said in ("no event", "there is no event", "no event happens", "event: none"):
        return Statement(sentence, (("event", False),), "event")
    match = re.fullmatch(
        rf"(?:event: |it comes to an? |{_AT}: )?(?P<label>near-collision|collision)(?: with {WHO}(?: {FROM})?)?"
        rf"(?P<others> of others)?(?: {_AT})?",
        said,
    )
    if match is None:
        return None
    claims = [("class", match["label"]), *_who(match)]
    time = match.group(1) or match.groups()[-1]
    if time:
        claims.append(("event at", float(time)))
    if match["others"]:
        claims.append(("of others",))
    return Statement(sentence, tuple(claims), "event")


def _who(match):
    claims = []
    groups = match.groupdict()
    if groups.get("kind") or groups.get("person"):
        claims += [("kind", groups["kind"] or groups["person"]), ("color", groups["color"] or groups["clothes"])]
    if groups.get("origin"):
        claims.append(("origin", groups["origin"]))
    return claims


def _happening(sentence, said):
    match = re.fullmatch(rf"{_AT} {WHO} {FROM} ({_STARTS})", said)
    if match:
        return Statement(sentence, (*_who(match), ("begins", match.groups()[-1], float(match[1]))), "event")
    match = re.fullmatch(rf"{_AT} the ego driver ({RESPONSE})", said)
    if match:
        return Statement(sentence, (("responds at", float(match[1])), ("response", match[2])), "event")
    match = re.fullmatch(rf"{_AT} there is contact with (?:it|{WHO} {FROM}) at (\d+) m/s( and a jolt)?", said)
    if match:
        claims = [("contact at", float(match[1])), ("impact speed", int(match.groups()[-2])), *_who(match)]
        return Statement(sentence, (*claims, ("blow", float(match[1])))[: None if match.groups()[-1] else -1], "event")
    match = re.fullmatch(rf"{_AT} (?:it|{WHO} {FROM}) is closest, ({DISTANCE}) away, without contact", said)
    if match:
        claims = (("closest at", float(match[1])), ("closest gap", match.groups()[-1]), ("contact", False))
        return Statement(sentence, (*claims, *_who(match)), "event")
    match = re.fullmatch(rf"{_AT} a speed bump jolts the camera", said)
    if match:
        return Statement(sentence, (("bump at", float(match[1])),))
    match = re.fullmatch(rf"{_AT} the ego driver brakes for nothing", said)
    if match:
        return Statement(sentence, (("brakes for nothing", float(match[1])),))
    match = re.fullmatch(rf"{_AT} someone passes close by, calmly", said)
    if match:
        return Statement(sentence, (("passes", float(match[1])),))
    if said == "there is no road user to watch":
        return Statement(sentence, (("nobody",),), "event")
    if said.startswith("cause: "):
        return Statement(sentence, (_cause(said.removeprefix("cause: ")),), "event")
    return None


def _motion(sentence, said):
    number = r"(\d+) m/s"
    match = re.fullmatch(
        rf"(?:the ego vehicle slows down|we slow down|ego speed falls|the ego vehicle speeds up|we speed up"
        rf"|ego speed rises) from {number} to {number}(?:, in ({LANE}))?",
        said,
    )
    if match:
        first, last = int(match[1]), int(match[2])
        if ("slow" in said or "falls" in said) != (last < first):
            raise UnknownSentence(sentence)
        claims = [("speeds", first, last)]
    else:
        match = re.fullmatch(
            rf"(?:the ego vehicle starts and ends at|we drive at|ego speed at both ends:) about {number}"
            rf"(?: at first and at last)?(?:, in ({LANE}))?",
            said,
        )
        if match is None:
            return None
        claims = [("about", int(match[1]))]
    place = match.groups()[-1]
    return Statement(sentence, (*claims, *([("lane", place)] if place else [])))


def _surroundings(sentence, said):
    claims = []
    match = re.search(rf", we are in ({LANE})", said)
    if match:
        claims.append(("lane", match[1]))
        said = said.replace(match[0], "")
    match = re.search(r" with (\d) lanes? (?:our way|in our direction)", said)
    if match:
        claims.append(("lanes", int(match[1])))
        said = said.replace(match[0], "")
    for name, table in TABLES.items():
        for value, phrases in table.items():
            for phrase in phrases:
                found = re.search(rf"(?<![\w-]){phrase}(?![\w-])", said)
                if found and (name, value) not in claims:
                    claims.append((name, value))
                    said = said[: found.start()] + said[found.end() :]
    if not claims or re.sub(r"\b(?:in|on|an?|and)\b|[,; ]", "", said):
        return None
    return Statement(sentence, tuple(claims))


def _cause(text):
    name = r"(the vehicle ahead|the vehicle that cut in|the (?:crossing|oncoming) vehicle|the pedestrian|the cyclist)"
    shapes = {
        rf"the driver reacted (?:(\d+\.\d) s )?late and only just avoided {name}": "late, avoided",
        rf"the driver reacted (?:(\d+\.\d) s )?too late for {name}": "late, hit",
        rf"the gap to {name} was so short that only hard braking avoided contact": "short, avoided",
        rf"the gap to {name} was so short that contact was only just avoided": "narrow, avoided",
        rf"the gap to {name} was too short to stop in": "short, hit",
        rf"{name} strayed so far that it passed with hardly any room": "strayed, avoided",
        rf"{name} strayed too far into the lane": "strayed, hit",
        rf"{name} started (?:(\d+\.\d) s )?later, close ahead, and was only just avoided": "started, avoided",
        rf"{name} started (?:(\d+\.\d) s )?later, too close ahead for the driver to stop": "started, hit",
    }
    for shape, what in shapes.items():
        match = re.fullmatch(shape, text)
        if match:
            who = next(g for g in match.groups() if g and g.startswith("the "))
            by = next((float(g) for g in match.groups() if g and g[0].isdigit()), None)
            return ("cause", what, who, by)
    raise UnknownSentence(text)


# Reasoning.


def _options(question):
    found = re.findall(r"^(\w): ([\w-]+) \(", question, re.MULTILINE)
    return {code: label.lower() for code, label in found}


def _reasoning(question, answer):
    match = re.fullmatch(r"<think>\n(.+)\n</think>\n\n<answer>\n(\w)\n(?:t=(\d+\.\d)\n)?</answer>", answer, re.DOTALL)
    if match is None:
        raise UnknownSentence(answer)
    label = _options(question)[match[2]]
    claims = [("class", label), *([("event at", float(match[3]))] if match[3] else [])]
    said = [Statement(f"answer {match[2]} {match[3]}", tuple(claims), "event")]
    moment, lead = None, False
    for line in match[1].splitlines():
        lead = lead or line == "A vehicle is ahead."
        statement, time_s = _thought(line, moment, lead)
        moment = time_s if time_s is not None else moment
        said.append(statement)
    return said


def _thought(line, moment, lead):
    said = line[0].lower() + line[1:-1]
    match = re.fullmatch(rf"{WHO} (?:is (ahead)|comes (from the left|from the right))", said)
    if match:
        return Statement(line, (*_who(match), ("origin", match.groups()[-1] or match.groups()[-2])), "other"), None
    match = re.fullmatch(rf"\[{T}\] closest: contact(, with a jolt)?", said)
    if match:
        claims = (("contact at", float(match[1])), ("blow", float(match[1])))
        return Statement(line, claims[: 2 if match[2] else 1], "event"), None
    match = re.fullmatch(rf"\[{T}\] closest: ({ROUGH}), no contact", said)
    if match and lead:
        return Statement(line, (("lead closest", float(match[1]), match[2]), ("contact", False))), None
    if match:
        claims = (("closest at", float(match[1])), ("closest rough", match[2]), ("contact", False))
        return Statement(line, claims, "event"), None
    match = re.fullmatch(rf"\[{T}\] gap ({ROUGH})(?:, ({CLOSING}))?", said)
    if match and match[3] is None:
        return Statement(line, (("lead rough", float(match[1]), match[2]),)), None
    if match:
        time_s = float(match[1])
        claims = (("gap rough", time_s, match[2]), ("closing rough", time_s, match[3]))
        return Statement(line, claims, "other"), time_s
    match = re.fullmatch(rf"\[{T}\] a speed bump jolts the camera", said)
    if match:
        return Statement(line, (("bump at", float(match[1])),)), None
    match = re.fullmatch(rf"\[{T}\] (the road ahead is free, )?ego (\d+) m/s", said)
    if match:
        claims = (("speed at", float(match[1]), int(match[3])), ("free", float(match[1])))
        return Statement(line, claims[: 2 if match[2] else 1]), None
    match = re.fullmatch(rf"(high|some|low) risk(?:; the ego driver ({RESPONSE}))?", said)
    if match:
        claims = [("risk", moment, match[1])] if moment is not None else [("low risk",)]
        if match[2]:
            claims.append(("response", match[2]))
        return Statement(line, tuple(claims), "other" if moment is not None else "scene"), None
    match = re.fullmatch(rf"the ego driver ({RESPONSE})", said)
    if match:
        return Statement(line, (("response", match[1]),), "other"), None
    simple = {
        "a vehicle is ahead": (("lead",),),
        "a road user is near": (("someone",),),
        "no road user to watch": (("nobody",),),
        "contact: Collision": (("contact", True), ("class", "collision")),
        "no contact, but barely: Near-Collision": (("contact", False), ("class", "near-collision")),
        "no contact, with room to spare: Normal": (("contact", False), ("room",), ("class", "normal")),
        "normal": (("class", "normal"),),
    }
    if said not in simple:
        raise UnknownSentence(line)
    return Statement(line, simple[said], "scene" if said == "a vehicle is ahead" else "event"), None


# Questions and answers.


def _answered(question, answer):
    text = f"{question} {answer}"
    options = re.search(r" Choose: (.+)\.$", question)
    if options and options[1].split(", ").count(answer) != 1:
        raise UnknownSentence(text)
    asked = re.sub(r" Choose: .+\.$", "", question)
    for shape, about, read in QUESTIONS:
        match = re.fullmatch(shape, asked)
        if match:
            claims = read(match, answer)
            if claims is None:
                raise UnknownSentence(text)
            return Statement(text, tuple(claims), about)
    raise UnknownSentence(text)


def _truth(answer):
    return {"yes": True, "no": False}[answer]


def _one_of(table, text):
    for name, entries in table.items():
        for value, phrases in entries.items():
            if text in phrases:
                return name, value
    raise UnknownSentence(text)


def _phrase(match, answer):
    claim = re.sub(r"^an? ", "", match["value"])
    return [("is", *_one_of(TABLES, claim), _truth(answer))]


def _whole(answer, unit):
    match = re.fullmatch(rf"(\d+){unit}", answer)
    if match is None:
        raise UnknownSentence(answer)
    return int(match[1])


def _if_anyone(read):
    def reader(match, answer):
        if answer in (NOBODY, "none to watch"):
            return [("nobody",)]
        if answer == NOT_TOLD:
            return [("not told",)]
        return read(match, answer)

    return reader


def _if_event(read):
    def reader(match, answer):
        return [("event", False)] if answer in (NO_EVENT, "there is no such event") else read(match, answer)

    return reader


def _time(answer):
    match = re.fullmatch(T, answer)
    if match is None:
        raise UnknownSentence(answer)
    return float(match[1])


def _gap_at(match, answer):
    return [("out of sight", float(match[1]))] if answer == "none to watch" else [("gap", float(match[1]), answer)]


def _closing_at(match, answer):
    if answer == "none to watch":
        return [("out of sight", float(match[1]))]
    if answer == "steady":
        return [("closing", float(match[1]), 0)]
    word, number = re.fullmatch(r"(closing|opening) (\d+) m/s", answer).groups()
    return [("closing", float(match[1]), int(number) * (1 if word == "closing" else -1))]


def _jolts(match, answer):
    if answer == "Nothing.":
        return [("no jolt",)]
    claims = []
    for part in answer[:-1].split(" and "):
        what, time_s = re.fullmatch(rf"(an impact|a speed bump) at {T}", part, re.IGNORECASE).groups()
        claims.append(("blow" if what.lower() == "an impact" else "bump at", float(time_s)))
    return claims


def _until_gone(match, answer):
    span = re.fullmatch(r"never|after (?:(under 1|over 10)|(\d+)) s", answer)
    return None if span is None else [("gone", float(match[1]), answer)]


def _outcome(match, answer):
    hit = re.fullmatch(rf"With contact at {T}\.", answer)
    if hit:
        return [("contact at", float(hit[1]))]
    missed = re.fullmatch(rf"Without contact, ({DISTANCE}) apart at {T}\.", answer)
    return [("contact", False), ("closest gap", missed[1]), ("closest at", float(missed[2]))]


def _no_braking(match, answer):
    if answer == "The driver does not brake for it.":
        return [("no braking",)]
    return [("reached without braking", _truth(answer) == (match[1] == "be reached in the video"))]


def _order(match, answer):
    return {
        "The response.": [("response first", True)],
        "The closest moment.": [("response first", False)],
        "The driver does not respond.": [("no response",)],
    }[answer]


def _response(match, answer):
    found = re.fullmatch(rf"The driver ({RESPONSE})\.", answer)
    return [("response", found[1])]


def _kind_or_none(match, answer):
    return [("kind", answer)]


def _flat(answer):
    return answer[0].lower() + answer[1:-1]


_UNKNOWABLE = (
    "the driver's age|the name of the road|the price of the ego vehicle|on the driver's radio|the purpose of the trip"
    "|the load in the ego vehicle's boot|the number of passengers"
)
_WATCH = "the road user to watch"

QUESTIONS = (
    (r"What is the light like\?", "scene", lambda m, a: [_one_of({"light": LIGHT}, a)]),
    (r"What is the weather\?", "scene", lambda m, a: [_one_of({"weather": WEATHER}, a)]),
    (r"What kind of road is it\?", "scene", lambda m, a: [_one_of({"scene": SCENE}, a)]),
    (r"Does the video show (?P<value>.+)\?", "scene", _phrase),
    (r"What are the conditions\?|What light, weather and road does the video show\?", "scene",
     lambda m, a: [_one_of(TABLES, part) for part in _flat(a).split(", ")]),
    (r"Which of these does the video not show\?", "scene", lambda m, a: [("is", *_one_of(TABLES, a), False)]),
    (rf"What is (?:{_UNKNOWABLE})\?", "scene", lambda m, a: [("true",)] if a == "cannot be told" else None),
    (r"How many lanes lead in our direction\?", "scene", lambda m, a: [("lanes", int(a))]),
    (r"Which lane is the ego vehicle in\?", "scene", lambda m, a: [("lane", _flat(a))]),
    (rf"How fast is the ego vehicle at {T}\?", "scene", lambda m, a: [("speed at", float(m[1]), _whole(a, " m/s"))]),
    (rf"Does the ego vehicle get faster or slower from {T} to {T}\?", "scene",
     lambda m, a: [("trend", float(m[1]), float(m[2]), a)]),
    (rf"How far is {_WATCH} at {T}\?", "other", _gap_at),
    (rf"Is {_WATCH} nearer than (\d+) m at {T}\?",
     "other", lambda m, a: [("nearer", float(m[2]), int(m[1]), _truth(a))]),
    (rf"How fast does the gap to {_WATCH} change at {T}\?", "other", _closing_at),
    (rf"Does the gap to {_WATCH} (shrink|grow) from {T} to {T}\?", "other",
     lambda m, a: [("gap trend", float(m[2]), float(m[3]), (m[1] == "shrink") == _truth(a))]),
    (rf"If the gap kept changing as at {T}, when would it be gone\?", "other", _until_gone),
    (rf"How far ahead is the nearest vehicle in our lane at {T}\?", "scene",
     lambda m, a: [("free", float(m[1])) if a == "none is ahead" else ("lead gap", float(m[1]), a)]),
    (rf"If the ego vehicle lost 6 m/s each second from {T} on, how far would it still roll\?", "scene",
     lambda m, a: [("rolls", float(m[1]), a)]),
    (rf"If the ego vehicle lost 6 m/s each second from {T} on, would it roll "
     rf"(less|more) than the gap to {_WATCH} at {T}\?",
     "other",
     lambda m, a: [("rolls within gap", float(m[1]), (m[2] == "less") == _truth(a))] if m[1] == m[3] else None),
    (rf"What is {_WATCH}\?", "other", _if_anyone(_kind_or_none)),
    (rf"Is {_WATCH} a (\w+)\?", "other", lambda m, a: [("is kind", m[1], _truth(a))]),
    (rf"What colour is {_WATCH}\?", "other", _if_anyone(lambda m, a: [("color", a)])),
    (rf"Where does {_WATCH} come from\?", "other",
     _if_anyone(lambda m, a: [("origin", "ahead" if a == "From ahead." else _flat(a))])),
    (rf"What does the ego driver do about {_WATCH}\?", "other", _if_anyone(_response)),
    (r"What jolts the camera, and when\?|Is there a jolt, and what causes it\?", "scene", _jolts),
    (r"Does a speed bump jolt the camera\?", "scene", lambda m, a: [("bump", _truth(a))]),
    (r"Is the ride free of speed bumps\?", "scene", lambda m, a: [("bump", not _truth(a))]),
    (r"Is there a (pedestrian|cyclist) in the video\?", "other", lambda m, a: [("is kind", m[1], _truth(a))]),
    (r"Is the video without any (pedestrian|cyclist)\?", "other", lambda m, a: [("is kind", m[1], not _truth(a))]),
    (rf"When is {_WATCH} closest\?", "event", _if_anyone(lambda m, a: [("closest at", _time(a))])),
    (rf"How close does {_WATCH} come at most\?", "event", _if_anyone(lambda m, a: [("closest gap", a)])),
    (r"Does the ego vehicle touch another road user\?", "event", lambda m, a: [("contact", _truth(a))]),
    (r"Does the ego vehicle stay clear of all other road users\?", "event", lambda m, a: [("contact", not _truth(a))]),
    (r"(?:When does the event happen|At what second is the event)\?",
     "event", _if_event(lambda m, a: [("event at", _time(a))])),
    (r"(?:What causes the event|Why does the event happen)\?", "event", _if_event(lambda m, a: [_cause(_flat(a))])),
    (r"How fast is the impact\?", "event",
     lambda m, a: [("contact", False)] if a == "There is no impact." else [("impact speed", _whole(a, " m/s"))]),
    (rf"What comes first: the driver's response to {_WATCH}, or its closest moment\?", "other", _if_anyone(_order)),
    (rf"How does the meeting with {_WATCH} end\?", "event", _if_anyone(_outcome)),
    (rf"Had the ego driver not braked for it, would {_WATCH} (be reached in the video|stay out of reach)\?",
     "other", _no_braking),
    (r"Does an event happen\?|Is there any event in the video\?", "event", lambda m, a: [("event", _truth(a))]),
    (r"Is the video free of any event\?|Does the video pass without an event\?",
     "event", lambda m, a: [("event", not _truth(a))]),
    (r"In which half of the video is the event\?", "part",
     _if_event(lambda m, a: [("part", 2, {"The first.": 0, "The second.": 1}[a])])),
    (r"In which third of the video is the event\?", "part",
     _if_event(lambda m, a: [("part", 3, ("first", "middle", "last").index(a))])),
    (rf"Does the event happen (before|after) {T}\?", "part",
     _if_event(lambda m, a: [("before", float(m[2]), (m[1] == "before") == _truth(a))])),
    (r"Is the ego vehicle involved in the event\?", "part", _if_event(lambda m, a: [("ego", _truth(a))])),
    (r"Is the event one of others only\?", "part", _if_event(lambda m, a: [("ego", not _truth(a))])),
)  # fmt: skip
