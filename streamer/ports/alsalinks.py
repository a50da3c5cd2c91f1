"""Which connections of ours ALSA's sequencer still knows.

In: the kernel's list of clients, ``/proc/asound/seq/clients``. Out: whether a port of ours is still
tied to what it was opened for. A cable that is pulled and put back between two looks leaves every
name as it was, but the kernel has cut the connection, and what is sent goes nowhere. Thread: the
port owner's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

ALSA_CLIENTS = Path("/proc/asound/seq/clients")

_CLIENT = re.compile(r'^Client +\d+ : "(.*)" \[')
_NUMBERED = re.compile(r'^Client +(\d+) : "(.*)" \[')
_PORT = re.compile(r'^ +Port +(\d+) : "(.*)" \(')
_WAYS: dict[Literal["output", "input"], str] = {
    "output": "Connecting To:",
    "input": "Connected From:",
}
_PLACE = re.compile(r"(\d+:\d+)(?:\[[^]]*\])*")
_NUMBERS = re.compile(r"\d+:\d+$")


def links(text: str, client: str, direction: Literal["output", "input"]) -> set[str]:
    """Return what clients of a name are connected to, as ``20:0``.

    Args:
        text: The kernel's list.
        client: The clients' name; several may bear it.
        direction: Whether they send to it or receive from it.
    """
    found: set[str] = set()
    ours = False
    for line in text.splitlines():
        if head := _CLIENT.match(line):
            ours = head[1] == client
        elif ours and line.strip().startswith(_WAYS[direction]):
            found.update(_PLACE.findall(line.partition(":")[2]))
    return found


def linked(
    client: str, direction: Literal["output", "input"], clients: Path = ALSA_CLIENTS
) -> list[str] | None:
    """Return the names of what a client of ours is connected to, or None where nobody can say.

    Args:
        client: The name of our client.
        direction: Whether it sends to them or receives from them.
        clients: The kernel's list; not every kernel has it.
    """
    try:
        text = clients.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    places, owner = dict[str, str](), ("", "")
    for line in text.splitlines():
        if head := _NUMBERED.match(line):
            owner = head[1], head[2]
        elif port := _PORT.match(line):
            places[f"{owner[0]}:{port[1]}"] = f"{owner[1]}:{port[2]}"
    return sorted(places.get(place, place) for place in links(text, client, direction))


def is_linked(
    address: str,
    client: str,
    direction: Literal["output", "input"],
    clients: Path = ALSA_CLIENTS,
) -> bool | None:
    """Return whether a client of ours is tied to a port, or None where nobody can say.

    Args:
        address: The port's raw name, which ends with its numbers: ``Juno-60:MIDI 1 20:0``.
        client: The name of our client.
        direction: Whether it sends to the port or receives from it.
        clients: The kernel's list; not every kernel has it.
    """
    numbers = _NUMBERS.search(address)
    if numbers is None:
        return None
    try:
        text = clients.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return numbers[0] in links(text, client, direction)
