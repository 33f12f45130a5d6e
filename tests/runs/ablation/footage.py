"""A small data set of real video files, laid out like Nexar's, and recipes over it."""

from tests.clocks import write_clock
from tests.tiny_models import saved_tiny_model

_HEADER = "file_name,time_of_event,time_of_alert,light_conditions,weather,scene\n"


def write_footage(root, seconds=6.0, each=4):
    """``each`` videos of each class; the middle of each positive is its event."""
    types = [supervision_type for supervision_type in ("collision", "near_collision", "normal") for _ in range(each)]
    rows = {"positive": "", "negative": ""}
    overlay = "id,class\n"
    for number, supervision_type in enumerate(types):
        side = "negative" if supervision_type == "normal" else "positive"
        write_clock(root / "train" / side / f"{number:05}.mp4", count=round(10 * seconds), offset_s=0.01 * number)
        times = "," if supervision_type == "normal" else f"{seconds / 2:g},{seconds / 2 - 0.5:g}"
        rows[side] += f"{number:05}.mp4,{times},Normal,Clear,Urban\n"
        overlay += "" if supervision_type == "normal" else f"{number:05},{supervision_type}\n"
    for side, lines in rows.items():
        (root / "train" / side / "metadata.csv").write_text(_HEADER + lines)
    (root / "overlay.csv").write_text(overlay)
    return root


def write_recipe(path, footage, ablate, train=""):
    """A recipe that trains the smallest model for two steps."""
    path.write_text(
        f"name: {path.stem}\n"
        f"import: {{format: nexar, path: '{footage}'}}\n"
        "clips: {window_s: 2.4, split: {train: 0.5, validation: 0, test: 0.5}, split_by: count}\n"
        "supervise: {vqa_per_clip: 2}\n"
        f"train: {{model: '{saved_tiny_model('qwen3_vl')}', batch_size: 3, learning_rate: 0.01, "
        f"precision: fp32, save_steps: 1{train}}}\n"
        "evaluate: {reasoning: false}\n"
        "compare: {resamples: 200}\n"
        f"ablate: {ablate}\n"
    )
    return path
