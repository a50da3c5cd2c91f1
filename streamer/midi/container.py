"""What a file is, by its first bytes: MIDI, MIDI inside something, or something else.

In: a file's bytes. Out: those from ``MThd`` on; or an error that says what it is instead, and what
to do with it, since web pages, archives and scores are often saved under the name ``.mid``.
"""

from __future__ import annotations

from streamer.errors import MidiFileError

_SEARCHED = 4096
"""``MThd`` is looked for within this many bytes: MacBinary puts 128 before it."""

_HEADER = b"MThd\x00\x00\x00"
"""The beginning of a file, and of the length of its header, which is 6 or a little more."""

_UNPACK = "unpack it and give what is inside"
_SOUND = "sound and not notes; give a .mid file"
_EXPORT = "open it in an editor of scores and export MIDI from there"
_AGAIN = "the download failed: fetch the file itself again"

_SIGNATURES = (
    (b"\x1f\x8b", "is packed with gzip", _UNPACK),
    (b"PK", "is a zip archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", _UNPACK),
    (b"Rar!", "is a RAR archive", _UNPACK),
    (b"\xfd7zXZ", "is packed with xz", _UNPACK),
    (b"BZh", "is packed with bzip2", _UNPACK),
    (b"OggS", "is an Ogg file", _SOUND),
    (b"fLaC", "is a FLAC file", _SOUND),
    (b"ID3", "is an MP3 file", _SOUND),
    (b"\xff\xfb", "is an MP3 file", _SOUND),
    (b"FORM", "is an AIFF file", _SOUND),
    (b"RIFF", "is a RIFF file such as WAV", _SOUND),
    (b"%PDF", "is a PDF", "a picture of a score; give a .mid file"),
    (b"\x89PNG", "is a picture (PNG)", "give a .mid file"),
    (b"\xff\xd8\xff", "is a picture (JPEG)", "give a .mid file"),
    (b"X:", "is a tune in ABC notation", "convert it with abc2midi"),
    (b"\\version", "is a LilyPond score", r"let LilyPond write MIDI (\midi {})"),
)
"""Beginning of a file, what it is, what to do."""

_MARKUP = (
    (b"score-partwise", "is a MusicXML score", _EXPORT),
    (b"score-timewise", "is a MusicXML score", _EXPORT),
    (b"museScore", "is a MuseScore score", _EXPORT),
    (b"<html", "is a web page (HTML)", _AGAIN),
    (b"<!DOCTYPE html", "is a web page (HTML)", _AGAIN),
    (b"<?xml", "is an XML file", _EXPORT),
)
"""What stands near the beginning of a file of tags, what it is, what to do."""


def unwrap(data: bytes, name: str) -> tuple[bytes, str | None]:
    """Return the MIDI file that some bytes are or hold, and a remark on what stood before it.

    Args:
        data: A file's bytes.
        name: For the message.

    Raises:
        MidiFileError: ``empty`` where there are none, ``not-midi`` where they are something else.
    """
    if data[:4] == b"MThd":
        return data, None
    if not data:
        raise MidiFileError(
            f"{name}: the file is empty (0 bytes); fetch it or save it again", "empty"
        )
    is_rmid = data[:4] == b"RIFF" and data[8:12] == b"RMID"
    what, remedy = ("", "") if is_rmid else _recognised(data)
    at = data.find(_HEADER, 0, _SEARCHED)
    if what or at < 0:
        what = what or f"begins with {data[:4].hex(' ')} and not with MThd"
        remedy = remedy or "give a Standard MIDI File (.mid)"
        raise MidiFileError(f"{name}: not a MIDI file: it {what}; {remedy}", "not-midi")
    remark = None if is_rmid else f"{at} bytes before the MIDI file are skipped"
    return data[at:], remark


def _recognised(data: bytes) -> tuple[str, str]:
    """Return what a file is and what to do with it; empty texts where that is not known."""
    if data.startswith(b"PK") and b"META-INF/container.xml" in data:
        return "is a compressed MusicXML score", _EXPORT
    for beginning, what, remedy in _SIGNATURES:
        if data.startswith(beginning):
            return what, remedy
    head = data[:_SEARCHED].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"<"):
        for mark, what, remedy in _MARKUP:
            if mark.lower() in head.lower():
                return what, remedy
    return "", ""
