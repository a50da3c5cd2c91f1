"""The page of a listening test in a real browser, from the disk: headless Chromium, listeners."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium.webdriver")

from tests.surfaces.test_browser import CHROMIUM, DRIVER, browser  # noqa: F401
from tests.training.listening.listeners import write_folder
from tests.waiting import comes
from training.listening import TestPlan, make_test, read_answers, summarise

pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="chromium is not installed (apt install chromium chromium-driver)",
    ),
    pytest.mark.timeout(180),
]

FILL_IN = """
const [likes] = arguments;
for (const [i, place] of ["first", "second"].entries()) {
  const liked = likes.includes(session.pairs[at].order[i]);
  for (const scale of test.scales) {
    const mark = liked && scale.name === "musicality" ? 5 : 3 + (at + i) % 2;
    document.getElementById(`${place}-${scale.name}-${mark}`).click();
  }
}
document.getElementById("next").click();
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("listening")
    systems = [str(write_folder(folder / name, 3, step)) for name, step in (("up", 1), ("far", 7))]
    plan = TestPlan(systems=tuple(systems), pairs=3, seconds=3.0, synth="own")
    return folder, make_test(plan, folder / "test")


@pytest.fixture
def page(browser: Any, made: tuple[Path, dict[str, Any]]) -> Any:  # noqa: F811
    browser.get((made[0] / "test/page/index.html").as_uri())
    browser.execute_script("localStorage.clear()")
    browser.refresh()
    return browser


def shown(page: Any) -> list[str]:
    parts = "['intro', 'trial', 'done'].filter(id => !document.getElementById(id).hidden)"
    return list(page.execute_script(f"return {parts}"))


def clips_of(key: dict[str, Any], system: str) -> list[str]:
    pairs = [clip for pair in key["pairs"] for clip in pair["clips"]]
    return [clip["clip"] for clip in pairs if clip["system"] == system]


def test_listeners_fill_the_page_in_and_their_preference_is_found(page, made):
    folder, key = made
    answers = folder / "test/answers"
    answers.mkdir()
    page.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(answers)}
    )
    orders = set()
    for listener in range(6):
        page.execute_script("localStorage.clear()")
        page.refresh()
        page.find_element("id", "begin").click()
        for _ in key["pairs"]:
            page.execute_script(FILL_IN, clips_of(key, "far"))
        assert ["done"] == shown(page)
        page.find_element("id", "save").click()
        assert comes(lambda n=listener + 1: len(list(answers.glob("answers-*.json"))) == n)
        saved = page.execute_script("return document.getElementById('text').value")
        orders.add(tuple(pair["id"] for pair in json.loads(saved)["pairs"]))
    assert len(orders) > 1
    found = summarise(read_answers([answers]))
    tests = {row["scale"]: row for row in found["tests"]}
    assert ["up", "far"] == tests["musicality"]["systems"]
    assert tests["musicality"]["difference"] < -1.0
    assert tests["musicality"]["p_holm"] < 0.13  # 1/32 before Holm, the least that 6 can reach
    assert tests["musicality"]["p"] == min(row["p"] for row in found["tests"])


def test_a_pair_is_heard_and_marked_with_the_keyboard_alone(page):
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> None:
        page.switch_to.active_element.send_keys(*keys)

    page.find_element("id", "begin").send_keys(Keys.ENTER)
    assert ["trial"] == shown(page)
    assert "Pair 1 of 3" == page.switch_to.active_element.text
    page.find_element("id", "next").send_keys(Keys.ENTER)
    assert "8 marks are missing" in page.find_element("id", "problem").text
    assert "first-coherence-1" == page.switch_to.active_element.get_attribute("id")
    for _ in range(2):
        for _ in range(4):
            press(Keys.SPACE)
            press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
            press(Keys.TAB)
        for _ in range(12):  # over the buttons of the second piece's player
            if "second-" in str(page.switch_to.active_element.get_attribute("name")):
                break
            press(Keys.TAB)
    page.find_element("id", "next").send_keys(Keys.ENTER)
    assert "Pair 2 of 3" == page.find_element("id", "pair").text
    marks = page.execute_script("return Object.values(session.pairs[0].marks)")
    assert [dict.fromkeys(("coherence", "structure", "creativity", "musicality"), 3)] * 2 == marks


def test_clips_play_one_at_a_time_and_what_was_marked_is_there_after_a_reload(page):
    page.find_element("id", "begin").click()
    first, second = (page.find_element("id", f"{place}-audio") for place in ("first", "second"))
    page.execute_script("arguments[0].play()", first)
    assert comes(lambda: page.execute_script("return arguments[0].currentTime > 0.1", first))
    page.execute_script("arguments[0].play()", second)
    assert comes(lambda: page.execute_script("return arguments[0].paused", first))
    assert comes(
        lambda: page.execute_script("return Object.values(session.pairs[0].heard_s)[0] > 0")
    )
    page.execute_script(FILL_IN, [])
    page.refresh()
    page.find_element("id", "begin").click()
    assert "Pair 2 of 3" == page.find_element("id", "pair").text
    loaded = page.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert all(name.startswith("file:") for name in loaded)


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_no_part_of_the_page_shuts_anybody_out(page, width, scheme):
    """No axe violation, nothing wider than the screen, in the dark and in the light."""
    axe = pytest.importorskip("axe_core_python")
    page.execute_script((resources.files(axe) / "axe.min.js").read_text(encoding="utf-8"))
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    run = "axe.run().then(r => arguments[0](r.violations.map(v => v.id + ': ' + v.nodes[0].html)))"
    turns = ["", "document.getElementById('begin').click()"]
    turns += ["for (const p of session.pairs) for (const c of p.order) p.marks[c] ="
              "Object.fromEntries(test.scales.map(s => [s.name, 4])); goOn()"]  # fmt: skip
    for turn in turns:
        page.execute_script(turn)
        assert [] == page.execute_async_script(run)
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
