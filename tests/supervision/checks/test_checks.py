"""The checks catch what is planted."""

import pytest

from tests.supervision.worlds import random_clip, real_clip
from vlm_autodrive.models import reasoning_prompt, verdict_prompt
from vlm_autodrive.records import BINARY_TAXONOMY, DEFAULT_TAXONOMY, EventClass, StudentPrompt, Taxonomy
from vlm_autodrive.supervision import SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.checks.contact import (
    check_contact_matches_label,
    claims_contact,
    claims_near_miss,
    denies_contact,
)
from vlm_autodrive.supervision.checks.label_leakage import find_label_leak
from vlm_autodrive.supervision.checks.prose import check_format
from vlm_autodrive.supervision.facts import facts_of, stated_times

CLIP = random_clip(4, "collision").model_copy(update={"event_time_s": 3.27, "alert_time_s": 2.41, "start_s": 10.0})


def leak(text: str, clip=CLIP, times=(1.0, 2.0)):
    return find_label_leak(StudentPrompt(text=text, version="1"), clip, DEFAULT_TAXONOMY, times)


@pytest.mark.parametrize(
    "text",
    [
        f"What happens in {CLIP.clip_id}?",
        f"Look at {CLIP.path.rsplit('/', 1)[1]}.",
        f"Look at {CLIP.video_id.upper()}.",
        "This is of Triplet_4, is it?",
        "What happens at t=3.3?",
        "What happens at t=3.0?",
        "What happens at 3.3 s?",
        "What happens at 3.27 seconds?",
        "What happens at second 3.3?",
        "What happens after 13.27?",
        "The warning is due at 2.4 s, why?",
        "Why does the collision happen?",
        "Is this near-collision clear?",
        "Why is this Normal?",
        "What caused the crash?",
    ],
)
def test_planted_leaks_are_caught(text):
    assert leak(text)


@pytest.mark.parametrize(
    "text",
    [
        verdict_prompt(DEFAULT_TAXONOMY).text,
        reasoning_prompt(DEFAULT_TAXONOMY).text,
        "How far is the road user to watch at t=2.0?",
        "Is the road user to watch nearer than 3 m at t=1.0?",
        "When does the event happen?",
    ],
)
def test_honest_questions_pass(text):
    assert leak(text) == ""


def test_the_option_list_is_allowed_only_as_it_stands():
    text = verdict_prompt(DEFAULT_TAXONOMY).text.replace("A: Collision", "A: Collision, the right one")
    assert leak(text)


def test_every_prompt_made_is_free_of_leaks_by_construction():
    """Nothing was merely filtered: of many clips, no sample was rejected for a leak."""
    settings = SuperviseSettings(vqa_per_clip=60)
    for number in range(60):
        for sample in samples_for_clip(random_clip(number, "collision"), DEFAULT_TAXONOMY, settings).samples:
            assert all(check.passed for check in sample.checks if check.name == "leaks")


@pytest.mark.parametrize("true", ["collision", "near_collision", "normal"])
@pytest.mark.parametrize("false", ["collision", "near_collision", "normal"])
def test_a_swapped_label_is_caught(true, false):
    if true == false:
        return
    for number in range(10):
        clip = random_clip(number, true)
        encounter = clip.scenario.encounters[0]
        time_s = None if false == "normal" else encounter.time_s
        swapped = clip.model_copy(update={"event_class": false, "event_time_s": time_s})
        samples = samples_for_clip(swapped, DEFAULT_TAXONOMY, SuperviseSettings()).samples
        assert samples
        assert not any(sample.accepted for sample in samples)
        assert all(any(true in c.message for c in sample.checks if c.name == "label") for sample in samples)


def test_a_wrong_event_time_is_caught():
    clip = random_clip(2, "collision")
    moved = clip.model_copy(update={"event_time_s": clip.event_time_s - 0.7})
    assert not any(i.accepted for i in samples_for_clip(moved, DEFAULT_TAXONOMY, SuperviseSettings()).samples)


def spoilt(type_, clip, change):
    """One sample of a clip with its target changed, checked anew."""
    facts = facts_of(clip, DEFAULT_TAXONOMY)
    result = samples_for_clip(clip, DEFAULT_TAXONOMY, SuperviseSettings(vqa_per_clip=60))
    sample = next(i for i in result.samples if type_ in (i.type, i.topic))
    changed = sample.model_copy(update={"target": change(sample.target)})
    assert sample.accepted
    assert changed.target != sample.target
    return checked(changed, facts, stated_times(0, clip.clip_id, clip.duration_s))


@pytest.mark.parametrize(
    ("type_", "name", "failing", "change"),
    [
        ("verdict", "collision", "verdict", lambda t: "C"),
        ("caption", "normal", "contact", lambda t: t + " A collision happens."),
        ("caption", "normal", "contact", lambda t: t + " A van is narrowly missed."),
        ("description", "normal", "contact", lambda t: t + " The ego vehicle hits the car."),
        ("description", "near_collision", "contact", lambda t: t + " They crash."),
        ("description", "collision", "contact", lambda t: t + " There is no contact."),
        ("description", "collision", "times", lambda t: t + " At 55.0 s all is over."),
        ("description", "collision", "event_time", lambda t: t + " At 0.1 s a car hits us."),
        ("description", "near_collision", "event_time", lambda t: t + " The near miss is at 0.1 s."),
        ("reasoning", "collision", "verdict", lambda t: t.replace("\nA\n", "\nC\n")),
        ("reasoning", "near_collision", "verdict", lambda t: t.replace("\nB\n", "\nA\n")),
        ("reasoning", "collision", "verdict", lambda t: t.replace(": Collision", ": Normal")),
        ("reasoning", "normal", "verdict", lambda t: t.replace("\nC\n", "\nC\nt=1.0\n")),
        ("reasoning", "collision", "verdict", lambda t: t[: t.rindex("t=")] + "t=0.3\n</answer>"),
        ("reasoning", "collision", "verdict", lambda t: t[: t.rindex("t=")] + "</answer>"),
        ("reasoning", "normal", "times", lambda t: t.replace("[t=", "[t=9")),
        ("reasoning", "normal", "times", lambda t: t.replace("[t=", "[t=-")),
        ("event_time", "collision", "answer", lambda t: "There is no such event."),
        ("event_time", "normal", "answer", lambda t: "t=1.0"),
        ("event_time", "collision", "answer", lambda t: "t=0.2"),
        ("cause", "collision", "answer", lambda t: "There is no such event."),
        ("contact", "collision", "answer", lambda t: "yes" if t == "no" else "no"),
        ("contact", "near_collision", "answer", lambda t: "yes" if t == "no" else "no"),
    ],
)
def test_an_answer_that_contradicts_the_label_is_rejected(type_, name, failing, change):
    sample = spoilt(type_, random_clip(6, name), change)
    assert not sample.accepted
    assert [check.name for check in sample.checks if not check.passed] == failing.split()


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("<think>", "<think>\n<think>", 1),
        lambda t: t.replace("</think>", ""),
        lambda t: t + " So be it.",
        lambda t: "First. " + t,
        lambda t: t.replace("\nA\n", "\nThe answer is A\n"),
        lambda t: t.replace("\nA\n", "\nZ\n"),
        lambda t: t.replace("<answer>\n", "<answer>"),
        lambda t: t.replace("</think>\n\n", "</think>\n"),
    ],
)
def test_a_reasoning_out_of_format_is_rejected(change):
    sample = spoilt("reasoning", random_clip(6, "collision"), change)
    assert "format" in [check.name for check in sample.checks if not check.passed]


@pytest.mark.parametrize(
    ("name", "last", "right"),
    [
        ("collision", "Contact is seen. Verdict: Collision", True),
        ("collision", "The verdict is a near-collision.", False),
        ("collision", "Contact, so it is A.", True),
        ("collision", "It brakes in time, so the answer is (B).", False),
        ("collision", "What hits it is a van.", True),
        ("collision", "It bumps the van: normal", False),
        ("near_collision", "So the collision was avoided: Near Collision.", True),
        ("near_collision", "Conclusion: a Near-Collision", True),
        ("near_collision", "The label would be Normal", False),
        ("normal", "Conclusion: no collision.", True),
        ("normal", "The traffic stays normal, so there is no collision", True),
        ("normal", "Answer: Normal", True),
        ("normal", "Verdict: Near-Collision", False),
    ],
)
def test_the_thoughts_arrive_at_the_label(name, last, right):
    clip = random_clip(6, name)
    sample = spoilt("reasoning", clip, lambda t: t.replace("\n</think>", f"\n{last}\n</think>"))
    assert ("verdict" not in [check.name for check in sample.checks if not check.passed]) == right


def test_a_right_format_passes():
    clip = random_clip(6, "collision")
    sample = spoilt("reasoning", clip, lambda t: "<think>\nx\n</think>\n\n<answer>\nB\nt=2.0\n</answer>")
    assert check_format(sample, facts_of(clip, DEFAULT_TAXONOMY)) == ""


@pytest.mark.parametrize(
    ("text", "claims", "denies"),
    [
        ("There is contact at 6 m/s.", True, False),
        ("No contact.", False, True),
        ("Near-collision with a red car.", False, False),
        ("A near collision.", False, False),
        ("Collision at 2.6 s.", True, False),
        ("The car does not hit us.", False, True),
        ("It avoids a collision.", False, True),
        ("Contact is narrowly avoided.", False, True),
        ("It would hit us. It brakes.", False, False),
        ("It does not brake. It hits us.", True, False),
        ("Not fast, but it strikes the van.", True, False),
        ("The driver reacts in time.", False, False),
        ("The driver hits the brakes hard.", False, False),
        ("The car hits a pothole and the rain hits the windscreen.", False, False),
        ("The driver hits the brakes. Then the car hits a pole.", True, False),
        ("The car slides into the crash barrier's shadow.", False, False),
        ("The two make eye contact.", False, False),
        ("A striking red van passes.", False, False),
        ("The truck rear-ends the van.", True, False),
        ("The rear end of the truck comes near.", False, False),
        ("A cyclist is knocked down.", True, False),
        ("The van fails to avoid the collision.", True, False),
        ("Unable to stop, it bumps into the kerb.", True, False),
        ("A collision is imminent.", False, False),
        ("If nobody brakes they will crash.", False, False),
        ("There is no contact yet.", False, False),
        ("There is no sign of any contact.", False, True),
        ("The two vehicles never touch.", False, True),
        ("The headlights have no impact on the view.", False, False),
        ("The driver brakes to avoid a collision.", False, False),  # which may yet be in vain
        ("The driver swerves in an attempt to avoid the collision.", False, False),
        ("The driver is unable to avoid the impact.", True, False),
        ("The driver has too little room to avoid the collision.", False, False),
        ("The van brakes, thereby avoiding a collision.", False, True),
        ("The driver manages to avoid an accident.", False, True),
        ("Quick steering allows the ego vehicle to avoid contact.", False, True),
        ("No direct collision occurs.", False, True),
    ],
)
def test_contact_is_read_with_its_negation(text, claims, denies):
    assert (claims_contact(text), denies_contact(text)) == (claims, denies)


@pytest.mark.parametrize("label", ["collision", "near_collision"])
def test_the_event_of_a_label_is_not_denied(label):
    facts = facts_of(random_clip(4, label), DEFAULT_TAXONOMY)
    (sample,) = samples_for_clip(facts.clip, DEFAULT_TAXONOMY, SuperviseSettings(types=("description",))).samples
    assert check_contact_matches_label(sample, facts) == ""
    for denial in ("No event.", "Nothing happens.", "The drive is uneventful."):
        denying = sample.model_copy(update={"target": f"{sample.target} {denial}"})
        assert "denies the event" in check_contact_matches_label(denying, facts)


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("A near miss with a cyclist.", True),
        ("It is a near-collision.", True),
        ("The van narrowly avoids us.", True),
        ("We barely miss the truck.", True),
        ("There is no near miss.", False),
        ("This was not a near-collision.", False),
        ("No road user is touched or barely missed.", False),
        ("The near lane is free.", False),
        ("We nearly reach the crossing.", False),
    ],
)
def test_a_near_miss_is_read_with_its_negation(text, claims):
    assert claims_near_miss(text) == claims


def test_real_footage_is_checked_by_its_label():
    clip = real_clip(3, "normal", None, weather="Rain")
    facts = facts_of(clip, DEFAULT_TAXONOMY)
    (caption,) = samples_for_clip(clip, DEFAULT_TAXONOMY, SuperviseSettings(types=("caption",))).samples
    assert caption.accepted
    assert check_contact_matches_label(caption.model_copy(update={"target": "Rain. A car crashes."}), facts)


@pytest.mark.parametrize(
    ("name", "text", "right"),
    [
        ("smash", "A car crashes.", True),
        ("smash", "No contact.", False),
        ("scare", "A car crashes.", False),
        ("scare", "No contact.", True),
        ("oddity", "A car crashes.", True),
        ("oddity", "No contact.", True),
        ("calm", "A car crashes.", False),
    ],
)
def test_classes_of_ones_own_say_themselves_whether_there_is_contact(name, text, right):
    def of(name, code, **more):
        return EventClass(name=name, label=name.title(), code=code, definition=f"{name} things", **more)

    own = Taxonomy(
        classes=(
            of("smash", "A", contact=True),
            of("scare", "B", contact=False),
            of("oddity", "C"),
            of("calm", "D", is_event=False),
        )
    )
    clip = real_clip(3, name, None if name == "calm" else 4.0, weather="Rain")
    (caption,) = samples_for_clip(clip, own, SuperviseSettings(types=("caption",))).samples
    judged = check_contact_matches_label(caption.model_copy(update={"target": text}), facts_of(clip, own))
    assert (not judged) == right


def test_a_simulated_clip_may_bear_a_class_that_the_simulation_does_not_know():
    clip = random_clip(4, "collision").model_copy(update={"event_class": "event"})
    for sample in samples_for_clip(clip, BINARY_TAXONOMY, SuperviseSettings(vqa_per_clip=40)).samples:
        assert sample.accepted, sample
