"""MIDI messages: one table of the standard, from which encoding, decoding and checks derive.

In: what a message says, by name, or its bytes. Out: the bytes, or what they say. The table
:data:`SPECS` follows the MIDI 1.0 Detailed Specification (tables I to VI); names are those that
mido uses as well. All functions are pure and may be called from any thread.

>>> note_on(channel=2, note=60, velocity=64).hex(" ")
'92 3c 40'
>>> decode(bytes((0x92, 60, 64)))
Message(name='note_on', channel=2, values={'note': 60, 'velocity': 64})

Questions about a message (:func:`starts_note`, :func:`is_control`, ...) expect one that
:func:`check_message` takes; :func:`complete` makes one of bytes from outside.
"""

from __future__ import annotations

from typing import NamedTuple

NOTE_OFF, NOTE_ON, POLYTOUCH, CONTROL_CHANGE = 0x80, 0x90, 0xA0, 0xB0
PROGRAM_CHANGE, AFTERTOUCH, PITCHWHEEL = 0xC0, 0xD0, 0xE0
SYSEX, QUARTER_FRAME, SONG_POSITION, SONG_SELECT, TUNE_REQUEST, SYSEX_END = (
    0xF0, 0xF1, 0xF2, 0xF3, 0xF6, 0xF7,
)  # fmt: skip
CLOCK, START, CONTINUE, STOP, ACTIVE_SENSING, RESET = 0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF
"""Status bytes; those below 0xF0 carry a channel in their low four bits."""

REALTIME = 0xF8
"""Status bytes from here on are of one byte, and may stand anywhere, even inside a message."""

BANK_MSB, MODULATION, CHANNEL_VOLUME, BANK_LSB, CONTROL_PEDAL, BRIGHTNESS = 0, 1, 7, 32, 64, 74
ALL_SOUND_OFF, RESET_CONTROLLERS, ALL_NOTES_OFF = 120, 121, 123
"""Numbers of control changes."""

FIRST_MODE_MESSAGE = 120
"""Control changes from here on are commands to the channel, and no positions of a knob."""

PEDAL_DOWN_FROM = 64
"""CC64 is a switch: from this value on the sustain pedal is down, below it is up."""

CHANNELS, DRUM_CHANNEL = 16, 9
"""How many channels a cable has, and the index of channel 10, which General MIDI gives to drums."""


class Field(NamedTuple):
    """One value of a message.

    Attributes:
        name: What it says.
        bits: Its width. Fields fill the data bytes from the lowest bit of the first one on, seven
            bits a byte.
        low: The lowest value; it is sent as 0.
    """

    name: str
    bits: int = 7
    low: int = 0

    @property
    def high(self) -> int:
        """The highest value."""
        return self.low + (1 << self.bits) - 1


class MessageSpec(NamedTuple):
    """One kind of message.

    Attributes:
        status: Its first byte; of a channel message that of channel 1.
        name: What it is called.
        fields: What it says, in the order of its data bytes.
    """

    status: int
    name: str
    fields: tuple[Field, ...] = ()

    @property
    def has_channel(self) -> bool:
        """Whether the status byte carries a channel."""
        return self.status < SYSEX

    @property
    def length(self) -> int:
        """Bytes of a message, the status among them."""
        return 1 + sum(field.bits for field in self.fields) // 7


SPECS = (
    MessageSpec(NOTE_OFF, "note_off", (Field("note"), Field("velocity"))),
    MessageSpec(NOTE_ON, "note_on", (Field("note"), Field("velocity"))),
    MessageSpec(POLYTOUCH, "polytouch", (Field("note"), Field("value"))),
    MessageSpec(CONTROL_CHANGE, "control_change", (Field("control"), Field("value"))),
    MessageSpec(PROGRAM_CHANGE, "program_change", (Field("program"),)),
    MessageSpec(AFTERTOUCH, "aftertouch", (Field("value"),)),
    MessageSpec(PITCHWHEEL, "pitchwheel", (Field("pitch", 14, -8192),)),
    MessageSpec(QUARTER_FRAME, "quarter_frame", (Field("frame_value", 4), Field("frame_type", 3))),
    MessageSpec(SONG_POSITION, "songpos", (Field("pos", 14),)),
    MessageSpec(SONG_SELECT, "song_select", (Field("song"),)),
    MessageSpec(TUNE_REQUEST, "tune_request"),
    MessageSpec(CLOCK, "clock"),
    MessageSpec(START, "start"),
    MessageSpec(CONTINUE, "continue"),
    MessageSpec(STOP, "stop"),
    MessageSpec(ACTIVE_SENSING, "active_sensing"),
    MessageSpec(RESET, "reset"),
)
"""Every message of a fixed length. System exclusive (F0 ... F7) has none and is not sent by us;
F4, F5, F9 and FD mean nothing."""

SPEC_BY_NAME = {spec.name: spec for spec in SPECS}
SPEC_BY_STATUS = {
    spec.status | channel: spec
    for spec in SPECS
    for channel in range(CHANNELS if spec.has_channel else 1)
}
"""By each first byte that a message can have."""

LENGTH_BY_STATUS = {status: spec.length for status, spec in SPEC_BY_STATUS.items()}
"""Bytes of a whole message, by its first byte."""


class Message(NamedTuple):
    """What a message says.

    Attributes:
        name: Of its kind.
        channel: 0..15; None where it has none.
        values: Of each field.
    """

    name: str
    channel: int | None
    values: dict[str, int]


def encode(name: str, channel: int | None = None, **values: int) -> bytes:
    """Return the bytes of a message.

    Args:
        name: Of its kind, as in :data:`SPECS`.
        channel: 0..15; None for a message without one.
        values: One for each field.

    Raises:
        ValueError: There is no such message, it has other fields, or a value is out of range.
    """
    spec = SPEC_BY_NAME.get(name)
    if spec is None:
        raise ValueError(f"a message must be one of {', '.join(SPEC_BY_NAME)}, not {name}")
    if values.keys() != {field.name for field in spec.fields}:
        wanted = ", ".join(field.name for field in spec.fields) or "no values"
        raise ValueError(f"{name} takes {wanted}, not {', '.join(values) or 'none'}")
    status = spec.status
    if spec.has_channel:
        status |= _in_range("channel", channel, 0, CHANNELS - 1)
    elif channel is not None:
        raise ValueError(f"{name} has no channel")
    word = shift = 0
    for field in spec.fields:
        value = _in_range(field.name, values[field.name], field.low, field.high)
        word |= (value - field.low) << shift
        shift += field.bits
    return bytes((status, *(word >> at & 0x7F for at in range(0, shift, 7))))


def decode(message: bytes) -> Message:
    """Return what a message says.

    Raises:
        ValueError: As :func:`check_message`.
    """
    check_message(message)
    spec = SPEC_BY_STATUS[message[0]]
    word = sum(byte << 7 * at for at, byte in enumerate(message[1:]))
    values = {}
    for field in spec.fields:
        values[field.name] = (word & (1 << field.bits) - 1) + field.low
        word >>= field.bits
    return Message(spec.name, message[0] & 0x0F if spec.has_channel else None, values)


def check_message(message: bytes) -> None:
    """Refuse what is not one whole message of :data:`SPECS`.

    Raises:
        ValueError: With the legal bytes and length.
    """
    if not message:
        raise ValueError("a message must have 1 to 3 bytes, not 0")
    length = LENGTH_BY_STATUS.get(message[0])
    if length is None:
        raise ValueError(
            f"a message must begin with a status byte, 80..EF, F1..F3, F6, F8, FA..FC, FE or FF, "
            f"not {message[0]:02X}"
        )
    if len(message) != length:
        name = SPEC_BY_STATUS[message[0]].name
        raise ValueError(f"{name} must have {length} bytes, not {len(message)}")
    if max(message[1:], default=0) > 0x7F:
        raise ValueError(f"data bytes must be in range 00..7F, not {message[1:].hex(' ')}")


def complete(data: bytes) -> bytes | None:
    """Return the message that some bytes begin with; None where they begin with none."""
    length = LENGTH_BY_STATUS.get(data[0]) if data else None
    if length is None or len(data) < length or max(data[1:length], default=0) > 0x7F:
        return None
    return bytes(data[:length])


def note_on(channel: int, note: int, velocity: int) -> bytes:
    """Return the message that strikes a key; all values are checked as by :func:`encode`."""
    return encode("note_on", channel, note=note, velocity=velocity)


def note_off(channel: int, note: int) -> bytes:
    """Return the message that releases a key."""
    return encode("note_off", channel, note=note, velocity=0)


def control(channel: int, number: int, value: int) -> bytes:
    """Return a control change."""
    return encode("control_change", channel, control=number, value=value)


def program_change(channel: int, program: int) -> bytes:
    """Return the message that gives a channel another sound; programs count from 0."""
    return encode("program_change", channel, program=program)


def song_position(sixteenths: int) -> bytes:
    """Return the message that says where a song stands, in sixteenths, 0..16383."""
    return encode("songpos", pos=sixteenths)


def kind_of(message: bytes) -> int:
    """Return the status byte of a message without its channel: :data:`NOTE_ON` and so on."""
    status = message[0]
    return status & 0xF0 if status < SYSEX else status


def channel_of(message: bytes) -> int:
    """Return the channel of a channel message, 0..15."""
    return message[0] & 0x0F


def on_channel(message: bytes, channel: int) -> bytes:
    """Return a channel message on another channel, 0..15."""
    return bytes((message[0] & 0xF0 | channel, *message[1:]))


def has_channel(message: bytes) -> bool:
    """Whether a message is for one channel."""
    return message[0] < SYSEX


def is_realtime(message: bytes) -> bool:
    """Whether a message is one byte of system real-time."""
    return message[0] >= REALTIME


def starts_note(message: bytes) -> bool:
    """Whether a message strikes a key: a note-on of velocity 0 does not."""
    return message[0] & 0xF0 == NOTE_ON and message[2] > 0


def ends_note(message: bytes) -> bool:
    """Whether a message releases a key: a note-off, or a note-on of velocity 0."""
    kind = message[0] & 0xF0
    return kind == NOTE_OFF or (kind == NOTE_ON and not message[2])


def is_note(message: bytes) -> bool:
    """Whether a message strikes or releases a key."""
    return message[0] & 0xF0 in (NOTE_OFF, NOTE_ON)


def key_of(message: bytes) -> tuple[int, int]:
    """Return channel and note of a message that :func:`is_note`."""
    return message[0] & 0x0F, message[1]


def is_control(message: bytes) -> bool:
    """Whether a message is a control change, commands to the channel among them."""
    return message[0] & 0xF0 == CONTROL_CHANGE


def is_program(message: bytes) -> bool:
    """Whether a message gives a channel another sound."""
    return message[0] & 0xF0 == PROGRAM_CHANGE


def is_pedal(message: bytes) -> bool:
    """Whether a message moves the sustain pedal (CC64)."""
    return message[0] & 0xF0 == CONTROL_CHANGE and message[1] == CONTROL_PEDAL


def ends_all(message: bytes) -> bool:
    """Whether a message ends all notes of its channel, or silences it: CC123, CC120."""
    return is_control(message) and message[1] in (ALL_NOTES_OFF, ALL_SOUND_OFF)


def presses_pedal(message: bytes) -> bool:
    """Whether a message may leave the sustain pedal down: half-pedalling synths hold from 1 on."""
    return is_pedal(message) and message[2] > 0


def lifts_pedal(message: bytes) -> bool:
    """Whether a message lifts the sustain pedal wholly."""
    return is_pedal(message) and not message[2]


def _in_range(name: str, value: int | None, low: int, high: int) -> int:
    if value is None or not low <= value <= high:
        raise ValueError(f"{name} must be in range {low}..{high}, not {value}")
    return value
