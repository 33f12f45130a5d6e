"""Ablations: the cells of a grid trained and evaluated, with what they share made once."""

from vlm_autodrive.runs.ablation.cells import Cell, cells_of
from vlm_autodrive.runs.ablation.running import Preview, ablate, preview

__all__ = ["Cell", "Preview", "ablate", "cells_of", "preview"]
