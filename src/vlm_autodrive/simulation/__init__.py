"""Simulated dashcam drives, whose outcomes are decided by physics, written out as an ordinary data set."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
