"""``perpetuo interpolate`` and ``perpetuo restyle``, from files to a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

from streamer.bundle.bundle import Bundle
from streamer.cli import main
from streamer.families.bands.bandfile import read_band
from streamer.families.bands.codec import BAR_STEPS, HOLD, PITCHES, SILENCE, sounding_pitches
from streamer.families.bands.editing.editor import BandEditor, likeliest
from streamer.families.bands.editing.interpolating import interpolate
from streamer.families.bands.editing.restyling import (
    LatentGaussian,
    gaussian_of_song,
    restyle,
    z_score_transfer,
)
from tests.bandbundles import write_tiny_band_bundle
from tests.bandsongs import song_file
from tests.bundles import write_tiny_bundle


@pytest.fixture(scope="module")
def band(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_band_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("songs")
    song_file(folder / "a.mid", 1)
    song_file(folder / "b.mid", 2, bars=12)
    return folder / "a.mid", folder / "b.mid"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    config = tmp_path / "plain.toml"
    config.write_text("[expression]\nenabled = false\n")
    return config


def heard(states: Any) -> Any:
    return sounding_pitches(states)


def run(verb: str, band: Bundle, out: Path, *arguments: Any) -> int:
    return main([verb, *map(str, arguments), "-o", str(out), "--model", str(band.path)])


def test_an_interpolation_begins_with_the_one_song_and_ends_with_the_other(
    band: Bundle, songs: tuple[Path, Path], tmp_path: Path, plain: Path
) -> None:
    out = tmp_path / "o.mid"
    more = ("--steps", 4, "--from-bar", "2,5", "--config", plain)
    assert run("interpolate", band, out, *songs, *more) == 0
    editor = BandEditor(band)
    found = read_band(out)
    assert found.bars == 8
    for song, bar, part in ((songs[0], 1, slice(0, 32)), (songs[1], 4, slice(96, 128))):
        window = editor.windows(editor.read(song), bar, 1)
        own = editor.play(editor.encode(window)).states[0]
        assert np.array_equal(heard(found.states[part])[:, 1:], heard(own)[:, 1:])
    messages = [m for track in mido.MidiFile(out).tracks for m in track]
    assert {m.channel for m in messages if m.type == "note_on"} == {9, 0, 1, 2}


def test_between_two_songs_lie_the_latents_between_theirs(
    band: Bundle, songs: tuple[Path, Path]
) -> None:
    editor = BandEditor(band)
    pieces = (editor.read(songs[0]), editor.read(songs[1]))
    found = interpolate(editor, pieces, (0, 0), 3, windows=2)
    assert found.z.shape == (3, 2, 6)
    assert found.z[1] == pytest.approx((found.ends[0] + found.ends[1]) / 2, abs=1e-6)
    assert len(found.passages) == 6
    with pytest.raises(ValueError, match="steps must be 2 or more"):
        interpolate(editor, pieces, (0, 0), 1)


def test_tempo_glides_and_programmes_change_in_the_middle(
    band: Bundle, songs: tuple[Path, Path], tmp_path: Path
) -> None:
    slow = tmp_path / "slow.mid"
    file = mido.MidiFile(songs[1])
    file.tracks[0].insert(0, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(60)))
    file.tracks[2][0] = file.tracks[2][0].copy(program=38)
    file.save(slow)
    report = tmp_path / "r.json"
    more = ("--steps", 5, "--json", report)
    assert run("interpolate", band, tmp_path / "o.mid", songs[0], slow, *more) == 0
    path = json.loads(report.read_text())["path"]
    assert [row["bpm"] for row in path] == pytest.approx([120, 100.9, 84.85, 71.35, 60], abs=0.1)
    assert [row["programs"][1] for row in path] == [33, 33, 38, 38, 38]
    assert [row["alpha"] for row in path] == [0, 0.25, 0.5, 0.75, 1]
    assert all(0 <= row["from_first"] <= 1 and row["nats"] > 0 for row in path)


def test_a_song_is_taken_from_where_all_four_tracks_play(band: Bundle, tmp_path: Path) -> None:
    song_file(tmp_path / "a.mid", 1)
    file = mido.MidiFile(tmp_path / "a.mid")
    strings = file.tracks[4]
    kept = [m for m in strings if m.type not in ("note_on", "note_off")]
    # Strings from bar 5 on.
    kept += [mido.Message("note_on", channel=3, note=70, time=4 * 1920)]
    kept += [mido.Message("note_off", channel=3, note=70, time=4 * 1920)]
    strings[:] = kept
    file.save(tmp_path / "late.mid")
    editor = BandEditor(band)
    assert editor.fullest_bar(editor.read(tmp_path / "late.mid")) == 3


def test_restyling_by_nothing_is_the_song_as_the_bundle_hears_it(
    band: Bundle, songs: tuple[Path, Path], tmp_path: Path, plain: Path
) -> None:
    out = tmp_path / "o.mid"
    more = ("--style", "rock", "--strength", 0, "--config", plain)
    assert run("restyle", band, out, songs[0], *more) == 0
    editor = BandEditor(band)
    piece = editor.read(songs[0])
    own = editor.play(editor.encode(editor.windows(piece, 0, 4))).states
    found = read_band(out)
    assert found.bars == piece.bars
    assert np.array_equal(heard(found.states)[:32, 1:], heard(own[0])[:, 1:])
    assert found.programs == piece.programs


def test_restyling_wholly_goes_to_the_genre_and_keeps_what_sets_windows_apart(
    band: Bundle, songs: tuple[Path, Path]
) -> None:
    editor = BandEditor(band)
    piece, rock = editor.read(songs[0]), editor.genre("rock")
    found = restyle(editor, piece, rock, 1.0)
    # The song's middle goes to the genre's, but for what one more window of all music weighs.
    assert found.moved[:, :2].mean(0) == pytest.approx(
        np.asarray(rock.mean[:2]) + np.sqrt(0.1) * found.z[:, :2].mean(0) / (len(found.z) + 1),
        abs=1e-5,
    )
    assert len({tuple(row) for row in found.moved.round(4).tolist()}) == len(found.z)
    assert found.passages[0].bpm == pytest.approx(150.0)
    assert list(found.passages[0].programs) == rock.programs
    with pytest.raises(ValueError, match=r"strength must be in range 0\.\.1"):
        restyle(editor, piece, rock, 1.5)


def test_the_middle_of_a_short_song_is_drawn_to_that_of_all_music() -> None:
    every = LatentGaussian(np.zeros(2), np.full(2, 4.0))
    assert gaussian_of_song(np.ones((1, 2)), every).mean.tolist() == [0.5, 0.5]
    assert gaussian_of_song(np.ones((9, 2)), every).mean.tolist() == [0.9, 0.9]
    assert gaussian_of_song(np.ones((9, 2)), every).variance.tolist() == [4.0, 4.0]


def test_what_is_carried_over_lies_there_as_it_lay_here() -> None:
    here = LatentGaussian(np.array([0.0, 1.0]), np.array([4.0, 1.0]))
    there = LatentGaussian(np.array([5.0, -1.0]), np.array([1.0, 1.0]))
    z = np.array([[0.0, 1.0], [2.0, 3.0]])
    assert z_score_transfer(z, here, there).tolist() == [[5.0, -1.0], [6.0, 1.0]]


def test_a_track_that_rests_in_the_song_rests_in_another_genre_too(
    band: Bundle, tmp_path: Path
) -> None:
    song_file(tmp_path / "a.mid", 1)
    editor = BandEditor(band)
    piece = editor.read(tmp_path / "a.mid")
    piece.states[2 * BAR_STEPS : 4 * BAR_STEPS, 1] = SILENCE
    found = restyle(editor, piece, editor.genre("jazz"), 1.0)
    assert (found.played.states[1, :, 1] == SILENCE).all()
    assert (found.played.states[0, :, 1] != SILENCE).any()


def test_a_song_of_an_odd_bar_ends_where_it_ended(
    band: Bundle, tmp_path: Path, plain: Path
) -> None:
    song_file(tmp_path / "a.mid", 1, bars=5)
    more = ("--style", "jazz", "--json", tmp_path / "r.json", "--config", plain)
    assert run("restyle", band, tmp_path / "o.mid", tmp_path / "a.mid", *more) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert [row["bar"] for row in report["windows"]] == [1, 3, 5]
    assert report["duration_s"] == pytest.approx(5 * 4 * 60 / report["bpm_restyled"], abs=0.01)


def test_strikes_whose_pitch_is_in_doubt_are_not_lost_to_hold() -> None:
    shown = np.zeros((1, 130), np.float32)
    shown[0, [40, 41, 42]] = 0.2
    shown[0, HOLD] = 0.4
    assert likeliest(shown).tolist() == [40]
    shown[0, SILENCE] = 0.7
    assert likeliest(shown).tolist() == [SILENCE]
    assert PITCHES == HOLD


@pytest.mark.parametrize("verb", ["interpolate", "restyle"])
def test_a_picture_is_drawn(
    verb: str, band: Bundle, songs: tuple[Path, Path], tmp_path: Path
) -> None:
    plot = tmp_path / "p.png"
    more = ("--style", "rock") if verb == "restyle" else (songs[1], "--steps", 9)
    assert run(verb, band, tmp_path / "o.mid", songs[0], *more, "--plot", plot) == 0
    assert plot.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("verb", ["interpolate", "restyle"])
def test_without_matplotlib_a_picture_costs_one_line_and_nothing_is_written(
    verb: str,
    band: Bundle,
    songs: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("streamer.families.bands.editing.picture.entry_points", lambda **_: ())
    more = ("--style", "rock") if verb == "restyle" else (songs[1],)
    assert run(verb, band, tmp_path / "o.mid", songs[0], *more, "--plot", tmp_path / "p.png") == 1
    err = capsys.readouterr().err
    assert "--plot needs matplotlib: make -C" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "o.mid").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"without": ("drums",)}, "no track plays drums"),
        ({"without": ("bass",)}, "no track plays bass"),
        ({"metres": ((3, 4),)}, "it is in 3/4; 4/4 is wanted"),
        ({"metres": ((4, 4), (3, 4))}, "2 time signatures; one is wanted"),
        ({"bars": 1}, "1 bars; at least 2"),
    ],
)
@pytest.mark.parametrize("verb", ["interpolate", "restyle"])
def test_a_song_that_is_no_band_is_one_line_and_nothing_is_written(
    verb: str,
    options: dict[str, Any],
    said: str,
    band: Bundle,
    songs: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    song_file(tmp_path / "bad.mid", 1, **options)
    more = ("--style", "rock") if verb == "restyle" else (songs[1],)
    assert run(verb, band, tmp_path / "o.mid", tmp_path / "bad.mid", *more) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.startswith(f"perpetuo {verb}: ")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "o.mid").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("a.mid", "b.mid", "--steps", "1"), 2, "steps must be a whole number in range 2..200"),
        (("a.mid", "b.mid", "--from-bar", "0"), 2, "must be one or two bars of 1 or more"),
        (("a.mid", "b.mid", "--from-bar", "8"), 1, "--from-bar must be in range 1..7 for 2 bars"),
        (("a.mid", "b.mid", "--windows", "5"), 1, "8 bars; 10 are wanted: ask for fewer"),
        (("a.mid", "none.mid"), 1, "none.mid: No such file or directory"),
        (
            ("a.mid", "broken.mid"),
            1,
            "broken.mid: not a MIDI file: it begins with 6e 6f 20 6d and not with MThd",
        ),
        (("a.mid", "b.mid", "-o", "no/o.mid"), 1, "there is no folder no"),
        (("a.mid", "b.mid", "--plot", "no/o.png"), 1, "there is no folder no"),
    ],
)
def test_what_cannot_be_interpolated_is_one_line(
    arguments: tuple[str, ...],
    status: int,
    said: str,
    band: Bundle,
    songs: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for song in songs:
        Path(song.name).write_bytes(song.read_bytes())
    Path("broken.mid").write_text("no music")
    command = ["interpolate", *arguments, "--model", str(band.path)]
    if "-o" not in arguments:
        command += ["-o", "o.mid"]
    assert main(command) == status
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert not Path("o.mid").exists()


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        (("--style", "jaz"), 1, "has no genre 'jaz'; did you mean jazz? it has jazz, latin, rock"),
        (("--style", "polka"), 1, "has no genre 'polka'; it has jazz, latin, rock"),
        (("--style", "rock", "--strength", "2"), 2, "strength must be in range 0..1, not 2"),
        ((), 2, "--style"),
    ],
)
def test_what_cannot_be_restyled_is_one_line(
    more: tuple[str, ...],
    status: int,
    said: str,
    band: Bundle,
    songs: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("restyle", band, tmp_path / "o.mid", songs[0], *more) == status
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "o.mid").exists()


def test_a_bundle_that_is_no_band_is_one_line(
    songs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_tiny_bundle(tmp_path)
    assert run("restyle", other, tmp_path / "o.mid", songs[0], "--style", "rock") == 1
    err = capsys.readouterr().err
    assert "bundle tiny is no band of four tracks (family chain)" in err
    assert len(err.splitlines()) == 1
