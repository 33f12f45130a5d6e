"""The engine sees what training taught: same tokens, same positions, same probabilities."""

import pytest
import torch

from tests.tiny_models import MODELS, load_tiny, random_pixels
from vlm_autodrive.engines.local import LocalEngine, _next_token
from vlm_autodrive.engines.protocol import Question
from vlm_autodrive.records import Outcome
from vlm_autodrive.training.prefix_sharing import ItemTokens, pad_rows, predict, share_prefix
from vlm_autodrive.video.frames import Frames

TIMES = (tuple(i * 0.3 for i in range(16)), (0.0, 0.31, 0.62, 0.9, 1.22, 1.5))


def clips(model_type: str) -> list[Frames]:
    return [Frames(random_pixels(model_type, len(times), seed), times) for seed, times in enumerate(TIMES * 2)]


@pytest.mark.parametrize("model_type", MODELS)
def test_verdict_probabilities_equal_those_of_a_training_row(model_type):
    loaded, encoder = load_tiny(model_type)
    question = Question("What happens?", codes=("A", "B", "C"))
    answers = LocalEngine(loaded).answer(clips(model_type), [question, question])
    codes = encoder.code_ids(question.codes)
    for clip, (answer, again) in zip(clips(model_type), answers, strict=True):
        prefix = encoder.prefix(clip.times_s, *clip.pixels.shape[1:3])
        item = ItemTokens(encoder.question(question.prompt), encoder.target("A"))
        batch = pad_rows([share_prefix(prefix, [item])], encoder.pad_id)
        vision = encoder.vision_inputs(encoder.pixel_values(clip.pixels), torch.tensor([prefix.grid_thw]))
        place = torch.tensor([batch.input_ids.shape[1] - len(item.target) - 1])
        with torch.inference_mode():
            expected = predict(loaded.model, batch, vision, place)[0, 0, codes].softmax(dim=-1)
        torch.testing.assert_close(torch.tensor(answer.probabilities), expected, atol=1e-5, rtol=1e-4)
        assert again.probabilities == pytest.approx(answer.probabilities, abs=1e-6)
        assert answer.text == question.codes[int(expected.argmax())]


@pytest.mark.parametrize("model_type", MODELS)
def test_generated_text_equals_greedy_decoding_by_whole_forward_passes(model_type):
    loaded, encoder = load_tiny(model_type)
    verdict, text = Question("What happens?", codes=("A", "B")), Question("Describe.", max_new_tokens=6)
    answers = LocalEngine(loaded).answer(clips(model_type), [verdict, text])
    for clip, (_, answer) in zip(clips(model_type), answers, strict=True):
        prefix = encoder.prefix(clip.times_s, *clip.pixels.shape[1:3])
        written: list[int] = []
        for _ in range(text.max_new_tokens):
            batch = pad_rows([share_prefix(prefix, [ItemTokens(encoder.question(text.prompt), written)])], 0)
            vision = encoder.vision_inputs(encoder.pixel_values(clip.pixels), torch.tensor([prefix.grid_thw]))
            with torch.inference_mode():
                logits = predict(loaded.model, batch, vision, torch.tensor([batch.input_ids.shape[1] - 1]))
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
    hot = [Question("Describe.", max_new_tokens=6, temperature=1.5, seed=seed) for seed in (1, 2, 1)]
    together = engine.answer(shown, hot)
    for clip, (first, other, again) in zip(shown, together, strict=True):
        assert first == again
        assert first.text != other.text
        ((alone,),) = engine.answer([clip], hot[:1])
        assert alone == first
    cold = Question("Describe.", max_new_tokens=6, temperature=1e-4, seed=3)
    greedy = Question("Describe.", max_new_tokens=6)
    assert all(drawn == likeliest for drawn, likeliest in engine.answer(shown, [cold, greedy]))


def test_tokens_are_drawn_as_often_as_their_share_says():
    logits = torch.tensor([[2.0, 0.0, 1.0, -20.0]])
    for temperature in (0.5, 2.0):
        chance = torch.Generator().manual_seed(0)
        drawn = [int(_next_token(logits, temperature, chance)) for _ in range(4000)]
        shares = torch.bincount(torch.tensor(drawn), minlength=4) / len(drawn)
        torch.testing.assert_close(shares, (logits[0] / temperature).softmax(dim=-1), atol=0.03, rtol=0)
