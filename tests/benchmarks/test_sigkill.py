"""SIGKILL at random moments of real playing, then a restart: what a synth on the cable hears.

    pytest -m benchmark tests/benchmarks/test_sigkill.py -s

``PERPETUO_KILLS`` says how often (default 5). The synth is this process, which lives on: it counts
note-offs alone. Each life plays the tiny bundle in real time
with a recording, and is killed 0.05 to 2 seconds after its first note.
"""

import os
import random
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time

import mido
import pytest

from streamer.testing import Receiver
from tests.bundles import write_tiny_bundle

KILLS = int(os.environ.get("PERPETUO_KILLS", "5"))

SILENT_WITHIN_SECONDS = 0.1
"""From the first message of the next life. Its first note comes after the lead, 0.3 s."""

LOST_SECONDS = 1.0
"""How much of a recording may be missing after a kill."""

LIFE = textwrap.dedent(
    """
    import socket, sys
    from pathlib import Path
    from streamer.service import daemon
    from streamer.settings.reading import load_settings

    class Cable:
        name, epoch = "cable", 1
        def __init__(self, number):
            self.socket = socket.socket(fileno=number)
        def send(self, message, at_ms=None):
            self.socket.sendall(message.ljust(3, bytes(1)))
        def close(self):
            self.socket.close()

    daemon.open_outputs = lambda *_, **__: (Cable(int(sys.argv[2])), lambda: False)
    daemon.play(load_settings(Path(sys.argv[1])), plain=True)
    """
)


class Cable:
    """The synth's end of the cable to one life."""

    def __init__(self, receiver):
        self.receiver = receiver
        self.ours, self.theirs = socket.socketpair()
        self.rest = b""
        self.strikes = []

    def listen(self, until):
        """Hear until a time of ``time.monotonic``, or until the other end is gone."""
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.ours], [], [], left)[0]:
                return
            data = self.ours.recv(65536)
            if not data:
                return
            self.rest += data
            while len(self.rest) >= 3:
                message, self.rest = self.rest[:3], self.rest[3:]
                self.receiver.hear(message)
                if message[0] & 0xF0 == 0x90 and message[2]:
                    self.strikes.append(time.monotonic())

    def wait(self, seconds):
        """Wait for something to hear; fail when nothing comes."""
        assert select.select([self.ours], [], [], seconds)[0], "the life sends nothing"


def struck_in(path):
    """How many keys a recording strikes; what still sounds at its end counts too."""
    return sum(m.type == "note_on" and m.velocity > 0 for m in mido.MidiFile(path).tracks[0])


def begin(config, cable, environ):
    number = cable.theirs.fileno()
    process = subprocess.Popen(
        [sys.executable, "-c", LIFE, str(config), str(number)],
        pass_fds=[number],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
    )
    cable.theirs.close()
    return process


@pytest.mark.benchmark
@pytest.mark.timeout(30 + 10 * KILLS)
def test_nothing_sounds_after_a_kill_and_a_restart_and_recordings_are_whole(tmp_path, capsys):
    take = tmp_path / "take.mid"
    config = tmp_path / "perpetuo.toml"
    config.write_text(
        f'[model]\nmodel = "{write_tiny_bundle(tmp_path).path}"\n[record]\npath = "{take}"\n'
        '[scheduler]\nlead_seconds = 0.3\n[input]\nport = "off"\n[log]\nlevel = "error"\n'
    )
    environ = {"STATE_DIRECTORY": f"{tmp_path}/state", "RUNTIME_DIRECTORY": f"{tmp_path}/run"}
    chance, receiver = random.Random(4), Receiver()
    hung, silent, whole, missing = 0, 0, 0, [0]
    for _ in range(KILLS):
        cable = Cable(receiver)
        process = begin(config, cable, environ)
        cable.wait(20)
        cable.listen(time.monotonic() + SILENT_WITHIN_SECONDS)
        silent += receiver.is_silent
        while not cable.strikes:
            cable.wait(20)
            cable.listen(time.monotonic() + 0.01)
        cable.listen(time.monotonic() + chance.uniform(0.05, 2.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed_at = time.monotonic()
        cable.listen(killed_at + 1.0)  # until the end of the stream
        hung += not receiver.is_silent
        kept = [at for at in cable.strikes if at < killed_at - LOST_SECONDS]
        notes = struck_in(take)
        whole += notes >= len(kept)
        missing.append(len(cable.strikes) - notes)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{KILLS} kills: something sounded after {hung}; silent {SILENT_WITHIN_SECONDS} s "
            f"after the restart {silent} of {KILLS}; recordings whole up to the last "
            f"{LOST_SECONDS:g} s {whole} of {KILLS}, at most {max(missing)} notes missing\n"
        )
    assert (KILLS, KILLS) == (silent, whole)
