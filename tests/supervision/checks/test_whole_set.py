"""What is told of a set as a whole: duplicates, balance, templates, and when it is too poor to be taught."""

import re
from collections import Counter

import pytest

from tests.supervision.worlds import known_of, random_clip, real_clip
from vlm_autodrive.records import DEFAULT_TAXONOMY, Check, SFTSample, StudentPrompt
from vlm_autodrive.supervision import SuperviseSettings, samples_for_clip
from vlm_autodrive.supervision.checks.diversity import template_of
from vlm_autodrive.supervision.checks.whole_set import SetStatistics, yes_or_no
from vlm_autodrive.supervision.rules.intentions import INTENTIONS
from vlm_autodrive.supervision.settings import LimitSettings
from vlm_autodrive.supervision.summary import figures_lines, summarise

LONG = "A red van comes from the left at 1.2 s, and the ego driver brakes hard until it has passed."


def sample(
    clip="c1", type_="description", target=LONG, question="Describe.", topic=None, teacher="m", failing=(), **more
):
    return SFTSample(
        sample_id=f"{clip}/{type_}",
        clip_id=clip,
        type=type_,
        topic=topic or type_,
        prompt=StudentPrompt(text=question, version="1"),
        target=target,
        mirror_target=None,
        teacher=teacher,
        teacher_prompt_version="1",
        checks=tuple(Check(name=name, passed=False, message="so") for name in failing),
        **more,
    )


def gathered(*samples, event_class="normal"):
    statistics = SetStatistics()
    for one in samples:
        statistics.add(statistics.mark(one), event_class)
    return statistics


OTHER = "A lorry stands at the kerb on the right, and nothing comes near the ego vehicle in all the video."
DUPLICATES = [  # two samples, and whether the second is one too many
    (sample(), sample(), True),
    (sample(), sample(target=OTHER), True),  # the same question of the same clip, answered twice
    (sample(), sample(target=OTHER, question="What happens?"), False),
    (sample(), sample(clip="c2"), True),  # one long text by a model for two clips
    (sample(), sample(clip="c2", target=LONG.upper().replace(" ", "  ")), True),
    (sample(), sample(clip="c2", target=OTHER), False),
    (sample(), sample(clip="c2", teacher="rules"), False),
    (sample(teacher="rules"), sample(clip="c2", teacher="rules"), False),
    (sample(target="A van passes by."), sample(clip="c2", target="A van passes by."), False),  # short
    (sample(type_="vqa", target=LONG), sample(clip="c2", type_="vqa", target=LONG), False),
    (sample(failing=["times"]), sample(), False),  # what was rejected is no forerunner
    (sample(teacher_inputs=("data set",)), sample(clip="c2", teacher_inputs=("data set",)), False),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "doubled"), DUPLICATES)
def test_duplicates_are_rejected_and_the_first_is_kept(first, second, doubled):
    statistics = SetStatistics()
    kept, other = statistics.mark(first), statistics.mark(second)
    assert kept.accepted == first.accepted
    assert other.accepted == (not doubled)
    assert [check.name for check in other.checks if not check.passed] == (["duplicate"] if doubled else [])


def test_the_same_thoughts_of_two_clips_are_one_text_whatever_their_times():
    shape = "<think>\n{}\n</think>\n\n<answer>\nA\nt={}\n</answer>"
    first = sample(type_="reasoning", target=shape.format(LONG, "1.2"))
    second = sample(clip="c2", type_="reasoning", target=shape.format(LONG, "2.4"))
    statistics = SetStatistics()
    assert statistics.mark(first).accepted
    assert not statistics.mark(second).accepted


def test_a_rejected_item_is_left_as_it_is():
    rejected = sample(failing=["times"])
    assert SetStatistics().mark(rejected) == rejected


@pytest.mark.parametrize(
    ("target", "answer"),
    [("yes", "yes"), ("No.", "no"), ("Yes, at t=2.0", "yes"), ("no event", ""), ("none", ""), ("nothing", "")],
)
def test_yes_and_no_are_told_from_other_answers(target, answer):
    assert yes_or_no(sample(type_="vqa", target=target)) == answer


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("At 1.2 s a red car brakes.", "At 3 s a blue van brakes.", True),
        ("[t=1.2] a pedestrian in red", "[t=4.0]  two pedestrians in red", False),
        ("[t=1.2] a pedestrian in red", "[t=4.0] A cyclist in black", True),
        ("A car turns left.", "A car turns right.", False),
    ],
)
def test_a_template_is_what_is_left_without_numbers_colours_and_road_users(one, other, same):
    assert (template_of(one) == template_of(other)) == same


def test_yes_and_no_places_and_rates_are_counted_by_topic():
    def asked(clip, topic, target, question="Is it?"):
        return sample(
            clip=clip, type_="vqa", topic=topic, target=target, question=f"{question} {topic}", teacher="rules"
        )

    statistics = SetStatistics()
    for number in range(4):
        statistics.add(asked(f"a{number}", "light_check", "yes"), "collision")
        statistics.add(asked(f"a{number}", "event_time", "t=2.0", "When does the event happen?"), "collision")
    for number in range(8):
        statistics.add(asked(f"b{number}", "light_check", "no"), "normal")
        if number < 2:
            statistics.add(asked(f"b{number}", "event_time", "There is no such event."), "normal")
        statistics.add(asked(f"b{number}", "weather", "snow", "Choose: rain, snow, fog."), "normal")
    figures = statistics.figures()
    assert figures["clips_by_class"] == {"collision": 4, "normal": 8}
    assert figures["yes_no"] == {"light_check": {"no": 8, "yes": 4}}
    assert figures["presupposing_rates"] == {"event_time": {"collision": 1.0, "normal": 0.25}}
    assert figures["accepted_by_topic"] == {"event_time": 6, "light_check": 12, "weather": 8}


def test_what_rules_ask_is_asked_of_all_classes_alike_and_balanced():
    """Over many clips, in the summary as a run would write it."""
    statistics = SetStatistics()
    settings = SuperviseSettings(vqa_per_clip=12)
    known = known_of(random_clip(number, name) for number in range(150) for name in DEFAULT_TAXONOMY.names)
    for number in range(150):
        for name in ("collision", "near_collision", "normal"):
            clip = random_clip(number, name)
            for one in samples_for_clip(clip, DEFAULT_TAXONOMY, settings, known=known).samples:
                statistics.add(statistics.mark(one), name)
    summary = summarise(statistics, {}, {})
    assert summary["clips"] == 450
    assert summary["rejected"] == {}
    assert summary["verdicts"] == {"A": 150, "B": 150, "C": 150}
    for by_class in summary["presupposing_rates"].values():
        assert max(by_class.values()) - min(by_class.values()) < 0.15
    for topic in ("light_check", "weather_check", "contact"):
        counts = summary["yes_no"][topic]
        assert 0.35 < counts["yes"] / sum(counts.values()) < 0.65
    places = summary["option_places"]["weather"]
    assert max(places.values()) < 1.9 * min(places.values())
    assert statistics.problems(LimitSettings()) == []
    shown = "\n".join(figures_lines(summary))
    assert f"{sum(summary['accepted'].values())} samples accepted for 450 clips" in shown
    assert "verdicts: Collision (A) 33.3%, Near-Collision (B) 33.3%, Normal (C) 33.3%" in shown
    assert "yes/no answers: no" in shown
    assert re.search(r"place of the right option among 4: 1 ", shown)
    for places in (summary["option_places"][form.name] for form in INTENTIONS if form.simulated):
        assert set(places) == {"1 of 4", "2 of 4", "3 of 4", "4 of 4"}


def test_a_set_with_too_many_rejections_has_a_problem_with_its_reasons():
    bad = [sample(clip=f"b{n}", target=f"{OTHER} {n} {'x' * n}", failing=["times"]) for n in range(5)]
    bad += [sample(clip="b9", target="x", failing=["metadata", "times"])]
    good = [sample(clip=f"g{n}", target=f"Word {'y' * n} stands for {n} others.") for n in range(4)]
    statistics = gathered(*bad, *good)
    limits = LimitSettings(max_rejected=0.5, max_template_share=1.0, min_samples=10)
    (problem,) = statistics.problems(limits)
    assert problem.startswith("6 of 10 samples of the type description by ")
    assert "times 5, metadata 1" in problem
    assert statistics.problems(limits.model_copy(update={"max_rejected": 0.6})) == []
    assert statistics.problems(limits.model_copy(update={"min_samples": 11})) == []


def test_one_template_by_a_model_is_a_problem_and_by_rules_is_not():
    def texts(teacher):
        same = [f"At {n}.0 s a {color} car brakes." for n, color in enumerate(["red", "blue", "white"] * 2)]
        other = ["A cat sits.", "It is still.", "All drive on.", "Nobody comes."]
        return [sample(clip=f"{teacher}{n}", target=text, teacher=teacher) for n, text in enumerate(same + other)]

    limits = LimitSettings(max_rejected=1.0, max_template_share=0.5, min_samples=10)
    (problem,) = gathered(*texts("m")).problems(limits)
    assert problem.startswith("6 of 10 texts of the type description by m are one template")
    assert "at _ s a _ _ brakes." in problem
    assert gathered(*texts("rules")).problems(limits) == []
    assert gathered(*texts("m")).problems(limits.model_copy(update={"max_template_share": 0.6})) == []
    assert gathered(*texts("m")).problems(limits.model_copy(update={"min_samples": 11})) == []


def test_the_shares_of_distinct_words_are_counted():
    [row] = gathered(sample(target="a b a b"), sample(clip="c2", target="a c")).figures()["diversity"]
    assert (row["distinct_1"], row["distinct_2"], row["of_words"]) == (0.5, 0.75, 6)
    assert (row["texts"], row["templates"], row["commonest_share"]) == (2, 2, 0.5)


def test_a_summary_and_its_lines_name_what_is_missing():
    clip = real_clip(1, "collision", None)
    made = samples_for_clip(clip, DEFAULT_TAXONOMY, SuperviseSettings())
    statistics = gathered(*made.samples, sample(clip="x", failing=["leaks"]), event_class="collision")
    not_made = {type_: Counter([why]) for type_, why in made.missing.items()}
    summary = summarise(statistics, {"t": "test clips are never supervised", "u": "its type is unknown"}, not_made)
    assert summary["rejected"] == {"description": {"leaks": 1}}
    assert summary["not_made"]["reasoning"] == {"reasoning needs the event's time, which is not known": 1}
    assert summary["clips_without_samples_ids"] == {"u": "its type is unknown"}
    lines = figures_lines(summary)
    assert "rejected of description: 1 (50%): leaks (1)" in lines
    assert "clips without samples: 2: test clips are never supervised (1), its type is unknown (1)" in lines
    assert any(line.startswith("not made of reasoning: 1: reasoning needs") for line in lines)


def test_the_lines_of_an_empty_set_can_be_written():
    assert figures_lines(summarise(SetStatistics(), {}, {})) == ["0 samples accepted for 0 clips: none"]


def test_a_teacher_whose_questions_all_fail_is_not_hidden_by_those_of_another():
    """Ten questions by rules beside four by a model, of which none is any good: a minority of the type."""
    rules = [sample(clip=f"c{n}", type_="vqa", question=f"Q{n}?", target="a", teacher="rules") for n in range(50)]
    bad = [sample(clip=f"c{n}", type_="vqa", question=f"P{n}?", target="a", failing=["leaks"]) for n in range(20)]
    limits = LimitSettings(max_rejected=0.5, min_samples=20)
    (problem,) = gathered(*rules, *bad).problems(limits)
    assert problem.startswith("20 of 20 samples of the type vqa by m were rejected")
    few = gathered(*rules, *bad[:3])
    assert few.problems(limits) == []
    assert len(few.problems(limits, at_the_end=True)) == 1


def test_answers_that_can_be_guessed_without_looking_are_a_problem():
    limits = LimitSettings(max_imbalance=0.25, min_samples=20)

    def asked(number, question, target, topic="stop_check"):
        return sample(clip=f"c{number}", type_="vqa", topic=topic, question=question, target=target, teacher="rules")

    even = [asked(n, "Does it stop?", "yes" if n % 2 else "no") for n in range(40)]
    assert gathered(*even).problems(limits) == []
    (problem,) = gathered(*(asked(n, "Does it stop?", "yes" if n % 8 else "no") for n in range(40))).problems(limits)
    assert problem.startswith("88% of 40 yes-no answers are yes")

    def choices(letters):
        options = {"options": ("a", "b", "c", "d"), "topic": "weather"}
        return [asked(n, "Which?", "a").model_copy(update={**options, "answer": letters[n % 4]}) for n in range(40)]

    assert gathered(*choices("ABCD")).problems(limits) == []
    (problem,) = gathered(*choices("AAAA")).problems(limits)
    assert problem.startswith("of 4 options number 1 is right in 40 of 40")


def test_a_question_that_one_class_is_asked_more_often_is_a_problem():
    limits = LimitSettings(max_imbalance=0.25, min_samples=20)
    statistics = SetStatistics()
    for number in range(60):
        event_class = "collision" if number % 2 else "normal"
        topic = "cause" if event_class == "collision" or number % 4 == 0 else "weather"
        one = sample(clip=f"c{number}", type_="vqa", topic=topic, question=f"Q{number}?", target="a", teacher="rules")
        statistics.add(statistics.mark(one), event_class)
    (problem,) = statistics.problems(limits)
    assert problem.startswith("cause is asked of some classes more often: collision 100%, normal 50%")
