"""The generator of bands, through the real engine and a tiny bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.bundle.bundle import Bundle
from streamer.errors import BundleError, ConfigError, StreamerError
from streamer.families.bands.generator import BandGenerator
from streamer.families.bands.genres import Genres
from streamer.families.bands.settings import BandSettings
from streamer.families.bands.spec import bands_of, problems
from streamer.families.bands.tracks import TRACKS
from streamer.live.sendtime import SendTime
from streamer.music.notes import Note, Phrase
from streamer.pipeline import Source, open_source
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.expression import ExpressionSettings
from streamer.settings.settings import ModelSettings, Settings
from tests.bandbundles import GENRES, PROGRAMS, write_tiny_band_bundle
from tests.seams import seam_figures

CHANNELS = (9, 0, 1, 2)
PLAIN = ExpressionSettings(enabled=False)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_band_bundle(tmp_path_factory.mktemp("bands"))


def source_of(
    bundle: Bundle, controls: dict[str, Any] | None = None, seed: int = 1, **more: Any
) -> Source:
    stages = {name: more.pop(name) for name in ("stages", "expression", "synth") if name in more}
    settings = Settings(model=ModelSettings(model=str(bundle.path), seed=seed, **more), **stages)
    return open_source(
        settings=settings, controls=LiveControls(Controls.from_values(controls or {}))
    )


def play(source: Source, sections: int) -> list[Phrase]:
    return [source.next_phrase() for _ in range(sections)]


def heard(source: Source, sections: int) -> list[Phrase]:
    """Return sections as they leave, with the controls and the synth as they are."""
    steered = SendTime.of(source.controls.snapshot())
    return [steered.phrase(phrase, source.synth) for phrase in play(source, sections)]


def notes_of(phrases: list[Phrase]) -> list[Note]:
    return [note for phrase in phrases for note in phrase.notes]


def test_the_same_seed_gives_the_same_notes_and_another_gives_others(bundle: Bundle) -> None:
    first, again = (notes_of(play(source_of(bundle), 6)) for _ in range(2))
    assert first == again
    assert first != notes_of(play(source_of(bundle, seed=2), 6))


def test_four_tracks_lie_on_four_channels_and_only_drums_have_no_pitch(bundle: Bundle) -> None:
    notes = notes_of(play(source_of(bundle), 8))
    assert {note.channel for note in notes} == set(CHANNELS)
    assert all(note.unpitched is (note.channel == 9) for note in notes)
    moved = BandSettings(drums_channel=16, bass_channel=10, harmony_channel=5, strings_channel=1)
    again = notes_of(play(source_of(bundle, stages={"band": moved}), 8))
    where = dict(zip(CHANNELS, moved.channels, strict=True))
    assert [where[note.channel] for note in notes] == [note.channel for note in again]


@pytest.mark.parametrize(
    "controls", [{"transpose": 5}, {"low": 48, "high": 60}, {"scale": "pentatonic", "root": 3}]
)
def test_no_control_of_pitch_moves_a_drum(bundle: Bundle, controls: dict[str, Any]) -> None:
    # Of one candidate there is no choice, which pitches could move.
    more: dict[str, Any] = {"expression": PLAIN, "candidates": 1, "redraws": 0}
    plain, moved = (notes_of(heard(source_of(bundle, c, **more), 4)) for c in ({}, controls))
    drums = [[n.pitch for n in notes if n.unpitched] for notes in (plain, moved)]
    others = [[n.pitch for n in notes if not n.unpitched] for notes in (plain, moved)]
    assert drums[0] == drums[1]
    assert others[0] != others[1]


def test_a_synths_keys_and_transposition_do_not_touch_drums(bundle: Bundle) -> None:
    from streamer.settings.midi import SynthSettings

    narrow = SynthSettings(transpose=7, lowest=60, highest=71)
    plain, moved = (
        notes_of(heard(source_of(bundle, **more), 4)) for more in ({}, {"synth": narrow})
    )
    assert [n.pitch for n in plain if n.unpitched] == [n.pitch for n in moved if n.unpitched]
    assert all(60 <= note.pitch <= 71 for note in moved if not note.unpitched)


def test_range_and_scale_hold_for_what_sounds(bundle: Bundle) -> None:
    controls = {"low": 40, "high": 70, "scale": "major", "root": 2, "transpose": 3}
    pitches = [n.pitch for n in notes_of(heard(source_of(bundle, controls), 6)) if not n.unpitched]
    assert all(40 <= pitch <= 70 for pitch in pitches)
    assert {(pitch - 2) % 12 for pitch in pitches} <= {0, 2, 4, 5, 7, 9, 11}


def test_more_density_is_more_notes(bundle: Bundle) -> None:
    counts = [
        len(notes_of(play(source_of(bundle, {"density": d}, temperature=0.5), 12)))
        for d in (0.25, 1.0, 4.0)
    ]
    assert counts == sorted(counts)
    assert counts[2] > 1.2 * counts[0]


@pytest.mark.parametrize("bars", [1, 2, 16])
def test_sections_follow_each_other_without_a_seam(tmp_path: Path, bars: int) -> None:
    long = write_tiny_band_bundle(tmp_path, bars=bars)
    source = source_of(long, style="jazz", expression=PLAIN)
    phrases = play(source, 24)
    assert isinstance(source.generator, BandGenerator)
    beat_ms = source.generator.beat_ms
    step_ms, longest = beat_ms / 4, source.generator.longest_steps
    starts = [(phrase.start_ms, phrase.end_ms) for phrase in phrases]
    assert all(a[1] == b[0] for a, b in zip(starts, starts[1:], strict=False))
    assert starts[0][1] == pytest.approx(4 * bars * beat_ms)
    for channel in CHANNELS:
        mine = [note for note in notes_of(phrases) if note.channel == channel]
        for note, after in zip(mine, mine[1:], strict=False):
            assert note.end_ms <= after.onset_ms + 1e-6
        assert max(note.duration_ms for note in mine) <= longest * step_ms
    crossing = [
        note
        for phrase in phrases
        for note in phrase.notes
        if note.end_ms > phrase.end_ms + step_ms / 2
    ]
    assert crossing, "something goes on over a line"


def test_beats_run_on_over_changes_of_tempo(bundle: Bundle) -> None:
    source = source_of(bundle, {"walk": 1.0, "tempo_scale": 1.5})
    before = None
    tempos = []
    for phrase in play(source, 24):
        grid = phrase.grid
        assert grid is not None
        assert phrase.end_ms - phrase.start_ms == pytest.approx(8 * grid.beat_ms)
        if before is not None:
            assert grid.beat == pytest.approx(before.beat + 8)
            assert abs(np.log(grid.beat_ms / before.beat_ms)) <= 0.004 * 8 + 1e-9
        before = grid
        tempos.append(60_000 / grid.beat_ms)
    assert max(tempos) - min(tempos) > 15, "it walks among genres of other tempos"


def test_a_note_held_over_a_change_of_tempo_ends_where_the_next_begins(bundle: Bundle) -> None:
    source = source_of(bundle, {"walk": 1.0}, expression=PLAIN)
    notes = notes_of(play(source, 60))
    for channel in CHANNELS:
        mine = [note for note in notes if note.channel == channel]
        for note, after in zip(mine, mine[1:], strict=False):
            assert note.end_ms <= after.onset_ms + 1e-6


def test_named_genres_are_heard_together_and_the_mix_moves_from_first_to_second(
    bundle: Bundle,
) -> None:
    for mix, shown in ((0.0, "jazz 75%, rock 25%"), (0.5, "rock 62%, jazz 38%"), (1.0, "rock")):
        source = source_of(bundle, {"style_mix": mix}, style="jazz:3,rock:1")
        source.next_phrase()
        assert source.generator.stats.to_dict()["band"]["genre"] == shown


def test_without_a_style_it_wanders_around_the_flower_and_comes_by_all(bundle: Bundle) -> None:
    source = source_of(bundle, {"walk": 1.0})
    found = []
    for _ in range(24):
        source.next_phrase()
        found.append(source.generator.stats.to_dict()["band"]["genre"].split()[0])
    assert set(found) == set(GENRES)
    still = source_of(bundle, {"walk": 0.0})
    play(still, 8)
    assert still.generator.stats.to_dict()["band"]["genre"] in GENRES


def genres_of(bundle: Bundle, asked: str = "jazz") -> Genres:
    return Genres(bundle.manifest, ((asked, 1.0),), np.random.default_rng(0))


def test_strength_goes_from_anywhere_to_the_genre_and_to_its_middle(bundle: Bundle) -> None:
    genres = genres_of(bundle)
    weights = genres.next(Controls(), 8.0).weights
    found = [genres.scatter(weights, strength) for strength in (0.0, 0.5, 1.0, 1.5, 2.0)]
    away = [float(np.hypot(one.mean[0] - 1.0, one.mean[1])) for one in found]
    spread = [float(np.sqrt(one.variance).sum()) for one in found]
    assert away == sorted(away, reverse=True)
    assert away[2] == pytest.approx(0.0, abs=1e-6)
    assert spread == sorted(spread, reverse=True)
    assert spread[4] == pytest.approx(spread[2] / 4)


def test_a_genre_of_few_songs_lies_where_the_prior_says(bundle: Bundle) -> None:
    import msgspec

    spec = bands_of(bundle.manifest)
    assert spec is not None
    doubtful = msgspec.structs.replace(spec.genres[0], windows=0, mean=[9.0] * 6)
    few = bundle.manifest.with_parts(
        bands=msgspec.structs.replace(spec, genres=[doubtful, *spec.genres[1:]])
    )
    genres = Genres(few, (("jazz", 1.0),), np.random.default_rng(0))
    lie = genres.scatter(genres.next(Controls(), 8.0).weights, 1.0)
    assert lie.mean[:3] == pytest.approx([1.0, 0.0, 0.0])
    assert lie.variance[:3] == pytest.approx([0.1, 0.001, 0.001])
    assert not lie.factors.any()


def test_latents_vary_together_as_those_of_the_genre_do(bundle: Bundle) -> None:
    genres = genres_of(bundle)
    rng = np.random.default_rng(0)
    for strength, size in ((1.0, 1.0), (2.0, 0.25)):
        places = rng.standard_normal((20_000, genres.coordinates))
        z = genres.latents(places, genres.next(Controls(), 8.0).weights, strength)
        share = 1000 / 1032
        assert z[:, 2:].var(axis=0) == pytest.approx([0.001 * size**2] * 4, rel=0.1)
        assert np.corrcoef(z[:, 2], z[:, 3])[0, 1] == pytest.approx(-0.72 * share, abs=0.03)
        assert abs(np.corrcoef(z[:, 2], z[:, 4])[0, 1]) < 0.03
    mix = np.array([0.5, 0.5, 0.0], dtype=np.float32)
    assert genres.scatter(mix, 1.0).variance[2:] == pytest.approx([0.001] * 4)


def test_sounds_follow_the_genre_and_what_is_set_stays(bundle: Bundle) -> None:
    source = source_of(bundle, {"walk": 1.0})
    band = source.generator
    assert isinstance(band, BandGenerator)
    now = list(band.programs)
    changed = 0
    for _ in range(24):
        phrase = source.next_phrase()
        for change in phrase.programs:
            track = CHANNELS.index(change.channel)
            assert change.onset_ms == phrase.start_ms
            assert now[track] != change.program
            now[track] = change.program
            changed += 1
        assert tuple(now) == band.programs
        assert list(band.programs) in PROGRAMS.values()
    assert changed > 4
    fixed = source_of(
        bundle, {"walk": 1.0}, stages={"band": BandSettings(bass_program=40, drums_program=26)}
    )
    programs = [change for phrase in play(fixed, 24) for change in phrase.programs]
    assert fixed.generator.programs[:2] == (25, 39)  # type: ignore[attr-defined]
    assert {change.channel for change in programs} <= {1, 2}


def test_a_player_gives_accents_and_never_changes_what_is_played(bundle: Bundle) -> None:
    plain, played = (
        play(source_of(bundle, expression=ExpressionSettings(enabled=on)), 12)
        for on in (False, True)
    )
    columns = [
        sorted((n.channel, n.pitch) for n in notes_of(phrases)) for phrases in (plain, played)
    ]
    assert columns[0] == columns[1]
    assert {n.velocity for n in notes_of(plain)} == {80}
    loud = [n.velocity for n in notes_of(played)]
    assert np.std(loud) > 4
    for before, after in zip(plain, played, strict=True):
        assert all(before.start_ms <= n.onset_ms < before.end_ms for n in after.notes)
        onsets = [n.onset_ms for n in after.notes]
        assert onsets == sorted(onsets)
    for channel in CHANNELS:
        mine = [[n for n in notes_of(p) if n.channel == channel] for p in (plain, played)]
        late = [b.onset_ms - a.onset_ms for a, b in zip(*mine, strict=True)]
        assert max(map(abs, late)) <= 20.0
        assert [n.pitch for n in mine[0]] == [n.pitch for n in mine[1]]


def test_kicks_on_the_beat_are_louder_than_hats_between(bundle: Bundle) -> None:
    from streamer.families.bands.player import BandBars, PlayedBand

    track = np.zeros(64, np.int64)
    pitch = np.tile([36, 42], 32)
    onset = np.arange(64) / 4.0
    length, none = np.full(64, 0.25), np.zeros(64)
    bars = BandBars(track, pitch, onset, length, none, 0.0, 0.0, 4.0, 500.0, 500.0, {})
    notes = PlayedBand(CHANNELS, np.random.default_rng(0)).play_band(bars)
    loud = {key: np.mean([n.velocity for n in notes if n.pitch == key]) for key in (36, 42)}
    assert loud[36] > loud[42] + 8
    flat = PlayedBand(CHANNELS, np.random.default_rng(0), amount=0.0).play_band(bars)
    assert {n.velocity for n in flat} == {80}
    assert [n.onset_ms for n in flat] == (onset * 500.0).tolist()


def test_a_bundle_without_genres_plays_and_has_no_style(tmp_path: Path) -> None:
    bundle = write_tiny_band_bundle(tmp_path, genres=())
    source = source_of(bundle)
    play(source, 3)
    assert source.generator.programs == (0, 33, 0, 48)  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="has no genres; leave --style out"):
        source_of(bundle, style="jazz")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"style": "jaz"}, "has no genre 'jaz'; did you mean jazz? it has jazz, latin, rock"),
        ({"style": "waltz"}, "has no genre 'waltz'; it has jazz, latin, rock"),
        ({"prime": Path("a.mid")}, "goes on from no file; leave --prime out"),
        ({"query": Path("a.mid")}, "goes on from no file; leave --query out"),
        ({"query": Path("live")}, "goes on from no file; leave --query out"),
        ({"temperature": (1.0, 1.0, 1.0)}, "takes one temperature for all, above 0, not"),
    ],
)
def test_what_a_band_cannot_do_is_said(bundle: Bundle, more: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleError) as caught:
        source_of(bundle, **more)
    assert said in str(caught.value)


def test_a_band_of_which_nothing_is_heard_does_not_start(bundle: Bundle) -> None:
    silent = {f"mute_{track}": True for track in TRACKS}
    with pytest.raises(ConfigError, match="mute all tracks"):
        source_of(bundle, silent)
    with pytest.raises(ConfigError, match="mute all tracks"):
        source_of(bundle, {"solo_bass": True, "mute_bass": True})
    play(source_of(bundle, silent | {"mute_bass": False}), 1)


def test_two_tracks_on_one_channel_are_refused() -> None:
    with pytest.raises(ValueError, match=r"each track must have a channel of its own, .*bass 10"):
        BandSettings(bass_channel=10)


def test_every_error_is_one_line(bundle: Bundle) -> None:
    for more in ({"style": "jaz"}, {"prime": Path("a.mid")}):
        with pytest.raises(StreamerError) as caught:
            source_of(bundle, **more)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


def test_a_thousand_sections_join_without_a_double_onset_or_a_note_above_the_limit(
    bundle: Bundle,
) -> None:
    found = seam_figures(bundle.path, 1000, candidates=1)
    assert found["notes"] > 20_000
    assert found["double_onsets"] == 0
    assert found["longest_steps"] <= found["limit_steps"]
    # An untrained network has no bars: a seam is struck no harder than any beat, within noise.
    struck, held = found["figures"]["struck"], found["figures"]["held"]
    assert struck["seam"] <= 1.1 * struck["inside_most"]
    assert held["seam"] > 0.5 * held["inside_least"]


def test_figures_of_a_genre_that_do_not_fit_the_latent_are_named(bundle: Bundle) -> None:
    import msgspec

    manifest, codec = bundle.manifest, bundle.codec
    spec = bands_of(manifest)
    assert spec is not None
    assert problems(manifest, codec) == []
    wrong = msgspec.structs.replace(spec.genres[0], factors=[[0.1] * 5])
    odd = msgspec.structs.replace(spec, genres=[wrong, *spec.genres[1:]])
    assert problems(manifest.with_parts(bands=odd), codec) == [
        "genre jazz needs factors of 6 components"
    ]
