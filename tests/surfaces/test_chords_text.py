"""A control that is a text: set, asked for and refused on every surface alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamer.control.bindings import value_of
from streamer.midi.messages import note_off, note_on
from streamer.service.steering import steps_away
from streamer.settings.controls import Controls, control_specs
from streamer.settings.live import Address
from streamer.surfaces.access import Access
from streamer.surfaces.mqtt import entity, read, written
from streamer.surfaces.osc import OscSurface
from streamer.surfaces.web import WebSurface
from tests.streamer.test_inputs import Desk as Controller
from tests.surfaces.desks import FakeDesk
from tests.surfaces.test_osc import Sender
from tests.surfaces.test_web import ask

CONTROLS = "/api/v1/controls"


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def web(desk: FakeDesk) -> Iterator[WebSurface]:
    surface = WebSurface(desk, Address("127.0.0.1", 0), Access())
    yield surface
    surface.close()


@pytest.fixture
def sender(desk: FakeDesk) -> Iterator[Sender]:
    surface = OscSurface(desk, Address("127.0.0.1", 0))
    held = Sender(surface)
    yield held
    held.close()
    surface.close()


def test_http_moves_it_and_tells_how_it_is_kept(web, desk):
    status, told, _ = ask(web, "PATCH", CONTROLS, {"chords": "am f7/c"})
    assert (200, "Am F7/C") == (status, told["chords"])
    assert "Am F7/C" == desk.controls.snapshot().value("chords")
    assert "Am F7/C" == ask(web, "GET", CONTROLS)[1]["chords"]
    assert "off" == ask(web, "PATCH", CONTROLS, {"chords": None})[1]["chords"]


@pytest.mark.parametrize("value", ["H7", "Am" * 5000, 5, ["Am"], "\x00\x1b[2J", "Am:1e99"])
def test_http_refuses_what_is_no_chord_in_one_line(value, web, desk):
    status, told, _ = ask(web, "PATCH", CONTROLS, {"chords": value})
    assert 422 == status
    line = told["error"]
    assert line.startswith("chords must be chords")
    assert "\n" not in line
    assert len(line) < 400
    assert "off" == desk.controls.snapshot().value("chords")


def test_osc_moves_it_asks_for_it_and_is_told_what_is_wrong(sender, desk):
    sender.say("chords", "Dm7 G7")
    sender.say("chords")
    assert "Dm7 G7" == sender.told("chords")
    sender.say("keys", "C Q")
    assert "Q is no key" in sender.told("error")
    assert "Dm7 G7" == desk.controls.snapshot().value("chords")


def test_osc_takes_a_chord_an_argument(sender, desk):
    sender.say("chords", "Am", "F", "C")
    sender.say("chords")
    assert "Am F C" == sender.told("chords")
    sender.say("keys", "C/4", "Am")
    sender.say("keys")
    assert "C/4 Am" == sender.told("keys")
    sender.say("chords", "C", 7)
    assert "7 is no chord" in sender.told("error")
    assert "Am F C" == desk.controls.snapshot().value("chords")


def test_what_is_told_over_mqtt_is_no_longer_than_home_assistant_takes():
    kept = Controls().with_changes({"chords": "Am F C G " * 64}).value("chords")
    _, field = entity(control_specs()["chords"])
    told = written(kept)
    assert field["max"] == len(told) < len(kept)
    assert told.startswith("Am F C G Am")
    assert told.endswith("...")
    short = kept[: field["max"]]
    assert short == written(short)


def test_home_assistant_has_a_field_for_it():
    spec = control_specs()["chords"]
    assert ("text", {"max": 255}) == entity(spec)
    for text in ("Am F", "off", "5"):
        assert text == read(spec, written(text))


def test_a_knob_goes_through_examples_and_so_do_the_arrow_keys():
    spec = control_specs()["chords"]
    assert spec.reading is not None
    assert {*spec.reading.examples} == {value_of("chords", data) for data in range(128)}
    assert "off" == value_of("chords", 0)
    assert spec.examples[1] == steps_away(spec, "off", 1)
    assert "off" == steps_away(spec, "off", -1)
    assert steps_away(spec, "Gm Eb", 1) in spec.examples


def test_the_left_hand_on_the_input_says_the_chord_where_that_is_asked():
    desk = Controller()
    chord = [note_on(0, key, 80) for key in (45, 48, 52)]
    desk.send(*chord)
    assert "off" == [desk.send() for _ in range(3)][-1].value("chords")
    desk.live.update(chords_from="hand")
    desk.send(*chord)
    assert "Am" == [desk.send() for _ in range(3)][-1].value("chords")
    desk.send(*(note_off(0, key) for key in (45, 48, 52)))
    assert "Am" == [desk.send() for _ in range(3)][-1].value("chords")


def test_after_a_cable_was_pulled_the_left_hand_begins_anew():
    desk = Controller()
    desk.live.update(chords_from="hand")
    desk.send(*(note_on(0, key, 80) for key in (48, 52, 55)))
    assert "C" == [desk.send() for _ in range(3)][-1].value("chords")
    desk.control.inbox.opened()
    desk.send(*(note_on(0, key, 80) for key in (45, 48, 52)))
    assert "Am" == [desk.send() for _ in range(3)][-1].value("chords")
