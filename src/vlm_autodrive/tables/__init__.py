"""Tables as people write and save them, row by row, with the line of every error."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
