"""The page in a real browser: headless Chromium against a stream that plays."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.freeports import free_port
from tests.waiting import comes

webdriver = pytest.importorskip("selenium.webdriver")
Keys = webdriver.Keys

PATIENCE_SECONDS = 30.0
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="chromium is not installed (apt install chromium chromium-driver)",
    ),
    pytest.mark.timeout(180),
]

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required", "--window-size=1280,1400",
)  # fmt: skip


class Daemon:
    """``perpetuo play --web`` on one port, started and stopped as wanted."""

    def __init__(self, folder: Path) -> None:
        self._config = folder / "perpetuo.toml"
        self.recordings = folder / "recordings"
        self.recordings.mkdir()
        self._config.write_text(f'[record]\nfolder = "{self.recordings}"\n')
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "streamer", "play", "--port", "null", "--plain"]
        command += ["--model", "tunes", "--web", f"127.0.0.1:{self.port}", "--seed", "1"]
        command += ["--config", str(self._config)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "playing to null" in line:
                return
        pytest.fail("the stream does not play")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.communicate(timeout=PATIENCE_SECONDS)
            self._process = None

    def controls(self) -> dict[str, Any]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        client.request("GET", "/api/v1/controls")
        return dict(json.loads(client.getresponse().read()))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(PATIENCE_SECONDS)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    held = Daemon(tmp_path_factory.mktemp("daemon"))
    held.start()
    yield held
    held.stop()


@pytest.fixture
def page(browser: Any, daemon: Daemon) -> Any:
    browser.get(f"http://127.0.0.1:{daemon.port}/")
    assert comes(lambda: says(browser, "what").startswith("tunes"))
    return browser


def says(page: Any, name: str) -> str:
    return str(page.execute_script(f"return document.getElementById('{name}').textContent"))


def test_the_page_shows_what_plays_and_the_controls_that_it_obeys(page):
    assert "→ null · playing" in says(page, "what")
    shown = page.execute_script("return Object.keys(rows)")
    assert {"density", "temperature", "style_mix"} <= set(shown)
    assert {"mute_drums", "bits", "pause"}.isdisjoint(shown)
    assert page.execute_script("return document.querySelectorAll('#scenes button').length") >= 8


def test_a_fader_that_is_moved_is_obeyed_and_shown(page, daemon):
    page.execute_script(
        "const f = document.getElementById('c-density'); f.value = 1000;"
        "f.dispatchEvent(new Event('input'))"
    )
    assert comes(lambda: daemon.controls()["density"] == 4.0)
    assert comes(lambda: "× 4" in page.execute_script("return rows.density.out.textContent"))
    page.execute_script("document.querySelector('[data-scene=night]').click()")
    assert comes(lambda: daemon.controls()["density"] == 0.5)
    pressed = "return document.querySelector('[data-scene=night]').getAttribute('aria-pressed')"
    assert comes(lambda: page.execute_script(pressed) == "true")


def test_chords_are_written_into_a_field_and_what_is_none_is_told(page, daemon):
    enter = (
        "const f = document.getElementById('c-chords'); f.value = arguments[0];"
        "f.dispatchEvent(new Event('input')); f.dispatchEvent(new Event('change'))"
    )
    page.execute_script(enter, "am f7")
    assert comes(lambda: daemon.controls()["chords"] == "Am F7")
    assert comes(lambda: "Am F7" in page.execute_script("return rows.chords.out.textContent"))
    page.execute_script(enter, "H7")
    assert comes(lambda: "H7 is no chord" in says(page, "toast"))
    assert "Am F7" == daemon.controls()["chords"]
    page.execute_script(enter, "off")
    assert comes(lambda: daemon.controls()["chords"] == "off")


def test_pause_holds_the_music_and_play_goes_on(page, daemon):
    button = page.find_element("id", "pause")
    for value, text in ((True, "Play"), (False, "Pause")):
        button.click()
        assert comes(lambda value=value: daemon.controls()["pause"] is value)
        assert comes(lambda text=text: button.text == text)


def test_what_is_pressed_is_a_button_that_lets_go_by_itself(page, daemon):
    tags = "return ['vary', 'like', 'dislike'].map(name => rows[name].input.tagName)"
    assert ["BUTTON"] * 3 == page.execute_script(tags)
    assert comes(lambda: page.execute_script("return state.notes_sent") > 12)  # enough to like
    page.execute_script("document.getElementById('c-like').click()")
    assert comes(lambda: page.execute_script("return state.taste.liked") == 1)
    assert comes(lambda: daemon.controls()["like"] is False)


def test_the_roll_moves_and_has_what_is_written_ahead(page):
    assert comes(
        lambda: page.execute_script("return roll.notes.some(n => n[0] > roll.now() + 1000)")
    )
    shot = "return document.getElementById('roll').toDataURL()"
    first = page.execute_script(shot)
    assert comes(lambda: page.execute_script(shot) != first)


def test_what_is_drawn_again_is_on_its_way_until_it_is_heard(page):
    page.execute_script("move('density', 0.8)")
    assert comes(lambda: " → " in page.execute_script("return rows.density.out.textContent"))
    assert comes(lambda: "× 0.80" == page.execute_script("return rows.density.out.textContent"))


def test_a_phrase_that_was_dropped_is_a_ghost_with_its_reason(page):
    page.execute_script(
        "roll.ghosts = [];"
        "roll.drop([['loop', [[roll.now() + 2000, 900, 60, 80, 0]]]]); roll.draw();"
        "const b = roll.canvas.getBoundingClientRect(), s = roll.past + roll.ahead;"
        "const y = roll.height - (60 - roll.low + 0.5) / (roll.high - roll.low + 1) * roll.height;"
        "roll.canvas.dispatchEvent(new PointerEvent('pointerdown', {clientX: b.left + roll.width *"
        "(roll.past + 2300) / s, clientY: b.top + y}))"
    )
    assert "dropped: goes round in a loop" == says(page, "ghost")


def test_a_recording_is_listed_and_deleted_when_asked_twice(page, daemon):
    old = daemon.recordings / "perpetuo-20260101-000000.mid"
    old.write_bytes(b"MThd")
    os.utime(old, (1e9, 1e9))
    page.execute_script("recordings()")
    assert comes(lambda: old.name in says(page, "recordings"))
    button = page.find_element("css selector", f'[aria-label="Delete {old.name}"]')
    page.execute_script("arguments[0].click()", button)
    assert ("Really?", True) == (button.text, old.exists())
    page.execute_script("arguments[0].click()", button)
    assert comes(lambda: old.name not in says(page, "recordings"))
    assert not old.exists()


def test_ports_and_plots_of_health_are_there(page):
    assert comes(
        lambda: "is played to" in says(page, "ports") or "No MIDI port" in says(page, "ports")
    )
    assert comes(
        lambda: page.execute_script("return document.querySelectorAll('.plot polyline').length")
    )
    points = "return document.querySelector('.plot polyline').getAttribute('points')"
    assert comes(lambda: " " in page.execute_script(points))


def test_the_sound_of_the_page_is_not_silent(page):
    peak = page.execute_async_script(
        "const done = arguments[0], c = new OfflineAudioContext(2, 44100, 44100);"
        "const s = new Synth(c); s.hear([0x90, 69, 100], 0.1); s.hear([0x80, 69, 0], 0.6);"
        "c.startRendering().then(b => done([Math.max(...b.getChannelData(0).slice(0, 4000)"
        ".map(Math.abs)), Math.max(...b.getChannelData(0).map(Math.abs))]))"
    )
    assert 0.0 == peak[0]
    assert 0.02 < peak[1] <= 1.0
    page.find_element("id", "sound").click()
    assert comes(lambda: page.execute_script("return synth !== null && synth.voices.size > 0"))
    page.find_element("id", "sound").click()
    assert comes(lambda: page.execute_script("return synth === null"))


def test_another_bundle_follows_and_the_page_has_its_faders(page):
    options = page.execute_script("return [...document.querySelectorAll('#bundle option')]"
                                  ".map(o => o.value)")  # fmt: skip
    assert {"tunes", "beethoven"} <= {*options}
    choose = (
        "const s = document.getElementById('bundle'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('change'))"
    )
    page.execute_script(choose, "beethoven")
    assert comes(lambda: says(page, "what").startswith("beethoven"))
    shown = page.execute_script("return Object.keys(rows)")
    assert "refinement" in shown
    assert "style_mix" not in shown
    page.execute_script(choose, "tunes")
    assert comes(lambda: says(page, "what").startswith("tunes"))


def test_a_page_of_a_stream_that_was_restarted_finds_it_again(page, daemon):
    daemon.stop()
    assert comes(lambda: "is gone" in says(page, "what"))
    daemon.start()
    assert comes(lambda: "playing" in says(page, "what"))


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_nothing_on_the_page_shuts_anybody_out(page, width, scheme):
    """No axe violation, nothing wider than the screen, in the dark and in the light."""
    axe = pytest.importorskip("axe_core_python")
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    page.execute_script((resources.files(axe) / "axe.min.js").read_text(encoding="utf-8"))
    found = page.execute_async_script(
        "axe.run().then(r => arguments[0](r.violations.map(v => v.id + ': ' + v.nodes[0].html)))"
    )
    shots = os.environ.get("PERPETUO_SCREENSHOTS")
    if shots:
        page.save_screenshot(str(Path(shots) / f"page-{scheme}-{width}.png"))
    assert [] == found


KNOBS = (
    "HEARD.state = () => {}; state.knobs = { density: 'CC74' };"
    "state.learning = arguments[0]; knobs()"
)


def learner(page, name):
    script = "const b = learners[arguments[0]].button;"
    return page.execute_script(
        f"{script} return [b.innerText, b.getAttribute('aria-pressed')]", name
    )


def test_each_control_says_which_knob_steers_it_where_an_input_is_heard(page):
    assert "none" == page.execute_script(
        "return getComputedStyle(learners.density.button).display"
    ), "no input is heard"
    page.execute_script(KNOBS, "transpose")
    shown = page.execute_script("return Object.keys(rows)")
    assert {*shown} == {*page.execute_script("return Object.keys(learners)")}
    assert "CC74" in learner(page, "density")[0]
    assert ["true", "false"] == [learner(page, name)[1] for name in ("transpose", "density")]
    assert "turn a knob" in learner(page, "transpose")[0]


def test_a_knob_is_learnt_and_given_up_by_the_keyboard_alone(page):
    page.execute_script(KNOBS, None)
    page.execute_script("window.said = []; socket.send = text => said.push(JSON.parse(text))")
    press = "const b = learners.density.button; b.focus(); return document.activeElement === b"
    for learning, said in ((None, {"learn": "density"}), ("density", {"forget": "density"})):
        page.execute_script(KNOBS, learning)
        assert page.execute_script(press)
        page.switch_to.active_element.send_keys(Keys.ENTER)
        assert said == page.execute_script("return said.pop()")


@pytest.mark.parametrize("width", [360, 1280])
def test_the_knobs_on_the_page_shut_nobody_out(page, width):
    axe = pytest.importorskip("axe_core_python")
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.execute_script((resources.files(axe) / "axe.min.js").read_text(encoding="utf-8"))
    page.execute_script("figures = () => {}; HEARD.state = () => {}")
    for learning in (None, "density"):
        page.execute_script(KNOBS, learning)
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        found = page.execute_async_script(
            "axe.run().then(r => arguments[0](r.violations.map(v => v.id + v.nodes[0].html)))"
        )
        assert [] == found


def test_who_is_connected_to_our_port_is_said(page):
    own = {"name": "Perpetuo", "direction": "output", "kind": "builtin", "used": True}
    # In one breath: the stream tells of its own ports at any time.
    shown = "ports([arguments[0]]); return document.getElementById('ports').textContent"
    for connected, text in ((["a synth", "mon"], "plays to a synth, mon"), ([], "nobody is")):
        assert text in page.execute_script(shown, {**own, "connected": connected})
    assert "is played to" in page.execute_script(shown, {**own, "connected": None})


def test_what_is_refused_is_said_and_shown_as_it_is(page, daemon):
    choose = (
        "const s = document.getElementById('c-duet'); s.value = 'trade';"
        "s.dispatchEvent(new Event('change')); return s.value"
    )
    assert "trade" == page.execute_script(choose)
    assert comes(lambda: "no input is heard" in says(page, "toast"))
    value = "return document.getElementById('c-duet').value"
    assert comes(lambda: page.execute_script(value) == "off")
    assert "off" == daemon.controls()["duet"]
