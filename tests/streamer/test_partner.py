"""The machine's part in a duet, with a scheduler, on a manual clock: when it plays and when not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamer.control.duet import KNOWN_SECONDS, Phase
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.midi.messages import control, ends_note, key_of, note_off, note_on, starts_note
from streamer.music.notes import Note
from streamer.pipeline import open_source
from streamer.service.partner import LEAD_SECONDS, Partner, ending_of
from streamer.service.succession import Succession
from streamer.service.turns import TurnWriting
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, SchedulerSettings, Settings
from streamer.testing import ManualClock, make_phrase
from tests.bundles import write_tiny_bundle
from tests.everybundle import MAKERS
from tests.steering import Dense, StrictPort, source_of

LOOKS_SECONDS = 0.005
"""How often the generator's thread looks here; a real one is woken."""

AFTER = 2.0


class Ears(Dense):
    """Writes down what it hears."""

    marked = (*Dense.marked, "heard", "at_once")
    counts_length = accompanies = True

    def follow(self):
        return False

    def __init__(self, controls):
        super().__init__(controls)
        self.heard, self.at_once = [], False

    def next_phrase(self, notes=None):
        phrase, at_once = super().next_phrase(notes), self.at_once
        self.at_once = False
        if not at_once:
            return phrase
        early_ms = phrase.notes[0].onset_ms - phrase.start_ms
        self._now_ms -= early_ms
        moved = [replace(note, onset_ms=note.onset_ms - early_ms) for note in phrase.notes]
        return make_phrase(moved, phrase.start_ms)

    def hear(self, notes):
        place_ms = self._now_ms
        self.heard.extend(
            (n.pitch, round(place_ms + n.onset_ms), round(n.duration_ms)) for n in notes
        )
        self._now_ms = place_ms + notes[-1].onset_ms

    def rest(self, silent_ms):
        self._now_ms += silent_ms
        self.at_once = True


class TimedPort(StrictPort):
    """A strict port that knows when each message came."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.log = clock, []

    def send(self, message, at_ms=None):
        super().send(message, at_ms)
        self.log.append((self.clock.now(), message))

    def struck(self, since=0.0):
        return [at for at, message in self.log if starts_note(message) and at >= since]


class Duo:
    """A person and a machine that share one thread and a manual clock, from 1000 s on."""

    def __init__(self, source=None, synth=None, live=None, **controls):
        self.clock = ManualClock()
        self.live = live or LiveControls(Controls.from_values({"duet": "continue", **controls}))
        self.generator = Ears(self.live)
        mine = source_of(self.generator, self.live, hears=True)
        self.source = source or mine
        self.port, self.buffer = TimedPort(self.clock), RollingBuffer(4.0, 10.0)
        settings = SchedulerSettings(lead_seconds=0.3, realtime_priority=0)
        self.succession = Succession(self.source)
        self.scheduler = Scheduler(
            self.buffer, self.port, self.clock, settings, synth=synth,
            opening=lambda number: self.opening(number),
        )  # fmt: skip
        self.opening = self.succession.open
        self.writing = writing = TurnWriting(
            self.source, self.buffer, self.clock,
            opens=self.succession.expect, heard=lambda: self.succession.heard,
        )  # fmt: skip
        self.partner = Partner(
            buffer=self.buffer,
            writing=writing,
            controls=self.source.controls,
            scheduler=self.scheduler,
            clock=self.clock,
        )
        self.phases = [(self.clock.now(), self.partner.duet.phase)]
        self.live.listen(self._obey)
        self._obey(self.live.snapshot())
        self.clock.every(LOOKS_SECONDS, self._look)

    def _obey(self, controls):
        self.scheduler.steer(controls)
        self.partner.obey(controls)
        if controls.pause is not self.scheduler.paused:
            (self.scheduler.pause if controls.pause else self.scheduler.resume)()

    def _look(self):
        if self.partner.look():
            self.partner.write()
        if self.partner.duet.phase is not self.phases[-1][1]:
            self.phases.append((self.clock.now(), self.partner.duet.phase))

    def hear(self, at, message):
        self.clock.at(at, lambda: self.partner.hear(message, self.clock.now()))

    def play(self, at, pitch=60, seconds=0.2, velocity=64):
        self.hear(at, note_on(0, pitch, velocity))
        self.hear(at + seconds, note_off(0, pitch))

    def set(self, at, **changes):
        self.clock.at(at, lambda: self.live.update(**changes))

    def run(self, until):
        self.clock.at(until, self.scheduler.stop)
        self.scheduler.run()
        return self.port


def assert_clean(port):
    assert (set(), 0, 0) == (port.down, port.astray, port.twice)
    assert not any(port.pedals.values())


def test_the_machine_is_silent_until_the_person_is_and_then_begins_at_once():
    duo = Duo()
    for number in range(8):
        duo.play(1001.0 + 0.25 * number, 60 + number)
    port = duo.run(1008.0)
    ended = 1001.0 + 0.25 * 7 + 0.2
    assert ended + AFTER < port.struck()[0] < ended + AFTER + LEAD_SECONDS + 2 * LOOKS_SECONDS
    assert_clean(port)
    assert (0, 0) == (duo.buffer.underruns, duo.scheduler.late_dropped)


@pytest.mark.parametrize("takes_seconds", [0.0, 0.1])
def test_the_first_phrase_begins_when_it_is_drawn_and_no_rest_is_lengthened(takes_seconds):
    duo = Duo()

    def draws():
        duo.clock.jump(takes_seconds if duo.partner.duet.phase is Phase.THINKING else 0.0)

    duo.generator.draws = draws
    for turn in range(3):
        duo.play(1001.0 + 8.0 * turn)
    port = duo.run(1025.0)
    for turn in range(3):
        due = 1001.2 + 8.0 * turn + AFTER
        late = min(at for at in port.struck(1001.1 + 8.0 * turn)) - due
        assert takes_seconds <= late < takes_seconds + 0.05
    assert 0 == duo.buffer.underruns
    assert_clean(port)


def test_each_note_goes_into_the_model_as_it_is_played_and_again_with_its_true_length():
    duo, at_half_a_second = Duo(), []
    duo.play(1001.0, 60, seconds=0.9)
    duo.play(1001.5, 64, seconds=0.1)
    duo.clock.at(
        1001.0 + KNOWN_SECONDS + 0.02, lambda: at_half_a_second.extend(duo.generator.heard)
    )
    duo.run(1002.5)
    assert [60] == [pitch for pitch, _, _ in at_half_a_second]
    assert [(60, 0, 900), (64, 500, 100)] == duo.generator.heard


def test_what_was_played_is_heard_in_the_models_own_terms():
    duo = Duo(transpose=5, tempo_scale=2.0)
    duo.play(1001.0, 65, 0.25)
    duo.play(1001.5, 69, 0.25)
    duo.run(1002.0)
    assert [(60, 0, 500), (64, 1000, 500)] == duo.generator.heard


def test_the_machine_yields_at_once_and_what_sounds_ends_as_it_was_to():
    plain, duo = Duo(), Duo()
    for one in (plain, duo):
        one.play(1001.0)
    duo.play(1008.0, 90, seconds=1.0)
    port = duo.run(1010.0)
    assert [] == port.struck(1008.0 + 0.001)
    ends = {key_of(m): at for at, m in port.log if ends_note(m) and 1008.0 < at < 1010.0}
    assert ends
    meant = {}
    for at, message in plain.run(1010.0).log:
        if ends_note(message) and at > 1008.0:
            meant.setdefault(key_of(message), at)
    # One that would have ended for another strike of its key sounds as long as it is written.
    assert all(at >= meant[key] for key, at in ends.items())
    assert len([key for key, at in ends.items() if at == meant[key]]) >= len(ends) / 2
    assert_clean(port)


def test_a_cut_ends_what_sounds_at_once_and_lifts_the_pedal():
    duo = Duo(duet_yield="cut")
    duo.play(1001.0)
    duo.play(1008.0, 90, seconds=1.0)
    port = duo.run(1010.0)
    after = [(at, message) for at, message in port.log if 1008.0 <= at < 1010.0]
    assert after
    assert {1008.0} == {at for at, _ in after}
    assert not [message for _, message in after if starts_note(message)]
    assert_clean(port)


def test_the_pedal_comes_up_with_the_last_of_what_sounds():
    duo, pedals = Duo(), []
    duo.play(1001.0)
    for turn in range(12):
        duo.play(1006.0 + 6.0 * turn)
        duo.clock.at(1008.1 + 6.0 * turn, lambda: pedals.append(dict(duo.port.pedals)))
    port = duo.run(1080.0)
    assert control(0, 64, 127) in [message for _, message in port.log]
    assert [{0: 0}] * 12 == pedals
    assert_clean(port)


def test_what_nobody_has_heard_is_forgotten_and_the_next_turn_goes_on_from_what_was():
    duo = Duo()
    duo.play(1001.0)
    duo.play(1008.0, 90, seconds=0.2)
    duo.run(1009.0)
    begun = 1001.2 + AFTER
    pitch, onset_ms, _ = duo.generator.heard[-1]
    assert 90 == pitch
    played_ms = (1008.0 - begun) * 1000.0
    first_ms = 200.0 + AFTER * 1000.0
    assert onset_ms == pytest.approx(first_ms + played_ms, abs=30.0)


def test_an_answer_is_about_as_long_as_the_call_and_nothing_follows_it():
    duo = Duo(duet="trade")
    for number in range(16):
        duo.play(1001.0 + 0.25 * number, 60 + number)
    port = duo.run(1030.0)
    struck = port.struck()
    assert 3.95 * 0.7 < struck[-1] - struck[0] < 3.95 * 1.3
    assert Phase.LISTENING is duo.partner.duet.phase
    assert_clean(port)
    assert 0 == duo.buffer.underruns


def test_calls_and_answers_go_on_for_long():
    duo = Duo(duet="trade")
    for turn in range(30):
        for number in range(6):
            duo.play(1001.0 + 10.0 * turn + 0.25 * number, 60 + number)
    port = duo.run(1301.0)
    for turn in range(30):
        lasts = [at for at in port.struck(1001.0 + 10.0 * turn) if at < 1011.0 + 10.0 * turn]
        assert 0.9 < lasts[-1] - lasts[0] < 2.2
    assert 0 == duo.buffer.underruns
    assert_clean(port)


def test_a_button_lets_the_machine_begin_and_end_without_a_note():
    duo = Duo()
    duo.set(1005.0, duet_now=True)
    duo.set(1009.0, duet_now=True)
    port = duo.run(1020.0)
    struck = port.struck()
    assert 1005.0 < struck[0] < 1005.1
    assert struck[-1] <= 1009.01
    assert not duo.live.snapshot().value("duet_now")
    assert_clean(port)


@pytest.mark.parametrize("duet", ["off", "trade"])
def test_what_is_pressed_lets_go_while_nothing_is_to_be_drawn(duet):
    duo = Duo(duet=duet)
    duo.live.update(like=True)
    duo.partner.look()
    assert not duo.live.snapshot().value("like")


def test_a_stream_without_a_duet_plays_by_itself_and_takes_one_up():
    duo = Duo(duet="off")
    duo.play(1002.0)
    duo.set(1005.0, duet="continue")
    duo.play(1008.0)
    port = duo.run(1012.0)
    struck = port.struck()
    assert struck[0] == pytest.approx(1000.3, abs=0.3)
    assert [] == [at for at in struck if 1008.01 < at < 1008.2 + AFTER]
    assert struck[-1] > 1010.2
    assert_clean(port)


def test_a_duet_that_is_switched_off_goes_on_as_a_stream():
    duo = Duo()
    duo.play(1001.0)
    duo.set(1002.0, duet="off")
    duo.play(1008.0)
    port = duo.run(1012.0)
    struck = port.struck()
    assert 1002.0 < struck[0] < 1002.1
    assert max(np.diff(struck)) < 1.0
    assert_clean(port)


def test_a_pause_holds_a_duet_too():
    duo = Duo()
    duo.play(1001.0)
    duo.set(1002.0, pause=True)
    duo.set(1010.0, pause=False)
    port = duo.run(1012.0)
    assert 1010.0 < port.struck()[0] < 1010.1
    assert_clean(port)


def test_another_bundle_takes_over_in_silence_and_has_heard_the_call():
    duo = Duo()
    other = Ears(duo.live)
    for number in range(6):
        duo.play(1001.0 + 0.25 * number, 60 + number)
    another = source_of(other, duo.live, hears=True)
    duo.clock.at(1001.9, lambda: duo.writing.take_over(another))
    port = duo.run(1006.0)
    assert [60, 61, 62, 63, 64, 65] == [pitch for pitch, _, _ in other.heard]
    assert 1002.45 + AFTER < port.struck()[0] < 1002.45 + AFTER + 0.05
    assert other.asked
    assert not duo.generator.asked
    assert_clean(port)


def test_a_bundle_that_hears_nobody_plays_by_itself():
    duo = Duo()
    duo.play(1001.0)
    deaf = source_of(Dense(duo.live), duo.live)
    duo.clock.at(1001.5, lambda: duo.writing.take_over(deaf))
    duo.play(1008.0)
    port = duo.run(1012.0)
    assert 1001.5 < port.struck()[0] < 1001.7
    assert max(np.diff(port.struck())) < 1.0
    assert "" == duo.partner.duet.said
    assert_clean(port)


def test_who_is_accompanied_is_never_yielded_to_and_the_beat_goes_on(tmp_path):
    live = LiveControls(Controls.from_values({"duet": "accompany"}))
    path = str(MAKERS["band"](tmp_path).path)
    settings = Settings(model=ModelSettings(model=path, seed=3))
    duo = Duo(source=open_source(settings=settings, controls=live), live=live)
    for number in range(60):
        duo.play(1002.0 + 0.2 * number, 60 + number % 12)
    port = duo.run(1016.0)
    assert {Phase.ALONG} == {phase for _, phase in duo.phases}
    assert max(np.diff(port.struck())) < 4.0
    assert duo.writing.redraws >= 1, "the key has changed"
    assert 0 == duo.buffer.underruns
    assert_clean(port)


def test_a_shadow_sounds_at_once_while_the_model_is_silent():
    duo = Duo(duet="shadow", scale="major")
    for number in range(10):
        duo.play(1001.0 + 0.5 * number, 64, 0.3)
    duo.hear(1007.0, note_on(0, 67, 80))
    port = duo.run(1010.0)
    notes = [(round(at - 1001.0, 2), m[1]) for at, m in port.log if starts_note(m)]
    assert [(0.5 * number, 60) for number in range(10)] + [(6.0, 64)] == notes
    ends = [round(at - 1001.0, 2) for at, m in port.log if ends_note(m)]
    assert [round(0.5 * number + 0.3, 2) for number in range(10)] == ends[:10]
    assert not duo.generator.asked
    assert_clean(port)


def test_modes_that_change_while_both_play_leave_nothing_down():
    rng, duo, now = np.random.default_rng(7), Duo(duet_after=0.3), 1001.0
    for _ in range(300):
        now += float(rng.choice([0.05, 0.2, 1.0]))
        if rng.random() < 0.2:
            modes = ["off", "trade", "continue", "accompany", "shadow"]
            duo.set(now, duet=str(rng.choice(modes)))
        else:
            duo.play(now, int(rng.integers(40, 80)), float(rng.uniform(0.02, 0.4)))
    port = duo.run(now + 5.0)
    assert_clean(port)
    assert port.notes > 100
    assert {*Phase} - {Phase.THINKING, Phase.YIELDING} <= {phase for _, phase in duo.phases}


def test_what_a_person_plays_is_noted_with_its_place_and_not_sent():
    duo, noted = Duo(), []
    duo.scheduler.along.aside = lambda message, heard_ms: noted.append((heard_ms, message))
    duo.play(1001.0, 60)
    duo.hear(1001.5, control(3, 64, 127))
    port = duo.run(1003.0)
    assert [note_on(15, 60, 64), note_off(15, 60), control(15, 64, 127)] == [m for _, m in noted]
    first = noted[0][0]
    assert [0.0, 200.0, 500.0] == pytest.approx([at - first for at, _ in noted], abs=1.0)
    assert 0 == port.notes


@pytest.mark.parametrize("mode", ["trade", "continue"])
def test_random_playing_against_the_machine_leaves_nothing_down(mode):
    rng, duo, now = np.random.default_rng(4), Duo(duet=mode, duet_after=0.3), 1001.0
    for _ in range(400):
        now += float(rng.choice([0.05, 0.2, 1.5]))
        kind = rng.random()
        if kind < 0.05:
            duo.set(now, duet_now=True)
        elif kind < 0.1:
            duo.hear(now, control(0, 64, int(rng.integers(0, 128))))
        elif kind < 0.13:
            duo.set(now, tempo_scale=float(rng.uniform(0.5, 2.0)))
        elif kind < 0.16:
            duo.set(now, duet_yield=str(rng.choice(["phrase", "cut"])))
        else:
            duo.play(now, int(rng.integers(40, 80)), float(rng.uniform(0.02, 0.4)))
    port = duo.run(now + 5.0)
    assert_clean(port)
    assert port.notes > 100
    assert 0 == duo.buffer.underruns
    kinds = {phase for _, phase in duo.phases}
    assert {Phase.LISTENING, Phase.PLAYING} <= kinds


def chain(folder, **controls):
    settings = Settings(model=ModelSettings(model=str(write_tiny_bundle(folder).path), seed=3))
    live = LiveControls(Controls.from_values({"duet": "continue", **controls}))
    return open_source(settings=settings, controls=live)


@pytest.mark.parametrize("mode", ["trade", "continue"])
def test_a_chain_plays_turns_with_a_person(mode, tmp_path):
    source = chain(tmp_path, duet=mode)
    duo = Duo(source=source)
    duo.partner.duet.obey(source.controls.snapshot())
    source.controls.listen(duo.partner.obey)
    for turn in range(4):
        for number in range(12):
            duo.play(1001.0 + 9.0 * turn + 0.2 * number, 50 + number)
    port = duo.run(1036.0)
    for turn in range(4):
        began = 1001.0 + 9.0 * turn
        ended = began + 2.2 + 0.2
        struck = [at for at in port.struck(began + 0.005) if at < began + 9.0]
        assert 0.0 <= struck[0] - (ended + AFTER) < 0.05
    assert_clean(port)
    assert 0 == duo.buffer.underruns


def test_a_chain_that_hears_note_by_note_is_where_one_is_that_hears_all_at_once(tmp_path):
    notes = [Note(50 + n % 7, 180.0 * n, 150.0, 102) for n in range(24)]  # exact at once
    one, many = chain(tmp_path / "a"), chain(tmp_path / "b")
    one.listener.hear(notes)
    for before, note in zip([None, *notes], notes, strict=False):
        gap_ms = 0.0 if before is None else note.onset_ms - before.onset_ms
        many.listener.hear([Note(note.pitch, gap_ms, note.duration_ms, note.velocity)])
    for source in (one, many):
        source.listener.rest(500.0)
    assert [n.pitch for n in one.next_phrase().notes] == [n.pitch for n in many.next_phrase().notes]


def test_a_chain_begins_on_the_place_where_it_takes_over_and_hears_nothing_off_the_piano(tmp_path):
    source = chain(tmp_path)
    source.listener.hear([Note(60, 0.0, 100.0, 64), Note(5, 300.0, 100.0, 64)])
    source.listener.rest(700.0)
    phrase = source.generator.next_phrase(8)
    assert phrase.start_ms == phrase.notes[0].onset_ms == 1000.0


@pytest.mark.parametrize("mode", ["trade", "continue"])
@pytest.mark.parametrize("name", [name for name in MAKERS if name != "chain"])
def test_every_family_plays_turns_with_a_person(name, mode, tmp_path):
    live = LiveControls(Controls.from_values({"duet": mode}))
    settings = Settings(model=ModelSettings(model=str(MAKERS[name](tmp_path).path), seed=3))
    source = open_source(settings=settings, controls=live)
    duo = Duo(source=source)
    for turn in range(3):
        for number in range(12):
            duo.play(1001.0 + 12.0 * turn + 0.2 * number, 60 + number)
    port = duo.run(1036.0)
    for turn in range(3):
        began = 1001.0 + 12.0 * turn
        struck = [at for at in port.struck(began + 0.005) if at < began + 12.0]
        assert struck
        assert began + 2.4 + AFTER <= struck[0]
    assert_clean(port)
    assert 0 == duo.buffer.underruns


def test_an_answer_ends_in_the_longest_rest_near_its_end():
    onsets = [0.0, 500.0, 1000.0, 1600.0, 2000.0, 2400.0]
    phrase = make_phrase([Note(60, onset, 100.0, 64) for onset in onsets])
    assert ending_of(phrase, 3000.0, 500.0) is None
    assert 1001.0 == ending_of(phrase, 1500.0, 600.0)
    assert 1601.0 == ending_of(phrase, 1700.0, 100.0)
    assert 2001.0 == ending_of(phrase, 2100.0, 1.0)


def test_what_a_person_plays_is_noted_to_its_end_where_the_duet_is_switched_off_meanwhile():
    duo, noted = Duo(), []
    duo.scheduler.along.aside = lambda message, heard_ms: noted.append((heard_ms, message))
    duo.hear(1001.0, control(0, 64, 127))
    duo.play(1001.0, 60, seconds=1.5)
    duo.set(1001.5, duet="off")
    duo.play(1002.0, 62)
    duo.hear(1003.0, control(0, 64, 0))
    duo.run(1004.0)
    pedal = [control(15, 64, 127), control(15, 64, 0)]
    assert [pedal[0], note_on(15, 60, 64), note_off(15, 60), pedal[1]] == [m for _, m in noted]
    first = noted[0][0]
    assert [0.0, 0.0, 1500.0, 2000.0] == pytest.approx([at - first for at, _ in noted], abs=1.0)


def shelved(folder):
    settings = Settings(model=ModelSettings(model=str(write_tiny_bundle(folder).path), seed=3))
    live = LiveControls(Controls.from_values({"duet": "continue"}))
    return open_source(settings=settings, controls=live, shelved=True), live


def test_a_bookmark_while_the_machine_listens_is_of_music_that_was_heard(tmp_path):
    source, live = shelved(tmp_path)
    duo = Duo(source=source, live=live)
    duo.play(1001.0)
    places = []

    def look():
        shelf, now_ms = source.shelf, duo.scheduler.now_ms
        held = [at for at, _ in shelf.places]
        places.append((now_ms, shelf.at(now_ms) is not None, held))

    yielded_ms = []
    duo.hear(1006.0, note_on(0, 60, 64))
    duo.clock.at(1006.0, lambda: yielded_ms.append(duo.scheduler.now_ms))
    duo.clock.at(1008.0, look)
    duo.hear(1008.1, note_off(0, 60))
    duo.clock.at(1011.0, look)
    duo.run(1012.0)
    (_, there, held), (_, again, later) = places
    assert there
    assert held[-1] <= yielded_ms[0]
    assert again
    assert later[-1] > held[-1], "the machine has played on"


def test_a_bookmark_before_anything_was_heard_is_refused(tmp_path):
    source, live = shelved(tmp_path)
    duo, found = Duo(source=source, live=live), []
    duo.play(1001.0)
    duo.clock.at(1001.2 + AFTER + 0.006, lambda: found.append(len(source.shelf.places)))
    duo.hear(1001.2 + AFTER + 0.008, note_on(0, 60, 64))
    duo.clock.at(1004.0, lambda: found.append(source.shelf.at(duo.scheduler.now_ms)))
    duo.run(1005.0)
    assert found[0]
    assert found[1] is None


@pytest.mark.parametrize("mode", ["trade", "continue"])
def test_a_bundle_whose_first_phrase_is_cut_off_is_the_one_that_is_heard_at_its_next_turn(mode):
    duo, heard = Duo(duet=mode), []
    other = source_of(Ears(duo.live), duo.live, hears=True)
    duo.play(1001.0)
    duo.clock.at(1001.9, lambda: duo.writing.take_over(other))
    duo.hear(1001.2 + AFTER + 0.008, note_on(0, 70, 64))
    duo.clock.at(1001.2 + AFTER + 0.02, lambda: heard.append(duo.succession.heard))
    duo.hear(1003.5, note_off(0, 70))
    duo.clock.at(1004.5, lambda: heard.append(duo.succession.heard))
    port = duo.run(1007.0)
    assert [duo.source] * 2 == heard, "nothing of the other has sounded yet"
    assert port.struck(1003.5)[0] > 1003.5 + AFTER
    assert duo.succession.heard is other
    assert_clean(port)


def test_a_bundle_that_waits_for_the_end_of_a_phrase_as_a_key_is_played_is_heard_after_it():
    duo, heard = Duo(), []
    other = source_of(Ears(duo.live), duo.live, hears=True)
    duo.play(1001.0)
    duo.clock.at(1005.0, lambda: duo.writing.take_over(other))
    duo.clock.at(1005.06, lambda: heard.extend([duo.writing.source, duo.succession.heard]))
    duo.play(1005.06, 70)
    port = duo.run(1010.0)
    assert [other, duo.source] == heard, "it is written, and not heard yet"
    assert duo.succession.heard is other
    assert port.struck(1005.26 + AFTER)
    assert_clean(port)


def test_a_bundle_is_opened_once_however_many_turns_it_plays():
    duo, opened = Duo(), []
    tell = duo.succession.open
    duo.opening = lambda number: (opened.append(number), tell(number))[1]
    other = source_of(Ears(duo.live), duo.live, hears=True)
    duo.play(1001.0)
    duo.clock.at(1001.9, lambda: duo.writing.take_over(other))
    for turn in range(3):
        duo.play(1006.0 + 5.0 * turn)
    duo.run(1022.0)
    assert 1 == len(opened)
    assert duo.succession.heard is other
