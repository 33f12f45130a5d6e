"""Each check of a text has a table of what it must let pass and what it must refuse, as models really write."""

import pytest

from tests.supervision.worlds import plain_clip, random_clip, real_clip, recorded
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome, StudentPrompt
from vlm_autodrive.supervision import SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.checks import CHECKS, checked
from vlm_autodrive.supervision.checks.label_leakage import SAME_RATE_TOPICS, presupposes_event
from vlm_autodrive.supervision.facts import LIGHTS, SCENES, WEATHERS, facts_of, stated_times
from vlm_autodrive.supervision.samples import make_sample
from vlm_autodrive.supervision.student_prompts import PROMPTS

MODEL = "some-model"


def clip_with(light="Normal", weather="Clear", scene="Urban", actor="car", name="collision", event_s=3.0):
    clip = random_clip(3, name)
    encounter = clip.scenario.encounters[0].model_copy(update={"actor": actor, "time_s": event_s})
    look = {"light_conditions": light, "weather": weather, "scene": scene}
    scenario = clip.scenario.model_copy(update={**look, "incident": recorded(**look), "encounters": (encounter,)})
    is_event = name != "normal"
    times = {"event_time_s": event_s if is_event else None, "alert_time_s": event_s - 0.8 if is_event else None}
    return clip.model_copy(update={"scenario": scenario, "metadata": look, **times})


def failed(
    clip, type_, target, question="Describe what happens.", topic=None, teacher_inputs=("label", "frames"), **more
):
    """Names of the checks that a model's text about a clip does not pass, with their messages."""
    facts = facts_of(clip, DEFAULT_TAXONOMY)
    prompt = StudentPrompt(text=question, version="1")
    sample = make_sample(facts, type_, topic or type_, prompt, target, teacher=MODEL, **more)
    sample = sample.model_copy(update={"teacher_inputs": teacher_inputs})
    sample = checked(sample, facts, stated_times(0, clip.clip_id, clip.duration_s))
    return {check.name: check.message for check in sample.checks if not check.passed}


METADATA = [  # what is so, what the text says, whether it may
    ({"weather": "Clear"}, "Rain is falling on the road ahead of the ego vehicle.", False),
    ({"weather": "Clear"}, "It is drizzling as the van pulls out.", False),
    ({"weather": "Clear"}, "The wipers clear raindrops from the windscreen.", False),
    ({"weather": "Clear"}, "Rainy conditions make the surface reflect the lights.", False),
    ({"weather": "Clear"}, "The road is snow-covered and the traffic slow.", False),
    ({"weather": "Clear"}, "Snow lies along the kerb.", False),
    ({"weather": "Clear"}, "The wet road reflects the brake lights of the van.", False),
    ({"weather": "Clear"}, "A foggy scene with little traffic.", False),
    ({"weather": "Clear"}, "The sky is overcast over the buildings.", False),
    ({"weather": "Clear"}, "There is no rain and the road is dry.", True),
    ({"weather": "Clear"}, "Under a clear sky, without any sign of rain or snow, traffic flows.", True),
    ({"weather": "Clear"}, "It is not raining.", True),
    ({"weather": "Clear"}, "It isn't raining, and visibility is good.", True),
    ({"weather": "Clear"}, "Rain is absent.", True),
    ({"weather": "Clear"}, "No rain, snow or fog limits the view.", True),
    ({"weather": "Clear"}, "The sky is not overcast, but it is raining.", False),
    ({"weather": "Clear"}, "A van with a rainbow sticker waits beside a train station's snow-white wall.", True),
    ({"weather": "Clear"}, "The driver of the van brakes and its fog lights flash.", True),
    ({"weather": "Clear"}, "A car on snow tyres turns at the traffic light.", True),
    ({"weather": "Clear"}, "Terrain rises towards a brainstorming billboard.", True),
    ({"weather": "Rain"}, "Steady rain falls and the wet road shines.", True),
    ({"weather": "Rain"}, "The sky is overcast.", True),
    ({"weather": "Rain"}, "Sunny weather and a dry road.", False),
    ({"weather": "Rain"}, "Clear skies over the street.", False),
    ({"weather": "Rain"}, "The view of the junction is clear and the way ahead is clear of traffic.", True),
    ({"weather": "Rain"}, "It snows lightly.", False),
    ({"weather": "Snow"}, "Snow falls and the road is snow-covered.", True),
    ({"weather": "Snow"}, "It is raining.", False),
    ({"weather": "Snow"}, "A dry road under a clear sky.", False),
    ({"weather": "Cloudy"}, "A cloudy afternoon with dry roads.", True),
    ({"weather": "Cloudy"}, "A cloudless sky.", False),
    ({"weather": "Cloudy"}, "Raindrops gather.", False),
    ({"light": "Bright"}, "At night, a car follows the van.", False),
    ({"light": "Bright"}, "The scene is in darkness but for the street lamps.", False),
    ({"light": "Bright"}, "The nighttime road is empty.", False),
    ({"light": "Bright"}, "A dark road with one lamp.", False),
    ({"light": "Normal"}, "At dusk the lamps come on.", False),
    ({"light": "Normal"}, "In broad daylight a van turns.", True),
    ({"light": "Normal"}, "A dark blue car in the shadow brakes, and its brake lights glow.", True),
    ({"light": "Normal"}, "The traffic light turns red; the light traffic stops.", True),
    ({"light": "Normal"}, "It is not night yet.", True),
    ({"light": "Dark"}, "A sunny street with light traffic.", False),
    ({"light": "Dark"}, "In daylight the van turns.", False),
    ({"light": "Dark"}, "At night the street lamps are lit; daytime running lights glow on the van.", True),
    ({"light": "Dark"}, "The sun is about to come up at dawn.", False),
    ({"light": "Twilight"}, "At dusk the van turns.", True),
    ({"light": "Twilight"}, "At noon the van turns.", False),
    ({"scene": "Urban"}, "On a motorway with three lanes the van moves over.", False),
    ({"scene": "Urban"}, "A rural road between fields.", False),
    ({"scene": "Urban"}, "A suburban street with hedges.", False),
    ({"scene": "Urban"}, "A city street with shops.", True),
    ({"scene": "Urban"}, "This is no highway.", True),
    ({"scene": "Highway"}, "A downtown street.", False),
    ({"scene": "Highway"}, "A freeway with two lanes our way.", True),
    ({"scene": "Sub-urban"}, "A sub-urban, residential road.", True),
    ({"scene": "Sub-urban"}, "An urban road.", False),
    ({"scene": "Rural"}, "A two-lane highway through the countryside.", True),
    ({"scene": "Rural"}, "A residential area in the inner city.", False),
    ({"actor": "car"}, "A pedestrian steps out between parked cars.", False),
    ({"actor": "car"}, "Two cyclists ride along the kerb.", False),
    ({"actor": "car"}, "A motorcyclist overtakes.", False),
    ({"actor": "car"}, "A bus stands at the roadside.", False),
    ({"actor": "car"}, "A person walks across.", False),
    ({"actor": "car"}, "A truck follows the car past a pedestrian crossing, a bus stop and the bike lane.", True),
    ({"actor": "car"}, "No pedestrians are in view.", True),
    ({"actor": "car"}, "There are neither cyclists nor pedestrians.", True),
    ({"actor": "pedestrian"}, "A pedestrian in red steps out; a van stands at the kerb.", True),
    ({"actor": "pedestrian"}, "A cyclist steps out.", False),
    ({"actor": "cyclist"}, "A man on a bicycle crosses.", True),
]  # fmt: skip


@pytest.mark.parametrize(("so", "text", "right"), METADATA)
def test_no_word_against_the_metadata(so, text, right):
    assert ("metadata" not in failed(clip_with(**so), "description", text)) == right


@pytest.mark.parametrize(
    ("so", "question", "answer", "right"),
    [
        ({"weather": "Clear"}, "Is it raining at any point?", "yes", False),
        ({"weather": "Clear"}, "Is it raining at any point?", "no", True),
        ({"weather": "Rain"}, "Is it raining at any point?", "no", False),
        ({"weather": "Rain"}, "Is it raining at any point?", "Yes, steadily.", True),
        ({"weather": "Rain"}, "Is it raining or snowing?", "no", True),  # not told which of the two is denied
        ({"weather": "Clear"}, "What is the weather? Choose: rain, snow, clear weather.", "rain", False),
        ({"weather": "Clear"}, "What is the weather? Choose: rain, snow, clear weather.", "clear weather", True),
        ({"weather": "Clear"}, "Which of these is not seen? Choose: rain, a car.", "rain", True),
        ({"light": "Dark"}, "Does the van drive at night?", "no", False),
        ({"actor": "car"}, "Is there a cyclist?", "yes", False),
        ({"actor": "car"}, "Is there a cyclist?", "no", True),
    ],
)
def test_no_answer_against_the_metadata(so, question, answer, right):
    result = failed(clip_with(**so), "vqa", answer, question, topic="teacher_presence")
    assert ("metadata" not in result) == right


def test_what_the_metadata_does_not_hold_is_not_judged():
    text = "At night a pedestrian steps out in the rain on a motorway at 9.0 s."
    assert failed(real_clip(1, "collision", 9.0), "description", text) == {}
    names = failed(real_clip(1, "collision", 9.0, weather="Clear"), "description", text)
    assert set(names) == {"metadata"}
    assert "'rain'" in names["metadata"]


def test_every_word_of_the_metadata_passes_for_itself_and_no_other_of_its_kind():
    looks = {"light": ("Bright", "Normal", "Twilight", "Dark"), "weather": ("Clear", "Cloudy", "Rain", "Snow")}
    looks["scene"] = ("Urban", "Sub-urban", "Highway", "Rural")
    for name, words in (("light", LIGHTS), ("weather", WEATHERS), ("scene", SCENES)):
        for look, word in zip(looks[name], words, strict=True):
            assert failed(clip_with(**{name: look}), "description", f"The video shows this: {word}.") == {}
    assert "metadata" in failed(clip_with(light="Dark"), "description", f"The video shows {LIGHTS[0]}.")


TIMES = [  # for a collision at 3.0 s in a clip of 4.8 s: what the text says, and the check that refuses it
    ("At 1.2 s a van comes from the left.", ""),
    ("At 5.6 s a van comes from the left.", "times"),
    ("At 12 seconds a van comes from the left.", "times"),
    ("[t=7.5] the gap shrinks", "times"),
    ("[t = 7.5 s] the gap shrinks", "times"),
    ("The gap shrinks at second 9.", "times"),
    ("At 0:07 the gap shrinks.", "times"),
    ("At t=-0.5 the gap shrinks.", "times"),
    ("At 1.0 s the gap would be gone in 12 s.", ""),
    ("A headway of 10 s or more, then over 6 seconds of margin.", ""),
    ("The van drives at 15 m/s, 20 m ahead.", ""),
    ("The van drives 60 s ahead.", ""),
    ("There is contact at 3.0 s.", ""),
    ("At about 3.2 seconds the van hits us.", ""),
    ("At 1.0 s the van brakes, and at 3.1 s we hit it.", ""),
    ("There is contact at 1.0 s.", "event_time"),
    ("At 1.0 s the van hits the ego vehicle, and at 3.0 s all stand still.", "event_time"),
    ("The collision at 4.5 s is hard.", "event_time"),
    ("The event is at 1.2 s.", "event_time"),
    ("At 2.0 s, just before the collision, the driver brakes.", ""),
    ("Before the impact, at 2.0 s, the driver brakes.", ""),
    ("At 1.0 s a collision becomes likely.", ""),
    ("At 1.0 s the driver hits the brakes.", ""),
    ("At 1.0 s there is no contact yet.", ""),
    ("A man in his 30s and a woman in her mid-20s stand by.", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "refused_by"), TIMES)
def test_cited_times_lie_in_the_clip_and_beside_the_event(text, refused_by):
    result = failed(clip_with(event_s=3.0), "description", f"{text} The road is wide.")
    assert set(result) - {"label"} == set(refused_by.split())


def test_a_time_beside_a_near_miss_lies_near_it():
    clip = clip_with(event_s=3.0, name="near_collision")
    assert "event_time" in failed(clip, "description", "At 0.8 s we narrowly avoid the van.")
    assert "event_time" not in failed(clip, "description", "At 2.9 s we narrowly avoid the van.")


OUTCOMES = [  # what a model that was not told the label writes, and whether it may
    ("A van pulls out and the ego driver brakes hard at 2.0 s.", True),
    ("The driver hits the brakes and the car stops.", True),  # to hit the brakes is no outcome
    ("The car hits a speed bump, the camera shakes.", True),
    ("Rain hits the windscreen.", True),
    ("A strikingly red van stands behind a crash barrier.", True),
    ("The van comes close to the ego vehicle.", True),
    ("Street lamps have little impact on visibility.", True),
    ("A collision with a van.", False),
    ("The van collides with the ego vehicle.", False),
    ("The ego vehicle crashes.", False),
    ("There is no collision.", False),  # that it ends well is an outcome too
    ("The ego driver avoids a crash.", False),
    ("A near miss with a cyclist.", False),
    ("A near-collision.", False),
    ("The car hits the van from behind.", False),
    ("The van strikes the kerb.", False),
    ("The cyclist is struck.", False),
    ("The ego vehicle rear-ends the van.", False),
    ("The truck makes contact with the car.", False),
    ("The two vehicles touch.", False),
    ("An accident happens.", False),
    ("The van is narrowly missed.", False),
    ("The ego vehicle almost hits the van.", False),
    ("A pedestrian is run over.", False),
    ("It was a close call.", False),
    ("The cyclist is thrown onto the road.", False),
    ("The impact throws the camera.", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "right"), OUTCOMES)
@pytest.mark.parametrize("type_", ["description", "caption"])
def test_who_was_not_told_the_label_names_no_outcome(type_, text, right):
    clip = real_clip(2, "collision", 2.0)
    assert ("outcome_words" not in failed(clip, type_, text, teacher_inputs=("metadata", "frames"))) == right
    assert "outcome_words" not in failed(clip, type_, text, teacher_inputs=("label", "metadata", "frames"))


PRESUPPOSING = [
    ("Why did the car crash?", True),
    ("What caused the event?", True),
    ("What causes the collision between the two cars?", True),
    ("How could the accident have been avoided?", True),
    ("How could this have been prevented?", True),
    ("When does the impact occur?", True),
    ("When does contact occur?", True),
    ("Who hits the van?", True),
    ("What does the truck hit?", True),
    ("Where does the van strike the car?", True),
    ("Which driver is at fault?", True),
    ("Which part of the van is damaged?", True),
    ("What happens after the collision?", True),
    ("What led to the near-miss?", True),
    ("What does the driver do to avoid the cyclist?", True),
    ("How severe is this crash?", True),
    ("Is the ego vehicle involved in the incident?", True),
    ("Why is there an accident?", True),
    ("What colour is the van ahead?", False),
    ("Why does the van slow down?", False),
    ("When does the driver hit the brakes?", False),
    ("What does the ego driver do when the light turns red?", False),
    ("Does anything touch the ego vehicle?", False),
    ("How close does the van come?", False),
    ("How many lanes are there?", False),
    ("What happens first: does the van turn or does the truck stop?", False),
    ("Which vehicle is nearest?", False),
    ("At what second does the van begin to turn?", False),
    ("Where is the crash barrier?", False),
    ("If nobody braked, when would the van touch us?", False),
]  # fmt: skip


@pytest.mark.parametrize(("question", "presupposes"), PRESUPPOSING)
def test_questions_that_presuppose_an_event_are_known(question, presupposes):
    assert presupposes_event(question) == presupposes
    clip = real_clip(2, "normal", None)
    assert ("presupposing" in failed(clip, "vqa", "cannot be told", question, topic="teacher_reason")) == presupposes


def test_the_table_asks_what_presupposes_an_event_of_all_classes_alike():
    alike = {topic for topic, wordings in PROMPTS.items() if any(map(presupposes_event, wordings))}
    wordings_elsewhere = {"no_contact": "contact", "no_event_check": "event_check", "event_after": "event_before"}
    wordings_elsewhere |= {"others_only": "ego_involved", "not_braking_clear": "not_braking"}
    assert {wordings_elsewhere.get(topic, topic) for topic in alike} <= SAME_RATE_TOPICS
    assert {"event_time", "cause", "impact_speed"} <= alike


@pytest.mark.parametrize(
    "question",
    ["Does the van collide with us?", "Is this a near miss?", "Does the ego vehicle hit the car?", "Do the two touch?"],
)
def test_a_models_question_names_no_outcome(question):
    for name, time_s in (("collision", 2.0), ("normal", None)):
        assert "outcome_words" in failed(real_clip(2, name, time_s), "vqa", "no", question, topic="teacher_presence")


@pytest.mark.parametrize(
    "question",
    [
        "What is the van doing at 2.0 s?",  # the event's time
        "What is the van doing at 2.3 seconds?",  # not drawn for the clip
        "What stands at the kerb at t=2.15?",
        "What does the truck do in the third second?",
        "What happens within two seconds?",
        "What is seen at 0:02?",
        "Is this a Near Collision?",
        "Is the traffic Normal?",
        "What happens in real_00002?",
        "What does 00002.mp4 show?",
    ],
)
def test_a_models_question_tells_nothing(question):
    clip = real_clip(2, "collision", 2.0)
    assert "leaks" in failed(clip, "vqa", "it stands", question, topic="teacher_motion")


def test_a_file_may_be_called_by_a_word_of_every_question():
    clip = random_clip(5, "collision").model_copy(update={"path": "/videos/video.mp4", "video_id": "video"})
    samples = samples_for_clip(clip, DEFAULT_TAXONOMY, SuperviseSettings(vqa_per_clip=40)).samples
    assert all(sample.accepted for sample in samples)


LOOP = "The van moves left and then right and "
LENGTHS = [  # type, text, the check that refuses it
    ("description", "A van comes from the left at 1.0 s. The ego driver brakes at 1.4 s. The van passes.", ""),
    ("description", "", "length"),
    ("description", " \n ", "length"),
    ("description", "A van.", "length"),
    ("description", " ".join(f"Word number {n} stands here;" for n in range(200)), "length"),
    ("description", "The van turns left. " * 3, "loop"),
    ("description", "The van turns left. It stops. The van turns left. It goes. The van turns left.", "loop"),
    ("description", "A van turns left. A van turns left. Then it stops.", ""),
    ("description", LOOP * 4, "loop"),
    ("description", "The van goes far far far far far away from the ego vehicle.", "loop"),
    ("description", "The van turns left" + " " * 30 + "and stops at the kerb.", "loop"),
    ("description", "The van turns left and it stops.\n\n\n\n\n\n\n\n\n\n", "loop"),
    ("description", "The van turns left and brakes!!!!!!!!!!!!", "loop"),
    ("description", "The van turns left and brakes.<|im_end|>", "loop"),
    ("caption", "A van turns left on a wide street in plain daylight.", ""),
    ("caption", "Van.", "length"),
    ("vqa", "", "length"),
    ("vqa", "a van", ""),
    ("vqa", "x and y, " * 70, "length loop"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "text", "refused_by"), LENGTHS)
def test_texts_have_a_sane_length_and_do_not_loop(type_, text, refused_by):
    clip = real_clip(2, "normal", None)
    result = failed(clip, type_, text, "What turns left?", topic="teacher_who" if type_ == "vqa" else None)
    assert set(result) == set(refused_by.split())


def test_of_a_text_that_was_not_finished_the_question_alone_is_judged():
    clip = real_clip(2, "normal", None)
    assert failed(clip, "description", "", outcome=Outcome.TRUNCATED) == {}
    assert set(failed(clip, "vqa", "", "What is in 00002.mp4?", outcome=Outcome.REFUSED)) == {"leaks"}


def test_every_check_passes_what_rules_write_and_is_on_record_where_it_judges():
    judged = set()
    for number in range(40):
        for name in ("collision", "near_collision", "normal"):
            clips = [
                random_clip(number, name),
                real_clip(number, name, None if name == "normal" else 3.3, weather="Rain"),
            ]
            for clip in [*clips, plain_clip(number, lead=True)]:
                for sample in samples_for_clip(clip, DEFAULT_TAXONOMY, SuperviseSettings(vqa_per_clip=40)).samples:
                    assert sample.accepted, sample
                    judged |= {check.name for check in sample.checks}
    of_models = {"loop", "recorded", "outcome_words", "sources"}
    assert judged == {"leaks", *(name for name, _ in CHECKS)} - of_models
