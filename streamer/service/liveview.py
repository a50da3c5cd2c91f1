"""The live view on a terminal: music first, what goes on inside behind a key, help behind another.

In: figures, a desk, what keys have done. Out: a panel that is drawn again some times a second, and
at each key; log lines appear above it. Threads: main shows, that of the keys redraws.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from streamer.service import screen
from streamer.service.display import rows, state_of
from streamer.service.figures import StreamFigures
from streamer.service.keyboard import in_background
from streamer.service.steering import HELP, Steering
from streamer.surfaces.desk import Desk, Written

LABEL_CELLS, FRAME_CELLS = 10, 8
FRAME_LINES = 4
MOST_NOTES = 2000

HINTS = (
    "space holds - arrows steer - 1-9 scenes - i inside - ? help - q stops",
    "space holds - arrows steer - ? help - q stops",
    "? help - q stops",
)
"""What can be pressed, as much of it as there is room for."""


class LiveView:
    """Redraws a panel on the terminal; log lines appear above it.

    Args:
        console: A rich ``Console``, for tests; None is stderr.
        desk: The stream, for the roll and the controls; None shows figures alone.
        steering: What keys do; None where no keys are heard.
    """

    def __init__(
        self, console: Any = None, desk: Desk | None = None, steering: Steering | None = None
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self._last: StreamFigures | None = None
        self._desk, self._steering = desk, steering
        self._notes: list[Written] = []
        self._serial = 0
        self._drawing = threading.Lock()
        self._terminal = sys.stderr.fileno() if console is None else None
        console = console or Console(stderr=True)
        self._encoding = console.encoding
        self._glyphs = screen.glyphs_for(self._encoding)
        self._live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, vertical_overflow="crop"
        )
        self._live.start()

    def show(self, read: Callable[[], StreamFigures]) -> None:
        """Redraw."""
        with self._drawing:
            self._last = figures = read()
            self._look()
            self._draw(figures, state_of(figures), self._hint())

    def redraw(self) -> None:
        """Draw again what was shown last, as keys have changed it; any thread."""
        with self._drawing:
            if self._last is not None:
                self._draw(self._last, state_of(self._last), self._hint())

    def close(self) -> None:
        """Leave the last panel on the terminal, all keys up, and give it back."""
        with self._drawing:
            if self._last is not None:
                still = replace(self._last, sounding=(), pedal=False)
                self._last = None
                self._draw(still, "ended", None)
            self._live.stop()

    def _look(self) -> None:
        """Take in what was written since the last look, and forget what is past."""
        if self._desk is None:
            return
        self._serial, fresh = self._desk.written_since(self._serial)
        if fresh:
            from_ms = min(note.onset_ms for note in fresh)
            self._notes = [note for note in self._notes if note.onset_ms < from_ms] + list(fresh)
        past_ms = self._desk.now_ms() - screen.PAST_MS
        self._notes = [n for n in self._notes if n.onset_ms + n.duration_ms > past_ms][-MOST_NOTES:]

    def _hint(self) -> str:
        if self._steering is None:
            return "Ctrl-C ends it"
        room = self._live.console.width - FRAME_CELLS
        return next((hint for hint in HINTS if len(hint) <= room), HINTS[-1])

    def _draw(self, figures: StreamFigures, state: str, hint: str | None) -> None:
        if self._terminal is not None and hint is not None and in_background(self._terminal):
            return
        from rich import box
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        console = self._live.console
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", overflow="crop", no_wrap=True, min_width=LABEL_CELLS)
        table.add_column(overflow="crop", no_wrap=True)
        room = max(console.height - FRAME_LINES, 1)
        for label, text in self._lines(figures, still=hint is None)[:room]:
            table.add_row(label, Text(screen.spelled(text, self._encoding)))
        arrow = "→" if self._glyphs.upper else "->"
        title = f"{figures.model} {arrow} {figures.port}{self._glyphs.between}{state}"
        title = screen.spelled(title, self._encoding)[: max(console.width - FRAME_CELLS, 1)]
        frame = box.ROUNDED if self._glyphs.upper else box.ASCII
        panel = Panel(table, title=Text(title), subtitle=hint, box=frame)
        # The terminal echoes ^C where the cursor is: on a line of its own it moves nothing.
        self._live.update(Group(panel, Text("")), refresh=True)

    def _lines(self, figures: StreamFigures, *, still: bool) -> list[tuple[str, str]]:
        """Return label and text of each line."""
        page = "music" if self._steering is None else self._steering.page
        room = max(self._live.console.width - LABEL_CELLS - FRAME_CELLS, 8)
        if page == "inside" and not still:
            return rows(figures, room)
        if page == "help" and not still:
            return self._help()
        music = self._music(figures, still=still)
        if still or self._desk is None:
            return music
        height = self._live.console.height - len(music) - FRAME_LINES
        lines = min(max(height, screen.LEAST_ROLL), screen.MOST_ROLL)
        drawn = screen.roll(self._notes, self._desk.now_ms(), room, lines, self._glyphs)
        return [music[0], *(("", line) for line in drawn), *music[1:]]

    def _music(self, figures: StreamFigures, *, still: bool) -> list[tuple[str, str]]:
        """Return the lines on the music, what sounds first."""
        found = [("sounds", screen.sounds(figures, self._glyphs))]
        if figures.playing is not None:
            silent = f", muted: {', '.join(figures.muted)}" if figures.muted else ""
            found.append((figures.playing.kind, f"{figures.playing.text}{silent}"))
        if figures.duet:
            found.append(("duet", figures.duet))
        if figures.scene:
            found.append(("scene", figures.scene))
        found.append(("clock", screen.clock_text(figures)))
        if self._desk is None:
            return found
        values = self._desk.controls.snapshot().values()
        if key := screen.key_text(values):
            found.append(("key", key))
        moved = screen.moved(values, figures.family, self._glyphs)
        if moved:
            found.append(("moved", self._glyphs.between.join(moved)))
        if self._steering is not None and not still:
            spec = self._steering.chosen
            found.append((">", screen.fader(spec, values[spec.name], self._glyphs)))
            found.append(("", self._steering.message or f"heard {spec.heard}"))
        return found

    def _help(self) -> list[tuple[str, str]]:
        scenes = [] if self._desk is None else self._desk.scenes()
        named = [f"{n} {scene['name']}" for n, scene in enumerate(scenes[:9], 1)]
        return [*HELP, ("scenes", "  ".join(named))]
