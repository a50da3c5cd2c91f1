"""Files as sequencers and the internet leave them: read as meant, or refused with a remedy."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from streamer.errors import MidiFileError
from streamer.families.bands.bandfile import band_of, read_band
from streamer.families.tunes.melody import read_melody, tracks_of, within
from streamer.midi.beatfile import parse_beats, read_beats
from streamer.midi.midifile import MidiPiece, parse_midi, read_midi
from streamer.midi.ticks import DEFAULT_LIMITS
from tests.oddfiles import (
    END,
    GS_RESET,
    QUARTER,
    SCALE,
    XG_ON,
    Event,
    band,
    line,
    melody,
    meta,
    save,
    smf,
    track,
)


def parse(data: bytes) -> MidiPiece:
    return parse_midi(data, "odd.mid")


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(MidiFileError) as caught:
        parse(data)
    return caught.value.reason, str(caught.value)


def one_track(*events: Event) -> bytes:
    return smf([track(events)], kind=0)


# Ports and channels


def port(number: int) -> Event:
    return (0, meta(0x21, bytes((number,))))


def two_ports() -> bytes:
    """The same channel on two ports, with a sound of its own on each."""
    return smf([
        track([port(0), (0, b"\xc0\x00"), *line(SCALE)]),
        track([port(1), (0, b"\xc0\x30"), *line(SCALE)]),
    ])  # fmt: skip


def test_a_channel_of_one_port_has_its_own_program() -> None:
    piece = parse(two_ports())
    assert sorted(piece.programs.tolist()) == [0] * 8 + [48] * 8
    assert sorted(parse_beats(two_ports(), "x").notes["program"].tolist()) == [0] * 8 + [48] * 8


def test_a_channel_of_one_port_has_its_own_pedal() -> None:
    data = smf([
        track([port(0), (0, b"\xb0\x40\x7f"), *line((60,))]),
        track([port(1), *line((62,))]),
    ])  # fmt: skip
    assert parse(data).notes["pedal"].tolist() == [True, False]


def test_the_lines_of_two_ports_in_one_track_are_two_lines() -> None:
    data = smf([track([port(0), *line((60, 62)), port(3), *line((72, 74))])])
    lines = [notes["pitch"].tolist() for _, _, notes in tracks_of(parse_beats(data, "x"))]
    assert lines == [[60, 62], [72, 74]]


def test_the_roles_of_a_band_are_told_apart_by_port(tmp_path: Path) -> None:
    parts = [(0, 9, 0, 36), (0, 1, 33, 40), (0, 2, 0, 60), (1, 2, 48, 72)]
    tracks = [
        track([port(p), (0, bytes((0xC0 | c, program))), *line([pitch] * 16, c)])
        for p, c, program, pitch in parts
    ]
    found = read_band(save(tmp_path / "a.mid", smf(tracks)))
    assert found.programs == (0, 33, 0, 48)


def test_a_note_off_in_another_track_of_the_channel_ends_the_note() -> None:
    data = smf([
        track([(0, b"\x90\x3c\x50"), (960, b"\x90\x3e\x50"), (480, b"\x80\x3e\x00")]),
        track([(480, b"\x80\x3c\x00")]),
    ])  # fmt: skip
    notes = parse(data).notes
    assert notes[["onset_ms", "duration_ms", "pitch"]].tolist() == [
        (0.0, 500.0, 60), (1000.0, 500.0, 62),
    ]  # fmt: skip


def test_a_note_off_of_another_port_or_channel_ends_nothing() -> None:
    for other in ([port(1), (480, b"\x80\x3c\x00")], [(480, b"\x81\x3c\x00")]):
        data = smf([track([(0, b"\x90\x3c\x50"), (960, b"\xb0\x07\x64")]), track(other)])
        assert parse(data).notes["duration_ms"].tolist() == [1000.0]


def test_a_track_releases_its_own_notes_before_those_of_others() -> None:
    data = smf([
        track([(0, b"\x90\x3c\x50"), (960, b"\x80\x3c\x00")]),
        track([(480, b"\x90\x3c\x50"), (240, b"\x80\x3c\x00")]),
    ])  # fmt: skip
    assert parse(data).notes["duration_ms"].tolist() == [1000.0, 250.0]


# Drums


def kit(*before: bytes, channel: int = 10) -> bytes:
    """Notes on a channel after some messages, and one on another that is no drum."""
    head = [(0, data) for data in before]
    return smf([track([*head, *line([36] * 4, channel)]), track(line((60,), 0))])


@pytest.mark.parametrize(
    ("before", "drums"),
    [
        ((), 0),
        ((b"\xba\x00\x7f", b"\xca\x00"), 4),
        ((XG_ON, b"\xba\x00\x7e", b"\xca\x00"), 4),
        ((b"\xba\x00\x78", b"\xca\x00"), 4),
        ((XG_ON, bytes.fromhex("f00843104c080a0702f7")), 4),
        ((XG_ON, bytes.fromhex("f00843104c080a0702f7"), bytes.fromhex("f00843104c080a0700f7")), 0),
        ((GS_RESET, bytes.fromhex("f00a41104212401a150100f7")), 4),
        ((GS_RESET, b"\xba\x00\x7f", b"\xca\x00"), 0),
        ((b"\xba\x00\x7f",), 0),
        ((b"\xba\x00\x01", b"\xca\x00"), 0),
        ((b"\xba\x00\x7f", b"\xca\x00", b"\xba\x00\x00", b"\xca\x00"), 0),
    ],
    ids=[
        "nothing", "XG kit", "XG effects kit", "GM2 kit", "XG part mode", "XG part mode undone",
        "GS rhythm part", "GS variation 127", "bank without program", "a variation", "undone",
    ],
)  # fmt: skip
def test_a_channel_plays_drums_where_the_file_says_so(
    before: tuple[bytes, ...], drums: int
) -> None:
    data = kit(*before)
    assert parse(data).drum_notes == drums
    assert int(parse_beats(data, "x").drums.sum()) == drums


@pytest.mark.parametrize(
    "before",
    [(b"\xb9\x00\x79", b"\xc9\x00"), (GS_RESET, bytes.fromhex("f00a411042124010150000f7"))],
    ids=["GM2 melodic bank", "GS rhythm part off"],
)
def test_channel_ten_plays_notes_where_the_file_says_so(before: tuple[bytes, ...]) -> None:
    assert parse(kit(*before, channel=9)).drum_notes == 0


def test_kits_set_up_in_a_track_of_their_own_hold_for_all_tracks() -> None:
    setup = track([(0, b"\xba\x00\x7f"), (0, b"\xca\x00")])
    data = smf([setup, track([(0, b"\x90\x3c\x40"), (9, b"\x80\x3c\x00"), *line((36,), 10)])])
    assert parse(data).drum_notes == 1


# Events that no file should hold


@pytest.mark.parametrize(
    "stray", [b"\xfe", b"\xf8", b"\xfa", b"\xf6", b"\xf3\x05", b"\xf2\x01\x02"]
)
def test_messages_of_the_system_inside_a_track_are_skipped(stray: bytes) -> None:
    events = [*line(SCALE[:4]), (0, stray), *line(SCALE[4:])]
    piece = parse(one_track(*events))
    assert piece.notes["pitch"].tolist() == list(SCALE)
    assert not piece.notices


def test_real_time_leaves_running_status_alone() -> None:
    events = [
        (0, b"\x90\x3c\x50"),
        (10, b"\xf8"),
        (470, b"\x3c\x00"),
        (0, b"\x3e\x50"),
        (9, b"\x3e\x00"),
    ]
    assert parse(one_track(*events)).notes["pitch"].tolist() == [60, 62]


def test_a_value_over_127_is_taken_for_127_and_told() -> None:
    piece = parse(one_track((0, b"\xb0\x07\xff"), *line(SCALE)))
    assert piece.notes["pitch"].tolist() == list(SCALE)
    said = "track 1 has the value 255 at byte 25, where 0..127 is legal; it is read as 127"
    assert piece.notices == (f"{said}; 8 notes are read",)


def test_where_nothing_makes_sense_after_a_value_over_127_the_track_ends_there() -> None:
    events = [*line(SCALE[:2]), (0, b"\xb0\x07\xff"), (0, b"\xf4"), *line(SCALE)]
    piece = parse(one_track(*events))
    assert piece.notes["pitch"].tolist() == [60, 62]
    assert "track 1 has the value 255" in piece.notices[0]
    assert "is read as" not in piece.notices[0]


def test_chunk_lengths_that_do_not_fit_hide_no_track_that_the_header_counts() -> None:
    first = bytearray(track(line(SCALE)))
    first[4:8] = (8).to_bytes(4, "big")
    piece = parse(smf([bytes(first), track(line((40, 41)))]))
    assert {40, 41} <= set(piece.notes["pitch"].tolist())
    assert "bytes before track 2 belong to none" in piece.notices[0]


@pytest.mark.parametrize(
    ("behind", "said"),
    [
        (
            track(line((40,))),
            ("tracks behind the 1 that the header counts are left out; 8 notes a",),
        ),
        (track(line((40,)))[9:] + track(line((40,))), ()),
    ],
    ids=["whole tracks", "torn ones"],
)
def test_what_an_older_file_left_behind_is_no_part_of_the_file(
    behind: bytes, said: tuple[str, ...]
) -> None:
    piece = parse(smf([track(line(SCALE))]) + behind)
    assert piece.notes["pitch"].tolist() == list(SCALE)
    assert said == tuple(
        notice[: len(text)] for notice, text in zip(piece.notices, said, strict=True)
    )


# Songs, metres, names


def test_of_a_file_of_songs_the_first_is_read_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    songs = [track(line(SCALE)), track(line((40, 41), 1))]
    path = save(tmp_path / "songs.mid", smf(songs, kind=2))
    assert read_midi(path)["pitch"].tolist() == list(SCALE)
    assert "songs.mid: holds 2 songs (format 2); the first is read" in caplog.text
    caplog.clear()
    assert read_beats(path).notes["pitch"].tolist() == list(SCALE)
    assert "holds 2 songs" in caplog.text


def test_the_first_song_with_notes_is_the_first() -> None:
    songs = [track([(0, meta(0x51, b"\x01\x00\x00"))]), track(line((40,)))]
    assert parse(smf(songs, kind=2)).notes[["pitch", "duration_ms"]].tolist() == [(40, 500.0)]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("Flöte".encode(), "Flöte"),
        ("Flöte".encode("latin-1"), "Flöte"),
        ("Violão ‘1’".encode("cp1252"), "Violão ‘1’"),
        ("笛".encode("cp932"), "笛"),
        ("Aメロ".encode("cp932"), "Aメロ"),
        ("ﾄﾞﾗﾑ".encode("cp932"), "ﾄﾞﾗﾑ"),
        ("Piano 右手".encode("cp932"), "Piano 右手"),
        ("笛".encode(), "笛"),
        (b"\xef\xbb\xbfLead", "Lead"),
        (b"Piano\x00 ", "Piano"),
        (b"\xff\xfe\x81", "ÿþ\ufffd"),
    ],
)
def test_a_track_is_called_what_its_writer_meant(data: bytes, name: str) -> None:
    assert parse(one_track((0, meta(3, data)), *line((60,)))).track_names == (name,)


def pickup(bars: int = 8) -> bytes:
    return band(bars, before=[(0, meta(0x58, bytes((1, 2, 24, 8)))), (QUARTER, meta(6, b""))])


def test_a_song_in_four_four_but_for_a_pickup_is_a_band(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = read_band(save(tmp_path / "a.mid", pickup()))
    plain = read_band(save(tmp_path / "b.mid", band(8)))
    assert (found.bars, found.first_bar) == (8, 1)
    assert found.states.tolist() == plain.states.tolist()
    assert "a.mid: only bars 2 to 9 are read, where it is in 4/4" in caplog.text


def test_a_corpus_takes_songs_of_one_metre_as_the_paper_does() -> None:
    with pytest.raises(MidiFileError, match="2 time signatures"):
        band_of(parse_beats(pickup(), "a.mid"))


def test_of_a_song_with_a_bar_in_between_the_longest_passage_is_taken(tmp_path: Path) -> None:
    song = bytearray(band(12))
    head = track([
        (0, meta(0x58, bytes((4, 2, 24, 8)))),
        (4 * 4 * QUARTER, meta(0x58, bytes((2, 2, 24, 8)))),
        (2 * QUARTER, meta(0x58, bytes((4, 2, 24, 8)))),
        (0, meta(0x51, (600_000).to_bytes(3, "big"))),
    ])  # fmt: skip
    old = track([(0, meta(0x58, bytes((4, 2, 24, 8))))])
    found = read_band(save(tmp_path / "a.mid", bytes(song).replace(old, head)))
    assert (found.first_bar, found.bars, found.bpm) == (5, 8, 100.0)


def test_two_two_is_heard_as_four_four_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    four = meta(0x58, bytes((4, 2, 24, 8)))
    two = meta(0x58, bytes((2, 1, 24, 8)))
    for head in ([(0, two)], [(0, four), (16 * QUARTER, two)]):
        song = band(8).replace(track([(0, four)]), track(head))
        found = read_band(save(tmp_path / "a.mid", song))
        assert (found.bars, found.first_bar) == (8, 0)
    assert not caplog.records


# A wide melody


def test_a_melody_of_any_width_is_brought_within_reach(tmp_path: Path) -> None:
    pitches = [60, 64, 67, 72] * 7 + [0, 12, 115, 127]
    tune, _ = read_melody(save(tmp_path / "w.mid", one_track(*line(pitches))))
    assert tune["pitch"].tolist() == [60, 64, 67, 72] * 7 + [24, 36, 91, 103]
    narrow = within(tune["pitch"], 48, 95)
    assert narrow.tolist() == [60, 64, 67, 72] * 7 + [48, 48, 91, 91]


# One limit of length


def test_one_far_note_is_refused_by_every_reader_with_value_and_limit(tmp_path: Path) -> None:
    assert DEFAULT_LIMITS.hours == 3.0
    path = save(tmp_path / "far.mid", band(8, far_bars=6000))
    for read in (read_midi, read_beats, read_band, read_melody):
        with pytest.raises(MidiFileError, match=r"3\.3 hours long, at most 3 are read") as caught:
            read(path)
        assert caught.value.reason == "too-large"


def test_music_of_few_hours_and_endless_bars_is_refused_too() -> None:
    fast = one_track((0, meta(0x51, b"\x00\x00\x01")), *line((60,)), (2**27, b"\x90\x3c\x40"),
                     (480, b"\x80\x3c\x00"))  # fmt: skip
    reason, text = refusal(fast)
    assert reason == "too-large"
    assert "279622 quarter notes long, at most 54000 are read" in text


# Reasons and remedies


def zipped(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


SONG = one_track(*melody())
FOREIGN = {
    "gzip": (gzip.compress(SONG), "packed with gzip; unpack it"),
    "zip": (zipped("song.mid", SONG), "a zip archive; unpack it"),
    "mxl": (zipped("META-INF/container.xml", b"<x/>"), "compressed MusicXML score; open it in"),
    "html": (b"\n<!doctype HTML><html>404</html>", "a web page (HTML); the download failed"),
    "MusicXML": (b'<?xml version="1.0"?><score-partwise/>', "a MusicXML score; open it in"),
    "MuseScore": (b'<?xml version="1.0"?><museScore/>', "a MuseScore score; open it in"),
    "ABC": (b"X:1\nT:Tune\nK:C\nCDEF|", "ABC notation; convert it with abc2midi"),
    "WAV": (b"RIFF\x24\0\0\0WAVEfmt ", "RIFF file such as WAV; sound and not notes"),
    "MP3": (b"ID3\x04\0\0", "an MP3 file; sound and not notes; give a .mid file"),
    "PDF": (b"%PDF-1.7", "a PDF; a picture of a score; give a .mid file"),
    "anything": (b"\x01\x02\x03\x04\x05", "begins with 01 02 03 04 and not with MThd; give"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_midi_file_is_told_what_it_is_and_what_to_do(kind: str) -> None:
    data, said = FOREIGN[kind]
    reason, text = refusal(data)
    assert reason == "not-midi"
    assert text.startswith("odd.mid: not a MIDI file: it ")
    assert said in text


def test_a_midi_file_behind_other_bytes_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(tmp_path / "mac.mid", bytes(128) + SONG)
    assert len(read_midi(path)) == 32
    assert "mac.mid: 128 bytes before the MIDI file are skipped" in caplog.text


def test_a_midi_file_inside_riff_is_read_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = b"RMIDdata" + len(SONG).to_bytes(4, "little") + SONG
    path = save(tmp_path / "a.rmi", b"RIFF" + len(data).to_bytes(4, "little") + data)
    assert len(read_midi(path)) == 32
    assert not caplog.records


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (b"", "empty", "the file is empty (0 bytes); fetch it or save it again"),
        (SONG[:13], "broken", "the header is cut off or has no time base; fetch the file or save"),
        (smf([track([])]), "empty", "holds no notes (tracks: 1); choose a file with notes"),
        (one_track(*line(SCALE, length=0)), "empty", "none of its 8 notes has a length; save it a"),
        (one_track(*line(SCALE, 9)), "drums-only", "all 8 notes are drums (channel 10, or a drum "),
        (smf([track([(0, b"\x00")])]), "broken", "and no note before it; fetch the file or save i"),
    ],
)  # fmt: skip
def test_a_file_without_music_says_why_and_what_to_do(data: bytes, reason: str, said: str) -> None:
    found, text = refusal(data)
    assert found == reason
    assert said in text


# What was right stays right


def test_a_program_in_a_track_of_its_own_holds_for_the_channel() -> None:
    data = smf([track([(0, b"\xc0\x28")]), track(line(SCALE))])
    assert set(parse(data).programs.tolist()) == {40}


def test_time_in_frames_is_read_in_milliseconds() -> None:
    data = smf([track(line((60,), length=1000))], division=b"\xe7\x28")
    assert parse(data).notes["duration_ms"].tolist() == [1000.0]


def test_a_track_without_an_end_is_whole() -> None:
    piece = parse(smf([track(line(SCALE), end=b"")]))
    assert (len(piece.notes), piece.notices) == (8, ())
    assert END in SONG
