"""How long an answer is waited for: the timeout follows what answers take, within a bound."""

import time

_GROWTH = 2.0
_MOST = 4.0  # times the setting
_SLACK = 3.0  # times the slowest answer of late
_FADES = 0.9


class AdaptiveTimeout:
    """The timeout of the next request.

    It is at least the setting, grows to three times the slowest answer of late, and doubles after a round of requests
    that had none, up to four times the setting.

    Attributes:
        seconds: The timeout now.
        expired: How many requests had no answer in time.
    """

    def __init__(self, least_s: float) -> None:
        """Begin with the timeout of the settings."""
        self.seconds = least_s
        self.expired = 0
        self._least_s = least_s
        self._slowest_s = 0.0
        self._raised_s = -float("inf")

    def answered(self, sent_s: float) -> None:
        """Learn from an answer to a request that was sent at a time of the monotonic clock."""
        self._slowest_s = max(self._slowest_s * _FADES, time.monotonic() - sent_s)
        self._raise_to(_SLACK * self._slowest_s)

    def expire(self, sent_s: float) -> None:
        """Learn from a request that had no answer in time; those sent before the last change say nothing new."""
        self.expired += 1
        if sent_s >= self._raised_s:
            self._raise_to(_GROWTH * self.seconds)
            self._raised_s = time.monotonic()

    def _raise_to(self, seconds: float) -> None:
        self.seconds = max(self.seconds, min(seconds, _MOST * self._least_s))
