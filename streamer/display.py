"""What a person sees while the stream plays: a live view on a terminal, log lines elsewhere.

In: what reads :class:`streamer.stats.StreamFigures`, four times a second. Out: text. Called by the
daemon in the main thread; rich is imported only for a terminal, after the music has begun.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from streamer.clock import Clock
from streamer.notes import PIANO_HIGH, PIANO_LOW
from streamer.stats import SET_ASIDE, StreamFigures

if TYPE_CHECKING:
    from streamer.daemon import View

logger = logging.getLogger(__name__)

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
KEYS = PIANO_HIGH - PIANO_LOW + 1
LABEL_CELLS, FRAME_CELLS = 10, 8
BAR_SECONDS = 12.0
"""Buffer that fills the whole bar, seconds."""

BAR_CELLS = 24


def make_view(stats_seconds: float, plain: bool, clock: Clock) -> View:
    """Return a live view on a terminal, log lines elsewhere.

    Args:
        stats_seconds: How often a line is logged; 0 never.
        plain: Log lines on a terminal too.
        clock: Time.
    """
    if plain or not sys.stderr.isatty():
        return LogView(stats_seconds, clock)
    return LiveView()


def pitch_name(pitch: int) -> str:
    """Return a pitch as musicians write it: 60 is C4."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


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
    """Return label and text of each line of the live view; ``cells`` is the room for a text."""
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
        *tune_rows(generation),
        *band_rows(figures),
        ("recalled", f"{generation['recalls']} figures came back"),
        ("entropy", "  ".join(f"{name} {nats:.2f}" for name, nats in entropy.items())),
        (
            "lateness",
            f"p50 {late['p50']:.2f}  p99 {late['p99']:.2f}  max {late['max']:.2f} ms "
            f"({figures.policy})",
        ),
    ]


def tune_rows(generation: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the line on the tune that is being written; none in music without tunes."""
    tune = generation.get("tune")
    if not tune:
        return []
    text = f"{tune['number']}, {tune['style']}, {tune['key']}, {tune['tempo_bpm']:.0f} bpm, "
    return [("tune", text + f"{tune['notes']} notes")]


def band_rows(figures: StreamFigures) -> list[tuple[str, str]]:
    """Return the line on the band that plays; none where none does."""
    band = figures.generation.get("band")
    if not band:
        return []
    silent = f", muted: {', '.join(figures.muted)}" if figures.muted else ""
    return [("band", f"{band['genre']}, {band['tempo_bpm']:.0f} bpm{silent}")]


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


class LiveView:
    """Redraws a panel on the terminal; log lines appear above it.

    Args:
        console: A rich ``Console``, for tests; None is stderr.
    """

    def __init__(self, console: Any = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._last: StreamFigures | None = None
        console = console or Console(stderr=True)
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False)
        self._live.start()

    def show(self, read: Callable[[], StreamFigures]) -> None:
        """Redraw."""
        self._last = figures = read()
        self._draw(figures, state_of(figures), "Ctrl-C ends it")

    def _draw(self, figures: StreamFigures, state: str, hint: str | None) -> None:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True, min_width=LABEL_CELLS)
        table.add_column(overflow="ellipsis", no_wrap=True)
        room = self._live.console.width - LABEL_CELLS - FRAME_CELLS
        for label, text in rows(figures, room):
            table.add_row(label, Text(text))
        title = f"{figures.model} → {figures.port} · seed {figures.seed} · {state}"
        panel = Panel(table, title=Text(title), subtitle=hint)
        # The terminal echoes ^C where the cursor is: on a line of its own it moves nothing.
        self._live.update(Group(panel, Text("")), refresh=True)

    def close(self) -> None:
        """Leave the last panel on the terminal, all keys up, and give it back."""
        if self._last is not None:
            still = replace(self._last, sounding=(), pedal=False)
            self._last = None
            self._draw(still, "ended", None)
        self._live.stop()
