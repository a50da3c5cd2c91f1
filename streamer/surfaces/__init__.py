"""Surfaces: how a person or a program steers the stream from outside, over the network or not.

Web (HTTP, WebSocket, the page), OSC, MQTT. Each sees the stream through one protocol
(:class:`streamer.surfaces.desk.Desk`) that the service hands in, runs in a thread of its own, and
never in the scheduler's.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.surfaces.access import Access, own_names, read_token
    from streamer.surfaces.desk import Desk, Refusal, Sent, Written
    from streamer.surfaces.osc import OscSurface
    from streamer.surfaces.web import WebSurface
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        access="Access own_names read_token",
        desk="Desk Refusal Sent Written",
        osc="OscSurface",
        web="WebSurface",
    )

__all__ = [
    "Access", "Desk", "OscSurface", "Refusal", "Sent", "WebSurface", "Written", "own_names",
    "read_token",
]  # fmt: skip
