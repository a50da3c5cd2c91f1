"""The step generator: what it draws, drops, commits and remembers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from streamer.bundle.bundle import Bundle
from streamer.bundle.manifest import Statistics
from streamer.engine.engine import Engine, State, StepBlock
from streamer.engine.noise import force_classes
from streamer.families.chain.continuity import CellBound, feed, on_piano
from streamer.families.chain.drawing import StepSettings
from streamer.families.chain.generator import StepGenerator
from streamer.families.chain.homing import Homing
from streamer.families.chain.recall import Figure, FigureMemory
from streamer.families.chain.settings import RecallSettings
from streamer.music.notes import NOTE_DTYPE, Note, NoteArray, Phrase, to_array
from streamer.selection.filters import FILTERS, Context, Limits
from streamer.settings.controls import Controls, LiveControls
from streamer.testing import make_phrase
from tests.bundles import write_tiny_bundle

STATE_TOLERANCE = 1e-5
"""Two ways to the same state differ by how float32 sums are grouped; measured 2e-7."""

NOTHING_COMES_BACK = Controls(recall=0.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The tiny untrained bundle."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def engine(bundle: Bundle) -> Engine:
    """One session for all tests: it keeps no state."""
    return Engine(bundle)


def make(
    engine: Engine, seed: int = 1, controls: Controls = NOTHING_COMES_BACK, **more: Any
) -> StepGenerator:
    """A generator of four candidates a phrase of sixteen notes; ``more`` are its settings."""
    filters = more.pop("filters", FILTERS)
    settings = StepSettings(**{"candidates": 4, "phrase_notes": 16, **more})
    rng = np.random.Generator(np.random.SFC64(seed))
    return StepGenerator(engine, settings, rng, LiveControls(controls), filters, lambda: 0.0)


class Recorder:
    """An engine that remembers the states it was asked from."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.bundle = engine, engine.bundle
        self.states: list[State] = []

    @property
    def further_inputs(self) -> dict[str, tuple[str | int, ...]]:
        return self._engine.further_inputs

    def initial_state(self, batch: int = 1) -> State:
        return self._engine.initial_state(batch)

    def next_block(self, state: State, *given: Any) -> StepBlock:
        self.states.append(state)
        return self._engine.next_block(state, *given)


def play(generator: StepGenerator, phrases: int) -> list[Phrase]:
    """The next phrases."""
    return [generator.next_phrase() for _ in range(phrases)]


def piece(notes: int = 100) -> NoteArray:
    """A scale up and down in even steps, with some dynamics."""
    rows = [
        (250.0 * i, 200.0, 48 + (i * 7) % 24, 40 + (i * 5) % 40, bool(i % 3), 0)
        for i in range(notes)
    ]
    return np.array(rows, dtype=NOTE_DTYPE)


def test_same_seed_gives_the_same_notes(engine: Engine) -> None:
    """And the same figures."""
    first, second = make(engine), make(engine)
    a, b = play(first, 6), play(second, 6)
    assert [phrase.notes for phrase in a] == [phrase.notes for phrase in b]
    assert first.stats.to_dict() == second.stats.to_dict()


def test_other_seed_gives_other_notes(engine: Engine) -> None:
    """Randomness comes from the seed alone, but it does come."""
    assert make(engine, 1).next_phrase().notes != make(engine, 2).next_phrase().notes


def test_phrases_follow_one_another_in_time(engine: Engine) -> None:
    """Each starts where the last ended, and onsets never fall."""
    phrases = play(make(engine), 8)
    onsets = [note.onset_ms for phrase in phrases for note in phrase.notes]
    assert onsets == sorted(onsets)
    assert [0.0, *(p.end_ms for p in phrases[:-1])] == [p.start_ms for p in phrases]
    assert all(phrase.end_ms == phrase.notes[-1].onset_ms for phrase in phrases)


def test_first_phrase_may_be_short(engine: Engine) -> None:
    """It is what makes the stream sound soon."""
    generator = make(engine)
    assert [5, 16] == [len(generator.next_phrase(5).notes), len(generator.next_phrase().notes)]


def test_every_candidate_is_counted_as_kept_or_dropped(engine: Engine) -> None:
    """Nothing is lost between draw and choice."""
    generator = make(engine)
    play(generator, 20)
    stats = generator.stats
    assert stats.candidates == stats.kept + sum(stats.dropped.values())
    assert stats.candidates == 4 * (20 + stats.redraws)
    assert (20, 320) == (stats.phrases, stats.notes)


def test_candidates_can_be_changed_between_phrases(engine: Engine) -> None:
    """The live control bounds what the daemon asks for."""
    generator = make(engine, controls=Controls(recall=0.0, candidates=3), filters=())
    generator.next_phrase()
    generator.set_candidates(2)
    generator.next_phrase()
    assert 3 + 2 == generator.stats.candidates
    with pytest.raises(ValueError, match="candidates must be 1 or more, not 0"):
        generator.set_candidates(0)


def test_choice_goes_on_from_the_state_of_the_candidate_that_was_chosen(engine: Engine) -> None:
    """Feeding the committed notes to a fresh model leads to the same state."""
    player = Recorder(engine)
    generator = make(player, anew_notes=0, homing=0.0, ranking="regulated")  # type: ignore[arg-type]
    phrases = play(generator, 3)
    notes = to_array(note for phrase in phrases for note in phrase.notes)
    shifted = notes.copy()
    # The first shift is counted from the start of the stream, a fed piece starts at its first note.
    shifted["onset_ms"] -= notes["onset_ms"][0]
    again = feed(engine, engine.bundle.codec, shifted)
    asked = len(player.states)
    generator.next_phrase()
    state = player.states[asked].select(0)
    if phrases[0].notes[0].onset_ms < 1.0:
        assert np.abs(again.arrays["c"] - state.arrays["c"]).max() < STATE_TOLERANCE
    assert float(state.arrays["velocity"][0]) == notes["velocity"][-1]
    assert again.arrays["previous"].tolist() == state.arrays["previous"].tolist()


def test_filters_drop_candidates_with_their_reasons(engine: Engine) -> None:
    """A filter is a plain callable."""

    def no_bass(phrase: Phrase, context: Context) -> str | None:
        return "bass" if min(note.pitch for note in phrase.notes) < 30 else None

    generator = make(engine, filters=(no_bass,), redraws=8, candidates=8)
    phrases = play(generator, 5)
    assert generator.stats.dropped["bass"] > 0
    assert not generator.stats.relaxed
    assert all(note.pitch >= 30 for phrase in phrases for note in phrase.notes)


def test_stream_is_never_starved_when_a_filter_drops_everything(engine: Engine) -> None:
    """After the stated redraws the filter is given up, and the counters say so."""
    generator = make(engine, filters=(lambda phrase, context: "density",), redraws=2)
    assert len(generator.next_phrase().notes) == 16
    stats = generator.stats
    assert {"density": 12} == dict(stats.dropped)
    assert {"density": 1} == dict(stats.relaxed)
    assert (0, 2, 1) == (stats.kept, stats.redraws, stats.phrases)


def test_last_redraw_comes_from_a_state_that_is_built_anew(engine: Engine) -> None:
    """Perhaps it was the state that had gone astray."""
    generator = make(engine, filters=(lambda phrase, context: "stuck",), redraws=1)
    generator.next_phrase()
    assert generator.stats.reprimes == 1


def test_state_is_built_anew_from_the_recent_past_at_its_time(engine: Engine) -> None:
    """Every 64 notes here; the stream goes on without a gap."""
    generator = make(engine, anew_notes=64, past_notes=32)
    phrases = play(generator, 12)
    assert generator.stats.reprimes == (12 * 16 - 1) // 64
    assert all(a.end_ms == b.start_ms for a, b in zip(phrases, phrases[1:], strict=False))


def test_range_and_scale_hold_for_every_note(engine: Engine) -> None:
    """Controls are written into the noise, and no note slips through."""
    controls = Controls(recall=0.0, low=48, high=72, scale="major", root=2)
    pitches = {note.pitch for p in play(make(engine, controls=controls), 6) for note in p.notes}
    assert pitches <= {p for p in range(48, 73) if (p - 2) % 12 in (0, 2, 4, 5, 7, 9, 11)}


def test_temperature_near_zero_takes_the_likeliest_notes(engine: Engine) -> None:
    """All candidates are then one."""
    calm = Controls(recall=0.0, temperature=0.1)
    generator = make(engine, controls=calm, temperature=(0.001,) * 5, filters=(), homing=0.0)
    again = make(engine, 9, controls=calm, temperature=(0.001,) * 5, filters=(), homing=0.0)
    first, second = generator.next_phrase(), again.next_phrase()
    assert [n.pitch for n in first.notes] == [n.pitch for n in second.notes]


def test_priming_leads_to_the_state_after_the_piece(engine: Engine) -> None:
    """The stream starts at the onset of the last primed note."""
    generator = make(engine)
    generator.prime(piece(100))
    assert generator.next_phrase().start_ms == piece(100)["onset_ms"][-1]
    assert generator.stats.reprimes == 1


def test_priming_needs_a_note_on_the_piano(engine: Engine) -> None:
    """What lies outside is left out; nothing left is a mistake."""
    notes = piece(2)
    notes["pitch"] = (5, 60)
    assert [60] == on_piano(notes)["pitch"].tolist()
    with pytest.raises(ValueError, match=r"1 note or more in range 21\.\.108"):
        make(engine).prime(notes[:1])


def test_feeding_in_runs_is_feeding_at_once(engine: Engine) -> None:
    """Where velocity has no context, cutting a piece into calls changes nothing."""
    notes, codec = piece(150), engine.bundle.codec
    notes["velocity"] = 102  # the first change of velocity, from 0, decodes to just this
    noise = np.zeros((150, 1, codec.offsets[-1]), np.float32)
    at_once = engine.next_block(
        engine.initial_state(1), force_classes(noise, codec.encode(notes), codec)
    ).state
    in_runs = feed(engine, codec, notes)
    assert np.abs(at_once.arrays["h"] - in_runs.arrays["h"]).max() < STATE_TOLERANCE


def test_cells_are_held_within_the_corpus(engine: Engine) -> None:
    """Values outside are counted and put on the bound, the rest is left alone."""
    state = engine.initial_state(1)
    cells = np.zeros_like(state.arrays["c"])
    cells[0, 0, 0, :3] = (7.0, -7.0, 0.5)
    bounds = ([[-1.0] * 5] * 2, [[2.0] * 5] * 2)
    held, outside = CellBound(Statistics(32, c_low=bounds[0], c_high=bounds[1])).apply(
        state.replace(c=cells)
    )
    assert [2.0, -1.0, 0.5] == held.arrays["c"][0, 0, 0, :3].tolist()
    assert outside == 2
    assert CellBound(Statistics(32)).apply(state) == (state, 0)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"candidates": 0}, "candidates must be 1 or more, not 0"),
        ({"redraws": -1}, "redraws must be 0 or more, not -1"),
        ({"phrase_notes": 8.0}, "phrase_notes must be a whole number"),
        ({"temperature": (1.0,)}, "temperature must be 5 numbers above 0"),
        ({"temperature": (1.0, 1.0, 1.0, 1.0, 1e9)}, "temperature must be 5 .* 10 at most"),
        ({"ranking": "best"}, "ranking must be one of regulated, mean"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], line: str) -> None:
    """With the legal values."""
    with pytest.raises(ValueError, match=line):
        StepSettings(**settings)


def scale(start_ms: float = 0.0, notes: int = 80, first: int = 40) -> tuple[Note, ...]:
    """Notes in which no figure of eight occurs twice."""
    return tuple(Note(first + (i * i) % 37, start_ms + 200.0 * i, 150.0, 64) for i in range(notes))


def test_memory_knows_a_figure_that_was_played(engine: Engine) -> None:
    """The whole phrase came before, its first seven figures reach into what lies between."""
    memory = FigureMemory(RecallSettings())
    memory.add(scale(notes=60))
    again = make_phrase(scale(20000.0, notes=60)[16:40], 20000.0)
    assert memory.returned_share(again) == pytest.approx((24 - 7) / 24)
    assert memory.returned_share(make_phrase(scale(first=41)[:24])) == 0.0


def test_memory_forgets_after_its_time() -> None:
    """Sixty seconds here."""
    memory = FigureMemory(RecallSettings(memory_seconds=60))
    memory.add(scale(notes=60))
    memory.add((Note(100, 73000.0, 100.0, 64),))
    assert len(memory) == 1
    assert memory.returned_share(make_phrase(scale(75000.0, notes=40))) == 0.0


def test_figures_are_drawn_from_the_memory_and_fit_the_phrase() -> None:
    """Eight to sixteen notes in a row, anywhere in the phrase, nothing of the last notes."""
    memory = FigureMemory(RecallSettings(octave_share=0.0))
    notes = scale(notes=80)
    memory.add(notes)
    played = [note.pitch - 21 for note in notes]
    rng = np.random.default_rng(0)
    for _ in range(50):
        figure = memory.draw(rng, 32, np.ones(88, bool))
        assert figure is not None
        length = len(figure.classes)
        assert 8 <= length <= 16
        assert 0 <= figure.step <= 32 - length
        starts = [i for i in range(56) if played[i : i + length] == figure.classes.tolist()]
        assert starts


def test_no_figure_is_drawn_where_it_may_not_sound_or_does_not_fit() -> None:
    """Too short a phrase, too short a memory, pitches that are forbidden."""
    memory = FigureMemory(RecallSettings())
    rng = np.random.default_rng(0)
    assert memory.draw(rng, 32, np.ones(88, bool)) is None
    memory.add(scale())
    assert memory.draw(rng, 7, np.ones(88, bool)) is None
    assert memory.draw(rng, 32, np.zeros(88, bool)) is None


def test_figure_pushes_its_pitches_and_nothing_else() -> None:
    """A bonus on one class of each of its notes."""
    noise = np.zeros((10, 362), np.float32)
    Figure(3, np.array([5, 7])).push(noise, 9.0)
    assert [(3, 5), (4, 7)] == [tuple(map(int, at)) for at in np.argwhere(noise)]
    assert {0.0, 9.0} == {*noise.ravel().tolist()}


def test_strong_recall_brings_figures_back(engine: Engine) -> None:
    """Pushed beyond doubt, every recalled phrase holds its figure, and the counters know."""
    generator = make(
        engine,
        controls=Controls(recall=1.0),
        phrase_notes=32,
        recall=RecallSettings(strength=50.0, octave_share=0.0),
        limits=Limits(returned_share=1.0),
        redraws=0,
    )
    play(generator, 20)
    stats = generator.stats
    assert stats.recalls_tried >= 15
    assert stats.recalls == stats.recalls_tried
    assert stats.dropped["figure"] > 0


def test_recall_of_zero_never_offers_a_figure(engine: Engine) -> None:
    """The setting is a share of phrases."""
    generator = make(engine, controls=NOTHING_COMES_BACK)
    play(generator, 12)
    assert (0, 0) == (generator.stats.recalls_tried, generator.stats.recalls)


def quantiles() -> Statistics:
    """A corpus of about ten notes a second, velocity 60, pitch 60."""
    levels = [0.0, 0.16, 0.5, 0.84, 1.0]
    note = {
        "density": [2.0, 7.0, 10.0, 14.0, 40.0],
        "duration_ms": [20.0, 70.0, 100.0, 140.0, 900.0],
        "velocity": [20.0, 50.0, 60.0, 70.0, 120.0],
        "pitch": [30.0, 52.0, 60.0, 68.0, 90.0],
    }
    return Statistics(32, levels=levels, note=note)


def homing_after(step_ms: float, duration_ms: float, velocity: int, pitch: int) -> Any:
    """The bias after some minutes of such music, by argument."""
    from streamer.families.chain.codec import published_codec

    codec = published_codec()
    homing = Homing(quantiles(), codec)
    for i in range(60):
        start = i * 32 * step_ms
        notes = [Note(pitch, start + step_ms * (j + 1), duration_ms, velocity) for j in range(32)]
        homing.watch(make_phrase(notes, start), Controls())
    bias = homing.bias()
    return np.split(bias, codec.offsets[1:-1])


def test_music_like_the_corpus_is_left_alone() -> None:
    """Within a tenth of a spread nothing is leaned against."""
    pitch, shift, duration, velocity, pedal = homing_after(100.0, 100.0, 60, 60)
    assert not any(part.any() for part in (pitch, shift, duration, velocity, pedal))


def test_music_that_stays_fast_loud_and_high_is_leaned_against() -> None:
    """Longer shifts, longer notes, falling velocity and lower pitches become likelier."""
    pitch, shift, duration, velocity, pedal = homing_after(25.0, 25.0, 100, 90)
    assert (np.diff(shift) > 0).all()
    assert (np.diff(duration) > 0).all()
    assert (np.diff(velocity) <= 0).all()
    assert velocity[0] > 0 > velocity[-1]
    assert (np.diff(pitch) < 0).all()
    assert not pedal.any()


def test_candidates_that_lead_astray_are_dropped_by_half(engine: Engine) -> None:
    """Sixteen candidates, none filtered: at most eight are dropped, and the counters say why."""
    generator = make(engine, candidates=16, filters=())
    play(generator, 10)
    assert {"astray"} == {*generator.stats.dropped}
    assert 0 < generator.stats.dropped["astray"] <= 80
    at_ease = make(engine, candidates=16, filters=(), homing=0.0)
    play(at_ease, 10)
    assert not at_ease.stats.dropped


def test_distance_from_home_grows_with_what_a_candidate_adds() -> None:
    """A fast phrase leads further from home than one like the corpus."""
    from streamer.families.chain.codec import published_codec

    homing = Homing(quantiles(), published_codec())

    def even(step_ms: float) -> Phrase:
        return make_phrase(Note(60, step_ms * (j + 1), 100.0, 50 + 20 * (j % 2)) for j in range(32))

    far = [homing.astray(even(step_ms), Controls()) for step_ms in (100.0, 50.0, 20.0)]
    assert [0.0, *sorted(far[1:])] == far
    assert far[1] > 0
    assert homing.astray(even(50.0), Controls(density=2.0)) == 0.0


def test_homing_knows_nothing_before_the_first_phrase_and_without_statistics() -> None:
    """A bundle that lacks quantiles plays on."""
    from streamer.families.chain.codec import published_codec

    homing = Homing(Statistics(32), published_codec())
    assert not homing.bias().any()
    homing.watch(make_phrase(scale()), Controls())
    assert not homing.bias().any()


def moody() -> Statistics:
    """The same corpus, of two pieces: one slow and low, one fast and high."""
    moods = {"density": [4.0, 39.0], "pitch": [40.0, 80.0], "unheard_of": [1.0, 2.0]}
    return msgspec.structs.replace(quantiles(), moods=moods)


def test_a_mood_moves_home_and_the_next_one_moves_it_back() -> None:
    """What is astray in one mood is at home in the other; unknown figures are passed over."""
    from streamer.families.chain.codec import published_codec

    homing = Homing(moody(), published_codec())

    def music(step_ms: float, pitch: int) -> Phrase:
        notes = (Note(pitch, step_ms * (j + 1), 100.0, 50 + 20 * (j % 2)) for j in range(32))
        return make_phrase(notes)

    slow, fast = music(140.0, 52), music(70.0, 68)
    assert 2 == homing.moods
    for mood, near, far in ((0, slow, fast), (1, fast, slow)):
        homing.change_mood(mood)
        for _ in range(40):  # home moves in strides, and the stream with it
            homing.watch(near, Controls())
        assert homing.astray(near, Controls()) < homing.astray(far, Controls())


def test_mood_moves_home_by_strides_and_never_to_the_edges() -> None:
    """A leap would push the model where it has never been; so would the corpus's extremes."""
    from streamer.families.chain.codec import published_codec

    homing = Homing(moody(), published_codec())
    homing.change_mood(1)
    before = homing.homes["density"]
    homing.watch(make_phrase(scale()), Controls())
    first = homing.homes["density"]
    assert 0 < first - before < 0.2
    for _ in range(200):
        homing.watch(make_phrase(scale()), Controls())
    assert math.log(27.0) == pytest.approx(homing.homes["density"])


def test_primed_music_is_home() -> None:
    """A file that is continued is not pulled to the middle of the corpus."""
    from streamer.families.chain.codec import published_codec

    homing = Homing(quantiles(), published_codec())
    notes = [Note(90, 30.0 * (j + 1), 30.0, 100 + j % 3) for j in range(32)]
    homing.begin_as(make_phrase(notes))
    assert not homing.bias().any()


def test_what_is_remembered_for_less_is_held_nearer_to_home() -> None:
    """An answer in a duet is to be like its call within some phrases."""
    from streamer.families.chain.codec import published_codec

    like = [Note(90, 30.0 * (j + 1), 30.0, 100 + j % 3) for j in range(32)]
    lower = make_phrase([Note(70, 30.0 * (j + 1), 30.0, 101) for j in range(8)])
    strays = []
    for memory_notes in (256.0, 24.0):
        homing = Homing(quantiles(), published_codec())
        homing.begin_as(make_phrase(like), memory_notes)
        strays.append(homing.astray(lower, Controls()))
    assert strays[0] < strays[1]


def test_moods_change_in_the_time_that_is_set(engine: Engine) -> None:
    """Every ``mood_notes`` notes on average, counted; never without moods or when switched off."""
    manifest = msgspec.structs.replace(engine.bundle.manifest, statistics=moody())
    two_pieces = Engine(replace(engine.bundle, manifest=manifest))
    generator = make(two_pieces, mood_notes=64)
    play(generator, 20)
    assert 5 <= generator.stats.moods <= 20
    off = make(two_pieces, mood_notes=0)
    play(off, 5)
    assert 0 == off.stats.moods


def test_bundle_without_entropy_statistics_ranks_by_mean_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, engine: Engine
) -> None:
    """No silent fallback."""
    manifest = msgspec.structs.replace(engine.bundle.manifest, statistics=Statistics(32))
    bare = Engine(replace(engine.bundle, manifest=manifest))
    assert len(make(bare).next_phrase().notes) == 16
    assert "ranked by mean" in caplog.text
