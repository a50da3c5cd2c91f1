"""Everything around a stream, as the daemon holds it: in a service, and in a person's terminal."""

import json
import os
import signal
import socket
from dataclasses import replace

import pytest

from streamer.control.scenes import LiveScene
from streamer.service import daemon
from streamer.service.crash import LastingTable
from streamer.service.daemon import play
from streamer.service.saved import FILE_NAME
from streamer.service.upkeep import PLAYING_MARK, Upkeep
from streamer.settings.controls import Controls
from streamer.settings.settings import (
    ModelSettings,
    PortSettings,
    SchedulerSettings,
    ServiceSettings,
    Settings,
)
from streamer.system.folders import in_service, runtime_folder, state_folder
from streamer.testing import ManualClock
from tests.bundles import write_tiny_bundle


@pytest.fixture
def environ(tmp_path):
    """What systemd gives a service."""
    return {
        "STATE_DIRECTORY": f"{tmp_path}/state:{tmp_path}/other",
        "RUNTIME_DIRECTORY": f"{tmp_path}/run",
    }


def make(environ, load=None, **stages):
    settings = Settings(**stages)
    return Upkeep(settings, ManualClock(), load and (lambda: load), environ)


def test_folders_are_the_units_first_or_the_persons(tmp_path, environ):
    assert (tmp_path / "state", tmp_path / "run") == (
        state_folder(environ),
        runtime_folder(environ),
    )
    assert in_service(environ)
    assert not in_service({})
    assert tmp_path / "perpetuo" == runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert f"perpetuo-{os.getuid()}" == runtime_folder({}).name
    assert "perpetuo" == state_folder({}).name


def test_in_a_service_controls_go_on_where_they_were(tmp_path, environ):
    first = make(dict(environ))
    first.controls.update(transpose=4)
    first.close()
    assert (tmp_path / "state" / FILE_NAME).exists()
    second = make(dict(environ))
    assert 4 == second.controls.snapshot().transpose
    second.close()


def test_a_power_cut_while_a_scene_is_on_its_way_leads_to_that_scene(environ):
    first = make(dict(environ))
    first.scenes.choose(LiveScene("night", {"density": 0.5}), 600.0)
    for second in range(20):
        first._clock.jump(1.0)
        first.scenes.step(float(second), second)
        first.look()
    assert 1.0 > first.controls.snapshot().density > 0.5
    second = make(dict(environ))  # the first was not closed
    assert (0.5, "night") == (second.controls.snapshot().density, second.controls.scene)
    second.close()


def test_a_stream_that_goes_on_from_a_bookmark_begins_with_its_controls(environ):
    first = make(dict(environ))
    first.controls.update(transpose=4, density=2.0)
    first.close()
    bookmark = Settings(controls=Controls(density=0.5))
    second = Upkeep(bookmark, ManualClock(), None, dict(environ), resumes=True)
    assert Controls(density=0.5) == second.controls.snapshot()
    second.controls.update(density=0.6)
    second.close()
    third = make(dict(environ))
    assert 0.6 != third.controls.snapshot().density, "the configuration says another now"
    third.close()


@pytest.mark.parametrize("keep", [True, False])
def test_a_person_says_whether_controls_are_kept(environ, keep):
    own = {"service": ServiceSettings(keep_controls=keep)}
    first = make(dict(environ), **own)
    first.controls.update(transpose=4)
    first.close()
    second = make(dict(environ), **own)
    assert (4 if keep else 0) == second.controls.snapshot().transpose
    second.close()


def test_in_a_terminal_controls_begin_with_the_configuration_and_a_port_must_be_there(tmp_path):
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    upkeep = make(environ, controls=Controls(transpose=1))
    assert Controls(transpose=1) == upkeep.controls.snapshot()
    assert not upkeep.waits_for_port
    upkeep.look()
    upkeep.close()


def test_a_service_starts_without_a_port(environ):
    upkeep = make(environ)
    assert upkeep.waits_for_port
    upkeep.close()


def test_what_was_left_sounding_is_in_the_table_of_the_next_start(tmp_path, environ):
    first = make(dict(environ))
    assert isinstance(first.table, LastingTable)
    first.table.before(bytes((0x90, 60, 80)))
    first.close()
    assert (tmp_path / "state" / PLAYING_MARK).exists()
    second = make(dict(environ))
    assert ((0, 60),) == second.table.keys
    second.close()
    third = make(dict(environ), port=PortSettings(port="another"))
    assert 128 == len(third.table.keys)  # as far as anybody knows, the power was cut
    third.close()


def test_settings_are_read_again_at_the_next_look_and_kept(tmp_path, environ):
    upkeep = make(environ, load=Settings(controls=Controls(density=2.0)))
    assert upkeep.reloads
    upkeep.look()
    assert 1.0 == upkeep.controls.snapshot().density
    upkeep.ask_reload()
    upkeep.look()
    assert 2.0 == upkeep.controls.snapshot().density
    upkeep.close()
    saved = json.loads((tmp_path / "state" / FILE_NAME).read_text())
    assert (2.0, 2.0) == (saved["configured"]["density"], saved["last"]["density"])


def test_without_a_way_to_read_settings_again_nothing_is_asked(environ):
    upkeep = make(environ)
    assert not upkeep.reloads
    upkeep.ask_reload()
    upkeep.look()
    upkeep.close()


def test_play_in_a_service_is_ready_obeys_a_reload_and_stops_in_order(
    tmp_path, environ, monkeypatch
):
    """The whole daemon, for real: what systemd would hear of it. (About a second.)"""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(20)
    for name, value in {**environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}.items():
        monkeypatch.setenv(name, value)
    settings = Settings(
        model=ModelSettings(model=str(write_tiny_bundle(tmp_path).path), seed=1),
        scheduler=SchedulerSettings(realtime_priority=0),
        port=PortSettings(port="null"),
    )
    new = replace(settings, controls=Controls(transpose=2))

    def load():
        os.kill(os.getpid(), signal.SIGTERM)
        return new

    look = daemon.Upkeep.look

    def hang_up_once(upkeep):
        monkeypatch.setattr(daemon.Upkeep, "look", look)
        os.kill(os.getpid(), signal.SIGHUP)
        look(upkeep)

    monkeypatch.setattr(daemon.Upkeep, "look", hang_up_once)
    assert 128 + signal.SIGTERM == play(settings, plain=True, load=load)
    manager.setblocking(False)
    heard = [manager.recv(4096).decode() for _ in range(4)]
    manager.close()
    assert heard[0].startswith("READY=1\nSTATUS=Playing to null with tiny: ")
    assert [b.split("\n")[0] for b in heard[1:]] == ["RELOADING=1", "READY=1", "STOPPING=1"]
    saved = json.loads((tmp_path / "state" / FILE_NAME).read_text())
    assert 2 == saved["last"]["transpose"]
    assert not (tmp_path / "state" / PLAYING_MARK).exists()
