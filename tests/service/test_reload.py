"""Settings read again while the music plays: what can change at once does, the rest is named."""

import logging
from dataclasses import replace

import pytest

from streamer.control.morphing import SceneChanger
from streamer.control.scenes import LiveScene
from streamer.errors import ConfigError
from streamer.service.reload import Reloader, changes
from streamer.settings.controls import MOMENTARY, Controls, LiveControls
from streamer.settings.reading import load_settings
from streamer.settings.settings import LogSettings, ModelSettings, PortSettings, Settings
from streamer.system.logs import configure_logging


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


def with_scene(name, **values):
    return replace(with_controls(**values), model=ModelSettings(scene=name))


def test_another_scene_leaves_every_wish_of_the_moment():
    reloader, live = make_reloader(with_scene("night", density=0.5, sleep=90.0))
    wishes = {name: 30.0 if name == "sleep" else True for name in MOMENTARY}
    live.update(transpose=4, **wishes)
    reloader.reload()
    assert Controls.from_values({"density": 0.5, **wishes}) == live.snapshot()


def test_another_scene_ends_one_that_is_on_its_way():
    live = LiveControls()
    changer = SceneChanger(live, Controls)
    new = with_scene("night", density=0.5)
    reloader = Reloader(lambda: new, Settings(), live, changer)
    changer.choose(LiveScene("wild", {"density": 4.0, "transpose": 12}), 600.0)
    for phrase in range(5):
        changer.step(phrase * 4.0, phrase)
    reloader.reload()
    for phrase in range(5, 300):
        changer.step(phrase * 4.0, phrase)
    assert (Controls(density=0.5), "night") == (live.snapshot(), live.scene)


def test_what_was_edited_is_left_by_a_scene_that_is_on_its_way():
    live = LiveControls()
    changer = SceneChanger(live, Controls)
    new = with_controls(transpose=0, density=1.0, low=12)
    old = with_controls(transpose=3, density=2.0)
    reloader = Reloader(lambda: new, old, live, changer)
    changer.choose(LiveScene("wild", {"density": 4.0, "transpose": 12}), 600.0)
    reloader.reload()  # to where they are by now
    for phrase in range(300):
        changer.step(phrase * 4.0, phrase)
    assert Controls(low=12) == live.snapshot()


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
