"""What a person writes behind a port's name: which channel goes where, and how much later.

In: a port as it is written. Out: its name, a table of 16 channels, an offset in milliseconds.

==================  ==============================================================
``NAME@5``          the stream's first channel is heard on 5, the next on 6
``NAME@1=10,2=off`` the first on 10, the second not at all, the others as they are
``NAME@2=1,*=off``  the second on 1, no other
``NAME@-20ms``      all is sent 20 ms sooner than to the others
``NAME@5,+35ms``    on 5 and 6, 35 ms later
==================  ==============================================================
"""

from __future__ import annotations

import re

from streamer.midi.messages import CHANNELS

ChannelMap = tuple[int | None, ...]
"""For each channel of the stream, 0..15, the one it is heard on; None is not at all."""

_SUFFIX = re.compile(r"^(?P<name>.*)@(?P<channels>[0-9*=,a-z]+)$", re.IGNORECASE)

_OFFSET = re.compile(r"^(?P<port>.*)[@,](?P<offset>[+-]?[0-9.]+)(?P<unit>ms)?$")

EARLIEST_MS, LATEST_MS = -50.0, 200.0
"""How far an output can be moved in time."""


def moved_by(offset: int) -> ChannelMap:
    """Return the table that moves each channel up; the sum goes round at 16.

    Raises:
        ValueError: ``offset`` is not in range 0..15.
    """
    if not 0 <= offset < CHANNELS:
        raise ValueError(f"offset must be in range 0..{CHANNELS - 1}, not {offset}")
    return tuple((channel + offset) % CHANNELS for channel in range(CHANNELS))


def split_offset(spec: str) -> tuple[str, float]:
    """Part how much later an output is to be from what else is written of it.

    Returns:
        The port with its channels, and ms; 0 where nothing is written.

    Raises:
        ValueError: It is out of range, or no number.
    """
    found = _OFFSET.match(spec.strip())
    if found is None:
        return spec.strip(), 0.0
    # Any path may end so; of a port's name only what has a sign is an offset that lacks its unit.
    path = spec.strip().startswith("file:")
    if found["unit"] is None and (path or found["offset"][0] not in "+-"):
        return spec.strip(), 0.0
    text = found["offset"]
    if found["unit"] is None:
        raise ValueError(f"an offset must have its unit, as in {text}ms, not {text}")
    try:
        offset_ms = float(text)
    except ValueError as error:
        raise ValueError(f"an offset must be written as in +35ms, not {text}ms") from error
    if not EARLIEST_MS <= offset_ms <= LATEST_MS:
        legal = f"{EARLIEST_MS:g}..{LATEST_MS:g}"
        raise ValueError(f"an offset must be in range {legal} ms, not {offset_ms:g}")
    return found["port"].strip(), offset_ms


def split_channels(spec: str) -> tuple[str, ChannelMap | None]:
    """Part what is written behind a port's name from the name.

    Returns:
        The name, and the table; None where nothing is written. An offset is left out.

    Raises:
        ValueError: What is written is no such thing.
    """
    spec, _ = split_offset(spec)
    found = _SUFFIX.match(spec)
    if found is None:
        return spec, None
    name, text = found["name"].strip(), found["channels"].lower()
    if text.isdigit():
        return name, moved_by(_channel(text))
    if "=" not in text:
        return spec, None  # a name with an @ in it
    table: dict[str, int | None] = {}
    for pair in text.split(","):
        source, equals, target = pair.partition("=")
        if not equals:
            raise ValueError(f"channels must be written as in 1=10,2=off, not {found['channels']}")
        key = source if source == "*" else str(_channel(source))
        if key in table:
            raise ValueError(f"channels must be named once each, not {source} twice")
        table[key] = None if target == "off" else _channel(target)
    others = table.get("*")
    return name, tuple(
        table.get(str(channel), others if "*" in table else channel) for channel in range(CHANNELS)
    )


def _channel(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text[:4]) <= CHANNELS:
        raise ValueError(f"a channel must be in range 1..{CHANNELS}, or off, not {text or 'empty'}")
    return int(text) - 1
