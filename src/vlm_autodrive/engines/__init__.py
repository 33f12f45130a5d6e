"""Inference engines: answers to prompts about frames, with class probabilities where available."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
