"""``perpetuo render``: the stream into a file with no clock, as fast as it goes.

In: settings, a length and a path. Out: a ``.mid`` file and a report. The same seed, bundle and
version give the same bytes; they are those that ``--record`` would have kept of the same notes.
Called by ``streamer.verbs.render``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from streamer.controls import LiveControls
from streamer.errors import ConfigError, RecordingError
from streamer.midisettings import LIVE_QUERY
from streamer.notes import NOTE_DTYPE, NoteArray, Phrase, to_array
from streamer.offline import play_out
from streamer.pipeline import Source, open_source
from streamer.ports.sinks import ChannelPort
from streamer.recorder import MidiFileSink
from streamer.settings import Settings

FLUSH_PHRASES = 256
"""How many phrases are kept in memory before they are written."""


def render(
    settings: Settings,
    out: Path,
    duration_seconds: float = 60.0,
    plot: Path | None = None,
    timer: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Write so many seconds of the stream to a file.

    Args:
        settings: Model, filters, recall, controls and the port's channel are looked at.
        out: The ``.mid`` file; replaced in one step when all is drawn.
        duration_seconds: Length, above 0; notes that sound on are cut there.
        plot: Where to draw a piano roll (PNG), or None.
        timer: Seconds that only grow, for ``wall_s``.

    Returns:
        The report: ``bundle``, ``seed``, ``duration_s``, ``notes``, ``candidates``, ``kept``,
        ``dropped``, ``entropy``, ``wall_s`` and the other counters of the generator.

    Raises:
        StreamerError: The bundle, the file to continue, or a target is not usable.
    """
    began = timer()
    for target in (out, plot):
        if target is not None:
            require_folder(target)
    if settings.model.query == LIVE_QUERY:
        raise ConfigError(["model.query must not be live in render: give --query a .mid file"])
    source = open_source(settings, LiveControls(settings.controls))
    notes = _write(source, out, duration_seconds * 1000.0, settings.port.channel - 1)
    if plot is not None:
        from streamer.roll import draw_roll

        draw_roll(notes, plot)
    return report(source, len(notes), duration_seconds, timer() - began)


def report(
    source: Source, notes: int, duration_seconds: float, wall_seconds: float
) -> dict[str, Any]:
    """Return what ``render --json`` says; ``notes`` are those in the file."""
    figures = source.generator.stats.to_dict()
    return {
        "bundle": source.bundle.manifest.name,
        "seed": source.seed,
        "duration_s": duration_seconds,
        **figures,
        "drawn_notes": figures["notes"],
        "notes": notes,
        "wall_s": round(wall_seconds, 3),
    }


def _write(source: Source, out: Path, duration_ms: float, channel: int) -> NoteArray:
    """Play the stream into a file beside ``out``, then give it its name; return the notes."""
    parts = [np.zeros(0, dtype=NOTE_DTYPE)]
    part = out.with_name(f".{out.name}.{os.getpid()}.render")
    sink = MidiFileSink(part)

    mixer = source.mixer
    muted = frozenset[int]() if mixer is None else mixer.muted(source.controls.snapshot())

    def keep(phrase: Phrase) -> None:
        parts.append(to_array(note for note in phrase.notes if note.channel not in muted))
        if len(parts) % FLUSH_PHRASES == 0:
            sink.flush()

    def draw() -> Phrase:
        # As many as are asked for: here no machine is too slow for them.
        asked = source.controls.snapshot().candidates
        source.generator.set_candidates(asked or source.candidates)
        return source.next_phrase()

    try:
        try:
            port = ChannelPort(sink, channel)
            play_out(draw, duration_ms, port, keep, source.synth, source.greeting, muted)
        finally:
            sink.close()
        part.replace(out)
    except OSError as error:
        raise RecordingError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return np.concatenate(parts)


def require_folder(target: Path) -> None:
    """Refuse a target that cannot be written, before minutes are spent on it."""
    if target.is_dir() or not target.parent.is_dir():
        raise RecordingError(f"{target}: must be a file in a folder that exists")
