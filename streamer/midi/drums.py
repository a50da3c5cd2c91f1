"""Which channels play drums: channel 10, and those that a file turns into drums or out of them.

In: bank selects, programs and system exclusives. Out: whether a channel plays drums from where on.

====================  ==========================================================================
General MIDI          channel 10 (index 9), whatever its program
General MIDI 2        a program after bank 120 (CC0) is a kit, after bank 121 it is none
XG                    a program after bank 126 or 127 is a kit; part mode (08 pp 07) says so too
GS                    "use for rhythm part" (40 1x 15); banks are variations and say nothing
====================  ==========================================================================
"""

from __future__ import annotations

from typing import NamedTuple

DRUM_BANKS = frozenset((120, 126, 127))
"""CC0 of kits; no melodic bank of General MIDI 2 or XG has these numbers."""

MELODIC_BANK = 121
"""CC0 of the melodic sounds of General MIDI 2, for which channel 10 is a channel like any other."""

_ROLAND, _YAMAHA, _GS, _XG, _DATA_SET = 0x41, 0x43, 0x42, 0x4C, 0x12
_GS_RHYTHM, _XG_PART_MODE = 0x15, 0x07


class PartMode(NamedTuple):
    """What a system exclusive says of drums.

    Attributes:
        channel: Whose, 0..15; None of none.
        drums: Whether it plays drums from now on.
        resets_to_gs: Whether the synth is reset to GS.
    """

    channel: int | None = None
    drums: bool = False
    resets_to_gs: bool = False


def part_mode(data: bytes) -> PartMode | None:
    """Return what a system exclusive says of drums.

    Args:
        data: Its bytes behind F0.
    """
    if len(data) >= 8 and (data[0], data[2], data[3]) == (_ROLAND, _GS, _DATA_SET):
        high, middle, low, value = data[4:8]
        if (high, middle, low) == (0x40, 0x00, 0x7F):
            return PartMode(resets_to_gs=True)
        if high == 0x40 and middle >> 4 == 1 and low == _GS_RHYTHM:
            return PartMode(_channel_of_block(middle & 15), value > 0)
    if len(data) >= 7 and data[0] == _YAMAHA and data[1] >> 4 == 1 and data[2] == _XG:
        high, part, low, value = data[3:7]
        if high == 0x08 and part < 16 and low == _XG_PART_MODE:
            return PartMode(part, value > 0)
    return None


def plays_drums(bank: int, general_standard: bool) -> bool | None:
    """Return whether a program plays drums, by the bank (CC0) before it; None where none says.

    Args:
        bank: 0..127.
        general_standard: Whether the file resets its synth to GS.
    """
    if general_standard:
        return None
    if bank in DRUM_BANKS:
        return True
    return False if bank == MELODIC_BANK else None


def _channel_of_block(block: int) -> int:
    """Return the channel that plays a part of GS by default: block 0 is part 10."""
    if block == 0:
        return 9
    return block - 1 if block < 10 else block


_NAMES = {
    35: "low kick", 36: "kick", 37: "side stick", 38: "snare", 39: "clap", 40: "snare 2",
    41: "low tom", 42: "closed hat", 43: "floor tom", 44: "pedal hat", 45: "low mid tom",
    46: "open hat", 47: "mid tom", 48: "high mid tom", 49: "crash", 50: "high tom", 51: "ride",
    52: "china", 53: "ride bell", 54: "tambourine", 55: "splash", 56: "cowbell", 57: "crash 2",
    58: "vibraslap", 59: "ride 2", 60: "high bongo", 61: "low bongo", 62: "mute conga",
    63: "open conga", 64: "low conga", 65: "high timbale", 66: "low timbale", 67: "high agogo",
    68: "low agogo", 69: "cabasa", 70: "maracas", 75: "claves", 80: "mute triangle",
    81: "triangle",
}  # fmt: skip
"""Keys of the kit of General MIDI, by what is struck."""


def drum_name(key: int) -> str:
    """Return what a key of the kit of General MIDI is, or its number where it is none."""
    return _NAMES.get(key, f"key {key}")
