"""All student prompts of a set are rendered and searched, by other means than the check for leaks."""

import re
from collections import Counter

import pytest

from tests.supervision.worlds import plain_clip
from vlm_autodrive.artifacts import read_clips, read_samples, write_clips, writing_artifact
from vlm_autodrive.models import reasoning_prompt, verdict_prompt
from vlm_autodrive.records import DEFAULT_TAXONOMY, PAPER_TAXONOMY, Clip, EventClass, Taxonomy
from vlm_autodrive.settings import Settings
from vlm_autodrive.simulation.ground_truth import scenario_of
from vlm_autodrive.simulation.triplets import draw_triplet
from vlm_autodrive.supervision import SuperviseSettings, supervise
from vlm_autodrive.supervision.checks.label_leakage import find_label_leak
from vlm_autodrive.supervision.student_prompts import UNDERSTANDING_PROMPTS

CLASS_WORDS = ("collision", "collide", "near-miss", "near miss", "crash", "accident", "normal", "negative", "positive")
LABELS = tuple(event_class.label for event_class in DEFAULT_TAXONOMY.classes)
FIXED = {verdict_prompt(DEFAULT_TAXONOMY).text, reasoning_prompt(DEFAULT_TAXONOMY).text}


def simulated_clips(triplets, duration_s=6.0):
    """The whole videos of simulated triplets, as clips."""
    for index in range(triplets):
        for take in draw_triplet(7, index, duration_s):
            name = f"video_{index:04d}_{take.event_class}"
            scenario = scenario_of(take, name, 7, f"triplet_{index}", duration_s)
            event = scenario.encounters[0] if take.event_class != "normal" else None
            yield Clip(
                clip_id=f"{name}-w0",
                video_id=name,
                path=f"/videos/{name}.mp4",
                start_s=0.0,
                end_s=duration_s,
                split="train",
                event_class=take.event_class,
                event_time_s=event and event.time_s,
                alert_time_s=event and event.alert_time_s,
                ego_involved=event and True,
                group_id=f"group_{index}",
                triplet_id=f"triplet_{index}",
                metadata={k: getattr(scenario, k) for k in ("light_conditions", "weather", "scene")},
                scenario=scenario,
            )


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Every clip of a supervision set, with the texts of all prompts that it is taught with."""
    folder = tmp_path_factory.mktemp("rendered")
    clips = list(simulated_clips(30))
    clips += [plain_clip(number, lead=bool(number % 2)) for number in range(500, 520)]
    with writing_artifact(folder / "clips", "clips", {}, Settings()) as partial:
        write_clips(partial, folder / "clips", DEFAULT_TAXONOMY, clips)
    out = supervise(folder / "clips", folder / "out", SuperviseSettings(vqa_per_clip=60))
    texts = {clip.clip_id: [] for clip in clips}
    for sample in read_samples(out):
        assert sample.accepted, sample  # of what is true, no check refuses anything
        texts[sample.clip_id].append(sample.prompt.text)
    return [(clip, texts[clip.clip_id]) for clip in read_clips(out)]


def test_every_clip_has_prompts_and_some_are_the_same_for_all(rendered):
    assert len(rendered) == 110
    for _, texts in rendered:
        assert len(texts) > 15
        assert set(texts) >= FIXED


def test_no_prompt_holds_a_name_of_its_clip(rendered):
    for clip, texts in rendered:
        secrets = [clip.clip_id, clip.video_id, clip.group_id, clip.triplet_id, clip.path.rsplit("/", 1)[1]]
        secrets.append(clip.video_id.split("_")[1])
        for text in texts:
            assert not [secret for secret in secrets if secret.lower() in text.lower()], (clip.clip_id, text)


def test_no_prompt_but_the_fixed_list_of_options_holds_a_class(rendered):
    for _, texts in rendered:
        for text in set(texts) - FIXED:
            if text.partition("\n")[0] in UNDERSTANDING_PROMPTS["event_and_why"]:
                assert Counter(re.findall(r"^[A-C]: ([\w-]+), since ", text, re.M)) == dict.fromkeys(LABELS, 1)
                continue
            assert not [word for word in CLASS_WORDS if word in text.lower()], text


def test_the_times_in_prompts_lie_no_nearer_to_the_event_than_to_that_of_another_clip(rendered):
    """A time that is drawn without the event meets it now and then; it must do so no more often than by chance."""
    with_event = [(clip, texts) for clip, texts in rendered if clip.event_time_s is not None]
    own = foreign = named = 0
    for place, (clip, texts) in enumerate(with_event):
        others = [other.event_time_s for other, _ in with_event[:place] + with_event[place + 1 :]]
        for text in texts:
            for number in re.findall(r"t=(\d+\.\d)", text):
                named += 1
                own += abs(float(number) - clip.event_time_s) < 0.1
                foreign += sum(abs(float(number) - other) < 0.1 for other in others) / len(others)
    assert named > 500
    assert own < 1.5 * foreign


def test_no_prompt_names_a_time_otherwise(rendered):
    for _, texts in rendered:
        for text in texts:
            rest = re.sub(r"\bt=\d+\.\d\b", "", text)
            assert not re.search(r"\d\.\d|\d ?s(?:ec|\b)|\bsecond \d|\d:\d", rest), text


def test_the_same_question_is_asked_of_every_class(rendered):
    """What depends on nothing but the table is asked of each class, so that no wording belongs to one of them."""
    by_class = {}
    drawn = {text for wordings in UNDERSTANDING_PROMPTS.values() for text in wordings}  # few of many for each clip
    for clip, texts in rendered:
        questions = {text.partition("\nA: ")[0] for text in set(texts) - FIXED} - drawn
        plain = {text for text in questions if not re.search(r"\d|Does the video show|a (?:car|van|truck)", text)}
        by_class.setdefault(clip.event_class, set()).update(plain)
    collision, near, normal = (by_class[name] for name in ("collision", "near_collision", "normal"))
    assert collision == near == normal


def test_the_fixed_question_of_a_taxonomy_is_no_leak_and_a_marked_option_is():
    clip = plain_clip(500, lead=True).model_copy(update={"video_id": "dashcam", "group_id": "driving"})
    own = Taxonomy(
        question="Does the truck brake harshly?",
        classes=(
            EventClass(name="brake", label="Brake", code="Y", definition="hard", option="it does brake harshly"),
            EventClass(name="calm", label="Calm", code="N", definition="not", is_event=False),
        ),
    )
    for taxonomy in (PAPER_TAXONOMY, own):
        for prompt in (verdict_prompt(taxonomy), reasoning_prompt(taxonomy)):
            assert find_label_leak(prompt, clip, taxonomy, ()) == ""
    prompt = verdict_prompt(PAPER_TAXONOMY)
    marked = prompt.model_copy(update={"text": prompt.text.replace("an accident", "an accident here")})
    assert "accident" in find_label_leak(marked, clip, PAPER_TAXONOMY, ())
