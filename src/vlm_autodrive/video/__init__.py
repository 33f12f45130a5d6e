"""Video input: probing, decoding by presentation time, the frame sampler, the frame cache."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
