"""Small bands for tests: MIDI files with four roles, and band sets without any file."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np

from streamer.families.bands.codec import HOLD, SILENCE, TRACKS
from training.families.bands.bandset import BAR_STEPS, BandInfo, BandSet

PROGRAMS = {"drums": (9, 0), "bass": (1, 33), "harmony": (2, 25), "strings": (3, 48)}
"""Channel and programme of each role."""


def song_file(
    path: Path,
    seed: int,
    *,
    bars: int = 8,
    metres: tuple[tuple[int, int], ...] = ((4, 4),),
    without: tuple[str, ...] = (),
    more: tuple[tuple[int, int], ...] = (),
) -> None:
    """Write a song: quarter-note drums, eighth-note bass, chords, and long strings.

    Args:
        path: The file.
        seed: Two songs of different seeds differ.
        bars: Its length.
        metres: Time signatures; the second, if any, begins in bar 2.
        without: Roles that do not play.
        more: Channel and programme of further harmony tracks, one bar late.
    """
    head = [mido.MetaMessage("time_signature", numerator=n, denominator=d, time=i * 1920)
            for i, (n, d) in enumerate(metres)]  # fmt: skip
    tracks = [mido.MidiTrack(head)]
    lines = {
        "drums": [(b, 0.25, 36 + 2 * ((b + seed) % 2)) for b in range(4 * bars)],
        "bass": [(b / 2, 0.5, 36 + (b * (seed + 1)) % 7) for b in range(8 * bars)],
        "harmony": [(b, 1, 60 + key + (b * seed) % 5) for b in range(4 * bars) for key in (0, 4)],
        "strings": [(2 * b, 2, 67 + (b + seed) % 5) for b in range(2 * bars)],
    }
    for role, (channel, program) in PROGRAMS.items():
        if role not in without:
            tracks.append(_track(channel, program, lines[role]))
    for number, (channel, program) in enumerate(more, start=1):
        late = [(b + 4, n, p + number) for b, n, p in lines["harmony"][:-8]]
        tracks.append(_track(channel, program, late))
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(ticks_per_beat=480, tracks=tracks).save(path)


def _track(channel: int, program: int, notes: list[tuple[float, float, int]]) -> mido.MidiTrack:
    events = []
    for onset, length, pitch in notes:
        events.append((round(480 * (onset + length)), "note_off", pitch))
        events.append((round(480 * onset), "note_on", pitch))
    track = mido.MidiTrack([mido.Message("program_change", channel=channel, program=program)])
    at = 0
    for tick, kind, pitch in sorted(events):
        track.append(mido.Message(kind, channel=channel, note=pitch, time=tick - at))
        at = tick
    return track


def band_set(songs: int = 12, bars: int = 8, genres: tuple[str, ...] = ("jazz", "rock")) -> BandSet:
    """Return a corpus of made songs; each genre plays in a register and a rhythm of its own."""
    found, infos = [], []
    for i in range(songs):
        genre = i % len(genres)
        rng = np.random.default_rng(i)
        states = np.full((bars * BAR_STEPS, len(TRACKS)), HOLD, dtype=np.uint8)
        for track in range(len(TRACKS)):
            every = (2, 4, 4, 8)[track] * (genre + 1)
            onsets = np.arange(0, len(states), every)
            low = (36, 36, 60, 72)[track]
            states[onsets, track] = low + 5 * genre + rng.integers(0, 4, len(onsets))
            if track == 0:
                states[onsets + 1, track] = SILENCE
        split = "valid" if i >= songs - len(genres) else "train"
        notes = tuple(int(n) for n in (states < HOLD).sum(axis=0))
        infos.append(
            BandInfo(f"{i}.mid", "made", f"w{i}", "CC0-1.0", split, 100.0 + i,
                     (genres[genre],), (0, 33, 25, 48), notes)
        )  # fmt: skip
        found.append(states)
    return BandSet.from_songs(found, infos)
