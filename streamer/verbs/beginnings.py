"""Beginnings of tunes for ``perpetuo rate``: drawn from a seed, played to a port or written.

In: settings and a seed. Out: a :class:`~streamer.families.tunes.rating.Beginning`, and its sound or
a file. Nothing is selected: one candidate, no second draw, so that a filter can learn from the bad
ones too. The main thread.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from streamer.errors import BundleError
from streamer.families.tunes.codec import END, TuneArray
from streamer.families.tunes.generator import TuneGenerator
from streamer.families.tunes.rating import Beginning
from streamer.families.tunes.ratings import LEAST_NOTES
from streamer.live.scheduler import Scheduler
from streamer.live.sendtime import SendTime
from streamer.music.notes import Phrase
from streamer.offline.playout import DrawnBuffer, play_out
from streamer.pipeline import open_source
from streamer.ports.base import Port
from streamer.ports.recorder import MidiFileSink
from streamer.settings.settings import SchedulerSettings, Settings
from streamer.system.atomic import atomic_file
from streamer.system.clock import Clock, MonotonicClock

RATED_NOTES = 64
"""Notes that are heard, or fewer where a tune ends before."""

_MOST_PHRASES = 64


def draw_beginning(settings: Settings, seed: int) -> Beginning | None:
    """Draw the beginning of the tune that a seed gives, unselected.

    Raises:
        BundleError: The bundle plays no tunes, or cannot be used.
    """
    model = replace(settings.model, seed=seed, candidates=1, redraws=0)
    source = open_source(settings=replace(settings, model=model))
    generator, send = source.generator, SendTime.of(settings.controls)
    if not isinstance(generator, TuneGenerator):
        raise BundleError(
            f"bundle {source.bundle.manifest.name} plays no tunes, and only tunes are rated; "
            "choose another with --model"
        )
    phrases: list[Phrase] = []
    tune: list[TuneArray] = []
    while sum(map(len, tune)) < RATED_NOTES and len(phrases) < _MOST_PHRASES:
        phrases.append(send.phrase(source.next_phrase(), source.synth))
        last = generator.last_tune
        tune.append(last)
        if len(last) and last["length"][-1] == END:
            break
    notes = np.concatenate(tune)
    if len(notes) < LEAST_NOTES:
        return None
    return Beginning(seed, source.bundle.manifest.name, notes, tuple(phrases))


def play_to_port(beginning: Beginning, port: Port, clock: Clock | None = None) -> str:
    """Play it in time; returns an empty line when it is over.

    Raises:
        StreamerError: The port cannot be used any more.
    """
    ended, end_ms = _ended(beginning.phrases)
    buffer = DrawnBuffer(iter(ended).__next__, end_ms, lambda phrase: None)
    settings = SchedulerSettings(realtime_priority=0)
    Scheduler(buffer, port, clock or MonotonicClock(), settings).run()
    return ""


def write_to_folder(beginning: Beginning, folder: Path) -> str:
    """Write it as a ``.mid`` and return its path; one that is there of the same name is replaced.

    Raises:
        RecordingError: The file cannot be written.
    """
    path = folder / f"rate-{beginning.bundle}-{beginning.seed}.mid"
    ended, end_ms = _ended(beginning.phrases)
    with atomic_file(path) as file:
        sink = MidiFileSink(path, into=file)
        try:
            play_out(iter(ended).__next__, end_ms, sink, lambda phrase: None)
        finally:
            sink.close()
    return str(path)


def _ended(phrases: tuple[Phrase, ...]) -> tuple[list[Phrase], float]:
    """Let the last phrase end where its last note does, so that it is heard out."""
    last = phrases[-1]
    end_ms = max([last.end_ms, *(note.end_ms for phrase in phrases for note in phrase.notes)])
    return [*phrases[:-1], replace(last, end_ms=end_ms)], end_ms
