"""Silence for a stream that hangs, or was ended by force: a fresh process sends it.

    python -m streamer.service.lastsilence '{"specs": ["auto"], "channel": 1, ...}'

In: which ports are played to, and the table of what sounds that outlives a process
(:mod:`streamer.service.crash`). Out: the messages that end it, to each of these ports that can be
opened. A port of the stream's own cannot: those who are connected to it hear nobody else. Started
by :mod:`streamer.service.guardian`.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from dataclasses import replace

from streamer.errors import StreamerError
from streamer.midi.sounding import SoundingTable
from streamer.ports.opening import is_live, open_port
from streamer.service.crash import read_table
from streamer.settings.midi import PortSettings
from streamer.system.folders import runtime_folder
from streamer.system.logs import configure_logging

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 30
"""The MIDI system may hang as the stream did, and JACK takes five seconds to miss a dead client."""


TRIES = 3
"""A server that is busy with a dead client may be free of it at the next."""


def silence(settings: PortSettings, table: SoundingTable) -> int:
    """Send what ends the sounding keys to every port, and return to how many it was sent."""
    messages, reached = table.silence(), 0
    if not (table.keys or table.pedals):
        return 0
    for spec, name in zip(settings.specs, settings.names, strict=True):
        if not is_live(name) or name == "virtual":
            continue
        reached += any(_reach(replace(settings, port=spec), messages) for _ in range(TRIES))
    return reached


def _reach(settings: PortSettings, messages: list[bytes]) -> bool:
    """Send messages to one port; return whether that could be opened."""
    try:
        port = open_port(settings.specs[0], settings)
        for message in messages:
            port.send(message)
        port.close()
    except StreamerError as error:
        logger.error("not silenced: %s", error)  # noqa: TRY400 - a line, and no trace
        return False
    return True


def main(words: list[str]) -> None:
    """Silence what the words name."""
    if hasattr(signal, "alarm"):
        signal.alarm(LIMIT_SECONDS)
    configure_logging("error")
    told = json.loads(words[0])
    settings = PortSettings(
        port=tuple(told["specs"]),
        channel=told["channel"],
        allow=tuple(told["allow"]),
        deny=tuple(told["deny"]),
        client_name=told["client_name"],
    )
    silence(settings, read_table(runtime_folder(), " + ".join(settings.specs)))


if __name__ == "__main__":
    main(sys.argv[1:])
