"""Clips: windows cut from a catalog's videos, with labels and splits, and an audit of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
