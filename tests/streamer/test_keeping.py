"""Keep that: what was sent lately is held, and kept as a file, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.control.morphing import SceneChanger
from streamer.errors import RecordingError
from streamer.live.held import CHUNK, HeldMusic, HoldingPort
from streamer.midi.messages import (
    CONTROL_PEDAL,
    control,
    ends_note,
    is_pedal,
    key_of,
    note_off,
    note_on,
    program_change,
    starts_note,
)
from streamer.midi.midifile import read_midi
from streamer.service.director import Director
from streamer.service.keeping import Keeping, NothingToKeep
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import Settings
from streamer.testing import FakePort

NOON = datetime(2026, 11, 30, 12, 0, 0)


def held(*messages: tuple[float, bytes], seconds: float = 1800.0) -> HeldMusic:
    music = HeldMusic(seconds)
    for place_ms, message in messages:
        music.add(message, place_ms)
    return music


def kept(music: HeldMusic, folder: Path, seconds: float | None = None) -> Path:
    return Keeping(music, folder, 10**7, lambda: NOON).keep(seconds).path


def notes(path: Path) -> list[tuple[int, int, int]]:
    """Return onset and duration in ms and pitch of each note of a file."""
    return [
        (round(n["onset_ms"]), round(n["duration_ms"]), int(n["pitch"])) for n in read_midi(path)
    ]


def test_all_that_was_heard_is_a_file_of_its_own(tmp_path):
    music = held(
        (5000.0, note_on(0, 60, 80)), (5500.0, note_off(0, 60)),
        (6000.0, note_on(0, 64, 80)), (6250.0, note_off(0, 64)),
    )  # fmt: skip
    path = kept(music, tmp_path / "kept")
    assert "keep-20261130-120000.mid" == path.name
    assert [(0, 500, 60), (1000, 250, 64)] == notes(path)
    assert "keep-20261130-120000-2.mid" == kept(music, tmp_path / "kept").name


def test_the_end_of_it_is_whole_what_sounds_over_its_edges_is_left_out_or_ended(tmp_path):
    music = held(
        (0.0, program_change(0, 7)), (0.0, note_on(0, 50, 80)),
        (0.0, control(0, CONTROL_PEDAL, 127)), (9000.0, note_on(0, 60, 80)),
        (9500.0, note_off(0, 50)), (9800.0, note_off(0, 60)), (10_000.0, note_on(0, 62, 80)),
        (11_000.0, control(0, 7, 90)),
    )  # fmt: skip
    path = kept(music, tmp_path, 3.0)
    assert [(1000, 800, 60), (2000, 1000, 62)] == notes(path)
    data = path.read_bytes()
    assert data.index(program_change(0, 7)) < data.index(note_on(0, 60, 80))
    assert data.index(control(0, CONTROL_PEDAL, 127)) < data.index(note_on(0, 60, 80))
    assert control(0, CONTROL_PEDAL, 0) in data


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.integers(0, 2), st.integers(58, 62), st.integers(0, 3)),
        max_size=80,
    ),
    st.floats(0.1, 30.0),
)
def test_any_part_of_any_stream_ends_what_it_begins(tmp_path_factory, events, seconds):
    music, place = HeldMusic(), 0.0
    for gap, kind, pitch, channel in events:
        place += gap
        message = (note_on(channel, pitch, 70), note_off(channel, pitch),
                   control(channel, CONTROL_PEDAL, 127 * (pitch % 2)))[kind]  # fmt: skip
        music.add(message, place)
    cut = music.cut(seconds)
    down, pedals = set(), set()
    for message in messages_of(cut.data):
        if starts_note(message):
            down.add(key_of(message))
        elif ends_note(message):
            assert key_of(message) in down
            down.discard(key_of(message))
        elif is_pedal(message):
            (pedals.add if message[2] else pedals.discard)(message[0])
    assert (set(), set()) == (down, pedals)
    assert cut.seconds <= seconds + 1.0


def messages_of(data: bytes) -> list[bytes]:
    """Return the channel messages of a file that our writer wrote."""
    found, at = [], 22
    while at < len(data):
        while data[at] & 0x80:
            at += 1
        at += 1
        if data[at] == 0xFF:
            at += 3 + data[at + 2]
            continue
        length = 2 if data[at] & 0xF0 == 0xC0 else 3
        found.append(data[at : at + length])
        at += length
    return found


def test_half_an_hour_is_held_and_no_more_and_memory_is_bounded():
    music = HeldMusic(60.0)
    for n in range(40_000):
        music.add(note_on(0, 60, 80), n * 10.0)
    places = [place for place, _ in music.messages()]
    assert 60.0 <= (places[-1] - places[0]) / 1000.0 <= 60.0 + 2 * CHUNK * 0.01
    for n in range(40_000):
        music.add(bytes((0xF8,)), 400_000.0 + n)  # the clock is no music
    assert len(places) == sum(1 for _ in music.messages())


def test_what_is_held_is_what_left_the_port():
    music, port = HeldMusic(), FakePort()
    holding = HoldingPort(port, music)
    holding.send(note_on(0, 60, 80), 100.0)
    holding.send(note_off(0, 60), 300.0)
    port.vanish()
    with pytest.raises(Exception, match="gone"):
        holding.send(note_on(0, 64, 80), 400.0)
    assert [100.0, 300.0] == [place for place, _ in music.messages()]
    assert ("fake", 0) == (holding.name, holding.epoch)


def test_nothing_is_kept_before_a_note_and_beyond_the_limit_and_nothing_is_removed(tmp_path):
    with pytest.raises(NothingToKeep, match="no note has sounded yet"):
        kept(HeldMusic(), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    music = held((0.0, note_on(0, 60, 80)))
    keeping = Keeping(music, tmp_path, 100, lambda: NOON)
    keeping.keep()
    with pytest.raises(RecordingError, match=r"holds 0.0 MB, of 0.0001 \(record.limit_mb\)"):
        keeping.keep()
    assert 1 == len(keeping.files())
    full = Keeping(music, tmp_path / "file" / "kept", 10**6, lambda: NOON)
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot be written"):
        full.keep()


class Stage:
    """A scheduler that holds nothing."""

    phrases_begun, phrases_written, held, waits = 0, 0, False, False

    def dim(self, level): ...


def pressed(live: LiveControls, *values: bool) -> list[int]:
    """Move the switch between two looks of a director; return what was kept by then."""
    asked: list[int] = []
    director = Director(
        Settings, live, SceneChanger(live), lambda: 0.0, keep=lambda: asked.append(1)
    )
    for value in values:
        live.update(keep=value)
    for _ in range(2):
        director.look(Stage())
        for thread in threading.enumerate():
            if thread.name == "keep":
                thread.join()
    return asked


def test_the_control_keeps_and_falls_back():
    live = LiveControls(Controls(keep=True))
    assert ([1], False) == (pressed(live), live.snapshot().keep)


def test_a_press_that_is_shorter_than_a_look_keeps_once():
    live = LiveControls()
    assert [1] == pressed(live, True, False)
    assert [1] == pressed(live, True, False, True, False)
    assert [] == pressed(live, False)
    assert not live.snapshot().keep


def test_what_else_moves_while_the_switch_is_down_is_no_press():
    live, asked = LiveControls(), []
    director = Director(
        Settings, live, SceneChanger(live), lambda: 0.0, keep=lambda: asked.append(1)
    )
    live.update(keep=True)
    for _ in range(3):
        live.update(transpose=1)
        director.look(Stage())
        for thread in threading.enumerate():
            if thread.name == "keep":
                thread.join()
    assert [1] == asked


KEEPS = """
import sys
from pathlib import Path
from streamer.live.held import HeldMusic
from streamer.midi.messages import note_off, note_on
from streamer.service.keeping import Keeping

music = HeldMusic()
for n in range(3000):
    music.add(note_on(0, 40 + n % 40, 80), n * 10.0)
    music.add(note_off(0, 40 + n % 40), n * 10.0 + 5)
keeping = Keeping(music, Path(sys.argv[1]), 10**9)
while True:
    print(keeping.keep().path.name, flush=True)
"""


def killed(folder: Path, after: int) -> list[str]:
    """Keep again and again, and be killed some time after the n-th; return what was told."""
    process = subprocess.Popen(
        [sys.executable, "-c", KEEPS, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(after)]
    os.kill(process.pid, signal.SIGKILL)
    told += process.stdout.read().split("\n")[:-1]
    process.wait()
    return [name for name in told if name]


def test_a_kill_while_keeping_loses_nothing_and_leaves_no_half_file(tmp_path):
    """100 kills: `python -m tests.keep_kills`."""
    for after in (1, 2):
        told = killed(tmp_path, after)
        assert {*told} <= {path.name for path in tmp_path.glob("*.mid")}
    for path in tmp_path.glob("*.mid"):
        assert 3000 == len(read_midi(path))
    keeping = Keeping(HeldMusic(), tmp_path, 10**9)
    keeping.sweep()
    assert [] == [path for path in tmp_path.iterdir() if path.suffix != ".mid"]
