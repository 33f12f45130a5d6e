"""Ablations: the cells of a grid trained and evaluated, with what they share made once."""
