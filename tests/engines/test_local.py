"""The engine sees what training taught: same tokens, same positions, same probabilities."""

import numpy as np
import pytest
import torch

from tests.tiny_models import MODELS, load_tiny, random_pixels
from vlm_autodrive.engines import InferenceRequest, LocalEngine
from vlm_autodrive.engines.local import _next_token
from vlm_autodrive.models import SYSTEM_PROMPT, Encoder, load_model
from vlm_autodrive.records import Outcome
from vlm_autodrive.training.loss import logits_at
from vlm_autodrive.training.prefix_sharing import SampleTokens, collate, share_prefix
from vlm_autodrive.video import Frames

TIMES = (tuple(i * 0.3 for i in range(16)), (0.0, 0.31, 0.62, 0.9, 1.22, 1.5))


def clips(model_type: str) -> list[Frames]:
    return [Frames(random_pixels(model_type, len(times), seed), times) for seed, times in enumerate(TIMES * 2)]


@pytest.mark.parametrize("model_type", MODELS)
def test_verdict_probabilities_equal_those_of_a_training_row(model_type):
    loaded, encoder = load_tiny(model_type)
    question = InferenceRequest("What happens?", codes=("A", "B", "C"))
    answers = LocalEngine(loaded).generate(clips(model_type), [question, question])
    codes = encoder.code_ids(question.codes)
    for clip, (answer, again) in zip(clips(model_type), answers, strict=True):
        prefix = encoder.prefix(clip.times_s, *clip.pixels.shape[1:3])
        item = SampleTokens(encoder.question(question.prompt), encoder.target("A"))
        batch = collate([share_prefix(prefix, [item])], encoder.pad_id)
        vision = encoder.vision_inputs(encoder.pixel_values(clip.pixels), torch.tensor([prefix.grid_thw]))
        place = torch.tensor([batch.input_ids.shape[1] - len(item.target) - 1])
        with torch.inference_mode():
            logits = logits_at(loaded.model, batch, vision, place)[0, 0]
        expected = logits[codes].softmax(dim=-1)
        assert answer.code_mass == pytest.approx(logits.softmax(dim=-1)[codes].sum().item(), rel=1e-3)
        torch.testing.assert_close(torch.tensor(answer.probabilities), expected, atol=1e-5, rtol=1e-4)
        assert again.probabilities == pytest.approx(answer.probabilities, abs=1e-6)
        assert answer.text == question.codes[int(expected.argmax())]
        assert answer.probability_source == "code_logprobs"


@pytest.mark.parametrize("model_type", MODELS)
def test_generated_text_equals_greedy_decoding_by_whole_forward_passes(model_type):
    loaded, encoder = load_tiny(model_type)
    verdict, text = InferenceRequest("What happens?", codes=("A", "B")), InferenceRequest("Describe.", max_new_tokens=6)
    answers = LocalEngine(loaded).generate(clips(model_type), [verdict, text])
    for clip, (_, answer) in zip(clips(model_type), answers, strict=True):
        prefix = encoder.prefix(clip.times_s, *clip.pixels.shape[1:3])
        written: list[int] = []
        for _ in range(text.max_new_tokens):
            batch = collate([share_prefix(prefix, [SampleTokens(encoder.question(text.prompt), written)])], 0)
            vision = encoder.vision_inputs(encoder.pixel_values(clip.pixels), torch.tensor([prefix.grid_thw]))
            with torch.inference_mode():
                logits = logits_at(loaded.model, batch, vision, torch.tensor([batch.input_ids.shape[1] - 1]))
            written.append(int(logits[0, -1].argmax()))
        if encoder.end_of_turn_id in written:
            written = written[: written.index(encoder.end_of_turn_id)]
            assert answer.outcome == Outcome.OK
        else:
            assert answer.outcome == Outcome.TRUNCATED
        assert answer.text == encoder.decode(written)


@pytest.mark.parametrize("model_type", MODELS)
def test_a_seed_gives_a_clip_the_same_sampled_text_whatever_stands_beside_it(model_type):
    loaded, _ = load_tiny(model_type)
    engine, shown = LocalEngine(loaded), clips(model_type)
    hot = [InferenceRequest("Describe.", max_new_tokens=6, temperature=1.5, seed=seed) for seed in (1, 2, 1)]
    together = engine.generate(shown, hot)
    for clip, (first, other, again) in zip(shown, together, strict=True):
        assert first == again
        assert first.text != other.text
        ((alone,),) = engine.generate([clip], hot[:1])
        assert alone == first
    cold = InferenceRequest("Describe.", max_new_tokens=6, temperature=1e-4, seed=3)
    greedy = InferenceRequest("Describe.", max_new_tokens=6)
    assert all(drawn == likeliest for drawn, likeliest in engine.generate(shown, [cold, greedy]))


def test_tokens_are_drawn_as_often_as_their_share_says():
    logits = torch.tensor([[2.0, 0.0, 1.0, -20.0]])
    for temperature in (0.5, 2.0):
        chance = torch.Generator().manual_seed(0)
        drawn = [int(_next_token(logits, temperature, chance)) for _ in range(4000)]
        shares = torch.bincount(torch.tensor(drawn), minlength=4) / len(drawn)
        torch.testing.assert_close(shares, (logits[0] / temperature).softmax(dim=-1), atol=0.03, rtol=0)


def stock_conversation(loaded, prompt: str, system: str = SYSTEM_PROMPT) -> list[int]:
    """A question without video as the stock chat template and tokenizer write it in one piece."""
    messages = [
        *([{"role": "system", "content": [{"type": "text", "text": system}]}] if system else []),
        {"role": "user", "content": [{"type": "text", "text": prompt}]},
    ]
    text = loaded.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return loaded.processor.tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("model_type", [*MODELS, "tiny-base"])
def test_without_video_the_model_reads_the_stock_conversation_in_words(model_type):
    if model_type == "tiny-base":
        loaded = load_model(model_type, torch.device("cpu"))
        encoder = Encoder(loaded)
        shape = (loaded.card.sampling.height, loaded.card.sampling.width)
        seen = Frames(np.full((8, *shape, 3), 90, np.uint8), tuple(i * 0.3 for i in range(8)))
    else:
        loaded, encoder = load_tiny(model_type)
        seen = clips(model_type)[1]
    verdict = InferenceRequest("What happens?\nAnswer with A or B only.", codes=("A", "B"))
    text = InferenceRequest("Describe.", max_new_tokens=3)
    blind = Frames(seen.pixels[:0], ())
    (alone, written), (beside, _), (with_video, _) = LocalEngine(loaded).generate([blind, blind, seen], [verdict, text])
    whole = stock_conversation(loaded, verdict.prompt)
    prefix = encoder.prefix((), *seen.pixels.shape[1:3])
    assert [*prefix.input_ids.tolist(), *encoder.question(verdict.prompt, after_video=False)] == whole
    with torch.inference_mode():
        logits = loaded.model(input_ids=torch.tensor([whole])).logits[0, -1, encoder.code_ids(verdict.codes)]
        grown = stock_conversation(loaded, text.prompt)
        for _ in range(text.max_new_tokens):
            grown.append(int(loaded.model(input_ids=torch.tensor([grown])).logits[0, -1].argmax()))
    torch.testing.assert_close(torch.tensor(alone.probabilities), logits.softmax(dim=-1), atol=1e-5, rtol=1e-4)
    assert alone.probabilities == pytest.approx(beside.probabilities, abs=1e-6)
    assert alone.probabilities != with_video.probabilities
    new = [*grown[-text.max_new_tokens :], encoder.end_of_turn_id]
    assert written.text == encoder.decode(new[: new.index(encoder.end_of_turn_id)])


@pytest.mark.parametrize("system", ["", "You look at videos."])
@pytest.mark.parametrize("model_type", MODELS)
def test_a_request_may_have_another_system_prompt_or_none(model_type, system):
    loaded, encoder = load_tiny(model_type)
    engine, shown = LocalEngine(loaded), clips(model_type)
    usual = InferenceRequest("What happens?", codes=("A", "B"))
    other = InferenceRequest("What happens?", codes=("A", "B"), system=system)
    together = engine.generate(shown, [usual, other, usual])
    for clip, (first, second, third) in zip(shown, together, strict=True):
        assert first.probabilities == pytest.approx(third.probabilities, abs=1e-6)
        ((alone,),) = engine.generate([clip], [other])
        assert alone.probabilities == pytest.approx(second.probabilities, abs=1e-5)
        assert second.probabilities != pytest.approx(first.probabilities, abs=1e-6)
    prefix = encoder.prefix((), 28, 28, system)
    whole = [*prefix.input_ids.tolist(), *encoder.question(other.prompt, after_video=False)]
    assert whole == stock_conversation(loaded, other.prompt, system)


@pytest.mark.parametrize("model_type", MODELS)
def test_a_clips_own_questions_are_answered_as_if_they_were_asked_alone(model_type):
    """Of unlike lengths and numbers of options, side by side in one batch, and without a second pass over the video."""
    loaded, encoder = load_tiny(model_type)
    engine, shown = LocalEngine(loaded), clips(model_type)
    verdict = InferenceRequest("What happens?", codes=("A", "B", "C"))
    own = [
        [InferenceRequest("Who?\nA: a car\nB: a van", codes=("A", "B")), verdict],
        [InferenceRequest("Which of these many, many things can be seen at the end?", codes=("A", "B", "C", "D"))],
        [],
        [InferenceRequest("Where?", codes=("B", "A"))] * 3,
    ]
    towers = []
    loaded.model.get_submodule(loaded.family.vision_tower).register_forward_hook(lambda *_: towers.append(1))
    together = engine.generate(shown, [verdict], own)
    assert len(towers) == len({clip.times_s for clip in shown})
    assert [len(row) for row in together] == [3, 2, 1, 4]
    for clip, requests, row in zip(shown, own, together, strict=True):
        alone = engine.generate([clip], [verdict, *requests])[0]
        for first, second, request in zip(row, alone, [verdict, *requests], strict=True):
            assert first.probabilities == pytest.approx(second.probabilities, abs=1e-4)
            assert len(first.probabilities) == len(request.codes)
    assert encoder.target("B\nwet")[0] == encoder.code_ids(("B",))[0]  # a letter is read where training writes it


@pytest.mark.parametrize("model_type", MODELS)
def test_the_video_is_encoded_once_for_all_questions(model_type):
    loaded, _ = load_tiny(model_type)
    towers, prefills = [], []
    tower = loaded.model.get_submodule(loaded.family.vision_tower)
    tower.register_forward_hook(lambda *_: towers.append(1))
    language_model = loaded.model.get_submodule(loaded.family.language_model)
    language_model.register_forward_hook(lambda *given: prefills.append(given[2].last_hidden_state.shape[1]))
    shown = [clips(model_type)[0]] * 3
    verdicts = [
        InferenceRequest(f"What happens, in {words}?", codes=("A", "B")) for words in ("short", "full", "a word")
    ]
    answers = LocalEngine(loaded).generate(shown, [*verdicts, InferenceRequest("Describe.", max_new_tokens=4)])
    assert all(len(row) == 4 for row in answers)
    assert len(towers) == 1
    longest = max(prefills)
    assert prefills.count(longest) == 1
    assert all(tokens < longest / 2 for tokens in prefills if tokens != longest)


def test_a_batch_too_large_for_the_memory_is_asked_in_parts():
    loaded, _ = load_tiny("qwen2_5_vl")
    question = InferenceRequest("What happens?", codes=("A", "B"))
    whole = LocalEngine(loaded).generate(clips("qwen2_5_vl"), [question])
    room = 1

    def fill(module, arguments, named):
        if len(named["input_ids"]) > room:
            raise torch.OutOfMemoryError("no room")

    loaded.model.model.register_forward_pre_hook(fill, with_kwargs=True)
    parts = LocalEngine(loaded).generate(clips("qwen2_5_vl"), [question])
    for (one,), (other,) in zip(whole, parts, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    room = 0
    failed = LocalEngine(loaded).generate(clips("qwen2_5_vl"), [question])
    assert {answer.outcome for (answer,) in failed} == {Outcome.ERROR}
    assert "out of memory" in failed[0][0].reason
