"""One seed, one music: what is played live is what is rendered, however busy the machine is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.cli import main
from streamer.live.buffer import RollingBuffer
from streamer.midi.midifile import read_midi
from streamer.music.notes import Phrase
from streamer.offline.render import render
from streamer.pipeline import Source, open_source
from streamer.service.writing import FIRST_PHRASE_NOTES, Writing
from streamer.settings.settings import ModelSettings, Settings
from streamer.system.clock import Wake
from streamer.testing import ManualClock
from tests.everybundle import FAMILIES, MAKERS

SECONDS = 40.0


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return {family: MAKERS[name](folder).path for family, name in FAMILIES.items()}


def settings_of(bundle: Path, **model: object) -> Settings:
    return Settings(model=ModelSettings(model=str(bundle), **model))  # type: ignore[arg-type]


def written(settings: Settings, takes_seconds: float) -> list[Phrase]:
    """What a live stream writes into its buffer on a machine that needs so long for a phrase."""
    clock, found = ManualClock(), list[Phrase]()
    source = open_source(settings=settings)
    draw = source.next_phrase

    def slowly(notes: int | None = None) -> Phrase:
        clock.wait_until(clock.now() + takes_seconds, Wake())
        return draw(notes)

    busy = BusySource(source, slowly)
    exact = settings.model.is_exact
    writing = Writing(busy, RollingBuffer(1e6, 2e6), clock, found.append, exact=exact)  # type: ignore[arg-type]
    while not found or found[-1].end_ms < SECONDS * 1000.0:
        writing.write()
    return found


class BusySource:
    """A source that takes its time."""

    def __init__(self, source: object, slowly: object) -> None:
        self._source, self.next_phrase = source, slowly

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)


def notes_of(phrases: list[Phrase]) -> list[tuple[int, float, float, int, int]]:
    return [
        (note.pitch, note.onset_ms, note.duration_ms, note.velocity, note.channel)
        for phrase in phrases
        for note in phrase.notes
    ]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("takes_seconds", [0.0, 30.0], ids=["idle", "overloaded"])
def test_a_live_stream_with_a_seed_writes_what_render_writes(
    bundles: dict[str, Path],
    family: str,
    takes_seconds: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = settings_of(bundles[family], seed=5)
    kept = list[Phrase]()
    monkeypatch.setattr(Source, "next_phrase", keeping(Source.next_phrase, kept))
    render(None, tmp_path / "out.mid", SECONDS, settings=settings)
    rendered, live = notes_of(kept), notes_of(written(settings, takes_seconds))
    both = min(len(rendered), len(live))
    assert both > 20
    assert rendered[:both] == live[:both]


def keeping(draw: Callable[..., Phrase], kept: list[Phrase]) -> Callable[..., Phrase]:
    """A way to draw that keeps what was drawn."""

    def next_phrase(source: Source, notes: int | None = None) -> Phrase:
        kept.append(draw(source, notes))
        return kept[-1]

    return next_phrase


def test_two_live_streams_with_one_seed_are_the_same_however_busy_the_machine_is(
    bundles: dict[str, Path],
) -> None:
    settings = settings_of(bundles["chain"], seed=5)
    assert notes_of(written(settings, 0.0)) == notes_of(written(settings, 30.0))


def test_without_a_seed_a_busy_machine_draws_fewer_and_the_first_phrase_is_short(
    bundles: dict[str, Path],
) -> None:
    settings = settings_of(bundles["chain"], seed=5, exact=False)
    found = written(settings, 30.0)
    assert len(found[0].notes) == FIRST_PHRASE_NOTES
    assert notes_of(found) != notes_of(written(replace_exact(settings), 30.0))


def replace_exact(settings: Settings) -> Settings:
    return replace(settings, model=replace(settings.model, exact=True))


def test_a_seed_means_exact_unless_somebody_says_otherwise() -> None:
    assert not ModelSettings().is_exact
    assert ModelSettings(seed=1).is_exact
    assert ModelSettings(exact=True).is_exact
    assert not ModelSettings(seed=1, exact=False).is_exact


def test_play_and_render_give_the_same_notes_by_the_command(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    """(Two seconds for real.)"""
    common = ["--model", str(bundles["chain"]), "--seed", "5"]
    assert main(["render", str(tmp_path / "rendered.mid"), "--duration", "10", *common]) == 0
    played = ["play", "--port", "null", "--input", "off", "--for", "2", "--plain", *common]
    assert main([*played, "--record", str(tmp_path / "played.mid")]) == 0
    rendered, live = (read_midi(tmp_path / f"{name}.mid") for name in ("rendered", "played"))
    both = len(live)
    assert both > 0
    for field in ("pitch", "velocity"):
        assert live[field][:both].tolist() == rendered[field][:both].tolist()
