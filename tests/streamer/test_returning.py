"""Déjà vu: the last bars come back, exactly, in part or shuffled, whichever family plays."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest

from streamer.errors import BundleError
from streamer.generators.bookmark import Bookmark
from streamer.generators.figures import PIECE_DTYPE, Piece, beats_of, last_figures, line_in
from streamer.generators.returning import Returning
from streamer.live.buffer import RollingBuffer
from streamer.live.scheduler import Scheduler
from streamer.music.notes import Note, Phrase, ProgramChange
from streamer.offline.playout import play_out
from streamer.pipeline import open_source
from streamer.service.writing import SLACK_SECONDS, Writing
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, Settings
from streamer.testing import FakePort, ManualClock
from tests.again_figures import content, locked, rounds_of, share_returned
from tests.everybundle import MAKERS, write_every_bundle, write_query
from tests.steering import SETTINGS, Dense, StrictPort, source_of, steer
from tests.streamer.test_bookmarks import ONE_LINE, heard, tamper

GRIDS = ("tunes", "draw", "query", "band")
ROUNDS = 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    write_every_bundle(folder)
    write_query(folder / "query.mid")
    return folder


def opened(folder, name, controls=None, *, seed=1, style=None, **more):
    live = controls if isinstance(controls, LiveControls) else LiveControls(controls or Controls())
    query = folder / "query.mid" if name == "query" else None
    path = next((folder / name).iterdir())
    model = ModelSettings(
        model=str(path), seed=seed, query=query, candidates=2, phrase_notes=16, style=style
    )
    return open_source(settings=Settings(model=model), controls=live, **more)


@pytest.mark.parametrize("name", MAKERS)
def test_a_locked_loop_is_the_same_in_each_of_a_hundred_rounds(name, folder):
    source = opened(folder, name)
    played = rounds_of(source, ROUNDS)
    assert any(len(phrase) > 1 for phrase in played[0])
    assert [played[0]] * ROUNDS == played


@pytest.mark.parametrize("name", MAKERS)
def test_a_synth_hears_each_round_alike_and_nothing_stays_down(name, folder):
    port, strict = FakePort(), StrictPort()
    port.sent = strict.send
    source = opened(folder, name)
    _, round_ms = locked(source)
    start_ms = source.performer.mark()[0]
    play_out(source.next_phrase, start_ms + round_ms * 12, port, lambda phrase: None)
    rounds: list[list[tuple[bytes, float]]] = [[] for _ in range(13)]
    for place, message in zip(port.places, port.messages, strict=True):
        number, offset = divmod(place - start_ms + 0.01, round_ms)
        if number >= 0:
            rounds[int(number)].append((message, offset))
    # The first two have no tails of rounds before them, in the last what sounds on is cut.
    assert len(rounds[2]) > 2
    for one in rounds[3:9]:
        assert sorted(m for m, _ in rounds[2]) == sorted(m for m, _ in one)
        offsets = [[at for _, at in sorted(each)] for each in (rounds[2], one)]
        assert offsets[0] == pytest.approx(offsets[1], abs=1e-6)
    assert (set(), 0, 0) == (strict.down, strict.twice, strict.astray)


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_let_go_goes_on_as_if_nothing_had_returned_and_was_not_asked(name, folder):
    source, twin = opened(folder, name), opened(folder, name)
    pieces, _ = locked(source)
    for _ in range(6):
        twin.next_phrase()
    drawn = source.generator.stats.candidates
    for _ in range(3 * pieces + 1):
        source.next_phrase()
    assert drawn == source.generator.stats.candidates
    source.controls.update(again=0.0)
    rest = [source.next_phrase() for _ in range(pieces + 4)]
    expected = [content(twin.next_phrase()) for _ in range(4)]
    found = [content(phrase) for phrase in rest]
    begun = found.index(expected[0])
    assert found[begun : begun + 4] == expected
    assert begun < pieces


@pytest.mark.parametrize("name", MAKERS)
def test_the_more_is_asked_the_more_returns(name, folder):
    shares = []
    for again in (0.0, 0.35, 0.7, 1.0):
        source = opened(folder, name, Controls.from_values({"again": again, "again_bars": 2}))
        shares.append(share_returned(source.next_phrase() for _ in range(48)))
    assert (np.diff(shares) > 0.1).all()
    assert shares[0] < 0.1 < 0.9 < shares[-1]


@pytest.mark.parametrize("name", GRIDS)
def test_bars_stay_whole_whatever_returns(name, folder):
    live = LiveControls()
    source = opened(folder, name, live)
    draw, place, lines = random.Random(5), 0.0, 0
    for _ in range(60):
        live.update(again=draw.choice([-1.0, 0.0, 0.0, 0.5, 1.0]))
        loop, bar = source.returning.loop, source.returning.bar_beats
        on_line = not (loop.rest or loop.missing or loop.fresh)
        phrase = source.next_phrase()
        assert [n.onset_ms for n in phrase.notes] == sorted(n.onset_ms for n in phrase.notes)
        assert all(phrase.start_ms - 1e-6 <= n.onset_ms <= phrase.end_ms for n in phrase.notes)
        assert all(beats_of(f) == pytest.approx(beats_of(loop.figures[0])) for f in loop.figures)
        # A tune may have any bar, and its phrases end within one at times.
        if on_line and name != "tunes":
            place, lines = phrase.grid.beat / bar, lines + 1
            assert place == pytest.approx(round(place), abs=1e-6)
    assert lines > 10 or name == "tunes"


def shelved(source):
    """Return the next phrase, as a stream writes it: the place before it is held."""
    place = source.place(source.look())
    phrase = source.next_phrase()
    source.shelve(phrase, place)
    return phrase


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("again", [1.0, 0.6, -0.8])
def test_a_bookmark_goes_on_with_what_returns(name, again, folder):
    controls = Controls.from_values({"again": again, "again_bars": 2})
    source = opened(folder, name, controls, shelved=True)
    phrases = [shelved(source) for _ in range(15)]
    place = source.shelf.at(phrases[10].start_ms)
    assert again == place.controls["again"]
    rest = [*phrases[10:], *(source.next_phrase() for _ in range(10))]
    follower = opened(folder, name, controls, seed=5, resume=place)
    assert heard(rest) == heard([follower.next_phrase() for _ in range(len(rest))])


def test_a_loop_that_was_tampered_with_is_refused_or_plays(folder):
    controls, ends = Controls.from_values({"again": 0.7, "again_bars": 2}), set()
    source = opened(folder, "band", controls, shelved=True)
    for _ in range(9):
        phrase = shelved(source)
    place, draw = source.shelf.at(phrase.start_ms), random.Random(2)
    packed = msgspec.msgpack.encode(place.state)
    for _ in range(40):
        state = msgspec.msgpack.decode(packed)
        tamper(state[1]["loop"], draw)
        hostile = Bookmark(bundle=place.bundle, digest=place.digest, seed=1, state=state)
        try:
            follower = opened(folder, "band", controls, resume=hostile)
        except BundleError as error:
            ends.add(f"refused in {len(str(error).splitlines())} line")
            continue
        ends.add("plays")
        with contextlib.suppress(*ONE_LINE):
            for _ in range(4):
                follower.next_phrase()
    assert {"plays", "refused in 1 line"} == ends


@pytest.mark.parametrize("name", MAKERS)
def test_a_loop_that_is_varied_keeps_two_thirds(name, folder):
    source = opened(
        folder, name, LiveControls(Controls.from_values({"again": 1.0, "again_bars": 6}))
    )
    while len(source.returning.loop.figures) < 6:
        source.next_phrase()
    loop = source.returning.loop
    before = [[content(piece.phrase({})) for piece in figure] for figure in loop.figures]
    source.vary()
    following = loop.place
    for _ in range(30):
        source.next_phrase()
    after = [[content(piece.phrase({})) for piece in figure] for figure in loop.figures]
    changed = [at for at in range(6) if before[at] != after[at]]
    assert following in changed
    assert 2 == len(changed)
    played = rounds_now(source, 3)
    assert [played[0]] * 3 == played


def rounds_now(source, count):
    """Return what is struck in rounds of a loop that is locked already."""
    pieces = sum(len(figure) for figure in source.returning.loop.figures)
    while source.returning.loop.place or source.returning.loop.rest:
        source.next_phrase()
    return [[content(source.next_phrase()) for _ in range(pieces)] for _ in range(count)]


def test_where_nothing_returns_there_is_nothing_to_vary(folder):
    source, twin = opened(folder, "chain"), opened(folder, "chain")
    source.vary()
    assert [content(source.next_phrase()) for _ in range(4)] == [
        content(twin.next_phrase()) for _ in range(4)
    ]
    stage = Stage()
    stage.run((12.0, {"vary": True}))
    assert 0 == stage.writing.redraws
    assert not stage.live.snapshot().value("vary")


@pytest.mark.parametrize("name", MAKERS)
def test_below_zero_the_same_comes_in_another_order_and_by_octaves(name, folder):
    source = opened(folder, name, LiveControls())
    pieces, _ = locked(source)
    round_now = [source.next_phrase() for _ in range(pieces)]
    source.controls.update(again=-1.0)
    shuffled = [[source.next_phrase() for _ in range(pieces)] for _ in range(6)]

    def classes(phrases):
        return Counter(
            (round(n.onset_ms - p.start_ms, 6), n.pitch if n.unpitched else n.pitch % 12, n.channel)
            for p in phrases
            for n in p.notes
        )

    assert [classes(round_now)] * 6 == [classes(one) for one in shuffled]
    plain = [content(phrase) for phrase in round_now]
    assert any([content(phrase) for phrase in one] != plain for one in shuffled)
    pitched = [[n.pitch for p in one for n in p.notes if not n.unpitched] for one in shuffled]
    assert len({sum(one) for one in pitched}) > 1


def test_programs_are_told_again_where_the_loop_has_others(folder):
    def phrase(start, program=None):
        told = () if program is None else (ProgramChange(start, 2, program),)
        notes = (Note(60, start + 10.0, 100.0, 80, channel=2),)
        return Phrase(notes, np.zeros((1, 5), np.float32), start, start + 2000.0, None, told)

    phrases = [phrase(0.0), phrase(2000.0, 7), phrase(4000.0), phrase(6000.0, 9)]

    class Player(Dense):
        beat_ms = 500.0

        def next_phrase(self, notes=None):
            return phrases.pop(0)

    live = LiveControls(Controls())
    returning = Returning(Player(live), live, 1)
    returning.settle({2: 5})
    given = [returning.next_phrase() for _ in range(2)]
    live.update(again=1.0, again_bars=2)
    given += [returning.next_phrase() for _ in range(4)]
    live.update(again=0.0)
    given += [returning.next_phrase() for _ in range(2)]
    told = [[(one.onset_ms - p.start_ms, one.program) for one in p.programs] for p in given]
    again = [[(0.0, 5)], [(0.0, 7)]]
    assert [[], [(0.0, 7)], *again, *again, [], [(0.0, 9)]] == told


class Stage:
    """A writer and a scheduler that share one thread and a manual clock."""

    def __init__(self):
        self.clock, self.port, self.live = ManualClock(), StrictPort(), LiveControls()
        self.buffer, self.written = RollingBuffer(4.0, 10.0), []
        self.scheduler = Scheduler(self.buffer, self.port, self.clock, SETTINGS)
        source = source_of(Dense(self.live), self.live)
        self.writing = Writing(source, self.buffer, self.clock, self._note)
        self.live.listen(self.writing.change)
        self.writing.write()
        self.clock.every(0.02, self._write)

    def _write(self):
        self.writing.source.let_go()
        if self.writing.seconds_left() == 0.0 or self.buffer.has_space:
            self.writing.write()

    def _note(self, phrase):
        self.written.append((self.scheduler.now_ms, phrase))

    def run(self, *changes):
        for at, change in changes:
            self.clock.at(self.clock.now() + at, lambda change=change: self.live.update(**change))
        self.clock.at(self.clock.now() + 40.0, self.scheduler.stop)
        self.scheduler.run()
        assert (set(), 0, 0) == (self.port.down, self.port.astray, self.port.twice)


def test_what_returns_is_heard_soon_and_is_what_was_just_heard():
    stage = Stage()
    stage.run((12.0, {"again": 1.0, "again_bars": 2}))
    assert 1 == stage.writing.redraws
    ends = [0.0, *(phrase.end_ms for _, phrase in stage.written)]
    at = next(i for i, (_, phrase) in enumerate(stage.written) if phrase.start_ms < ends[i])
    now_ms, first = stage.written[at]
    assert first.start_ms - now_ms < 1000.0 * SLACK_SECONDS + 20.0
    before = [n for _, p in stage.written[:at] for n in p.notes if n.onset_ms < first.start_ms]
    loop = [n.pitch for _, p in stage.written[at:] for n in p.notes]
    count = next(i for i in range(1, 99) if loop[:i] == loop[i : 2 * i])
    assert [n.pitch for n in before[-count:]] == loop[:count]


def test_a_change_of_something_else_does_not_move_a_locked_loop():
    plain, moved = Stage(), Stage()
    lock = (12.0, {"again": 1.0, "again_bars": 2})
    plain.run(lock)
    moved.run(lock, *((15.0 + i, {"density": 1.0 + i / 10, "temperature": 0.5}) for i in range(9)))
    assert 10 == moved.writing.redraws

    def last(stage):
        notes = {}
        for _, phrase in stage.written:
            notes = {at: n for at, n in notes.items() if at[0] < phrase.start_ms}
            notes |= {(round(n.onset_ms, 3), n.pitch): n.velocity for n in phrase.notes}
        return notes

    assert last(plain) == last(moved)


def test_a_wish_to_vary_is_obeyed_once_and_falls_back():
    stage = Stage()
    stage.run((12.0, {"again": 1.0}), (25.0, {"vary": True}))
    assert not stage.live.snapshot().value("vary")
    assert 2 == stage.writing.redraws


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_stays_down_however_it_is_turned(name, folder):
    def change(rng):
        return (
            {"again": float(rng.choice([-1.0, -0.4, 0.0, 0.5, 1.0]))},
            {"again_bars": int(rng.integers(1, 5))},
            {"vary": True},
            {"density": float(rng.uniform(0.5, 2.0))},
            {"transpose": int(rng.integers(-5, 6))},
            {"tempo_scale": float(rng.uniform(0.5, 3.0))},
        )[int(rng.integers(6))]

    end = steer(60, 4, 3.0, opened=lambda live: opened(folder, name, live), change_of=change)
    assert (set(), 0, 0) == (end.port.down, end.port.astray, end.port.twice)
    assert end.port.notes > 10
    assert end.writing.redraws > 5


def piece(onsets, length, beat=None):
    notes = np.zeros(len(onsets), dtype=PIECE_DTYPE)
    notes["onset_ms"], notes["duration_ms"], notes["velocity"] = onsets, 10.0, 64
    unsure = np.zeros((len(onsets), 5), np.float32)
    return Piece(notes=notes, entropies=unsure, length_ms=length, beat_ms=beat)


def test_music_in_free_time_is_cut_in_its_longest_gap_and_bars_at_their_lines():
    free = piece([0.0, 1600.0, 2100.0, 2150.0, 2300.0], 4000.0)
    assert 1600.0 == line_in(free, 4.0, 4.0)
    assert line_in(piece([0.0], 1000.0), 4.0, 4.0) is None
    assert 2000.0 == line_in(piece([0.0, 1990.0], 4000.0, 500.0), 4.0, 4.0)
    early, late = piece([0.0, 1990.0], 4000.0, 500.0).split(2000.0)
    assert ([0.0], [0.0]) == (early.notes["onset_ms"].tolist(), late.notes["onset_ms"].tolist())


def test_the_last_bars_end_where_the_music_stands():
    heard = [piece([0.0], 3000.0, 500.0), piece([0.0, 900.0], 1500.0, 500.0)]
    figures = last_figures(heard, 4, 4.0)
    assert [[2000.0], [500.0, 1500.0]] == [[p.length_ms for p in f] for f in figures]
    assert [] == last_figures([], 4, 4.0)
