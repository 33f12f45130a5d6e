"""Reads every sentence that rules write about a clip, and says what it claims: a row for each sentence.

The rows import nothing that writes the sentences. Claims handed out by the rules beside each sentence would need fewer
rows and prove less: the code that picks "brakes hard" would pick its claim as well, and a reader of numbers, classes
and sides could not tell "starts to drift" from "starts to brake", nor "the response" from "the closest moment". So the
words are read independently. A new sentence takes one row; without it, it is an error, so that none escapes the test
by being new.

In a row ``<t>`` is one of ``PLACES``, in the sentence and in its claims. A claim on a place that is left open is not
made, except on ``<by?>``, which may be open.
"""

import re
from dataclasses import dataclass

from tests.supervision.rules import truth_incident, truth_understanding

LOOKS = {
    "light": {"Bright": ("bright daylight", "bright light of day"), "Normal": ("plain daylight", "ordinary daylight"),
              "Twilight": ("twilight", "half-light"), "Dark": ("darkness", "the dark"),
              "Day": ("daylight", "light of day")},
    "weather": {"Clear": ("clear weather", "a clear sky"), "Cloudy": ("cloudy weather", "a cloudy sky"),
                "Rain": ("rainy weather", "rain"), "Snow": ("snowy weather", "snow"), "Fog": ("fog", "foggy weather")},
    "scene": {"Urban": ("urban road", "city road"), "Sub-urban": ("suburban road", "road in the suburbs"),
              "Highway": ("highway", "motorway"), "Rural": ("rural road", "country road"),
              "Industrial": ("road in an industrial area", "road among factories"),
              "Tunnel": ("tunnel", "road tunnel"), "Mountain": ("mountain road", "road in the mountains"),
              "Car park": ("car park", "parking lot")},
}  # fmt: skip
VALUES = {name: {words: value for value, names in table.items() for words in names} for name, table in LOOKS.items()}
TIME, NUMBER, PERSON = (r"\d+\.\d", float), (r"\d+", int), "pedestrian|cyclist"
PLACES = {
    **{
        name: ("|".join(sorted(values, key=len, reverse=True)), values.__getitem__)
        for name, values in (VALUES | truth_incident.VALUES).items()
    },
    **dict.fromkeys(("t", "a", "b", "by"), TIME),
    **dict.fromkeys(("n", "m"), NUMBER),
    "who": (rf"an? \w+ (?:car|van|truck)|a (?:{PERSON}) in \w+", str),
    "name": (f"the (?:vehicle (?:ahead|that cut in)|crossing vehicle|oncoming vehicle|{PERSON})", str),
    "kind": (f"car|van|truck|{PERSON}", str),
    "person": (PERSON, str),
    "color": ("red|blue|white|black|silver|yellow|green|orange", str),
    "origin": ("ahead|from the left|from the right", str),
    "lane": (r"the (?:only|left|right|middle) lane|lane \d of \d from the left", str),
    "begins": ("starts to (?:brake|move into our lane|drift towards our lane)|is about to cross"
               "|(?:steps|rides) off to cross", str),
    "response": ("does nothing|slows down a little|brakes(?: hard)?(?: and steers away)?|steers away", str),
    "label": ("(?i:collision|near-collision|normal)", str.lower),
    "distance": (r"under 1 m|\d+ m", str),
    "rough": (r"(?:under|over) \d+ m", str),
    "closing": ("not closing|closing slowly|closing fast|closing", str),
    "risk": ("high|some|low", str),
    "trend": ("faster|slower|neither", str),
    "gone": (r"never|after (?:under 1|over 10|\d+) s", str),
    "yes": ("yes|no", "yes".__eq__),
    "no": ("yes|no", "no".__eq__),
}  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """One sentence, or one question with its answer.

    Attributes:
        text: As written.
        claims: What it says, each a name and what goes with it; it is true if all are.
        about: ``event`` if it says how an encounter ends, when, how fast, why, or that there is none; ``part`` if it
            says only roughly when, or whose event it is, in one of two or three words; ``other`` if it says only what
            the other road user is like or how the gap changes; ``scene`` otherwise.
    """

    text: str
    claims: tuple[tuple, ...]
    about: str = "scene"


class UnknownSentence(ValueError):
    """A sentence that no row reads."""


CAUSES = {
    "the driver reacted (?:<by> s )?late and only just avoided <name>": "late, avoided",
    "the driver reacted (?:<by> s )?too late for <name>": "late, hit",
    "the gap to <name> was so short that only hard braking avoided contact": "short, avoided",
    "the gap to <name> was so short that contact was only just avoided": "narrow, avoided",
    "the gap to <name> was too short to stop in": "short, hit",
    "<name> strayed so far that it passed with hardly any room": "strayed, avoided",
    "<name> strayed too far into the lane": "strayed, hit",
    "<name> started (?:<by> s )?later, close ahead, and was only just avoided": "started, avoided",
    "<name> started (?:<by> s )?later, too close ahead for the driver to stop": "started, hit",
}
SLOWER = "(?:the ego vehicle slows down|we slow down|ego speed falls)"
FASTER = "(?:the ego vehicle speeds up|we speed up|ego speed rises)"
SENTENCES = (
    # Of captions and descriptions.
    ("event", "no event|there is no event|no event happens|event: none", ("event", False)),
    ("event", "(?:event: |it comes to an? |at <t> s: )?<label>(?: with <who>(?: <origin>)?)?(?P<others> of others)?"
     "(?: at <a> s)?", ("class", "<label>"), ("who", "<who>"), ("origin", "<origin>"), ("event at", "<t>"),
     ("event at", "<a>"), ("of others", "<others>")),
    ("event", "at <t> s <who> <origin> <begins>", ("who", "<who>"), ("origin", "<origin>"),
     ("begins", "<begins>", "<t>")),
    ("event", "at <t> s the ego driver <response>", ("responds at", "<t>"), ("response", "<response>")),
    ("event", "at <t> s there is contact with (?:it|<who> <origin>) at <n> m/s(?P<jolt> and a jolt)?",
     ("contact at", "<t>"), ("impact speed", "<n>"), ("who", "<who>"), ("origin", "<origin>"),
     ("blow", "<t>", "<jolt>")),
    ("event", "at <t> s (?:it|<who> <origin>) is closest, <distance> away, without contact", ("closest at", "<t>"),
     ("closest gap", "<distance>"), ("contact", False), ("who", "<who>"), ("origin", "<origin>")),
    ("scene", "at <t> s a speed bump jolts the camera", ("bump at", "<t>")),
    ("scene", "at <t> s the ego driver brakes for nothing", ("brakes for nothing", "<t>")),
    ("scene", "at <t> s someone passes close by, calmly", ("passes", "<t>")),
    ("event", "there is no road user to watch", ("nobody",)),
    ("scene", SLOWER + " from <n> m/s to <m> m/s(?:, in <lane>)?", ("slower", "<n>", "<m>"), ("lane", "<lane>")),
    ("scene", FASTER + " from <n> m/s to <m> m/s(?:, in <lane>)?", ("faster", "<n>", "<m>"), ("lane", "<lane>")),
    *(("event", f"cause: {said}", ("cause", what, "<name>", "<by?>")) for said, what in CAUSES.items()),
    ("scene", r"(?:the ego vehicle starts and ends at|we drive at|ego speed at both ends:) about <n> m/s"
     "(?: at first and at last)?(?:, in <lane>)?", ("about", "<n>"), ("lane", "<lane>")),
    # Of reasoning traces. After "a vehicle is ahead" and after a gap a line begins with what was said before.
    ("other", "<who> (?:is|comes) <origin>", ("who", "<who>"), ("origin", "<origin>")),
    ("event", r"\[t=<t>\] closest: contact(?P<jolt>, with a jolt)?", ("contact at", "<t>"), ("blow", "<t>", "<jolt>")),
    ("event", r"\[t=<t>\] closest: <rough>, no contact", ("closest at", "<t>"), ("closest gap", "<rough>"),
     ("contact", False)),
    ("scene", r"behind a vehicle: \[t=<t>\] closest: <rough>, no contact", ("lead closest", "<t>", "<rough>"),
     ("contact", False)),
    ("scene", r"behind a vehicle: \[t=<t>\] gap <rough>", ("lead rough", "<t>", "<rough>")),
    ("other", r"\[t=<t>\] gap <rough>, <closing>", ("gap", "<t>", "<rough>"),
     ("closing rough", "<t>", "<closing>")),
    ("scene", r"(?:behind a vehicle: )?\[t=<t>\] a speed bump jolts the camera", ("bump at", "<t>")),
    ("scene", r"\[t=<t>\] (?P<free>the road ahead is free, )?ego <n> m/s", ("speed at", "<t>", "<n>"),
     ("free", "<t>", "<free>")),
    ("other", "at t=<t>: <risk> risk(?:; the ego driver <response>)?", ("risk", "<t>", "<risk>"),
     ("response", "<response>")),
    ("scene", "(?:behind a vehicle: )?low risk(?:; the ego driver <response>)?", ("low risk",),
     ("response", "<response>")),
    ("other", "the ego driver <response>", ("response", "<response>")),
    ("scene", "behind a vehicle: a vehicle is ahead", ("lead",)),
    ("event", "a road user is near", ("someone",)),
    ("event", "no road user to watch", ("nobody",)),
    ("event", "contact: Collision", ("contact", True), ("class", "collision")),
    ("event", "no contact, but barely: Near-Collision", ("contact", False), ("class", "near-collision")),
    ("event", "(?:behind a vehicle: )?no contact, with room to spare: Normal", ("contact", False), ("room",),
     ("class", "normal")),
    ("event", "(?:behind a vehicle: )?normal", ("class", "normal")),
    # Of reasons for an intention.
    ("event", r"\[t=<t>\] it <begins>", ("begins", "<begins>", "<t>")),
    ("event", r"\[t=<t>\] the ego driver <response>", ("responds at", "<t>"), ("response", "<response>")),
    ("scene", r"(?:behind a vehicle: )?\[t=<t>\] the ego driver brakes for nothing", ("brakes for nothing", "<t>")),
    ("scene", r"\[t=<t>\] the road ahead is free", ("free", "<t>")),
)  # fmt: skip

W = "the road user to watch"
FOR_WHOM = {f"a {kind}": (("is kind", kind, True), ("responds",)) for kind in ("pedestrian", "cyclist")}
INTENTIONS = (
    (
        f"What does {W} want to do at first|What is {W} about to do at first",
        {
            "brake ahead": (("manner", "brakes"),),
            "cross our way": (("manner", "crosses"),),
            "move towards our lane": (("manner", "cuts in", "oncoming"),),
            "none to watch": (("nobody",),),
        },
    ),
    (
        "How does the ego driver want to stay clear of all other road users"
        "|What does the ego driver do to stay clear of all other road users",
        {
            "slow down in our lane": (("responds",), ("steers", False)),
            "steer away": (("steers", True),),
            "get by faster": (("gets by faster",),),
            "do nothing": (("no answer",),),
        },
    ),
    (
        "For whom does the ego driver slow down or steer away|To whom does the ego driver respond",
        {
            "a vehicle": (("is kind", "pedestrian", False), ("is kind", "cyclist", False), ("responds",)),
            **FOR_WHOM,
            "no one": (("no answer",),),
        },
    ),
    (
        f"Why does the ego driver slow down or steer away for {W}|What makes the ego driver respond to {W}",
        {
            "one is ahead in our lane": (("manner", "brakes"), ("responds",)),
            "one comes from the side": (("manner", "crosses", "cuts in"), ("responds",)),
            "one comes towards us": (("manner", "oncoming"), ("responds",)),
            "the ego driver does not": (("no answer",),),
        },
    ),
)
UNKNOWABLE = (
    "the driver's age|the name of the road|the price of the ego vehicle|on the driver's radio|the purpose of the trip"
    "|the load in the ego vehicle's boot|the number of passengers"
)
IF_IT_LOST = "If the ego vehicle lost 6 m/s each second from t=<t> on,"
NOT_BRAKED = f"Had the ego driver not braked for it, would {W}"
NO_BRAKING = {"the driver does not brake for it.": ("no braking",)}
NOBODY = {r"there is none to watch\.": ("nobody",), r"it cannot be told\.": ("not told",)}
NO_EVENT = {r"there is no such event\.?": ("event", False)}
QUESTIONS = (
    *(("scene", f"Does the video show (?:an? )?<{x}>", {"<yes>": ("is", x, f"<{x}>", "<yes>")}) for x in LOOKS),
    ("scene", "Which of these does the video not show", {f"<{x}>": ("is", x, f"<{x}>", False) for x in LOOKS}),
    ("scene", "What are the conditions|What light, weather and road does the video show",
     {r"(?:<light>)?(?:, )?(?:<weather>)?(?:, )?(?:<scene>)?\.":
      tuple(("is", x, f"<{x}>", True) for x in LOOKS)}),
    ("scene", f"What is (?:{UNKNOWABLE})", {"cannot be told": ("true",)}),
    ("scene", "How many lanes lead in our direction", {"<n>": ("lanes", "<n>")}),
    ("scene", "Which lane is the ego vehicle in", {r"<lane>\.": ("lane", "<lane>")}),
    ("scene", "How fast is the ego vehicle at t=<t>", {"<n> m/s": ("speed at", "<t>", "<n>")}),
    ("scene", "Does the ego vehicle get faster or slower from t=<a> to t=<b>",
     {"<trend>": ("trend", "<a>", "<b>", "<trend>")}),
    ("other", f"How far is {W} at t=<t>",
     {"<distance>": ("gap", "<t>", "<distance>"), "none to watch": ("out of sight", "<t>")}),
    ("other", f"Is {W} nearer than <n> m at t=<t>", {"<yes>": ("nearer", "<t>", "<n>", "<yes>")}),
    ("other", f"How fast does the gap to {W} change at t=<t>",
     {"closing <n> m/s": ("closing", "<t>", "<n>"), "opening <n> m/s": ("opening", "<t>", "<n>"),
      "steady": ("closing", "<t>", 0), "none to watch": ("out of sight", "<t>")}),
    ("other", f"Does the gap to {W} shrink from t=<a> to t=<b>", {"<yes>": ("gap trend", "<a>", "<b>", "<yes>")}),
    ("other", f"Does the gap to {W} grow from t=<a> to t=<b>", {"<no>": ("gap trend", "<a>", "<b>", "<no>")}),
    ("other", "If the gap kept changing as at t=<t>, when would it be gone", {"<gone>": ("gone", "<t>", "<gone>")}),
    ("scene", "How far ahead is the nearest vehicle in our lane at t=<t>",
     {"none is ahead": ("free", "<t>"), "<distance>": ("lead gap", "<t>", "<distance>")}),
    ("scene", f"{IF_IT_LOST} how far would it still roll", {"<distance>": ("rolls", "<t>", "<distance>")}),
    ("other", f"{IF_IT_LOST} would it roll less than the gap to {W} at t=<t>",
     {"<yes>": ("rolls within gap", "<t>", "<yes>")}),
    ("other", f"{IF_IT_LOST} would it roll more than the gap to {W} at t=<t>",
     {"<no>": ("rolls within gap", "<t>", "<no>")}),
    ("other", f"Is {W} a <kind>", {"<yes>": ("is kind", "<kind>", "<yes>")}),
    ("other", f"What colour is {W}", {"<color>": ("color", "<color>"), "none to watch": ("nobody",)}),
    ("other", f"Where does {W} come from", {r"(?:from(?= ahead) )?<origin>\.": ("origin", "<origin>"), **NOBODY}),
    ("other", f"What does the ego driver do about {W}",
     {r"the driver <response>\.": ("response", "<response>"), **NOBODY}),
    ("scene", "What jolts the camera, and when|Is there a jolt, and what causes it",
     {r"nothing\.": ("no jolt",),
      r"a speed bump at t=<t>(?: and a speed bump at t=<b>)?(?: and an impact at t=<a>)?\.":
      (("bump at", "<t>"), ("bump at", "<b>"), ("blow", "<a>")),
      r"an impact at t=<a>(?: and a speed bump at t=<t>)?\.": (("blow", "<a>"), ("bump at", "<t>"))}),
    ("scene", "Does a speed bump jolt the camera", {"<yes>": ("bump", "<yes>")}),
    ("scene", "Is the ride free of speed bumps", {"<no>": ("bump", "<no>")}),
    ("other", "Is there a <person> in the video", {"<yes>": ("is kind", "<person>", "<yes>")}),
    ("other", "Is the video without any <person>", {"<no>": ("is kind", "<person>", "<no>")}),
    ("event", f"When is {W} closest", {"t=<t>": ("closest at", "<t>"), **NOBODY}),
    ("event", f"How close does {W} come at most", {"<distance>": ("closest gap", "<distance>"), **NOBODY}),
    ("event", "Does the ego vehicle touch another road user", {"<yes>": ("contact", "<yes>")}),
    ("event", "Does the ego vehicle stay clear of all other road users", {"<no>": ("contact", "<no>")}),
    ("event", "When does the event happen|At what second is the event", {"t=<t>": ("event at", "<t>"), **NO_EVENT}),
    ("event", "What causes the event|Why does the event happen",
     {**{rf"{said}\.": ("cause", what, "<name>", "<by?>") for said, what in CAUSES.items()}, **NO_EVENT}),
    ("event", "How fast is the impact",
     {"<n> m/s": ("impact speed", "<n>"), r"there is no impact\.": ("contact", False)}),
    ("other", f"What comes first: the driver's response to {W}, or its closest moment",
     {r"the response\.": ("response first", True), r"the closest moment\.": ("response first", False),
      r"the driver does not respond\.": ("no response",), **NOBODY}),
    ("event", f"How does the meeting with {W} end",
     {r"with contact at t=<t>\.": ("contact at", "<t>"),
      r"without contact, <distance> apart at t=<t>\.":
      (("contact", False), ("closest gap", "<distance>"), ("closest at", "<t>")), **NOBODY}),
    ("other", f"{NOT_BRAKED} be reached in the video", {"<yes>": ("reached without braking", "<yes>"), **NO_BRAKING}),
    ("other", f"{NOT_BRAKED} stay out of reach", {"<no>": ("reached without braking", "<no>"), **NO_BRAKING}),
    ("event", "Does an event happen|Is there any event in the video", {"<yes>": ("event", "<yes>")}),
    ("event", "Is the video free of any event|Does the video pass without an event", {"<no>": ("event", "<no>")}),
    ("part", "In which half of the video is the event",
     {r"the first\.": ("part", 2, 0), r"the second\.": ("part", 2, 1), **NO_EVENT}),
    ("part", "In which third of the video is the event",
     {"first": ("part", 3, 0), "middle": ("part", 3, 1), "last": ("part", 3, 2), **NO_EVENT}),
    ("part", "Does the event happen before t=<t>", {"<yes>": ("before", "<t>", "<yes>"), **NO_EVENT}),
    ("part", "Does the event happen after t=<t>", {"<no>": ("before", "<t>", "<no>"), **NO_EVENT}),
    ("part", "Is the ego vehicle involved in the event", {"<yes>": ("ego", "<yes>"), **NO_EVENT}),
    ("part", "Is the event one of others only", {"<no>": ("ego", "<no>"), **NO_EVENT}),
)  # fmt: skip


def _row(about, sentence, *claims):
    seen = set()

    def place(match):
        name = match[1]
        again = name in seen  # as in "from t=2.0 on, ... at t=2.0": the same both times
        seen.add(name)
        return f"(?P={name})" if again else f"(?P<{name}>{PLACES[name][0]})"

    return about, re.compile(re.sub(r"(?<!\?P)<(\w+)>", place, sentence)), claims


PROSE_ROWS = [_row(*row) for row in (*SENTENCES, *truth_incident.SENTENCES)]
VQA_ROWS = [
    _row(about, rf"(?:{question})\? (?:{answer})", *(claims if isinstance(claims[0], tuple) else [claims]))
    for about, question, answers in (*QUESTIONS, *truth_understanding.QUESTIONS)
    for answer, claims in answers.items()
]
PIECES = [
    _row("scene", ", we are in <lane>", ("lane", "<lane>")),
    _row("scene", " with <n> lanes? (?:our way|in our direction)", ("lanes", "<n>")),
    _row("scene", r"(?<![\w-])<scene>(?![\w-])", ("is", "scene", "<scene>", True)),
    *(_row("scene", rf"(?<![\w-])<{x}>(?![\w-])", ("recorded", x, f"<{x}>")) for x in truth_incident.LISTED),
    *(_row("scene", rf"(?<![\w-])<{x}>(?![\w-])", ("is", x, f"<{x}>", True)) for x in ("light", "weather")),
]


def parse(kind: str, question: str, answer: str) -> list[Statement]:
    """What a sample says."""
    if kind in ("caption", "description"):
        sentences = re.findall(r"[^.]+(?:\.\d[^.]*)*\.(?=\s|$)", answer)
        if "".join(sentences).replace(" ", "") != answer.replace(" ", ""):
            raise UnknownSentence(answer)
        return [_surroundings(sentence.strip()) or _read(sentence.strip()) for sentence in sentences]
    if kind == "reasoning_vqa":
        return _reasons(question, answer)
    if kind == "reasoning":
        return _reasoning(question, answer)
    if kind == "verdict":
        return [Statement(answer, (("class", _classes(question)[answer]),), "event")]
    asked, *options = question.removesuffix("\nAnswer with the letter, and the option on the next line.").split("\n")
    if options:
        letter, _, answer = answer.partition("\n")
        if f"{letter}: {answer}" not in options:
            raise UnknownSentence(f"{question} {letter}: {answer}")
    return [_statement(VQA_ROWS, f"{question} {answer}", f"{asked} {_small(answer)}")]


def _small(text):
    return text[0].lower() + text[1:]


def _statement(rows, text, said):
    for about, sentence, claims in rows:
        match = sentence.fullmatch(said)
        if match:
            made = tuple(filled for claim in claims if (filled := _filled(claim, match)))
            if made:
                return Statement(text, made, about)
    raise UnknownSentence(text)


def _filled(claim, match):
    """The claim with what stands in its places; None if one is left open. Of ``<jolt>`` only that it is said counts."""
    filled = [claim[0]]
    for value in claim[1:]:
        place = re.fullmatch(r"<(\w+)(\??)>", value) if isinstance(value, str) else None
        words = match.groupdict().get(place[1]) if place else None
        if place and words is None and not place[2]:
            return None
        if place is None:
            filled.append(value)
        elif place[1] in PLACES:
            filled.append(None if words is None else PLACES[place[1]][1](words))
    return tuple(filled)


def _read(sentence, before=""):
    return _statement(PROSE_ROWS, sentence, before + _small(sentence[:-1]))


def _surroundings(sentence):
    """Light, weather, road and lane in any order and shape; None if the sentence is about something else."""
    said, claims = _small(sentence[:-1]), []
    for _, piece, (claim,) in PIECES:
        found = piece.search(said)
        if found:
            claims.append(_filled(claim, found))
            said = said[: found.start()] + said[found.end() :]
    if not claims or re.sub(r"\b(?:in|on|an?|and)\b|[,; ]", "", said):
        return None
    return Statement(sentence, tuple(claims))


def _classes(question):
    return {code: label.lower() for code, label in re.findall(r"^(\w): ([\w-]+) \(", question, re.MULTILINE)}


def _reasoning(question, answer):
    match = re.fullmatch(r"<think>\n(.+)\n</think>\n\n<answer>\n(\w)\n(?:t=(\d+\.\d)\n)?</answer>", answer, re.DOTALL)
    if match is None:
        raise UnknownSentence(answer)
    claims = [("class", _classes(question)[match[2]]), *([("event at", float(match[3]))] if match[3] else [])]
    return [Statement(f"answer {match[2]} {match[3]}", tuple(claims), "event"), *_thoughts(match[1].splitlines())]


def _reasons(question, answer):
    """The reasons, and the claims of the option whose letter they come to; the last reason repeats that option."""
    match = re.fullmatch(r"<think>\n(.+)\n(So: .+\.)\n</think>\n\n<answer>\n([A-D])\n</answer>", answer, re.DOTALL)
    asked, *options = re.split(r"\n[A-D]: |\nThink between ", question)[:5]
    rows = [answers for said, answers in INTENTIONS if re.fullmatch(said, asked.removesuffix("?"))]
    if match is None or len(rows) != 1 or set(options) != rows[0].keys():
        raise UnknownSentence(f"{question} {answer}")
    chosen = options["ABCD".index(match[3])]
    if match[2] != f"So: {chosen}.":
        raise UnknownSentence(f"{question} {answer}")
    return [Statement(f"{asked} {chosen}", rows[0][chosen], "other"), *_thoughts(match[1].splitlines())]


def _thoughts(lines):
    said, before = [], ""
    for line in lines:
        if line == "A vehicle is ahead.":
            before = "behind a vehicle: "
        gap = re.match(r"\[(t=\d+\.\d)\] gap .+, ", line)
        if gap:
            before = f"at {gap[1]}: "
        risk = re.match(r"\w+ risk", line)
        said.append(_surroundings(line) or _read(line, before if risk or before.startswith("behind") else ""))
    return said
