from .clips import build_clips
from .datasets import import_dataset
from .detection import (
    CalibrateSettings,
    DetectSettings,
    ShortListSettings,
    calibrate,
    detect,
    write_short_list,
)
from .engines import open_model
from .evaluation import compare, evaluate, evaluate_baseline, judge, write_report
from .progress import SILENT
from .runs import load_recipe, run_recipe
from .simulation import simulate
from .supervision import supervise
from .training import plan, train

__version__: str

__all__ = [
    "SILENT",
    "CalibrateSettings",
    "DetectSettings",
    "ShortListSettings",
    "build_clips",
    "calibrate",
    "compare",
    "detect",
    "evaluate",
    "evaluate_baseline",
    "import_dataset",
    "judge",
    "load_recipe",
    "open_model",
    "plan",
    "run_recipe",
    "simulate",
    "supervise",
    "train",
    "write_report",
    "write_short_list",
]
