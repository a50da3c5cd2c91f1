"""MIDI itself: messages, files, clock, channels, and the table of sounding notes.

In: bytes of files and messages. Out: the one vocabulary of messages (:func:`note_on`,
:func:`decode`), notes in ms (:func:`read_midi`), notes in beats
(:func:`read_beats`), the beat of another machine (:class:`ClockFollower`), and what sounds at the
moment (:class:`SoundingTable`), from which silence is made; what a player does
(:class:`KeyboardState`). No port is opened here, and nothing
waits; a damaged file is a :class:`streamer.errors.MidiFileError`, or is salvaged.

Threads: functions are for any; each object belongs to one thread where it says no other.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.midi.beatfile import BEAT_DTYPE, BeatPiece, Metre, parse_beats, read_beats
    from streamer.midi.channels import ChannelMap, split_channels
    from streamer.midi.clock import ClockFollower, Followed
    from streamer.midi.greeting import Greeting
    from streamer.midi.keyboard import KeyboardState
    from streamer.midi.messages import (
        CONTROL_PEDAL,
        Message,
        channel_of,
        check_message,
        control,
        decode,
        encode,
        ends_note,
        has_channel,
        is_control,
        key_of,
        note_off,
        note_on,
        starts_note,
    )
    from streamer.midi.midifile import MidiPiece, parse_midi, read_midi, read_piece
    from streamer.midi.sounding import SoundingTable
    from streamer.midi.ticks import DEFAULT_LIMITS, NO_LIMITS, MidiLimits, TempoMap
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        beatfile="BEAT_DTYPE BeatPiece Metre parse_beats read_beats",
        channels="ChannelMap split_channels",
        clock="ClockFollower Followed",
        greeting="Greeting",
        keyboard="KeyboardState",
        messages=(
            "CONTROL_PEDAL Message channel_of check_message control decode encode ends_note "
            "has_channel is_control key_of note_off note_on starts_note"
        ),
        midifile="MidiPiece parse_midi read_midi read_piece",
        sounding="SoundingTable",
        ticks="DEFAULT_LIMITS NO_LIMITS MidiLimits TempoMap",
    )

__all__ = [
    "BEAT_DTYPE", "CONTROL_PEDAL", "DEFAULT_LIMITS", "NO_LIMITS", "BeatPiece", "ChannelMap",
    "ClockFollower", "Followed", "Greeting", "KeyboardState", "Message", "Metre", "MidiLimits",
    "MidiPiece", "SoundingTable", "TempoMap", "channel_of", "check_message", "control",
    "decode", "encode", "ends_note", "has_channel", "is_control", "key_of", "note_off",
    "note_on", "parse_beats", "parse_midi", "read_beats", "read_midi", "read_piece",
    "split_channels", "starts_note",
]  # fmt: skip
