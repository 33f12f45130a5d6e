"""Every rule-made sentence about 500 simulated scenarios, read anew and held against what really moved."""

import random
from collections import Counter
from contextlib import suppress

import pytest

from tests.supervision.rules.truth_claims import holds, outcome_of
from tests.supervision.rules.truth_films import Film
from tests.supervision.rules.truth_sentences import INTENTIONS, Statement, UnknownSentence, parse
from tests.supervision.rules.truth_world import films_and_clips, windows_of_drives
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.supervision import TOPIC_NAMES, SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.rules.understanding.dimensions import DIMENSIONS
from vlm_autodrive.supervision.rules.understanding.event_question import EVENT_DIMENSION

EVERYTHING = SuperviseSettings(vqa_per_clip=200, understanding_per_clip=7)
OUTCOMES = {"event", "contact", "class", "room", "nobody"}


ASKED = (
    "What is the road user to watch about to do at first?\nA: brake ahead\nB: cross our way\nC: move towards our lane\n"
    "D: none to watch\nThink between <think> and </think>."
)
REASONS = "<think>\n{line}\nSo: {option}.\n</think>\n\n<answer>\n{letter}\n</answer>"


@pytest.fixture(scope="module")
def said():
    """Every statement about every film."""
    statements = []
    for film, clip in films_and_clips(triplets=150, singles=60):
        for sample in samples_for_clip(clip, DEFAULT_TAXONOMY, EVERYTHING).samples:
            assert sample.accepted, (sample.sample_id, sample.target, sample.checks)
            read = parse(sample.type, sample.prompt.text, sample.target)
            statements += [(film, clip.clip_id, sample.type, sample.topic, statement) for statement in read]
    return statements


def false_claims(said) -> list:
    return [
        (clip_id, kind, topic, statement.text[-200:], claim)
        for film, clip_id, kind, topic, statement in said
        for claim in statement.claims
        if not holds(film, claim)
    ]


def test_no_sentence_about_500_scenarios_is_false(said):
    assert len({id(film) for film, *_ in said}) >= 500
    topics = {topic for _, _, kind, topic, _ in said if kind == "vqa"}
    assert topics == {*TOPIC_NAMES, *DIMENSIONS, EVENT_DIMENSION}
    print(
        f"{len(said)} statements, {sum(len(s.claims) for *_, s in said)} claims:", Counter(k for _, _, k, _, _ in said)
    )
    assert false_claims(said) == []


def test_of_the_options_of_each_question_on_goals_one_is_true_and_three_are_false():
    """Of every film, whichever form its clip is asked."""
    wrong = []
    for film, _ in films_and_clips(triplets=150, singles=60):
        for question, answers in INTENTIONS:
            true = [option for option, claims in answers.items() if all(holds(film, claim) for claim in claims)]
            if len(true) != 1:
                wrong.append((question, true))
    assert wrong == []


def test_no_sentence_about_a_window_beside_an_event_is_false():
    said = []
    for film, clip in windows_of_drives(2, apart_s=9.0):
        for sample in samples_for_clip(clip, DEFAULT_TAXONOMY, EVERYTHING).samples:
            said += [
                (film, clip.clip_id, sample.type, sample.topic, s)
                for s in parse(sample.type, sample.prompt.text, sample.target)
            ]
    assert any(film.meeting is not None and not film.decided for film, *_ in said)
    assert false_claims(said) == []


def another(film: Film, statement: Statement, films: list[Film], rng: random.Random) -> Film:
    """Another scenario, drawn at random.

    A statement that names the outcome and nothing else, such as "no event", is true of a third of all: it is drawn
    for among those of another outcome.
    """
    if {claim[0] for claim in statement.claims} <= OUTCOMES:
        if ("nobody",) in statement.claims:
            films = [other for other in films if other.meeting is not None]
        elif statement.claims == (("contact", False),):
            films = [other for other in films if other.meeting is not None and other.contact_s is not None]
        elif statement.claims == (("event", True),):
            films = [other for other in films if outcome_of(other) == "normal"]
        else:
            films = [other for other in films if outcome_of(other) != outcome_of(film)]
    return rng.choice([other for other in rng.sample(films, 4) if other.calm is None or other.calm is not film.calm])


def test_statements_about_an_event_are_false_of_another_scenario(said):
    """At least 95 % of those that say how a meeting ends, when, how fast or why; all others are counted apart."""
    films = list({id(film): film for film, *_ in said}.values())
    rng = random.Random(11)
    counts: Counter = Counter()
    failing: Counter = Counter()
    for film, _, kind, topic, statement in said:
        other = another(film, statement, films, rng)
        fails = not all(holds(other, claim) for claim in statement.claims)
        for key in (statement.about, f"{statement.about}, {kind} {topic if kind == 'vqa' else ''}"):
            counts[key] += 1
            failing[key] += fails
    for key in sorted(counts):
        print(f"{failing[key] / counts[key]:6.1%} of {counts[key]:5d} false of another scenario: {key}")
    assert counts["event"] > 5000
    assert failing["event"] / counts["event"] >= 0.95
    assert failing["other"] / counts["other"] > 0.6


@pytest.mark.parametrize(
    ("kind", "question", "answer"),
    [
        ("caption", "", "It rains cats and dogs."),
        ("caption", "", "Rain and a volcano. No event."),
        ("description", "", "At 2.0 s a red car ahead starts to fly."),
        ("description", "", "Cause: the driver slept."),
        ("vqa", "How fast is the moon?", "3 m/s"),
        ("vqa", "How fast is the ego vehicle at t=1.0?", "fast"),
        ("vqa", "What are the conditions?", "."),
        ("vqa", "Had the ego driver not braked for it, would the road user to watch stay out of reach?", "maybe"),
        ("vqa", "What is the weather?\nA: rain\nB: snow", "C\nclear"),
        ("vqa", "What is the weather?\nA: rain\nB: snow", "A\nsnow"),
        ("vqa", "Who is at fault in the event?\nA: the ego driver\nB: the mayor", "B\nthe mayor"),
        ("reasoning_vqa", ASKED, REASONS.format(line="It sings.", option="go home", letter="B")),
        ("reasoning_vqa", ASKED, REASONS.format(line="Rain.", option="none to watch", letter="A")),
        ("reasoning_vqa", ASKED, REASONS.format(line="It sings.", option="none to watch", letter="D")),
        ("reasoning_vqa", ASKED.replace("do at first", "eat"), REASONS.format(line="Rain.", option="x", letter="D")),
        ("reasoning", "A: Collision (x)", "<think>\nLooks bad.\n</think>\n\n<answer>\nA\n</answer>"),
    ],
)
def test_a_sentence_that_nobody_knows_is_an_error(kind, question, answer):
    with pytest.raises(UnknownSentence):
        parse(kind, question, answer)


def test_a_lie_is_found_out(said):
    """The test of the test: the same claims with another number, side or ending are false."""
    lies = 0
    for film, _, _, _, statement in said[::7]:
        for name, *values in statement.claims:
            if name in ("contact at", "responds at"):
                assert not holds(film, (name, values[0] + 0.7))
            elif name in ("contact", "event", "reached without braking", "bump"):
                assert not holds(film, (name, not values[0]))
            elif name == "origin":
                other = {"ahead": "from the left", "from the left": "from the right", "from the right": "ahead"}
                assert not holds(film, (name, other[values[0]]))
            elif name in ("impact speed", "lanes"):
                assert not holds(film, (name, values[0] + 2))
            elif name == "speed at":
                assert not holds(film, (name, values[0], values[1] + 2))
            elif name == "gap" and values[1][0].isdigit():
                assert not holds(film, (name, values[0], f"{int(values[1].split()[0]) + 8} m"))
            elif name == "cause" and values[2] is not None:
                if film.response_s is not None or values[2] > 0.4:
                    assert not holds(film, (name, *values[:2], max(values[2] - 0.6, 0.0)))
            else:
                continue
            lies += 1
    assert lies > 1000


SWAPS = {
    "from the left": "from the right",
    "from the right": "from the left",
    "starts to brake": "is about to cross",
    "steps off": "rides off",
    " car ": " van ",
    "in red": "in blue",
    "brakes hard": "does nothing",
    "too late for": "late and only just avoided",
    "too short to stop in": "so short that only hard braking avoided contact",
    "slows down from": "speeds up from",
    "Near-collision": "Collision",
    "There is no event": "It comes to a collision",
    "Twilight": "Darkness",
    "rain": "snow",
    "1 lane our": "2 lanes our",
}


def test_changed_words_are_found_out(said):
    """Likewise from the words on: a sentence that says another thing is false, or is none that the rules write."""
    found = Counter()
    for film, _, kind, _, statement in said:
        for words, others in SWAPS.items():
            if kind in ("caption", "description") and words in statement.text:
                with suppress(UnknownSentence):
                    (changed,) = parse(kind, "", statement.text.replace(words, others))
                    assert not all(holds(film, claim) for claim in changed.claims), changed
                    found[words] += 1
    assert found.keys() == SWAPS.keys()
