"""Settings of tunes: styles as they are typed, what contradicts itself, what a bundle lacks."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.bundle.bundle import Bundle
from streamer.engine.session import Runtime
from streamer.errors import BundleError, ConfigError, MidiFileError
from streamer.families.tunes.generator import TuneGenerator
from streamer.families.tunes.limits import tune_limits_for
from streamer.families.tunes.settings import TuneSettings
from streamer.families.tunes.source import latent_of
from streamer.families.tunes.spec import KindSpec, tunes_of
from streamer.families.tunes.style import MOST_RETURNING, Styles, TuneManner, asked_returning
from streamer.music.notes import NOTE_DTYPE
from streamer.pipeline import open_source
from streamer.settings.controls import Controls
from streamer.settings.reading import load_settings
from streamer.settings.settings import FilterSettings, ModelSettings, Settings
from streamer.settings.styles import parse_styles
from tests.bundles import write_tiny_bundle, write_tiny_tunes_bundle
from tests.midifiles import write_midi

NAMES = st.text("abcdefgh-", min_size=1, max_size=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return write_tiny_tunes_bundle(folder)


def settings_of(bundle: Bundle, **more: object) -> Settings:
    return Settings(model=ModelSettings(model=str(bundle.path), seed=1, **more))  # type: ignore[arg-type]


def melody(path: Path, pitch: int = 60, notes: int = 20) -> Path:
    """A scale up and down, in a file."""
    rows = [(300.0 * i, 250.0, pitch + (i * 2) % 13, 64, False, 0) for i in range(notes)]
    write_midi(path, np.array(rows, dtype=NOTE_DTYPE))
    return path


@pytest.mark.parametrize(
    ("text", "styles"),
    [
        ("bach", {"bach": 1.0}),
        ("bach:0.7,jazz:0.3", {"bach": 0.7, "jazz": 0.3}),
        (" Bach : 7 , jazz:3", {"bach": 0.7, "jazz": 0.3}),
        ("bach,jazz", {"bach": 0.5, "jazz": 0.5}),
        ("bach:1,jazz:0", {"bach": 1.0, "jazz": 0.0}),
        ("bach:1e-3", {"bach": 1.0}),
    ],
)
def test_styles_are_read_with_their_shares(text: str, styles: dict[str, float]) -> None:
    assert styles == pytest.approx(dict(parse_styles(text)))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "must be names with weights, such as bach:0.7,jazz:0.3, not ''"),
        ("bach,,jazz", "must be names with weights"),
        ("bach:", "but '' is no number"),
        ("bach:much", "but 'much' is no number"),
        ("bach:0.5:0.5", "but '0.5:0.5' is no number"),
        ("bach:-1,jazz:2", "must have weights of 0 or more, but bach has -1"),
        ("bach:nan", "must have weights of 0 or more, but bach has nan"),
        ("bach:inf", "must have weights of 0 or more, but bach has inf"),
        ("bach:0,jazz:0", "must have weights that sum to more than 0"),
        ("bach,Bach", "must name 'bach' once, not twice"),
    ],
)
def test_styles_that_cannot_be_read_are_one_line(text: str, line: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        parse_styles(text)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.dictionaries(NAMES, st.floats(0, 1e6), min_size=1, max_size=6))
def test_shares_sum_to_one_or_are_refused(styles: dict[str, float]) -> None:
    text = ",".join(f"{name}:{weight!r}" for name, weight in styles.items())
    if not sum(styles.values()) > 0:
        with pytest.raises(ValueError, match="sum to more than 0"):
            parse_styles(text)
        return
    found = dict(parse_styles(text))
    assert list(found) == list(styles)
    assert math.isclose(sum(found.values()), 1.0, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ({"model.style": "bach:0"}, "model.style must have weights that sum to more than 0"),
        ({"tunes.least_notes": 300}, "least_notes (300) must not be above most_notes (192)"),
        ({"tunes.least_rest_bars": 4}, "least_rest_bars (4) must not be above most_rest_bars (2)"),
        ({"tunes.keys": "free?"}, "tunes.keys must be one of related, free"),
        ({"tunes.leap": 0}, "tunes.leap must be in range 1..127 semitones"),
    ],
)
def test_settings_that_cannot_be_are_refused(overrides: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(Path("/dev/null"), overrides)
    assert line in str(caught.value)


def test_style_that_the_bundle_has_not_is_answered_with_those_it_has(bundle: Bundle) -> None:
    with pytest.raises(BundleError) as caught:
        open_source(settings=settings_of(bundle, style="bach:0.5,polka:0.5"))
    line = "bundle tiny-tunes has no style 'polka'; it has bach, folk, jazz, pop"
    assert line == str(caught.value)


def test_bundle_without_styles_takes_none(folder: Path) -> None:
    piano = write_tiny_bundle(folder)
    with pytest.raises(BundleError, match="bundle tiny has no styles; leave --style out"):
        open_source(settings=settings_of(piano, style="bach"))


def test_melody_of_a_file_begins_the_first_tune(bundle: Bundle, tmp_path: Path) -> None:
    """Its latent is the encoder's; another melody's is another."""
    latents = []
    for pitch, notes in ((60, 20), (62, 40)):
        path = melody(tmp_path / f"{pitch}.mid", pitch, notes)
        primed = open_source(settings=settings_of(bundle, prime=path))
        plain = open_source(settings=settings_of(bundle))
        assert isinstance(plain.generator, TuneGenerator)
        latents.append(latent_of(bundle, path, plain.generator.styles, Runtime()))
        plain.generator.prime(latents[-1])
        assert plain.next_phrase().notes == primed.next_phrase().notes != ()
    assert (latents[0] != latents[1]).any()


def test_file_without_a_melody_is_one_line(bundle: Bundle, tmp_path: Path) -> None:
    path = melody(tmp_path / "short.mid", notes=3)
    with pytest.raises(MidiFileError, match="no track with a melody of 8 notes or more"):
        open_source(settings=settings_of(bundle, prime=path))


def test_melody_needs_a_bundle_with_an_encoder(folder: Path, tmp_path: Path) -> None:
    whole = write_tiny_tunes_bundle(folder, "deaf")
    from dataclasses import replace

    import msgspec

    from streamer.families.tunes.source import latent_of

    kept = [graph for graph in whole.manifest.graphs if graph.name != "encode"]
    deaf = replace(whole, manifest=msgspec.structs.replace(whole.manifest, graphs=kept))
    with pytest.raises(BundleError, match="bundle deaf has no encoder"):
        latent_of(deaf, melody(tmp_path / "m.mid"), ("bach",), Runtime())


@pytest.mark.parametrize(
    ("temperature", "line"),
    [
        ((1.0,) * 5, r"takes one temperature, or 3 \(pitch_class, octave, length\), not 5"),
        (0.8, None),
        ((1.0, 0.9, 0.8), None),
    ],
)
def test_temperature_is_one_number_or_three(
    bundle: Bundle, temperature: object, line: str | None
) -> None:
    chosen = settings_of(bundle, temperature=temperature)
    if line is None:
        assert open_source(settings=chosen).next_phrase().notes
        return
    with pytest.raises(BundleError, match=line):
        open_source(settings=chosen)


def test_bounds_are_the_bundles_and_over_them_the_persons(folder: Path) -> None:
    filters = {"leap": 12.0, "density": [0.5, 6.0], "on_beat_share": 0.1, "longest_rest_ms": 4e3}
    manifest = write_tiny_tunes_bundle(folder, "bounded", filters=filters).manifest
    limits, rules, _ = tune_limits_for(
        manifest, FilterSettings(pitch_low=40), TuneSettings(leap=9, same_pitch_run=3)
    )
    assert (9, 3, 0.1) == (rules.leap, rules.same_pitch_run, rules.on_beat_share)
    assert (40, 4000.0) == (limits.pitch_low, limits.longest_rest_ms)
    odd = write_tiny_tunes_bundle(folder, "odd", filters={"loudness": 3.0}).manifest
    with pytest.raises(BundleError, match="has a filter loudness"):
        tune_limits_for(odd, FilterSettings(), TuneSettings())


@given(mix=st.floats(0, 1), first=st.floats(0.01, 1), second=st.floats(0, 1))
def test_style_control_keeps_the_sum_of_the_weights(
    bundle: Bundle, mix: float, first: float, second: float
) -> None:
    total = first + second
    styles = Styles(bundle.manifest, (("bach", first / total), ("pop", second / total)))
    weights = styles.draw(np.random.default_rng(0))
    moved = styles.mixed(weights, mix)
    assert float(moved.sum()) == pytest.approx(1.0, abs=1e-5)
    assert moved[styles.names.index("bach")] == pytest.approx(first / total * (1 - mix), abs=1e-5)
    assert styles.mixed(weights, 0.0) is weights


def with_kinds(bundle: Bundle, **returns: list[float]) -> Styles:
    """Two kinds of bar in the first style: three of four tunes in two, one in three and slower."""
    told = tunes_of(bundle.manifest)
    assert told is not None
    one = told.styles[0]
    kinds = [
        KindSpec(share=share, unit_beats=unit, metre=metre, bpm=[bpm] * len(one.bpm),
                 mean=[place] * len(one.mean), sd=[0.1] * len(one.sd))
        for share, unit, metre, bpm, place in ((0.75, 0.5, 2.0, 120.0, 4.0),
                                               (0.25, 1.0, 3.0, 80.0, -4.0))
    ]  # fmt: skip
    first = msgspec.structs.replace(one, kinds=kinds, **returns)
    tunes = msgspec.structs.replace(told, styles=[first, *told.styles[1:]])
    return Styles(bundle.manifest.with_parts(tunes=tunes))


def test_tunes_have_unit_bar_tempo_and_latent_of_one_kind_by_its_share(bundle: Bundle) -> None:
    styles, rng = with_kinds(bundle), np.random.default_rng(0)
    pure = np.eye(len(styles), dtype=np.float32)[0]
    manners = [styles.manner(rng, pure, 24, 192) for _ in range(400)]
    seen = Counter((m.unit_beats, m.bar_beats, m.tempo_bpm) for m in manners)
    assert {*seen} == {(0.5, 2.0, 120.0), (1.0, 3.0, 80.0)}
    assert seen[0.5, 2.0, 120.0] == pytest.approx(300, abs=30)
    for manner in manners[:20]:
        place = 4.0 if manner.kind == 0 else -4.0
        latent = styles.latent(rng, pure, manner)
        assert latent == pytest.approx(place, abs=0.5)
        assert styles.walk(rng, pure, manner, latent, 1.0) == pytest.approx(place, abs=0.8)


def test_between_two_styles_a_kind_counts_by_its_styles_weight(bundle: Bundle) -> None:
    styles = with_kinds(bundle)
    half = np.zeros(len(styles), dtype=np.float32)
    half[:2] = 0.5
    manner = TuneManner(0, 120.0, 0.5, 2.0, 32, kind=0)
    mean, _ = styles.middle(half, manner)
    assert mean == pytest.approx(2.0 + 0.5 * np.array(styles.spec(1).mean))


def test_as_much_is_to_return_as_in_tracks_of_the_style(bundle: Bundle) -> None:
    """At the usual recall; the control scales it, to none and to nearly all."""
    levels = len(tunes_of(bundle.manifest).levels) if tunes_of(bundle.manifest) else 0
    styles, rng = with_kinds(bundle, returns=[0.3] * levels), np.random.default_rng(0)
    pure = np.eye(len(styles), dtype=np.float32)[0]
    manner = styles.manner(rng, pure, 24, 192)
    shares = [asked_returning(manner, recall) for recall in (0.0, 0.2, Controls().recall, 1.0)]
    assert shares == [0.0, pytest.approx(0.15), pytest.approx(0.3), pytest.approx(0.75)]
    assert asked_returning(replace(manner, returning=0.8), 1.0) == MOST_RETURNING
