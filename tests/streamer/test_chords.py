"""Chord symbols, progressions and key plans are read, or refused in one line; what they ask."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.music.chords import QUALITIES, name_chord, read_chord, read_key
from streamer.music.harmony import Harmony, is_strong
from streamer.music.progressions import (
    EXAMPLES,
    KEY_EXAMPLES,
    MOST_FILE_BYTES,
    MOST_TEXT,
    read_key_plan,
    read_progression,
    text_or_file,
)
from streamer.settings.controls import Controls
from streamer.settings.harmony import HarmonyControls


def harmony(chords: str = "off", keys: str = "off", strength: float = 0.7) -> Harmony:
    return Harmony(read_progression(chords)[1], read_key_plan(keys)[1], strength)


@pytest.mark.parametrize(
    ("symbol", "tones"),
    [
        ("C", {0, 4, 7}),
        ("Cmaj", {0, 4, 7}),
        ("am", {9, 0, 4}),
        ("F#m", {6, 9, 1}),
        ("Bb", {10, 2, 5}),
        ("B♭m", {10, 1, 5}),
        ("G7", {7, 11, 2, 5}),
        ("Cmaj7", {0, 4, 7, 11}),
        ("CM7", {0, 4, 7, 11}),
        ("Cm7", {0, 3, 7, 10}),
        ("Bdim", {11, 2, 5}),
        ("B°7", {11, 2, 5, 8}),
        ("Bm7b5", {11, 2, 5, 9}),
        ("Eaug", {4, 8, 0}),
        ("E+", {4, 8, 0}),
        ("Dsus2", {2, 4, 9}),
        ("Dsus4", {2, 7, 9}),
        ("F6", {5, 9, 0, 2}),
        ("F6/9", {5, 9, 0, 2, 7}),
        ("G9", {7, 11, 2, 5, 9}),
        ("Cadd9", {0, 4, 7, 2}),
        ("C/E", {0, 4, 7}),
        ("C/Bb", {0, 4, 7, 10}),
        ("Am7/G", {9, 0, 4, 7}),
    ],
)
def test_a_symbol_means_its_pitch_classes(symbol, tones):
    chord = read_chord(symbol)
    assert chord is not None
    assert tones == {*chord.tones}


def test_the_bass_behind_a_slash_is_the_lowest_note_asked_for():
    chord = read_chord("c/e")
    assert chord is not None
    assert ("C/E", 0, 4, True) == (chord.symbol, chord.root, chord.bass, chord.slash)


@pytest.mark.parametrize(
    ("word", "symbol"),
    [
        ("CΔ7", "Cmaj7"), ("C°", "Cdim"), ("Cø", "Cm7b5"), ("CMAJ7", "Cmaj7"), ("F#-", "F#m"),
        ("b♭M7/f♯", "Bbmaj7/F#"), ("C6/9", "C69"), ("C6/9/E", "C69/E"), ("cmaj", "C"),
    ],
)  # fmt: skip
def test_a_symbol_is_kept_in_one_spelling_of_plain_letters(word, symbol):
    kept = read_chord(word)
    assert kept is not None
    assert symbol == kept.symbol
    assert kept == read_chord(symbol)


@pytest.mark.parametrize("word", ["N", "NC", "N.C.", "n.c."])
def test_no_chord_is_none(word):
    assert read_chord(word) is None


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("H7", "H7 is no chord"),
        ("Amx", "Amx is no chord"),
        ("", "is no chord"),
        ("C/H", "H is no bass note"),
        ("C/", "is no bass note"),
        ("C/Gm", "has no bass note"),
        ("Am\x1b[31m", r"Am\x1b[31m is no chord"),
        ("A" + "m" * 4000, "is no chord"),
    ],
)
def test_what_is_no_symbol_is_named_in_one_short_line(word, said):
    with pytest.raises(ValueError, match="no ") as caught:
        read_chord(word)
    line = str(caught.value)
    assert said in line
    assert line.isprintable()
    assert len(line) < 160


@pytest.mark.parametrize(
    ("word", "root", "scale"),
    [
        ("C", 0, "major"), ("Am", 9, "minor"), ("f#m", 6, "minor"), ("Bb", 10, "major"),
        ("D-dorian", 2, "dorian"), ("A-harmonic-minor", 9, "harmonic-minor"),
    ],
)  # fmt: skip
def test_a_key_is_a_root_and_a_scale(word, root, scale):
    key = read_key(word)
    assert key is not None
    assert (root, scale) == (key.root, key.scale)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("root", ["C", "F#", "Bb"])
def test_what_is_held_is_named_and_the_name_means_what_is_held(quality, root):
    chord = read_chord(root + quality)
    assert chord is not None
    name = name_chord(frozenset(chord.tones), chord.bass)
    assert name is not None
    again = read_chord(name)
    assert again is not None
    assert chord.tones == again.tones
    assert chord.bass == again.bass


@pytest.mark.parametrize("text", [*EXAMPLES, "Am:2 F:1.5", "| Am F | C |", '"Am7" "D7" %', "N Am"])
def test_what_is_kept_of_chords_means_the_same_when_it_is_read_again(text):
    kept, chords = read_progression(text)
    assert (kept, chords) == read_progression(kept)
    assert (kept, chords) == read_progression(text.lower())


@pytest.mark.parametrize("text", KEY_EXAMPLES)
def test_what_is_kept_of_keys_means_the_same_when_it_is_read_again(text):
    kept, keys = read_key_plan(text)
    assert (kept, keys) == read_key_plan(kept)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Am:0", "Am:0 holds for no beats in 0.125..64"),
        ("Am:x", "Am:x holds"),
        ("Am:nan", "Am:nan holds"),
        ("Am:inf", "Am:inf holds"),
        ("Am:1e9", "Am:1e9 holds"),
        ("%", "there is none"),
        ("Am " * 300, "300 chords"),
        ("Am" * MOST_TEXT, "may have 1000"),
        ("| | |", "0 chords"),
        ("F#m7b5/B " + "% " * 200, "may have 1000"),
        ("Am|" * 250, "may have 1000"),
    ],
)
def test_chords_that_cannot_be_are_refused(text, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        read_progression(text)


@pytest.mark.parametrize("text", ["C/0", "C/99", "C/x", "C/-1", "C/٣", "H", "/4", "D_dorian"])
def test_keys_that_cannot_be_are_refused(text):
    with pytest.raises(ValueError, match="no "):
        read_key_plan(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("C|" * 250, "written out it has 1001 characters, and may have 1000"),
        ("Cmaj7 " + "% " * 240, "written out it has 1445 characters, and may have 1000"),
    ],
)
def test_chords_that_are_too_long_once_written_out_are_refused_at_the_update(text, said):
    assert len(text) <= MOST_TEXT
    with pytest.raises(ValueError, match=said):
        Controls().with_changes({"chords": text})


def test_beats_are_kept_as_they_are_read_again():
    kept, chords = read_progression("Am:.3333333 F:0.12499999")
    assert "Am:0.3333333 F:0.125" == kept
    assert (kept, chords) == read_progression(kept)


WORDS = (
    "C",
    "Cmaj7",
    "F#m7b5/B",
    "CΔ",
    "B♭°",
    "N",
    "%",
    "|",
    "Am:2",
    "F:.3333333",
    "C/64",
    "D-dorian",
)


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=300).map(" ".join))
@example("F#m7b5/B " + "% " * 200)
@example("CΔ|" * 166)
def test_any_text_is_chords_or_one_line(text):
    for read in (read_progression, read_key_plan):
        line, kept = "", ""
        try:
            kept, _ = read(text)
        except ValueError as error:
            line = str(error)
        assert line.isprintable()
        assert kept.isascii()
        assert len(kept) <= MOST_TEXT
        assert not kept or read(text) == read(kept)


@pytest.mark.parametrize("value", [3, None, True, ["Am"], {"a": 1}, b"Am"])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(ValueError, match="chords must be chords"):
        Controls().with_changes({"chords": value})


def test_a_file_is_its_lines_without_those_that_are_marked(tmp_path):
    path = tmp_path / "song.txt"
    path.write_text("# verse\nAm F\n  #chorus\nC#m # the bridge\nG #\n")
    assert "Am F C#m G" == text_or_file(str(path))
    assert "Am F" == text_or_file("Am F")


@pytest.mark.parametrize(
    "content", [None, b"\xff\xfe\x00\xd8", b"Am " * 40_000, b"", b" \n# Am F\n"]
)
def test_a_file_that_cannot_be_is_one_line(content, tmp_path):
    path = tmp_path / "song.chords"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="must be a file"):
        text_or_file(str(path))


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**32)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_pipe, "it is no plain file"),
        (_device, "it is no plain file"),
        (Path.mkdir, "it is no plain file"),
        (_huge, f"longer than {MOST_FILE_BYTES} bytes"),
    ],
)
def test_what_is_no_file_of_text_is_one_line_and_never_a_hang(make, said, tmp_path):
    path = tmp_path / "song.txt"
    make(path)
    with pytest.raises(ValueError, match="must be a file that can be read") as caught:
        text_or_file(str(path))
    assert said in str(caught.value)


def test_a_folder_of_nobody_is_one_line():
    with pytest.raises(ValueError, match="No such file"):
        text_or_file("~nosuch_user/song.txt")


@pytest.mark.parametrize(
    "name", ["a\nb\x1b[31m.txt", "a\udcff.txt", "a\0.txt", "a" * 9000 + ".txt"]
)
def test_a_name_is_shown_in_one_short_line_that_no_terminal_obeys(name):
    with pytest.raises(ValueError, match="must be a file") as caught:
        text_or_file(name)
    line = str(caught.value)
    assert line.isprintable()
    assert line.isascii()
    assert len(line) < 200


def symbols(chords: str, beats: list[float], bar_beats: float = 4.0) -> list[str | None]:
    found = [harmony(chords).place(beat, bar_beats).chord for beat in beats]
    return [None if chord is None else chord.symbol for chord in found]


def test_a_chord_holds_for_a_bar_and_the_last_is_followed_by_the_first():
    assert ["Am", "Am", "F", "C", "G", "Am"] == symbols("Am F C G", [0, 3.5, 4, 8, 15, 16])
    assert ["Am", "F", "Am"] == symbols("Am F", [2.5, 3, 6], bar_beats=3.0)


def test_beats_are_counted_where_they_are_given():
    assert ["Am", "F", "F", "C", "Am"] == symbols("Am:1 F:2 C:1", [0, 1, 2.5, 3, 4])


def test_chords_between_bar_lines_share_the_bar():
    assert ["Am", "F", "C", "Am"] == symbols("| Am F | C |", [0, 2, 4, 8])


def test_no_chord_leaves_the_music_alone():
    assert [None, "Am"] == symbols("N Am", [0, 4])
    assert not harmony("N Am").nats(np.arange(4.0), 4.0).any()


def test_far_from_the_beginning_the_same_holds():
    assert symbols("Am F C G", [4.0, 9.5]) == symbols("Am F C G", [16e6 + 4.0, 16e6 + 9.5])


def test_a_note_a_little_before_a_chord_begins_is_in_it():
    assert ["F", "Am"] == symbols("Am F", [3.9, 3.5])


def test_strong_are_the_first_beat_and_the_middle_of_a_bar_of_four():
    beats = np.arange(0, 6, 0.5)
    assert [0, 2, 4] == beats[is_strong(beats, 4.0)].tolist()
    assert [0, 3] == beats[is_strong(beats, 3.0)].tolist()


def test_on_strong_beats_chord_tones_fit_and_elsewhere_the_scale_does():
    strong, weak = harmony("Am F C G").nats(np.array([0.0, 1.0]), 4.0)
    assert [0, 4, 9] == np.flatnonzero(strong == 0).tolist()
    assert [0, 4, 9] == np.flatnonzero(weak == 0).tolist()
    assert weak[2] > weak[1]
    assert weak[2] > strong[2]


def test_where_a_chord_begins_is_strong():
    nats = harmony("Am:1 F:3").nats(np.array([1.0]), 4.0)[0]
    assert [0, 5, 9] == np.flatnonzero(nats == 0).tolist()


@pytest.mark.parametrize("strength", [0.1, 0.5, 0.9])
def test_the_stronger_the_more_is_lost(strength):
    weaker, stronger = (
        harmony("Am F", strength=s).nats(np.array([0.0]), 4.0) for s in (strength / 2, strength)
    )
    assert (stronger <= weaker).all()
    assert stronger.sum() < weaker.sum()
    assert np.isfinite(stronger).all()


def test_at_full_strength_it_is_law():
    strong, weak = harmony("Am F", strength=1.0).nats(np.array([0.0, 1.0]), 4.0)
    assert [0, 4, 9] == np.flatnonzero(np.isfinite(strong)).tolist()
    assert 3 <= np.isfinite(weak).sum() < 12


def test_a_chord_from_outside_the_key_brings_its_own_tones_and_leaves_out_their_neighbours():
    weak = harmony("Am Dm E Am").nats(np.array([9.0]), 4.0)[0]
    assert weak[8] == 0  # G sharp
    assert weak[7] < weak[2]  # G, as against D


def test_a_key_alone_asks_for_its_scale():
    nats = harmony(keys="C/2 F").nats(np.array([0.0, 7.0, 8.0]), 4.0)
    assert [0, 2, 4, 5, 7, 9, 11] == np.flatnonzero(nats[0] == 0).tolist()
    assert (nats[0] == nats[1]).all()
    assert nats[2][10] == 0 > nats[2][11]


def test_low_notes_mind_the_bass():
    nats = harmony("C/E").pitch_nats(np.array([0.0]), 4.0, range(36, 84))[0]
    assert nats[40 - 36] == 0 > nats[36 - 36]
    assert nats[60 - 36] == 0


def test_chords_are_kept_with_the_controls_as_they_are_usually_written():
    controls = Controls.from_values({"chords": " am  f:2 ", "keys": "bb/2"})
    assert "Am F:2" == controls.of(HarmonyControls).chords
    assert "Bb/2" == controls.of(HarmonyControls).keys
    assert "off" == controls.with_changes({"chords": ""}).value("chords")
