"""The table of ``autodrive plan --hours``: what hours of video take, and each input with its source."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vlm_autodrive.cli.options import settings_from
from vlm_autodrive.cli.tables import print_columns

if TYPE_CHECKING:
    from vlm_autodrive.runs import Capacity, CapacityInputs, Work

_PUBLISHED_WEIGHTS = 8.0e9  # of the model whose published throughput is the default
_NAMES = {"cores": "CPU cores", "gpus": "GPUs", "network": "network", "teacher": "teacher"}
_UNITS = {"cores": "", "gpus": "", "network": " Gbit/s", "teacher": " requests/s"}
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def capacity_of(overrides: Sequence[str], **given: Any) -> "Capacity":
    """Compute capacity from the defaults, settings and options; the tokens of a window are counted unless they are set.

    Raises:
        UserError: If an input is wrong, or the model cannot take the frames.
    """
    from vlm_autodrive.models import read_card
    from vlm_autodrive.runs import SOURCES, CapacityInputs, compute_capacity

    inputs = settings_from(CapacityInputs, "capacity", None, overrides, **given)
    sources = SOURCES | dict.fromkeys(inputs.model_fields_set, "set by you")
    if "sampling" not in inputs.model_fields_set:
        inputs = inputs.model_copy(update={"sampling": read_card(inputs.model).sampling})
        sources["sampling"] = "that of the model, or the default"
    if inputs.window_tokens is None:
        from vlm_autodrive.training import count_window

        counted = count_window(inputs.model, inputs.window_s, inputs.sampling)
        inputs = inputs.model_copy(update={"window_tokens": counted.tokens})
        by = "by its tokenizer" if counted.exact else "estimated from characters, as its tokenizer is not here"
        sources["window_tokens"] = f"counted for the model: {counted.video} of video; words {by}"
        unlike = not 0.5 < counted.weights / _PUBLISHED_WEIGHTS < 2
        if unlike and "gpu_tokens_per_s" not in inputs.model_fields_set:
            sources["gpu_tokens_per_s"] += f". This model has {counted.weights / 1e9:.1f} B weights: set another rate"
    return compute_capacity(inputs, sources)


def print_capacity(found: "Capacity") -> None:
    """Print capacity in tables that fit 80 columns."""
    inputs, stored = found.inputs, found.storage
    print(f"{inputs.hours:,.10g} h of video, computed from the inputs below, not measured.\n")
    amounts = (
        f"{_count(found.work[0].unit_hours)} core hours",
        f"{_count(found.work[1].unit_hours)} GPU hours",
        f"{_size(stored.video)} to read",
        f"{_count(found.clips * inputs.teacher_requests)} requests",
    )
    rows = [_work_row(each, amount) for each, amount in zip(found.work, amounts, strict=True)]
    print_columns(("resource", "work", "takes", f"within {inputs.days:g} days"), rows)
    frames, records = _size(stored.frame_cache), _size(stored.records)
    print(f"\nModel: {_count(found.windows)} windows, {_count(found.tokens)} tokens read.")
    print(f"Storage: video {_size(stored.video)}, frame cache {frames}, records {records}.")
    read, written = _count(found.prompt_tokens), _count(found.completion_tokens)
    print(f"Teacher: {_count(found.clips)} clips, {read} tokens read and {written} written.")
    if found.money:
        print(f"Cost of the teacher: {found.money:,.2f}")
    else:
        print("Its cost: set price.prompt_per_million and price.completion_per_million.")
    print("\n".join(_bottleneck_lines(found)) + "\n")
    print_columns(("input", "source"), _input_rows(inputs, found.sources))


def _work_row(work: "Work", amount: str) -> tuple[str, ...]:
    takes = "-" if work.hours is None or work.available is None else _duration(work.hours)
    if work.available is not None:
        takes += f" with {work.available:,g}"
    return _NAMES[work.resource], amount, takes, _needed(work)


def _needed(work: "Work") -> str:
    if _UNITS[work.resource]:
        return _figure(work.needed) + _UNITS[work.resource]
    return f"{work.whole_units:,}"


def _bottleneck_lines(found: "Capacity") -> list[str]:
    """What limits: of what is at hand, or in general."""
    if found.bottleneck is None or found.hours is None:
        return [
            f"Bottleneck: one GPU keeps {found.cores_per_gpu:,.3g} cores busy. With fewer cores to a GPU,",
            "decoding is the bottleneck, with more the GPUs are. For yours: --cores, --gpus.",
        ]
    days = found.inputs.days
    enough = "enough" if found.hours <= 24 * days else "not enough"
    lines = [
        f"Bottleneck: {_NAMES[found.bottleneck]}. It takes at least {_duration(found.hours)}; "
        f"{days:g} days are {enough}."
    ]
    if unlimited := [_NAMES[work.resource] for work in found.work if work.available is None]:
        lines.append(f"Not known, so taken as no limit: {', '.join(unlimited)}.")
    return lines


def _input_rows(inputs: "CapacityInputs", sources: dict[str, str]) -> list[tuple[str, str]]:
    sampling, price = inputs.sampling, inputs.price
    rate = f"n_frames={sampling.n_frames}" if sampling.n_frames else f"fps={sampling.fps:g}"
    rows = []
    for key in type(inputs).model_fields:
        value = getattr(inputs, key)
        if key == "sampling":
            shown = [f"sampling.{rate}", f"sampling.height={sampling.height}", f"sampling.width={sampling.width}"]
        elif key == "price":
            shown = [f"price.{name}={each:g}" for name, each in price.model_dump().items()]
        else:
            shown = [f"{key}={f'{value:.10g}' if isinstance(value, float) else value}"]
        if value is not None:
            rows += [(text, sources.get(key, "not set" if key == "price" else "default")) for text in shown]
    return rows


def _duration(hours: float) -> str:
    return f"{_figure(hours / 24)} days" if hours >= 48 else f"{_figure(hours)} h"


def _figure(value: float) -> str:
    """Three digits, and never an exponent."""
    if 0 < value < 0.001:
        return "< 0.001"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _count(count: float) -> str:
    for limit, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= limit:
            return f"{count / limit:,.4g} {word}"
    return _figure(count)


def _size(count: float) -> str:
    step = 0
    while count >= 1000 and step < len(_SIZES) - 1:
        count, step = count / 1000, step + 1
    return f"{_figure(count)} {_SIZES[step]}"
