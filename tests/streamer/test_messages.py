"""The table of MIDI messages, beside mido's: all of it, in both directions."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.midi import messages
from streamer.midi.messages import (
    CHANNELS,
    LENGTH_BY_STATUS,
    SPEC_BY_NAME,
    SPEC_BY_STATUS,
    SPECS,
    MessageSpec,
    check_message,
    complete,
    decode,
    encode,
)

BY_HAND = re.compile(r"& 0x(F0|0F)\b|& 15\b|\b0x(90|A0|B0|C0|D0|E0|F8|FA|FB|FC|FE)\b")
VOCABULARY = {"messages.py", "smf.py", "drums.py", "meta.py"}
"""Files of ``streamer/midi`` that know bytes: the table, and readers of files."""

MIDO_NAMES = set(mido.messages.specs.SPEC_BY_TYPE) - {"sysex"}


def channels_of(spec: MessageSpec) -> tuple[int | None, ...]:
    return tuple(range(CHANNELS)) if spec.has_channel else (None,)


def examples(spec: MessageSpec) -> list[dict[str, int]]:
    """Lowest, highest and middle value of each field, with those of each other field."""
    several = [(f.low, f.low + 1, (f.low + f.high) // 2, f.high - 1, f.high) for f in spec.fields]
    names = [field.name for field in spec.fields]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*several)]


def test_every_message_of_the_standard_but_system_exclusive_is_in_the_table() -> None:
    assert set(SPEC_BY_NAME) == MIDO_NAMES
    named = {
        status: mido.messages.specs.SPEC_BY_STATUS[status]["type"] for status in SPEC_BY_STATUS
    }
    assert named == {status: spec.name for status, spec in SPEC_BY_STATUS.items()}
    without = set(range(0x80, 0x100)) - set(SPEC_BY_STATUS)
    assert without == {0xF0, 0xF4, 0xF5, 0xF7, 0xF9, 0xFD}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_what_we_encode_is_what_mido_encodes(spec: MessageSpec) -> None:
    for channel, values in itertools.product(channels_of(spec), examples(spec)):
        its = dict(values) if channel is None else {"channel": channel, **values}
        expected = bytes(mido.Message(spec.name, **its).bytes())
        assert expected == encode(spec.name, channel, **values)
        assert len(expected) == spec.length == LENGTH_BY_STATUS[expected[0]]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_what_mido_encodes_we_decode_to_the_same_values(spec: MessageSpec) -> None:
    for channel, values in itertools.product(channels_of(spec), examples(spec)):
        its = dict(values) if channel is None else {"channel": channel, **values}
        found = decode(bytes(mido.Message(spec.name, **its).bytes()))
        assert (found.name, found.channel, found.values) == (spec.name, channel, values)
        decoded = mido.Message.from_bytes(list(encode(spec.name, channel, **values)))
        assert {key: getattr(decoded, key) for key in its} == its


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_value_out_of_range_is_refused_with_the_range(spec: MessageSpec) -> None:
    values, channel = examples(spec)[0], channels_of(spec)[0]
    for field in spec.fields:
        for wrong in (field.low - 1, field.high + 1):
            with pytest.raises(ValueError, match=f"{field.name} must be in range"):
                encode(spec.name, channel, **{**values, field.name: wrong})
            with pytest.raises(ValueError, match=r"must be in range|data byte|lowest"):
                mido.Message(spec.name, **{**values, field.name: wrong}).bytes()
    for wrong_channel in (-1, 16) if spec.has_channel else (0, 5):
        with pytest.raises(ValueError, match="channel"):
            encode(spec.name, wrong_channel, **values)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_message_with_a_byte_too_few_or_too_many_is_refused_with_its_length(
    spec: MessageSpec,
) -> None:
    message = encode(spec.name, channels_of(spec)[0], **examples(spec)[-1])
    for wrong in (message + b"\x00", *([message[:-1]] if spec.length > 1 else [])):
        with pytest.raises(ValueError, match=f"{spec.name} must have {spec.length} bytes"):
            check_message(wrong)


def test_what_is_no_message_is_refused() -> None:
    for nothing in (b"", b"\x3c\x40", b"\xf0\x01\xf7", b"\xf4", b"\xfd"):
        with pytest.raises(ValueError, match="a message must"):
            check_message(nothing)
    with pytest.raises(ValueError, match=r"data bytes must be in range 00\.\.7F, not 3c ff"):
        check_message(b"\x90\x3c\xff")
    with pytest.raises(ValueError, match="a message must be one of note_off, note_on"):
        encode("note_of", 0, note=1, velocity=1)
    with pytest.raises(ValueError, match="note_on takes note, velocity, not pitch"):
        encode("note_on", 0, pitch=1)


@given(st.binary(max_size=6))
def test_any_bytes_are_a_whole_message_or_none_as_mido_has_it(data: bytes) -> None:
    found = complete(data)
    if found is None:
        assert not any(_is_message(data[:length]) for length in (1, 2, 3))
        return
    assert data.startswith(found)
    assert _is_message(found)
    assert found == encode(*decode(found)[:2], **decode(found).values)


def _is_message(data: bytes) -> bool:
    try:
        check_message(data)
        mido.Message.from_bytes(list(data))
    except ValueError:
        return False
    return True


def test_questions_about_each_kind_of_message() -> None:
    asked = {
        "note_on": ("starts_note", "is_note", "has_channel"),
        "note_off": ("ends_note", "is_note", "has_channel"),
        "control_change": ("is_control", "has_channel"),
        "program_change": ("is_program", "has_channel"),
    }
    predicates = (
        "starts_note", "ends_note", "is_note", "is_control", "is_program", "is_pedal",
        "presses_pedal", "lifts_pedal", "is_realtime", "has_channel",
    )  # fmt: skip
    for spec in SPECS:
        for channel in channels_of(spec):
            message = encode(spec.name, channel, **examples(spec)[-1])
            expected = set(asked.get(spec.name, ("has_channel",) if spec.has_channel else ()))
            expected |= {"is_realtime"} if spec.status >= 0xF8 else set()
            assert expected == {name for name in predicates if getattr(messages, name)(message)}
            assert spec.status == messages.kind_of(message)


def test_a_note_on_of_velocity_zero_ends_a_note() -> None:
    message = messages.note_on(3, 60, 0)
    assert messages.ends_note(message)
    assert not messages.starts_note(message)
    assert messages.key_of(message) == (3, 60)


@pytest.mark.parametrize(
    ("value", "presses", "lifts"), [(0, False, True), (1, True, False), (127, True, False)]
)
def test_the_pedal_is_lifted_by_zero_alone(value: int, presses: bool, lifts: bool) -> None:
    message = messages.control(2, messages.CONTROL_PEDAL, value)
    assert messages.is_pedal(message)
    assert (messages.presses_pedal(message), messages.lifts_pedal(message)) == (presses, lifts)


def test_a_message_is_put_on_another_channel() -> None:
    assert messages.on_channel(messages.note_on(2, 60, 64), 15) == messages.note_on(15, 60, 64)


def test_the_builders_are_encodings() -> None:
    assert messages.note_off(1, 60) == encode("note_off", 1, note=60, velocity=0)
    assert messages.program_change(1, 5) == encode("program_change", 1, program=5)
    assert messages.song_position(16383) == b"\xf2\x7f\x7f"


def test_nobody_else_takes_messages_apart_by_hand() -> None:
    root = Path(messages.__file__).parents[2]
    found = [
        f"{path.relative_to(root)}: {text.strip()}"
        for package in ("streamer", "training", "export")
        for path in (root / package).rglob("*.py")
        if not (path.parent.name == "midi" and path.name in VOCABULARY)
        for text in path.read_text(encoding="utf-8").splitlines()
        if BY_HAND.search(text)
    ]
    assert found == []
