"""A live query on a real port: played by a program of JACK's own, heard by another.

``jack_midiseq`` plays the notes of a MIDI file into the input, over and over; ``jack_midi_dump``
hears them and the answer. The bundle answers with the query itself and
strikes its lowest key on each bar line, so that the bar that was answered can be read off.
"""

import subprocess
import sys
from pathlib import Path

import mido
import numpy as np
import pytest

import streamer
from streamer.midi.beatfile import read_beats
from tests.bundles import ECHO_MARK, write_echo_bundle
from tests.streams import unpaired

pytestmark = pytest.mark.jack

BPM = 100.0
BAR_SECONDS = 240.0 / BPM
BARS = 6
PATIENCE_SECONDS = 60.0

QUERY, ANSWER = 0x90, 0x91
"""Note-ons of the two, on channels 1 and 2."""

NEAR_STEPS = 1.0
"""So near to its place an answer is the right one: which sixteenth an onset is in is no matter of
this test (``tests/streamer/test_answering.py``), which bar is."""


@pytest.fixture
def query(tmp_path):
    """Four bars of a tune off every grid of sixteenths, as a MIDI file of 90 BPM."""
    path, track = tmp_path / "query.mid", mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(90)))
    wait, spacing = 0, 0.825  # quarters: 3.3 sixteenths
    for i in range(19):
        track.append(mido.Message("note_on", note=52 + (i * 7) % 19, velocity=70, time=wait))
        track.append(mido.Message("note_off", note=52 + (i * 7) % 19, time=40))
        wait = round(spacing * 480) - 40
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(path)
    return path


@pytest.fixture
def sequencer(jack, query):
    """``jack_midiseq`` with the notes of the file, four bars a round, at the stream's tempo."""
    beat_seconds = 60.0 / BPM
    notes = [
        (note["onset"] * beat_seconds, note["pitch"], note["length"] * beat_seconds)
        for note in read_beats(query).notes
    ]
    with jack.player("seq", 4 * BAR_SECONDS, notes):
        yield lambda: jack.connect("seq:out", "Perpetuo in:in")


@pytest.fixture
def perpetuo(tmp_path, jack):
    """``perpetuo play`` with the bundle that echoes; ends with the test."""
    bundle = write_echo_bundle(tmp_path, bpm=BPM).path
    command = (
        "play",
        "--port",
        "mon",
        "--channel",
        "2",
        "--input",
        "virtual",
        "--plain",
        "--candidates",
        "1",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", *command, "--query", "live", "--model", str(bundle)],
        env={**jack.env, "PYTHONPATH": str(Path(streamer.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def struck(messages, times, status):
    """Return (pitch, seconds) of each note-on."""
    pairs = zip(messages, times, strict=False)
    return [(m[1], when) for m, when in pairs if m[0] == status and m[2]]


def marks(messages):
    return [m for m in messages if m[0] == ANSWER and m[1] == ECHO_MARK]


def in_sixteenths(answer, notes):
    """Return pitch and place of notes, in sixteenths from the first bar line of the answer.

    The lines are where the earliest mark says; on a busy machine all come late, and none early.
    """
    at = np.array([when for pitch, when in answer if pitch == ECHO_MARK])
    bars = np.rint((at - at[0]) / BAR_SECONDS)
    first = (at - bars * BAR_SECONDS).min()
    return [(pitch, (when - first) / BAR_SECONDS * 16) for pitch, when in notes]


def test_each_bar_of_a_file_is_answered_on_its_bar_line(jack, perpetuo, sequencer):
    monitor = jack.monitor()
    jack.connect("seq:out", "mon:input")
    monitor.wait_for(lambda messages: marks(messages), PATIENCE_SECONDS)
    sequencer()
    began = len(marks(monitor.wait_for(lambda _: True)))
    heard = monitor.wait_for(lambda m: len(marks(m)) >= began + BARS + 2, PATIENCE_SECONDS)
    before = len(heard)
    perpetuo.terminate()
    output, _ = perpetuo.communicate(timeout=PATIENCE_SECONDS)
    # Who plays beside the machine may go on after it.
    heard = monitor.wait_for(lambda messages: b"\xb1\x79\x00" in messages[before:])
    assert perpetuo.returncode == 143, output
    assert "Traceback" not in output
    assert "lengthened" not in output
    answer = struck(heard, monitor.times, ANSWER)
    played = in_sixteenths(answer, struck(heard, monitor.times, QUERY))
    answered = in_sixteenths(answer, answer)
    check_bars(played, [note for note in answered if note[0] != ECHO_MARK])
    sent = [message for message in heard if message[0] & 0x0F == 1]
    ons, again, down = unpaired(sent)
    assert (again, down) == (0, 0)
    assert ons > BARS * 5


def check_bars(played, answered):
    """Each onset that was played is answered 16 sixteenths after its own, and nothing else is.

    Args:
        played: Pitch and place in sixteenths of each.
        answered: The same.
    """
    begin, end = min(at for _, at in answered) + 1, max(at for _, at in answered) - 16
    expected = [(pitch, at + 16) for pitch, at in played if begin <= at + 16 < end]
    left, late = list(answered), []
    assert len(expected) > BARS * 2
    for pitch, place in expected:
        found = [one for one in left if one[0] == pitch and abs(one[1] - place) < NEAR_STEPS]
        assert found, f"{pitch} at {place:.2f} was not answered: {left}"
        left.remove(found[0])
        late.append(found[0][1] - round(place))
    assert abs(np.median(late)) < 0.5, late
    strange = [at for _, at in left if begin + 1 <= at < end - 1]
    # What a key is held over the line is struck again there.
    assert not [at for at in strange if abs(at - 16 * round(at / 16)) > 0.5]
