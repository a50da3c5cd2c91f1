"""The transport of a real JACK server, moved by a program that is not ours (``jack_transport``)."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import streamer
from streamer.control.transport import jack_follower
from streamer.midi.midifile import read_midi
from tests.bundles import write_tiny_tunes_bundle
from tests.waiting import comes

pytestmark = pytest.mark.jack


class Hand:
    """A person at ``jack_transport``, who is the timebase master too."""

    def __init__(self, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["jack_transport"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def hand(jack) -> Iterator[Hand]:
    one = Hand(jack.env)
    yield one
    one.end()


def test_the_transport_of_a_server_is_followed(jack, hand):
    follower = jack_follower("Perpetuo")
    try:
        assert comes(lambda: follower.look(time.monotonic()).halted)
        hand.tell("play")
        assert comes(lambda: not follower.look(time.monotonic()).halted)
        assert "JACK, rolling, no bars" == follower.said
        hand.tell("master")
        hand.tell("tempo 100")
        assert comes(lambda: math.isclose(follower.look(time.monotonic()).tempo_bpm, 100.0))
        followed = follower.look(time.monotonic())
        assert (True, True, 4.0) == (followed.external, followed.locked, followed.bar)
        assert comes(lambda: follower.look(time.monotonic()).beat > followed.beat + 2)
        hand.tell("stop")
        assert comes(lambda: follower.look(time.monotonic()).halted)
        hand.tell("locate 0")
        assert comes(lambda: follower.look(time.monotonic()).beat == 0)
        jack.kill()
        assert comes(lambda: not follower.look(time.monotonic()).external)
        assert "JACK, no server" == follower.said
    finally:
        follower.close()


def test_a_server_that_hangs_keeps_no_music_from_beginning(tmp_path, jack):
    bundle, recorded = write_tiny_tunes_bundle(tmp_path).path, tmp_path / "take.mid"
    jack.signal(signal.SIGSTOP)
    words = ["--port", "null", "--plain", "--input", "off", "--clock", "jack"]
    words += ["--model", str(bundle), "--record", str(recorded)]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", "play", *words],
        env={**jack.env, "PYTHONPATH": str(Path(streamer.__file__).parents[1])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert any("JACK does not answer" in line for line in process.stderr)
        assert comes(lambda: [*tmp_path.glob("take*")])
        process.terminate()
        assert 128 + 15 == process.wait(60)
        assert len(read_midi(recorded)) > 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        jack.signal(signal.SIGCONT)


def test_the_command_plays_and_stands_with_the_transport(tmp_path, jack, hand):
    monitor = jack.monitor()
    bundle = write_tiny_tunes_bundle(tmp_path).path
    words = ["--port", "mon", "--plain", "--input", "off", "--clock", "jack"]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", "play", *words, "--model", str(bundle)],
        env={**jack.env, "PYTHONPATH": str(Path(streamer.__file__).parents[1])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    def notes(messages: list[bytes]) -> int:
        return sum(one[0] == 0x90 and one[2] > 0 for one in messages)

    try:
        monitor.wait_for(lambda messages: b"\xb0\x7b\x00" in messages, 60)  # it has met us
        for _ in range(2):
            before = notes(monitor.listen(lambda messages: True))
            hand.tell("play")
            heard = monitor.wait_for(lambda messages, least=before + 3: notes(messages) > least, 60)
            hand.tell("stop")
            silences = sum(one == b"\xb0\x7b\x00" for one in heard)
            monitor.wait_for(
                lambda messages, least=silences: (
                    sum(one == b"\xb0\x7b\x00" for one in messages) > least
                ),
                60,
            )
        process.terminate()
        assert 128 + 15 == process.wait(60)
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    down: dict[int, int] = {}
    for message in monitor.listen(lambda messages: True):
        if message[0] == 0x90 and message[2]:
            down[message[1]] = 1
        elif message[0] in (0x80, 0x90):
            down.pop(message[1], None)
    assert {} == down
