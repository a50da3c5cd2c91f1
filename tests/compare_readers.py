"""Our reader of MIDI files beside mido and symusic, on files with odd things in them.

``python -m tests.compare_readers [FILES] [--seed N]`` makes files (1,000 unless told otherwise) and
compares, note by note, what each reader finds with what the file means by the standard, which is
known from how it was made (:mod:`tests.oddities`). Ours must find that, always. Where another
differs, the file must hold an oddity of :data:`DIFFERENCES`, which says why the other is wrong by
the standard (SMF is Standard MIDI Files 1.0, RP-001; MIDI is the MIDI 1.0 Detailed Specification).

A short form runs with the tests (``tests/streamer/test_compare_readers.py``).
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import warnings
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

import mido
import numpy as np
import pytest

from streamer.errors import MidiFileError
from streamer.midi.beatfile import parse_beats
from streamer.midi.midifile import parse_midi
from streamer.midi.ticks import parse_ticks
from tests.oddities import BY_NAME, QUARTER, Song, fits, make

FILES = 1000
MS = 1e-6
"""Times that are sums of the same floats in another order; 1e-9 measured."""

Row = tuple[int, int, int, int, int, bool]
"""Start and end in ticks, pitch, velocity, program, whether it is a drum."""

BOTH = ("mido", "symusic")
_KITS = (
    "a channel plays drums where XG, GS or General MIDI 2 is told so; they look at channel 10 alone"
)
_TORN = (
    "chunks stand for themselves (SMF, chunks), and what stands before a fault is no worse for it; "
    "they give up the whole file"
)

DIFFERENCES: dict[str, tuple[tuple[str, ...], str]] = {
    "two_ports": (
        ("mido",),
        "a channel is one of a cable (MIDI, channel messages), and FF 21, which SMF has not but "
        "all sequencers write, says which; mido's messages have no port",
    ),
    "release_elsewhere": (
        BOTH,
        "the tracks of format 1 are one stream of messages (SMF, format 1), and a note-off names "
        "channel and key (MIDI, note off); they match within a track",
    ),
    "program_elsewhere": (
        ("symusic",),
        "a program change names a channel and no track (MIDI, program change)",
    ),
    "xg_kit": (BOTH, _KITS),
    "xg_part": (BOTH, _KITS),
    "gs_part": (BOTH, _KITS),
    "never_released": (
        BOTH,
        "a note sounds until its note-off (MIDI, note on); without one it sounds to the end, and "
        "is not left out",
    ),
    "struck_again": (
        BOTH,
        "whether a second note-on of a key sounds beside the first or in its place is left to the "
        "receiver (MIDI, note on); ours has one voice a key, so that the first ends there",
    ),
    "no_length": (BOTH, "between a note-on and a note-off at one tick no time passes to sound in"),
    "zero_lengths": (BOTH, "notes that no time is left for are no music"),
    "exclusives": (
        BOTH,
        "system exclusive comes in packets, and F7 may escape anything (SMF, sysex events); mido "
        "refuses the file, symusic loses the time before a packet",
    ),
    "unknown_meta": (
        ("mido",),
        "meta events that a program does not know are skipped (SMF, meta events), and the time "
        "before them passes all the same; mido loses it",
    ),
    "clock_in_running_status": (
        BOTH,
        "real-time messages may stand anywhere and leave running status alone (MIDI, running "
        "status)",
    ),
    "value_over_127": (BOTH, _TORN),
    "torn_track": (BOTH, _TORN),
    "torn_file": (BOTH, _TORN),
    "foreign_chunk": (("mido",), "chunks of unknown kinds are skipped (SMF, chunks)"),
    "long_header": (
        ("symusic",),
        "a header may be longer than six bytes, and its length is to be honoured (SMF, header)",
    ),
    "frames": (("symusic",), "a negative division is SMPTE time (SMF, header)"),
    "songs": (
        BOTH,
        "the tracks of format 2 are songs of their own (SMF, format 2), not to be played at once",
    ),
    "riff": (BOTH, "RMID holds a whole file (RP-029)"),
    "mac_binary": (BOTH, "what MacBinary puts before a file is no part of it"),
    "far_note": (BOTH, "no rule of the standard: five hours of music are beyond our limit"),
    "drums_alone": (BOTH, "no rule of the standard: notes with pitches are asked for"),
    "no_notes": (BOTH, "no rule of the standard: music is asked for"),
}
"""By oddity: who finds something else than the file means, and why that is wrong.

Where the reason is no rule of the standard, the others are right to read what ours refuses."""


@dataclass(frozen=True)
class Found:
    """What a reader finds: rows, or why it finds none."""

    rows: Counter[Row] | None
    refusal: str = ""


def expected_rows(song: Song) -> Counter[Row]:
    """What a file means."""
    return Counter(
        (note.start, note.end, note.pitch, note.velocity, note.program, note.drum)
        for note in song.notes
    )


def by_ours(data: bytes) -> Found:
    """What our reader finds."""
    try:
        notes = parse_ticks(data, "odd.mid").notes
    except MidiFileError as error:
        return Found(None, error.reason)
    columns = (notes.start, notes.end, notes.pitch, notes.velocity, notes.program, notes.drums)
    return Found(Counter(zip(*(column.tolist() for column in columns), strict=True)))


def by_mido(data: bytes) -> Found:
    """What one makes of mido's messages: pairs by track, channel and key; programs by channel."""
    try:
        file = mido.MidiFile(file=io.BytesIO(data))
    except Exception as error:  # noqa: BLE001 - it raises what it meets
        return Found(None, repr(error))
    programs: dict[int, list[tuple[int, int]]] = defaultdict(list)
    notes: list[tuple[int, int, int, int, int]] = []
    for track in file.tracks:
        tick, sounding = 0, defaultdict(deque)
        for message in track:
            tick += message.time
            if message.type == "program_change":
                programs[message.channel].append((tick, message.program))
            elif message.type == "note_on" and message.velocity:
                sounding[message.channel, message.note].append((tick, message.velocity))
            elif message.type in ("note_on", "note_off"):
                queue = sounding[message.channel, message.note]
                if queue:
                    start, velocity = queue.popleft()
                    notes.append((start, tick, message.note, velocity, message.channel))
    rows: Counter[Row] = Counter()
    for start, end, pitch, velocity, channel in notes:
        told = [program for tick, program in sorted(programs[channel]) if tick <= start]
        rows[start, end, pitch, velocity, told[-1] if told else 0, channel == 9] += 1
    return Found(rows)


def by_symusic(data: bytes) -> Found:
    """What symusic finds."""
    import symusic

    try:
        score = symusic.Score.from_midi(data)
    except Exception as error:  # noqa: BLE001 - it raises what it meets
        return Found(None, repr(error))
    rows: Counter[Row] = Counter()
    for track in score.tracks:
        for note in track.notes:
            row = (note.time, note.time + note.duration, note.pitch, note.velocity)
            rows[(*row, track.program, track.is_drum)] += 1
    return Found(rows)


READERS: dict[str, Callable[[bytes], Found]] = {"mido": by_mido, "symusic": by_symusic}


def check_ours(song: Song, data: bytes) -> None:
    """Hold our reader against what a file means: notes, times, pedals, names, what is told.

    Raises:
        AssertionError: It finds something else.
    """
    found = by_ours(data)
    if song.refused:
        if song.refused != "drums-only":
            assert song.refused == found.refusal
        else:
            with pytest.raises(MidiFileError, match="are drums"):
                parse_midi(data, "odd.mid")
        return
    assert found.rows == expected_rows(song), found.refusal
    assert bool(parse_ticks(data, "odd.mid").notices) == song.told
    pitched = sorted(
        (note for note in song.notes if not note.drum),
        key=lambda note: (note.start, note.pitch, note.channel),
    )
    if pitched:
        piece = parse_midi(data, "odd.mid")
        times = [song.to_ms(note.start) for note in pitched]
        assert np.allclose(piece.notes["onset_ms"], times, rtol=0, atol=MS)
        ends = piece.notes["onset_ms"] + piece.notes["duration_ms"]
        wanted = sorted((song.to_ms(note.end), note.pitch) for note in pitched)
        read = sorted(zip(ends.tolist(), piece.notes["pitch"].tolist(), strict=True))
        assert np.allclose([at for at, _ in read], [at for at, _ in wanted], rtol=0, atol=MS)
        assert sum(piece.notes["pedal"].tolist()) == sum(note.pedal for note in pitched)
        if song.kind != 2:
            assert list(piece.track_names) == song.names
    if song.division[0] < 128:
        beats = parse_beats(data, "odd.mid")
        assert sorted(beats.notes["onset"].tolist()) == sorted(
            n.start / QUARTER for n in song.notes
        )


def files(count: int, seed: int) -> list[list[str]]:
    """Return the oddities of each file: none, then each alone, then up to three by chance."""
    chance = random.Random(seed)
    found: list[list[str]] = [[], *([name] for name in BY_NAME)]
    while len(found) < count:
        names = chance.sample(sorted(BY_NAME), chance.choice((0, 1, 1, 2, 2, 3)))
        if fits(names):
            found.append(names)
    return found


@dataclass
class Comparison:
    """What came out.

    Attributes:
        files: How many were compared.
        agreed: By reader, how many it read as the standard has them.
        decided: By reader and oddity, how many it read otherwise, with a reason why it is wrong.
        open: Differences that nobody has decided.
    """

    files: int
    agreed: Counter[str]
    decided: dict[str, Counter[str]]
    open: list[str]


def compare(count: int = FILES, seed: int = 1) -> Comparison:
    """Compare the readers on some files.

    Raises:
        AssertionError: Ours does not find what a file means.
    """
    result = Comparison(0, Counter(), {name: Counter() for name in READERS}, [])
    for number, names in enumerate(files(count, seed)):
        song = make(random.Random(f"{seed} {number}"), names)
        data = song.data()
        try:
            check_ours(song, data)
        except AssertionError as error:
            raise AssertionError(f"file {number} of seed {seed} ({', '.join(names)})") from error
        result.files += 1
        for reader, read in READERS.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                other = read(data)
            agrees = other.rows is None if song.refused else other.rows == expected_rows(song)
            if agrees:
                result.agreed[reader] += 1
                continue
            why = [name for name in names if reader in DIFFERENCES.get(name, ((), ""))[0]]
            if why:
                result.decided[reader].update(why)
            else:
                what = other.refusal or "other notes"
                result.open.append(f"{reader}, file {number} ({', '.join(names)}): {what}")
    return result


def main() -> int:
    """Compare, and print what came out; 1 where a difference is open."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=int, nargs="?", default=FILES)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    result = compare(args.files, args.seed)
    said = [f"{result.files} files, all read by ours as the standard has them"]
    for reader, counts in result.decided.items():
        said.append(f"{reader}: {result.agreed[reader]} read alike")
        for name, count in counts.most_common():
            said.append(f"  {count:4} {name}: {DIFFERENCES[name][1]}")
    said += [f"open: {line}" for line in result.open]
    sys.stdout.write("\n".join(said) + "\n")
    return int(bool(result.open))


if __name__ == "__main__":
    sys.exit(main())
