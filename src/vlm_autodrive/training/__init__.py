"""Supervised fine-tuning (SFT) of a video model, with all samples of a clip behind one shared prefix.

What trains, in reading order: ``sampler`` (which clips and samples a step takes), ``packing`` (their tensors),
``prefix_sharing`` and ``attention`` (one sequence of many samples, and its mask), ``loss``, ``loop``; around them
``training`` is the stage. ``plan`` counts tokens and memory before any of it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
