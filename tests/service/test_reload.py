"""Settings read again while the music plays: what can change at once does, the rest is named."""

import logging
from dataclasses import replace

import pytest

from streamer.controls import Controls, LiveControls
from streamer.errors import ConfigError
from streamer.logs import configure_logging
from streamer.reload import Reloader, changes
from streamer.settings import LogSettings, PortSettings, Settings, load_settings


@pytest.fixture(autouse=True)
def level_as_it_was():
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


def with_controls(**values):
    return Settings(controls=Controls(**values))


def make_reloader(new, old=None):
    old = old or Settings()
    live = LiveControls(old.controls)
    return Reloader(lambda: new, old, live), live


def test_controls_that_were_edited_change_at_once():
    reloader, live = make_reloader(with_controls(transpose=5, scale="blues"))
    assert reloader.reload()
    assert Controls(transpose=5, scale="blues") == live.snapshot()


def test_controls_that_were_moved_by_hand_stay_unless_edited():
    reloader, live = make_reloader(with_controls(transpose=5))
    live.update(density=2.0, transpose=-3)
    reloader.reload()
    assert Controls(transpose=5, density=2.0) == live.snapshot()


def test_a_second_reading_of_the_same_file_leaves_the_hand_in_peace():
    reloader, live = make_reloader(with_controls(transpose=5))
    reloader.reload()
    live.update(transpose=7)
    assert reloader.reload()
    assert 7 == live.snapshot().transpose


def test_what_waits_for_the_next_start_is_named(caplog):
    caplog.set_level(logging.INFO)
    new = replace(with_controls(density=2.0), port=PortSettings(port="synth", channel=2))
    reloader, _ = make_reloader(new)
    reloader.reload()
    applied, waits = caplog.messages
    assert "settings read again: controls.density = 2.0" == applied
    assert waits.endswith("next start (systemctl restart perpetuo): port.port, port.channel")


def test_the_level_of_the_log_changes_at_once():
    configure_logging("info")
    reloader, _ = make_reloader(Settings(log=LogSettings(level="error")))
    reloader.reload()
    assert logging.ERROR == logging.getLogger().level


def test_a_file_with_mistakes_changes_nothing_and_names_them_all(tmp_path, caplog):
    path = tmp_path / "perpetuo.toml"
    path.write_text("[controls]\ntranspose = 1\n")
    old = load_settings(path)
    live = LiveControls(old.controls)
    reloader = Reloader(lambda: load_settings(path), old, live)
    path.write_text("[controls]\ntranspose = 900\ndensity = 2.0\n[prot]\n")
    assert not reloader.reload()
    assert Controls(transpose=1) == live.snapshot()
    assert old is reloader.settings
    assert ["controls.transpose must be", "[prot] is unknown"] == [
        next(part for part in ("controls.transpose must be", "[prot] is unknown") if part in line)
        for line in caplog.messages
    ]
    path.write_text("[controls]\ntranspose = 2\n")
    assert reloader.reload()
    assert Controls(transpose=2) == live.snapshot()


def test_a_file_that_went_away_changes_nothing(tmp_path):
    def load():
        raise ConfigError(["no such file"])

    live = LiveControls(Controls(transpose=1))
    assert not Reloader(load, Settings(), live).reload()
    assert Controls(transpose=1) == live.snapshot()


def test_controls_that_contradict_what_was_moved_by_hand_change_nothing(caplog):
    reloader, live = make_reloader(with_controls(high=70))
    live.update(low=65)
    assert not reloader.reload()
    assert Controls(low=65) == live.snapshot()
    assert "high must be 11 or more above low" in caplog.text


def test_changes_are_stage_name_and_value_in_the_order_of_the_settings():
    new = replace(with_controls(density=2.0), port=PortSettings(channel=4))
    assert [("controls", "density", 2.0), ("port", "channel", 4)] == changes(Settings(), new)
    assert [] == changes(new, new)
