"""Pure functions that judge answers: parsing, classification, event times, intervals, paired tests."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
