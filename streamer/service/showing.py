"""Opens what a person sees and steers with at the terminal, and closes it again.

In: a stream that plays, its desk. Out: a view, and a keyboard that is heard where there is one.
Thread: main.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from streamer.service.display import View, make_view
from streamer.service.figures import StreamFigures
from streamer.service.keyboard import Keyboard, can_read_keys
from streamer.service.signals import Signals
from streamer.service.steering import Steering
from streamer.service.stream import StreamThreads
from streamer.surfaces.desk import Desk
from streamer.system.clock import Clock

SILENCE_SECONDS = 0.3
"""How long a process that is to be stopped (Ctrl-Z) may take to be silent."""

_SLICE_SECONDS = 0.01


@contextmanager
def shown(
    stream: StreamThreads,
    desk: Callable[[], Desk],
    clock: Clock,
    signals: Signals,
    every_seconds: float | None = None,
) -> Iterator[View]:
    """Show a stream while the context lasts, and hear the keys of a terminal.

    Args:
        stream: What is shown.
        desk: Makes what a view and keys see of it.
        clock: Time.
        signals: Give the terminal back where they end the process at once.
        every_seconds: How often a line is logged, 0 never; None shows a live view on a terminal.
    """
    if every_seconds is not None:
        view = make_view(every_seconds, True, clock)
        try:
            yield view
        finally:
            view.close()
        return
    from streamer.service.liveview import LiveView

    seen = desk()
    steering = (
        Steering(seen, stream.ended.set, stream.figures().family) if can_read_keys() else None
    )
    with ExitStack() as opened:
        panel = LiveView(desk=seen, steering=steering)
        opened.callback(panel.close)
        if steering is not None:
            keyboard = opened.enter_context(_keys(stream, seen, steering, panel.redraw))
            signals.give_back = keyboard.give_back
            yield _Steered(panel, keyboard)
        else:
            yield panel


class _Steered:
    """A view that looks, as often as it is shown, whether Ctrl-Z stops the process."""

    def __init__(self, view: View, keyboard: Keyboard) -> None:
        self._view, self._keyboard = view, keyboard

    def show(self, read: Callable[[], StreamFigures]) -> None:
        """See :class:`streamer.service.display.View`."""
        self._keyboard.look()
        self._view.show(read)

    def close(self) -> None:
        """See :class:`streamer.service.display.View`."""
        self._view.close()


def _keys(
    stream: StreamThreads, desk: Desk, steering: Steering, redraw: Callable[[], object]
) -> Keyboard:
    """Return the keyboard that steers; a stream that is stopped by Ctrl-Z is silent meanwhile."""
    scheduler = stream.scheduler

    def press(key: str) -> None:
        steering.press(key)
        redraw()

    def hold() -> None:
        scheduler.pause()
        until = time.monotonic() + SILENCE_SECONDS
        while scheduler.sounding and time.monotonic() < until:
            time.sleep(_SLICE_SECONDS)

    def go_on() -> None:
        if not desk.controls.snapshot().pause:
            scheduler.resume()

    return Keyboard(press, hold, go_on)
