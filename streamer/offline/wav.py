"""Music as sound without any synth: MIDI messages in, a 16-bit stereo WAV file out.

In: messages with their milliseconds, in order. Out: a WAV file at 44.1 kHz. A port like any other,
so that what is heard is what would have been sent. Memory is bounded: sound is written as soon as
no note that still sounds can add to it. One thread.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from streamer.midi.messages import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    CHANNEL_VOLUME,
    CONTROL_PEDAL,
    DRUM_CHANNEL,
    PEDAL_DOWN_FROM,
    RESET_CONTROLLERS,
    channel_of,
    ends_note,
    has_channel,
    is_control,
    is_program,
    starts_note,
)
from streamer.offline.timbre import LONGEST_SECONDS, RATE, Samples, drum, tone

BLOCK = RATE * 4
"""Samples that are mixed, reverberated and written at once."""

ROOM_SECONDS, ROOM_SHARE = 1.5, 0.10
"""Length of the room's echo, and how much of it is heard."""

GAIN = 0.55
"""Of all notes together, before what is too loud is bent back."""


@dataclass(slots=True)
class _Voice:
    """A key that sounds: when it was struck, how, and whether the pedal alone holds it."""

    sample: int
    velocity: int
    by_pedal: bool = False


@dataclass(slots=True)
class _Channel:
    """What a channel was told."""

    program: int = 0
    volume: float = 100 / 127
    pedal: bool = False


class WavFile:
    """Plays messages into a WAV file; :meth:`close` writes what is left and the header.

    Args:
        path: Named in figures and errors.
        into: The open file; whoever opened it closes it.
    """

    def __init__(self, path: Path, into: BinaryIO) -> None:
        self._path = path
        self._out = wave.Wave_write(into)
        self._out.setnchannels(2)
        self._out.setsampwidth(2)
        self._out.setframerate(RATE)
        self._channels = [_Channel() for _ in range(16)]
        self._voices: dict[tuple[int, int], _Voice] = {}
        self._mix = np.zeros((BLOCK, 2), dtype=np.float32)
        self._written = 0
        self._end = 0
        self._room = Room()
        self._closed = False

    @property
    def name(self) -> str:
        """What it is called in figures."""
        return str(self._path)

    @property
    def epoch(self) -> int:
        """1: it is always there."""
        return 1

    def flush(self) -> None:
        """Do nothing: what is settled is written as it goes."""

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Hear one message.

        Raises:
            OSError: The disk is full.
        """
        if at_ms is not None:
            self._end = max(self._end, round(at_ms * RATE / 1000.0))
        now = self._end
        if not has_channel(message):
            return
        channel = channel_of(message)
        if starts_note(message):
            self._let_go(channel, message[1], now)
            self._voices[channel, message[1]] = _Voice(now, message[2])
        elif ends_note(message):
            self._release(channel, message[1], now)
        elif is_control(message):
            self._control(channel, message[1], message[2], now)
        elif is_program(message):
            self._channels[channel].program = message[1]
        self._forget_old(now)
        self._write(self._settled(now))

    def close(self) -> None:
        """Let everything ring out; a second time does nothing.

        Raises:
            OSError: The disk is full.
        """
        if self._closed:
            return
        self._closed = True
        for channel, pitch in list(self._voices):
            self._let_go(channel, pitch, self._end)
        heard = np.flatnonzero(self._mix.any(axis=1)).max(initial=-1) + 1
        self._mix = self._mix[: max(heard, self._end - self._written)]
        self._write(self._written, last=True)
        self._out.close()

    def _control(self, channel: int, number: int, value: int, now: int) -> None:
        state = self._channels[channel]
        if number == CONTROL_PEDAL:
            state.pedal = value >= PEDAL_DOWN_FROM
            if not state.pedal:
                for (of, pitch), voice in list(self._voices.items()):
                    if of == channel and voice.by_pedal:
                        self._let_go(of, pitch, now)
        elif number == CHANNEL_VOLUME:
            state.volume = value / 127
        elif number in (ALL_SOUND_OFF, ALL_NOTES_OFF):
            for of, pitch in list(self._voices):
                if of == channel:
                    self._let_go(of, pitch, now)
        elif number == RESET_CONTROLLERS:
            state.pedal = False

    def _release(self, channel: int, pitch: int, now: int) -> None:
        voice = self._voices.get((channel, pitch))
        if voice is None:
            return
        if self._channels[channel].pedal:
            voice.by_pedal = True
        else:
            self._let_go(channel, pitch, now)

    def _let_go(self, channel: int, pitch: int, now: int) -> None:
        """End a note, and with it know how it sounds."""
        voice = self._voices.pop((channel, pitch), None)
        if voice is None:
            return
        state = self._channels[channel]
        if channel == DRUM_CHANNEL:
            sound: Samples = drum(pitch) * np.float32((voice.velocity / 127.0) ** 1.7)
        else:
            sound = tone(state.program, pitch, voice.velocity, (now - voice.sample) / RATE)
        # Low keys a little to the left, as they are on a piano.
        place = 0.5 if channel == DRUM_CHANNEL else 0.5 + (pitch - 64) / 160.0
        gains = np.float32(GAIN * state.volume) * np.sqrt([1.0 - place, place]).astype(np.float32)
        start = voice.sample - self._written
        missing = start + sound.size - len(self._mix)
        if missing > 0:
            room = np.zeros((max(missing, BLOCK), 2), dtype=np.float32)
            self._mix = np.concatenate([self._mix, room])
        self._mix[start : start + sound.size] += sound[:, None] * gains

    def _forget_old(self, now: int) -> None:
        oldest = now - round(LONGEST_SECONDS * RATE)
        for (channel, pitch), voice in list(self._voices.items()):
            if voice.sample < oldest:
                self._let_go(channel, pitch, now)

    def _settled(self, now: int) -> int:
        """Return up to which sample no note can add anything any more."""
        return min((voice.sample for voice in self._voices.values()), default=now)

    def _write(self, until: int, last: bool = False) -> None:
        """Write whole blocks up to a sample, or all that there is."""
        while self._written + BLOCK <= until or (last and len(self._mix)):
            block, self._mix = self._mix[:BLOCK], self._mix[BLOCK:]
            wet = self._room.add(block)
            if last and not len(self._mix):
                wet = np.concatenate([wet, self._room.rest()])
                wet = wet[: np.flatnonzero(np.abs(wet).max(axis=1) > 1e-4).max(initial=0) + 1]
            bent = np.tanh(wet) * 32767.0
            self._out.writeframes(bent.astype("<i2").tobytes())
            self._written += len(block)
        if len(self._mix) < BLOCK and not last:
            room = np.zeros((BLOCK, 2), dtype=np.float32)
            self._mix = np.concatenate([self._mix, room])


class Room:
    """A room's echo by convolution with decaying noise, block by block."""

    def __init__(self) -> None:
        length = round(ROOM_SECONDS * RATE)
        noise = np.random.Generator(np.random.PCG64(1)).standard_normal((length, 2))
        fade = np.exp(-np.arange(length) / (0.28 * RATE))[:, None]
        response = noise * fade
        response /= np.sqrt((response**2).sum(axis=0))
        self._size = 1 << int(np.ceil(np.log2(BLOCK + length)))
        self._response = np.fft.rfft(response, self._size, axis=0)
        self._tail = np.zeros((self._size, 2))

    def add(self, block: Samples) -> Samples:
        """Return a block, ``(samples, 2)``, with what echoes of it and of those before."""
        wet = np.fft.irfft(np.fft.rfft(block, self._size, axis=0) * self._response, axis=0)
        self._tail += wet
        heard = block + ROOM_SHARE * self._tail[: len(block)]
        self._tail = np.concatenate([self._tail[len(block) :], np.zeros((len(block), 2))])
        return heard.astype(np.float32)

    def rest(self) -> Samples:
        """Return what still echoes, ``(samples, 2)``."""
        return (ROOM_SHARE * self._tail[: round(ROOM_SECONDS * RATE)]).astype(np.float32)
