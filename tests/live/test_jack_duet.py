"""A duet on a real port: a person's part played by a program of JACK's own, heard by another.

``jack_midiseq`` plays five notes into the input, every some seconds; ``jack_midi_dump`` hears them
and the machine. What is measured on a quiet machine is in docs/results/live.md; here the times are
those that a busy one keeps.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import streamer
from tests.bundles import write_tiny_bundle
from tests.jackserver import ON_JACK_ALONE
from tests.streams import unpaired

pytestmark = pytest.mark.jack

ROUND_SECONDS, NOTES, EVERY_SECONDS, LONG_SECONDS = 3.0, 5, 0.2, 0.15
AFTER_SECONDS = 0.5
ROUNDS = 2
PATIENCE_SECONDS = 60.0

PERSON, MACHINE = 0x90, 0x91
"""Note-ons of the two, on channels 1 and 2."""

SOON_SECONDS = 0.75
"""By when the machine must have begun on a machine that is busy with six other things."""

YIELDS_SECONDS = 0.25
"""And have fallen silent."""


@pytest.fixture
def person(jack):
    """``jack_midiseq`` with five notes a round; connect it to let it play."""
    notes = [(number * EVERY_SECONDS, 60 + number, LONG_SECONDS) for number in range(NOTES)]
    with jack.player("person", ROUND_SECONDS, notes):
        yield lambda: jack.connect("person:out", "Perpetuo in:in")


@pytest.fixture
def perpetuo(tmp_path, jack):
    """``perpetuo play --duet continue`` with a small bundle; ends with the test."""
    bundle = write_tiny_bundle(tmp_path / "bundle").path
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", ON_JACK_ALONE, "play", "--duet", "continue", "--plain"),
            *("--input", "virtual", "--port", "mon", "--channel", "2", "--candidates", "2"),
            *("--set", f"duet_after={AFTER_SECONDS}", "--model", str(bundle)),
        ],
        env={**jack.env, "PYTHONPATH": str(Path(streamer.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def calls_to(messages):
    """Return which messages begin a round of the person's after the machine has played."""
    ours = next((n for n, one in enumerate(messages) if one[0] == MACHINE), len(messages))
    return [n for n, one in enumerate(messages) if one[:2] == bytes((PERSON, 60)) and n > ours]


def test_the_machine_takes_over_in_silence_and_yields_to_each_new_key(jack, perpetuo, person):
    monitor = jack.monitor()
    jack.connect("person:out", "mon:input")
    jack.wait_for_port("Perpetuo in:in")
    person()
    monitor.wait_for(lambda messages: len(calls_to(messages)) > ROUNDS, PATIENCE_SECONDS)
    before = len(monitor.wait_for(lambda _: True))
    perpetuo.send_signal(signal.SIGTERM)
    output, _ = perpetuo.communicate(timeout=PATIENCE_SECONDS)
    # Who plays beside the machine may go on after it.
    heard = monitor.wait_for(lambda messages: b"\xb1\x79\x00" in messages[before:])
    assert perpetuo.returncode == 143, output
    assert "Traceback" not in output
    assert "lengthened" not in output
    timed = list(zip(heard, monitor.times, strict=False))
    ours = [at for message, at in timed if message[0] == MACHINE and message[2]]
    silent = (NOTES - 1) * EVERY_SECONDS + LONG_SECONDS
    for at in [monitor.times[number] for number in calls_to(heard)[:ROUNDS]]:
        due = at + silent + AFTER_SECONDS
        assert not [one for one in ours if at + YIELDS_SECONDS < one < due - 0.02]
        assert min(one for one in ours if one > at + YIELDS_SECONDS) < due + SOON_SECONDS
    sent = [message for message in heard if message[0] & 0x0F == 1]
    ons, again, down = unpaired(sent)
    assert (again, down) == (0, 0)
    assert ons > ROUNDS
