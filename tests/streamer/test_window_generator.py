"""Sections in a row: nothing struck twice, nothing too long, the beat kept, controls honoured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.families.windows.codec import RollCodec
from streamer.families.windows.generator import WindowGenerator
from streamer.families.windows.path import Places
from streamer.families.windows.player import WrittenBars
from streamer.families.windows.section import (
    Section,
    draw_turns,
    empty_section,
    even_cells,
    hand_over,
    join_sections,
    on_scale,
    read_section,
    without,
)
from streamer.generators.performer import Performer
from streamer.generators.sections import WindowSettings
from streamer.generators.sectionspec import WindowSpec
from streamer.music.notes import Note, Phrase
from streamer.settings.controls import Controls, LiveControls

ROLL = RollCodec("roll", 4, 16, 48, 83)
BARS = RollCodec("bars", 4, 16, 48, 83, onsets=True)


def spec(**more: object) -> WindowSpec:
    return WindowSpec(latent=4, longest_steps=24, **more)


class Listed:
    """A path that hands out given sections, one after the other, to every candidate."""

    def __init__(self, sections: list[np.ndarray]) -> None:
        self.sections, self.at, self.asked = sections, 0, []

    def propose(self, count: int, controls: Controls, rng: np.random.Generator) -> Places:
        self.asked.append(count)
        cells = self.sections[self.at % len(self.sections)].astype(np.float32)
        return Places(np.zeros((count, 4)), np.repeat(cells[None], count, axis=0))

    def take(self, places: Places, chosen: int) -> None:
        self.at += 1


class Random:
    """A path of cells drawn at random, of which a share sounds."""

    def __init__(self, codec: RollCodec, seed: int, share: float = 0.08) -> None:
        self.codec, self.rng, self.share = codec, np.random.default_rng(seed), share

    def propose(self, count: int, controls: Controls, rng: np.random.Generator) -> Places:
        cells = rng.random((count, *self.codec.shape)) < self.share
        # Runs of several steps, or nothing would be held across a line.
        cells[:, 1:] |= cells[:, :-1]
        cells[:, 1:] |= cells[:, :-1]
        return Places(np.zeros((count, 4)), np.where(cells, 0.9, 0.05).astype(np.float32))

    def take(self, places: Places, chosen: int) -> None:
        pass


def generator(path: object, codec: RollCodec, **more: object) -> WindowGenerator:
    controls = more.pop("controls", Controls())
    return WindowGenerator(
        path, codec, more.pop("spec", spec()), WindowSettings(candidates=3),
        np.random.default_rng(1), LiveControls(controls), more.pop("filters", ()), **more,
    )  # fmt: skip


def cells(codec: RollCodec, *notes: tuple[int, int, int]) -> np.ndarray:
    columns = (np.array(c) for c in zip(*notes, strict=True)) if notes else (np.zeros(0, int),) * 3
    return codec.encode(*columns).astype(float)


def steps(phrase: Phrase, made: WindowGenerator, codec: RollCodec) -> list[tuple[int, ...]]:
    ms = made.beat_ms / codec.steps_per_beat
    return [
        (n.pitch, round((n.onset_ms - phrase.start_ms) / ms), round(n.duration_ms / ms))
        for n in phrase.notes
    ]


def test_what_is_held_across_the_line_is_one_note() -> None:
    path = Listed([cells(ROLL, (12, 4, 60), (0, 2, 64)), cells(ROLL, (0, 3, 60), (8, 2, 67))])
    made = generator(path, ROLL)
    first, second = made.next_phrase(), made.next_phrase()
    assert steps(first, made, ROLL) == [(64, 0, 2), (60, 12, 7)]
    assert steps(second, made, ROLL) == [(67, 8, 2)]


def test_with_onsets_only_what_is_not_struck_again_is_held() -> None:
    struck = cells(BARS, (0, 3, 60), (-2, 5, 64))
    path = Listed([cells(BARS, (12, 4, 60), (12, 4, 64)), struck])
    made = generator(path, BARS)
    first, second = made.next_phrase(), made.next_phrase()
    assert steps(first, made, BARS) == [(60, 12, 4), (64, 12, 7)]
    assert steps(second, made, BARS) == [(60, 0, 3)]


def test_no_note_is_longer_than_the_bundle_allows() -> None:
    made = generator(Listed([cells(ROLL, (0, 16, 60))]), ROLL)
    lengths = [n[2] for phrase in (made.next_phrase() for _ in range(4))
               for n in steps(phrase, made, ROLL)]  # fmt: skip
    assert lengths
    assert max(lengths) <= 24


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([ROLL, BARS]), st.booleans())
def test_a_stream_of_sections_never_strikes_a_sounding_key_twice(
    seed: int, codec: RollCodec, ahead: bool
) -> None:
    made = generator(Random(codec, seed), codec, ahead=ahead)
    sounding: dict[int, float] = {}
    end, count = 0.0, 0
    for _ in range(12):
        phrase = made.next_phrase()
        assert phrase.start_ms == pytest.approx(end)
        assert phrase.end_ms - phrase.start_ms == pytest.approx(codec.beats * made.beat_ms)
        assert len(phrase.entropies) == len(phrase.notes)
        end = phrase.end_ms
        for note in phrase.notes:
            assert phrase.start_ms <= note.onset_ms < phrase.end_ms
            assert note.onset_ms >= sounding.get(note.pitch, 0.0) - 1e-6
            sounding[note.pitch] = note.end_ms
            count += 1
    assert count


def test_the_same_seed_gives_the_same_music_and_another_gives_other() -> None:
    def notes(seed: int) -> list[tuple[Note, ...]]:
        made = WindowGenerator(
            Random(ROLL, 0), ROLL, spec(), WindowSettings(candidates=3),
            np.random.default_rng(seed), LiveControls(), (),
        )  # fmt: skip
        return [made.next_phrase().notes for _ in range(4)]

    assert notes(5) == notes(5)
    assert notes(5) != notes(6)


def test_density_moves_the_threshold_and_range_takes_keys_away() -> None:
    shown = np.linspace(0, 1, ROLL.cells).reshape(ROLL.shape).astype(np.float32)
    rng = np.random.default_rng(0)
    shown = rng.permuted(shown)

    def read(**changes: object) -> Section:
        evened = even_cells(shown, spec())
        return read_section(evened.values, evened, ROLL, spec(), Controls.from_values(changes))

    def count(**changes: object) -> int:
        return len(read(**changes).notes)

    sounding = [read(density=d).notes["length"].sum() for d in (0.5, 1.0, 2.0)]
    assert sounding[0] < sounding[1] < sounding[2]
    low = read(low=48, high=60)
    assert 0 < low.notes["pitch"].max() <= 60
    assert count(low=48, high=60) < count()


@given(st.integers(0, 11), st.sampled_from(["major", "pentatonic", "blues", "octatonic"]))
def test_a_locked_scale_leaves_no_foreign_note_and_loses_none(root: int, scale: str) -> None:
    from streamer.music.scales import SCALE_STEPS

    on = np.random.default_rng(root).random(ROLL.shape) < 0.1
    controls = Controls(scale=scale, root=root)
    moved = on_scale(on, ROLL, controls)
    keys = np.flatnonzero(moved.any((0, 2))) + ROLL.low
    assert set(((keys - root) % 12).tolist()) <= set(SCALE_STEPS[scale])
    assert np.array_equal(moved.any((1, 2)), on.any((1, 2)))


def test_half_a_lock_moves_only_some_foreign_notes() -> None:
    on = np.ones(ROLL.shape, dtype=bool)
    some = on_scale(on, ROLL, Controls(scale="major", scale_lock=0.5))
    every = on_scale(on, ROLL, Controls(scale="major"))
    assert every.sum() < some.sum() < on.sum()


def test_voices_go_over_to_the_next_section_one_after_another_on_beats() -> None:
    tail, after = np.ones((8, 36, 1)), np.zeros((16, 36, 1))
    turns = draw_turns(ROLL, 8, np.random.default_rng(0))
    assert set(turns.tolist()) == {4, 8}
    out = hand_over(after, tail, turns)
    assert out[:4].all()
    assert not out[8:].any()
    assert np.array_equal(out[4:8, :, 0].all(0), turns == 8)


def test_with_an_overlap_nothing_changes_at_the_line_itself() -> None:
    class Halves:
        """Sections that hold one half of the keys each, in turn."""

        def __init__(self) -> None:
            self.at = 0

        def propose(self, count: int, controls: Controls, rng: np.random.Generator) -> Places:
            cells = np.zeros((count, *ROLL.shape), np.float32)
            cells[:, :, slice(0, 18) if self.at % 2 else slice(18, 36)] = 1
            return Places(np.zeros((count, 4)), cells)

        def take(self, places: Places, chosen: int) -> None:
            self.at += 1

    made = generator(Halves(), ROLL, spec=WindowSpec(latent=4, longest_steps=64, overlap=8))
    assert made.codec.beats == 2
    for _ in range(6):
        phrase = made.next_phrase()
        assert phrase.end_ms - phrase.start_ms == pytest.approx(2 * made.beat_ms)
        onsets = {onset for _, onset, _ in steps(phrase, made, ROLL)}
        if phrase.start_ms:
            # The line is at 0; voices turn on the beat after it, or on the next line.
            assert onsets <= {0, 4}
            assert 4 in onsets


def test_candidates_follow_the_machine_and_the_live_control() -> None:
    path = Listed([cells(ROLL, (0, 4, 60))])
    made = generator(path, ROLL, controls=Controls(candidates=2))
    made.next_phrase()
    made.set_candidates(1)
    made.next_phrase()
    assert path.asked == [2, 2, 1]
    with pytest.raises(ValueError, match="1 or more"):
        made.set_candidates(0)


def test_beats_reach_the_performer_so_that_a_clock_can_be_followed() -> None:
    made, performer = generator(Random(ROLL, 3), ROLL, spec=spec(bpm=90)), Performer()
    assert made.beat_ms == pytest.approx(666.667, abs=0.01)
    grids = []
    for _ in range(3):
        phrase = performer.perform(made.next_phrase(), made.beat_ms)
        grids.append(phrase.grid)
    assert [grid.beat for grid in grids] == [0, 4, 8]
    assert grids[0].beat_ms == pytest.approx(666.667, abs=0.01)


def test_an_empty_section_is_a_rest_and_joins_with_nothing() -> None:
    silent, loud = cells(ROLL), cells(ROLL, (12, 4, 60))
    made = generator(Listed([loud, silent]), ROLL)
    assert [len(made.next_phrase().notes) for _ in range(4)] == [1, 0, 1, 0]
    nothing = empty_section(ROLL)
    rows, told = join_sections(nothing, nothing, 8)
    assert len(rows) == 0
    assert not told
    assert without(rows, frozenset()).tolist() == []


class Restless:
    """A player that moves notes far out of their place."""

    def play_bars(self, bars: WrittenBars) -> tuple[Note, ...]:
        at = (bars.start_beat + bars.onset) * bars.beat_ms
        moved = np.maximum(at + np.where(np.arange(len(at)) % 2, 90.0, -90.0), 0)
        return tuple(
            Note(int(p), float(t), 100.0, 64) for p, t in zip(bars.pitch, moved, strict=True)
        )


@pytest.mark.parametrize("codec", [ROLL, BARS])
def test_notes_begin_within_their_section_wherever_a_player_moves_them(codec: RollCodec) -> None:
    made = generator(Random(codec, 1, 0.1), codec, player=Restless())
    for _ in range(8):
        phrase = made.next_phrase()
        onsets = [note.onset_ms for note in phrase.notes]
        assert onsets == sorted(onsets)
        assert all(phrase.start_ms <= onset < phrase.end_ms for onset in onsets)
        assert all(note.duration_ms >= 1 for note in phrase.notes)
