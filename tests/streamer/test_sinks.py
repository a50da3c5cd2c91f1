"""Ports that are no MIDI system's: null, files, other channels, several at once, the soft synth."""

import stat

import pytest

from streamer.errors import PortError, RecordingError
from streamer.ports import FanOutPort, NullPort, open_port
from streamer.ports.base import PortLost
from streamer.ports.fluidsynth import SynthPort, find_soundfont
from streamer.ports.sinks import ChannelPort
from streamer.settings.settings import PortSettings
from streamer.testing import FakePort
from tests.streamer.test_ports import OFF, ON, SYNTH, Bench


def test_null_takes_messages_and_nothing_else():
    port = open_port("null")
    port.send(ON)
    with pytest.raises(ValueError, match="1 to 3 bytes"):
        port.send(b"")
    port.close()
    assert port.epoch == 1


def test_a_file_port_writes_a_file(tmp_path):
    port = open_port(f"file:{tmp_path / 'take.mid'}")
    port.send(ON, 0.0)
    port.send(OFF, 10.0)
    port.close()
    assert (tmp_path / "take.mid").read_bytes().startswith(b"MThd")


def test_a_file_port_without_a_path_is_refused():
    with pytest.raises(RecordingError, match="needs a path"):
        open_port("file:")


def test_the_channel_of_the_settings_is_that_of_the_messages():
    bench = Bench(SYNTH)
    port = open_port("juno", PortSettings(channel=3), owner=bench.owner)
    port.send(ON)
    port.send(b"\xf8")
    assert [message for _, message in bench.system.sent] == [b"\x92\x3c\x40", b"\xf8"]


def test_channels_go_round_at_sixteen():
    fake = FakePort()
    ChannelPort(fake, 15).send(b"\x91\x3c\x40")
    assert fake.messages == [b"\x90\x3c\x40"]
    with pytest.raises(ValueError, match=r"0\.\.15"):
        ChannelPort(fake, 16)


def test_several_ports_get_the_same_and_one_that_is_lost_does_not_hold_the_others():
    first, second, recorder = FakePort(), FakePort(), FakePort()
    port = FanOutPort([first, second], [recorder])
    port.send(ON)
    epoch = port.epoch
    first.vanish()
    assert 0 < port.epoch != epoch
    port.send(OFF)
    assert (first.messages, second.messages, recorder.messages) == ([ON], [ON, OFF], [ON, OFF])
    second.vanish()
    assert port.epoch == 0
    with pytest.raises(PortLost):
        port.send(ON)


def test_closing_several_ports_closes_all_and_reports_the_recording_first():
    class Broken(NullPort):
        def __init__(self, error):
            self.error = error

        def close(self):
            raise self.error

    fake = FakePort()
    broken = [Broken(PortError("synth")), Broken(RecordingError("disk full"))]
    with pytest.raises(RecordingError, match="disk full"):
        FanOutPort([broken[0], fake], [broken[1]]).close()
    assert fake.closed == 1
    with pytest.raises(ValueError, match="1 or more"):
        FanOutPort([])


@pytest.fixture
def fake_synth(tmp_path):
    """A program that writes down what it is told, in place of FluidSynth."""
    heard, program, font = tmp_path / "heard", tmp_path / "fluidsynth", tmp_path / "font.sf2"
    program.write_text(f"#!/bin/sh\nexec cat > {heard}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    font.touch()
    return heard, program, font


def test_the_synth_is_spoken_to_in_its_shell(fake_synth):
    heard, program, font = fake_synth
    port = SynthPort(font, command=[str(program)])
    for text in ("92 3c 40", "82 3c 00", "92 3c 00", "b2 40 7f", "c2 05", "f8"):
        port.send(bytes.fromhex(text))
    port.close()
    assert heard.read_text(encoding="utf-8").splitlines() == [
        "noteon 2 60 64",
        "noteoff 2 60",
        "noteoff 2 60",
        "cc 2 64 127",
        "prog 2 5",
    ]


def test_a_synth_that_ends_at_once_is_refused_with_its_own_reason(fake_synth):
    _, program, font = fake_synth
    complaints = "ALSA lib pcm.c: Unknown PCM\nfluidsynth: error: Failed to open it\nGiving up."
    program.write_text(f"#!/bin/sh\necho '{complaints}' >&2\nexit 1\n", encoding="utf-8")
    with pytest.raises(PortError, match=r"fluidsynth has ended: Failed to open it; is there a sou"):
        SynthPort(font, command=[str(program)])


def test_a_synth_that_ends_later_says_so_at_the_next_message(fake_synth):
    _, program, font = fake_synth
    program.write_text("#!/bin/sh\nread line\nexit 1\n", encoding="utf-8")
    port = SynthPort(font, command=[str(program)])
    port.send(ON)
    port._process.wait(10)
    with pytest.raises(PortError, match=r"fluidsynth has ended; start it by hand.*font\.sf2"):
        port.send(ON)
    port.close()


def test_a_synth_that_talks_a_lot_is_not_held_up(fake_synth):
    heard, program, font = fake_synth
    program.write_text(f"#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' '\\n' >&2\ncat > {heard}\n")
    port = SynthPort(font, command=[str(program)])
    port.send(ON)
    port.close()
    assert "noteon 0 60 64\n" == heard.read_text(encoding="utf-8")


def test_a_synth_or_soundfont_that_is_not_there_is_refused_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PortError, match="apt install fluidsynth"):
        open_port("synth")
    with pytest.raises(PortError, match="is not there"):
        find_soundfont(tmp_path / "no.sf2")
