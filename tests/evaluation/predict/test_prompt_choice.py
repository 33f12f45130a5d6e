"""The prompt of a base model is chosen on validation clips, and all that rests on its verdict goes by it."""

import math

import pytest
from starlette.responses import JSONResponse

from tests.evaluation.builders import (
    make_clip,
    make_prediction,
    make_verdict,
    write_clip_set,
    write_prediction_set,
    write_video,
)
from tests.fake_endpoint import completion, serve
from vlm_autodrive.artifacts import read_predictions, read_provenance
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import (
    CompareSettings,
    EvaluateSettings,
    ReportSettings,
    compare,
    evaluate,
    headline,
    model_notes,
    read_comparison,
    write_report,
)
from vlm_autodrive.evaluation.predict.prompt_choice import choose_prompt, evenly_spaced
from vlm_autodrive.evaluation.predict.requests import build_requests
from vlm_autodrive.evaluation.predict.stage import _convention_of
from vlm_autodrive.models import find_convention, read_card, write_card
from vlm_autodrive.records import BINARY_TAXONOMY, DEFAULT_TAXONOMY, PAPER_TAXONOMY, Outcome

NAMES = DEFAULT_TAXONOMY.names
COSMOS = "Cosmos-Reason1-7B"


@pytest.fixture
def clip_set(tmp_path):
    """Nine clips to test on and six validation clips, the classes in turn, told apart by their lengths."""
    path = write_video(tmp_path / "street.mp4", seconds=8)
    clips = []
    for split, count in (("test", 9), ("validation", 6)):
        for n in range(count):
            place = 0.1 * n + (3.0 if split == "validation" else 0.0)
            changes = {"path": str(path), "split": split, "start_s": place, "end_s": place + 1 + (n % 3)}
            clips.append(make_clip(f"{split}-{n}", NAMES[n % 3], **changes))
    return write_clip_set(tmp_path / "clips", clips)


def true_class(asked):
    """The class of the clip of a request, by the number of its frames: 2, 4 or 6."""
    content = asked.body["messages"][-1]["content"]
    return NAMES[sum(part["type"] == "image_url" for part in content) // 2 - 1]


def thinker(asked):
    """A model that thinks before it answers: held to a code, it says A, and puts 2 to 4 % on the codes together."""
    if "logprobs" not in asked.body:
        code = DEFAULT_TAXONOMY.by_name(true_class(asked)).code
        return completion(f"<think>\nThe video shows it.\n</think>\n\n<answer>\n({code})\n</answer>")
    listed = {"A": 0.01 + 0.01 * NAMES.index(true_class(asked)), "B": 0.006, "C": 0.004, "<think>": 0.9}
    rows = [{"token": token, "logprob": math.log(share)} for token, share in listed.items()]
    place = {"token": "A", "logprob": math.log(0.02), "top_logprobs": rows}
    choice = {"message": {"content": "A"}, "finish_reason": "stop", "logprobs": {"content": [place]}}
    return JSONResponse({"choices": [choice]})


def settings(endpoint, tmp_path, **changes):
    sampling = {"fps": 2, "max_frames": 6, "height": 48, "width": 80}
    served = {"base_url": endpoint.url, "cache": str(tmp_path / "account"), "sampling": sampling}
    plain = {"reasoning": False, "controls": [], "prompt_variants": ["paper", "own"]}
    return EvaluateSettings.model_validate({"endpoint": served, **plain, **changes})


def test_the_best_prompt_on_validation_clips_gives_the_verdict(clip_set, tmp_path):
    with serve(thinker) as endpoint:
        out = evaluate(clip_set, COSMOS, tmp_path / "base", settings(endpoint, tmp_path, choose_prompt=True))
        asked = len(endpoint.asked)
        evaluate(clip_set, COSMOS, tmp_path / "base", settings(endpoint, tmp_path, choose_prompt=True))
        assert len(endpoint.asked) == asked == (9 + 6) * 3
        systems = {a.body["messages"][0]["content"] for a in endpoint.asked if "logprobs" not in a.body}
        bounds = {a.body["max_tokens"] for a in endpoint.asked if "logprobs" not in a.body}
    assert [system[:35] for system in systems] == ["You are a helpful video analyzer. A"]
    assert bounds == {4096}
    predictions = read_predictions(out)
    assert [p.verdict.event_class for p in predictions] == [NAMES[n % 3] for n in range(9)]
    assert {p.verdict.probabilities for p in predictions} == {None}
    assert list(predictions[0].prompt_variants) == ["main", "paper"]
    assert {p.prompt_variants["main"].event_class for p in predictions} == {"collision"}
    assert predictions[0].prompt_variants["main"].code_mass == pytest.approx(0.02)
    choice = read_provenance(out).facts["prompt_choice"]
    assert (choice["prompt"], choice["clips"], choice["macro_f1"]["own"]) == ("own", 6, 1.0)
    assert choice["noise"] == ["main", "paper"]
    assert choice["macro_f1"]["main"] == choice["macro_f1"]["paper"] == pytest.approx(1 / 6)
    assert {p.clip_id for p in read_predictions(tmp_path / "base-validation")} == {f"validation-{n}" for n in range(6)}

    made = compare(
        {"base": out}, tmp_path / "compared", CompareSettings(), validation={"base": tmp_path / "base-validation"}
    )
    scores = read_comparison(made).models["base"]
    assert (scores.prompt, scores.prompt_choice.prompt, scores.accuracy.value) == ("own", "own", 1.0)
    assert list(scores.prompt_variants) == ["own", "main", "paper"]
    assert scores.prompt_variants["own"].accuracy.value == 1.0
    assert scores.prompt_variants["main"].code_mass.value == pytest.approx(0.03)
    assert (scores.code_mass, scores.ranking, scores.calibration) == (None, {}, None)
    comparison = read_comparison(made)
    chosen, free = model_notes(comparison)
    assert chosen.startswith("Base: prompt own, chosen on 6 validation clips (macro-F1 there: main 0.17 (noise), ")
    assert "no probabilities" in free
    (noise,) = [d.text for d in comparison.diagnostics if d.kind == "forced_choice_is_noise"]
    assert "0.03" in noise
    assert "rest on the prompt own" in noise
    assert "noise" not in headline(comparison, DEFAULT_TAXONOMY)
    page = write_report(made, tmp_path / "report", ReportSettings(errors_shown=0, examples_per_class=0))
    for name in ("report.html", "report.md"):
        assert "prompt own, chosen on 6 validation clips" in (page / name).read_text()


def test_where_the_forced_choice_is_noise_the_headline_says_so_and_what_to_trust(clip_set, tmp_path):
    with serve(thinker) as endpoint:
        out = evaluate(clip_set, COSMOS, tmp_path / "base", settings(endpoint, tmp_path))
        blind = evaluate(clip_set, COSMOS, tmp_path / "blind", settings(endpoint, tmp_path, prompt_variants=[]))
    for folder, advice in ((out, "trust the prompt own instead"), (blind, "evaluate it with prompt=own instead")):
        comparison = read_comparison(compare({"base": folder}, tmp_path / f"{folder.name}-c", CompareSettings()))
        said = headline(comparison, DEFAULT_TAXONOMY)
        noise = "The forced choice of the base model is noise: only 0.03 of its probability falls on the class codes"
        assert f"{noise}; {advice}." in said
        mass = comparison.models["base"].code_mass
        assert mass.value == pytest.approx(0.03)
        assert mass.low < mass.value < mass.high
        page = write_report(
            tmp_path / f"{folder.name}-c", tmp_path / f"{folder.name}-r", ReportSettings(errors_shown=0)
        )
        assert all(noise in (page / name).read_text() for name in ("report.html", "report.md", "report.json"))
        assert next(d.kind for d in comparison.diagnostics if d.severity == "warning") == "forced_choice_is_noise"


def test_few_validation_clips_bound_the_cost_and_keep_every_class(clip_set, tmp_path):
    with serve(thinker) as endpoint:
        chosen = settings(endpoint, tmp_path, choose_prompt=True, validation_clips=3)
        evaluate(clip_set, COSMOS, tmp_path / "base", chosen)
        assert len(endpoint.asked) == (9 + 3) * 3
    kept = read_predictions(tmp_path / "base-validation")
    assert sorted(p.clip_id for p in kept) == ["validation-0", "validation-1", "validation-2"]
    many = [make_clip(f"c{n}", NAMES[0 if n < 80 else 1]) for n in range(100)]
    thinned = evenly_spaced(many, 10)
    assert [clip.event_class for clip in thinned].count(NAMES[0]) == 8
    assert evenly_spaced(many, 1000) == many


def test_of_equal_prompts_main_is_kept(tmp_path):
    clips = [make_clip(f"v{n}", NAMES[n % 3], split="validation") for n in range(6)]
    variants = lambda n: {"short": make_verdict(NAMES[n % 3]), "own": make_verdict(None)}  # noqa: E731
    said = [make_prediction(clip, NAMES[n % 3], prompt_variants=variants(n)) for n, clip in enumerate(clips)]
    choice = choose_prompt(write_prediction_set(tmp_path / "equal", clips, said))
    assert (choice.prompt, choice.clips) == ("main", 6)
    assert choice.macro_f1 == {"main": 1.0, "short": 1.0, "own": 0.0}
    unlabelled = [clip.model_copy(update={"event_class": None}) for clip in clips]
    with pytest.raises(UserError, match=r"no validation clip in .* has a known class"):
        choose_prompt(write_prediction_set(tmp_path / "unlabelled", unlabelled, said))


def test_a_forced_choice_among_leftovers_is_not_chosen_however_well_it_does(tmp_path):
    clips = [make_clip(f"v{n}", NAMES[n % 3], split="validation") for n in range(6)]

    def forced(answer, mass):
        return make_verdict(answer).model_copy(update={"code_mass": mass})

    for name, mass, chosen in (("sound", 0.9, "main"), ("none_sound", 0.2, "short")):
        said = []
        for n, clip in enumerate(clips):
            prediction = make_prediction(clip, "normal", prompt_variants={"short": forced(NAMES[n % 3], 0.1)})
            said.append(prediction.model_copy(update={"verdict": forced("normal", mass)}))
        choice = choose_prompt(write_prediction_set(tmp_path / name, clips, said))
        assert (choice.prompt, choice.macro_f1["short"]) == (chosen, 1.0)
        assert choice.noise == (("short",) if chosen == "main" else ("main", "short"))


def test_verdicts_under_another_prompt_fit_no_temperature(clip_set, tmp_path):
    with serve(thinker) as endpoint:
        own = evaluate(
            clip_set, COSMOS, tmp_path / "own", settings(endpoint, tmp_path, prompt="own", prompt_variants=[])
        )
        values = {"split": "validation", "prompt_variants": []}
        main = evaluate(clip_set, COSMOS, tmp_path / "main", settings(endpoint, tmp_path, **values))
    with pytest.raises(UserError, match="evaluate it with prompt=own"):
        compare({"base": own}, tmp_path / "c", CompareSettings(), validation={"base": main})


def test_a_checkpoint_of_ours_has_no_other_form(tmp_path):
    card = read_card("tiny-base")
    assert _convention_of("tiny-base", EvaluateSettings()) == find_convention("tiny-base")
    write_card(tmp_path, card.model_copy(update={"base": "nvidia/Cosmos-Reason1-7B"}))
    assert _convention_of(str(tmp_path), EvaluateSettings()) is None
    served = EvaluateSettings.model_validate({"endpoint": {"base_url": "http://127.0.0.1:9/v1"}})
    assert _convention_of(COSMOS, served).family == "Cosmos-Reason1"


@pytest.mark.fixtures
def test_whether_an_unknown_model_thinks_is_told_by_its_template(real_model, tmp_path):
    for name, thinks in (("qwen3-vl-thinking", True), ("qwen3-vl-instruct", False)):
        folder = tmp_path / f"a-{thinks}"
        folder.symlink_to(real_model(name))
        found = _convention_of(str(folder), EvaluateSettings(max_answer_tokens=7, max_thinking_tokens=700))
        assert (found.family, found.thinks) == ("general", thinks)
        settings = EvaluateSettings(prompt="own", max_answer_tokens=7, max_thinking_tokens=700)
        request = build_requests(DEFAULT_TAXONOMY, settings, found).main.request
        assert (request.thinking, request.max_new_tokens) == (thinks, 700 if thinks else 7)


def test_the_tiny_base_is_asked_in_a_plain_form(clip_set, tmp_path):
    quick = EvaluateSettings(reasoning=False, controls=(), prompt_variants=("paper", "own"), choose_prompt=True)
    out = evaluate(clip_set, "tiny-base", tmp_path / "base", quick)
    predictions = read_predictions(out)
    chosen = read_provenance(out).facts["prompt"]
    names = {chosen, *predictions[0].prompt_variants}
    assert names == {"main", "paper", "own"}
    for prediction in predictions:
        verdicts = {chosen: prediction.verdict, **prediction.prompt_variants}
        assert verdicts["own"].probabilities is None
        assert "(A) " in verdicts["own"].prompt
        assert verdicts["own"].outcome in (Outcome.OK, Outcome.UNPARSEABLE, Outcome.TRUNCATED)
        assert 0 < verdicts["main"].code_mass <= 1
    with pytest.raises(UserError, match="trained here; set prompt=main"):
        build_requests(DEFAULT_TAXONOMY, EvaluateSettings(prompt="own"), None)


@pytest.mark.parametrize(
    ("taxonomy", "names"),
    [
        (DEFAULT_TAXONOMY, ["main", "short", "paper", "own"]),
        (PAPER_TAXONOMY, ["main", "short", "own"]),
        (BINARY_TAXONOMY, ["main", "short", "own"]),
    ],
)
def test_the_papers_question_is_asked_of_the_papers_classes(taxonomy, names):
    asked = build_requests(
        taxonomy, EvaluateSettings(prompt_variants=("short", "paper", "own")), find_convention("any/model")
    )
    assert list(asked.verdicts) == names
    if "paper" in names:
        assert asked.verdicts["paper"].request.codes == ("A", "C", "B")  # in the order of the classes
