"""A walk that keeps to a key of its own: taken from what was heard, held, and left for a fifth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.bundle.bundle import load_bundle
from streamer.errors import BundleError
from streamer.families.windows.home import HomeKey
from streamer.families.windows.source import KEY_SECTIONS, check_defaults
from streamer.measures.note_entropy import entropy_bits
from streamer.music.notes import Note, to_array
from streamer.pipeline import open_source
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.settings import ModelSettings, Settings
from tests.bundles import write_tiny_query_bundle

D_MAJOR = (2, 4, 6, 7, 9, 11, 1)
A_MAJOR, G_MAJOR = {9, 11, 1, 2, 4, 6, 8}, {7, 9, 11, 0, 2, 4, 6}


def scale_notes(classes: tuple[int, ...] = D_MAJOR) -> list[Note]:
    """Play the tonic and the fifth longest, so that the key is plain."""
    lengths = [900.0, 200.0, 400.0, 200.0, 700.0, 200.0, 150.0]
    return [
        Note(60 + c, 100.0 * i, length, 70)
        for i, (c, length) in enumerate(zip(classes, lengths, strict=True))
    ]


def tones(home: HomeKey) -> set[int]:
    harmony = home.harmony()
    assert harmony is not None
    assert harmony.keys is not None
    key = harmony.keys.keys[0][0]
    assert key is not None
    return {*key.tones}


def test_before_anything_is_heard_there_is_no_key() -> None:
    assert HomeKey(8).harmony() is None


def test_the_key_is_that_of_what_was_heard_and_a_fifth_away_after_its_sections() -> None:
    home, rng = HomeKey(8), np.random.default_rng(1)
    home.hear(scale_notes(), rng, walks=True)
    for _ in range(7):
        home.hear([], rng, walks=True)
        assert tones(home) == {*D_MAJOR}
    home.hear([], rng, walks=True)
    assert tones(home) in (A_MAJOR, G_MAJOR)


def test_after_a_query_the_walk_is_in_the_key_of_its_answer() -> None:
    home, rng = HomeKey(8), np.random.default_rng(1)
    home.hear(scale_notes(tuple((c + 1) % 12 for c in D_MAJOR)), rng, walks=True)
    for _ in range(30):
        home.hear(scale_notes(), rng, walks=False)
        assert home.harmony() is None
    home.hear(scale_notes(), rng, walks=True)
    assert tones(home) == {*D_MAJOR}


def test_where_a_bundle_asks_for_none_nothing_holds_and_nothing_is_drawn() -> None:
    home, rng = HomeKey(0), np.random.default_rng(1)
    before = rng.bit_generator.state
    for _ in range(20):
        home.hear(scale_notes(), rng, walks=True)
    assert home.harmony() is None
    assert rng.bit_generator.state == before


def entropy(controls: dict[str, object]) -> float:
    live = LiveControls(Controls.from_values(controls))
    source = open_source(settings=Settings(model=ModelSettings(model="answer", seed=4)),
                         controls=live)  # fmt: skip
    notes = to_array(n for _ in range(16) for n in source.next_phrase().notes)
    return entropy_bits(notes["pitch"].astype(np.int64) % 12)


def test_the_bundle_that_ships_walks_in_few_pitch_classes() -> None:
    """Without a key sixteen bars have nearly all twelve of them."""
    assert entropy({}) < 3.15


def test_a_key_that_a_person_sets_holds_in_its_place() -> None:
    live = LiveControls(Controls.from_values({"keys": "F#", "chord_strength": 1.0}))
    source = open_source(settings=Settings(model=ModelSettings(model="answer", seed=4)),
                         controls=live)  # fmt: skip
    played = {n.pitch % 12 for _ in range(8) for n in source.next_phrase().notes}
    assert played <= {6, 8, 10, 11, 1, 3, 5}


@pytest.mark.parametrize("value", [-1, 10_001, 2.5, "many", True])
def test_a_bundle_that_asks_for_nonsense_is_refused_in_one_line(value, tmp_path: Path) -> None:
    path = write_tiny_query_bundle(tmp_path / "tiny").path
    bundle = load_bundle(path)
    bundle.manifest.defaults[KEY_SECTIONS] = value
    with pytest.raises(BundleError, match="key_sections must be a whole number") as caught:
        check_defaults(bundle)
    assert len(str(caught.value).splitlines()) == 1
