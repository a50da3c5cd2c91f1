"""``perpetuo render``: the stream into a file with no clock, as fast as it goes.

In: settings, a length and a path. Out: a ``.mid`` file, or a ``.wav`` played by the small
synthesiser of :mod:`streamer.offline.wav`, and a report. The same seed, bundle and
version give the same bytes; they are those that ``--record`` would have kept of the same notes.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from streamer.bundle.bundle import Bundle
from streamer.errors import BundleError, ConfigError
from streamer.generators.bookmark import Bookmark
from streamer.live.sendtime import SendTime
from streamer.music.notes import NOTE_DTYPE, NoteArray, Phrase, to_array
from streamer.offline.playout import play_out
from streamer.pipeline import Source, open_source
from streamer.ports.recorder import MidiFileSink
from streamer.ports.sinks import ChannelPort
from streamer.selection.filters import Filter
from streamer.settings.controls import Controls
from streamer.settings.midi import LIVE_QUERY
from streamer.settings.settings import Settings
from streamer.system.atomic import atomic_file, check_targets

if TYPE_CHECKING:
    from streamer.offline.wav import WavFile

WAV = ".wav"
"""A file with this end is written as sound, every other as MIDI."""

FLUSH_PHRASES = 256
"""How many phrases are kept in memory before they are written."""


def render(
    bundle: Bundle | str | os.PathLike[str] | None,
    out: str | os.PathLike[str],
    seconds: float = 60.0,
    *,
    seed: int | None = None,
    settings: Settings | None = None,
    controls: Controls | None = None,
    filters: Iterable[Filter] = (),
    plot: str | os.PathLike[str] | None = None,
    timer: Callable[[], float] = time.perf_counter,
    resume: Bookmark | None = None,
) -> dict[str, Any]:
    """Write music to a file, as fast as it goes.

    Args:
        bundle: What plays, or its name or path; None takes the one that the settings name.
        out: The ``.mid`` or ``.wav`` file; replaced in one step when all is drawn.
        seconds: Length, above 0; notes that sound on are cut there.
        seed: The same seed, bundle, settings and version give the same bytes; None takes that of
            the settings, or draws one, which the report says.
        settings: What belongs to the model, the music, the synth and the port's channel is looked
            at; None takes the defaults.
        controls: As they are from the first note to the last; None takes those of the settings.
        filters: More that drops candidates, after the hard filters and the judges.
        plot: Where to draw a piano roll (PNG), or None.
        timer: Seconds that only grow, for ``wall_s``.
        resume: A place of another stream to go on from, with its settings
            (:func:`streamer.generators.bookmark.read_bookmark`); None begins anew.

    Returns:
        The report: ``bundle``, ``seed``, ``duration_s``, ``notes``, ``candidates``, ``kept``,
        ``dropped``, ``entropy``, ``wall_s`` and the other counters of the generator.

    Raises:
        ValueError: ``seconds`` is not above 0.
        StreamerError: The bundle, the file to continue, or a target is not usable.
    """
    if not 0 < seconds < math.inf:
        raise ValueError(f"seconds must be above 0, not {seconds}")
    began = timer()
    settings, target = settings or Settings(), Path(out)
    picture = None if plot is None else Path(plot)
    check_targets(output=target, plot=picture)
    if settings.model.query == LIVE_QUERY:
        raise ConfigError(["model.query must not be live in render: give --query a .mid file"])
    source = open_source(bundle, settings, controls, seed=seed, filters=filters, resume=resume)
    try:
        notes = _write(source, target, seconds * 1000.0, settings.port.channel - 1)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        if resume is None:
            raise
        raise BundleError(f"the bookmark cannot be gone on from ({error}); make another") from error
    if picture is not None:
        from streamer.offline.roll import draw_roll

        names = {} if source.mixer is None else source.mixer.names
        draw_roll(notes, picture, names, f"{source.bundle.manifest.name}, seed {source.seed}")
    return report(source, len(notes), seconds, timer() - began)


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


def _sink(out: Path, into: BinaryIO) -> MidiFileSink | WavFile:
    """Return what writes a file of the kind that its name says."""
    if out.suffix.lower() != WAV:
        return MidiFileSink(out, into=into)
    from streamer.offline.wav import WavFile

    return WavFile(out, into)


def _write(source: Source, out: Path, duration_ms: float, channel: int) -> NoteArray:
    """Play the stream into a file beside ``out``, then give it its name; return the notes."""
    parts = [np.zeros(0, dtype=NOTE_DTYPE)]
    mixer = source.mixer
    controls = source.controls.snapshot()
    muted = frozenset[int]() if mixer is None else mixer.muted(controls)
    send = SendTime.of(controls)

    def draw() -> Phrase:
        # As many as are asked for: here no machine is too slow for them.
        asked = source.controls.snapshot().candidates
        source.generator.set_candidates(asked or source.candidates)
        return source.next_phrase()

    with atomic_file(out) as file:
        sink = _sink(out, file)

        def keep(phrase: Phrase) -> None:
            heard = send.phrase(phrase, source.synth).notes
            parts.append(to_array(note for note in heard if note.channel not in muted))
            if len(parts) % FLUSH_PHRASES == 0:
                sink.flush()

        try:
            port = ChannelPort(sink, channel)
            play_out(draw, duration_ms, port, keep, source.synth, source.greeting, muted, controls)
        finally:
            sink.close()
    return np.concatenate(parts)
