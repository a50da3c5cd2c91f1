"""One bundle follows another while the music plays: without a gap, without a seam, and what a synth
was told for the one is taken back for the other."""

import itertools

import numpy as np
import pytest

from streamer.midi.greeting import Greeting
from streamer.midi.messages import control, program_change
from streamer.music.notes import Grid
from streamer.pipeline import open_source
from streamer.service.succession import Succession
from streamer.settings.controls import LiveControls
from tests.everybundle import FAMILIES
from tests.switching import Switched, tiny_bundles

PAIRS = list(itertools.product(FAMILIES, FAMILIES))
CLOCK, CLOCK_SECONDS = b"\xf8", 1e-6
"""Clocks are equidistant to within this on a clock that does not stumble."""

LONGEST_WAIT = 60.0 / 110.0 + 1e-6
"""A beat of the slowest of the tiny bundles: so long the next may wait for a whole one."""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    return {family: tiny_bundles(folder, family) for family in FAMILIES}


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_no_note_is_lost_struck_twice_or_left_down_between_two_bundles(bundles, first, second):
    rng = np.random.default_rng(PAIRS.index((first, second)))
    stream = Switched(bundles[first][0])
    at = stream.clock.now()
    for bundle in (bundles[second][1], bundles[first][1]):
        at += float(rng.uniform(0.1, 4.0))
        stream.clock.at(at, lambda bundle=bundle: stream.follow(bundle))
    stream.play(12.0)
    port = stream.port
    assert stream.opened[-1][1] == bundles[first][1].manifest.name
    assert (port.down, port.twice, port.astray, set(port.pedals.values())) == (set(), 0, 0, {0})
    assert (stream.buffer.underruns, stream.scheduler.late_dropped) == (0, 0)
    assert all(np.diff(stream.beats) >= -1e-9)
    heard: list[float] = []
    for phrase in stream.written:
        heard = [ms for ms in heard if ms < phrase.start_ms]  # else another has taken its place
        if phrase.opens in stream.openings:
            opened_at = stream.openings[phrase.opens]
            rests = (phrase.notes[0].onset_ms - max(heard)) / 1000.0
            onsets = np.array(stream.onsets())
            old, new = onsets[onsets < opened_at - 1e-9], onsets[onsets >= opened_at - 1e-9]
            assert new.min() - old.max() <= rests + LONGEST_WAIT
        heard += [note.onset_ms for note in phrase.notes]


@pytest.mark.parametrize(("first", "second"), [pair for pair in PAIRS if "bands" not in pair])
def test_the_clock_that_is_sent_runs_on_and_stumbles_at_no_bundle(bundles, first, second):
    stream = Switched(bundles[first][0], send_bpm=120.0)
    stream.clock.at(1001.3, lambda: stream.follow(bundles[second][1]))
    stream.play(9.0)
    clocks = stream.port.times(lambda message: message == CLOCK)
    opened_at = stream.opened[0][0]
    before = np.diff([at for at in clocks if at < opened_at + CLOCK_SECONDS])
    after = np.diff([at for at in clocks if at > opened_at - CLOCK_SECONDS])
    for part in (before, after):
        assert len(part) > 20
        assert np.ptp(part) < CLOCK_SECONDS
    if second != "chain":  # its first beat is one of those that were counted
        assert min(abs(at - opened_at) for at in clocks) < CLOCK_SECONDS


def test_a_piano_after_a_band_has_its_sound_back_and_the_band_is_silent(bundles):
    stream = Switched(bundles["bands"][0])
    stream.clock.at(1001.0, lambda: stream.follow(bundles["chain"][0]))
    stream.play(8.0)
    opened_at = stream.opened[0][0]
    band = {channel for _, channel, _ in stream.programs()}
    left = {channel: program for _, channel, program in stream.programs()}
    assert any(program for at, _, program in stream.programs() if at < opened_at)
    assert left == dict.fromkeys(band, 0)
    assert len(band) == 4
    volumes = [m for at, m in stream.port.log if at >= opened_at and m[0] & 0xF0 == 0xB0]
    assert {m for m in volumes if m[1] == 7} <= {control(channel, 7, 100) for channel in band}
    struck = {m[0] & 0x0F for at, m in stream.port.log if at >= opened_at and m[0] & 0xF0 == 0x90}
    assert struck == {0}
    assert [*stream.succession.heard.told(stream.live.snapshot())] == []


def test_a_band_after_a_piano_is_told_its_sounds_before_its_first_note(bundles):
    stream = Switched(bundles["chain"][0])
    stream.clock.at(1001.0, lambda: stream.follow(bundles["bands"][0]))
    stream.play(8.0)
    opened_at = stream.opened[0][0]
    assert all(at >= opened_at - 1e-9 for at, _, _ in stream.programs())
    later = [message for at, message in stream.port.log if at >= opened_at - 1e-9]
    notes = [place for place, message in enumerate(later) if message[0] & 0xF0 == 0x90]
    told = {message[0] for message in later[: notes[0]] if message[0] & 0xF0 == 0xC0}
    assert told == {0xC0 | channel for _, channel, _ in stream.programs()}


def test_what_is_muted_of_a_band_is_heard_of_a_piano_from_its_first_note_on(bundles):
    stream = Switched(bundles["bands"][0])
    channels = stream.succession.heard.mixer.names
    mutes = {f"mute_{track}": True for channel, track in channels.items() if channel == 0}
    assert mutes
    stream.live.update(**mutes)
    stream.clock.at(1001.0, lambda: stream.follow(bundles["chain"][0]))
    stream.play(8.0)
    opened_at = stream.opened[0][0]
    mine = [at for at, m in stream.port.log if m[0] == 0x90 and m[2]]
    assert mine
    assert min(mine) >= opened_at - 1e-9
    first = next(p for p in reversed(stream.written) if p.opens == 1)
    assert sum(at < opened_at + 1.0 for at in mine) >= sum(
        note.onset_ms < first.start_ms + 1000.0 for note in first.notes
    )


def test_the_last_of_two_wishes_is_heard_and_the_other_never(bundles):
    stream = Switched(bundles["windows"][0])
    stream.clock.at(1001.0, lambda: stream.follow(bundles["tunes"][0]))
    stream.clock.at(1001.5, lambda: stream.follow(bundles["chain"][0]))
    stream.play(7.0)
    assert [name for _, name in stream.opened] == ["chain-0"]


def test_a_phrase_that_lasts_too_long_is_cut_for_the_next_bundle(bundles):
    stream = Switched(bundles["windows"][0], live=LiveControls())
    stream.live.update(tempo_scale=0.25)  # a section then takes sixteen seconds
    stream.clock.at(1001.0, lambda: stream.follow(bundles["tunes"][0]))
    stream.play(12.0)
    assert 1003.0 < stream.opened[0][0] < 1007.0
    assert (stream.port.down, stream.port.twice, stream.buffer.underruns) == (set(), 0, 0)


def test_a_control_that_moves_meanwhile_is_obeyed_by_the_first_phrase_of_the_next(bundles):
    stream = Switched(bundles["windows"][0])
    stream.clock.at(1001.0, lambda: stream.follow(bundles["chain"][0]))
    stream.clock.at(1001.5, lambda: stream.live.update(density=3.0))
    stream.play(8.0)
    openings = [phrase for phrase in stream.written if phrase.opens == 1]
    assert len(openings) == 2  # drawn, and drawn again at the same place
    assert openings[0].start_ms == openings[1].start_ms
    assert openings[0].notes != openings[1].notes
    assert (len(stream.opened), stream.port.down, stream.buffer.underruns) == (1, set(), 0)


def test_counts_go_on_where_the_bundle_before_them_ended(bundles):
    stream = Switched(bundles["windows"][0])
    counted = []
    stream.clock.at(1001.0, lambda: stream.follow(bundles["chain"][0]))
    stream.clock.every(0.5, lambda: counted.append(stream.succession.figures()["candidates"]))
    stream.play(8.0)
    assert stream.opened
    assert counted == sorted(counted)


def test_what_is_said_no_more_goes_back_to_what_a_synth_has_by_itself():
    said = Greeting([control(1, 0, 3), program_change(1, 40), control(1, 7, 60), control(2, 7, 90)])
    told = said.become([program_change(3, 5), control(2, 7, 90)])
    assert told == [
        control(1, 0, 0), program_change(1, 0), control(1, 7, 100), program_change(3, 5),
    ]  # fmt: skip
    assert list(said) == [program_change(3, 5), control(2, 7, 90)]
    assert said.become([program_change(3, 5), control(2, 7, 90)]) == []


def test_a_bank_is_told_before_its_program_whatever_was_said_first():
    said = Greeting([program_change(0, 7)])
    assert said.become([control(0, 0, 2), program_change(0, 7)]) == [
        control(0, 0, 2), program_change(0, 7),
    ]  # fmt: skip


def test_music_with_a_grid_waits_for_the_next_whole_beat_of_what_was_counted(line):
    line.begin(0.0)
    assert line.join(700.0, None) == 0.0
    wait = line.join(700.0, Grid(0.0, 400.0))
    assert wait == pytest.approx(300.0)
    line.add(1000.0, Grid(0.0, 400.0))
    assert line.beat(1000.0) == pytest.approx(2.0)
    assert line.beat(1400.0) == pytest.approx(3.0)
    assert line.gridded


def test_in_free_time_beats_run_on_as_long_as_they_were(line):
    line.add(0.0, Grid(0.0, 400.0))
    line.add(1000.0, None)
    assert not line.gridded
    assert [line.beat(ms) for ms in (1000.0, 1400.0, 9000.0)] == pytest.approx([2.5, 3.5, 22.5])


@pytest.fixture
def line():
    from streamer.live.beatline import BeatLine

    return BeatLine(500.0)


def test_a_bundle_that_came_too_late_does_not_forget_the_one_before_it(bundles):
    first, second, third = (
        open_source(bundles[family][0]) for family in ("chain", "tunes", "bands")
    )
    succession = Succession(first)
    succession.expect(1, second)
    succession.expect(2, third)  # and then the place was past
    succession.open(1)
    assert succession.heard is second
    succession.expect(3, third)
    succession.open(3)
    assert succession.heard is third
