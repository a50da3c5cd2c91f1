"""Reads protobuf as ONNX files use it: a message is a run of (field number, wire type, value).

In: bytes. Out: field by field, numbers as int and everything else as bytes. What is no protobuf is
a ValueError in words that follow a file's name. Standard library alone; any thread.
"""

from __future__ import annotations

from collections.abc import Iterator

NO_MODEL, CUT_OFF = "is not an ONNX model", "is cut off"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGER = 0x80
_MOST = 1 << 64
_NEGATIVE = 1 << 63

Value = int | memoryview


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield (field number, value) of a message."""
    at, end = 0, len(message)
    while at < end:
        key = message[at]  # nearly every number is one byte, and a call takes longer than it
        if key < _LONGER:
            at += 1
        else:
            key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == _BYTES:
            if at < end and message[at] < _LONGER:
                length = message[at]
                at += 1
            else:
                length, at = _varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(NO_MODEL)
        if length > end - at:
            raise ValueError(CUT_OFF)
        yield number, message[at : at + length]
        at += length


def message(value: Value) -> memoryview:
    """Return a field that is a message or bytes."""
    if isinstance(value, int):
        raise ValueError(NO_MODEL)
    return value


def integer(value: Value) -> int:
    """Return a field that is a whole number with a sign, of 64 bits."""
    if not isinstance(value, int):
        raise ValueError(NO_MODEL)
    value %= _MOST
    return value - _MOST if value >= _NEGATIVE else value


def integers(value: Value) -> list[int]:
    """Return a repeated whole number: one, or many that are packed."""
    if isinstance(value, int):
        return [integer(value)]
    found, at = [], 0
    while at < len(value):
        one, at = _varint(value, at)
        found.append(integer(one))
    return found


def text(value: Value) -> str:
    """Return a field that is text."""
    return bytes(message(value)).decode("utf-8", errors="replace")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError(CUT_OFF)
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
    raise ValueError(NO_MODEL)
