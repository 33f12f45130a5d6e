"""Evaluation: predictions of every model on the same held-out clips, their comparison, and the report."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
