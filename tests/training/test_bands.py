"""Band files: roles, the paper's conditions, licences, windows; genres on their circle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.cli import main
from streamer.errors import DataError
from streamer.families.bands.bandfile import track_roles
from streamer.families.bands.codec import HOLD, SILENCE, TRACKS, BandCodec, longest_silence
from streamer.midi.beatfile import read_beats
from tests.bandsongs import band_set, song_file
from training.families.bands.bandset import BandSet, cut_windows
from training.families.bands.genres import circle_of
from training.families.bands.reader import BandOptions, read_bands


def test_roles_follow_channel_and_programme(tmp_path: Path) -> None:
    song_file(tmp_path / "a.mid", 1, more=((5, 0), (6, 73)))
    roles = track_roles(read_beats(tmp_path / "a.mid"))
    assert [program for program, _ in roles["harmony"]] == [25, 0]
    assert [program for program, _ in roles["bass"]] == [33]
    # Flute and strings are one track: whatever is none of the others.
    assert [len(roles[role]) for role in TRACKS] == [1, 1, 2, 1]


def test_what_does_not_meet_the_conditions_is_left_out_and_counted(tmp_path: Path) -> None:
    for i in range(4):
        song_file(tmp_path / f"good {'abcd'[i]}.mid", i)
    song_file(tmp_path / "copy.mid", 0)
    song_file(tmp_path / "waltz.mid", 1, metres=((3, 4),))
    song_file(tmp_path / "moving.mid", 1, metres=((4, 4), (5, 4)))
    song_file(tmp_path / "no drums.mid", 1, without=("drums",))
    song_file(tmp_path / "no strings.mid", 1, without=("strings",))
    song_file(tmp_path / "short.mid", 1, bars=1)
    (tmp_path / "broken.mid").write_bytes(b"MThd?")
    bands = read_bands([tmp_path])
    assert bands.report["files"] == 11
    assert bands.report["kept"] == 4
    reasons = bands.report["reasons"]
    assert sum(reasons.values()) == 7
    assert {"duplicate", "metre", "metre-changes", "no-drums", "no-strings", "too-short"} < set(
        reasons
    )


def test_free_licences_are_taken_and_others_only_when_asked_for(tmp_path: Path) -> None:
    rows = ["file,genre,licence"]
    for i, licence in enumerate(["BSD-3-Clause", "Artistic-1.0", "GPL-2.0", "unclear", ""]):
        song_file(tmp_path / f"{'abcde'[i]}.mid", i)
        rows.append(f"{'abcde'[i]}.mid,Jazz; blues,{licence}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    free = read_bands([tmp_path])
    assert [piece.licence for piece in free.pieces] == ["BSD-3-Clause", "Artistic-1.0", ""]
    assert free.pieces[0].tags == ("jazz", "blues")
    assert free.report["reasons"] == {"licence": 2}
    unclear = read_bands([tmp_path], BandOptions(licences=("Unclear",)))
    assert [piece.licence for piece in unclear.pieces] == ["unclear"]


def test_every_combination_of_harmony_tracks_is_a_take_up_to_a_limit(tmp_path: Path) -> None:
    song_file(tmp_path / "a.mid", 1, more=((5, 0), (6, 4)))
    every = read_bands([tmp_path / "a.mid"])
    assert [(p.take, p.programs[2]) for p in every.pieces] == [(0, 25), (1, 0), (2, 4)]
    assert every.summary()["a.mid"]["pieces"] == 1
    one = read_bands([tmp_path / "a.mid"], BandOptions(takes=1))
    assert len(one) == 1
    assert one.report["takes_left_out"] == 2


def test_states_of_a_file_are_what_it_plays(tmp_path: Path) -> None:
    song_file(tmp_path / "a.mid", 0)
    song = read_bands([tmp_path]).song(0)
    assert song[:6].tolist() == [
        [36, 36, 60, 67],
        [SILENCE, HOLD, HOLD, HOLD],
        [SILENCE, 37, HOLD, HOLD],
        [SILENCE, HOLD, HOLD, HOLD],
        [38, 38, 60, HOLD],
        [SILENCE, HOLD, HOLD, HOLD],
    ]
    # Of the chord of 60 and 64 the lower note alone.
    assert set(np.unique(song[:, 2])) == {60, HOLD}


def test_windows_begin_at_every_bar_and_a_track_may_rest_for_one(tmp_path: Path) -> None:
    bands = band_set(1)
    codec = BandCodec(4, 32)
    whole = cut_windows(bands, [0], codec)
    assert len(whole) == 7
    assert whole.dropped == {}
    bands.song(0)[16:33, 3] = SILENCE
    one_rest = cut_windows(bands, [0], codec)
    # A rest of 17 steps: bars 1-2 hold all of it, and bars 0-1 sixteen steps.
    assert one_rest.dropped == {"silent-strings": 1}
    assert longest_silence(bands.song(0)[None])[0].tolist() == [1, 0, 0, 17]


def test_equal_windows_are_taken_once_and_releases_merge_repeats() -> None:
    bands = band_set(1)
    song = bands.song(0)
    song[16:] = np.tile(song[:16], (len(song) // 16 - 1, 1))
    kept = cut_windows(bands, [0], BandCodec(4, 32))
    assert len(kept) == 1
    assert kept.dropped == {"repeated": 6}
    release = cut_windows(bands, [0], BandCodec(4, 32, "release"))
    assert (release.states == HOLD).sum() > (kept.states == HOLD).sum()


def test_a_band_file_is_read_back_as_it_was_and_others_are_refused(tmp_path: Path) -> None:
    before = band_set(4)
    before.save(tmp_path / "b.npz")
    after = BandSet.load(tmp_path / "b.npz")
    assert np.array_equal(after.states, before.states)
    assert after.pieces == before.pieces
    np.savez(tmp_path / "other.npz", meta=np.frombuffer(b'{"kind": "scores"}', np.uint8))
    with pytest.raises(DataError, match="holds scores, not bands; make some with perpetuo"):
        BandSet.load(tmp_path / "other.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "b.npz").read_bytes()[:500])
    with pytest.raises(DataError, match="not a whole band file"):
        BandSet.load(tmp_path / "cut.npz")
    with pytest.raises(DataError, match="no such band file"):
        BandSet.load(tmp_path / "none.npz")


def test_the_command_tells_what_it_took(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        song_file(tmp_path / "midi" / f"{'abc'[i]}.mid", i)
    song_file(tmp_path / "midi" / "waltz.mid", 1, metres=((3, 4),))
    out = str(tmp_path / "b.npz")
    assert main(["prepare", "bands", str(tmp_path / "midi"), "-o", out]) == 0
    told = capsys.readouterr().out
    assert "4 files: 3 kept, 1 metre" in told
    assert "windows of 2 bars" in told
    assert main(["prepare", "bands", str(tmp_path / "midi" / "waltz.mid"), "-o", out]) == 1
    assert "no four-track song in 4/4 (1 metre)" in capsys.readouterr().err


def test_related_genres_are_neighbours_and_an_unknown_one_lies_with_its_companions() -> None:
    tags = [("metal",), ("jazz",), ("bebop", "jazz"), ("blues",), ("rock",), ("metal",)]
    assert circle_of(tags, 32) == ["bebop", "jazz", "blues", "rock", "metal"]
    assert circle_of(tags, 2) == ["jazz", "metal"]
    assert circle_of([("unheard of",), ("solo",)], 32) == ["solo", "unheard of"]
