"""Meta events of Standard MIDI files: their numbers, and the text in them.

In: bytes of a text. Out: the text. Read by :mod:`streamer.midi.smf`, written by
:mod:`streamer.midi.writer`. The numbers are those of the Standard MIDI Files 1.0 specification;
the port (0x21) is not in it, but every sequencer with more than one of them writes it.
"""

from __future__ import annotations

META = 0xFF
TRACK_NAME, MARKER, PORT, END_OF_TRACK, TEMPO, TIME_SIGNATURE = 0x03, 0x06, 0x21, 0x2F, 0x51, 0x58

DEFAULT_TEMPO = 500_000
"""Microseconds a quarter where a file says nothing: 120 quarters a minute."""

_PRIVATE_USE = range(0xE000, 0xF900)
_NOT_IN_WESTERN_TEXT = frozenset(range(0x80, 0xA0)) - {0x85, *range(0x91, 0x98)}
"""Bytes that Windows-1252 has for rare letters and signs only: all but quotes, dashes and dots."""


def text_of(data: bytes) -> str:
    """Return a text as whoever wrote it meant it; never raises.

    The standard asks for ASCII and says nothing of other letters. UTF-8 is tried first, since
    hardly any other text is valid UTF-8 by chance; then Shift-JIS, where most of the bytes are
    Japanese by it, or some are such as Western text has not; and Windows-1252 is left.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = _japanese(data) or data.decode("cp1252", errors="replace")
    return text.strip("\0 \t\r\n")


def _japanese(data: bytes) -> str:
    """Return a text in Shift-JIS, or nothing where it is hardly one."""
    try:
        text = data.decode("cp932")
    except UnicodeDecodeError:
        return ""
    if any(ord(character) in _PRIVATE_USE for character in text):
        return ""
    ascii_bytes = sum(character.isascii() for character in text)
    spaces = sum(character.isspace() for character in text)
    mostly = 2 * (len(data) - ascii_bytes) > len(data) - spaces
    return text if mostly or any(byte in _NOT_IN_WESTERN_TEXT for byte in data) else ""
