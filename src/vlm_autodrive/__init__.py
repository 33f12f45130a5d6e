"""VLM-AutoDrive: fine-tune vision-language models to detect and explain collisions in dashcam video.

What users need stands in ``__init__.pyi`` and is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.2.0"
