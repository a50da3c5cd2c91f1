"""MIDI files for tests: notes into a file, by the product's own writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.midi import writer
from streamer.midi.messages import CONTROL_PEDAL, control, note_off, note_on, program_change
from streamer.midi.ticks import strikes
from streamer.music.notes import NoteArray, sort_notes


def write_midi(
    path: Path | str, notes: NoteArray, *, program: int | None = None, name: str = "Perpetuo"
) -> None:
    """Write notes to a file of one track, to an eighth of a millisecond.

    A pedal change is put halfway between the onset before it and its own. Notes of one channel and
    key that overlap are written as they would be played: a new strike ends the note it finds.
    """
    head = [(0, writer.track_name(name)), (0, writer.tempo(500_000))]
    if program is not None:
        channels = sorted(set(notes["channel"].tolist()))
        head += [(0, program_change(channel, program)) for channel in channels]
    events = [(tick, data) for tick, _, data in _events(sort_notes(notes))]
    Path(path).write_bytes(writer.midi_file([writer.track(head + events)]))


def _events(notes: NoteArray) -> list[tuple[int, int, bytes]]:
    """Return (tick, rank, message) in playing order: at one tick offs, then pedal, then ons."""
    start = np.round(notes["onset_ms"] / writer.TICK_MS).astype(np.int64)
    end = np.round((notes["onset_ms"] + notes["duration_ms"]) / writer.TICK_MS).astype(np.int64)
    end = np.maximum(end, start + 1)
    channel = notes["channel"].astype(np.int64)
    kept, end, velocity = strikes(start, end, notes["velocity"], channel << 7 | notes["pitch"])
    found: list[tuple[int, int, bytes]] = []
    for i, stop, loud in zip(kept.tolist(), end.tolist(), velocity.tolist(), strict=True):
        mine, pitch = int(channel[i]), int(notes["pitch"][i])
        found.append((int(start[i]), 2, note_on(mine, pitch, loud)))
        found.append((stop, 0, note_off(mine, pitch)))
    last = int(end.max()) if len(end) else 0
    for mine in np.unique(channel).tolist():
        here = channel == mine
        found.extend(_pedal_events(start[here], notes["pedal"][here], mine, last))
    return sorted(found)


def _pedal_events(
    start: NDArray[np.int64], pedal: NDArray[np.bool_], channel: int, last: int
) -> list[tuple[int, int, bytes]]:
    """Return one channel's CC64 changes; what is down at the end is lifted at tick ``last``."""
    down = np.concatenate(([False], pedal))
    before = np.concatenate((start[:1], start))
    found = [
        (
            int(before[i] + start[i]) // 2,
            1,
            control(channel, CONTROL_PEDAL, 127 if down[i + 1] else 0),
        )
        for i in np.flatnonzero(down[1:] != down[:-1]).tolist()
    ]
    if down[-1]:
        found.append((last, 1, control(channel, CONTROL_PEDAL, 0)))
    return found
