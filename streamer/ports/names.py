"""Names of ports: matched without the numbers that change, ranked, and guessed at.

In: the raw names that a MIDI system lists. Out: :class:`PortInfo`, and the one that is meant.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from streamer.ports.base import Kind, PortInfo

_ALSA_NUMBERS = re.compile(r"\s+(\d+):(\d+)$")
_FIRST_USER_CLIENT = 128
"""ALSA numbers programs from here on; below are the kernel's: cards, and a few that are not."""

_NOT_HARDWARE = re.compile(r"midi through|virtual raw midi|virmidi|^system:(timer|announce)", re.I)
_BRIDGE = re.compile(r"ttymidi|rtp-?midi|bluetooth|bluez|ble[-_ ]?midi", re.I)
"""Programs that stand for hardware: a DIN cable on a serial line, the network, Bluetooth."""

_WAITING_BRIDGE = re.compile(r"^rtp-?midi[^:]*:network$", re.I)

_JACK_HARDWARE = re.compile(r"^(system:midi|a2j:|alsa_midi:)|midi-bridge", re.I)


def describe(
    raw_names: Iterable[str], system: str, direction: Literal["output", "input"]
) -> list[PortInfo]:
    """Return what the raw names of one system say; of equal names the second is ``NAME #2``."""
    seen: Counter[str] = Counter()
    found = []
    for raw in raw_names:
        name = _ALSA_NUMBERS.sub("", raw).strip() if system == "alsa" else raw
        seen[name] += 1
        if seen[name] > 1:
            name = f"{name} #{seen[name]}"
        found.append(PortInfo(name, direction, system, _kind(raw, system), raw))
    return found


def _kind(raw: str, system: str) -> Kind:
    if _NOT_HARDWARE.search(raw):
        return "software"
    if system == "alsa":
        numbers = _ALSA_NUMBERS.search(raw)
        if numbers and int(numbers[1]) < _FIRST_USER_CLIENT:
            return "hardware"
    elif system != "jack" or _JACK_HARDWARE.search(raw):
        return "hardware"
    return "bridge" if _BRIDGE.search(raw) else "software"


def match(wanted: str, ports: Sequence[PortInfo]) -> PortInfo | None:
    """Return the port that is meant, or None.

    The whole name wins over the name of its client or of the port alone, and that over any part of
    the name; case does not matter. Of equal matches hardware wins, then the first.
    """
    asked = wanted.strip().casefold()
    if not asked:
        return None
    best: tuple[int, int, int] | None = None
    chosen = None
    for index, port in enumerate(ports):
        closeness = _closeness(asked, port)
        rank = (closeness, 0 if port.kind == "hardware" else 1, index)
        if closeness < 3 and (best is None or rank < best):
            best, chosen = rank, port
    return chosen


def _closeness(asked: str, port: PortInfo) -> int:
    """Return 0 for the whole name, 1 for client or port, 2 for a part, 3 for none of it."""
    name = port.name.casefold()
    if asked in (name, port.address.casefold()):
        return 0
    if asked in name.split(":"):
        return 1
    return 2 if asked in name else 3


@dataclass(frozen=True, slots=True)
class AutoRules:
    """What ``auto`` may take.

    Attributes:
        own_name: How this program is called: its own ports are never taken.
        allow: Only names that hold one of these; ``*`` and ``?`` stand for anything, case does not
            matter. Empty allows all.
        deny: No name that holds one of these.
    """

    own_name: str
    allow: Sequence[str] = ()
    deny: Sequence[str] = ()

    def allows(self, port: PortInfo) -> bool:
        """Whether a port may be taken."""
        name = port.name.casefold()
        if name.startswith(self.own_name.casefold()) or _holds(name, self.deny):
            return False
        return not self.allow or _holds(name, self.allow)


def _holds(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, f"*{pattern.casefold()}*") for pattern in patterns)


def choose_automatically(ports: Sequence[PortInfo], rules: AutoRules) -> PortInfo | None:
    """Return the first hardware port that the rules allow, else the first bridge to some, or None.

    What is allowed by name need be neither: who names a program wants it.
    """
    allowed = [port for port in ports if rules.allows(port)]
    # Of a network bridge its peers, and last the port that waits for one to come.
    allowed.sort(key=lambda port: bool(_WAITING_BRIDGE.search(port.name)))
    kinds = ("hardware", "bridge", "software") if rules.allow else ("hardware", "bridge")
    return next((port for kind in kinds for port in allowed if port.kind == kind), None)


def nearest(wanted: str, ports: Sequence[PortInfo], what: str = "output") -> str:
    """Return a clause that offers the likeliest names, for an error message."""
    names = [port.name for port in ports]
    if not names:
        device = "synth" if what == "output" else "controller"
        return f"there is no {what} to choose from; is the {device} connected?"
    keys = {part.casefold(): name for name in names for part in (*name.split(":"), name)}
    close = difflib.get_close_matches(wanted.casefold(), keys, n=3, cutoff=0.5)
    offered = list(dict.fromkeys(keys[key] for key in close))
    if offered:
        return "did you mean " + " or ".join(f"'{name}'" for name in offered) + "?"
    shown = ", ".join(f"'{name}'" for name in names[:5])
    return f"there are {shown}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")
