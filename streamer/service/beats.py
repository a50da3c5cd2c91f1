"""Another machine's beat that comes by no MIDI input, followed while the stream plays.

In: ``clock.mode`` and a stream. Out: a context in which it obeys. What is lacking is told before
anything is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streamer.control.follow import LOOK_SECONDS, ClosingSource, Following
from streamer.control.link import library, link_follower
from streamer.service.stream import StreamThreads
from streamer.settings.midi import ClockSettings
from streamer.system.clock import Clock

FIND_SECONDS = 2.0
"""So long music waits for a session of Link to be found, on whose bar it is to begin."""


def refuse_lacking(settings: ClockSettings) -> None:
    """Refuse a source of beats whose library is not there (ConfigError)."""
    if settings.mode == "link":
        library()
    elif settings.mode == "jack":
        from streamer.control.transport import libjack

        libjack()


@contextmanager
def another_beat(
    settings: ClockSettings, stream: StreamThreads, clock: Clock, client_name: str
) -> Iterator[None]:
    """Let a stream obey the beat of another machine while the context lasts.

    Args:
        settings: Which, if any.
        stream: Not started yet.
        clock: Time.
        client_name: How this program is called in other programs' lists.

    Raises:
        ConfigError: What it needs is not installed.
    """
    source: ClosingSource
    if settings.mode == "link":
        source, wait_seconds = link_follower(settings, stream.tempo, clock), FIND_SECONDS
    elif settings.mode == "jack":
        from streamer.control.transport import jack_follower

        source, wait_seconds = jack_follower(client_name), LOOK_SECONDS
    else:
        yield
        return
    following = Following(source, stream.scheduler, clock, settings.tempo_bpm, wait_seconds)
    stream.tempo.source = lambda: following.said
    with following:
        yield
