"""Every family is drawn to chords: on strong beats, soon, and the same again."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer import cli
from streamer.generators.harmony import harmony_of
from streamer.pipeline import Source, open_source
from streamer.service.drawn import drawn_by
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.expression import ExpressionSettings
from streamer.settings.settings import ModelSettings, Settings
from tests.everybundle import MAKERS

CHORDS = "Am F C G"
LAW = {"chords": CHORDS, "chord_strength": 1.0}
PHRASES = 8

LAW_SHARE = {"chain": 1.0, "tunes": 0.97, "draw": 1.0, "query": 1.0, "band": 1.0}
"""Of the notes on strong beats, chord tones at strength 1. A tune closes on a note that is as long
as it is."""


def opened(
    path: Path, name: str, query: Path, live: LiveControls, *, plays: bool = False, **more
) -> Source:
    wanted = ModelSettings(model=str(path), seed=3, query=query if name == "query" else None)
    plain = ExpressionSettings(enabled=plays)
    return open_source(settings=Settings(model=wanted, expression=plain), controls=live, **more)


def strong_notes(source: Source, phrases: int = PHRASES) -> list[bool]:
    """Play phrases; return of each note on a strong beat whether it is a chord tone."""
    harmony = harmony_of(Controls.from_values(LAW))
    assert harmony is not None
    found = []
    for _ in range(phrases):
        phrase = source.next_phrase()
        tune = getattr(source.generator, "_tune", None)
        for note in phrase.notes:
            if note.unpitched:
                continue
            bar = source.generator.bar_beats or 4.0
            if phrase.grid is None:
                beat = note.onset_ms / 500.0
            elif tune is not None:
                beat = (note.onset_ms - tune.start_ms) / phrase.grid.beat_ms
            else:
                since = (note.onset_ms - phrase.start_ms) / phrase.grid.beat_ms
                beat = phrase.grid.beat + since
            place = harmony.place(beat, bar, 0.05)
            if place.strong and place.chord is not None:
                found.append(note.pitch % 12 in place.chord.tones)
    return found


@pytest.mark.parametrize("name", MAKERS)
def test_at_full_strength_chord_tones_are_law_on_strong_beats(name, bundles, query):
    live = LiveControls(Controls.from_values(LAW))
    found = strong_notes(opened(bundles[name], name, query, live))
    assert len(found) >= 10
    assert sum(found) / len(found) >= LAW_SHARE[name]


@pytest.mark.parametrize("name", MAKERS)
def test_without_chords_there_are_fewer_chord_tones(name, bundles, query):
    found = strong_notes(opened(bundles[name], name, query, LiveControls()))
    assert sum(found) / len(found) < 0.75


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    "controls", [{"chord_strength": 0.2}, {"chords": CHORDS, "chord_strength": 0.0}]
)
def test_what_asks_for_nothing_changes_nothing(name, controls, bundles, query):
    plain = opened(bundles[name], name, query, LiveControls())
    asked = opened(bundles[name], name, query, LiveControls(Controls.from_values(controls)))
    for _ in range(4):
        assert plain.next_phrase().notes == asked.next_phrase().notes


@pytest.mark.parametrize("name", MAKERS)
def test_a_change_of_chords_is_in_what_is_drawn_again(name, bundles, query):
    live = LiveControls()
    source = opened(bundles[name], name, query, live)
    for _ in range(2):
        source.next_phrase()
    old = source.next_phrase()
    trail = source.trail
    live.update(**LAW)
    assert source.cut(trail, old, old.start_ms + 1.0)
    rest = [note for _ in range(3) for note in source.next_phrase().notes]
    before = [note for note in old.notes if note.onset_ms >= rest[0].onset_ms]
    assert [note.pitch for note in before] != [note.pitch for note in rest[: len(before)]]


@pytest.mark.parametrize("name", MAKERS)
def test_a_stream_with_chords_goes_back_and_on_from_a_bookmark(name, bundles, query):
    source = opened(bundles[name], name, query, LiveControls(Controls.from_values(LAW)),
                    plays=True, shelved=True)  # fmt: skip
    for _ in range(3):
        source.next_phrase()
    mark, held = source.mark(), source.place(source.look())
    phrase = source.next_phrase()
    source.shelve(phrase, held)
    notes = [[(n.pitch, n.velocity) for n in phrase.notes]]
    notes += [[(n.pitch, n.velocity) for n in source.next_phrase().notes] for _ in range(3)]
    source.go_back(mark)
    again = [[(n.pitch, n.velocity) for n in source.next_phrase().notes] for _ in range(4)]
    assert notes == again
    assert source.shelf is not None
    bookmark = source.shelf.at(phrase.start_ms)
    assert bookmark is not None
    assert CHORDS == bookmark.controls["chords"]
    live = LiveControls(Controls.from_values(bookmark.controls))
    other = opened(bundles[name], name, query, live, plays=True, resume=bookmark)
    assert notes == [[(n.pitch, n.velocity) for n in other.next_phrase().notes] for _ in range(4)]


@pytest.mark.parametrize(
    "change", [{"chords": "Dm G"}, {"keys": "F"}, {"chord_strength": 0.9}, {"chords": "off"}]
)
def test_what_is_written_ahead_is_drawn_again_when_harmony_changes(change):
    before = Controls.from_values({"chords": CHORDS})
    assert drawn_by(before) != drawn_by(before.with_changes(change))


def test_chords_and_keys_are_options_of_render_and_a_file_is_one_too(tmp_path, bundles):
    song = tmp_path / "song.txt"
    song.write_text("# two bars\nAm F\n")
    outs = [tmp_path / name for name in ("a.mid", "b.mid")]
    for out, chords in zip(outs, ("Am F", str(song)), strict=True):
        arguments = ["--model", str(bundles["tunes"]), "--seed", "1", "--duration", "5"]
        assert 0 == cli.main(["render", str(out), *arguments, "--chords", chords, "--keys", "C/4"])
    assert outs[0].read_bytes() == outs[1].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--chords", "Am H7"], "H7 is no chord"),
        (["--keys", "C Q"], "Q is no key"),
        (["--chords", "none.txt"], "must be a file that can be read"),
        (["--set", "chords=X"], "X is no chord"),
    ],
)
def test_what_is_wrong_is_one_line_and_a_file_stays_as_it_was(arguments, said, tmp_path, capsys):
    out = tmp_path / "out.mid"
    out.write_bytes(b"mine")
    assert 2 == cli.main(["render", str(out), *arguments])
    line = capsys.readouterr().err
    assert said in line
    assert 1 == len(line.splitlines())
    assert b"mine" == out.read_bytes()


def test_a_settings_file_and_a_scene_hold_chords(tmp_path, capsys):
    path = tmp_path / "perpetuo.toml"
    path.write_text('[controls]\nchords = "Am H7"\n')
    assert 1 == cli.main(["render", str(tmp_path / "o.mid"), "--config", str(path)])
    assert "H7 is no chord" in capsys.readouterr().err
