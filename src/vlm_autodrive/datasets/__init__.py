"""Data sets: one reader per format (see ``formats.py``), the import stage, and the validation of videos."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
