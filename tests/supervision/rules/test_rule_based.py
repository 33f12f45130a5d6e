"""Every number and every word in a rule-based sample is that of the record."""

import re
from collections import Counter

import pytest

from tests.supervision.worlds import plain_clip, random_clip, real_clip
from vlm_autodrive.engines import find_times
from vlm_autodrive.records import DEFAULT_TAXONOMY, Clip, SFTSample
from vlm_autodrive.supervision import SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.checks.prose import parse_target
from vlm_autodrive.supervision.rules.wording import closing, distance

CLASSES = ("collision", "near_collision", "normal")
WORLDS = [random_clip(number, name) for number in range(40) for name in CLASSES]
ALL = SuperviseSettings(vqa_per_clip=60)


def made(clip: Clip, settings: SuperviseSettings = ALL) -> dict[str, list[SFTSample]]:
    samples: dict[str, list[SFTSample]] = {}
    for sample in samples_for_clip(clip, DEFAULT_TAXONOMY, settings).samples:
        samples.setdefault(sample.topic, []).append(sample)
    return samples


def state_at(clip: Clip, time_s: float):
    return min(clip.scenario.states, key=lambda state: abs(state.time_s - time_s))


def asked_time(sample: SFTSample) -> float:
    return float(re.search(r"t=(\d+\.\d)", sample.prompt.text).group(1))


@pytest.mark.parametrize("clip", [*WORLDS, plain_clip(1, True), plain_clip(2, False)], ids=lambda clip: clip.clip_id)
def test_every_sample_of_a_true_world_is_accepted(clip):
    result = samples_for_clip(clip, DEFAULT_TAXONOMY, ALL)
    assert [(i.sample_id, i.target, i.checks) for i in result.samples if not i.accepted] == []
    assert result.missing == {}
    assert len({sample.sample_id for sample in result.samples}) == len(result.samples)


def test_numbers_in_answers_are_the_records():
    seen = Counter()
    for clip in WORLDS:
        encounter = clip.scenario.encounters[0]
        samples = made(clip)
        for sample in samples.get("gap", []):
            gap = state_at(clip, asked_time(sample)).gap_m
            assert sample.target == ("none to watch" if gap is None else distance(gap))
            seen["gap"] += 1
        for sample in samples.get("closing_speed", []):
            rate = state_at(clip, asked_time(sample)).closing_speed_mps
            assert sample.target == ("none to watch" if rate is None else closing(rate))
        for sample in samples.get("ego_speed", []):
            said = int(sample.target.removesuffix(" m/s"))
            assert abs(said - state_at(clip, asked_time(sample)).ego_speed_mps) <= 0.5
            seen["speed"] += 1
        for sample in samples.get("gap_check", []):
            threshold = float(re.search(r"nearer than (\d+) m", sample.prompt.text).group(1))
            assert (sample.target == "yes") == (state_at(clip, asked_time(sample)).gap_m < threshold)
            seen["gap_check"] += 1
        for sample in samples.get("gap_trend", []):
            first, second = (state_at(clip, float(t)).gap_m for t in re.findall(r"t=(\d+\.\d)", sample.prompt.text))
            assert (sample.target == "yes") == (("shrink" in sample.prompt.text) == (second < first))
            seen["gap_trend"] += 1
        assert samples["closest_time"][0].target == f"t={encounter.time_s:.1f}"
        assert samples["closest_gap"][0].target == distance(encounter.minimum_gap_m)
        assert samples["color"][0].target.splitlines()[1] == encounter.actor_color
        assert (samples["actor_check"][0].target == "yes") == samples["actor_check"][0].prompt.text.endswith(
            f" {encounter.actor}?"
        )
        assert samples["lanes"][0].target == str(clip.scenario.lanes)
    assert min(seen.values()) > 20


def test_multiple_choice_offers_the_truth_among_shuffled_options():
    places = Counter()
    for clip in WORLDS:
        for sample in (i for samples in made(clip).values() for i in samples if i.type == "vqa" and i.options):
            assert sample.target == f"{sample.answer}\n{sample.options['ABCD'.index(sample.answer)]}"
            assert 3 <= len(set(sample.options)) == len(sample.options) <= 4
            if len(sample.options) == 4:
                places[sample.answer] += 1
    assert len(places) == 4
    assert max(places.values()) < 0.3 * places.total()


def said_metres(words: str) -> tuple[float, float]:
    """What a rough distance such as ``under 5 m`` allows: within its step, and no coarser than need be."""
    steps = [0, 1, 2, 5, 10, 20]
    word, metres, _ = words.split()
    place = steps.index(int(metres))
    return (steps[place - 1], steps[place]) if word == "under" else (steps[place], float("inf"))


@pytest.mark.parametrize("clip", WORLDS, ids=lambda clip: clip.clip_id)
def test_reasoning_leads_from_what_was_seen_to_the_verdict(clip):
    encounter = clip.scenario.encounters[0]
    (sample,) = made(clip, SuperviseSettings(types=("reasoning",)))["reasoning"]
    parsed = parse_target(sample.target)
    assert parsed is not None
    assert DEFAULT_TAXONOMY.by_code(parsed.code).name == clip.event_class
    assert parsed.event_time_s == (round(clip.event_time_s, 1) if clip.event_time_s is not None else None)
    for time_s, gap in re.findall(r"\[t=(\d+\.\d)\] gap ([^,]+),", parsed.thoughts):
        near = [s for s in clip.scenario.states if abs(s.time_s - float(time_s)) <= 0.15 and s.gap_m is not None]
        least, greatest = said_metres(gap)
        assert any(least <= state.gap_m <= greatest for state in near)
    closest = f"[t={encounter.time_s:.1f}] closest: "
    assert closest in parsed.thoughts
    first_s, *others_s = [cited.time_s for cited in find_times(parsed.thoughts)]
    assert first_s == round(encounter.time_s, 1)  # said before the approach
    assert others_s == sorted(others_s)
    [(least, greatest)] = [said_metres(gap) for gap in re.findall(r"closest: (\w+ \d+ m)", parsed.thoughts)] or [(0, 0)]
    assert least <= encounter.minimum_gap_m <= greatest
    assert ("closest: contact" in parsed.thoughts) == (clip.event_class == "collision")
    assert ("no contact" in parsed.thoughts) == (clip.event_class != "collision")
    assert len(parsed.thoughts.splitlines()) <= 7
    assert len(sample.target.split()) <= 90


def test_description_is_in_order_of_time_and_names_the_outcome():
    for clip in WORLDS:
        (sample,) = made(clip, SuperviseSettings(types=("description",)))["description"]
        times = [float(t) for t in re.findall(r"At (\d+\.\d) s", sample.target)]
        assert times == sorted(times)
        assert f"{clip.scenario.encounters[0].time_s:.1f}" in sample.target
        assert "[t=" not in sample.target
        assert ("there is contact" in sample.target) == (clip.event_class == "collision")
        assert (clip.scenario.encounters[0].cause in sample.target) == (clip.event_class != "normal")


ALLOWED = set(re.findall(r"\w+", "in on the dark darkness rain rainy weather a suburban road suburbs and")) | set(
    re.findall(r"\w+", "it comes to event collision at s")
)


def test_caption_of_real_footage_says_what_the_metadata_holds_and_no_more():
    settings = SuperviseSettings(types=("caption",))
    said = Counter()
    for number in range(60):
        full = real_clip(number, "collision", 8.4, light_conditions="Dark", weather="Rain", scene="Sub-urban")
        target = made(full, settings)["caption"][0].target
        words = set(re.findall(r"[a-z-]+", target.lower()))
        assert words <= ALLOWED
        assert "collision" in words
        assert words & {"rain", "rainy"}
        assert words & {"dark", "darkness"}
        assert words & {"suburban", "suburbs"}
        assert re.findall(r"\d+\.?\d*", target) == ["8.4"]
        said[target] += 1
    assert len(said) > 30  # varied, though all of one event under one sky
    none = {made(real_clip(n, "normal", None), settings)["caption"][0].target for n in range(40)}
    assert none == {"No event.", "There is no event.", "No event happens.", "Event: none."}
    for number in range(10):
        odd = real_clip(number, "near_collision", None, weather="", scene="Other", light_conditions="NA")
        target = made(odd, settings)["caption"][0].target.lower()
        assert set(re.findall(r"[a-z-]+", target)) <= {"near-collision", "event", "it", "comes", "to", "a"}


def test_no_caption_depends_on_anything_but_seed_and_clip_and_captions_of_like_clips_differ():
    settings = SuperviseSettings(types=("caption",))
    targets = [made(clip, settings)["caption"][0].target for clip in WORLDS]
    assert targets == [made(clip, settings)["caption"][0].target for clip in WORLDS]
    shapes = Counter(re.sub(r"\d+(?:\.\d+)?", "0", target) for target in targets)
    assert shapes.most_common(1)[0][1] < 0.1 * len(targets)


def test_real_footage_with_metadata_is_asked_several_kinds_of_question():
    for number in range(40):
        event = real_clip(number, "collision", 6.1, light_conditions="Dark", weather="Rain", scene="Urban")
        clips = [
            event,
            event.model_copy(update={"event_class": "normal", "event_time_s": None, "clip_id": f"n{number}"}),
        ]
        for clip in clips:
            questions = [
                i for i in samples_for_clip(clip, DEFAULT_TAXONOMY, SuperviseSettings()).samples if i.type == "vqa"
            ]
            assert all(sample.accepted for sample in questions)
            assert len(questions) >= 8
            assert len({sample.topic for sample in questions}) >= 7


@pytest.mark.parametrize("name", CLASSES)
def test_with_the_default_settings_every_simulated_clip_gets_twelve_samples_and_more(name):
    clips = [random_clip(number, name) for number in range(60)]
    clips += [plain_clip(number, number % 2 == 0) for number in range(20)] if name == "normal" else []
    for clip in clips:
        samples = samples_for_clip(clip, DEFAULT_TAXONOMY, SuperviseSettings()).samples
        assert sum(sample.accepted and sample.type != "verdict" for sample in samples) >= 12, clip.clip_id


def test_real_footage_gets_no_invented_motion():
    settings = SuperviseSettings(vqa_per_clip=60)
    event = samples_for_clip(real_clip(1, "collision", 8.4, weather="Rain"), DEFAULT_TAXONOMY, settings)
    assert not any("m/s" in i.target or " m " in i.target or "gap" in i.target for i in event.samples)
    assert {i.type for i in event.samples} == {"verdict", "caption", "description", "vqa", "reasoning"}
    unknown = samples_for_clip(real_clip(2, "collision", None, weather="Rain"), DEFAULT_TAXONOMY, settings)
    assert "reasoning" not in {i.type for i in unknown.samples}
    assert "time" in unknown.missing["reasoning"]
    assert "event_time" not in {i.topic for i in unknown.samples}


def test_a_window_without_the_outcome_says_nothing_of_it():
    whole = random_clip(5, "collision")
    time_s = whole.scenario.encounters[0].time_s
    end = time_s - 0.4
    clip = whole.model_copy(
        update={
            "end_s": end,
            "event_class": "normal",
            "event_time_s": None,
            "alert_time_s": None,
            "clip_id": "early_cut",
        }
    )
    result = samples_for_clip(clip, DEFAULT_TAXONOMY, ALL)
    assert all(sample.accepted for sample in result.samples)
    cause = whole.scenario.encounters[0].cause
    assert not any(cause in sample.target or "closest: contact" in sample.target for sample in result.samples)
    assert "response" not in {sample.topic for sample in result.samples}


@pytest.mark.parametrize("kind", ["simulated", "real"])
def test_a_clip_cut_to_end_before_its_event_is_supervised_by_the_verdict_alone(kind):
    whole = random_clip(5, "collision") if kind == "simulated" else real_clip(5, "collision", 8.4)
    ends = whole.start_s + whole.event_time_s - 0.5
    clip = whole.model_copy(update={"end_s": ends, "clip_id": "ahead"})
    result = samples_for_clip(clip, DEFAULT_TAXONOMY, ALL)
    assert [(sample.type, sample.target, sample.accepted) for sample in result.samples] == [("verdict", "A", True)]
    assert set(result.missing) == set(ALL.types) - {"verdict"}
    assert all("after the end of the clip" in why for why in result.missing.values())


def test_items_depend_on_seed_and_clip_only():
    clips = [random_clip(number, "normal") for number in range(5)]
    alone = [samples_for_clip(clip, DEFAULT_TAXONOMY, SuperviseSettings()) for clip in clips]
    again = [samples_for_clip(clip, DEFAULT_TAXONOMY, SuperviseSettings()) for clip in reversed(clips)][::-1]
    assert alone == again
    other = [samples_for_clip(clip, DEFAULT_TAXONOMY, SuperviseSettings(seed=1)) for clip in clips]
    assert alone != other


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (0.0, "0 m"),
        (0.03, "under 1 m"),
        (0.99, "under 1 m"),
        (1.5, "2 m"),
        (19.4, "19 m"),
        (22.6, "25 m"),
        (41, "40 m"),
    ],
)
def test_distances_are_rounded_coarsely(gap, said):
    assert distance(gap) == said


@pytest.mark.parametrize(
    ("rate", "said"), [(4.6, "closing 5 m/s"), (0.4, "steady"), (-0.4, "steady"), (-1.6, "opening 2 m/s")]
)
def test_closing_speeds_are_whole(rate, said):
    assert closing(rate) == said


def test_of_two_encounters_the_one_of_the_event_is_spoken_of():
    """A calm meeting comes first, closer in no sense to the event; its states are no one else's."""
    event = random_clip(9, "collision", duration_s=8.0)
    hit = event.scenario.encounters[0].model_copy(update={"time_s": 6.5, "onset_s": 5.0, "actor_color": "black"})
    calm = hit.model_copy(
        update={
            "event_class": "normal", "time_s": 1.0, "onset_s": 0.2, "actor_color": "yellow",
            "impact_speed_mps": None, "minimum_gap_m": 4.0, "alert_time_s": None,
        }
    )  # fmt: skip
    scenario = event.scenario.model_copy(update={"encounters": (calm, hit)})
    clip = event.model_copy(update={"scenario": scenario, "event_time_s": 6.5, "alert_time_s": 6.0})
    result = samples_for_clip(clip, DEFAULT_TAXONOMY, ALL)
    assert all(sample.accepted for sample in result.samples)
    by_topic = made(clip)
    assert by_topic["color"][0].target.endswith("black")
    assert by_topic["closest_time"][0].target == "t=6.5"
    assert "yellow" not in by_topic["reasoning"][0].target
    middle = (calm.time_s + hit.time_s) / 2
    about_states = [i for topic in ("gap", "closing_speed", "gap_check") for i in by_topic.get(topic, [])]
    assert about_states
    assert all(asked_time(sample) >= middle for sample in about_states)
