"""Capacity by hand-computed cases, by what must grow with what, and by the table that people see."""

import json
import math
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.runs.capacity import SOURCES, CapacityInputs, compute_capacity
from vlm_autodrive.settings import parse_settings
from vlm_autodrive.video import SamplingSettings

ROOT = Path(__file__).parents[2]
ROUND = CapacityInputs(
    hours=1000,
    days=10,
    cores=10,
    gpus=4,
    video_mbit_per_s=8,
    decode_core_s=360,
    window_s=4,
    stride_s=2,
    window_tokens=1000,
    gpu_tokens_per_s=20_000,
    gpu_efficiency=0.5,
    clips_per_hour=5,
    window_record_bytes=100,
    clip_record_bytes=1000,
    teacher_requests=2,
    teacher_prompt_tokens=3000,
    teacher_completion_tokens=500,
    sampling=SamplingSettings(fps=2, height=10, width=20),
    price={"prompt_per_million": 2, "completion_per_million": 10},
)
"""Numbers that are easy to compute with."""


def changed(**inputs):
    return compute_capacity(ROUND.model_copy(update=inputs))


def work(found):
    return {each.resource: each for each in found.work}


def test_a_case_computed_by_hand():
    found = compute_capacity(ROUND)
    assert found.windows == 1000 * 1800
    assert found.tokens == 1.8e9
    done = work(found)
    assert done["cores"].unit_hours == pytest.approx(100)  # a tenth of a core hour for each hour
    assert done["cores"].hours == pytest.approx(10)
    assert done["gpus"].unit_hours == pytest.approx(50)  # 1.8e9 tokens at 10,000 a second are 180,000 s
    assert done["gpus"].hours == pytest.approx(12.5)
    assert done["network"].unit_hours == pytest.approx(8)  # 8 Mbit/s for 1,000 h
    assert done["teacher"].unit_hours == pytest.approx(10_000 / 3600)
    assert done["network"].hours is None
    assert (found.bottleneck, found.hours) == ("gpus", pytest.approx(12.5))
    assert found.cores_per_gpu == pytest.approx(2)
    assert found.storage.video == pytest.approx(3.6e12)  # 1 MB/s
    assert found.storage.frame_cache == 5000 * 8 * 10 * 20 * 3
    assert found.storage.records == 1.8e6 * 100 + 5000 * 1000
    assert (found.clips, found.prompt_tokens, found.completion_tokens) == (5000, 15_000_000, 2_500_000)
    assert found.money == pytest.approx(30 + 25)


def test_the_units_needed_do_the_work_in_the_wished_days():
    for each in compute_capacity(ROUND).work:
        inputs = {"network": "network_gbit_per_s", "teacher": "teacher_requests_per_s"}
        found = changed(**{inputs.get(each.resource, each.resource): each.needed})
        assert work(found)[each.resource].hours == pytest.approx(240)
    assert work(changed(days=1))["cores"].whole_units == 5  # 100 core hours in 24 h


@pytest.mark.parametrize(
    ("limits", "bottleneck"),
    [
        ({"cores": 1}, "cores"),
        ({"gpus": 1}, "gpus"),
        ({"network_gbit_per_s": 0.01}, "network"),
        ({"teacher_requests_per_s": 0.1}, "teacher"),
        ({"cores": None, "gpus": None}, None),
    ],
)
def test_the_scarcest_is_the_bottleneck(limits, bottleneck):
    assert changed(**limits).bottleneck == bottleneck


def test_with_fewer_cores_to_a_gpu_decoding_is_the_bottleneck():
    balance = compute_capacity(ROUND).cores_per_gpu
    assert changed(gpus=100, cores=100 * balance * 0.99).bottleneck == "cores"
    assert changed(gpus=100, cores=100 * balance * 1.01).bottleneck == "gpus"


def totals(found):
    return [*(each.unit_hours for each in found.work), *found.storage.model_dump().values(), found.tokens, found.money]


def test_everything_grows_with_the_hours():
    once = totals(compute_capacity(ROUND))
    assert totals(changed(hours=3000)) == pytest.approx([3 * each for each in once])


@pytest.mark.parametrize(
    ("key", "grow", "shrink"),
    [
        ("decode_core_s", {"cores"}, set()),
        ("stride_s", set(), {"gpus"}),
        ("window_tokens", {"gpus"}, set()),
        ("gpu_tokens_per_s", set(), {"gpus"}),
        ("video_mbit_per_s", {"network"}, set()),
        ("clips_per_hour", {"teacher"}, set()),
        ("teacher_requests", {"teacher"}, set()),
    ],
)
def test_an_input_moves_its_own_resource_alone(key, grow, shrink):
    before, after = work(compute_capacity(ROUND)), work(changed(**{key: getattr(ROUND, key) * 2}))
    assert {name for name in before if after[name].unit_hours > before[name].unit_hours} == grow
    assert {name for name in before if after[name].unit_hours < before[name].unit_hours} == shrink


@pytest.mark.parametrize("key", ["hours", "days", "cores", "gpus", "stride_s", "window_tokens", "gpu_tokens_per_s"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_what_is_no_amount_is_refused(key, value):
    with pytest.raises(UserError, match=f"{key} must be (greater than 0|a finite number), not"):
        parse_settings(CapacityInputs, {"hours": 1, key: value}, "settings of capacity")


def test_no_clips_are_no_teacher_and_an_efficiency_above_1_is_refused():
    found = changed(clips_per_hour=0)
    assert (found.money, found.storage.frame_cache, work(found)["teacher"].needed) == (0, 0, 0)
    with pytest.raises(UserError, match="gpu_efficiency must be at most 1"):
        parse_settings(CapacityInputs, {"hours": 1, "gpu_efficiency": 1.5}, "settings of capacity")


def test_tokens_are_not_guessed():
    with pytest.raises(ValueError, match="counted first"):
        compute_capacity(CapacityInputs(hours=1))


def test_each_default_has_a_source():
    given = {"hours", "model", "sampling", "price", "window_tokens"}
    numbers = {name for name, field in CapacityInputs.model_fields.items() if field.default is not None}
    assert set(SOURCES) == numbers - given


def test_decoding_is_as_the_benchmarks_say():
    """Within a third, since another run of the benchmark gives other seconds."""
    row = re.search(r"^\| tiny-base, 60 s \| ours \|(.*)\|$", (ROOT / "docs/benchmarks.md").read_text(), re.MULTILINE)
    cells = [float(cell) for cell in row[1].split("|")]
    model, whole = cells[3:5]
    assert CapacityInputs(hours=1).decode_core_s == pytest.approx((whole - model) * 60, rel=1 / 3)


def typed(*words):
    done = CliRunner().invoke(app, ["plan", *words])
    return done.exit_code, done.stdout, done.stderr


TOKENS = "window_tokens=1408"


@pytest.mark.parametrize("hours", ["1", "10000", "1000000"])
@pytest.mark.parametrize("more", [[], ["--cores", "512", "--gpus", "256", "price.prompt_per_million=0.4"]])
def test_the_table_fits_80_columns(hours, more, monkeypatch):
    monkeypatch.setattr("vlm_autodrive.cli.tables._console", lambda: Console(width=80, highlight=False))
    code, out, _ = typed("--hours", hours, TOKENS, *more)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "computed from the inputs below, not measured" in out
    assert not re.search(r"\de[+-]\d", out)
    for key in SOURCES:
        assert f"{key}=" in out


def test_what_is_printed_is_what_was_computed():
    _, out, _ = typed("--hours", "10000", "--cores", "8", "--gpus", "8", "--days", "7", TOKENS)
    assert re.search(r"CPU cores +1,861 core hours +9.69 days with 8 +12", out)
    assert re.search(r"GPUs +850 GPU hours +4.43 days with 8 +6", out)
    assert "Bottleneck: CPU cores. It takes at least 9.69 days; 7 days are not enough." in out
    assert "Not known, so taken as no limit: network, teacher." in out
    assert re.search(r"gpus=8 +set by you", out)
    _, out, _ = typed("--hours", "10000", TOKENS)
    assert "one GPU keeps 2.19 cores busy" in out


def test_the_page_shows_what_the_command_prints():
    page = (ROOT / "docs/scale.md").read_text()
    rows = page.partition("<!-- capacity: begin -->")[2].partition("<!-- capacity: end -->")[0].strip().splitlines()[2:]
    columns = list(zip(*(row.strip("| ").split(" | ")[1:] for row in rows), strict=True))
    assert len(rows) == 13
    for hours, column in zip(("1", "10000", "1000000"), columns, strict=True):
        _, out, _ = typed("--hours", hours, TOKENS)
        for shown in column:
            assert re.search(rf"(?<![\d.,]){re.escape(shown)}(?!\d|[.,]\d)", out.partition("Bottleneck")[0]), shown
    _, out, _ = typed("--hours", "1000000", "--cores", "1024", "--gpus", "256", TOKENS)
    assert "7.57 days" in out
    assert "at least 13.8 days" in out
    _, out, _ = typed("--hours", "10000", TOKENS, "price.prompt_per_million=0.4", "price.completion_per_million=1.6")
    assert "Cost of the teacher: 490.66" in out


def test_the_page_names_each_input():
    page = (ROOT / "docs/scale.md").read_text()
    assert [key for key in [*SOURCES, "window_tokens"] if f"`{key}`" not in page and f"--{key}" not in page] == []


def test_json_holds_inputs_and_sources():
    _, out, _ = typed("--hours", "10", TOKENS, "--json")
    found = json.loads(out)
    assert found["inputs"]["window_tokens"] == 1408
    assert found["sources"]["window_tokens"] == "set by you"
    assert found["sources"]["gpu_tokens_per_s"].startswith("published: NVIDIA")
    assert found["work"][0]["unit_hours"] == pytest.approx(10 * 670 / 3600)


@pytest.mark.slow
def test_tokens_are_counted_for_the_model_and_its_sampling():
    """Pairs of frames x tokens of a frame: 5 x (224 / 28) x (448 / 28) and 10 x (224 / 32) x (448 / 32)."""
    for model, settings, frames, video in (
        ("Qwen/Qwen2.5-VL-7B-Instruct", ["sampling.fps=2"], 10, 640),
        ("Qwen/Qwen3-VL-2B-Instruct", [], 20, 980),
    ):
        found = json.loads(typed("--hours", "1", "--model", model, "--json", *settings)[1])
        assert f"{video} of video" in found["sources"]["window_tokens"]
        assert video < found["inputs"]["window_tokens"] < video + 400
        assert found["tokens"] == 3000 * found["inputs"]["window_tokens"]
        assert found["storage"]["frame_cache"] == 6 * frames * 224 * 448 * 3
        other_size = "This model has 2.1 B weights: set another rate" in found["sources"]["gpu_tokens_per_s"]
        assert other_size == ("2B" in model)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give the folder that `supervise` made, or --hours H"),
        (("runs/mine/supervision", "--hours", "5"), "leave out runs/mine/supervision"),
        (("--hours", "5", "--memory", "80", "--show", "c1"), "leave out --show, --memory"),
        (("--hours", "5", "--recipe", "nexar"), "leave out --recipe"),
        (("s/supervision", "--days", "5"), "--days and --cores go with --hours"),
        (("--hours", "0"), "hours must be greater than 0, not 0.0"),
        (("--hours", "-3"), "hours must be greater than 0, not -3.0"),
        (("--hours", "nan"), "hours must be a finite number, not nan"),
        (("--hours", "5", "--gpus", "0"), "gpus must be greater than 0, not 0"),
        (("--hours", "5", "video_mbit=4"), "did you mean video_mbit_per_s?"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(words, told):
    code, out, err = typed(*words)
    assert (code, out) == (1, "")
    assert told in err
    assert len(err.splitlines()) == 1
