"""A band through JACK: four channels, their sounds first, and nothing left on any of them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import streamer
from tests.bandbundles import write_tiny_band_bundle
from tests.streams import struck, unpaired

pytestmark = pytest.mark.jack

CHANNELS = (9, 0, 1, 2)
NOTES, MORE = 200, 100
CONFIG = "[controls]\ntempo_scale = 4.0\nlow = 60\nhigh = 96\n"
"""Fast; and whatever has a pitch is above the drums of the tiny bundle."""


@pytest.fixture
def play(tmp_path, jack):
    """Start ``perpetuo play`` with a tiny band, as a person would."""
    bundle = write_tiny_band_bundle(tmp_path).path
    config = tmp_path / "perpetuo.toml"
    config.write_text(CONFIG)
    processes = []

    def start(*words):
        command = [sys.executable, "-m", "streamer", "play", "--model", str(bundle), "--plain"]
        process = subprocess.Popen(
            [*command, "--config", str(config), *words],
            env={**jack.env, "PYTHONPATH": str(Path(streamer.__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process, config

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def ended(messages):
    """The silence at the end has come on every channel: CC121 after notes."""
    last = {message[0] & 0x0F for message in messages[-12:] if message[1:2] == b"\x79"}
    return bool(struck(messages)) and last == set(CHANNELS)


def channel_of(message):
    return message[0] & 0x0F


def is_muted(notes):
    """Whether enough notes were heard, and none of them of the bass."""
    return len(notes) == MORE and not [note for note in notes if channel_of(note) == 0]


def test_four_channels_with_their_sounds_first_and_drums_on_ten_alone(jack, play):
    monitor = jack.monitor()
    process, config = play("--port", "mon", "--seed", "3", "--style", "jazz:0.6,rock:0.4")
    heard = monitor.wait_for(lambda messages: len(struck(messages)) >= NOTES, seconds=60)
    config.write_text(CONFIG + "mute_bass = true\n")
    process.send_signal(signal.SIGHUP)
    muted = len(heard)
    monitor.wait_for(lambda messages: is_muted(struck(messages[muted:])[-MORE:]), seconds=60)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 143, output
    assert "Traceback" not in output
    heard = monitor.wait_for(ended)

    notes = struck(heard)
    first = heard.index(notes[0])
    sounds = [message for message in heard[:first] if message[0] & 0xF0 == 0xC0]
    assert {channel_of(message) for message in sounds} == set(CHANNELS)
    volumes = [message for message in heard[:first] if message[0] & 0xF0 == 0xB0]
    assert {channel_of(m) for m in volumes if m[1] == 7} == set(CHANNELS)
    assert {channel_of(message) for message in notes} == set(CHANNELS)
    drums = {message[1] for message in notes if channel_of(message) == 9}
    others = {message[1] for message in notes if channel_of(message) != 9}
    assert max(drums) < 60 <= min(others)
    count, again, left = unpaired(heard)
    assert (again, left) == (0, 0)
    assert count >= NOTES + MORE
    last = notes[-MORE:]
    assert not [message for message in last if channel_of(message) == 0], "the bass is muted"


def test_each_output_has_its_own_channels_of_the_band(jack, play):
    monitor = jack.monitor()
    process, _ = play("--port", "mon@10=16,1=5,*=off", "--seed", "3")
    heard = monitor.wait_for(lambda messages: len(struck(messages)) >= 80, seconds=60)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert {channel_of(m) for m in heard if m[0] < 0xF0} == {15, 4}
