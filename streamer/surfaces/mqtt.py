"""The MQTT surface: every control as an entity of Home Assistant, or of whoever reads MQTT.

In: a broker's address. Out: ``perpetuo/<id>/<control>`` with each control's value, retained;
``.../set`` beside it moves it; ``perpetuo/<id>/scene`` likewise, ``perpetuo/<id>/save/set`` saves
one, ``perpetuo/<id>/bundle`` with its ``set`` is the bundle that is heard, or is to be;
``perpetuo/<id>/state`` has what plays, as JSON; ``perpetuo/<id>/status`` is ``online`` or
``offline``, the latter also by the broker itself when this program is gone. Home Assistant's
discovery makes sliders, switches and a sensor of it. Extra ``mqtt``.

Threads: the client library's own, and one that looks for what has changed. A broker that is gone
is looked for again, and told of once.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from streamer.settings.controls import control_specs
from streamer.settings.live import Broker
from streamer.settings.schema import ControlSpec
from streamer.surfaces.aside import Aside
from streamer.surfaces.desk import Desk, Later, Refusal, change
from streamer.version import __version__

logger = logging.getLogger(__name__)

DISCOVERY = "homeassistant"
"""The prefix under which Home Assistant looks for what there is."""

LOOK_SECONDS = 1.0
"""How often what plays is told, where it has changed."""

MOST_QUEUED = 500
"""Messages that may wait for a broker that is gone."""

MOST_PAYLOAD = 1024

MOST_TEXT = 255
"""Characters that Home Assistant lets a person write, and takes as the state of anything."""

CUT = "..."
"""What ends a value that is longer."""

MOST_WRITES = 4
"""Scenes that are saved at once."""

MOST_LINES = 64
"""Lines of the log that are counted."""

NOTHING = "None"
"""What a control without a value is written as: Home Assistant shows it as unknown."""


class MqttSurface:
    """Tells a broker of a desk, and obeys it, until it is closed.

    Args:
        desk: The stream.
        broker: Where to.
        name: What the device is called; None takes this machine's name.
    """

    def __init__(self, desk: Desk, broker: Broker, name: str | None = None) -> None:
        self._desk = desk
        self._name = name or socket.gethostname().split(".")[0] or "pi"
        self.device = "perpetuo_" + re.sub(r"[^a-z0-9_]", "_", self._name.lower())
        self._told: dict[str, str] = {}
        self._scenes: list[str] | None = None
        self._said: Counter[str] = Counter()
        self._lost = False
        self._aside = Aside(MOST_WRITES)
        self._stop, self._changed = threading.Event(), threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=self.device)
        self._client.max_queued_messages_set(MOST_QUEUED)
        self._client.reconnect_delay_set(1, 60)
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            self._client.tls_set()
        self._client.will_set(self.topic("status"), "offline", qos=1, retain=True)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = lambda *_: self._gone("cannot be reached")
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._hear
        self._client.connect_async(broker.host, broker.port, keepalive=30)
        self._client.loop_start()
        desk.controls.listen(lambda _: self._changed.set())
        self._thread = threading.Thread(target=self._run, name="mqtt state", daemon=True)
        self._thread.start()

    def topic(self, word: str) -> str:
        """Return a topic of this device."""
        return f"perpetuo/{self.device}/{word}"

    def close(self) -> None:
        """Say that we leave, and leave; a second time does nothing."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._changed.set()
        self._thread.join(2 * LOOK_SECONDS)
        for line, times in self._said.items():
            if times > 1:
                logger.warning("MQTT: %s (%d times in all)", line, times)
        if self._client.is_connected():
            self._client.publish(self.topic("status"), "offline", qos=1, retain=True)
        self._client.disconnect()
        self._client.loop_stop()

    def _run(self) -> None:
        looked_at = time.monotonic()
        while not self._stop.is_set():
            self._changed.wait(LOOK_SECONDS)
            self._changed.clear()
            if not self._client.is_connected():
                continue
            if time.monotonic() - looked_at >= LOOK_SECONDS:
                looked_at = time.monotonic()
                if self._scenes not in (None, self._names()):
                    self._introduce()  # one was saved, on whatever surface
            self._tell()

    def _names(self) -> list[str]:
        return [str(scene["name"]) for scene in self._desk.scenes()]

    def _tell(self) -> None:
        """Publish what has changed since it was told last."""
        now = {
            name: written(value) for name, value in self._desk.controls.snapshot().values().items()
        }
        now["scene"] = self._desk.controls.scene or NOTHING
        now["bundle"] = self._desk.bundle()
        state = self._desk.state()
        now["state"] = json.dumps({**state, "sounding": len(state.get("sounding", ()))})
        for word, text in now.items():
            if self._told.get(word) != text:
                self._told[word] = text
                self._client.publish(self.topic(word), text, retain=True)

    def _connected(
        self,
        client: Client,
        _data: Any,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._gone(f"refuses us: {reason}")
            return
        if self._lost:
            logger.info("the MQTT broker is back")
        self._lost = False
        client.subscribe([(self.topic("+/set"), 1), (f"{DISCOVERY}/status", 1)])
        self._introduce()

    def _introduce(self) -> None:
        """Say what there is, and then how it is."""
        for topic, config in self.discovery().items():
            self._client.publish(topic, json.dumps(config), qos=1, retain=True)
        self._client.publish(self.topic("status"), "online", qos=1, retain=True)
        self._told.clear()
        self._changed.set()

    def _disconnected(
        self,
        _client: Client,
        _data: Any,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not self._stop.is_set():
            self._gone(f"is gone ({reason})")

    def _gone(self, what: str) -> None:
        if not self._lost:
            logger.warning("the MQTT broker %s; it is looked for again and again", what)
        self._lost = True

    def _hear(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        """Obey a command; what is wrong with it is a line in the log."""
        if message.topic == f"{DISCOVERY}/status":
            if message.payload == b"online":
                self._introduce()
            return
        word = message.topic.removeprefix(self.topic("")).removesuffix("/set")
        try:
            if len(message.payload) > MOST_PAYLOAD:
                raise Refusal(413, f"a command must have at most {MOST_PAYLOAD} bytes")
            text = message.payload.decode("utf-8", errors="replace")
            if word == "scene":
                if (later := self._desk.start_scene(text)) is not None:
                    self._aside.start(lambda: self._wait(word, later))
            elif word == "save":
                self._aside.start(lambda: self._save(text))
            elif word == "bundle":
                self._aside.start(lambda: self._wait(word, partial(self._desk.choose_bundle, text)))
            else:
                spec = control_specs().get(word)
                change(self._desk, {word: text if spec is None else read(spec, text)})
        except Refusal as error:
            self._say(str(error))
            self._told.pop(word, None)  # so that whoever asked sees what holds
        self._changed.set()

    def _save(self, name: str) -> None:
        try:
            self._desk.save_scene(name)
            self._introduce()
        except Refusal as error:
            self._say(str(error))

    def _wait(self, word: str, later: Later) -> None:
        """Wait for a bundle that is loaded for a command."""
        try:
            later()
        except Refusal as error:
            self._say(str(error))
        self._told.pop(word, None)  # so that whoever asked sees what holds
        self._changed.set()

    def _say(self, line: str) -> None:
        """Log a line that may come with every message: once, and at the end how often."""
        if line not in self._said:
            if len(self._said) >= MOST_LINES:
                return
            logger.warning("MQTT: %s", line)
        self._said[line] += 1

    def discovery(self) -> Mapping[str, dict[str, Any]]:
        """Return the entities by the topic under which Home Assistant looks for each."""
        device = {
            "identifiers": [self.device],
            "name": f"Perpetuo {self._name}",
            "manufacturer": "Perpetuo",
            "model": str(self._desk.state().get("model", "")),
            "sw_version": __version__,
        }
        found: dict[str, dict[str, Any]] = {}
        for spec in control_specs().values():
            kind, more = entity(spec)
            found[f"{DISCOVERY}/{kind}/{self.device}/{spec.name}/config"] = {
                **self._entity(spec.name, spec.name.replace("_", " ").capitalize(), device),
                "command_topic": self.topic(f"{spec.name}/set"),
                **more,
            }
        self._scenes = names = self._names()
        found[f"{DISCOVERY}/select/{self.device}/scene/config"] = {
            **self._entity("scene", "Scene", device),
            "command_topic": self.topic("scene/set"),
            "options": names,
        }
        bundles = [str(bundle["name"]) for bundle in self._desk.bundles()]
        found[f"{DISCOVERY}/select/{self.device}/bundle/config"] = {
            **self._entity("bundle", "Bundle", device),
            "command_topic": self.topic("bundle/set"),
            "options": bundles,
        }
        found[f"{DISCOVERY}/sensor/{self.device}/state/config"] = {
            **self._entity("state", "Plays", device),
            "value_template": "{{ value_json.model }}",
            "json_attributes_topic": self.topic("state"),
            "icon": "mdi:music",
        }
        return found

    def _entity(self, word: str, name: str, device: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "name": name,
            "unique_id": f"{self.device}_{word}",
            "state_topic": self.topic(word),
            "availability_topic": self.topic("status"),
            "device": device,
        }


def entity(spec: ControlSpec) -> tuple[str, dict[str, Any]]:
    """Return what Home Assistant calls a control, and what it must know of it."""
    if spec.kind == "switch":
        return "switch", {"payload_on": "ON", "payload_off": "OFF"}
    if spec.kind == "choice":
        return "select", {"options": list(spec.choices)}
    if spec.kind == "text":
        return "text", {"max": MOST_TEXT}
    legal = spec.range
    low, high = (0.0, 1.0) if legal is None else (legal.low, legal.high)
    step = 1 if spec.kind == "whole number" else 0.01
    more: dict[str, Any] = {"min": low, "max": high, "step": step, "mode": "slider"}
    if spec.unit and spec.unit != "x":
        more["unit_of_measurement"] = spec.unit
    return "number", more


def written(value: Any) -> str:
    """Return a control's value as MQTT carries it, in so many characters as are taken."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    text = str(value)
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - len(CUT)] + CUT


def read(spec: ControlSpec, text: str) -> Any:
    """Return what a command says as the type of a control; as text where it is none."""
    if text == NOTHING:
        return None
    if spec.kind == "switch":
        return {"on": True, "off": False, "true": True, "false": False}.get(text.lower(), text)
    if spec.kind in ("choice", "text"):
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if spec.kind == "whole number" and number.is_integer() else number
