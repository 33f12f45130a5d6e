"""The review page: a person watches what a model found, judges it and corrects it; served on this computer alone."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
