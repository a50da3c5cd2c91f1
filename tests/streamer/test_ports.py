"""Ports by name, their loss and their return, on a MIDI system made of lists."""

import errno
import logging
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import PortError
from streamer.live.tap import Tap, TappedPort
from streamer.ports import backends, list_ports, open_outputs, open_port
from streamer.ports import opening as ports_module
from streamer.ports.backends import RtMidiBackend, alsa_problem
from streamer.ports.base import PortLost, settle
from streamer.ports.clients import UNCONFIRMED_BYTES, Sender
from streamer.ports.names import AutoRules, choose_automatically, describe, match, nearest
from streamer.ports.owner import MidiOwner
from streamer.ports.sinks import ChannelPort, FanOutPort, NullPort
from streamer.settings.midi import PortSettings
from streamer.testing import ManualClock

THROUGH = "Midi Through:Midi Through Port-0 14:0"
SYNTH = "Juno-60:Juno-60 MIDI 1 20:0"
DRUMS = "TR-8S:TR-8S MIDI 1 24:0"
PROGRAM = "VCV Rack:input 128:0"
ON, OFF = b"\x90\x3c\x40", b"\x80\x3c\x00"


class FakeSystem:
    """What is plugged in, and what was sent where; a stand-in for the module ``rtmidi``."""

    def __init__(self, *names, refusal=None):
        self.names = list(names)
        self.sent = []
        self.clients = []
        self.refusal = refusal
        self.busy = set()
        self.fail_sends = self.fail_lists = False
        system = self

        class MidiOut:
            def __init__(self, api, name, queue_size_limit=1024):
                if system.refusal:
                    raise OSError(system.refusal)
                self.client_name, self.target = name, None
                system.clients.append(self)

            def get_ports(self):
                if system.fail_lists:
                    raise OSError("InvalidPortError: port number not available")
                return list(system.names)

            def open_port(self, index, name):
                target = system.names[index]
                if target in system.busy:
                    raise OSError("MidiOutAlsa::openPort: ALSA error making port connection.")
                self.target = target

            def open_virtual_port(self, name):
                self.target = f"{self.client_name}:{name}"

            def send_message(self, message):
                if system.fail_sends:
                    raise OSError("MidiOutAlsa::sendMessage: error sending MIDI message")
                if self.target in system.names or ":out" in self.target:
                    system.sent.append((self.target, bytes(message)))

            def delete(self):
                system.clients.remove(self)

        self.MidiOut = self.MidiIn = MidiOut

    @property
    def targets(self):
        """What is open now."""
        return [client.target for client in self.clients if client.target]


class FakeBackend(RtMidiBackend):
    """The real backend on the fake system."""

    def __init__(self, system, name="alsa", trouble=None):
        super().__init__(system, 0, name, "Perpetuo")
        self.trouble = trouble
        self.dead = False

    def _probe(self, *, another=False):
        return self.trouble or ("the server has died" if self.dead else None)


class Bench:
    """An owner without a thread, on a fake system."""

    def __init__(self, *names, **more):
        self.system = FakeSystem(*names, **more)
        self.backend = FakeBackend(self.system)
        self.owner = MidiOwner([self.backend], threaded=False)

    def open(self, spec, **more):
        return open_port(spec, owner=self.owner, **more)


def test_names_lose_the_numbers_that_change_and_twins_are_told_apart():
    found = describe([SYNTH, "Juno-60:Juno-60 MIDI 1 24:0"], "alsa", "output")
    assert [port.name for port in found] == ["Juno-60:Juno-60 MIDI 1", "Juno-60:Juno-60 MIDI 1 #2"]
    assert [port.address for port in found] == [SYNTH, "Juno-60:Juno-60 MIDI 1 24:0"]


@pytest.mark.parametrize(
    ("raw", "system", "kind"),
    [
        (SYNTH, "alsa", "hardware"),
        (THROUGH, "alsa", "software"),
        ("Virtual Raw MIDI 1-0:VirMIDI 1-0 28:0", "alsa", "software"),
        (PROGRAM, "alsa", "software"),
        ("system:midi_playback_1", "jack", "hardware"),
        ("a2j:Juno-60 [20] (playback): MIDI 1", "jack", "hardware"),
        ("fluidsynth:midi_00", "jack", "software"),
        ("IAC Driver Bus 1", "coremidi", "hardware"),
    ],
)
def test_hardware_is_told_from_programs(raw, system, kind):
    assert describe([raw], system, "output")[0].kind == kind


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("Juno-60:Juno-60 MIDI 1", SYNTH),
        (SYNTH, SYNTH),
        ("juno-60", SYNTH),
        ("tr-8", DRUMS),
        ("rack", PROGRAM),
        ("midi 1", SYNTH),
        ("nothing like it", None),
        ("  ", None),
    ],
)
def test_a_port_is_found_by_what_a_person_types(wanted, expected):
    found = match(wanted, describe([THROUGH, SYNTH, DRUMS, PROGRAM], "alsa", "output"))
    assert (found.address if found else None) == expected


def test_the_whole_name_wins_over_a_part_of_an_earlier_one():
    found = match("Synth", describe(["Synth Pro:MIDI 20:0", "Synth:MIDI 130:0"], "alsa", "output"))
    assert found.address == "Synth:MIDI 130:0"


@given(st.integers(16, 127), st.integers(16, 127), st.integers(0, 9))
def test_a_name_is_found_whatever_number_it_has_today(before, after, port):
    (then,) = describe([f"Juno-60:Juno-60 MIDI 1 {before}:{port}"], "alsa", "output")
    today = describe([THROUGH, f"Juno-60:Juno-60 MIDI 1 {after}:{port}"], "alsa", "output")
    assert match(then.name, today) == today[1]


def test_auto_takes_the_first_hardware_output():
    outputs = describe([THROUGH, PROGRAM, SYNTH, DRUMS], "alsa", "output")
    assert choose_automatically(outputs, AutoRules("Perpetuo")).address == SYNTH
    assert choose_automatically(outputs[:2], AutoRules("Perpetuo")) is None


def test_the_nearest_names_are_offered():
    outputs = describe([THROUGH, SYNTH, DRUMS], "alsa", "output")
    assert nearest("Jnuo-60", outputs) == "did you mean 'Juno-60:Juno-60 MIDI 1'?"
    assert nearest("zzz", outputs).startswith("there are 'Midi Through:Midi Through Port-0', ")
    assert "is the synth connected?" in nearest("zzz", [])


def test_a_port_opened_by_name_gets_the_messages():
    bench = Bench(THROUGH, SYNTH)
    port = bench.open("juno")
    port.send(ON)
    assert (port.name, port.epoch) == ("Juno-60:Juno-60 MIDI 1", 1)
    assert bench.system.sent == [(SYNTH, ON)]


def test_the_client_is_named_perpetuo():
    bench = Bench(SYNTH)
    bench.open("juno")
    assert "Perpetuo" in {client.client_name for client in bench.system.clients}


def test_an_unknown_port_is_refused_with_the_nearest_names_and_leaves_no_client():
    bench = Bench(THROUGH, SYNTH)
    with pytest.raises(PortError, match=r"no port 'Jnuo'; did you mean 'Juno-60:Juno-60 MIDI 1'"):
        bench.open("Jnuo")
    assert bench.system.clients == []


def test_a_busy_port_is_refused_and_leaves_no_client():
    bench = Bench(SYNTH)
    bench.system.busy.add(SYNTH)
    with pytest.raises(PortError, match=r"cannot be opened.*is another program holding it"):
        bench.open("juno")
    assert bench.system.clients == []


def test_a_port_that_is_not_there_yet_can_be_waited_for():
    bench = Bench(THROUGH)
    port = bench.open("juno", wait=True)
    assert (port.epoch, port.name) == (0, "juno")
    with pytest.raises(PortLost):
        port.send(ON)
    bench.system.names.append(SYNTH)
    bench.owner.look_now()
    assert port.epoch == 1
    port.send(ON)
    assert bench.system.sent == [(SYNTH, ON)]


def test_an_unplugged_port_is_noticed_and_comes_back_under_another_number():
    bench = Bench(THROUGH, SYNTH)
    port = bench.open("juno")
    port.send(ON)
    bench.system.names.remove(SYNTH)
    bench.owner.look_now()
    assert port.epoch == 0
    with pytest.raises(PortLost, match="juno"):
        port.send(OFF)
    assert bench.system.targets == []
    bench.system.names.append("Juno-60:Juno-60 MIDI 1 32:0")
    bench.owner.look_now()
    assert port.epoch == 2
    port.send(ON)
    assert bench.system.sent[-1] == ("Juno-60:Juno-60 MIDI 1 32:0", ON)


def test_twenty_replugs_leave_no_client_behind():
    bench = Bench(SYNTH)
    port = bench.open("juno")
    clients = len(bench.system.clients)
    for _ in range(20):
        bench.system.names.remove(SYNTH)
        bench.owner.look_now()
        bench.system.names.append(SYNTH)
        bench.owner.look_now()
    assert port.epoch == 21
    assert len(bench.system.clients) == clients
    port.close()
    assert bench.system.clients == []


def test_auto_plays_to_a_virtual_port_until_hardware_comes_and_silences_what_it_leaves():
    bench = Bench(THROUGH)
    port = bench.open("auto")
    port.send(ON)
    bench.system.names.append(SYNTH)
    bench.owner.look_now()
    assert port.name == "Juno-60:Juno-60 MIDI 1"
    assert port.epoch == 2
    assert bench.system.sent[:2] == [("Perpetuo:out", ON), ("Perpetuo:out", OFF)]


def test_auto_goes_back_to_a_virtual_port_when_the_hardware_is_gone():
    bench = Bench(SYNTH)
    port = bench.open("auto")
    bench.system.names.remove(SYNTH)
    bench.owner.look_now()
    assert (port.name, port.epoch) == ("Perpetuo", 2)


def test_a_refused_send_is_a_loss_and_the_port_is_opened_anew():
    bench = Bench(SYNTH)
    port = bench.open("juno")
    bench.system.fail_sends = True
    with pytest.raises(PortLost, match="refused"):
        port.send(ON)
    assert port.epoch == 0
    bench.system.fail_sends = False
    bench.owner.look_now()
    assert port.epoch == 2


def test_a_system_that_died_is_left_and_its_return_is_used():
    bench = Bench(SYNTH)
    port = bench.open("juno")
    bench.backend.dead = True
    bench.owner.look_now()
    assert port.epoch == 0
    bench.backend.dead = False
    bench.owner.look_now()
    assert port.epoch == 2


def test_what_is_queued_is_bounded_while_nobody_confirms_that_the_system_lives():
    bench = Bench(SYNTH)
    sender = Sender(bench.system.MidiOut(0, "Perpetuo"))
    sender._out.target = SYNTH
    for _ in range(UNCONFIRMED_BYTES // (4 + len(ON))):
        sender.send(ON)
    with pytest.raises(PortLost, match="does not answer"):
        sender.send(ON)
    sender.confirm()
    sender.send(ON)
    sender.close()
    with pytest.raises(PortLost, match="closed"):
        sender.send(ON)


def test_closing_silences_what_was_left_and_lets_every_client_go():
    bench = Bench(SYNTH)
    port = bench.open("juno")
    port.send(ON)
    port.close()
    port.close()
    assert bench.system.sent[1] == (SYNTH, OFF)
    assert bench.system.clients == []


class QueueingBackend(FakeBackend):
    """A system like JACK: it hears a message later, and never what left as its port was closed."""

    def __init__(self, system):
        super().__init__(system, "jack")
        self.heard = []

    def deliver(self):
        self.heard = list(self._rtmidi.sent)


@pytest.mark.parametrize("silenced_by", ["the scheduler", "the port"])
def test_a_port_is_closed_when_its_silence_was_heard_and_not_before(silenced_by):
    system = FakeSystem(PROGRAM)
    backend = QueueingBackend(system)
    port = open_port("rack", owner=MidiOwner([backend], threaded=False))
    port.send(ON)
    if silenced_by == "the scheduler":
        port.send(OFF)
    port.close()
    assert (PROGRAM, OFF) in backend.heard
    assert system.clients == []


def test_a_port_that_hardware_takes_over_from_is_closed_when_its_silence_was_heard():
    system = FakeSystem(THROUGH)
    backend = QueueingBackend(system)
    owner = MidiOwner([backend], threaded=False)
    port = open_port("auto", owner=owner)
    port.send(ON)
    system.names.append("system:midi_playback_1")
    owner.look_now()
    assert backend.heard[:2] == [("Perpetuo:out", ON), ("Perpetuo:out", OFF)]


def test_a_list_that_fails_while_another_device_is_unplugged_is_no_loss():
    bench = Bench(SYNTH, DRUMS)
    port = bench.open("juno")
    bench.system.fail_lists = True
    bench.owner.look_now()
    assert port.epoch == 1
    bench.system.fail_lists = False
    bench.system.names.remove(SYNTH)
    bench.owner.look_now()
    assert port.epoch == 0


def test_a_machine_without_midi_says_so_in_one_line_and_plays_to_a_file(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ports_module, "_can_sound", lambda: False)
    bench = Bench()
    bench.backend.trouble = "there is no ALSA sequencer"
    with caplog.at_level(logging.WARNING):
        port = bench.open("auto")
    port.send(ON, 0.0)
    port.close()
    (path,) = tmp_path.iterdir()
    assert path.suffix == ".mid"
    (line,) = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert line == (
        f"no MIDI system can be used: there is no ALSA sequencer; playing to the file {path.name}; "
        "with --web a page plays it"
    )


def test_a_named_port_on_a_machine_without_midi_is_refused_with_what_there_is_instead():
    bench = Bench()
    bench.backend.trouble = "there is no ALSA sequencer"
    with pytest.raises(PortError, match="no ALSA sequencer; play to --port synth"):
        bench.open("juno")


def test_jack_where_there_is_none_is_refused():
    with pytest.raises(PortError, match="JACK cannot be used"):
        Bench(SYNTH).open("jack:juno")


@pytest.mark.parametrize("wait", [False, True])
def test_jack_without_what_speaks_to_it_is_told_what_brings_that(monkeypatch, wait):
    """ALSA is there, by its own library. No waiting brings JACK."""
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    said = r"JACK cannot be used: python-rtmidi, .* is not installed .*pip install .*\[midi\]"
    with pytest.raises(PortError, match=said):
        Bench(SYNTH).open("jack", wait=wait)


def test_too_many_clients_are_told_apart_from_no_alsa(monkeypatch, tmp_path):
    text = "MidiOutAlsa::initialize: error creating ALSA sequencer client object."
    bench = Bench(SYNTH, refusal=text)
    monkeypatch.setattr(backends, "ALSA_CONFIGURATION", tmp_path / "none.conf")
    assert "apt install libasound2-data" in bench.owner.problems()["alsa"]
    monkeypatch.setattr(backends, "ALSA_CONFIGURATION", tmp_path)
    bench = Bench(SYNTH, refusal=text)
    assert "no room for another client" in bench.owner.problems()["alsa"]
    assert "modprobe snd-seq" in alsa_problem(tmp_path / "seq")
    node = tmp_path / "there"
    node.touch()
    assert alsa_problem(node) is None


@pytest.mark.parametrize(
    ("spec", "target"),
    [("rack", PROGRAM), ("virtual", "Perpetuo:out"), ("auto", "Perpetuo:out"), ("jack", None)],
)
def test_a_service_that_starts_before_any_midi_system_plays_on_the_one_that_comes(
    spec, target, caplog
):
    """Which that will be is not known: the first of those that can be used by then."""
    system = FakeSystem()
    alsa, jack = FakeBackend(system, "alsa", "no sequencer"), FakeBackend(system, "jack", "no JACK")
    owner = MidiOwner([alsa, jack], threaded=False)
    port = open_port(spec, owner=owner, wait=True)
    assert port.epoch == 0
    assert "no JACK" in caplog.text
    assert ("no sequencer" in caplog.text) is (spec != "jack")
    jack.trouble = None
    system.names.append(PROGRAM)
    owner.look_now()
    assert port.epoch == 1
    assert system.targets == [target or "Perpetuo:out"]


def test_a_service_that_waits_for_a_name_says_which_there_are(caplog):
    Bench(SYNTH).open("jupiter", wait=True)
    assert "waiting for port 'jupiter': there is no port 'jupiter'" in caplog.text
    assert "Juno-60" in caplog.text


def test_a_system_that_is_not_there_is_not_tried(caplog):
    """libasound itself writes a line to stderr at each vain try, twice a second for years."""
    bench = Bench(SYNTH)
    bench.backend.trouble = "no ALSA sequencer (/dev/snd/seq): sudo modprobe snd-seq"
    bench.system.MidiOut = bench.system.MidiIn = None
    port = bench.open("auto", wait=True)
    assert port.epoch == 0
    assert "modprobe" in caplog.text


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.EACCES, "group audio"), (errno.ENODEV, "modprobe"), (errno.ENOENT, "modprobe")],
)
def test_a_sequencer_that_does_not_open_names_the_remedy(monkeypatch, tmp_path, number, remedy):
    def refuse(path, flags):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "open", refuse)
    assert remedy in alsa_problem(tmp_path)
    number = errno.ENOMEM  # no room for another client: what is open plays on
    assert alsa_problem(tmp_path) is None
    assert "close a few programs that use MIDI" in alsa_problem(tmp_path, another=True)


def test_the_list_names_live_ports_and_those_we_bring_along():
    names = [port.name for port in list_ports(owner=Bench(THROUGH, SYNTH).owner)]
    assert names[:2] == ["Midi Through:Midi Through Port-0", "Juno-60:Juno-60 MIDI 1"]
    assert {"virtual", "file:PATH", "null"} <= set(names)


def test_what_was_there_at_the_last_look_is_told_without_asking_again():
    bench = Bench(THROUGH, SYNTH)
    port = bench.open("juno")
    bench.owner.look_now()
    bench.system.names = None  # whoever asks it now fails
    seen = {one.name: used for one, used in bench.owner.seen()}
    assert {"Midi Through:Midi Through Port-0": False, "Juno-60:Juno-60 MIDI 1": True} == seen
    port.close()


def test_a_port_behind_others_is_asked_whether_it_was_away_and_opened_anew():
    """At a stop: the kernel has cut its connection, and half a second is too long to wait."""
    bench = Bench(THROUGH, SYNTH, DRUMS)
    settings = PortSettings(port=("juno@2", "tr-8"))
    port, _ = open_outputs(settings, ManualClock(), owner=bench.owner)
    port = FanOutPort([ChannelPort(port, 3)], [NullPort()])
    port = TappedPort(port, Tap(), lambda: 0.0)
    port.send(ON)
    bench.system.sent.clear()
    (sender,) = (one for one in bench.backend._clients if one._out.target == SYNTH)
    sender.close()
    settle(port)
    assert {target for target, _ in bench.system.sent} == {SYNTH}
    assert (SYNTH, b"\x84\x3c\x00") in bench.system.sent
    settle(NullPort())
