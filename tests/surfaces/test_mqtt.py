"""The MQTT surface against mosquitto, with mosquitto's own clients at the other end."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.settings.controls import control_specs
from streamer.settings.live import Broker, parse_broker
from streamer.surfaces.mqtt import DISCOVERY, MqttSurface, read, written
from tests.freeports import free_port
from tests.surfaces.desks import FakeDesk
from tests.waiting import comes

PATIENCE_SECONDS = 15
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
needs_mosquitto = pytest.mark.skipif(
    not Path(MOSQUITTO).exists() or shutil.which("mosquitto_sub") is None,
    reason="mosquitto is not installed (apt install mosquitto mosquitto-clients)",
)


class Mosquitto:
    """A broker that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        )
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert comes(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)

    def publish(self, topic: str, text: str) -> None:
        command = ["mosquitto_pub", "-p", str(self.port), "-t", topic, "-m", text, "-q", "1"]
        subprocess.run(command, check=True, timeout=PATIENCE_SECONDS)

    def first(self, topic: str, count: int = 1) -> list[tuple[str, str]]:
        """Wait for messages of a topic and return each topic and text."""
        command = ["mosquitto_sub", "-p", str(self.port), "-t", topic, "-v", "-C", str(count)]
        run = subprocess.run(
            command, check=True, timeout=PATIENCE_SECONDS, capture_output=True, text=True
        )
        rows = (line.partition(" ") for line in run.stdout.splitlines())
        return [(name, text) for name, _, text in rows]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    held = Mosquitto(tmp_path)
    yield held
    held.stop()


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


def surface_on(broker: Mosquitto, desk: FakeDesk) -> MqttSurface:
    return MqttSurface(desk, Broker("127.0.0.1", broker.port), name="Test Pi")


class Moved:
    """Waits until a control has a value."""

    def __init__(self, desk: FakeDesk, name: str, value: object) -> None:
        self._event = threading.Event()

        def look(controls: object) -> None:
            if desk.controls.snapshot().value(name) == value:
                self._event.set()

        desk.controls.listen(look)

    def wait(self) -> bool:
        return self._event.wait(PATIENCE_SECONDS)


@needs_mosquitto
def test_home_assistant_finds_every_control_moves_it_and_sees_it_leave(broker, desk):
    surface = surface_on(broker, desk)
    topic = surface.topic
    count = len(control_specs()) + 3
    found = dict(broker.first(f"{DISCOVERY}/#", count))
    density = json.loads(found[f"{DISCOVERY}/number/{surface.device}/density/config"])
    assert (0.25, 4.0, "slider") == (density["min"], density["max"], density["mode"])
    pause = json.loads(found[f"{DISCOVERY}/switch/{surface.device}/pause/config"])
    assert topic("pause/set") == pause["command_topic"]
    scene = json.loads(found[f"{DISCOVERY}/select/{surface.device}/scene/config"])
    assert ["calm", "night"] == scene["options"]
    bundle = json.loads(found[f"{DISCOVERY}/select/{surface.device}/bundle/config"])
    assert ["tiny", "band"] == bundle["options"]
    assert [(topic("status"), "online")] == broker.first(topic("status"))
    assert [(topic("bundle"), "tiny")] == broker.first(topic("bundle"))
    broker.publish(topic("bundle/set"), "band")
    assert comes(lambda: desk.plays == "band")

    for name, text, value in (("density", "0.5", 0.5), ("pause", "ON", True), ("root", "3", 3)):
        moved = Moved(desk, name, value)
        broker.publish(topic(f"{name}/set"), text)
        assert moved.wait()
    moved = Moved(desk, "density", 0.7)
    broker.publish(topic("scene/set"), "night")
    assert moved.wait()
    surface.close()
    assert [(topic("status"), "offline")] == broker.first(topic("status"))


@needs_mosquitto
def test_a_scene_that_is_saved_on_whatever_surface_can_be_chosen_in_home_assistant(broker, desk):
    surface = surface_on(broker, desk)
    topic = f"{DISCOVERY}/select/{surface.device}/scene/config"
    assert ["calm", "night"] == json.loads(broker.first(topic)[0][1])["options"]
    desk.save_scene("theirs")
    broker.publish(surface.topic("save/set"), "mine")

    def options():
        return json.loads(broker.first(topic)[0][1])["options"]

    assert comes(lambda: {"mine", "theirs"} <= {*options()})
    desk.saved.pop(0)
    assert comes(lambda: "theirs" not in options())
    surface.close()


@needs_mosquitto
def test_what_is_wrong_is_a_line_in_the_log_and_moves_nothing(broker, desk, caplog):
    surface = surface_on(broker, desk)
    broker.first(surface.topic("status"))
    for name, text in (("density", "9"), ("densty", "1"), ("scene", "clam"), ("pause", "x" * 900)):
        broker.publish(surface.topic(f"{name}/set"), text)
    for _ in range(20):
        broker.publish(surface.topic("density/set"), "9")
    moved = Moved(desk, "root", 5)
    broker.publish(surface.topic("root/set"), "5")
    assert moved.wait()
    lines = [r.getMessage() for r in caplog.records if r.name == "streamer.surfaces.mqtt"]
    assert 4 == len(lines)
    assert "density must be in range 0.25..4.0" in lines[0]
    assert 1.0 == desk.controls.snapshot().density
    surface.close()
    assert "(21 times in all)" in caplog.text


@needs_mosquitto
def test_a_broker_that_is_gone_is_told_of_once_and_found_again(broker, desk, caplog):
    surface = surface_on(broker, desk)
    broker.first(surface.topic("status"))
    broker.stop()
    broker.start()
    assert [(surface.topic("status"), "online")] == broker.first(surface.topic("status"))
    moved = Moved(desk, "root", 7)
    broker.publish(surface.topic("root/set"), "7")
    assert moved.wait()
    gone = [r for r in caplog.records if "is looked for again" in r.getMessage()]
    assert 1 == len(gone)
    surface.close()


def test_a_broker_that_was_never_there_holds_nothing_up(desk):
    surface = MqttSurface(desk, Broker("127.0.0.1", free_port()))
    desk.controls.update(density=2.0)
    surface.close()
    assert "mqtt state" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://pi", Broker("pi", 1883)),
        ("mqtts://pi", Broker("pi", 8883, True)),
        ("mqtt://me:p%40ss@pi:1884/", Broker("pi", 1884, False, "me", "p@ss")),
    ],
)
def test_an_address_of_a_broker_is_read(url, broker):
    assert broker == parse_broker(url)


@pytest.mark.parametrize("url", ["pi", "http://pi", "mqtt://", "mqtt://pi:x", "mqtt://pi/topic"])
def test_what_is_no_broker_is_refused_with_the_form(url):
    with pytest.raises(ValueError, match="must be mqtt://"):
        parse_broker(url)


def test_what_is_written_is_read_back():
    for spec in control_specs().values():
        assert spec.default == read(spec, written(spec.default))


@needs_mosquitto
def test_a_scene_whose_bundle_is_loaded_holds_up_no_other_command(broker, desk, caplog):
    surface = surface_on(broker, desk)
    broker.first(surface.topic("status"))
    desk.scene_bundle = "bnd"
    desk.disk.clear()
    try:
        broker.publish(surface.topic("scene/set"), "elsewhere")
        moved = Moved(desk, "root", 5)
        broker.publish(surface.topic("root/set"), "5")
        assert moved.wait()
    finally:
        desk.disk.set()
    assert comes(lambda: "did you mean tiny?" in caplog.text)
    surface.close()
