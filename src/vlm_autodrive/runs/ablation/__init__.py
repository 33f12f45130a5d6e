"""Ablations: the cells of a grid are trained and evaluated, and results common to several are made once."""
