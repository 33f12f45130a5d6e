"""VLM-AutoDrive: teach a vision-language model to find collisions in dashcam video, and to say why."""

__version__ = "0.1.0"
