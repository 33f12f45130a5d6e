"""Positions by the rule, written out by hand, against the stock implementation where it is right, and vLLM's rule."""

import re
from fractions import Fraction

import numpy as np
import pytest
import torch

from tests.real_models import REAL_MODELS
from tests.tiny_models import frame_size, load_tiny
from tests.video.test_true_times import clip_of
from vlm_autodrive.engines import InferenceRequest, LocalEngine
from vlm_autodrive.models import SYSTEM_PROMPT, Encoder, load_model, video_metadata
from vlm_autodrive.models.mrope import frame_interval_s, mrope_positions
from vlm_autodrive.training.prefix_sharing import SampleTokens, pack, share_prefix
from vlm_autodrive.video import FrameCache, Frames, SamplingSettings, probe, read_windows
from vlm_autodrive.video.frame_sampler import nominal_interval_s

FILM = tuple(round(round(i / 4 * 23.976) / 23.976, 6) for i in range(40))  # of a file with 23.976 frames per second


def test_the_rule_by_hand():
    """Two tokens, a video of 3 pairs of 2 x 3 tokens at 1.5 positions, one token, a video of 1 pair, one token."""
    runs = ((False, 2), (True, 18), (False, 1), (True, 6), (False, 1))
    is_video = [video for video, length in runs for _ in range(length)]
    positions, following = mrope_positions(is_video, [(3, 2, 3), (1, 2, 3)], 1.5)
    assert positions.tolist() == [
        [0, 1, *[2] * 6, *[3] * 6, *[5] * 6, 6, *[7] * 6, 10],
        [0, 1, *[2, 2, 2, 3, 3, 3] * 3, 6, 7, 7, 7, 8, 8, 8, 10],
        [0, 1, *[2, 3, 4] * 6, 6, 7, 8, 9, 7, 8, 9, 10],
    ]
    assert following == 11


@pytest.mark.parametrize(
    ("times_s", "nominal_s", "expected"),
    [
        (FILM, 0.25, 0.25),  # jitter
        (tuple(i * 0.24706 for i in range(18)), 0.25, 0.25),  # the last frame of a file lies before its end
        (tuple(i * 0.22 for i in range(40)), 0.25, 0.22),  # too far for 0.25: the last pair is 1.1 s earlier
        ((0.0, 0.04, 0.3, 1.5, 2.6, 2.7, 3.9, 5.6), 0.25, 0.8),  # fewer frames than wanted, at uneven times
        (FILM, None, FILM[-1] / 39),
        ((1.3,), 0.25, 0.25),
    ],
)
def test_the_interval_is_the_nominal_one_only_where_no_pair_moves_by_half_a_position(times_s, nominal_s, expected):
    assert frame_interval_s(times_s, nominal_s) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("fps", [0.5, 1, 1.2, 2, 2.4, 2.5, 3, 4, 5, 6, 7, 8, 12, 24, 25, 30])
@pytest.mark.parametrize("frames", [2, 9, 40])
def test_no_position_is_lost_to_the_processors_float32(fps, frames):
    metadata = video_metadata([i / fps for i in range(frames)], 1 / fps)
    sampled_fps = frames / metadata["total_num_frames"] * metadata["fps"]
    interval = float(np.float32(2 / sampled_fps))
    steps = [Fraction(4) / Fraction(str(fps)) * pair for pair in range(frames)]
    assert [int(2 * interval * pair) for pair in range(frames)] == [int(step) for step in steps]


def vllm_positions(ids, video_id, grid, seconds, tokens_per_second):
    """What a vLLM server computes of the tokens, the grid in tokens and ``second_per_grid_ts``, by its 0.32's rule."""
    begin = ids.index(video_id)
    end = len(ids) - ids[::-1].index(video_id)
    axes = np.indices(grid).reshape(3, -1)
    axes[0] = (axes[0] * (seconds * tokens_per_second)).astype(np.int64)
    before = np.tile(np.arange(begin), (3, 1))
    behind = np.tile(np.arange(len(ids) - end), (3, 1)) + axes.max() + begin + 1
    return np.concatenate([before, axes + begin, behind], axis=1).tolist()


def stock_conversation(loaded, prompt, times_s, nominal_s, size):
    """A question about a video by the stock template and processor alone."""
    messages = [
        {"role": "system", "content": [{"type": "text", "text": SYSTEM_PROMPT}]},
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": prompt}]},
    ]
    text = loaded.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    if loaded.family.text_timestamps:  # the processor writes start and end of each pair itself
        text = text.replace("<|vision_start|><|video_pad|><|vision_end|>", "<|video_pad|>")
    return loaded.processor(
        text=[text],
        videos=[torch.zeros(len(times_s), 3, *size, dtype=torch.uint8)],
        video_metadata=[{**video_metadata(times_s, nominal_s), "height": size[0], "width": size[1]}],
        do_sample_frames=False,
        do_resize=False,
        return_tensors="pt",
    )


def stock_positions(loaded, encoded):
    names = ("input_ids", "mm_token_type_ids", "video_grid_thw", "second_per_grid_ts")
    positions, _ = loaded.model.model.get_rope_index(**{name: encoded[name] for name in names if name in encoded})
    return positions[:, 0].tolist()


def packed(encoder, prompt, frames):
    """The same question as training packs it, with another before it and another clip before that."""
    question, other = (SampleTokens(encoder.question(text, thinking=True), []) for text in (prompt, "And now?"))
    clip = share_prefix(encoder.frames_prefix(frames), [other, question])
    sequence = pack([share_prefix(encoder.frames_prefix(frames), [other]), clip])
    own = (sequence.segments == 2) | (sequence.segments == 4)  # the second clip's prefix and its second sample
    return sequence.input_ids[own].tolist(), sequence.position_ids[:, own].tolist()


def blank_frames(times_s, nominal_s, size):
    return Frames(np.zeros((len(times_s), *size, 3), np.uint8), times_s, nominal_interval_s=nominal_s)


@pytest.mark.fixtures
def test_qwen2_5_has_vllms_positions_and_the_stock_ones_where_these_do_not_overlap(real_model):
    loaded = load_model(str(real_model("qwen2.5-vl")))
    encoder, size, grid = Encoder(loaded), (252, 448), (9, 16)
    video_id = loaded.model.config.video_token_id
    for times_s in (FILM, FILM[:31]):
        encoded = stock_conversation(loaded, "Which?", times_s, 0.25, size)
        ids = encoded["input_ids"][0].tolist()
        pairs = -(-len(times_s) // 2)
        seconds = float(encoded["second_per_grid_ts"][0])
        assert seconds == pytest.approx(0.5, abs=1e-4)
        ours = packed(encoder, "Which?", blank_frames(times_s, 0.25, size))
        assert ours == (ids, vllm_positions(ids, video_id, (pairs, *grid), seconds, 2))
        begin = ids.index(video_id)
        video = [place for place, token in enumerate(ids) if token == video_id]
        assert [ours[1][0][place] - begin for place in video[:: grid[0] * grid[1]]] == list(range(pairs))
        stock = stock_positions(loaded, encoded)
        assert (ours[1] == stock) == (pairs <= 16)
        if pairs > 16:
            places = slice(video[-1] + 1)
            assert [axis[places] for axis in stock] == [axis[places] for axis in ours[1]]
            assert stock[0][video[-1] + 1] == begin + 16 < begin + pairs == ours[1][0][video[-1] + 1]


@pytest.mark.fixtures
@pytest.mark.parametrize("name", [name for name in REAL_MODELS if name != "qwen2.5-vl"])
def test_qwen3_has_the_stock_positions_and_times(real_model, name):
    loaded = load_model(str(real_model(name)))
    encoder, size = Encoder(loaded), (256, 448)
    for times_s in (FILM, (0.0, 0.04, 0.3, 1.5, 2.6, 2.74, 3.9)):
        encoded = stock_conversation(loaded, "Which?", times_s, 0.25, size)
        ids, positions = packed(encoder, "Which?", blank_frames(times_s, 0.25, size))
        assert ids == encoded["input_ids"][0].tolist()
        assert positions == stock_positions(loaded, encoded)
        told = re.findall(r"<([\d.]+) seconds>", loaded.processor.tokenizer.decode(ids))
        odd_paired = [*times_s, *times_s[-1:] * (len(times_s) % 2)]
        milliseconds = [round(time_s * 1000) for time_s in odd_paired]
        means = [(one + other) / 2000 for one, other in zip(milliseconds[::2], milliseconds[1::2], strict=True)]
        assert told == [f"{mean:.1f}" for mean in means]


@pytest.mark.parametrize("model_type", ["qwen3_vl", "qwen3_5", "internvl"])
def test_a_family_that_writes_times_as_text_has_the_stock_positions(model_type):
    loaded, encoder = load_tiny(model_type)
    size = frame_size(model_type)
    ids, positions = packed(encoder, "Which?", blank_frames(FILM, 0.25, size))
    if model_type == "internvl":
        assert positions == [list(range(len(ids)))]
        return
    encoded = stock_conversation(loaded, "Which?", FILM, 0.25, size)
    assert (ids, positions) == (encoded["input_ids"][0].tolist(), stock_positions(loaded, encoded))


@pytest.mark.fixtures
def test_decoding_goes_on_by_the_same_rule(real_model):
    """``generate`` of the stock model, whose own positions are replaced by vLLM's rule, gives the engine's words."""
    loaded = load_model(str(real_model("qwen2.5-vl")))
    size = (28, 56)
    encoded = stock_conversation(loaded, "Describe.", FILM, 0.25, size)
    ids = encoded["input_ids"][0].tolist()
    positions = vllm_positions(ids, loaded.model.config.video_token_id, (20, 1, 2), 0.5, 2)
    assert positions != stock_positions(loaded, encoded)
    ruled = torch.tensor(positions)[:, None]
    delta = ruled.max() + 1 - len(ids)
    loaded.model.model.get_rope_index = lambda *_, **__: (ruled, delta[None, None])
    with torch.inference_mode():
        whole = loaded.model.generate(**encoded, max_new_tokens=12, do_sample=False, repetition_penalty=1.0)
    new = whole[0, len(ids) :].tolist()
    request = InferenceRequest("Describe.", max_new_tokens=12)
    ((answer,),) = LocalEngine(loaded).generate([blank_frames(FILM, 0.25, size)], [request])
    assert answer.text == loaded.processor.tokenizer.decode(new, skip_special_tokens=True)


@pytest.mark.fixtures
def test_real_clips_at_nexars_sampling_have_the_positions_of_their_true_times(fixtures_dir, real_model, tmp_path):
    loaded = load_model(str(real_model("qwen2.5-vl")))
    encoder = Encoder(loaded)
    sampling = SamplingSettings(fps=4, max_frames=40, height=28, width=56)
    cache = FrameCache(tmp_path / "frames", sampling)
    for path in sorted((fixtures_dir / "videos").iterdir()):
        if path.suffix == ".csv":
            continue
        end_s = min(10.0, probe(path).duration_s)
        clip = clip_of(path, 0.0, end_s)
        decoded, cached = cache.get(clip), cache.cached(clip)
        ((_, in_one_pass),) = read_windows(path, [(0.0, end_s)], sampling)
        assert decoded.nominal_interval_s == cached.nominal_interval_s == in_one_pass.nominal_interval_s == 0.25
        prefix = encoder.frames_prefix(cached)
        video = prefix.position_ids[0][prefix.input_ids == loaded.model.config.video_token_id]
        positions = (video - video[0])[::2].tolist()
        true = [2 * time_s for time_s in decoded.times_s[::2]]
        print(f"{path.name}: {positions[1]} and {positions[-1]}, true {true[1]:.2f} and {true[-1]:.2f}")
        assert len(positions) == len(true)
        assert positions[0] == 0 and positions[1] == round(true[1])
        interval_s = (decoded.times_s[-1] - decoded.times_s[0]) / (len(decoded.times_s) - 1)
        jitter = abs(4 * interval_s * (len(true) - 1) - true[-1])  # of the last pair about the mean interval
        assert abs(positions[-1] - true[-1]) < 0.5 + jitter < 0.8


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"fps": 4}, 1 / 4),
        ({"fps": 3}, 1 / 3),
        ({"fps": 4, "max_frames": 16}, 10 / 16),
        ({"fps": 4, "n_frames": 12}, 10 / 12),
        ({"fps": 4, "token_pixels": 28, "token_budget": 128 * 5}, 10 / 10),
    ],
)
def test_the_nominal_interval_is_what_the_sampling_asks_for(how, expected):
    sampling = SamplingSettings(**{"max_frames": 40, **how})
    assert nominal_interval_s(10.0, sampling) == pytest.approx(expected)
