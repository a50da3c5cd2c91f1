"""The line on which the music lies: milliseconds of music, seconds of the clock.

In: where the music starts, holds and how fast it runs. Out: when each place of it is reached. No
clock is read here: who asks says what time it is.
"""

from __future__ import annotations


class Timeline:
    """Milliseconds of played music <-> seconds of the clock; used by one thread.

    It runs at ``rate`` from an anchor, and can be held. While it is held no time passes in the
    music, so that whatever comes after lies at the present and not in the past.
    """

    def __init__(self) -> None:
        self._anchor_ms = 0.0
        self._anchor_s: float | None = None
        self._rate = 1.0

    @property
    def running(self) -> bool:
        """Whether time passes."""
        return self._anchor_s is not None

    @property
    def rate(self) -> float:
        """How many times as fast the music runs."""
        return self._rate

    def start(self, at_ms: float, when: float) -> None:
        """Let the place ``at_ms`` in the music fall on ``when``, in seconds of the clock."""
        self._anchor_ms, self._anchor_s = at_ms, when

    def run_from(self, when: float) -> None:
        """Go on from where the music was held, at ``when`` in seconds of the clock."""
        self._anchor_s = when

    def hold(self, now: float) -> None:
        """Stop the music's time at ``now``; nothing happens where it stands already."""
        if self._anchor_s is not None:
            # A line that was to start later than now has not begun, and stays where it is.
            self._anchor_ms = max(self._anchor_ms, self.now_ms(now))
            self._anchor_s = None

    def set_rate(self, rate: float, now: float) -> None:
        """Let the music run ``rate`` times as fast from ``now`` on.

        Raises:
            ValueError: ``rate`` is not above 0.
        """
        if not rate > 0:
            raise ValueError(f"rate must be above 0, not {rate}")
        if self._anchor_s is not None and now > self._anchor_s:
            self._anchor_ms, self._anchor_s = self.now_ms(now), now
        self._rate = rate

    def delay(self, seconds: float) -> None:
        """Put off all that is still to come by so much."""
        if self._anchor_s is not None:
            self._anchor_s += seconds

    def now_ms(self, now: float) -> float:
        """Return the place in the music, in ms; before the start it is below the anchor."""
        if self._anchor_s is None:
            return self._anchor_ms
        return self._anchor_ms + (now - self._anchor_s) * 1000.0 * self._rate

    def deadline(self, at_ms: float) -> float:
        """Return when a place in the music is reached, in seconds; infinity while held."""
        if self._anchor_s is None:
            return float("inf")
        return self._anchor_s + (at_ms - self._anchor_ms) / (1000.0 * self._rate)
