"""Supervision: the SFT samples of each clip, of types that can be switched on and off one by one."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
