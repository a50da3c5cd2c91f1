"""Excerpts as sound: by FluidSynth where it is installed, else by the small synth of our own.

In: notes. Out: an audio file that browsers play: Ogg Vorbis by FluidSynth, WAV by
:mod:`streamer.offline.wav`. One thread.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from streamer.errors import DataError, PortError
from streamer.music.notes import Phrase
from streamer.offline.playout import play_out
from streamer.offline.wav import WavFile
from streamer.ports.base import Port
from streamer.ports.fluidsynth import find_fluidsynth, find_soundfont
from streamer.ports.recorder import MidiFileSink
from streamer.system.atomic import atomic_file
from training.listening.material import Excerpt

SYNTHS = ("auto", "fluidsynth", "own")

PATIENCE_SECONDS = 300.0
"""FluidSynth writes a minute of music in about a second."""


class Player:
    """Turns excerpts into audio files.

    Args:
        synth: ``fluidsynth``, ``own``, or ``auto``, which takes FluidSynth where there is one.
        soundfont: For FluidSynth; None finds one.

    Attributes:
        name: What plays, for the key.
        suffix: Of its files.

    Raises:
        PortError: FluidSynth or a soundfont is asked for and not there.
    """

    def __init__(self, synth: str = "auto", soundfont: Path | None = None) -> None:
        self._line: list[str] = []
        self.name, self.suffix = "streamer.offline.wav", ".wav"
        if synth == "own":
            return
        try:
            program, sounds = find_fluidsynth(), find_soundfont(soundfont)
        except PortError:
            if synth == "fluidsynth" or soundfont is not None:
                raise
            return
        self._line = [program, "-niq", "-T", "oga", "-r", "44100", "-F"]
        self._soundfont = sounds
        self.name, self.suffix = f"fluidsynth, {sounds.name}", ".ogg"

    def play(self, excerpt: Excerpt, path: Path) -> None:
        """Write an excerpt to ``path``.

        Raises:
            RecordingError: The file cannot be written.
            DataError: FluidSynth fails; with its own last line.
        """
        if not self._line:
            with atomic_file(path) as file:
                _send(excerpt, WavFile(path, file))
            return
        with tempfile.TemporaryDirectory() as folder:
            midi, sound = Path(folder) / "excerpt.mid", Path(folder) / "excerpt.ogg"
            write_midi(excerpt, midi)
            self._run(midi, sound)
            with atomic_file(path) as file:
                file.write(sound.read_bytes())

    def _run(self, midi: Path, sound: Path) -> None:
        line = [*self._line, str(sound), str(self._soundfont), str(midi)]
        try:
            done = subprocess.run(
                line, capture_output=True, text=True, errors="replace", check=False,
                timeout=PATIENCE_SECONDS, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise DataError(
                f"fluidsynth has not ended after {PATIENCE_SECONDS:g} s; take --synth own"
            ) from error
        if done.returncode or not sound.is_file() or not sound.stat().st_size:
            said = [text for text in done.stderr.splitlines() if text.strip()]
            reason = said[-1] if said else f"status {done.returncode}"
            raise DataError(f"fluidsynth wrote nothing ({reason}); take --synth own")


def write_midi(excerpt: Excerpt, path: Path) -> None:
    """Write an excerpt as a ``.mid`` file (RecordingError where it cannot be written)."""
    with atomic_file(path) as file:
        _send(excerpt, MidiFileSink(path, into=file))


def _send(excerpt: Excerpt, port: Port) -> None:
    end_ms = max(note.end_ms for note in excerpt.notes)
    phrase = Phrase(
        excerpt.notes, np.zeros((len(excerpt.notes), 0), np.float32), 0.0, end_ms,
        programs=excerpt.programs,
    )  # fmt: skip
    try:
        play_out(lambda: phrase, end_ms, port, lambda _: None)
    finally:
        port.close()
