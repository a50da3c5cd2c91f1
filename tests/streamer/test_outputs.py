"""Several outputs at once: each on its channels, each lost and found for itself, none left on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import ConfigError, PortError
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.channels import moved_by, split_channels
from streamer.music.notes import Note
from streamer.ports import open_outputs
from streamer.ports import opening as ports_module
from streamer.ports.names import AutoRules, choose_automatically, describe
from streamer.ports.outputs import Outputs
from streamer.settings.midi import PortSettings
from streamer.settings.reading import load_settings, parse_setting
from streamer.settings.settings import SchedulerSettings
from streamer.testing import FakeGenerator, FakePort, ManualClock, make_phrase
from tests.streamer.test_ports import DRUMS, OFF, ON, PROGRAM, SYNTH, THROUGH, Bench

SETTINGS = SchedulerSettings(lead_seconds=0.0, realtime_priority=0)
HELLO = (b"\xc0\x05",)
START = 1000.0


def long_notes(count: int = 20):
    return make_phrase([Note(40 + i, i * 500.0, 2000.0, 64) for i in range(count)])


class Band:
    """A scheduler that plays to several fake ports on the manual clock."""

    def __init__(self, *phrases, outputs: int = 2, **more) -> None:
        self.clock = ManualClock(START)
        self.ports = [FakePort(self.clock) for _ in range(outputs)]
        self.outputs = Outputs(self.ports, self.clock, HELLO)
        buffer = RollingBuffer(4.0, 10.0)
        for phrase in phrases or [long_notes()]:
            buffer.put(phrase)
        buffer.close()
        self.scheduler = Scheduler(
            buffer, self.outputs, self.clock, SETTINGS, tend=self.outputs.tend, **more
        )

    def after(self, seconds, action) -> None:
        self.clock.at(START + seconds, action)

    def run(self) -> Band:
        self.scheduler.run()
        self.outputs.close()
        return self


def struck(port: FakePort) -> list[tuple[float, int]]:
    return [(at, message[1]) for at, message in port.log if message[0] == 0x90]


def clocks_after(port: FakePort, message: bytes) -> int:
    return port.messages[port.messages.index(message) :].count(b"\xf8")


def test_all_outputs_get_the_same_in_time():
    band = Band().run()
    first, second = band.ports
    assert 20 == len(struck(first))
    assert first.log == second.log


def test_the_loss_of_one_output_does_not_disturb_the_other():
    undisturbed = Band().run().ports[0].log
    band = Band()
    band.after(3.1, band.ports[1].vanish)
    band.after(6.2, band.ports[1].come_back)
    first, second = band.run().ports
    assert undisturbed == first.log
    assert not [at for at, _ in struck(second) if START + 3.1 < at < START + 6.2]
    assert [pitch for at, pitch in struck(second) if at > START + 6.4][-1] == 59
    assert (1, 0) == (band.outputs.losses, band.scheduler.port_losses)
    assert first.receiver.is_silent
    assert second.receiver.is_silent


def test_an_output_that_is_back_is_silenced_and_greeted_alone_and_at_once():
    band = Band()
    band.after(3.1, band.ports[1].vanish)
    band.after(6.2, band.ports[1].come_back)
    band.run()
    back = [(at, m) for at, m in band.ports[1].log if START + 6.2 <= at < START + 6.46]
    offs = {message[1] for _, message in back if message[0] == 0x80}
    assert {43, 44, 45, 46} <= offs  # what sounded on it when it went
    assert HELLO[0] in [message for _, message in back]
    assert [] == [m for at, m in band.ports[0].log if m in HELLO and at > START + 1.0]


def test_an_output_that_was_away_unnoticed_is_silenced_of_what_it_may_have_missed():
    band = Band()
    second = band.ports[1]
    band.after(3.1, second.vanish_unnoticed)
    band.after(3.4, second.come_back)
    band.after(4.0, lambda: heard.extend(second.receiver.struck))
    heard: list[tuple[int, int]] = []
    band.run()
    assert {(0, 47)} == set(heard)  # the note of 3.5 s, and none from before
    assert second.receiver.is_silent


def test_the_music_waits_only_while_no_output_is_there():
    band = Band()
    band.after(2.1, band.ports[0].vanish)
    band.after(3.1, band.ports[1].vanish)
    band.after(9.0, band.ports[0].come_back)
    band.after(9.9, band.ports[1].come_back)
    first, second = band.run().ports
    assert not [at for at, _ in struck(second) if START + 3.1 < at < START + 9.9]
    assert 1 == band.scheduler.port_losses
    pitches = [pitch for _, pitch in struck(first)]
    assert [40, 41, 42, 43, 44, 47, 48] == pitches[:7]  # 45, 46 went to the other; then all waited
    assert first.receiver.is_silent
    assert second.receiver.is_silent


def test_an_output_that_fails_for_good_is_given_up_and_the_others_play_on(caplog):
    band = Band()
    band.ports[0].fail_at = 30
    band.run()
    assert 20 == len(struck(band.ports[1]))
    assert "output fake is given up: the fake port fails as it was told to" in caplog.text
    assert [1, 1] == [port.closed for port in band.ports]


def test_when_all_outputs_have_failed_the_stream_ends_with_their_error():
    band = Band()
    for port in band.ports:
        port.fail_at = 30
    with pytest.raises(PortError, match="as it was told to"):
        band.run()


def test_an_output_that_comes_later_is_told_where_the_song_is_and_others_are_not():
    band = Band(send_bpm=120.0)
    band.after(3.1, band.ports[1].vanish)
    band.after(5.0, band.ports[1].come_back)
    first, second = band.run().ports
    transport = [m[0] for _, m in first.log if m[0] in (0xFA, 0xFB, 0xFC, 0xF2)]
    assert [0xFA, 0xFC] == transport
    back = [m for at, m in second.log if at >= START + 5.0 and m[0] in (0xFA, 0xFB, 0xF2)]
    assert [0xF2, 0xFB] == [message[0] for message in back]
    # Both count the same clocks: those from the Start on, and those after the place that was told.
    sixteenth = back[0][1] | back[0][2] << 7
    later = clocks_after(second, b"\xfb")
    assert clocks_after(first, b"\xfa") == later + 6 * sixteenth


def test_a_suspend_silences_every_output():
    band = Band()
    band.after(3.1, lambda: band.clock.suspend(3600.0))
    band.after(3.4, lambda: quiet.extend(port.receiver.is_silent for port in band.ports))
    quiet: list[bool] = []
    band.run()
    assert [True, True] == quiet


def test_the_names_say_which_is_gone():
    band = Band()
    band.ports[1].vanish()
    band.outputs.tend()
    assert "fake + fake (gone)" == band.outputs.name
    assert 0 < band.outputs.epoch
    with pytest.raises(ValueError, match="1 or more"):
        Outputs([], band.clock)


@given(
    st.integers(0, 1000),
    st.lists(
        st.tuples(
            st.floats(0.0, 8.0),
            st.integers(0, 2),
            st.sampled_from(("vanish", "unnoticed", "return", "pause", "resume", "panic", "sleep")),
        ),
        max_size=16,
    ),
    st.sampled_from((None, 96.0)),
)
def test_whatever_comes_and_goes_no_output_is_left_sounding(seed, plan, send_bpm):
    generator = FakeGenerator(seed)
    phrases = [generator.next_phrase() for _ in range(9)]
    band = Band(*phrases, outputs=3, send_bpm=send_bpm)
    for seconds, number, name in plan:
        port = band.ports[number]
        actions = {
            "vanish": port.vanish,
            "unnoticed": port.vanish_unnoticed,
            "return": port.come_back,
            "pause": band.scheduler.pause,
            "resume": band.scheduler.resume,
            "panic": band.scheduler.panic,
            "sleep": lambda: band.clock.suspend(60.0),
        }
        band.after(seconds, actions[name])
    for port in band.ports:
        band.after(8.5, port.come_back)
    band.after(8.5, band.scheduler.resume)
    band.after(9.0, lambda: None)
    band.run()
    assert all(port.receiver.is_silent for port in band.ports)


def test_one_owner_opens_all_ports_and_outlives_each(tmp_path):
    bench = Bench(THROUGH, SYNTH, DRUMS)
    settings = PortSettings(port=("juno", "TR-8S@10", f"file:{tmp_path / 'a.mid'}"))
    port, tend = open_outputs(settings, ManualClock(), owner=bench.owner)
    port.send(ON)
    assert [(SYNTH, ON), (DRUMS, b"\x99\x3c\x40")] == bench.system.sent
    bench.system.names.remove(SYNTH)
    bench.owner.look_now()
    assert not tend()
    port.send(OFF)
    assert (DRUMS, b"\x89\x3c\x00") == bench.system.sent[-1]
    bench.system.names.append(SYNTH)
    bench.owner.look_now()
    assert tend()
    assert (SYNTH, OFF) in bench.system.sent
    port.close()
    assert [] == bench.system.targets
    assert bench.owner.ports("output")  # whoever brought the owner closes it


def test_an_output_that_is_misspelt_closes_those_that_were_opened():
    bench = Bench(SYNTH, DRUMS)
    with pytest.raises(PortError, match="did you mean"):
        open_outputs(PortSettings(port=("juno", "TR-8Z")), ManualClock(), owner=bench.owner)
    assert [] == bench.system.targets


def test_auto_beside_others_takes_what_they_leave():
    bench = Bench(SYNTH, DRUMS)
    settings = PortSettings(port=("auto", "juno"))
    port, _ = open_outputs(settings, ManualClock(), owner=bench.owner)
    assert sorted((SYNTH, DRUMS)) == sorted(bench.system.targets)
    bench.system.names.remove(DRUMS)
    bench.owner.look_now()
    assert sorted((SYNTH, "Perpetuo:out")) == sorted(bench.system.targets)
    port.close()


def test_an_owner_that_was_made_for_them_ends_with_the_last(monkeypatch):
    bench = Bench(SYNTH, DRUMS)
    monkeypatch.setattr(ports_module, "make_owner", lambda _: bench.owner)
    port, _ = open_outputs(PortSettings(port=("juno", "tr-8s")), ManualClock())
    port.close()
    assert [] == bench.system.clients


def test_files_and_null_never_keep_the_music_from_waiting(tmp_path):
    bench = Bench(SYNTH)
    settings = PortSettings(port=("juno", "null", f"file:{tmp_path / 'a.mid'}"))
    port, _ = open_outputs(settings, ManualClock(), owner=bench.owner)
    bench.system.names.remove(SYNTH)
    bench.owner.look_now()
    assert 0 == port.epoch
    port.close()
    alone, _ = open_outputs(replace(settings, port=("null", "null")), ManualClock())
    assert alone.epoch
    alone.close()


@pytest.mark.parametrize(
    ("spec", "name", "channels"),
    [
        ("Juno", "Juno", None),
        ("Juno@3", "Juno", moved_by(2)),
        ("Juno@16", "Juno", (15, *range(15))),
        ("TR-8S@1=10,2=off", "TR-8S", (9, None, *range(2, 16))),
        ("a:b @2=1,*=off", "a:b", (None, 0, *[None] * 14)),
        ("*@*=5", "*", (4,) * 16),
        ("file:/tmp/a@b.mid", "file:/tmp/a@b.mid", None),
        ("synth@home", "synth@home", None),
    ],
)
def test_channels_stand_behind_a_name(spec, name, channels):
    assert (name, channels) == split_channels(spec)


@pytest.mark.parametrize("spec", ["Juno@0", "Juno@17", "a@1=0", "a@1=2,1=3", "a@17=1", "a@1=,2=3"])
def test_channels_that_are_none_are_told(spec):
    with pytest.raises(ValueError, match=r"1\.\.16|once each"):
        split_channels(spec)


def test_several_ports_are_set_in_the_file_or_by_options(tmp_path):
    path = tmp_path / "perpetuo.toml"
    path.write_text('[port]\nport = ["Juno@2", "file:x.mid"]\ndeny = "Launchpad"\n')
    settings = load_settings(path)
    assert ("Juno@2", "file:x.mid") == settings.port.specs
    assert ("Juno", "file:x.mid") == settings.port.names
    assert ("Launchpad",) == settings.port.deny
    assert ("null",) == load_settings(path, {"port.port": ["null"]}).port.specs
    assert "Juno" == parse_setting("port.port", "Juno")
    with pytest.raises(ConfigError, match=r"port 'Juno@99': a channel must be in range 1\.\.16"):
        load_settings(path, {"port.port": ["Juno@99"]})
    with pytest.raises(ConfigError, match=r"1\.\.16 ports"):
        load_settings(path, {"port.port": []})


BRIDGES = [
    "ttymidi:MIDI in 128:1",
    "rtpmidi pi:Network 129:0",
    "WIDI Master:WIDI Master Bluetooth 130:0",
]


@pytest.mark.parametrize("bridge", BRIDGES)
def test_auto_takes_a_bridge_to_hardware_after_hardware_and_before_a_port_of_our_own(bridge):
    rules = AutoRules("Perpetuo")
    outputs = describe([PROGRAM, bridge, SYNTH], "alsa", "output")
    assert ["software", "bridge", "hardware"] == [port.kind for port in outputs]
    assert SYNTH == choose_automatically(outputs, rules).address
    assert bridge == choose_automatically(outputs[:2], rules).address
    assert choose_automatically(outputs[:1], rules) is None


def test_auto_takes_a_peer_of_a_network_bridge_before_the_port_that_waits_for_one():
    names = ["rtpmidi pi:Network 129:0", "rtpmidi pi:DeepMind 129:1"]
    outputs = describe(names, "alsa", "output")
    assert names[1] == choose_automatically(outputs, AutoRules("Perpetuo")).address


def test_auto_obeys_what_is_allowed_and_denied():
    outputs = describe([THROUGH, PROGRAM, SYNTH, DRUMS], "alsa", "output")

    def chosen(**rules) -> str | None:
        port = choose_automatically(outputs, AutoRules("Perpetuo", **rules))
        return port and port.address

    assert DRUMS == chosen(deny=("juno",))
    assert chosen(deny=("juno", "TR-?S")) is None
    assert DRUMS == chosen(allow=("tr-8",))
    assert PROGRAM == chosen(allow=("vcv*input",))
    assert chosen(allow=("none of these",)) is None


def test_auto_looks_past_denied_ports_when_it_opens():
    bench = Bench(SYNTH, DRUMS)
    port = bench.open("auto", settings=PortSettings(deny=("juno",)))
    assert [DRUMS] == bench.system.targets
    port.close()
