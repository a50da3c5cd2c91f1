"""Keys that move slowly to their neighbours: the walk by itself, and in every family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.generators.harmony import KeyWalk
from streamer.music.chords import Key
from streamer.pipeline import Source, open_source
from streamer.service.drawn import drawn_by
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.expression import ExpressionSettings
from streamer.settings.settings import ModelSettings, Settings
from streamer.system.snapshots import put_back, taken
from tests.everybundle import MAKERS

PENTATONIC = {"keys": "C-pentatonic", "chord_strength": 1.0}


def asked(drift: float = 20.0, **more) -> Controls:
    return Controls.from_values({**PENTATONIC, "harmony_drift": drift, **more})


def walked(controls: Controls, seconds: range, seed: int = 1) -> list[Key | None]:
    """Return the key of each phrase that begins at these seconds of the generator's own time."""
    walk, rng = KeyWalk(), np.random.default_rng(seed)
    found = []
    for now in seconds:
        walk.go_on(controls, 1000.0 * now, rng)
        found.append(walk.key(controls))
    return found


def moved(keys: list[Key | None]) -> list[Key]:
    """Return the keys one after the other, each once."""
    found: list[Key] = []
    for key in keys:
        assert key is not None
        if not found or found[-1] != key:
            found.append(key)
    return found


@pytest.mark.parametrize("keys", ["C-pentatonic", "Am", "D-dorian", "off", "E-harmonic-minor"])
def test_each_move_changes_one_note_or_two(keys):
    found = moved(walked(asked(keys=keys), range(0, 4000, 20)))
    assert len(found) == 200
    for before, after in zip(found[:-1], found[1:], strict=True):
        assert 1 <= len({*after.tones} - {*before.tones}) <= 2


def test_it_sets_out_from_the_first_key_and_does_not_go_straight_back():
    found = moved(walked(asked(), range(0, 4000, 20)))
    assert found[0] == Key("C-pentatonic", 0, "pentatonic")
    assert all(a != c for a, c in zip(found[:-2], found[2:], strict=True))


def test_it_comes_through_all_keys_and_runs_in_no_circle():
    roots = [key.root for key in moved(walked(asked(), range(0, 20_000, 20)))]
    assert {*roots} == {*range(12)}
    assert roots[:500] != roots[500:1000]


def test_a_key_holds_for_the_seconds_that_are_heard():
    """Music that is played at half its speed lasts twice as long."""
    assert len(moved(walked(asked(20.0), range(0, 120, 5)))) == 6
    assert len(moved(walked(asked(20.0, tempo_scale=0.5), range(0, 120, 5)))) == 12


def test_without_drift_nothing_is_drawn_and_the_keys_hold_as_they_are_written():
    rng = np.random.default_rng(1)
    before = rng.bit_generator.state
    walk = KeyWalk()
    for now in range(100):
        walk.go_on(asked(0.0), 1e6 * now, rng)
    assert walk.key(asked(0.0)) is None
    assert rng.bit_generator.state == before


def test_chords_that_are_set_hold_as_they_are_written():
    assert {*walked(asked(chords="Am F"), range(0, 400, 20))} == {None}


@pytest.mark.parametrize("keys", ["C-whole-tone", "C-octatonic"])
def test_a_scale_without_neighbours_stays(keys):
    assert len(moved(walked(asked(keys=keys), range(0, 400, 20)))) == 1


def test_a_key_that_is_set_is_where_it_sets_out_from_anew():
    walk, rng = KeyWalk(), np.random.default_rng(1)
    for now in range(0, 400, 20):
        walk.go_on(asked(), 1000.0 * now, rng)
    other = asked(keys="F#-pentatonic")
    assert walk.key(other) == Key("F#-pentatonic", 6, "pentatonic")
    walk.go_on(other, 400_000.0, rng)
    assert walk.key(other) == Key("F#-pentatonic", 6, "pentatonic")


def test_another_seed_takes_another_way_and_the_same_seed_the_same():
    one, again, other = (walked(asked(), range(0, 2000, 20), seed) for seed in (1, 1, 2))
    assert one == again != other


def test_it_is_written_down_and_put_back():
    walk, other = KeyWalk(), KeyWalk()
    rng = np.random.default_rng(1)
    for now in range(0, 400, 20):
        walk.go_on(asked(), 1000.0 * now, rng)
    put_back(other, taken(walk))
    assert other.key(asked()) == walk.key(asked()) != KeyWalk().key(asked())


def opened(path: Path, name: str, query: Path, controls: Controls, **more) -> Source:
    wanted = ModelSettings(model=str(path), seed=3, query=query if name == "query" else None)
    stages = Settings(model=wanted, expression=ExpressionSettings(enabled=False))
    return open_source(settings=stages, controls=LiveControls(controls), **more)


@pytest.mark.parametrize("name", MAKERS)
def test_every_family_leaves_the_first_key(name, bundles, query):
    """Each phrase is in one pentatonic scale, and in the end it is another than at first."""
    source = opened(bundles[name], name, query, asked(0.5, again=0.0, recall=0.0))
    foreign = set()
    for _ in range(12):
        pitched = [note.pitch % 12 for note in source.next_phrase().notes if not note.unpitched]
        foreign |= {*pitched} - {0, 2, 4, 7, 9}
    assert foreign


@pytest.mark.parametrize("name", MAKERS)
def test_a_bookmark_and_going_back_keep_the_way(name, bundles, query):
    source = opened(bundles[name], name, query, asked(0.5), shelved=True)
    for _ in range(4):
        source.next_phrase()
    mark, held = source.mark(), source.place(source.look())
    phrase = source.next_phrase()
    source.shelve(phrase, held)
    pitches = [[n.pitch for n in phrase.notes]]
    pitches += [[n.pitch for n in source.next_phrase().notes] for _ in range(4)]
    source.go_back(mark)
    assert pitches == [[n.pitch for n in source.next_phrase().notes] for _ in range(5)]
    assert source.shelf is not None
    bookmark = source.shelf.at(phrase.start_ms)
    assert bookmark is not None
    controls = Controls.from_values(bookmark.controls)
    other = opened(bundles[name], name, query, controls, resume=bookmark)
    assert pitches == [[n.pitch for n in other.next_phrase().notes] for _ in range(5)]


def test_what_is_written_ahead_is_drawn_again_when_the_drift_changes():
    assert drawn_by(asked(20.0)) != drawn_by(asked(0.0))
