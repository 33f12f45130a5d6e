from .exporting import ExportModelSettings, export_model
from .model_check import check_model
from .plan.machines import machine_of
from .plan.planning import plan
from .processes import launched_number
from .settings import TrainSettings
from .showing import show_clip
from .training import train

__all__ = [
    "ExportModelSettings",
    "TrainSettings",
    "check_model",
    "export_model",
    "launched_number",
    "machine_of",
    "plan",
    "show_clip",
    "train",
]
