"""The stream of a band on the manual clock: sounds first, mute and solo, nothing left sounding."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streamer.bundle.bundle import Bundle
from streamer.cli import main
from streamer.errors import PortError
from streamer.families.bands.controls import BandControls
from streamer.families.bands.mixer import Mixer, audible
from streamer.families.bands.settings import BandSettings
from streamer.families.bands.tracks import TRACKS
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.greeting import Greeting
from streamer.music.notes import Note, Phrase, ProgramChange
from streamer.offline.playout import LeapingClock
from streamer.pipeline import open_source
from streamer.ports.outputs import Outputs
from streamer.ports.rotation import RotatingSink
from streamer.service.stream import StreamThreads
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.midi import SynthSettings
from streamer.settings.settings import ModelSettings, SchedulerSettings, Settings
from streamer.testing import FakePort, ManualClock, make_phrase
from tests.bandbundles import write_tiny_band_bundle
from tests.streams import struck, unpaired

START = 1000.0
CHANNELS = (9, 0, 1, 2)
SETTINGS = SchedulerSettings(lead_seconds=0.0, realtime_priority=0)
SOUNDS = [0xC9, 0xC0, 0xC1, 0xC2, 0xB9, 0xB0, 0xB1, 0xB2]
"""First bytes of what a synth is told: four programmes, four volumes."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_band_bundle(tmp_path_factory.mktemp("bands"))


@pytest.fixture(scope="module")
def phrases(bundle: Bundle) -> list[Phrase]:
    settings = Settings(model=ModelSettings(model=str(bundle.path), seed=1))
    source = open_source(settings=settings, controls=LiveControls(Controls(walk=1.0)))
    return [source.next_phrase() for _ in range(5)]


class Stage:
    """A band that plays some sections to a port, and ends by itself."""

    def __init__(self, phrases: list[Phrase], outputs: int = 1) -> None:
        self.clock = ManualClock(START)
        self.ports = [FakePort(self.clock) for _ in range(outputs)]
        self.port = self.ports[0]
        self.mixer = Mixer(BandSettings(), programs=(0, 32, 0, 44))
        self.controls = Controls()
        told = Greeting(self.mixer.greeting(self.controls))
        buffer = RollingBuffer(4.0, 1000.0)
        for phrase in phrases:
            buffer.put(phrase)
        buffer.close()
        to: Any = self.port
        tend: Callable[[], bool] = lambda: False  # noqa: E731  # replaced below
        if outputs > 1:
            to = Outputs(self.ports, self.clock, told)
            tend = to.tend
        self.scheduler = Scheduler(buffer, to, self.clock, SETTINGS, tend=tend, greeting=told)

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        self.clock.at(START + seconds, action)

    def mix(self, **changes: Any) -> None:
        self.controls = self.controls.with_changes(changes)
        self.scheduler.mute(self.mixer.muted(self.controls))

    def run(self) -> Stage:
        self.scheduler.run()
        return self

    def heard(self, channel: int, since: float = 0.0, until: float = 1e9) -> list[bytes]:
        return [
            message
            for at, message in self.port.log
            if message[0] < 0xF0
            and message[0] & 0x0F == channel
            and START + since <= at < START + until
        ]


def test_sounds_and_volumes_are_told_before_the_first_note(phrases: list[Phrase]) -> None:
    heard = Stage(phrases).run().port.messages
    music = [m for m in heard if m[0] & 0xF0 != 0x80 and not (m[0] & 0xF0 == 0xB0 and m[1] > 63)]
    assert [message[0] for message in music[:8]] == SOUNDS
    assert music[:4] == [b"\xc9\x00", b"\xc0\x20", b"\xc1\x00", b"\xc2\x2c"]
    assert music[4:8] == [b"\xb9\x07\x64", b"\xb0\x07\x64", b"\xb1\x07\x5a", b"\xb2\x07\x50"]
    assert struck(heard)
    assert heard.index(struck(heard)[0]) > heard.index(music[7])


def changing() -> list[Phrase]:
    """Two seconds of bass, with another sound from the second on."""
    notes = [Note(40 + i, 500.0 * i, 400.0, 64, channel=0) for i in range(8)]
    first, second = make_phrase(notes[:2]), make_phrase(notes[2:], 1000.0)
    changed = (ProgramChange(1000.0, 0, 39),)
    return [first, Phrase(second.notes, second.entropies, 1000.0, 4000.0, None, changed)]


def test_a_sound_changes_with_the_section_and_before_its_first_note() -> None:
    stage = Stage(changing()).run()
    log = [(at, m) for at, m in stage.port.log if m in (b"\xc0\x27", b"\x90\x2a\x40")]
    assert log == [(START + 1.0, b"\xc0\x27"), (START + 1.0, b"\x90\x2a\x40")]


def test_a_port_that_comes_back_is_told_the_sounds_as_they_are_now() -> None:
    stage = Stage(changing())
    stage.after(0.6, stage.port.vanish)
    stage.after(0.9, stage.port.come_back)
    stage.after(2.6, stage.port.vanish)
    stage.after(2.9, stage.port.come_back)
    stage.run()
    bass = [message for message in stage.port.messages if message[0] == 0xC0]
    assert bass == [b"\xc0\x20", b"\xc0\x20", b"\xc0\x27", b"\xc0\x27"]


def test_of_several_outputs_the_one_that_comes_back_is_told_them_alone() -> None:
    stage = Stage(changing(), outputs=2)
    stage.after(1.6, stage.ports[1].vanish)
    stage.after(2.1, stage.ports[1].come_back)
    stage.run()
    told = [[m for m in port.messages if m[0] == 0xC0] for port in stage.ports]
    assert told == [[b"\xc0\x20", b"\xc0\x27"], [b"\xc0\x20", b"\xc0\x27", b"\xc0\x27"]]


def test_a_volume_is_sent_at_once_and_to_a_synth_that_comes_later(phrases: list[Phrase]) -> None:
    stage = Stage(phrases)
    stage.after(1.0, lambda: stage.scheduler.tell([b"\xb0\x07\x21"]))
    stage.after(2.0, stage.port.vanish)
    stage.after(3.0, stage.port.come_back)
    stage.run()
    loud = [(round(at - START), m[2]) for at, m in stage.port.log if m[:2] == b"\xb0\x07"]
    assert loud == [(0, 100), (1, 33), (3, 33)]


def test_a_muted_track_ends_what_sounds_and_comes_back_with_its_next_note(
    phrases: list[Phrase],
) -> None:
    stage, sounding = Stage(phrases), []
    stage.after(5.0, lambda: stage.mix(mute_bass=True))
    stage.after(5.1, lambda: sounding.extend(stage.scheduler.sounding))
    stage.after(9.0, lambda: stage.mix(mute_bass=False))
    stage.run()
    assert not [key for key in sounding if key[0] == 0]
    assert struck(stage.heard(0, 0, 5))
    assert not struck(stage.heard(0, 5, 9))
    assert struck(stage.heard(0, 9))
    assert unpaired(stage.port.messages)[1:] == (0, 0)
    for channel in (9, 1, 2):
        assert struck(stage.heard(channel, 5, 9))


def test_a_solo_silences_the_others(phrases: list[Phrase]) -> None:
    stage = Stage(phrases)
    stage.mix(solo_drums=True)
    stage.run()
    assert {message[0] & 0x0F for message in struck(stage.port.messages)} == {9}


def desk(**switches: bool) -> Controls:
    return Controls(groups=(BandControls(**switches),))


def test_a_mute_holds_against_the_tracks_own_solo() -> None:
    assert audible(desk(solo_bass=True, solo_drums=True, mute_bass=True)) == ("drums",)
    assert Mixer(BandSettings()).silent(desk(solo_bass=True)) == ("drums", "harmony", "strings")
    assert audible(Controls()) == TRACKS


switches = st.fixed_dictionaries(
    {}, optional={f"{what}_{t}": st.booleans() for what in ("mute", "solo") for t in TRACKS}
)
moves = st.lists(st.tuples(st.floats(0.0, 20.0), switches), max_size=6)
ends = st.sampled_from(["stop", "panic", "pause", "vanish", "blink", "fail"])


@hypothesis_settings(max_examples=40)
@given(moves=moves, moment=st.floats(0.0, 24.0), end=ends)
def test_whatever_ends_the_stream_nothing_sounds_on_any_channel(
    moves: list[tuple[float, dict[str, bool]]], moment: float, end: str, phrases: list[Phrase]
) -> None:
    stage = Stage(phrases)
    for at, changes in moves:
        stage.after(at, lambda changes=changes: stage.mix(**changes))  # type: ignore[misc]
    port, scheduler = stage.port, stage.scheduler

    def blink() -> None:
        port.vanish()
        port.come_back()

    def come_and_go() -> None:
        port.vanish()
        stage.after(moment + 2.0, port.come_back)

    actions = {
        "stop": scheduler.stop, "panic": scheduler.panic, "pause": scheduler.pause,
        "vanish": come_and_go, "blink": blink,
    }  # fmt: skip
    if end == "fail":
        port.fail_at = round(moment * 20)
        with contextlib.suppress(PortError):
            stage.run()
    else:
        stage.after(moment, actions[end])
        stage.after(moment + 30.0, scheduler.stop)
        stage.run()
    assert port.receiver.is_silent
    assert not scheduler.sounding
    assert unpaired(port.messages)[1:] == (0, 0) or end in ("vanish", "blink", "fail")


def test_recordings_in_several_files_begin_each_with_the_sounds(tmp_path: Path) -> None:
    stamps = iter(f"20260101-00000{i}" for i in range(9))
    sink = RotatingSink(tmp_path, 2.0, 10**9, lambda: next(stamps))
    for message in (b"\xc0\x20", b"\xb0\x07\x50", b"\xc9\x01", b"\xb0\x40\x00"):
        sink.send(message, 0.0)
    for second in range(6):
        sink.send(bytes((0x90, 60, 64)), second * 1000.0)
        sink.send(bytes((0x80, 60, 0)), second * 1000.0 + 100.0)
        if second == 2:
            sink.send(b"\xc0\x27", 2500.0)
        sink.flush()
    sink.close()
    files = sorted(tmp_path.glob("*.mid"))
    assert len(files) == 3
    told = [
        [m.bytes() for m in mido.MidiFile(path).tracks[0] if m.type in SOUND_TYPES]
        for path in files
    ]
    assert told[0] == [[0xC0, 32], [0xB0, 7, 80], [0xC9, 1]]
    assert told[1] == [[0xC0, 32], [0xB0, 7, 80], [0xC9, 1], [0xC0, 39]]
    assert told[2] == [[0xC0, 39], [0xB0, 7, 80], [0xC9, 1]]


SOUND_TYPES = ("program_change", "control_change")


def rendered(bundle: Bundle, out: Path, *words: str) -> list[mido.Message]:
    command = ["render", str(out), "--model", str(bundle.path), "--seed", "4", "--duration", "30"]
    assert main([*command, *words]) == 0
    return [message for message in mido.MidiFile(out).tracks[0] if not message.is_meta]


def test_a_rendered_file_has_the_sounds_first(bundle: Bundle, tmp_path: Path) -> None:
    messages = rendered(bundle, tmp_path / "a.mid", "--style", "rock")
    kinds = [(message.type, message.channel) for message in messages[:8]]
    assert kinds == [
        (kind, channel) for kind in ("program_change", "control_change") for channel in CHANNELS
    ]
    assert [message.program for message in messages[:4]] == [16, 33, 29, 48]
    again = rendered(bundle, tmp_path / "b.mid", "--style", "rock")
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()
    assert [m.bytes() for m in messages] == [m.bytes() for m in again]


def test_what_is_muted_is_not_rendered(bundle: Bundle, tmp_path: Path) -> None:
    config = tmp_path / "perpetuo.toml"
    config.write_text("[controls]\nmute_strings = true\nsolo_drums = true\nsolo_bass = true\n")
    messages = rendered(bundle, tmp_path / "a.mid", "--config", str(config))
    assert {m.channel for m in messages if m.type == "note_on"} == {9, 0}


@pytest.mark.parametrize(
    ("words", "config", "said"),
    [
        (["--style", "jaz"], "", "did you mean jazz?"),
        (["--style", "jazz:0,rock:0"], "", "weights that sum to more than 0"),
        (["--query", "a.mid"], "", "leave --query out"),
        (["--prime", "a.mid"], "", "leave --prime out"),
        ([], "".join(f"mute_{t} = true\n" for t in TRACKS), "mute all tracks"),
    ],
)
def test_bad_input_is_one_line(
    bundle: Bundle, tmp_path: Path, words: list[str], config: str, said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "perpetuo.toml"
    file.write_text("[controls]\n" + config)
    out = tmp_path / "out.mid"
    command = ["render", str(out), "--model", str(bundle.path), "--config", str(file)]
    assert main([*command, *words]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not out.exists()


class _Port:
    """Takes messages until it has enough, and then tells."""

    name, epoch = "fake", 1

    def __init__(self, enough: int, then: Callable[[], object]) -> None:
        self.messages: list[bytes] = []
        self._enough, self._then = enough, then

    def send(self, message: bytes, at_ms: float | None = None) -> None:
        self.messages.append(message)
        if len(struck(self.messages)) == self._enough:
            self._enough = -1
            self._then()

    def close(self) -> None:
        pass


def test_muting_all_while_it_plays_is_silence_and_said_once(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    controls = LiveControls()
    settings = Settings(model=ModelSettings(model=str(bundle.path), seed=1))
    source = open_source(settings=settings, controls=controls)
    figures = []

    def silence() -> None:
        controls.update(**{f"mute_{track}": True for track in TRACKS}, volume_bass=17)
        controls.update(temperature=0.9)
        figures.append(stream.figures())
        stream.scheduler.stop()

    port = _Port(40, silence)
    stream = StreamThreads(source, port, settings, LeapingClock())
    with caplog.at_level(logging.INFO):
        stream.start()
        assert stream.ended.wait(30)
        stream.stop()
    assert [m[0] for m in port.messages if m[0] & 0xF0 == 0xC0 or m[1] == 7][:8] == SOUNDS
    said = [r.getMessage() for r in caplog.records if "all tracks" in r.getMessage()]
    assert said == ["all tracks are muted; the music goes on in silence"]
    assert figures[0].muted == TRACKS
    assert "without drums and bass and harmony and strings" in figures[0].line()
    assert unpaired(port.messages)[2] == 0


def test_banks_of_a_synth_come_before_the_programmes_of_all_but_drums() -> None:
    mixer = Mixer(BandSettings(), SynthSettings(bank_msb=1, bank_lsb=2, program=9), (0, 32, 0, 44))
    told = mixer.greeting(Controls())
    assert told[:4] == [b"\xc9\x00", b"\xb0\x00\x01", b"\xb0\x20\x02", b"\xc0\x20"]
    quiet = Mixer(BandSettings(program_changes=False, volumes=False), SynthSettings(bank_msb=1))
    assert quiet.greeting(Controls()) == []
