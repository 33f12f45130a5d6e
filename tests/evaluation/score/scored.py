"""Scores of stored samples, with a quick bootstrap over their clusters."""

from vlm_autodrive.metrics import Bootstrap


def scored(scores, samples, *more, model="m", resamples=200):
    """What ``scores`` makes of one model's answers."""
    return scores(samples, model, Bootstrap(samples.clusters, resamples), *more)
