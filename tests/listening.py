"""A reporter that keeps what it is told."""

from vlm_autodrive.progress import SilentReporter


class Listens(SilentReporter):
    """Shows no progress, and keeps every message in ``said``."""

    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)
