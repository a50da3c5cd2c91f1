"""A knob that is learnt from a surface: by the next that is turned, within a minute, and kept."""

from __future__ import annotations

import pytest

from streamer.control.bindings import Bindings
from streamer.control.inputs import MidiControl
from streamer.midi.messages import control
from streamer.service.learning import LEARN_SECONDS, KnobLearning
from streamer.settings.controls import LiveControls
from streamer.settings.midi import ClockSettings, InputSettings
from streamer.surfaces.desk import Refusal
from streamer.testing import ManualClock
from tests.streamer.test_inputs import FakeStage


class Room:
    """An input on a manual clock, and what a surface sees of its knobs."""

    def __init__(self, path=None):
        self.clock, self.live = ManualClock(), LiveControls()
        self.control = MidiControl(
            InputSettings(), ClockSettings(), self.live, FakeStage(), self.clock,
            bindings=Bindings(path),
        )  # fmt: skip
        self.knobs = KnobLearning(self.clock.now)
        self.knobs.bindings = self.control.bindings

    def turn(self, number, *positions):
        for position in positions:
            self.control.inbox.put(control(0, number, position))
        self.control.turn()

    @property
    def bound(self):
        return self.knobs.state()["knobs"]


def test_the_next_knob_that_is_turned_steers_what_was_asked_for_and_is_kept(tmp_path):
    room = Room(tmp_path / "bindings.json")
    room.knobs.learn("transpose")
    assert "transpose" == room.knobs.state()["learning"]
    room.turn(21, 64, 127)
    assert ({"density": "CC74", "transpose": "CC21"}, None) == (
        room.bound, room.knobs.state()["learning"],
    )  # fmt: skip
    assert 24 == room.live.snapshot().transpose
    assert "CC21" == Room(tmp_path / "bindings.json").bound["transpose"]


def test_a_knob_that_is_turned_much_later_was_not_meant():
    room = Room()
    room.knobs.learn("transpose")
    room.clock.jump(LEARN_SECONDS - 1.0)
    assert "transpose" == room.knobs.state()["learning"]
    room.clock.jump(2.0)
    assert room.knobs.state()["learning"] is None
    room.turn(21, 64, 127)
    assert {"density": "CC74"} == room.bound
    assert 0 == room.live.snapshot().transpose


def test_what_is_forgotten_is_steered_by_none_and_learnt_no_more(tmp_path):
    room = Room(tmp_path / "bindings.json")
    room.knobs.learn("transpose")
    room.turn(21, 64, 127)
    room.knobs.learn("transpose")
    room.knobs.forget("transpose")
    room.turn(22, 64, 0)
    assert ({"density": "CC74"}, None) == (room.bound, room.knobs.state()["learning"])
    assert {"density": "CC74"} == Room(tmp_path / "bindings.json").bound


def test_to_forget_one_leaves_another_to_be_learnt():
    room = Room()
    room.knobs.learn("transpose")
    room.knobs.forget("density")
    room.turn(21, 64, 127)
    assert {"transpose": "CC21"} == room.bound


@pytest.mark.parametrize("word", ["learn", "forget"])
def test_what_is_no_control_and_a_stream_without_an_input_are_refused(word):
    room, deaf = Room(), KnobLearning(lambda: 0.0)
    with pytest.raises(Refusal, match=r"did you mean density\?") as caught:
        getattr(room.knobs, word)("densty")
    assert 404 == caught.value.status
    assert {"knobs": None, "learning": None} == deaf.state()
    with pytest.raises(Refusal, match=r"no input is heard.*--input auto") as caught:
        getattr(deaf, word)("density")
    assert 409 == caught.value.status
