"""The OSC surface, with a client that we did not write at the other end (python-osc)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from streamer.errors import ConfigError
from streamer.settings.controls import control_specs
from streamer.settings.live import Address
from streamer.surfaces.osc import MOST_WRITES, OscSurface
from tests.surfaces.desks import FakeDesk
from tests.waiting import comes

PATIENCE_SECONDS = 10.0


class Sender:
    """A socket of whoever steers."""

    def __init__(self, surface: OscSurface) -> None:
        self._to = ("127.0.0.1", surface.address.port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(PATIENCE_SECONDS)

    def say(self, word: str, *values: Any) -> None:
        self.raw(message(word, *values).dgram)

    def raw(self, data: bytes) -> None:
        self._socket.sendto(data, self._to)

    def told(self, word: str) -> Any:
        """Wait for an answer and return its value."""
        while True:
            heard = OscMessage(self._socket.recv(8192))
            if heard.address == f"/perpetuo/{word}":
                return next(iter(heard.params), None)

    def hears(self, word: str, seconds: float) -> Any:
        """Return an answer's value, or None where none has come."""
        self._socket.settimeout(seconds)
        try:
            return self.told(word)
        except TimeoutError:
            return None
        finally:
            self._socket.settimeout(PATIENCE_SECONDS)

    def close(self) -> None:
        self._socket.close()


def message(word: str, *values: Any) -> OscMessage:
    builder = OscMessageBuilder(f"/perpetuo/{word}")
    for value in values:
        builder.add_arg(value)
    return builder.build()


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def surface(desk: FakeDesk) -> Iterator[OscSurface]:
    osc = OscSurface(desk, Address("127.0.0.1", 0))
    yield osc
    osc.close()


@pytest.fixture
def sender(surface: OscSurface) -> Iterator[Sender]:
    held = Sender(surface)
    yield held
    held.close()


def test_a_scene_is_saved_by_its_name_and_a_refusal_is_told(sender, desk):
    sender.say("save/mine")
    assert "/scenes/mine.toml" == sender.told("save")
    sender.say("save", "night")
    assert "choose another name" in sender.told("error")
    assert [("mine", "", False)] == desk.saved


def test_a_value_moves_a_control_and_none_asks_for_it(desk, sender):
    sender.say("density", 0.5)
    sender.say("transpose", 5.0)  # clients send floats for whole numbers too
    sender.say("pause", 1)
    sender.say("scale", "dorian")
    sender.say("scale")
    assert "dorian" == sender.told("scale")
    now = desk.controls.snapshot()
    assert (0.5, 5, True) == (now.density, now.transpose, now.pause)


def test_get_tells_every_control(sender):
    sender.say("get")
    for name in [name for name, spec in control_specs().items() if spec.default is not None]:
        sender.told(name)
    sender.say("get", "density")
    assert 1.0 == sender.told("density")


@pytest.mark.parametrize(
    ("word", "value", "says"),
    [
        ("density", 9.0, "density must be in range 0.25..4.0 x"),
        ("density", "x", "density must be a number"),
        ("densty", 1.0, "did you mean density?"),
        ("transpose", 1.5, "transpose must be a whole number"),
        ("scene/clam", 1, "did you mean calm?"),
    ],
)
def test_what_is_wrong_is_answered_with_an_error(word, value, says, desk, sender):
    before = desk.controls.snapshot()
    sender.say(word, value)
    assert says in sender.told("error")
    assert before == desk.controls.snapshot()


def test_a_scene_is_taken_on_by_its_address(desk, sender):
    sender.say("scene/night")
    sender.say("get", "density")
    sender.told("density")
    assert "night" == desk.controls.scene


def test_another_bundle_is_taken_on_and_told_to_who_listens(desk, sender):
    sender.say("bundle")
    assert "tiny" == sender.told("bundle")
    sender.say("listen", 1)
    sender.told("bundle")
    sender.say("bundle", "band")
    assert "band" == sender.told("bundle")
    sender.say("bundle/bnd")
    assert "did you mean tiny?" in sender.told("error")
    assert "band" == desk.plays


def test_the_scene_is_told_as_the_controls_are(desk, sender):
    sender.say("scene/night")
    sender.say("scene")
    assert "night" == sender.told("scene")
    sender.say("listen", 1)
    sender.told("scene")
    desk.choose_scene("calm")
    assert "calm" == sender.told("scene")


def test_a_listener_is_told_of_every_change_until_it_has_heard_enough(desk, sender):
    sender.say("listen", 1)
    sender.told("velocity_scale")
    desk.controls.update(density=2.0)
    while 2.0 != sender.told("density"):
        pass
    sender.say("listen", 0)
    sender.say("get", "recall")
    sender.told("recall")
    desk.controls.update(density=3.0)
    sender.say("get", "density")
    assert 3.0 == sender.told("density")


def test_a_bundle_moves_all_that_is_in_it(desk, sender):
    bundle = OscBundleBuilder(IMMEDIATELY)  # type: ignore[no-untyped-call]
    bundle.add_content(message("density", 2.0))
    bundle.add_content(message("root", 3))
    sender.raw(bundle.build().dgram)
    sender.say("root")
    assert 3 == sender.told("root")
    assert 2.0 == desk.controls.snapshot().density


def test_what_is_pressed_and_let_go_in_one_bundle_is_pressed(desk, sender):
    seen = []
    desk.controls.listen(seen.append)
    builder = OscBundleBuilder(IMMEDIATELY)
    for part in (message("keep", 1), message("keep", 0), message("density", 0.5)):
        builder.add_content(part)
    sender.raw(builder.build().dgram)
    sender.say("get", "density")
    assert 0.5 == sender.told("density")
    assert True in [controls.keep for controls in seen]


@pytest.mark.parametrize("word", ["save", "bookmark"])
def test_a_disk_that_one_waits_for_holds_up_no_knob(word, desk, sender):
    desk.disk.clear()
    try:
        for _ in range(MOST_WRITES):
            sender.say(word, "mine")
        sender.say("density", 0.5)
        sender.say("get", "density")
        assert 0.5 == sender.told("density")
        assert comes(lambda: desk.waiting == MOST_WRITES)
        sender.say(word, "mine")
        assert "wait for the disk already" in sender.told("error")
    finally:
        desk.disk.set()
    assert sender.told(word)


def test_the_network_asks_for_the_token_first(desk):
    osc = OscSurface(desk, Address("127.0.0.1", 0), token="s" * 32)
    sender = Sender(osc)
    sender.say("density", 2.0)
    assert "say /perpetuo/token first" in sender.told("error")
    sender.say("token", "wrong")
    assert "not the token" in sender.told("error")
    sender.say("token", "s" * 32)
    sender.say("density", 2.0)
    sender.say("density")
    assert 2.0 == sender.told("density")
    sender.close()
    osc.close()


def test_a_flood_and_what_is_no_osc_leave_the_last_value(desk, sender):
    for n in range(2000):
        sender.raw(bytes((n % 256, 47, 0, 44)) * (n % 7))
        sender.say("density", 0.25 + n % 300 / 100)
    for _ in range(50):  # the kernel drops what a flood leaves no room for, answers too
        sender.say("density", 1.25)
        sender.say("density")
        if sender.hears("density", 0.2) == 1.25:
            break
    assert 1.25 == desk.controls.snapshot().density


def test_a_port_that_is_taken_is_one_line(surface, desk):
    with pytest.raises(ConfigError, match=r"live\.osc 127.* cannot be opened .* choose another"):
        OscSurface(desk, surface.address)


def test_a_scene_whose_bundle_is_loaded_holds_up_no_knob_and_a_refusal_is_told(desk, sender):
    desk.scene_bundle = "bnd"
    desk.disk.clear()
    try:
        for _ in range(MOST_WRITES):
            sender.say("scene/elsewhere")
        sender.say("density", 0.5)
        sender.say("get", "density")
        assert 0.5 == sender.told("density")
        sender.say("scene/elsewhere")
        assert "try again in a moment" in sender.told("error")
    finally:
        desk.disk.set()
    assert "did you mean tiny?" in sender.told("error")


def test_a_control_that_what_plays_cannot_obey_is_answered_with_an_error(desk, sender):
    desk.objects = "no input is heard"
    sender.say("duet", "trade")
    assert "no input is heard" == sender.told("error")
    assert "off" == desk.controls.snapshot().value("duet")
