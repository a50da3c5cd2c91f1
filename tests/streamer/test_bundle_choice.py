"""A bundle is chosen by its name while another plays: it is loaded beside it, or one line says why
not, and what plays plays on."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from streamer.control.morphing import SceneChanger
from streamer.control.scenes import LiveScene
from streamer.pipeline import Source, open_source
from streamer.service.choosing import SIZE_BYTES, BundleChoice
from streamer.service.saved import Keeper, last_model
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.midi import LIVE_QUERY
from streamer.settings.settings import ModelSettings, Settings
from streamer.surfaces.desk import Refusal
from streamer.system.clock import MonotonicClock
from streamer.system.memory import free_bytes
from tests.bandbundles import write_tiny_band_bundle
from tests.bundles import write_tiny_bundle, write_tiny_draw_bundle, write_tiny_tunes_bundle
from tests.everybundle import FAMILIES
from tests.switching import Switched, tiny_bundles

PATIENCE_SECONDS = 30.0


@dataclass
class FakeStage:
    """A stream that goes on at once with what it is handed."""

    source: Source
    coming: Source | None = None
    taken: list[str] = field(default_factory=list)

    def take_over(self, source: Source, takes_seconds: float = 0.0) -> None:
        assert takes_seconds > 0
        self.taken.append(source.bundle.manifest.name)
        self.source = source


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    write_tiny_bundle(folder)
    write_tiny_tunes_bundle(folder)
    write_tiny_draw_bundle(folder)
    write_tiny_band_bundle(folder)
    broken = write_tiny_bundle(folder, "broken")
    (broken.path / "chain.onnx").write_bytes(b"no graph")
    return folder


def choice_of(folder, free=lambda: None, controls=None, **model):
    """A choice among tiny bundles whose stream plays what is configured."""
    asked = ModelSettings(**{"model": "tiny", "bundle_paths": (folder,), **model})
    settings, live = Settings(model=asked), LiveControls(controls)
    choice = BundleChoice(settings, live, MonotonicClock(), free)
    stage = FakeStage(open_source(settings=settings, controls=live))
    choice.attach(stage)
    return choice, stage


def test_a_bundle_that_is_chosen_is_loaded_and_handed_to_the_stream(folder):
    choice, stage = choice_of(folder)
    assert choice.choose({"model": "tiny-draw"}).result(PATIENCE_SECONDS) == "tiny-draw"
    assert stage.taken == ["tiny-draw"]
    assert (choice.coming, choice.present.model) == (None, "tiny-draw")
    assert choice.choose({"model": "tiny-draw"}) is None
    assert stage.source.controls is choice._controls


def test_a_bundle_that_was_tried_out_begins_as_if_it_had_not_been(folder):
    choice, stage = choice_of(folder, seed=5)
    choice.choose({"model": "tiny-tunes"}).result(PATIENCE_SECONDS)
    chosen = stage.source
    model = ModelSettings(model="tiny-tunes", bundle_paths=(folder,), seed=chosen.seed)
    alone = open_source(settings=Settings(model=model))
    chosen.generator.set_candidates(alone.candidates)
    phrases = [(chosen.next_phrase(), alone.next_phrase()) for _ in range(3)]
    assert all(one.notes == other.notes for one, other in phrases)
    assert phrases[0][0].start_ms == 0.0


def test_what_can_be_chosen_is_what_lies_there_each_with_a_line_for_people(folder):
    choice, _ = choice_of(folder)
    found = {one.name: one for one in choice.listed()}
    assert {"piano", "tiny", "tiny-tunes", "tiny-draw", "tiny-band"} <= {*found}
    band = found["tiny-band"]
    assert (band.family, band.licence) == ("bands", "CC0-1.0")
    assert band.about == "a band of drums, bass, harmony and strings, from random numbers"
    assert found["tiny-tunes"].styles


def test_a_bundle_that_came_later_is_there_at_once(folder, tmp_path):
    choice, _ = choice_of(folder, bundle_paths=(folder, tmp_path))
    assert "late" not in {one.name for one in choice.listed()}
    write_tiny_bundle(tmp_path, "late")
    assert "late" in {one.name for one in choice.listed()}


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("tiny-tuns", 404, "no bundle is called 'tiny-tuns'; did you mean tiny-tunes?"),
        ("../tiny", 422, "must be a name that `perpetuo models` lists, not '../tiny'"),
        ("/etc/passwd", 422, "must be a name that"),
        ("a\nb", 422, "must be a name that"),
        ("broken", 422, "it was changed or damaged; copy or export the bundle again; tiny plays"),
    ],
)
def test_what_cannot_be_chosen_is_one_line_and_what_plays_plays_on(folder, name, status, says):
    choice, stage = choice_of(folder)
    with pytest.raises(Refusal, match=r"^.*$") as refused:
        choice.choose({"model": name}).result(PATIENCE_SECONDS)
    assert (refused.value.status, stage.taken) == (status, [])
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert choice.present.model == "tiny"


def test_a_bundle_for_which_the_memory_is_too_small_is_not_loaded(folder):
    choice, stage = choice_of(folder, free=lambda: SIZE_BYTES)
    with pytest.raises(Refusal, match="takes about 24 MB while it is loaded, and 24 MB of") as no:
        choice.choose({"model": "tiny-draw"}).result(PATIENCE_SECONDS)
    assert (no.value.status, stage.taken) == (409, [])


def test_a_band_of_which_all_is_muted_is_refused_with_what_to_unmute(folder):
    choice, stage = choice_of(folder)
    tracks = ("drums", "bass", "harmony", "strings")
    names = [name for name in Controls().values() if name.startswith("mute_")]
    assert len(names) == len(tracks)
    choice._controls.update(**dict.fromkeys(names, True))
    with pytest.raises(Refusal, match="controls mute all tracks") as no:
        choice.choose({"model": "tiny-band"}).result(PATIENCE_SECONDS)
    assert (no.value.status, stage.taken) == (422, [])


def test_the_last_that_was_asked_for_wins_and_one_is_loaded_at_a_time(folder):
    go_on, at_once, most = threading.Event(), [0], [0]

    def free():
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        assert go_on.wait(PATIENCE_SECONDS)
        at_once[0] -= 1

    choice, stage = choice_of(folder, free=free)
    told = [choice.choose({"model": name}) for name in ("tiny-draw", "tiny-tunes", "tiny-band")]
    assert choice.coming == "tiny-band"
    go_on.set()
    assert told[2].result(PATIENCE_SECONDS) == "tiny-band"
    for one in told[:2]:
        with pytest.raises(Refusal, match="gives way: tiny-") as no:
            one.result(PATIENCE_SECONDS)
        assert no.value.status == 409
    assert (stage.taken, most) == (["tiny-band"], [1])


def test_a_stream_that_ends_hands_nothing_on(folder):
    go_on = threading.Event()
    choice, stage = choice_of(folder, free=lambda: go_on.wait(PATIENCE_SECONDS) and None)
    told = choice.choose({"model": "tiny-draw"})
    closing = threading.Thread(target=choice.close)
    closing.start()
    go_on.set()
    closing.join(PATIENCE_SECONDS)
    with pytest.raises(Refusal, match=r"the stream ends|plays on"):
        told.result(PATIENCE_SECONDS)
    assert stage.taken == []


def test_a_stream_that_answers_what_is_played_keeps_its_bundle(folder):
    choice, _ = choice_of(folder)
    choice._stage.source = replace(choice._stage.source, model=ModelSettings(query=LIVE_QUERY))
    with pytest.raises(Refusal, match="keeps its bundle") as no:
        choice.choose({"model": "tiny-draw"})
    assert no.value.status == 409


def test_what_is_set_for_one_bundle_does_not_hold_for_another_and_comes_back_with_it(folder):
    choice, _ = choice_of(folder, model="tiny-tunes", style="bach", temperature=0.8, candidates=3)
    other = choice.model_of({"model": "tiny-draw"})
    assert (other.style, other.temperature, other.candidates) == (None, None, 3)
    choice.choose({"model": "tiny-draw"}).result(PATIENCE_SECONDS)
    again = choice.model_of({"model": "tiny-tunes"})
    assert (again.style, again.temperature) == ("bach", 0.8)


def test_a_style_that_a_scene_names_is_changed_to_while_the_bundle_stays(folder):
    choice, stage = choice_of(folder, model="tiny-tunes")
    assert choice.choose({"style": "jazz"}).result(PATIENCE_SECONDS) == "tiny-tunes"
    assert stage.source.model.style == "jazz"
    assert choice.choose({"style": "jazz"}) is None


def test_the_bundle_that_a_stream_was_started_with_can_be_chosen_again_wherever_it_lies(folder):
    path = str(folder / "tiny")
    choice, stage = choice_of(folder, model=path, bundle_paths=())
    assert "tiny" in {one.name for one in choice.listed()}
    choice.choose({"model": "beethoven"}).result(PATIENCE_SECONDS)
    assert choice.kept() == {"model": "beethoven"}
    assert choice.choose({"model": "tiny"}).result(PATIENCE_SECONDS) == "tiny"
    assert (stage.taken, choice.kept()) == (["beethoven", "tiny"], {})


def test_before_the_stream_there_is_a_choice_decides_with_what_it_begins(folder):
    settings = Settings(model=ModelSettings(model="tiny", bundle_paths=(folder,)))
    choice = BundleChoice(settings, LiveControls(), MonotonicClock())
    assert choice.choose({"model": "tiny-band", "style": "jazz"}) is None
    assert (choice.first.model, choice.first.style) == ("tiny-band", "jazz")
    choice.begin_as_configured()
    assert choice.first == settings.model


def test_a_bundle_that_was_chosen_is_kept_over_a_restart_until_the_configuration_changes(tmp_path):
    path, left = tmp_path / "controls.json", {"model": "band", "style": "jazz", "temperature": 0.9}
    keeper = Keeper(
        path, Controls(), LiveControls(), "night", bundle="piano", model=lambda: {**left}
    )
    keeper.write()
    assert last_model(path, "piano", "night") == left
    assert last_model(path, "tunes", "night") == {}
    assert last_model(path, "piano", "calm") == {}
    left.clear()
    keeper.write()
    assert last_model(path, "piano", "night") == {}


@pytest.mark.parametrize(
    "model", [{"model": "../x"}, {"model": 5}, {"prime": "/etc/passwd"}, {"style": 7}, {"x": 1}]
)
def test_a_file_that_was_tampered_with_begins_with_the_configuration(tmp_path, model):
    path = tmp_path / "controls.json"
    Keeper(path, Controls(), LiveControls(), bundle="piano", model=lambda: model).write()
    assert last_model(path, "piano") == {}


def test_a_scene_of_another_bundle_is_taken_on_when_that_is_there_and_else_not_at_all():
    controls, coming = LiveControls(), [Future(), Future()]
    waiting = iter(coming)
    changer = SceneChanger(controls, Controls, lambda model: next(waiting))
    scene = LiveScene("club", {"density": 2.0}, {"model": "band"})
    assert changer.choose(scene) is coming[0]
    assert controls.snapshot().density == 1.0
    coming[0].set_exception(Refusal(404, "no bundle is called 'band'"))
    assert (controls.snapshot().density, controls.scene) == (1.0, "")
    changer.choose(scene)
    coming[1].set_result("band")
    assert (controls.snapshot().density, controls.scene) == (2.0, "club")


def test_a_scene_that_was_chosen_after_one_of_another_bundle_stays():
    controls, coming = LiveControls(), Future()
    changer = SceneChanger(controls, Controls, lambda model: coming)
    changer.choose(LiveScene("club", {"density": 2.0}, {"model": "band"}))
    changer.choose(LiveScene("calm", {"density": 0.7}))
    coming.set_result("band")
    assert (controls.snapshot().density, controls.scene) == (0.7, "calm")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_source_that_has_been_followed_is_let_go_of_without_a_collection(tmp_path, family):
    first, second = tiny_bundles(tmp_path, family)
    stream = Switched(first)
    gone = weakref.ref(stream.succession.heard.generator)
    stream.clock.at(1001.0, lambda: stream.follow(second))
    gc.disable()
    try:
        stream.play(7.0)
        assert stream.opened
        assert gone() is None
    finally:
        gc.enable()


def test_memory_is_what_the_machine_has_or_less_where_a_limit_says_so(tmp_path):
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    assert free_bytes(proc, groups) is None
    (proc / "meminfo").write_text("MemTotal: 4000 kB\nMemAvailable:    2000 kB\n")
    assert free_bytes(proc, groups) == 2_048_000
    (proc / "self/cgroup").write_text("0::/system.slice/perpetuo.service\n")
    inner = groups / "system.slice/perpetuo.service"
    inner.mkdir(parents=True)
    (inner / "memory.max").write_text("max\n")
    assert free_bytes(proc, groups) == 2_048_000
    (inner.parent / "memory.max").write_text("900000\n")
    (inner.parent / "memory.current").write_text("500000\n")
    (inner.parent / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    assert free_bytes(proc, groups) == 500_000
