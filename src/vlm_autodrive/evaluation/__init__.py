"""The proof: every model on the same held-out clips, compared with uncertainty, and a page to show it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
