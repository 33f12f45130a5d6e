"""Telemetry beside and inside video files: one file per format, and one list of them in ``reading.py``."""
