"""What the live view shows, and what its keys do, without a terminal."""

from __future__ import annotations

import io
import os
import re
import threading
from pathlib import Path

import pytest
from rich.console import Console

from streamer.service import screen
from streamer.service.keyboard import in_background, keys
from streamer.service.liveview import LiveView
from streamer.service.steering import HELP, Steering, steps_away
from streamer.settings.controls import Controls, control_specs
from streamer.surfaces.desk import Written
from tests.streamer.test_stats import figures
from tests.surfaces.desks import FakeDesk
from tests.waiting import comes


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b" q?", ["space", "q", "?"]),
        (b"\x1b[A\x1bOB\x1b[1;5C\x1b[D", ["up", "down", "right", "left"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[", []),
        (b"\x1b[200~\xc3\xa9\x00", []),
        (bytes(range(256)), None),
    ],
)
def test_bytes_of_a_terminal_are_keys_by_name(data, names):
    found = list(keys(data))
    assert names is None or names == found


@pytest.mark.parametrize("name", sorted(control_specs()))
def test_every_control_is_moved_from_end_to_end_and_stops_at_its_neutral_point(name):
    spec = control_specs()[name]
    value, seen = spec.default, []
    for by in (*[1] * 200, *[-1] * 400, *[1] * 400):
        value = steps_away(spec, value, by)
        assert value == spec.convert(value)
        seen.append(value)
    if spec.range is not None:
        assert {spec.range.low, spec.range.high} <= set(seen)
    if spec.choices:
        assert set(spec.choices) == set(seen)
    assert spec.neutral is None or spec.neutral in seen[200:]


def test_a_key_that_cannot_be_obeyed_is_a_message_and_moves_nothing():
    desk, ended = FakeDesk(), []
    steering = Steering(desk, lambda: ended.append(True), "chain")
    for key in ("9", "z", "9"):
        steering.press(key)
        assert steering.message
    assert Controls() == desk.controls.snapshot()
    desk.controls.update(low=100)
    for key in ("h", *["left"] * 200):
        steering.press(key)
    assert 111 == desk.controls.snapshot().high
    assert "at least" in steering.message or "11 or more above low" in steering.message
    steering.press("0")
    assert 127 == desk.controls.snapshot().high
    steering.press("q")
    assert [True] == ended


def test_a_terminal_of_which_nobody_can_say_whose_it_is_is_drawn_on(monkeypatch):
    """Windows, and stderr that was sent to a terminal of another session."""
    with open(os.devnull, "rb") as nothing:
        assert not in_background(nothing.fileno())
    monkeypatch.delattr(os, "tcgetpgrp")
    assert not in_background(2)


def test_controls_of_other_families_are_not_offered():
    steering = Steering(FakeDesk(), lambda: None, "chain")
    steering.press("w")
    assert "walk" != steering.chosen.name


def test_the_roll_has_what_was_played_on_the_left_and_what_comes_on_the_right():
    notes = [Written(7000.0, 1000.0, 72, 80, 0), Written(13000.0, 500.0, 60, 80, 0)]
    lines = screen.roll(notes, 10_000.0, 24, 4)
    assert [24] * 4 == [len(line) for line in lines]
    left, right = ("".join(line[:12] for line in lines), "".join(line[13:] for line in lines))
    assert (2, 1) == tuple(sum(c in "█▀▄" for c in half) for half in (left, right))
    assert "│" in {line[12] for line in lines}
    plain = screen.roll(notes, 10_000.0, 24, 4, screen.LETTERS)
    assert set("".join(plain)) <= set(" #|")


def test_what_is_off_its_neutral_point_is_said_and_nothing_else():
    values = Controls(density=0.5, transpose=3, low=36, pause=True).values()
    assert ["density × 0.50", "low C2", "transpose +3 semitones"] == screen.moved(values, "chain")
    assert [] == screen.moved(Controls().values(), "chain")


def test_a_long_text_leaves_room_for_the_others_on_the_line():
    values = Controls().with_changes({"chords": "Am F " * 100, "transpose": 3}).values()
    transposed, chords = screen.moved(values, "chain")
    assert "transpose +3 semitones" == transposed
    assert chords.startswith("chords Am F Am F")
    assert chords.endswith("...")
    assert len(chords) <= 50


def test_the_clock_is_said_with_tempo_bar_and_beat():
    assert "its own, free time" == screen.clock_text(figures())
    told = figures(clock="follow", bpm=110.2, beat=9.7)
    assert "follows, 110 BPM, bar 3 beat 2" == screen.clock_text(told)


@pytest.mark.parametrize("size", [(30, 10), (40, 24), (200, 60)])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
@pytest.mark.parametrize("page", ["music", "inside", "help"])
def test_a_terminal_of_any_size_and_letters_is_shown_what_fits(size, encoding, page):
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
    console = Console(
        file=out, width=size[0], height=size[1], force_terminal=True, no_color=True
    )  # fmt: skip
    desk = FakeDesk()
    steering = Steering(desk, lambda: None)
    steering.page = page
    view = LiveView(console, desk, steering)
    view.show(lambda: figures(model="x" * 50, bpm=96.0, beat=3.0))
    view.redraw()
    view.close()
    out.flush()
    text = out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "\n")
    assert "\\" not in text
    drawn = [line for line in text.split("\n") if line[:1] in "╭│╰+|"]
    assert max(map(len, drawn)) <= size[0]


def test_keys_move_the_controls_of_the_bundle_that_is_heard_by_now():
    desk = FakeDesk()
    steering = Steering(desk, lambda: None, "chain")
    state = desk.state()
    desk.state = lambda: {**state, "family": "bands"}  # type: ignore[method-assign]
    offered = set()
    for _ in range(12):
        steering.press("m")
        offered.add(steering.chosen.name)
    assert "mute_bass" in offered
    desk.state = lambda: {**state, "family": "chain"}  # type: ignore[method-assign]
    steering.press("right")
    assert "bands" not in steering.chosen.families


def test_the_page_on_the_terminal_names_every_key():
    page = Path(__file__).parents[2] / "docs" / "live.md"
    table = page.read_text(encoding="utf-8").split("| key | does |")[1].split("\n\n")[0]
    named = {word.strip("`,") for row in table.splitlines() for word in row.split("|")[1:2]}
    words = {word.strip("`,") for cell in named for word in cell.split()}
    assert {word for keys, _ in HELP for word in keys.split()} <= words


def test_a_choice_that_cannot_be_is_said_and_the_next_one_is_reached():
    class Deaf(FakeDesk):
        def objection(self, changes):
            return "it accompanies nobody" if changes.get("duet") == "accompany" else ""

    desk = Deaf()
    steering = Steering(desk, lambda: None)
    while steering.chosen.name != "duet":
        steering.press("d")
    seen = []
    for key in ["right"] * 4 + ["left"] * 4:
        steering.press(key)
        seen.append(desk.controls.snapshot().value("duet"))
    assert ["trade", "continue", "shadow", "shadow"] == seen[:4]
    assert ["continue", "trade", "off", "off"] == seen[4:]
    desk.objection = lambda changes: "no input is heard"
    steering.press("right")
    assert ("no input is heard", "off") == (steering.message, seen[-1])


def test_a_scene_whose_bundle_is_loaded_holds_up_no_key():
    class Loading(FakeDesk):
        loaded, asked = threading.Event(), []

        def start_scene(self, name):
            self.asked.append(name)
            return lambda: self.loaded.wait(60.0) and self.choose_bundle("bnd")

    desk = Loading()
    steering = Steering(desk, lambda: None)
    steering.press("1")
    assert "scene calm comes" == steering.message
    steering.press("space")
    assert desk.controls.snapshot().pause
    desk.loaded.set()
    assert comes(lambda: "no bundle is called 'bnd'" in steering.message)
