"""Asking any OpenAI-compatible endpoint over HTTP: as fast as it bears, within a budget, and paid once."""
