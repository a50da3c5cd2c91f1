"""Each surface is sent sense, damage and nonsense; it answers all the same, and nothing is broken.

``PERPETUO_FUZZ=100000 pytest tests/surfaces/test_attack.py`` is the long form;
docs/results/live.md has its figures.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from streamer.settings.controls import Controls
from streamer.settings.live import Address, Broker
from streamer.surfaces.access import Access
from streamer.surfaces.mqtt import MqttSurface
from streamer.surfaces.osc import OscSurface
from streamer.surfaces.web import WebSurface
from tests.fuzzing import CASES
from tests.surfaces import attack
from tests.surfaces.desks import FakeDesk
from tests.surfaces.test_mqtt import Mosquitto, needs_mosquitto

pytestmark = pytest.mark.timeout(120 + CASES // 20)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> FakeDesk:
    """A desk; what ends a thread fails the test."""
    broken: list[object] = []
    monkeypatch.setattr(threading, "excepthook", broken.append)
    held = FakeDesk()
    yield held
    assert [] == broken
    now = held.controls.snapshot()
    assert now == Controls.from_values(now.values())


def test_the_osc_surface_bears_anything(desk):
    surface = OscSurface(desk, Address("127.0.0.1", 0))
    assert CASES == attack.osc("127.0.0.1", surface.address.port, CASES)
    surface.close()


@pytest.mark.parametrize("send", [attack.http, attack.websocket])
def test_the_web_surface_bears_anything(send, desk, caplog):
    surface = WebSurface(desk, Address("127.0.0.1", 0), Access())
    assert CASES == send("127.0.0.1", surface.address.port, CASES)
    assert "Traceback" not in caplog.text
    assert "never retrieved" not in caplog.text
    surface.close()


@needs_mosquitto
def test_the_mqtt_surface_bears_anything(desk, tmp_path: Path):
    broker = Mosquitto(tmp_path)
    surface = MqttSurface(desk, Broker("127.0.0.1", broker.port), name="Test Pi")
    assert CASES == attack.mqtt("127.0.0.1", broker.port, surface.device, CASES)
    surface.close()
    broker.stop()
