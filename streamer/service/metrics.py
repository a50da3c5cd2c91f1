"""Figures for Prometheus, on the loopback alone (extra ``metrics``).

In: a callable that reads :class:`~streamer.service.figures.StreamFigures`. Out: a server on
127.0.0.1 that answers each scrape with the figures of that moment; between scrapes nothing is done.
Opened by the daemon where ``service.metrics_port`` is set. Figures are read-only, and no other
address can be
asked for: who wants them on another machine puts a proxy before them.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from streamer.errors import ConfigError
from streamer.live.lateness import LatenessHistogram
from streamer.service.figures import StreamFigures
from streamer.system.installing import how_to_add

if TYPE_CHECKING:
    from prometheus_client.core import Metric

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"

LATENESS_SECONDS = (
    0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 10.0,
)  # fmt: skip
"""Bounds of the histogram that is shown; each is met to within the 5 % of the counting cells."""

Read = Callable[[], StreamFigures]


class FiguresCollector:
    """Turns the figures of the moment into metrics, in the server's threads."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        figures = self._read()
        yield InfoMetricFamily(
            "perpetuo", "What plays where", value={"model": figures.model, "port": figures.port}
        )
        for name, about, value in counters(figures):
            yield CounterMetricFamily(f"perpetuo_{name}", about, value=value)
        for name, about, value in gauges(figures):
            yield GaugeMetricFamily(f"perpetuo_{name}", about, value=value)
        dropped = CounterMetricFamily(
            "perpetuo_candidates_dropped", "Phrases that filters dropped", labels=["reason"]
        )
        for reason, count in figures.generation.get("dropped", {}).items():
            dropped.add_metric([reason], count)
        yield dropped
        yield HistogramMetricFamily(
            "perpetuo_lateness_seconds",
            "How late messages left",
            buckets=buckets(figures.lateness),
            sum_value=figures.lateness.total_seconds,
        )


def counters(figures: StreamFigures) -> list[tuple[str, str, float]]:
    """Return name, meaning and value of what only grows."""
    drawn = figures.generation
    return [
        ("notes", "Note-ons that left", figures.notes_sent),
        ("notes_late_dropped", "Note-ons that were too late to be sent", figures.late_dropped),
        ("phrases", "Phrases chosen", drawn.get("phrases", 0)),
        ("candidates", "Phrases drawn", drawn.get("candidates", 0)),
        ("redraws", "Times that filters dropped every candidate", drawn.get("redraws", 0)),
        ("inference_seconds", "Time inside the engine", drawn.get("inference_s", 0.0)),
        ("underruns", "Rests lengthened because music came too late", figures.underruns),
        ("stalls", "Times that the process stood still", figures.stalls),
        ("port_losses", "Times that the port went away", figures.port_losses),
    ]


def gauges(figures: StreamFigures) -> list[tuple[str, str, float]]:
    """Return name, meaning and value of what goes up and down."""
    return [
        ("buffer_seconds", "Music written and not played yet", figures.buffer_seconds),
        ("sounding", "Keys that are down", len(figures.sounding)),
        ("candidates_now", "Phrases drawn for the next one played", figures.candidates),
        ("port_up", "1 where there is a port to play to", float(not figures.waiting_for_port)),
        ("paused", "1 where a person holds the music", float(figures.paused)),
    ]


def buckets(lateness: LatenessHistogram) -> list[tuple[str, float]]:
    """Return cumulative counts up to the nearest cell below each bound, and of all."""
    bounds, counts = lateness.cumulative()
    found = []
    for wanted in LATENESS_SECONDS:
        cell = bisect_right(bounds, wanted) - 1
        found.append((f"{wanted:g}", float(counts[cell]) if cell >= 0 else 0.0))
    return [*found, ("+Inf", float(counts[-1]))]


class MetricsServer:
    """Answers Prometheus until it is closed.

    Args:
        port: TCP port on the loopback, 0..65535; 0 takes any that is free.
        read: Reads the figures; any thread.

    Raises:
        ConfigError: The extra is not installed, or the port is taken or not allowed.
    """

    def __init__(self, port: int, read: Read) -> None:
        try:
            from prometheus_client import CollectorRegistry, start_http_server
        except ModuleNotFoundError as error:
            raise ConfigError(
                [f"service.metrics_port needs the metrics extra: {how_to_add('metrics')}"]
            ) from error
        # A registry of our own: Prometheus's default one counts the interpreter's garbage.
        registry = CollectorRegistry(auto_describe=False)
        registry.register(FiguresCollector(read))
        try:
            self._server, self._thread = start_http_server(port, LOOPBACK, registry)
        except OSError as error:
            raise ConfigError(
                [
                    f"service.metrics_port {port} cannot be opened on {LOOPBACK} "
                    f"({error.strerror}); choose another, or allow AF_INET in the service "
                    "(systemd/network.conf)"
                ]
            ) from error
        self.port = int(self._server.server_port)
        logger.info("figures for Prometheus at http://%s:%d/metrics", LOOPBACK, self.port)

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
