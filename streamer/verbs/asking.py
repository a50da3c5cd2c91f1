"""Asks the stream that plays on this machine, over the API of its page.

In: the settings, which say where the page is, and a request. Out: what the stream answers, or one
line that says why there is none. Standard library alone.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError
from streamer.settings.live import WEB_ADDRESS, WEB_PORT, Address, is_loopback, parse_address
from streamer.settings.settings import Settings
from streamer.system.folders import state_folder
from streamer.system.reading import read_at_most
from streamer.verbs.options import add_setting

SERVICE_SETTINGS = Path("/etc/perpetuo/perpetuo.toml")
SERVICE_STATE = Path("/var/lib/perpetuo")
"""Where the unit of the service keeps what outlives a start (systemd/perpetuo.service)."""

PATIENCE_SECONDS = 20.0
"""How long what is asked may be silent."""

MOST_PATIENCES = 10
"""And how many times as long its answer may take in all."""

MOST_JSON_BYTES = 1024 * 1024
MOST_FILE_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

MOST_NUMBER = 1e15
MOST_LINE = 500
"""Characters of a problem that are shown."""


class _Endless(Exception):
    """An answer is longer, or takes longer, than any of a stream."""


def add_stream(parser: argparse.ArgumentParser) -> None:
    """Add ``--web``: where the stream is that is asked."""
    add_setting(
        parser,
        "--web",
        "live.web",
        metavar="HOST:PORT",
        help=f"where the page of the stream is that plays (default {WEB_ADDRESS})",
    )


def state_of_stream(config: Path | None) -> Path:
    """Return the state folder of the stream whose settings these are."""
    of_service = config is not None and config.resolve() == SERVICE_SETTINGS
    return SERVICE_STATE if of_service else state_folder()


def ask_stream(
    settings: Settings,
    config: Path | None,
    method: str,
    path: str,
    body: Any = None,
    *,
    wanted: Mapping[str, type],
    patience_seconds: float = PATIENCE_SECONDS,
) -> dict[str, Any]:
    """Ask the stream and return what its JSON says.

    Args:
        settings: Say where its page is.
        config: The settings file that was named, if any: the service's token lies elsewhere.
        method: HTTP method.
        path: Below the root.
        body: Becomes JSON; None sends none.
        wanted: What the answer must hold: key to type; ``float`` takes any number.
        patience_seconds: How long it may be silent.

    Raises:
        ConfigError: No stream answers there, another program does, or it refuses.
    """
    told = fetch(
        settings, config, method, path, body,
        most_bytes=MOST_JSON_BYTES, patience_seconds=patience_seconds,
    )  # fmt: skip
    try:
        found = json.loads(told)
    except (ValueError, RecursionError) as error:
        raise ConfigError([_strange(_address(settings), "what it says is no JSON")]) from error
    for key, kind in wanted.items():
        if not isinstance(found, dict) or not _is(found.get(key), kind):
            raise ConfigError([_strange(_address(settings), f"it says nothing of {key!r}")])
    return dict(found)


def fetch(
    settings: Settings,
    config: Path | None,
    method: str,
    path: str,
    body: Any = None,
    *,
    most_bytes: int = MOST_FILE_BYTES,
    patience_seconds: float = PATIENCE_SECONDS,
) -> bytes:
    """Ask the stream and return the bytes of its answer; see :func:`ask_stream`."""
    address = _address(settings)
    headers = {"Content-Type": "application/json"}
    if not is_loopback(address.host):
        headers["Authorization"] = f"Bearer {_token(state_of_stream(config))}"
    client = http.client.HTTPConnection(address.host, address.port, timeout=patience_seconds)
    try:
        data = None if body is None else json.dumps(body).encode()
        client.request(method, path, data, headers)
        answer = client.getresponse()
        told = _read(answer, most_bytes, MOST_PATIENCES * patience_seconds)
    except TimeoutError as error:
        reason = f"nothing came within {patience_seconds:g} s"
        raise ConfigError([_silent(address, reason)]) from error
    except _Endless as error:
        raise ConfigError([_strange(address, str(error))]) from error
    except http.client.HTTPException as error:
        raise ConfigError([_strange(address, _broken(error))]) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigError([_silent(address, reason)]) from error
    finally:
        client.close()
    if answer.status == http.client.OK:
        return told
    raise ConfigError([_problem(told) or _strange(address, f"HTTP {answer.status}")])


def _address(settings: Settings) -> Address:
    """Return where the stream is asked: one that listens everywhere is asked on this machine."""
    address = parse_address(settings.live.web or WEB_ADDRESS, WEB_PORT)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    return Address(host, address.port)


def _read(answer: http.client.HTTPResponse, most_bytes: int, most_seconds: float) -> bytes:
    """Read an answer to its end."""
    held, until = bytearray(), time.monotonic() + most_seconds
    while piece := answer.read1(CHUNK_BYTES):
        held += piece
        if len(held) > most_bytes:
            raise _Endless(f"it sends more than {most_bytes >> 20} MiB")
        if time.monotonic() > until:
            raise _Endless(f"it does not come to an end within {most_seconds:g} s")
    if answer.length:
        raise http.client.IncompleteRead(bytes(held), answer.length)
    return bytes(held)


def _is(value: Any, kind: type) -> bool:
    if kind is not float:
        return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= MOST_NUMBER


def _problem(told: bytes) -> str | None:
    """Return the line in which a stream says why not; None where it is no stream's."""
    try:
        problem = json.loads(told)["error"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return str(problem)[:MOST_LINE] if problem else None


def _token(folder: Path) -> str:
    from streamer.surfaces.access import MOST_BYTES, TOKEN_FILE

    try:
        return read_at_most(folder / TOKEN_FILE, MOST_BYTES).decode("ascii").strip()
    except (OSError, ValueError):
        return ""


def _broken(error: http.client.HTTPException) -> str:
    cut = isinstance(error, http.client.IncompleteRead | ConnectionError)
    return "its answer breaks off" if cut else "what it says is no HTTP"


def _silent(address: Address, reason: str) -> str:
    return (
        f"no stream answers at {address} ({reason}); start one with `perpetuo play --web`, or say "
        "where its page is with --web HOST:PORT"
    )


def _strange(address: Address, reason: str) -> str:
    return (
        f"what answers at {address} is no stream ({reason}); another program may have the port: "
        "say where the page of the stream is with --web HOST:PORT"
    )
