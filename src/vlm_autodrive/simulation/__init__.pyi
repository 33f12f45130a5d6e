from . import dataset
from .dataset import simulate
from .settings import SimulateSettings

__all__ = [
    "SimulateSettings",
    "dataset",
    "simulate",
]
