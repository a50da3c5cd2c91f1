"""``perpetuo render``: the stream into a file with no clock, as fast as it goes.

In: settings, a length and a path. Out: a ``.mid`` file and a report. The same seed, bundle and
version give the same bytes. Called by ``streamer.verbs.render``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamer.controls import LiveControls
from streamer.errors import RecordingError
from streamer.midifile import write_midi
from streamer.notes import NOTE_DTYPE, Note, NoteArray, to_array
from streamer.pipeline import Source, open_source
from streamer.settings import Settings


def render(
    settings: Settings,
    out: Path,
    duration_seconds: float = 60.0,
    plot: Path | None = None,
    timer: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Write so many seconds of the stream to a file.

    Args:
        settings: Model, filters, recall and controls are looked at.
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
            _require_folder(target)
    source = open_source(settings, LiveControls(settings.controls))
    notes = collect(source, duration_seconds * 1000.0)
    write_midi(out, notes)
    if plot is not None:
        from streamer.roll import draw_roll

        draw_roll(notes, plot)
    return report(source, notes, duration_seconds, timer() - began)


def collect(source: Source, duration_ms: float) -> NoteArray:
    """Return the notes of the stream up to a time, cut there."""
    parts = [to_array(part) for part in _phrases(source, duration_ms)]
    notes = np.concatenate(parts) if parts else np.zeros(0, dtype=NOTE_DTYPE)
    notes["duration_ms"] = np.minimum(notes["duration_ms"], duration_ms - notes["onset_ms"])
    return notes


def report(
    source: Source, notes: NoteArray, duration_seconds: float, wall_seconds: float
) -> dict[str, Any]:
    """Return what ``render --json`` says."""
    figures = source.generator.stats.to_dict()
    return {
        "bundle": source.bundle.manifest.name,
        "seed": source.seed,
        "duration_s": duration_seconds,
        **figures,
        "drawn_notes": figures["notes"],
        "notes": len(notes),
        "wall_s": round(wall_seconds, 3),
    }


def _phrases(source: Source, duration_ms: float) -> Iterator[tuple[Note, ...]]:
    while True:
        phrase = source.next_phrase()
        yield tuple(note for note in phrase.notes if note.onset_ms < duration_ms)
        if phrase.end_ms >= duration_ms:
            return


def _require_folder(out: Path) -> None:
    """Refuse a target that cannot be written, before minutes are spent on it."""
    if out.is_dir() or not out.parent.is_dir():
        raise RecordingError(f"{out}: is no file in a folder that exists; give another path")
