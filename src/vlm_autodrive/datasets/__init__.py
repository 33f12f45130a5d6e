"""Data sets in: one file per format, typed loading of their tables, and the import stage."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
