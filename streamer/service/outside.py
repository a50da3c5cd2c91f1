"""Opens the surfaces by which a stream is steered from outside, and closes them.

In: the table ``[live]`` and a desk. Out: a context in which web, OSC and MQTT serve it, as far as
they are asked for. Their libraries are extras, imported here alone. Thread: the daemon's main one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from streamer.errors import ConfigError
from streamer.settings.live import (
    OSC_PORT,
    WEB_PORT,
    LiveSettings,
    is_loopback,
    parse_address,
    parse_broker,
)
from streamer.system.folders import state_folder
from streamer.system.installing import how_to_add

if TYPE_CHECKING:
    from streamer.ports.owner import MidiOwner
    from streamer.surfaces.desk import Desk

logger = logging.getLogger(__name__)


def ports_seen(owner: MidiOwner | None) -> list[dict[str, Any]]:
    """Return the MIDI ports of an owner's last look as plain data; it never waits.

    Args:
        owner: Of the stream's ports; None where it has none.
    """
    seen = [] if owner is None else owner.seen()
    return [
        {
            "name": port.name,
            "direction": port.direction,
            "system": port.system,
            "kind": port.kind,
            "used": used,
            "connected": None if owner is None else owner.linked(port),
        }
        for port, used in seen
    ]


def wants_surfaces(live: LiveSettings) -> bool:
    """Whether anything is to be opened."""
    return any(one is not None for one in (live.web, live.osc, live.mqtt))


@contextmanager
def surfaces(live: LiveSettings, desk: Callable[[], Desk]) -> Iterator[None]:
    """Serve a desk while the context lasts.

    Args:
        live: What is wanted.
        desk: Makes the desk, where anything is wanted.

    Raises:
        ConfigError: An extra is not installed, or an address is taken.
    """
    with ExitStack() as opened:
        if wants_surfaces(live):
            shown = desk()
            _open_web(live, shown, opened)
            _open_osc(live, shown, opened)
            _open_mqtt(live, shown, opened)
        yield


def _open_web(live: LiveSettings, desk: Desk, opened: ExitStack) -> None:
    if live.web is None:
        return
    try:
        from streamer.surfaces.access import Access, own_names
        from streamer.surfaces.web import WebSurface
    except ModuleNotFoundError as error:
        raise _missing("web", "live", error) from error
    address = parse_address(live.web, WEB_PORT)
    token = None if is_loopback(address.host) else _token()
    osc = None if live.osc is None else parse_address(live.osc, OSC_PORT)
    web = WebSurface(desk, address, Access(token, own_names()), osc)
    opened.callback(web.close)
    remedy = "" if token is None else " (`perpetuo token` prints what opens it)"
    logger.info("the page is at %s%s", web.url, remedy)


def _open_osc(live: LiveSettings, desk: Desk, opened: ExitStack) -> None:
    if live.osc is None:
        return
    try:
        from streamer.surfaces.osc import OscSurface
    except ModuleNotFoundError as error:
        raise _missing("osc", "live", error) from error
    address = parse_address(live.osc, OSC_PORT)
    osc = OscSurface(desk, address, None if is_loopback(address.host) else _token())
    opened.callback(osc.close)
    logger.info("OSC is heard at %s (UDP)", osc.address)


def _open_mqtt(live: LiveSettings, desk: Desk, opened: ExitStack) -> None:
    if live.mqtt is None:
        return
    try:
        from streamer.surfaces.mqtt import MqttSurface
    except ModuleNotFoundError as error:
        raise _missing("mqtt", "mqtt", error) from error
    surface = MqttSurface(desk, parse_broker(live.mqtt))
    opened.callback(surface.close)


def _token() -> str:
    from streamer.surfaces.access import read_token

    return read_token(state_folder())


def _missing(name: str, extra: str, error: ModuleNotFoundError) -> ConfigError:
    return ConfigError(
        [f"live.{name} needs the {extra} extra ({error.name} is not there): {how_to_add(extra)}"]
    )
