"""Predictions: one record for each clip, by a model or a baseline."""
