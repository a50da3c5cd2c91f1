"""Figures for Prometheus: what a scrape finds, and that none but this machine finds it."""

import logging
import math
import re
import socket
import urllib.request
from importlib.util import find_spec

import pytest

from streamer.errors import ConfigError
from streamer.generators.stats import GenerationStats
from streamer.live.lateness import LatenessHistogram
from streamer.service.figures import StreamFigures

if find_spec("prometheus_client") is None:
    pytest.skip("the extra metrics is not installed", allow_module_level=True)

from streamer.service.metrics import LOOPBACK, MetricsServer, buckets


def make_figures(**changes):
    stats = GenerationStats(phrases=3, candidates=24)
    stats.dropped.update({"too-dense": 4, 'odd "reason"\n': 1})
    lateness = LatenessHistogram()
    for seconds in (0.00002, 0.0004, 0.0004, 0.03):
        lateness.add(seconds)
    plain = {
        "model": "piano",
        "seed": 1,
        "port": "Digital Piano",
        "waiting_for_port": False,
        "paused": False,
        "policy": "SCHED_OTHER",
        "notes_sent": 96,
        "late_dropped": 2,
        "sounding": ((0, 60), (0, 64)),
        "pedal": True,
        "buffer_seconds": 5.5,
        "underruns": 1,
        "candidates": 8,
        "lateness_ms": {},
        "generation": stats.to_dict(),
        "stalls": 1,
        "port_losses": 7,
        "lateness": lateness,
    }
    return StreamFigures(**(plain | changes))


@pytest.fixture(scope="module")
def scrape():
    """A server that is scraped for real, with figures that the test can change.

    One for all: closing it takes half a second.
    """
    here = {}
    server = MetricsServer(0, lambda: here["figures"])

    def scrape(**changes):
        here["figures"] = make_figures(**changes)
        with urllib.request.urlopen(f"http://{LOOPBACK}:{server.port}/metrics") as answer:
            return answer.read().decode()

    yield scrape
    server.close()


def value(text, name):
    (found,) = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("perpetuo_notes_total", 96),
        ("perpetuo_notes_late_dropped_total", 2),
        ("perpetuo_phrases_total", 3),
        ("perpetuo_candidates_total", 24),
        ("perpetuo_underruns_total", 1),
        ("perpetuo_stalls_total", 1),
        ("perpetuo_port_losses_total", 7),
        ("perpetuo_buffer_seconds", 5.5),
        ("perpetuo_sounding", 2),
        ("perpetuo_port_up", 1),
        ("perpetuo_paused", 0),
        ('perpetuo_candidates_dropped_total{reason="too-dense"}', 4),
        ('perpetuo_candidates_dropped_total{reason="odd \\"reason\\"\\n"}', 1),
        ('perpetuo_info{model="piano",port="Digital Piano"}', 1),
        ("perpetuo_lateness_seconds_count", 4),
        ('perpetuo_lateness_seconds_bucket{le="+Inf"}', 4),
        ('perpetuo_lateness_seconds_bucket{le="0.0005"}', 3),
        ('perpetuo_lateness_seconds_bucket{le="5e-05"}', 1),
        ('perpetuo_lateness_seconds_bucket{le="0.05"}', 4),
    ],
)
def test_a_scrape_finds(scrape, name, expected):
    assert expected == value(scrape(), name)


def test_each_scrape_has_the_figures_of_its_moment(scrape):
    assert 96 == value(scrape(), "perpetuo_notes_total")
    assert 97 == value(scrape(notes_sent=97), "perpetuo_notes_total")
    assert 0 == value(scrape(waiting_for_port=True), "perpetuo_port_up")


def test_sum_of_the_lateness_is_exact(scrape):
    total = value(scrape(), "perpetuo_lateness_seconds_sum")
    assert math.isclose(0.00002 + 0.0004 + 0.0004 + 0.03, total)


def test_nothing_of_the_interpreter_is_shown(scrape):
    assert {line.split("_")[0] for line in scrape().splitlines() if line[0] != "#"} == {"perpetuo"}


def test_buckets_only_grow_and_end_with_all():
    lateness = LatenessHistogram()
    for k in range(2000):
        lateness.add(1e-6 * 1.01**k)
    counts = [count for _, count in buckets(lateness)]
    assert sorted(counts) == counts
    assert 2000 == counts[-1]


def test_no_other_address_of_this_machine_answers(scrape):
    scrape()
    server = MetricsServer(0, make_figures)
    try:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", server.port), timeout=2)
    finally:
        server.close()


def test_a_port_that_is_taken_is_one_line_with_the_remedy():
    server = MetricsServer(0, make_figures)
    try:
        with pytest.raises(ConfigError, match=rf"metrics_port {server.port} .*choose another"):
            MetricsServer(server.port, make_figures)
    finally:
        server.close()


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r"-m pip install -e \S+\[metrics\]"):
        MetricsServer(0, make_figures)


def test_the_address_is_in_the_log(caplog):
    caplog.set_level(logging.INFO)
    server = MetricsServer(0, make_figures)
    server.close()
    assert f"http://{LOOPBACK}:{server.port}/metrics" in caplog.text
