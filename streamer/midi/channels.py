"""MIDI channels on their way to an output: which goes where, and which nowhere.

In: what a person writes behind a port's name. Out: a table of 16 channels.

==================  ==============================================================
``NAME@5``          the stream's first channel is heard on 5, the next on 6
``NAME@1=10,2=off`` the first on 10, the second not at all, the others as they are
``NAME@2=1,*=off``  the second on 1, no other
==================  ==============================================================
"""

from __future__ import annotations

import re

from streamer.midi.messages import CHANNELS

ChannelMap = tuple[int | None, ...]
"""For each channel of the stream, 0..15, the one it is heard on; None is not at all."""

_SUFFIX = re.compile(r"^(?P<name>.*)@(?P<channels>[0-9*=,a-z]+)$", re.IGNORECASE)


def moved_by(offset: int) -> ChannelMap:
    """Return the table that moves each channel up; the sum goes round at 16.

    Raises:
        ValueError: ``offset`` is not in range 0..15.
    """
    if not 0 <= offset < CHANNELS:
        raise ValueError(f"offset must be in range 0..{CHANNELS - 1}, not {offset}")
    return tuple((channel + offset) % CHANNELS for channel in range(CHANNELS))


def split_channels(spec: str) -> tuple[str, ChannelMap | None]:
    """Part what is written behind a port's name from the name.

    Returns:
        The name, and the table; None where nothing is written.

    Raises:
        ValueError: What is written is no such thing.
    """
    found = _SUFFIX.match(spec.strip())
    if found is None:
        return spec.strip(), None
    name, text = found["name"].strip(), found["channels"].lower()
    if text.isdigit():
        return name, moved_by(_channel(text))
    if "=" not in text:
        return spec.strip(), None  # a name with an @ in it
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
