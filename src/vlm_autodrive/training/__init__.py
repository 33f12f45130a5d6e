"""Post-training: the shared prefix, batches, the loop, checkpoints, and the plan made before."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
