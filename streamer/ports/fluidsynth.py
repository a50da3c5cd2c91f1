"""A software synth of our own: FluidSynth, started with a soundfont and spoken to over a pipe.

In: messages. Out: lines of FluidSynth's shell on its standard input, so that no MIDI system is
needed; the sound goes to whatever FluidSynth plays to on this machine.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from streamer.errors import PortError
from streamer.midi.messages import check_message, decode, ends_note

logger = logging.getLogger(__name__)

SOUNDFONTS = (
    "/usr/share/sounds/sf2/default-GM.sf2",
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/sounds/sf2/TimGM6mb.sf2",
    "/usr/share/sounds/sf3/default-GM.sf3",
    "/usr/share/soundfonts/default.sf2",
    "/usr/share/soundfonts/FluidR3_GM.sf2",
    "/opt/homebrew/share/soundfonts/default.sf2",
)
"""Where distributions put a soundfont."""

QUIT_SECONDS = 3.0

START_SECONDS = 0.3
"""Without a sound device FluidSynth ends this soon, or soon after."""

PROBE_SECONDS = 1.5
"""How long `perpetuo check` waits for that."""

REASON_LINES = 50

_COMMANDS = {
    "note_on": ("noteon", "note", "velocity"),
    "note_off": ("noteoff", "note"),
    "control_change": ("cc", "control", "value"),
    "program_change": ("prog", "program"),
}
"""Commands of FluidSynth's shell, and the values that follow the channel."""

_ELSEWHERE = "is there a sound device? play to a MIDI port or --port file:PATH instead"
_REMEDY = "sudo apt install fluidsynth timgm6mb-soundfont"


def find_fluidsynth() -> str:
    """Return the path of the program.

    Raises:
        PortError: It is not installed.
    """
    found = shutil.which("fluidsynth")
    if found is None:
        raise PortError(f"fluidsynth is not on PATH, and --port synth needs it: {_REMEDY}")
    return found


def find_soundfont(wanted: Path | None = None) -> Path:
    """Return the soundfont that is wanted, or the first of those that are installed.

    Raises:
        PortError: There is none.
    """
    if wanted is not None:
        if not wanted.is_file():
            raise PortError(f"soundfont {wanted} is not there; name an .sf2 or .sf3 file")
        return wanted
    for path in map(Path, SOUNDFONTS):
        if path.is_file():
            return path
    raise PortError(f"no soundfont was found: {_REMEDY}, or set port.soundfont")


class SynthPort:
    """A :class:`streamer.ports.base.Port` that plays aloud.

    Args:
        soundfont: The sounds; None finds them.
        options: More options for FluidSynth, such as ``("-a", "file")``.
        command: The program; None finds it.

    Raises:
        PortError: FluidSynth or a soundfont is not there, or it ends at once; with its own reason.
    """

    name = "synth"

    def __init__(
        self,
        soundfont: Path | None = None,
        options: Sequence[str] = (),
        command: Sequence[str] | None = None,
    ) -> None:
        line = [*(command or (find_fluidsynth(), "-q", "-n")), *options]
        line.append(str(find_soundfont(soundfont)))
        self._line = line
        try:
            self._process = subprocess.Popen(
                line,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                # Control-C is ours to hear: the synth is to live until the notes have ended.
                start_new_session=True,
            )
        except OSError as error:
            raise PortError(f"fluidsynth cannot be started: {error.strerror}; {_REMEDY}") from error
        if self._process.stdin is None or self._process.stderr is None:
            raise PortError("fluidsynth was started without a pipe")
        self._pipe, self._said = self._process.stdin, deque[str](maxlen=REASON_LINES)
        # Read for as long as it lives: a full pipe would hold the sound up.
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stderr,), name="synth", daemon=True
        )
        self._reader.start()
        # A synth that hangs must not hang the scheduler: a full pipe is an error, not a wait.
        os.set_blocking(self._pipe.fileno(), False)
        self._epoch = 1
        self.require(START_SECONDS)

    @property
    def epoch(self) -> int:
        """See :class:`streamer.ports.base.Port`."""
        return self._epoch

    def require(self, seconds: float) -> None:
        """Wait for so long whether it lives.

        Raises:
            PortError: It has ended; with its own reason.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            self.close()
            raise PortError(self._ended())

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        """Play one message; what FluidSynth's shell has no word for is left out.

        Raises:
            PortError: FluidSynth has ended or hangs.
        """
        check_message(message)
        line = _shell_line(message)
        if line is None:
            return
        try:
            os.write(self._pipe.fileno(), line)
        except BlockingIOError as error:
            raise PortError(
                "fluidsynth does not take notes any more; is its sound device busy?"
            ) from error
        except (OSError, ValueError) as error:
            raise PortError(self._ended()) from error

    def close(self) -> None:
        """Let FluidSynth end, and end it if it does not."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        try:
            self._process.wait(QUIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, stderr: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in stderr:
                self._said.append(line.decode("utf-8", "replace").strip())

    def _ended(self) -> str:
        """Say why it has ended: its last complaint, or the line to try by hand."""
        self._reader.join(START_SECONDS)
        errors = [line for line in self._said if "error:" in line]
        for line in reversed(errors or [line for line in self._said if line]):
            reason = line.rpartition("error:")[2].strip().rstrip(".")
            return f"fluidsynth has ended: {reason}; {_ELSEWHERE}"
        return "fluidsynth has ended; start it by hand to see why: " + " ".join(self._line)


def probe_synth(soundfont: Path, command: Sequence[str] | None = None) -> None:
    """Start FluidSynth, let it be, and end it: can it open a sound device?

    Raises:
        PortError: It cannot be started, or ends; with its own reason.
    """
    port = SynthPort(soundfont, command=command)
    port.require(PROBE_SECONDS)
    port.close()


def _shell_line(message: bytes) -> bytes | None:
    """Return the line of FluidSynth's shell that does what the message says."""
    said = decode(message)
    command = _COMMANDS.get("note_off" if ends_note(message) else said.name)
    if command is None:
        return None
    numbers = [said.channel, *(said.values[name] for name in command[1:])]
    return f"{command[0]} {' '.join(map(str, numbers))}\n".encode()
