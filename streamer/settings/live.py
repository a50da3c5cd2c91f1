"""Where the stream can be steered from outside: addresses of the surfaces, as a person writes them.

In: the table ``[live]`` or options. Out: addresses and a broker, or what is wrong with them in one
line. No sockets; standard library alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

WEB_PORT, OSC_PORT = 8765, 7001
"""Ports that scripts rely on."""

WEB_ADDRESS, OSC_ADDRESS = f"127.0.0.1:{WEB_PORT}", f"127.0.0.1:{OSC_PORT}"

_LOOPBACK_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost")


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How the stream is steered from outside (extras ``live`` and ``mqtt``).

    Attributes:
        web: Where the page and its API are, ``HOST:PORT``; None opens none.
        osc: Where Open Sound Control is heard, ``HOST:PORT`` of UDP; None opens none.
        mqtt: The broker that is told and obeyed, ``mqtt://[USER:PASSWORD@]HOST[:PORT]`` or
            ``mqtts://`` with TLS; None none.
        network: Whether other machines may reach web and osc; they then need the token that
            ``perpetuo token`` prints.
    """

    web: str | None = None
    osc: str | None = None
    mqtt: str | None = None
    network: bool = False

    def problems(self) -> list[str]:
        """Return what is no address, a line each, beginning with the setting."""
        found = []
        readers: tuple[tuple[str, str | None, Callable[[str], object]], ...] = (
            ("web", self.web, lambda text: parse_address(text, WEB_PORT)),
            ("osc", self.osc, lambda text: parse_address(text, OSC_PORT)),
            ("mqtt", self.mqtt, parse_broker),
        )
        for name, text, read in readers:
            try:
                if text is not None:
                    read(text)
            except ValueError as error:
                found.append(f"live.{name} {error}")
        return found

    def out_of_reach(self) -> str | None:
        """Return the line that refuses an address beyond the loopback; None where all is well.

        Raises:
            ValueError: As :meth:`problems`.
        """
        for name, text, port in (("web", self.web, WEB_PORT), ("osc", self.osc, OSC_PORT)):
            host = None if text is None else parse_address(text, port).host
            if host is not None and not self.network and not is_loopback(host):
                return (
                    f"live.{name} must be on the loopback (127.0.0.1), not {host}, unless the "
                    "network is allowed: --network, or network = true under [live]"
                )
        return None


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, port: int) -> Address:
    """Read ``HOST:PORT``, ``HOST``, ``:PORT``, ``PORT`` or an IPv6 host in brackets.

    Args:
        text: What a person wrote; empty takes the loopback.
        port: Where none is named.

    Raises:
        ValueError: The port is no number in range 1..65535, or the host is not one.
    """
    host, _, after = text.strip().rpartition(":")
    if text.strip().isdigit():
        host, after = "", text.strip()
    elif not host and not text.startswith(":"):
        host, after = text.strip(), str(port)
    elif text.startswith("[") and text.endswith("]"):
        host, after = text, str(port)
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not after.isdigit() or not 1 <= int(after) <= 65535:
        raise ValueError(f"must be HOST:PORT with a port in 1..65535, not {text!r}")
    if any(c.isspace() or c in "/@?#" for c in host):
        raise ValueError(f"must be HOST:PORT, not {text!r}")
    return Address(host, int(after))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    if host.lower() in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is, and who we are to it."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = None


def parse_broker(url: str) -> Broker:
    """Read ``mqtt://[USER:PASSWORD@]HOST[:PORT]``, or ``mqtts://`` for TLS.

    Raises:
        ValueError: It is none.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    tls = parts.scheme == "mqtts"
    if (
        parts.scheme not in ("mqtt", "mqtts")
        or not parts.hostname
        or port == 0
        or parts.path.strip("/")
    ):
        raise ValueError(f"must be mqtt://[USER:PASSWORD@]HOST[:PORT] or mqtts://..., not {url!r}")
    return Broker(
        host=parts.hostname,
        port=port or (8883 if tls else 1883),
        tls=tls,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
