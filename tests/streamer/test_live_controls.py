"""Every live control: its range, by a knob, by a reload, after a restart, and what it changes."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from streamer.control.bindings import Bindings, value_of
from streamer.control.inputs import MidiControl
from streamer.control.scenes import load_programs
from streamer.generators.performer import Performer
from streamer.live.buffer import RollingBuffer
from streamer.offline.playout import LeapingClock
from streamer.offline.render import render
from streamer.pipeline import Source, open_source
from streamer.service.governor import CandidateGovernor
from streamer.service.reload import Reloader
from streamer.service.saved import Keeper, last_scene, restore
from streamer.service.stream import StreamThreads
from streamer.service.supervisor import status_line
from streamer.service.upkeep import Upkeep
from streamer.settings.controls import MOMENTARY, Controls, LiveControls, control_specs
from streamer.settings.midi import ClockSettings, InputSettings
from streamer.settings.reading import load_settings
from streamer.settings.settings import BufferSettings, ModelSettings, PortSettings, Settings
from streamer.testing import FakePort, ManualClock
from tests.bundles import write_tiny_bundle
from tests.service.test_supervisor import figures
from tests.streamer.test_daemon import PATIENCE_SECONDS, Arpeggios, WatchedPort
from tests.streamer.test_inputs import FakeStage

ISSUE = {
    "temperature": (0.1, 3.0),
    "density": (0.25, 4.0),
    "lead": (0.5, 30.0),
    "candidates": (1, 64),
    "low": (0, 127),
    "high": (0, 127),
    "transpose": (-24, 24),
    "scale_lock": (0.0, 1.0),
    "velocity_scale": (0.1, 2.0),
    "tempo_scale": (0.25, 4.0),
}
"""The live controls and their ranges; K is ``candidates``, the range low and high."""

SHIPPED = load_programs(None, Path("/nonexistent"), Controls())

NEVER_SAVED = MOMENTARY


def another(name: str) -> object:
    """A legal value of a control that is not its own."""
    return 48 if name == "low" else value_of(name, 0 if name == "recall" else 100)


@pytest.mark.parametrize("name", ISSUE)
def test_a_control_takes_both_ends_of_its_range_and_nothing_beyond(name):
    low, high = ISSUE[name]
    beside = {"low": {"high": 127}, "high": {"low": 0}}.get(name, {})
    for end in (low, high):
        if (name, end) not in (("low", 127), ("high", 0)):
            assert end == getattr(Controls(**{name: end}, **beside), name)
    for beyond in (low - 1, high + 1):
        with pytest.raises(ValueError, match=f"{name} must be in range"):
            Controls(**{name: beyond})


@pytest.mark.parametrize("name", control_specs())
def test_a_knob_moves_every_control_at_once(name):
    live, bindings = LiveControls(), Bindings()
    control = MidiControl(
        InputSettings(), ClockSettings(), live, FakeStage(), ManualClock(), bindings=bindings
    )
    bindings.learn(name)
    data = 48 if name == "low" else 100
    if name == "recall":
        data = 0
    control.inbox.put(bytes((0xB0, 20, data ^ 1)))
    control.inbox.put(bytes((0xB0, 20, data)))
    control.turn()
    assert Controls().value(name) != live.snapshot().value(name)
    assert value_of(name, data) == live.snapshot().value(name)


@pytest.mark.parametrize("name", control_specs())
def test_a_reload_moves_every_control_at_once(name, tmp_path):
    path = tmp_path / "perpetuo.toml"
    value = another(name)
    text = f'"{value}"' if isinstance(value, str) else str(value).lower()
    path.write_text(f"[controls]\n{name} = {text}\n")
    live = LiveControls()
    assert Reloader(lambda: load_settings(path), Settings(), live).reload()
    assert value == live.snapshot().value(name)


@pytest.mark.parametrize("name", control_specs())
def test_every_control_but_pause_is_where_it_was_after_a_restart(name, tmp_path):
    live = LiveControls()
    live.update(**{name: another(name)})
    Keeper(tmp_path / "controls.json", Controls(), live).write()
    again = restore(tmp_path / "controls.json", Controls())
    assert (again == Controls()) is (name in NEVER_SAVED)
    assert name in NEVER_SAVED or another(name) == again.value(name)


def test_a_scene_sets_every_control_that_it_names_in_one_snapshot():
    live, seen = LiveControls(), []
    live.listen(seen.append)
    control = MidiControl(
        InputSettings(), ClockSettings(), live, FakeStage(), ManualClock(), programs=SHIPPED
    )
    control.inbox.put(b"\xc0\x04")
    control.turn()
    assert [Controls().with_changes(SHIPPED[4].changes)] == seen
    assert "night" == live.scene


def test_the_chosen_scene_is_known_by_name_after_a_restart(tmp_path):
    environ = {"STATE_DIRECTORY": f"{tmp_path}/state", "RUNTIME_DIRECTORY": f"{tmp_path}/run"}
    first = Upkeep(Settings(), ManualClock(), None, dict(environ))
    first.controls.put(SHIPPED[1].apply(Controls(), Controls()), "calm")
    first.controls.update(density=2.0)
    first.close()
    second = Upkeep(Settings(), ManualClock(), None, dict(environ))
    assert "calm" == second.controls.scene
    assert (0.85, 2.0) == (
        second.controls.snapshot().temperature,
        second.controls.snapshot().density,
    )
    second.close()
    assert "with piano, calm: " in status_line(figures(scene="calm"))


@pytest.mark.parametrize("text", ["{}", '{"schema": 1, "scene": 7}', "[]", "{", ""])
def test_a_scene_that_cannot_be_read_is_none(text, tmp_path):
    (tmp_path / "controls.json").write_text(text)
    assert "" == last_scene(tmp_path / "controls.json")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles"))


def third_phrase(bundle, change):
    """What is played third, where something is changed after the second."""
    live = LiveControls()
    settings = Settings(model=ModelSettings(model=str(bundle.path), seed=3, phrase_notes=16))
    source = open_source(settings=settings, controls=live)
    for _ in range(2):
        source.next_phrase()
    live.update(**change)
    return source.next_phrase()


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.3},
        {"density": 3.0},
        {"candidates": 1},
        {"low": 70},
        {"high": 50},
        {"scale": "major", "root": 1},
        {"scale": "major", "root": 1, "scale_lock": 0.3},
        {"recall": 1.0},
    ],
    ids=lambda change: "-".join(change),
)
def test_a_control_changes_the_very_next_phrase(bundle, change):
    assert third_phrase(bundle, {}).notes == third_phrase(bundle, {}).notes
    assert third_phrase(bundle, {}).notes != third_phrase(bundle, change).notes


def test_k_goes_up_and_down_in_render(bundle, tmp_path):
    settings = Settings(model=ModelSettings(model=str(bundle.path), seed=3))
    for asked in (1, 4, 9, None):
        wanted = replace(settings, controls=Controls(candidates=asked, recall=0.0))
        report = render(None, tmp_path / "out.mid", 2.0, settings=wanted)
        drawn = report["candidates"] / (report["phrases"] + report["redraws"])
        assert (4 if asked is None else asked) == drawn  # 4 is the tiny bundle's own


def make_stream(bundle, controls, port=None, generator=None, buffer=None):
    live = LiveControls(controls)
    source = Source(
        bundle=bundle,
        generator=generator or Arpeggios(),
        performer=Performer(),
        controls=live,
        seed=1,
        candidates=16,
    )
    settings = Settings(buffer=buffer or BufferSettings(), port=PortSettings(port="null"))
    return StreamThreads(source, port or FakePort(), settings, LeapingClock()), live


class Unhurried(CandidateGovernor):
    """Takes the machine for a fast one, however busy it is just now."""

    def after(self, took_seconds, phrase_seconds, ahead_seconds, low_seconds, drawn=None):
        return super().after(0.0, phrase_seconds, ahead_seconds, low_seconds, drawn)


def test_k_goes_up_in_play_above_the_models_own(bundle, monkeypatch):
    monkeypatch.setattr("streamer.service.writing.CandidateGovernor", Unhurried)
    heard = threading.Event()
    generator = Arpeggios()
    port = WatchedPort(2500, heard.set)
    stream, _ = make_stream(bundle, Controls(candidates=40), port, generator)
    stream.start()
    assert heard.wait(PATIENCE_SECONDS)
    stream.stop()
    assert 40 == max(generator.candidates)


def test_lead_moves_the_marks_of_the_buffer_while_it_plays(bundle):
    stream, live = make_stream(bundle, Controls())
    stream.start()
    buffer = stream._buffer
    assert (4.0, 10.0) == (buffer.low_seconds, buffer.high_seconds)
    live.update(lead=2.0)
    assert (0.8, 2.0) == (buffer.low_seconds, buffer.high_seconds)
    live.update(lead=30.0)
    assert (4.0, 30.0) == (buffer.low_seconds, buffer.high_seconds)
    live.update(lead=None)
    assert (4.0, 10.0) == (buffer.low_seconds, buffer.high_seconds)
    stream.stop()


def test_a_longer_lead_wakes_whoever_waits_for_room():
    buffer, woken = RollingBuffer(1.0, 2.0), threading.Event()
    generator = Arpeggios()
    generator.top_up(buffer)
    thread = threading.Thread(target=lambda: buffer.wait_for_space() and woken.set(), daemon=True)
    thread.start()
    buffer.set_marks(1.0, 20.0)
    assert woken.wait(PATIENCE_SECONDS)
    with pytest.raises(ValueError, match="low_seconds must be in range"):
        buffer.set_marks(3.0, 2.0)


def test_a_control_that_may_be_unset_says_what_holds_then():
    for spec in control_specs().values():
        assert spec.optional is (type(None) in get_args(get_args(spec.annotation)[0]))
        assert spec.optional is (spec.default is None)
    assert np.isfinite(another("lead"))


def test_a_listener_that_moves_a_control_has_all_told_of_that_last():
    live, told = LiveControls(), []
    live.listen(lambda controls: controls.density == 2.0 and live.update(density=3.0))
    live.listen(lambda controls: told.append(controls.density))
    live.update(density=2.0)
    assert (3.0, [3.0]) == (live.snapshot().density, told)
