"""Checks whether a model can be trained, and gets equal inputs in training and inference."""

import re
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import torch

from vlm_autodrive.engines import InferenceRequest, LocalEngine
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import (
    Encoder,
    LoadedModel,
    has_weights,
    load_meta_model,
    quiet_libraries,
    reasoning_prompt,
    short_model,
    verdict_prompt,
)
from vlm_autodrive.records import DEFAULT_TAXONOMY, Clip, Record
from vlm_autodrive.training.parity import ModelInputs, compare_passes
from vlm_autodrive.training.position_check import PositionCheck, compare_positions
from vlm_autodrive.training.prefix_sharing import SampleTokens, collate, pack, share_prefix
from vlm_autodrive.training.template_check import TRACE, TemplateCheck, check_template
from vlm_autodrive.video import FrameCache, SamplingSettings, VideoError, read_windows

_CODES = DEFAULT_TAXONOMY.codes
_OWN_LAYERS = 2
_TIMES = ((0.0, 0.25, 0.5, 0.75), (0.0, 0.3, 0.7, 0.9, 1.2, 1.5))  # two clips of two lengths, one uneven


class ModelCheck(Record):
    """Whether a model can be trained, and how.

    Attributes:
        model: The model.
        family: Names of its family.
        weights: Which weights were checked.
        training: What footage it was trained on, in words; empty if it has no card that tells.
        shares: Whether the samples of a clip can share its prefix.
        loss_shared: Loss of two clips with three samples each, all packed in one sequence.
        loss_separate: Loss of the same samples with a sequence for each.
        largest_ratio: Largest norm of a gradient's difference over its norm, of all tensors.
        tensor: Which tensor has it.
        tolerance: Up to which ratio gradients, and losses, count as equal; it grows with the number of layers.
        frames: What differs between the frames of training and of inference; empty if nothing does.
        codes: What is wrong with the tokens of the verdict codes; empty if nothing is.
        template: A verdict and a trace as the model sees them, compared with the stock template.
        positions: How the positions of a long conversation differ from those of the stock model.
        lora: How many layers of each kind the family's LoRA pattern targets.
        lora_astray: What it targets outside the language model.
    """

    model: str
    family: str
    weights: str
    training: str
    shares: bool
    loss_shared: float
    loss_separate: float
    largest_ratio: float
    tensor: str
    tolerance: float
    frames: str
    codes: str
    template: TemplateCheck
    positions: PositionCheck
    lora: dict[str, int]
    lora_astray: tuple[str, ...]

    @property
    def can_be_trained(self) -> bool:
        """Whether training may begin; a model that cannot share is trained sample by sample."""
        faults = self.frames or self.codes or self.template.fault or self.positions.fault or self.lora_astray
        return not faults and bool(self.lora)

    def lines(self) -> list[str]:
        """The findings in plain lines."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.lora.items())
        return [
            f"{self.model}: {self.family}; {self.weights}; {self.training or 'what it was trained on is not told'}",
            f"shared prefix = separate: {'yes' if self.shares else 'no'}; loss {self.loss_shared:.6g} and "
            f"{self.loss_separate:.6g}, gradients differ by {self.largest_ratio:.1e} of their norm at most "
            f"({self.tensor}; up to {self.tolerance:.1e} is rounding)",
            "  so all samples of a clip share one encoded video"
            if self.shares
            else "  so each sample is trained in a sequence of its own: the same result, at several times the cost",
            f"train frames = inference frames: {self.frames or 'yes'}",
            f"verdict codes: {self.codes or 'each is one token, in a trace as well'}",
            *self.template.lines(),
            f"positions: {self.positions.line()}",
            f"LoRA targets: {kinds or 'nothing'}; outside the language model: {', '.join(self.lora_astray) or 'none'}",
            "it can be trained" if self.can_be_trained else "it cannot be trained as it is: see above",
        ]


def check_model(model: str, random_layers: int | None = None) -> ModelCheck:
    """Check all that training relies on.

    Args:
        model: As for :func:`vlm_autodrive.models.loading.load_model`.
        random_layers: Check so many layers of each kind with random weights, for which only configuration and
            processor are read. None checks the first layers with the model's own weights, if they are on this machine,
            and one random layer of each kind otherwise. Either way memory is bounded, whatever the model's depth.

    Raises:
        UserError: If the model cannot be read, or its family is not supported.
    """
    own = random_layers is None and has_weights(model)
    layers = _OWN_LAYERS if own else random_layers or 1
    loaded = short_model(model, layers, own_weights=own)
    whole = load_meta_model(model)
    built, of = (each.model.config.get_text_config().num_hidden_layers for each in (loaded, whole))
    weights = f"{'its own' if own else 'random'} weights in {built} of its {of} layers"
    # Of a large model these are most of what is left, and nothing about them could differ.
    loaded.model.get_input_embeddings().requires_grad_(False)
    loaded.model.get_output_embeddings().requires_grad_(False)
    encoder = Encoder(loaded)
    card = loaded.card.sampling
    height, width = encoder.nearest_size(card.height, card.width)
    sampling = card.model_copy(update={"height": height, "width": width})
    frames = _compare_frames(loaded, encoder, sampling)
    found = compare_passes(loaded.model, *passes_of_check(encoder, sampling))
    lora, astray = _place_lora(whole)
    return ModelCheck(
        model=model,
        family=loaded.family.known_as,
        weights=weights,
        training=loaded.card.training,
        shares=found.holds,
        loss_shared=found.loss,
        loss_separate=found.other_loss,
        largest_ratio=found.largest_ratio,
        tensor=found.tensor,
        tolerance=found.tolerance,
        frames=frames,
        codes=_check_codes(encoder),
        template=check_template(loaded, encoder, sampling),
        positions=compare_positions(loaded, encoder, sampling),
        lora=lora,
        lora_astray=astray,
    )


def passes_of_check(encoder: Encoder, sampling: SamplingSettings) -> tuple[list[ModelInputs], list[ModelInputs]]:
    """Samples of two clips in one sequence, and each in a sequence of its own under the model's own mask."""
    verdict = encoder.question(verdict_prompt(DEFAULT_TAXONOMY).text)
    reasoning = encoder.question(reasoning_prompt(DEFAULT_TAXONOMY).text, thinking=True)
    code = encoder.target(_CODES[0])
    samples = [
        SampleTokens(verdict, code, sample_weight=4.0),
        SampleTokens(reasoning, encoder.target(TRACE)),
        SampleTokens(encoder.question("Is it day?"), code[-1:], sample_weight=0.5),
    ]
    sequences, pixels, grids = [], [], []
    separate: list[ModelInputs] = []
    for number, times in enumerate(_TIMES):
        shape = (len(times), sampling.height, sampling.width, 3)
        values = encoder.pixel_values(np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8))
        prefix = encoder.prefix(times, sampling.height, sampling.width)
        sequences.append(share_prefix(prefix, samples))
        alone = encoder.vision_inputs(values, torch.tensor([prefix.grid_thw]))
        for sample in samples:
            batch = collate([share_prefix(prefix, [sample])], encoder.pad_id, attention="causal")
            separate.append((batch, alone))
        pixels.append(values)
        grids.append(prefix.grid_thw)
    vision = encoder.vision_inputs(torch.cat(pixels), torch.tensor(grids))
    return [(collate([pack(sequences)], encoder.pad_id), vision)], separate


def _check_codes(encoder: Encoder) -> str:
    """What is wrong with the tokens of the verdict codes; empty if nothing is."""
    try:
        codes = encoder.code_ids(_CODES)
    except UserError as error:
        return str(error)
    spans = encoder.target_spans(TRACE)
    place = TRACE.index(f"\n{_CODES[0]}\n") + 1
    if (place, place + 1) not in spans or encoder.target(TRACE)[spans.index((place, place + 1))] != codes[0]:
        return f"in a trace the code {_CODES[0]} is not the token that it is in a verdict"
    return ""


def _compare_frames(loaded: LoadedModel, encoder: Encoder, sampling: SamplingSettings) -> str:
    """What a clip of a real file gives the model in training and in inference; empty if it is the same."""
    with TemporaryDirectory() as folder:
        clip = _write_clip(Path(folder) / "clip.mp4")
        train_frames = FrameCache(Path(folder) / "frames", sampling).get(clip)
        ((_, frames),) = read_windows(Path(clip.path), [(clip.start_s, clip.end_s)], sampling)
        if isinstance(frames, VideoError):
            return str(frames)
        prefix = encoder.frames_prefix(train_frames)
        expected = encoder.vision_inputs(encoder.pixel_values(train_frames.pixels), torch.tensor([prefix.grid_thw]))
        calls: list[dict[str, Any]] = []
        hook = loaded.model.model.register_forward_pre_hook(lambda _, __, given: calls.append(given), with_kwargs=True)
        try:
            LocalEngine(loaded).generate([frames], [InferenceRequest("Which?", max_new_tokens=1)])
        finally:
            hook.remove()
    given = calls[0]
    if train_frames.times_s != frames.times_s:
        return "the times of the frames differ"
    if not torch.equal(given["input_ids"][0].cpu(), prefix.input_ids):
        return "the tokens of the video differ"
    if not torch.equal(given["position_ids"].cpu().reshape(prefix.position_ids.shape), prefix.position_ids):
        return "the positions of the video differ"
    different = [name for name, value in expected.items() if not torch.equal(given[name].cpu(), value)]
    return f"{', '.join(different)} differ" if different else ""


def _write_clip(path: Path) -> Clip:
    """A few seconds in which every frame is another."""
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(30):
            picture = np.full((96, 128, 3), 8 * number, dtype=np.uint8)
            picture[:, 4 * number : 4 * number + 8] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return Clip(
        clip_id="c",
        video_id="v",
        path=str(path),
        start_s=0.5,
        end_s=2.5,
        split="train",
        event_class=None,
        event_time_s=None,
        alert_time_s=None,
        ego_involved=None,
        group_id="v",
        triplet_id=None,
        metadata={},
    )


def _place_lora(loaded: LoadedModel) -> tuple[dict[str, int], tuple[str, ...]]:
    """What peft adapts by the family's pattern: how many of each kind, and what outside the language model."""
    from peft import LoraConfig, get_peft_model

    with quiet_libraries(), torch.device("meta"):
        model = get_peft_model(loaded.model, LoraConfig(r=1, target_modules=loaded.family.lora_targets))
    names = [name for name, module in model.named_modules() if hasattr(module, "lora_A")]
    inside = [name for name in names if f".{loaded.family.language_model}." in name]
    kinds = Counter(re.sub(r".*\.layers\.\d+\.", "", name) for name in inside)
    return dict(sorted(kinds.items())), tuple(name for name in names if name not in inside)
