"""The generator of tunes: what follows what, and what every control does."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.bundle.bundle import Bundle
from streamer.bundle.codecs import codec_as
from streamer.engine.engine import Engine, Function, State, StepBlock
from streamer.errors import BundleError
from streamer.families.tunes.codec import END, TuneCodec
from streamer.families.tunes.context import TuneContext, TuneRules
from streamer.families.tunes.drawing import TuneDrawing
from streamer.families.tunes.filters import TUNE_FILTERS
from streamer.families.tunes.generator import TuneGenerator
from streamer.families.tunes.line import Line, PlainVoice
from streamer.families.tunes.memory import FIGURE_NOTES, TuneMemory
from streamer.families.tunes.settings import TuneSettings
from streamer.families.tunes.spec import tunes_of
from streamer.music.notes import Note, Phrase
from streamer.selection.filters import Context, Filter
from streamer.settings.controls import Controls, LiveControls
from tests.bundles import write_tiny_tunes_bundle

NEAR_MS = 1e-6
"""Places in the stream are sums of floats; measured below 1e-9 over a thousand phrases."""

EASY = TuneRules(span=127, leap=127, on_beat_share=0.0, same_pitch_share=1.0)
"""The tiny model draws at random: rules that hardly anything random passes are let off."""

SHORT = TuneSettings(least_notes=12, most_notes=40)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The tiny untrained bundle of four styles."""
    return write_tiny_tunes_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def engine(bundle: Bundle) -> Engine:
    """One session for all tests: it keeps no state."""
    return Engine(bundle)


@pytest.fixture(scope="module")
def start(bundle: Bundle) -> Function:
    """The first state of a tune."""
    return Function(bundle, "start")


@pytest.fixture(scope="module")
def make(engine: Engine, start: Function) -> Any:
    """A maker of generators: ``more`` are parts of the drawing."""

    def made(
        seed: int = 1,
        controls: Controls | LiveControls = Controls(),  # noqa: B008 - frozen
        *,
        filters: tuple[Filter, ...] = TUNE_FILTERS,
        player: Any = None,
        voice: Any = None,
        **more: Any,
    ) -> TuneGenerator:
        drawing = TuneDrawing(**{"candidates": 4, "rules": EASY, "tunes": SHORT, **more})
        rng = np.random.Generator(np.random.SFC64(seed))
        live = controls if isinstance(controls, LiveControls) else LiveControls(controls)
        return TuneGenerator(
            player or engine, start, drawing, rng, live, filters,
            voice=voice, timer=lambda: 0.0,
        )  # fmt: skip

    return made


class Recorder:
    """An engine that remembers the states it was asked from."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.bundle = engine, engine.bundle
        self.states: list[State] = []

    def initial_state(self, batch: int = 1) -> State:
        return self._engine.initial_state(batch)

    def next_block(self, state: State, noise: Any) -> StepBlock:
        self.states.append(state)
        return self._engine.next_block(state, noise)


class Listener:
    """A voice that plays what is written, and keeps each line that it was given."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def play(self, line: Line) -> tuple[Note, ...]:
        self.lines.append(line)
        return PlainVoice().play(line)


def ended(generator: TuneGenerator) -> bool:
    """Return whether the phrase that was returned last closes its tune."""
    return bool(generator.last_tune["length"][-1] == END)


def play(generator: TuneGenerator, phrases: int) -> list[Phrase]:
    return [generator.next_phrase() for _ in range(phrases)]


@dataclasses.dataclass
class Tune:
    """A tune as it was heard."""

    notes: list[Note]
    start_ms: float
    end_ms: float
    beat_ms: float
    bar_beats: float


def data_of(generator: TuneGenerator) -> Mapping[str, Any]:
    """Return what is told of the tune that is written."""
    assert generator.stats.playing is not None
    return generator.stats.playing.data


def tunes(generator: TuneGenerator, count: int) -> Iterator[Tune]:
    """Yield whole tunes."""
    for number in range(1, count + 1):
        tune: Tune | None = None
        while tune is None or not ended(generator):
            phrase = generator.next_phrase()
            playing = data_of(generator)
            assert playing["number"] == number
            tune = tune or Tune([], phrase.start_ms, 0.0, generator.beat_ms, playing["bar_beats"])
            tune.notes += phrase.notes
            tune.end_ms = phrase.end_ms
        yield tune


def test_same_seed_gives_the_same_notes(make: Any) -> None:
    first, second = make(), make()
    assert [p.notes for p in play(first, 30)] == [p.notes for p in play(second, 30)]
    assert first.stats.to_dict() == second.stats.to_dict()
    assert make(2).next_phrase().notes != make(1).next_phrase().notes


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    density=st.floats(0.25, 4.0),
    temperature=st.floats(0.1, 3.0),
    recall=st.floats(0.0, 1.0),
    low=st.integers(0, 100),
    transpose=st.integers(-24, 24),
    rests=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    candidates=st.integers(1, 6),
)
def test_stream_is_whole_whatever_the_controls(
    make: Any,
    seed: int,
    density: float,
    temperature: float,
    recall: float,
    low: int,
    transpose: int,
    rests: tuple[int, int],
    candidates: int,
) -> None:
    """Phrases join, onsets never fall, and no note sounds past its phrase's end or a rest."""
    controls = Controls(
        density=density, temperature=temperature, recall=recall, low=low, high=low + 20,
        transpose=transpose, candidates=candidates,
    )  # fmt: skip
    least, most = sorted(rests)
    short = TuneSettings(least_notes=8, most_notes=24, least_rest_bars=least, most_rest_bars=most)
    phrases = play(make(seed, controls, tunes=short), 12)
    onsets = [note.onset_ms for phrase in phrases for note in phrase.notes]
    assert onsets == sorted(onsets)
    assert [0.0, *(p.end_ms for p in phrases[:-1])] == [p.start_ms for p in phrases]
    for phrase in phrases:
        assert phrase.notes
        assert phrase.entropies.shape == (len(phrase.notes), 3)
        assert phrase.start_ms <= phrase.notes[0].onset_ms
        assert all(note.end_ms <= phrase.end_ms + NEAR_MS for note in phrase.notes)
        assert all(0 < note.duration_ms for note in phrase.notes)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), rest=st.integers(0, 3))
def test_rest_ends_on_a_bar_line_at_any_tempo(make: Any, seed: int, rest: int) -> None:
    """Every tune begins whole bars after the one before, and the rest is at least as asked."""
    short = TuneSettings(least_notes=8, most_notes=24, least_rest_bars=rest, most_rest_bars=rest)
    for tune in tunes(make(seed, tunes=short), 4):
        bars = (tune.end_ms - tune.start_ms) / tune.beat_ms / tune.bar_beats
        assert abs(bars - round(bars)) < NEAR_MS
        last = tune.notes[-1]
        assert tune.end_ms - last.end_ms >= rest * tune.bar_beats * tune.beat_ms - NEAR_MS
        held = last.duration_ms / tune.beat_ms
        assert 0.5 < held <= tune.bar_beats + 1


def test_tunes_begin_on_whole_beats_of_the_stream(make: Any) -> None:
    """Beats that a followed clock is laid on run on from tune to tune."""
    generator, beats = make(), 0.0
    for tune in tunes(generator, 12):
        beats += (tune.end_ms - tune.start_ms) / tune.beat_ms
        assert abs(beats - round(beats)) < NEAR_MS


def test_every_tune_ends_within_its_bounds(make: Any) -> None:
    lengths = [len(tune.notes) for tune in tunes(make(), 25)]
    assert min(lengths) >= SHORT.least_notes
    assert max(lengths) <= SHORT.most_notes
    assert len({*lengths}) > 3


def test_most_tunes_close_on_their_tonic(make: Any) -> None:
    """Others only where no candidate did."""
    voice = Listener()
    generator = make(candidates=16, voice=voice)
    for _ in range(15):
        list(tunes_one(generator))
    last = [line for line in voice.lines if line.ends]
    assert sum(int(line.pitch[-1]) % 12 == line.key.tonic for line in last) >= 11


def tunes_one(generator: TuneGenerator) -> Iterator[Phrase]:
    """Yield the phrases of the next tune."""
    yield generator.next_phrase()
    while not ended(generator):
        yield generator.next_phrase()


def test_first_phrase_may_be_short(make: Any) -> None:
    assert len(make().next_phrase(4).notes) <= 4


def test_phrases_end_with_a_bar_where_they_can(make: Any, engine: Engine) -> None:
    """Cut there, the stream goes on from the state after the last note that is played."""
    player, voice = Recorder(engine), Listener()
    generator = make(temperature=(1.0, 1.0, 0.5), player=player, voice=voice)
    cut = 0
    for _ in range(40):
        phrase = generator.next_phrase()
        if ended(generator) or len(phrase.notes) == 16:
            continue
        cut += 1
        line, last = voice.lines[-1], engine.bundle.codec.encode(generator.last_tune)[-1]
        bars = float(line.onset[-1] + line.length[-1]) / line.bar_beats
        assert round(bars) == pytest.approx(bars, abs=NEAR_MS)
        asked = len(player.states)
        generator.next_phrase()
        assert [*last] == player.states[asked].arrays["previous"][0].tolist()
    assert cut > 5


def test_style_that_is_asked_for_is_the_one_that_reaches_the_network(
    make: Any, engine: Engine
) -> None:
    """By its weights, and with its latents."""
    player = Recorder(engine)
    play(make(player=player, styles=(("bach", 0.25), ("jazz", 0.75))), 10)
    names = [style.name for style in tunes_of(engine.bundle.manifest).styles]  # type: ignore[union-attr]
    wanted = [{"bach": 0.25, "jazz": 0.75}.get(name, 0.0) for name in names]
    for state in player.states:
        assert (state.arrays["style"] == np.array(wanted, np.float32)).all()


def test_latents_lie_between_the_styles_that_are_named(make: Any, engine: Engine) -> None:
    """Fifty tunes: their mean is the weighted one within a few of its own deviations."""
    player = Recorder(engine)
    generator = make(player=player, styles=(("bach", 0.25), ("jazz", 0.75)))
    found = []
    for _ in range(50):
        before = len(player.states)
        list(tunes_one(generator))
        found.append(player.states[before].arrays["z"][0])
    manifest = tunes_of(engine.bundle.manifest)
    assert manifest is not None
    mean = 0.25 * np.array(manifest.style("bach").mean)
    mean += 0.75 * np.array(manifest.style("jazz").mean)
    assert np.abs(np.mean(found, axis=0) - mean).max() < 4 * 0.5 / math.sqrt(50)


def test_without_a_style_every_style_has_its_tunes(make: Any) -> None:
    generator = make()
    shown = set()
    for _ in range(40):
        list(tunes_one(generator))
        shown.add(data_of(generator)["style"])
    assert shown == {*generator.styles}


def test_style_control_moves_a_tune_from_the_first_style_to_the_second(
    make: Any, engine: Engine
) -> None:
    """Weights and latent together, within the tune, and back again."""
    player, live = Recorder(engine), LiveControls()
    styles = (("bach", 1.0), ("jazz", 0.0))
    generator = make(controls=live, player=player, styles=styles, tunes=TuneSettings())
    generator.next_phrase()
    first = player.states[-1].arrays["z"][0]
    live.update(style_mix=1.0)
    generator.next_phrase()
    weights, latent = player.states[-1].arrays["style"][0], player.states[-1].arrays["z"][0]
    manifest = tunes_of(engine.bundle.manifest)
    assert manifest is not None
    bach, jazz = manifest.style("bach"), manifest.style("jazz")
    names = [style.name for style in manifest.styles]
    assert (1.0, 0.0) == (weights[names.index("jazz")], weights[names.index("bach")])
    assert np.allclose(latent - first, np.array(jazz.mean) - np.array(bach.mean), atol=1e-5)


def test_unknown_style_is_refused_with_those_there_are(make: Any) -> None:
    with pytest.raises(BundleError, match=r"no style 'polka'; it has bach, folk, jazz, pop"):
        make(styles=(("polka", 1.0),))


def test_primed_latent_begins_the_first_tune_and_no_other(make: Any, engine: Engine) -> None:
    player = Recorder(engine)
    generator = make(player=player)
    latent = np.array(tunes_of(engine.bundle.manifest).style("jazz").mean, np.float32)  # type: ignore[union-attr]
    generator.prime(latent)
    generator.next_phrase()
    assert (player.states[0].arrays["z"][0] == latent).all()
    assert data_of(generator)["style"] == "jazz"
    while not ended(generator):
        generator.next_phrase()
    before = len(player.states)
    generator.next_phrase()
    assert (player.states[before].arrays["z"][0] != latent).any()
    with pytest.raises(ValueError, match="the latent must be"):
        generator.prime(latent[:-1])


def test_latent_of_a_long_tune_wanders_and_of_a_short_one_stays(make: Any, engine: Engine) -> None:
    for walk, moves in ((0.0, False), (0.3, True)):
        player = Recorder(engine)
        long = TuneSettings(least_notes=200, most_notes=220, walk=walk)
        generator = make(player=player, tunes=long)
        play(generator, 12)
        latents = {state.arrays["z"][:1].tobytes() for state in player.states}
        assert (len(latents) > 1) is moves


def test_keys_follow_each_other_by_fifths_or_stay_near(make: Any) -> None:
    """The same or the relative, a fifth up, a fifth down, whatever the model wrote in."""
    voice = Listener()
    generator = make(voice=voice)
    for _ in range(20):
        list(tunes_one(generator))
    first = [line.key for line in voice.lines if line.index == 0]
    last = [line.key for line in voice.lines if line.ends]
    for before, key in zip(last, first[1:], strict=False):
        relative = 0 if key.minor == before.minor else (-3 if key.minor else 3)
        assert (key.tonic - before.tonic - relative) % 12 in (0, 5, 7)


def test_scale_that_is_set_is_the_key(make: Any) -> None:
    """Locked, every note lies in it; the model's own key is left alone."""
    controls = Controls(scale="major", root=2)
    phrases = play(make(controls=controls), 30)
    classes = {(note.pitch - 2) % 12 for phrase in phrases for note in phrase.notes}
    assert classes <= {0, 2, 4, 5, 7, 9, 11}


def test_scale_lock_counts_what_sounds_after_transposition(make: Any) -> None:
    controls = Controls(scale="pentatonic", root=0, transpose=1)
    phrases = play(make(controls=controls), 20)
    classes = {(note.pitch + 1) % 12 for phrase in phrases for note in phrase.notes}
    assert classes <= {0, 2, 4, 7, 9}


def test_tunes_are_moved_by_octaves_into_a_range_far_away(make: Any) -> None:
    high = play(make(controls=Controls(low=84, high=120)), 20)
    low = play(make(controls=Controls(low=20, high=55)), 20)
    mean = [np.mean([n.pitch for p in phrases for n in p.notes]) for phrases in (high, low)]
    assert mean[0] > 84
    assert mean[1] < 56


def test_density_control_makes_notes_shorter(make: Any) -> None:
    def gap(density: float) -> float:
        phrases = play(make(controls=Controls(density=density), filters=()), 25)
        times = [
            b.onset_ms - a.onset_ms
            for p in phrases
            for a, b in zip(p.notes, p.notes[1:], strict=False)
        ]
        return float(np.median(times))

    assert gap(4.0) < gap(1.0) < gap(0.25)


def test_temperature_near_zero_takes_the_likeliest_notes(make: Any) -> None:
    """All candidates are then one: the choice cannot matter."""
    draws = []

    def spy(phrase: Phrase, context: Context) -> str | None:
        assert isinstance(context, TuneContext)
        draws.append(context.own["pitch"].tolist())
        return None

    generator = make(temperature=(0.01,) * 3, controls=Controls(temperature=0.1), filters=(spy,))
    generator.next_phrase()
    assert all(own == draws[0] for own in draws)


def test_candidates_can_be_changed_between_phrases(make: Any) -> None:
    generator = make(controls=Controls(candidates=3), filters=())
    generator.next_phrase()
    generator.set_candidates(2)
    generator.next_phrase()
    assert 3 + 2 == generator.stats.candidates
    with pytest.raises(ValueError, match="candidates must be 1 or more, not 0"):
        generator.set_candidates(0)


def test_filters_see_the_tune_and_the_candidate_in_it(make: Any) -> None:
    seen: list[TuneContext] = []

    def look(phrase: Phrase, context: Context) -> str | None:
        assert isinstance(context, TuneContext)
        seen.append(context)
        assert context.fresh == len(phrase.notes) == len(context.own)
        assert not (context.tune["length"][:-1] == END).any()
        shown = [note.pitch for note in phrase.notes]
        moved = (context.own["pitch"].astype(int) + context.transpose).tolist()
        assert shown == moved
        return None

    generator = make(filters=(look,), candidates=3)
    before = 0
    for phrase in tunes_one(generator):
        for context in seen[-3:]:
            assert len(context.tune) == before + context.fresh
        before += len(phrase.notes)


def test_stream_is_never_starved_when_a_filter_drops_everything(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    generator = make(filters=(lambda phrase, context: "loop",), redraws=2)
    assert generator.next_phrase().notes
    stats = generator.stats
    assert ({"loop": 12}, {"loop": 1}) == (dict(stats.dropped), dict(stats.relaxed))
    assert "no phrase passed the filters; gave up: close, classifier" in caplog.text


def test_first_phrase_comes_back_when_it_is_pushed_beyond_doubt(make: Any) -> None:
    long = TuneSettings(least_notes=150, most_notes=190, return_strength=50.0)
    generator = make(
        controls=Controls(recall=1.0), tunes=long, temperature=(1.0, 1.0, 0.5), redraws=0
    )
    play(generator, 60)
    stats = generator.stats
    assert stats.recalls_tried >= 4
    assert stats.recalls == stats.recalls_tried


def test_recall_of_zero_never_offers_the_first_phrase(make: Any) -> None:
    generator = make(controls=Controls(recall=0.0))
    play(generator, 40)
    assert 0 == generator.stats.recalls_tried


class Late:
    """A voice that plays early, late, too long and too loud."""

    def play(self, line: Line) -> tuple[Note, ...]:
        at_ms = line.start_ms + line.onset * line.beat_ms
        return tuple(
            Note(int(pitch), max(float(at) + (-80.0 if i % 2 else 90.0), 0.0), 9000.0, 127)
            for i, (pitch, at) in enumerate(zip(line.pitch, at_ms, strict=True))
        )


def test_whoever_plays_a_line_cannot_break_the_order_of_the_stream(make: Any) -> None:
    phrases = play(make(voice=Late()), 30)
    onsets = [note.onset_ms for phrase in phrases for note in phrase.notes]
    assert onsets == sorted(onsets)
    for phrase in phrases:
        assert all(phrase.start_ms <= n.onset_ms < phrase.end_ms for n in phrase.notes)
        assert all(note.end_ms <= phrase.end_ms + NEAR_MS for note in phrase.notes)


def test_voice_is_told_of_the_line_and_its_place_in_the_tune(make: Any) -> None:
    lines: list[Line] = []

    class Listening(Late):
        def play(self, line: Line) -> tuple[Note, ...]:
            lines.append(line)
            return super().play(line)

    phrases = list(tunes_one(make(voice=Listening())))
    assert len(lines) == len(phrases)
    assert [0, *np.cumsum([len(line.pitch) for line in lines])[:-1]] == [x.index for x in lines]
    assert [False] * (len(lines) - 1) + [True] == [line.ends for line in lines]
    assert 0.0 == lines[0].onset[0]
    for line, phrase in zip(lines, phrases, strict=True):
        assert np.allclose(line.onset[1:], line.onset[:-1] + line.length[:-1])
        assert line.start_ms + line.onset[0] * line.beat_ms == pytest.approx(phrase.start_ms)


def test_no_two_tunes_begin_alike(make: Any) -> None:
    """A model that knows one tune only is made to find others, as long as it can."""
    generator = make(temperature=(0.3, 0.3, 0.3), candidates=8)
    openings = set()
    for tune in tunes(generator, 40):
        notes = tune.notes[:16]
        steps = tuple(b.pitch - a.pitch for a, b in zip(notes, notes[1:], strict=False))
        times = tuple(
            round((b.onset_ms - a.onset_ms) / tune.beat_ms, 3)
            for a, b in zip(notes, notes[1:], strict=False)
        )
        openings.add((steps, times))
    assert len(openings) == 40


def test_bundle_that_says_nothing_of_its_styles_is_refused(engine: Engine, start: Function) -> None:

    manifest = engine.bundle.manifest.with_parts(tunes=None)
    silent = Engine(dataclasses.replace(engine.bundle, manifest=manifest))
    with pytest.raises(BundleError, match="does not say what its styles are like"):
        TuneGenerator(silent, start, TuneDrawing(), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"candidates": 0}, "candidates must be a whole number, 1 or more, not 0"),
        ({"phrase_notes": 8.0}, "phrase_notes must be a whole number"),
        ({"redraws": -1}, "redraws must be 0 or more, not -1"),
        ({"temperature": (1.0,) * 5}, "temperature must be 3 numbers above 0"),
        ({"ranking": "best"}, "ranking must be one of regulated, mean"),
    ],
)
def test_drawing_out_of_range_is_refused(more: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        TuneDrawing(**more)


def test_no_note_hangs_when_tunes_are_played(bundle: Bundle) -> None:
    """Through the very scheduler that plays live: every note-on has its note-off."""
    from streamer.offline.playout import play_out
    from streamer.pipeline import open_source
    from streamer.settings.settings import ModelSettings, Settings
    from streamer.testing import FakePort

    chosen = Settings(model=ModelSettings(model=str(bundle.path), seed=5))
    source, port = open_source(settings=chosen), FakePort()
    play_out(source.next_phrase, 120_000.0, port, lambda phrase: None)
    struck = [message[1] for message in port.messages if message[0] & 0xF0 == 0x90]
    assert len(struck) > 60
    assert port.receiver.is_silent


def test_memory_stays_bounded(bundle: Bundle) -> None:
    """Figures of tunes longer ago than the memory, here seven tunes, are forgotten."""
    codec = codec_as(bundle.codec, TuneCodec)
    memory, rng = TuneMemory(60_000.0), np.random.default_rng(1)
    sizes = []
    for tune in range(60):
        classes = np.stack([rng.integers(0, size, 40) for size in (12, codec.octaves, 3)], axis=1)
        memory.add(codec.decode(classes), ended=True, end_ms=10_000.0 * (tune + 1))
        sizes.append(len(memory))
    assert 7 * (40 - FIGURE_NOTES + 1) == max(sizes) == sizes[-1]


def test_rendered_tunes_are_the_same_bytes_for_the_same_seed(
    tmp_path: Path, bundle: Bundle
) -> None:
    """The whole pipeline: the same bytes for the same seed, and a report that says which tune."""
    from streamer.offline.render import render
    from streamer.settings.settings import ModelSettings, Settings

    chosen = Settings(model=ModelSettings(model=str(bundle.path), seed=7, style="folk"))
    report = render(None, tmp_path / "a.mid", 60.0, plot=tmp_path / "a.png", settings=chosen)
    render(None, tmp_path / "b.mid", 60.0, settings=chosen)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()
    assert report["tunes"] >= 1
    assert report["tune"]["style"] == "folk"
    assert ["pitch_class", "octave", "length"] == [*report["entropy"]]
