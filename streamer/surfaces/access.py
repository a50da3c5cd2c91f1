"""Who may ask: loopback or network, the token, and pages of other sites.

In: the head of a request. Out: nothing, or a :class:`~streamer.surfaces.desk.Refusal`. A page of
another site must not steer the stream through the browser of whoever reads it: ``Origin`` must be
that of the page itself, and ``Host`` must be a name that this machine is known by, so that a name
that is made to point here (DNS rebinding) is of no use. Pure; any thread.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from streamer.errors import ConfigError
from streamer.settings.live import is_loopback
from streamer.surfaces.desk import Refusal
from streamer.system.atomic import atomic_file
from streamer.system.reading import read_at_most

TOKEN_FILE = "token"
MOST_BYTES = 4096
TOKEN_BYTES = 24


@dataclass(frozen=True, slots=True)
class Access:
    """What a request must bring.

    Attributes:
        token: Asked for where it is not None: on the network.
        names: Host names that this machine is known by, lower case.
    """

    token: str | None = None
    names: frozenset[str] = frozenset()

    def check(self, headers: dict[str, str], query: dict[str, str], *, free: bool = False) -> None:
        """Let a request in.

        Args:
            headers: By lower-case name.
            query: What stands behind the question mark.
            free: Whether no token is asked for: health.

        Raises:
            Refusal: 403 for a strange host or origin, 401 for a token that is not right.
        """
        host = headers.get("host", "")
        if not self._is_ours(host):
            raise Refusal(
                403, f"host {host[:80]!r} is none of ours; use an address or "
                f"{sorted(self.names)[0] if self.names else 'localhost'}",
            )  # fmt: skip
        origin = headers.get("origin")
        if origin is not None and _place(origin) != host.lower():
            raise Refusal(
                403, f"origin {origin[:80]!r} may not steer this stream; open its own page"
            )
        if self.token is None or free:
            return
        given = headers.get("authorization", "").removeprefix("Bearer ").strip()
        given = given or query.get("token", "")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise Refusal(401, "this needs the token that `perpetuo token` prints")

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
            _ = urlsplit(f"//{host}").port
        except ValueError:
            return False
        if is_loopback(name) or name in self.names:
            return True
        if self.token is None:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True  # a number points nowhere else than where it says


def _place(origin: str) -> str | None:
    """Return host and port of an origin, lower case; None where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def own_names() -> frozenset[str]:
    """Return the names that this machine is known by on its network."""
    name = socket.gethostname().lower()
    return frozenset({name, f"{name.split('.')[0]}.local"}) if name else frozenset()


def read_token(folder: Path) -> str:
    """Return the token, made and kept for this person alone (mode 0600) where there is none.

    Args:
        folder: The state folder.

    Raises:
        ConfigError: It cannot be read or written.
    """
    path = folder / TOKEN_FILE
    try:
        token = read_at_most(path, MOST_BYTES).decode("ascii").strip()
        if len(token) >= TOKEN_BYTES:
            return token
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: the token cannot be read ({error})"]) from error
    return renew_token(folder)


def renew_token(folder: Path) -> str:
    """Make a new token; who has the old one is locked out at the next start.

    Raises:
        ConfigError: It cannot be written.
    """
    path, token = folder / TOKEN_FILE, secrets.token_urlsafe(TOKEN_BYTES)
    try:
        with atomic_file(path, 0o600) as file:
            file.write(f"{token}\n".encode())
    except OSError as error:
        raise ConfigError([f"{path}: the token cannot be kept ({error})"]) from error
    return token
