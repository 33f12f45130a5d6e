"""Scores: clips joined with predictions, and what follows from them."""
