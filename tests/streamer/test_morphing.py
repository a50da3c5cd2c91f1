"""A scene that is on its way: every number monotone, no step that is heard, hands win."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.control.morphing import MOST_STEP, SceneChanger
from streamer.control.scenes import LiveScene, SceneShelf, kept
from streamer.scenes import read_scene, save_scene
from streamer.settings.controls import Controls, LiveControls, control_specs
from streamer.settings.reading import scene_values

PHRASE_SECONDS = 4.0

NUMBERS = {
    name: spec
    for name, spec in control_specs().items()
    if spec.range is not None and not spec.optional and name not in ("sleep", "low", "high")
}


def values(spec):
    low, high = spec.range.low, spec.range.high
    if spec.kind == "whole number":
        return st.integers(int(low), int(high))
    return st.floats(low, high, allow_nan=False).map(lambda x: round(x, 3))


@st.composite
def some_controls(draw):
    names = draw(st.sets(st.sampled_from([*NUMBERS, "scale", "mute_bass"]), max_size=6))
    chosen = {name: draw(values(NUMBERS[name])) for name in names if name in NUMBERS}
    if "scale" in names:
        chosen["scale"] = draw(st.sampled_from(control_specs()["scale"].choices))
    if "mute_bass" in names:
        chosen["mute_bass"] = draw(st.booleans())
    low = draw(st.integers(0, 116))
    return chosen | {"low": low, "high": draw(st.integers(low + 11, 127))}


def played(changer: SceneChanger, live: LiveControls, most_phrases: int = 400) -> list[Controls]:
    """Return the controls at every phrase until the scene has arrived."""
    found = [live.snapshot()]
    for phrase in range(most_phrases):
        for tick in range(4):
            changer.step(phrase * PHRASE_SECONDS + tick, phrase)
        found.append(live.snapshot())
        if not changer.morphing:
            return found
    raise AssertionError("the scene never arrives")


@settings(max_examples=25)
@given(some_controls(), some_controls(), st.floats(0.5, 120.0))
def test_each_number_goes_one_way_and_never_far_with_one_phrase(begin, end, seconds):
    live = LiveControls(Controls.from_values(begin))
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("there", end), seconds)
    assert "there" == live.scene
    path = played(changer, live)
    assert Controls.from_values(end) == path[-1]
    for name, spec in NUMBERS.items():
        line = [controls.value(name) for controls in path]
        assert line in (sorted(line), sorted(line, reverse=True))
        legal = MOST_STEP * (spec.range.high - spec.range.low)
        steps = [abs(b - a) for a, b in zip(line, line[1:], strict=False)]
        if spec.kind == "whole number" and legal < 1:
            assert sum(step > 0 for step in steps) <= 1
        else:
            assert max(steps) <= legal + 1e-9


def test_a_scene_without_morph_seconds_is_there_at_once():
    live = LiveControls()
    SceneChanger(live, Controls).choose(LiveScene("night", {"density": 0.5}))
    assert (0.5, "night") == (live.snapshot().density, live.scene)


def test_a_scene_may_say_how_long_it_takes_itself():
    live = LiveControls()
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("slow", {"density": 0.5, "morph_seconds": 60.0}))
    assert (1.0, True) == (live.snapshot().density, changer.morphing)
    assert 0.5 == played(changer, live)[-1].density


def test_it_takes_as_long_as_it_is_told():
    live = LiveControls()
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("dim", {"velocity_scale": 0.9}), 60.0)
    path = played(changer, live)
    assert 60.0 <= (len(path) - 1) * PHRASE_SECONDS <= 60.0 + 2 * PHRASE_SECONDS
    assert 10 <= len({controls.velocity_scale for controls in path})


def test_what_a_hand_moves_meanwhile_is_the_hands():
    live = LiveControls()
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("there", {"density": 2.0, "temperature": 1.5}), 40.0)
    for phrase in range(4):
        changer.step(phrase * PHRASE_SECONDS, phrase)
    live.update(density=0.3)
    for phrase in range(4, 60):
        changer.step(phrase * PHRASE_SECONDS, phrase)
    assert (0.3, 1.5) == (live.snapshot().density, live.snapshot().temperature)


class Nudged(LiveControls):
    """Controls that a hand moves whenever somebody has looked at them, or is about to change them.

    Attributes:
        at: Where the hand has turned its knob to.
    """

    at = 0.1

    def nudge(self) -> None:
        self.at = round(self.at + 0.001, 3)
        super().change(lambda now: now.with_changes({"velocity_scale": self.at, "pause": True}))

    def snapshot(self) -> Controls:
        found = super().snapshot()
        self.nudge()
        return found

    def change(self, how, scene=None, *, gentle=False) -> Controls:
        self.nudge()
        return super().change(how, scene, gentle=gentle)


def test_a_knob_that_is_turned_in_the_midst_of_a_step_stays_where_it_is():
    live = Nudged()
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("there", {"density": 2.0, "recall": 0.9}), 40.0)
    for phrase in range(40):
        changer.step(phrase * PHRASE_SECONDS, phrase)
        assert live.at == LiveControls.snapshot(live).velocity_scale
    end = LiveControls.snapshot(live)
    assert (2.0, 0.9, "there", True) == (end.density, end.recall, live.scene, end.pause)
    assert live.at > 0.11


def test_a_pause_that_is_pressed_as_a_scene_is_chosen_or_read_again_stays():
    for take in (
        lambda changer: changer.choose(LiveScene("night", {"density": 0.5}), 0.0),
        lambda changer: changer.take(Controls(density=0.5), "night"),
    ):
        live = Nudged()
        take(SceneChanger(live, Controls))
        end = LiveControls.snapshot(live)
        assert (0.5, True, "night") == (end.density, end.pause, live.scene)


def test_controls_move_once_with_a_phrase_and_not_between():
    live, moves = LiveControls(), []
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("there", {"density": 2.0, "low": 40}), 60.0)
    live.listen(moves.append)
    for look in range(400):
        changer.step(look / 4.0, look // 16)
    assert Controls(density=2.0, low=40) == live.snapshot()
    assert 15 <= len(moves) <= 60 / PHRASE_SECONDS + 2
    assert len({controls.density for controls in moves}) == len(moves)


def test_phrases_that_took_the_place_of_others_are_no_steps():
    live = LiveControls()
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("there", {"density": 4.0}), 1.0)
    for begun in range(200):
        changer.step(begun / 2.0, begun, begun // 50)
    most = MOST_STEP * (4.0 - 0.25)
    assert pytest.approx(1.0 + 3 * most) == live.snapshot().density


def test_a_scene_that_nobody_hears_is_there_at_once():
    live = LiveControls()
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("there", {"density": 2.0}), 600.0)
    changer.step(0.0, 0, heard=False)
    assert (2.0, False) == (live.snapshot().density, changer.morphing)


def test_another_scene_takes_the_place_of_one_on_its_way_and_an_end_ends_it():
    live = LiveControls()
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("one", {"density": 2.0, "root": 7}), 600.0)
    for phrase in range(20):
        changer.step(phrase * PHRASE_SECONDS, phrase)
    between = live.snapshot().density
    changer.choose(LiveScene("two", {"density": 0.5}), 600.0)
    assert (between, "two") == (live.snapshot().density, live.scene)
    changer.finish()
    assert Controls(density=0.5) == live.snapshot()


def test_a_pause_and_a_sleep_timer_are_no_scenes():
    live = LiveControls(Controls(pause=True, sleep=30.0))
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("night", {"density": 0.5}))
    assert Controls(pause=True, sleep=30.0, density=0.5) == live.snapshot()
    assert {"density": 0.5} == kept(live.snapshot(), Controls())


@settings(max_examples=25)
@given(some_controls(), some_controls())
def test_what_is_saved_is_what_played(tmp_path_factory, begin, configured):
    own = tmp_path_factory.mktemp("scenes")
    present, below = Controls.from_values(begin), Controls.from_values(configured)
    path = save_scene("mine", own, controls=kept(present, below), model={"model": "piano"})
    scene = read_scene("mine", own)
    assert ("piano", path) == (scene.values["model.model"], scene.path)
    changes = {k.partition(".")[2]: v for k, v in scene_values(scene).items() if "controls" in k}
    assert present == LiveScene("mine", changes).apply(below, Controls())


def test_no_scene_is_replaced_silently(tmp_path: Path):
    own = tmp_path / "scenes"
    with pytest.raises(Exception, match="a scene night ships with the program; choose another"):
        save_scene("night", own, controls={"density": 0.5})
    assert not own.exists()
    path = save_scene("night", own, controls={"density": 0.4}, replace=True)
    assert 5 == read_scene("night", own).program
    with pytest.raises(Exception, match="there is a scene night already"):
        save_scene("night", own, controls={"density": 0.3})
    assert "density = 0.4" in path.read_text()
    path.write_text('description = "as I like it"\nprogram = 77\n')
    save_scene("night", own, controls={"density": 0.3}, replace=True)
    scene = read_scene("night", own)
    assert ("as I like it", 77, {"controls.density": 0.3}) == (
        scene.description, scene.program, dict(scene.values),
    )  # fmt: skip
    for name in ("../x", "Night", ""):
        with pytest.raises(Exception, match="a scene must be a name of a-z"):
            save_scene(name, own, controls={})


def test_a_scene_that_was_saved_can_be_chosen_at_once(tmp_path: Path):
    shelf = SceneShelf(tmp_path / "scenes")
    with pytest.raises(KeyError, match="no scene is called 'mine'"):
        shelf.find("mine")
    save_scene("mine", shelf.folder, controls={"density": 0.5})
    assert {"density": 0.5} == shelf.find("mine").changes
    with pytest.raises(KeyError, match="did you mean night"):
        shelf.find("nigth")


def test_while_a_person_has_the_turn_a_scene_goes_on_with_time_and_needs_no_phrase():
    live = LiveControls()
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("far", {"density": 3.0}), 20.0)
    seen = []
    for quarter in range(100):
        changer.step(quarter / 4.0, 7, waits=True)
        seen.append(live.snapshot().density)
    assert seen == sorted(seen)
    assert 1.0 < seen[4 * 10] < 3.0
    assert (3.0, False) == (seen[4 * 20 + 4], changer.morphing)
    assert len({*seen}) <= 22, "not at every look"


def test_a_scene_goes_on_step_by_step_when_the_machine_has_the_turn_again():
    live = LiveControls()
    changer = SceneChanger(live, Controls)
    changer.choose(LiveScene("far", {"density": 3.0}), 40.0)
    for second in range(10):
        changer.step(float(second), 7, waits=True)
    silent = live.snapshot().density
    changer.step(11.0, 8)
    assert 0 < live.snapshot().density - silent <= MOST_STEP * 3.75 + 1e-9
    changer.step(12.0, 8)
    assert live.snapshot().density - silent <= MOST_STEP * 3.75 + 1e-9
