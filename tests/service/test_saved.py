"""The controls of the last run come back, and no file keeps the stream from playing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.control.morphing import SceneChanger
from streamer.control.scenes import LiveScene
from streamer.service.saved import REST_SECONDS, Keeper, last_scene, restore
from streamer.settings.controls import Controls, LiveControls, control_specs


def keep(path, live, configured=None):
    """Write what a run that ends in order leaves."""
    Keeper(path, configured or Controls(), live).write()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "controls.json"


def test_without_a_file_the_configuration_is_what_it_is(path):
    configured = Controls(transpose=3)
    assert configured is restore(path, configured)


def test_a_control_that_was_moved_by_hand_is_where_it_was(path):
    live = LiveControls(Controls(transpose=3))
    live.update(temperature=1.5, scale="dorian")
    keep(path, live, Controls(transpose=3))
    assert Controls(transpose=3, temperature=1.5, scale="dorian") == restore(
        path, Controls(transpose=3)
    )


def test_a_control_that_the_file_says_something_new_about_follows_the_file(path):
    live = LiveControls()
    live.update(temperature=1.5, density=2.0)
    keep(path, live)
    assert Controls(temperature=0.7, density=2.0) == restore(path, Controls(temperature=0.7))


def test_a_pause_does_not_outlive_the_run(path):
    """What is switched on plays."""
    live = LiveControls()
    live.update(pause=True)
    keep(path, live)
    assert not restore(path, Controls()).pause


def test_controls_that_contradict_the_new_configuration_are_left_out_one_by_one(path, caplog):
    live = LiveControls()
    live.update(low=60, density=2.0)
    keep(path, live)
    configured = Controls(high=62)
    assert Controls(high=62, density=2.0) == restore(path, configured)
    assert "high must be 11 or more above low" in caplog.text


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"schema": 99}', '{"schema": 1}', '{"schema": 1, "last": 3}', "\xff"],
)
def test_a_file_that_says_nothing_changes_nothing(path, text):
    path.parent.mkdir()
    path.write_text(text, encoding="latin-1")
    assert Controls(transpose=1) == restore(path, Controls(transpose=1))


def test_a_file_that_may_not_be_read_is_a_line_in_the_log(path, caplog):
    path.mkdir(parents=True)
    assert Controls() == restore(path, Controls())
    assert "cannot be read" in caplog.text


values = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=8), st.just([])
)


@given(
    last=st.dictionaries(st.sampled_from([*control_specs(), "new"]), values),
    before=st.dictionaries(st.sampled_from([*control_specs(), "new"]), values),
)
def test_whatever_was_saved_legal_controls_come_of_it(tmp_path_factory, last, before):
    path = tmp_path_factory.mktemp("saved") / "controls.json"
    path.write_text(json.dumps({"schema": 1, "configured": before, "last": last}))
    restored = restore(path, Controls())
    assert restored.with_changes({}) == restored


def test_a_knob_that_is_turned_is_written_once_it_rests(path):
    live = LiveControls()
    keeper = Keeper(path, Controls(), live)
    for step in range(20):
        live.update(temperature=1.0 + step / 100)
        keeper.look(now=float(step))
        assert not path.exists()
    keeper.look(now=19.0 + REST_SECONDS - 0.1)
    assert not path.exists()
    keeper.look(now=19.0 + REST_SECONDS)
    assert 1.19 == restore(path, Controls()).temperature


def test_a_scene_on_its_way_is_kept_once_and_as_it_will_arrive(path):
    live = LiveControls()
    changer = SceneChanger(live, Controls)
    keeper = Keeper(path, Controls(), live, arriving=changer.arriving)
    changer.choose(LiveScene("night", {"density": 0.5, "low": 30}), 600.0)
    written = []
    for look in range(4 * 700):
        changer.step(look / 4.0, look // 16)
        if look == 400:
            live.update(low=20)  # a hand
        keeper.look(look / 4.0)
        if path.exists():
            written.append((restore(path, Controls()), last_scene(path)))
            path.unlink()
    keeper.write()
    wanted = [(Controls(density=0.5, low=30), "night"), (Controls(density=0.5, low=20), "night")]
    assert (wanted, False) == (written, path.exists())
    assert written[-1][0] == live.snapshot()


def test_what_has_not_changed_is_not_written_again(path):
    live = LiveControls()
    keeper = Keeper(path, Controls(), live)
    live.update(density=2.0)
    for now in range(30):
        keeper.look(float(now))
    path.unlink()
    for now in range(30, 60):
        keeper.look(float(now))
    keeper.write()
    assert not path.exists()


def test_a_new_configuration_is_what_later_changes_are_measured_by(path):
    live = LiveControls()
    keeper = Keeper(path, Controls(), live)
    live.update(temperature=0.5)
    keeper.reconfigured(Controls(temperature=0.5))
    keeper.write()
    assert 0.5 == restore(path, Controls(temperature=0.5)).temperature
    assert 1.0 == restore(path, Controls()).temperature


def test_a_disk_that_cannot_be_written_is_one_line_in_the_log(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    live = LiveControls()
    keeper = Keeper(blocked / "controls.json", Controls(), live)
    live.update(density=2.0)
    for now in range(30):
        keeper.look(float(now))
    assert 1 == len(caplog.records)
