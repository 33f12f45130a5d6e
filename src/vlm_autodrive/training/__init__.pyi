from .model_check import check_model
from .model_export import ExportModelSettings, export_model
from .plan.counting import WindowTokens, check_frame_size, count_window
from .plan.loss_mask import show_loss_mask
from .plan.machines import machine_of
from .plan.stage import plan
from .processes import launched_rank
from .settings import TrainSettings
from .stage import decode_for_training, train

__all__ = [
    "ExportModelSettings",
    "TrainSettings",
    "WindowTokens",
    "check_frame_size",
    "check_model",
    "count_window",
    "decode_for_training",
    "export_model",
    "launched_rank",
    "machine_of",
    "plan",
    "show_loss_mask",
    "train",
]
