"""Music as sound: what a message does to a WAV file."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from streamer.cli import main
from streamer.midi.messages import control, note_off, note_on, program_change
from streamer.offline.timbre import LONGEST_SECONDS, RATE, drum, timbre_of, tone
from streamer.offline.wav import BLOCK, WavFile
from tests.bundles import write_tiny_bundle


def played(path: Path, *messages: tuple[float, bytes]) -> np.ndarray:
    """Play messages at seconds and return the samples, ``(samples, 2)`` within -1..1."""
    with path.open("wb") as held:
        file = WavFile(path, held)
        for at, message in messages:
            file.send(message, at * 1000.0)
        file.close()
    with wave.open(str(path)) as read:
        assert (2, 2, RATE) == (read.getnchannels(), read.getsampwidth(), read.getframerate())
        return np.frombuffer(read.readframes(read.getnframes()), "<i2").reshape(-1, 2) / 32768.0


def loudness(samples: np.ndarray, start: float, end: float) -> float:
    part = samples[round(start * RATE) : round(end * RATE)]
    return float(np.sqrt((part**2).mean())) if len(part) else 0.0


def test_a_key_sounds_at_its_pitch_from_its_onset_to_its_end(tmp_path):
    """Key 69 is 440 Hz; before the onset there is nothing, and soon after the end hardly any."""
    samples = played(tmp_path / "a.wav", (1.0, note_on(0, 69, 100)), (2.0, note_off(0, 69)))
    assert 0.0 == loudness(samples, 0.0, 0.99)
    spectrum = np.abs(np.fft.rfft(samples[RATE : 2 * RATE, 0]))
    assert 440 == pytest.approx(int(spectrum.argmax()), abs=2)
    assert loudness(samples, 1.0, 1.5) > 20 * loudness(samples, 2.8, 3.2)


def test_the_pedal_holds_what_the_finger_lets_go(tmp_path):
    """CC64 at 64 is down."""
    keys = [(0.5, note_on(0, 48, 100)), (0.7, note_off(0, 48))]
    dry = played(tmp_path / "dry.wav", *keys, (3.0, note_on(0, 100, 1)), (3.1, note_off(0, 100)))
    pedal = [(0.0, control(0, 64, 64)), *keys, (3.0, control(0, 64, 63))]
    held = played(tmp_path / "held.wav", *pedal)
    assert loudness(held, 1.8, 2.5) > 10 * loudness(dry, 1.8, 2.5)


def test_a_struck_key_is_louder_and_brighter_the_harder_it_is_struck():
    soft, hard = (tone(0, 60, velocity, 1.0) for velocity in (30, 120))
    assert np.abs(hard).max() > 4 * np.abs(soft).max()

    def upper_share(sound: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(sound[:RATE])) ** 2
        return float(power[1000:].sum() / power.sum())

    assert upper_share(hard) > 2 * upper_share(soft)


@pytest.mark.parametrize("program", range(0, 128, 8))
def test_every_group_of_instruments_sounds_over_the_whole_keyboard(program):
    """No silence, no infinity, nothing beyond full scale, and the end is quiet."""
    for pitch in (0, 21, 60, 108, 127):
        sound = tone(program, pitch, 127, 0.5)
        assert np.isfinite(sound).all()
        assert 0.01 < np.abs(sound).max() < 1.6
        assert np.abs(sound[-10:]).max() < 0.01
    assert timbre_of(program) is timbre_of(program + 7)


def test_drums_sound_on_channel_ten_whatever_the_program(tmp_path):
    samples = played(
        tmp_path / "d.wav",
        (0.0, program_change(9, 48)),
        (0.1, note_on(9, 36, 110)),
        (0.2, note_off(9, 36)),
    )
    assert loudness(samples, 0.1, 0.3) > 0.02
    assert all(np.abs(drum(pitch)).max() > 0.02 for pitch in range(35, 82))


def test_what_can_no_longer_change_is_written_while_the_music_goes_on(tmp_path):
    """Memory is that of the sounding notes, not of the music."""
    file = WavFile(tmp_path / "long.wav", io.BytesIO())
    for second in range(120):
        file.send(note_on(0, 60, 80), second * 1000.0)
        file.send(note_off(0, 60), second * 1000.0 + 500.0)
        assert len(file._mix) < BLOCK + 30 * RATE
    assert file._written > 100 * RATE
    file.close()


def test_a_key_that_is_never_let_go_ends_and_holds_nothing_up(tmp_path):
    file = WavFile(tmp_path / "stuck.wav", io.BytesIO())
    file.send(note_on(0, 30, 80), 0.0)
    for second in range(60):
        file.send(control(0, 1, 0), second * 1000.0)
    assert file._written > (59 - LONGEST_SECONDS - 4) * RATE
    file.close()


def test_the_same_messages_give_the_same_bytes(tmp_path):
    music = [(0.1 * i, note_on(0, 40 + i, 90)) for i in range(20)]
    played(tmp_path / "a.wav", *music)
    played(tmp_path / "b.wav", *music)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_render_writes_sound_where_the_name_says_so(tmp_path):
    """The same seed gives the same bytes; the notes are those of the .mid."""
    model = str(write_tiny_bundle(tmp_path).path)
    common = ["--model", model, "--duration", "5", "--seed", "1"]
    for name in ("a.wav", "b.WAV"):
        assert 0 == main(["render", str(tmp_path / name), *common])
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.WAV").read_bytes()
    with wave.open(str(tmp_path / "a.wav")) as read:
        assert 3 * RATE < read.getnframes() < 9 * RATE
