"""What a person sees while the stream plays: a live view on a terminal, log lines elsewhere.

In: what reads :class:`streamer.service.figures.StreamFigures`, four times a second. Out: text.
Thread: main; rich is imported only for a terminal, after the music has begun.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Protocol

from streamer.generators.stats import SET_ASIDE
from streamer.music.notes import PIANO_HIGH, PIANO_LOW
from streamer.service.figures import StreamFigures
from streamer.service.screen import pitch_name
from streamer.system.clock import Clock

logger = logging.getLogger(__name__)

KEYS = PIANO_HIGH - PIANO_LOW + 1
BAR_SECONDS = 12.0
"""Buffer that fills the whole bar, seconds."""

BAR_CELLS = 24


class View(Protocol):
    """Shows the figures of the stream: a live display, or log lines."""

    def show(self, read: Callable[[], StreamFigures]) -> None:
        """Read the figures if they are shown now; called some times a second."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


def shows_view(plain: bool) -> bool:
    """Whether there is a terminal that a live view is shown on.

    Args:
        plain: Log lines are asked for.
    """
    return not plain and sys.stderr.isatty()


def make_view(stats_seconds: float, plain: bool, clock: Clock) -> View:
    """Return a live view on a terminal, log lines elsewhere.

    Args:
        stats_seconds: How often a line is logged; 0 never.
        plain: Log lines on a terminal too.
        clock: Time.
    """
    if not shows_view(plain):
        return LogView(stats_seconds, clock)
    from streamer.service.liveview import LiveView

    return LiveView()


def keyboard(sounding: tuple[tuple[int, int], ...], cells: int = KEYS) -> str:
    """Return the piano as a line: what sounds is a block, each C stands out.

    Args:
        sounding: Keys that are down, (channel, pitch).
        cells: Room for the line; below 88 a cell is two keys.
    """
    down = {pitch for _, pitch in sounding}
    step = 1 if cells >= KEYS else 2

    def cell(first: int) -> str:
        pitches = range(first, first + step)
        if any(pitch in down for pitch in pitches):
            return "█"
        return "|" if any(pitch % 12 == 0 for pitch in pitches) else "·"

    return "".join(cell(first) for first in range(PIANO_LOW, PIANO_HIGH + 1, step))


def state_of(figures: StreamFigures) -> str:
    """Return in words what the stream is doing."""
    if figures.waiting_for_port:
        return "waiting for the port"
    return "paused" if figures.paused else "playing"


def rows(figures: StreamFigures, cells: int = KEYS) -> list[tuple[str, str]]:
    """Return label and text of each line on what goes on inside; ``cells`` is the room for one."""
    generation, late = figures.generation, figures.lateness_ms
    filled = min(round(figures.buffer_seconds / BAR_SECONDS * BAR_CELLS), BAR_CELLS)
    drawn = max(generation["candidates"], 1)
    dropped = generation["dropped"]
    drops = "  ".join(
        f"{reason} {count / drawn:.1%}" for reason, count in dropped.items() if reason != SET_ASIDE
    )
    aside = dropped.get(SET_ASIDE, 0) / drawn
    entropy = generation["entropy"]
    return [
        ("keys", keyboard(figures.sounding, cells)),
        ("", " ".join(pitch_name(p) for p in sorted({p for _, p in figures.sounding}))),
        ("seed", str(figures.seed)),
        ("pedal", "down" if figures.pedal else "up"),
        ("notes", f"{figures.notes_sent}, {figures.late_dropped} dropped as late"),
        (
            "buffer",
            f"{'█' * filled}{'░' * (BAR_CELLS - filled)} {figures.buffer_seconds:4.1f} s, "
            f"{figures.underruns} underruns",
        ),
        ("candidates", f"K {figures.candidates}, {generation['phrases']} phrases written"),
        ("dropped", drops or "none"),
        ("set aside", f"{aside:.0%} of candidates, which led away from the corpus (by design)"),
        ("relaxed", f"{sum(generation['relaxed'].values())}, {generation['redraws']} redraws"),
        *playing_rows(figures),
        ("recalled", f"{generation['recalls']} figures came back"),
        ("entropy", "  ".join(f"{name} {nats:.2f}" for name, nats in entropy.items())),
        (
            "lateness",
            f"p50 {late['p50']:.2f}  p99 {late['p99']:.2f}  max {late['max']:.2f} ms "
            f"({figures.policy})",
        ),
    ]


def playing_rows(figures: StreamFigures) -> list[tuple[str, str]]:
    """Return the line on what is being written; none in music without such parts."""
    playing = figures.playing
    if playing is None:
        return []
    silent = f", muted: {', '.join(figures.muted)}" if figures.muted else ""
    return [(playing.kind, f"{playing.text}{silent}")]


class LogView:
    """Logs one line of figures now and then."""

    def __init__(self, every_seconds: float, clock: Clock) -> None:
        self._every, self._clock = every_seconds, clock
        self._next = clock.now() + every_seconds

    def show(self, read: Callable[[], StreamFigures]) -> None:
        """Log the figures when it is time; between two lines nobody asks for any."""
        if self._every and self._clock.now() >= self._next:
            self._next += self._every
            figures = read()
            logger.info("%s: %s", state_of(figures), figures.line())

    def close(self) -> None:
        """Do nothing."""
