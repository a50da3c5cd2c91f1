"""When controls change, the phrase in play is cut and drawn again from there: in time, without a
seam, and with all that it has begun ending as it promised."""

from dataclasses import replace

import pytest

from streamer.control.morphing import MOST_STEP, SceneChanger
from streamer.control.scenes import LiveScene
from streamer.live.buffer import RollingBuffer
from streamer.live.events import EventMaker, Kind
from streamer.live.scheduler import Scheduler
from streamer.live.synth import Voices
from streamer.music.notes import Note
from streamer.pipeline import open_source
from streamer.service.writing import FIRST_PHRASE_NOTES, LEAST_SECONDS, SLACK_SECONDS, Writing
from streamer.settings.controls import LiveControls
from streamer.settings.expression import ExpressionSettings
from streamer.settings.settings import ModelSettings, SchedulerSettings, Settings
from streamer.testing import ManualClock, make_phrase
from tests.steering import Dense, StrictPort, source_of, steer

BUNDLES = ("piano", "tunes", "beethoven", "answer", "band")


def open_bundle(name, controls=None):
    model = ModelSettings(model=name, seed=5, candidates=2)
    return open_source(settings=Settings(model=model), controls=controls or LiveControls())


@pytest.mark.parametrize("name", BUNDLES)
def test_a_stream_that_goes_back_draws_the_same_again(name):
    source = open_bundle(name)
    for _ in range(3):
        source.next_phrase()
    first = source.mark()
    phrases = [source.next_phrase()]
    second = source.mark()
    phrases += [source.next_phrase() for _ in range(6)]
    source.go_back(second)
    assert [p.notes for p in phrases[1:]] == [source.next_phrase().notes for _ in range(6)]
    source.go_back(first)
    assert [p.notes for p in phrases] == [source.next_phrase().notes for _ in range(7)]


@pytest.mark.parametrize("name", BUNDLES)
def test_a_change_is_in_the_first_phrase_that_is_drawn_again(name):
    controls = LiveControls()
    source = open_bundle(name, controls)
    for _ in range(3):
        source.next_phrase()
    mark = source.mark()
    old = source.next_phrase()
    source.next_phrase()
    source.go_back(mark)
    controls.update(density=3.0, temperature=1.5)
    source.go_back(mark)
    new = source.next_phrase()
    assert new.notes != old.notes
    assert new.start_ms == old.start_ms


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6])
def test_a_phrase_is_cut_soon_after_a_place_and_what_follows_joins_it(name, share):
    controls = LiveControls()
    source = open_bundle(name, controls)
    before, old = source.next_phrase(), source.next_phrase()
    trail = source.trail
    source.next_phrase()
    controls.update(density=3.0, temperature=1.5)
    place_ms = old.start_ms + share * (old.end_ms - old.start_ms)
    assert source.cut(trail, old, place_ms)
    mark = source.mark()
    rest = [source.next_phrase(8) for _ in range(3)]
    assert before.end_ms <= place_ms <= rest[0].start_ms < old.end_ms
    ends = [phrase.end_ms for phrase in rest]
    assert [phrase.start_ms for phrase in rest[1:]] == pytest.approx(ends[:-1])
    for phrase in rest:
        onsets = [note.onset_ms for note in phrase.notes]
        assert onsets == sorted(onsets)
        assert not onsets or phrase.start_ms <= onsets[0] <= onsets[-1] <= phrase.end_ms + 1e-6
        assert len(phrase.entropies) <= len(phrase.notes)
    source.go_back(mark)
    again = [source.next_phrase(8) for _ in range(3)]
    assert [phrase.notes for phrase in rest] == [phrase.notes for phrase in again]


@pytest.mark.parametrize("name", BUNDLES)
def test_what_has_taken_anothers_place_is_cut_again(name):
    source = open_bundle(name)
    source.next_phrase()
    old = source.next_phrase()
    at_ms = old.start_ms
    for _ in range(3):
        assert source.cut(source.trail, old, at_ms + 150.0)
        at_ms, old = old.start_ms, source.next_phrase()
        assert at_ms + 150.0 <= old.start_ms
        at_ms = old.start_ms
    assert old.notes


@pytest.mark.parametrize("name", BUNDLES)
def test_no_place_is_left_at_the_end_of_a_phrase_and_then_nothing_changes(name):
    source, twin = open_bundle(name), open_bundle(name)
    old = [(source.next_phrase(), twin.next_phrase()) for _ in range(2)][-1][0]
    assert not source.cut(source.trail, old, old.end_ms)
    assert [p.notes for p in (source.next_phrase(),)] == [p.notes for p in (twin.next_phrase(),)]


@pytest.mark.parametrize("name", ["beethoven", "answer", "band"])
def test_sections_are_cut_half_a_step_before_a_beat(name):
    source = open_bundle(name)
    source.next_phrase()
    old = source.next_phrase()
    assert source.cut(source.trail, old, old.start_ms + 700.0)
    rest = source.next_phrase()
    beats = (rest.start_ms - old.start_ms) / old.grid.beat_ms
    assert 0 < round(beats) - beats < 0.2
    assert rest.grid.beat == pytest.approx(old.grid.beat + beats)
    assert rest.end_ms == pytest.approx(old.end_ms), "at the same tempo"


def test_a_piano_hears_nothing_before_the_cut_and_goes_on_from_what_was_struck():
    source = open_bundle("piano")
    source.next_phrase()
    old = source.next_phrase()
    trail, place_ms = source.trail, old.notes[-2].onset_ms + 2500.0
    late = make_phrase(old.notes[:-1], old.start_ms)
    late = replace(late, end_ms=place_ms + 1.0)
    assert source.cut(trail, late, place_ms)
    rest = source.next_phrase(8)
    assert place_ms == rest.start_ms <= rest.notes[0].onset_ms


@pytest.mark.parametrize("name", ["piano", "band"])
def test_a_bookmark_of_what_has_taken_anothers_place_goes_on_with_it(name):
    settings = Settings(model=ModelSettings(model=name, seed=5, candidates=2))
    source = open_source(settings=settings, shelved=True)
    source.next_phrase()
    old = source.next_phrase()
    assert source.cut(source.trail, old, old.start_ms + 600.0)
    place = source.place(source.look())
    rest = source.next_phrase(8)
    source.shelve(rest, place)
    again = open_source(settings=settings, resume=source.shelf.at(rest.start_ms + 1.0))
    assert heard(rest) == heard(again.next_phrase(8))


def heard(phrase):
    return [(n.pitch, n.velocity, round(n.onset_ms - phrase.start_ms, 3)) for n in phrase.notes]


class Stage:
    """A writer and a scheduler that share one thread and a manual clock."""

    def __init__(self, lead=10.0):
        self.clock, self.port, self.controls = ManualClock(), StrictPort(), LiveControls()
        self.generator = Dense(self.controls, draws=self._draw)
        self.takes_seconds, self.written = 0.0, []
        source = source_of(self.generator, self.controls)
        self.buffer = RollingBuffer(0.4 * lead, lead)
        settings = SchedulerSettings(lead_seconds=0.1, realtime_priority=0)
        self.scheduler = Scheduler(self.buffer, self.port, self.clock, settings)
        self.writing = Writing(source, self.buffer, self.clock, self._note)
        self.controls.listen(lambda now: self.writing.change(now, gentle=self.controls.gentle))
        self.writing.write()
        self.clock.every(0.02, self._write)

    def _write(self):
        if self.writing.seconds_left() == 0.0 or self.buffer.has_space:
            self.writing.write()

    def _note(self, phrase):
        density = self.controls.snapshot().density
        self.written.append((density, self.scheduler.now_ms, phrase))

    def _draw(self):
        self.clock.jump(self.takes_seconds)

    def run(self, seconds):
        self.clock.at(self.clock.now() + seconds, self.scheduler.stop)
        self.scheduler.run()
        assert not self.port.down
        assert (0, 0) == (self.port.astray, self.port.twice)


def test_a_change_cuts_the_phrase_in_play_and_what_comes_first_is_short():
    stage = Stage()
    ahead = []
    stage.clock.at(1006.0, lambda: ahead.append(stage.buffer.seconds_ahead()))
    stage.clock.at(1006.01, lambda: stage.controls.update(density=2.0))
    stage.clock.at(1006.03, lambda: ahead.append(stage.buffer.seconds_ahead()))
    stage.run(30.0)
    assert 1 == stage.writing.redraws
    changed = [notes for notes, density in stage.generator.asked if density == 2.0]
    assert FIRST_PHRASE_NOTES == changed[0]
    assert None in changed[:5]
    assert ahead[0] > 8.0 > 4.0 > ahead[1]
    assert 0 == stage.buffer.underruns
    _, now_ms, first = next(one for one in stage.written if one[0] == 2.0)
    assert 1000.0 * SLACK_SECONDS <= first.start_ms - now_ms < 1000.0 * SLACK_SECONDS + 20.0


def test_what_takes_long_to_draw_is_cut_later_and_in_time():
    stage = Stage()
    stage.clock.at(1006.0, lambda: setattr(stage, "takes_seconds", 0.09))
    stage.clock.at(1006.01, lambda: stage.controls.update(density=2.0))
    stage.run(30.0)
    assert 1 == stage.writing.redraws
    assert (0, 0) == (stage.buffer.underruns, stage.scheduler.late_dropped)
    _, now_ms, first = next(one for one in stage.written if one[0] == 2.0)
    assert first.start_ms > now_ms


def test_where_nothing_comes_in_time_what_was_written_stays_and_it_is_tried_again():
    clock, controls = ManualClock(), LiveControls()
    generator = Dense(controls)
    buffer, twin = RollingBuffer(2.0, 5.0), Dense(LiveControls())
    writing = Writing(source_of(generator, controls), buffer, clock)
    controls.listen(writing.change)
    while buffer.has_space:
        writing.write()
    written = [phrase.notes for phrase, _ in buffer.from_place(0.0)]
    expected = [twin.next_phrase(asked).notes for asked, _ in generator.asked]
    assert expected == written
    buffer.played(0.0, 1.0, clock.now())
    tries = iter(range(3))
    generator.draws = lambda: clock.jump(0.3 * 2 ** next(tries))
    controls.update(temperature=2.0)
    writing.write()
    assert [] == list(tries)
    assert expected == [phrase.notes for phrase, _ in buffer.from_place(0.0)]
    assert 0 == writing.redraws
    assert writing.seconds_left() is not None
    generator.draws = lambda: None
    buffer.played(1000.0, 1.0, clock.now())
    assert not buffer.has_space or writing.write() is None
    clock.jump(0.4)
    writing.write()
    assert 1 == writing.redraws


def test_a_control_that_is_obeyed_as_notes_leave_draws_nothing_again():
    stage = Stage()
    stage.clock.at(1006.0, lambda: stage.controls.update(transpose=5, velocity_scale=0.5))
    stage.run(10.0)
    assert 0 == stage.writing.redraws


def test_a_knob_that_is_turned_for_minutes_costs_bounded_work_and_no_underrun():
    stage, seconds = Stage(), 120.0
    values = iter(range(10**6))
    stage.clock.every(
        0.05, lambda: stage.controls.update(density=0.5 + (next(values) % 100) / 50.0)
    )
    stage.run(seconds)
    assert 0 == stage.buffer.underruns
    assert seconds / LEAST_SECONDS >= stage.writing.redraws >= seconds / 2
    assert stage.port.notes > 5 * seconds


@pytest.mark.parametrize("hand", [False, True])
def test_a_scene_that_arrives_step_by_step_draws_nothing_again(hand):
    stage = Stage()
    changer = SceneChanger(stage.controls)
    changer.choose(LiveScene("there", {"density": 3.0, "recall": 1.0, "low": 30}), 48.0)
    stage.clock.every(
        0.25,
        lambda: changer.step(
            stage.clock.now(), stage.scheduler.phrases_begun, stage.writing.phrases
        ),
    )
    values = iter(range(100))
    if hand:  # another knob is turned for ten seconds
        for at in range(20):
            stage.clock.at(
                1020.0 + at / 2,
                lambda: stage.controls.update(temperature=1.0 + next(values) / 100),
            )
    stage.run(90.0)
    drawn = [density for _, density in stage.generator.asked]
    assert (3.0, not hand) == (drawn[-1], stage.writing.redraws == 0)
    assert stage.writing.redraws <= 20
    assert 0 == stage.buffer.underruns
    assert drawn == sorted(drawn)
    steps = [after - before for before, after in zip(drawn, drawn[1:], strict=False)]
    assert max(steps) <= MOST_STEP * (4.0 - 0.25) + 1e-9


def test_a_step_leaves_a_knob_that_was_turned_to_be_drawn_again():
    stage = Stage()
    stage.controls.update(temperature=2.0)
    stage.controls.change(lambda now: now.with_changes({"density": 1.1}), gentle=True)
    assert stage.writing.seconds_left() is not None
    stage.run(5.0)
    assert (1, None) == (stage.writing.redraws, stage.writing.seconds_left())


def test_pauses_and_knobs_turned_in_them_leave_what_is_written_in_order():
    stage = Stage()
    densities = iter((0.5, 2.0, 1.0, 3.0))
    for at in range(1004, 1020, 4):
        stage.clock.at(at, stage.scheduler.pause)
        stage.clock.at(at + 2.0, lambda: stage.controls.update(density=next(densities)))
        stage.clock.at(at + 2.5, stage.scheduler.resume)
    stage.run(40.0)
    assert 0 == stage.buffer.underruns
    assert 4 == stage.writing.redraws


@pytest.mark.parametrize("seed", range(6))
def test_random_changes_of_every_kind_leave_nothing_down_and_no_rest_longer(seed):
    end = steer(400, seed)
    assert not end.port.down
    assert not any(end.port.pedals.values())
    assert (0, 0, 0) == (end.port.astray, end.port.twice, end.buffer.underruns)
    assert end.writing.redraws > 20


def events(maker, *notes):
    return sorted(maker.make(notes))


def shown(queue):
    return [(event.deadline_ms, event.kind.name, event.message.hex(" ")) for event in queue]


def test_a_cut_takes_notes_that_have_not_begun_and_leaves_the_ends_of_the_others():
    maker = EventMaker()
    queue = events(maker, Note(60, 0.0, 900.0, 64), Note(62, 500.0, 300.0, 64))
    assert [(0.0, "NOTE_ON", "90 3c 40"), (900.0, "NOTE_OFF", "80 3c 00")] == shown(
        maker.cut(queue, 500.0)
    )


def test_a_note_that_was_to_end_for_one_that_is_cut_off_keeps_its_end():
    maker = EventMaker(Voices(1))
    queue = events(maker, Note(60, 0.0, 900.0, 64), Note(62, 500.0, 300.0, 64))
    assert (500.0, Kind.NOTE_OFF) in [(event.deadline_ms, event.kind) for event in queue]
    assert [0.0, 900.0] == [event.deadline_ms for event in maker.cut(queue, 400.0)]
    after = events(maker, Note(64, 450.0, 100.0, 64))
    assert (450.0, "NOTE_OFF", "80 3c 00") in shown(after), "it is struck for one that comes"


@pytest.mark.parametrize(("cut_ms", "down"), [(300.0, True), (200.0, False)])
def test_the_pedal_stays_as_it_was_put_until_the_cut_and_goes_on_from_there(cut_ms, down):
    maker = EventMaker()
    queue = events(
        maker, Note(60, 0.0, 100.0, 64), Note(62, 500.0, 100.0, 64, pedal=True),
        Note(64, 900.0, 100.0, 64),
    )  # fmt: skip
    kept = maker.cut(queue, cut_ms)
    pedals = [one for one in shown(kept) if one[1].startswith("PEDAL")]
    assert pedals == ([(250.0, "PEDAL_DOWN", "b0 40 7f")] if down else [])
    after = events(maker, Note(65, 600.0, 100.0, 64))
    changes = [(event.deadline_ms, event.kind) for event in after if event.kind is Kind.PEDAL_UP]
    assert changes == ([(425.0, Kind.PEDAL_UP)] if down else [])
    assert not maker.cut(after, 0.0)


def buffer_of(phrases):
    buffer = RollingBuffer(1.0, 5.0)
    for number in range(phrases):
        buffer.put(plain_phrase(number * 1000.0, 1000.0), number)
    return buffer


def plain_phrase(start_ms, long_ms):
    note = Note(60, start_ms + 10.0, 50.0, 64)
    return replace(make_phrase([note], start_ms), end_ms=start_ms + long_ms)


def test_what_begins_too_soon_to_be_drawn_again_stays():
    buffer = buffer_of(3)
    buffer.played(100.0, 1.0, 7.0)
    assert 300.0 == pytest.approx(buffer.place_ms(7.2))
    assert 500.0 == pytest.approx(buffer.place_ms(7.2, 0.2))
    assert not buffer.replace([(plain_phrase(490.0, 100.0), None)], buffer.place_ms(7.2, 0.2))
    assert buffer.take_cut() is None
    assert buffer.replace([(plain_phrase(510.0, 100.0), None)], buffer.place_ms(7.2, 0.2))
    assert [(0.0, 510.0), (510.0, 610.0)] == [
        (one.start_ms, one.end_ms) for one, _ in buffer.from_place(0.0)
    ]


def test_nothing_is_taken_before_the_cut_that_comes_before_it_is_known():
    buffer = buffer_of(3)
    assert 0.0 == buffer.take().start_ms
    assert buffer.replace([(plain_phrase(400.0, 100.0), "fresh")], 0.0)
    assert buffer.take() is None
    assert (400.0, None) == (buffer.take_cut(), buffer.take_cut())
    assert 400.0 == buffer.take().start_ms
    assert ["fresh"] == [before for _, before in buffer.from_place(450.0)]


def test_while_the_music_stands_no_time_passes_in_the_stream():
    buffer = buffer_of(1)
    buffer.played(100.0, 2.0)
    assert 100.0 == buffer.place_ms(50.0)
    assert 300.0 == buffer.place_ms(50.0, 0.1)


def test_turns_with_a_person_draw_as_many_candidates_as_the_machine_can_afford():
    clock, controls = ManualClock(), LiveControls()
    generator, buffer = Dense(controls), RollingBuffer(2.0, 5.0)
    writing = Writing(source_of(generator, controls), buffer, clock)
    generator.draws = lambda: clock.jump(0.001)
    for _ in range(3):
        buffer.played(1e9)
        writing.write(turn_seconds=0.1)
        assert writing.governor.candidates >= generator.drawn >= 4
    writing.write()
    assert 1 == generator.drawn, "nothing is ahead: the next phrase is in haste"


def test_of_a_phrase_that_no_filter_let_pass_nothing_is_gone_back_to_though_it_is_cut():
    model = ModelSettings(model="piano", seed=5, candidates=2, redraws=0)
    wanting = []
    source = open_source(
        settings=Settings(model=model), filters=[lambda *_: "never" if wanting else None]
    )
    source.next_phrase()
    known = list(source.generator._past)
    wanting.append(True)
    old = source.next_phrase()
    assert known == list(source.generator._past)
    assert source.cut(source.trail, old, old.start_ms + 0.6 * (old.end_ms - old.start_ms))
    assert known == list(source.generator._past)


def test_of_a_tune_that_is_cut_its_own_notes_are_counted_and_no_second_voice():
    settings = Settings(
        model=ModelSettings(model="tunes", seed=5, candidates=2),
        expression=ExpressionSettings(voice="bass"),
    )
    source = open_source(settings=settings)
    old = source.next_phrase()
    before = source.generator.stats.notes
    assert len(old.notes) > before, "the second voice sounds, and is not counted"
    assert source.cut(source.trail, old, old.start_ms + 0.5 * (old.end_ms - old.start_ms))
    assert 0 < source.generator.stats.notes < before
    assert source.generator.stats.notes == len(source.generator._recent)
