"""Render: the same bytes for the same seed, a report that adds up, files that are whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streamer.bundle.bundle import Bundle
from streamer.errors import MidiFileError, RecordingError
from streamer.midi.midifile import read_midi
from streamer.music.notes import Note, Phrase, to_array
from streamer.offline.playout import play_out
from streamer.offline.render import render
from streamer.settings.controls import Controls
from streamer.settings.settings import ModelSettings, PortSettings, Settings
from streamer.testing import FakeGenerator, FakePort, make_phrase
from tests.bundles import write_tiny_bundle
from tests.midifiles import write_midi


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The tiny untrained bundle."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def settings(bundle: Bundle) -> Settings:
    """Seed 7."""
    return Settings(model=ModelSettings(model=str(bundle.path), seed=7))


def test_same_seed_gives_the_same_bytes(settings: Settings, tmp_path: Path) -> None:
    """Whatever the name of the file."""
    render(None, tmp_path / "a.mid", 30.0, settings=settings)
    render(None, tmp_path / "b.mid", 30.0, settings=settings)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_other_seed_gives_other_bytes(settings: Settings, tmp_path: Path) -> None:
    """The seed is in use."""
    other = replace(settings, model=replace(settings.model, seed=8))
    render(None, tmp_path / "a.mid", 10.0, settings=settings)
    render(None, tmp_path / "b.mid", 10.0, settings=other)
    assert (tmp_path / "a.mid").read_bytes() != (tmp_path / "b.mid").read_bytes()


def test_report_has_every_key_and_adds_up(settings: Settings, tmp_path: Path) -> None:
    """The notes are those in the file; kept and dropped are all that were drawn."""
    report = render(None, tmp_path / "out.mid", 60.0, settings=settings)
    keys = ["bundle", "seed", "duration_s", "notes", "candidates", "kept", "dropped"]
    keys += ["entropy", "wall_s"]
    assert {*keys} <= {*report}
    assert ("tiny", 7, 60.0) == (report["bundle"], report["seed"], report["duration_s"])
    assert len(read_midi(tmp_path / "out.mid")) == report["notes"] > 100
    assert report["candidates"] == report["kept"] + sum(report["dropped"].values())
    assert ["pitch", "shift", "duration", "velocity", "pedal"] == [*report["entropy"]]


def test_seed_that_was_drawn_is_told_and_repeats(settings: Settings, tmp_path: Path) -> None:
    """A render that pleases can be had again."""
    drawn = replace(settings, model=replace(settings.model, seed=None))
    seed = render(None, tmp_path / "a.mid", 5.0, settings=drawn)["seed"]
    render(None, tmp_path / "b.mid", 5.0, settings=drawn, seed=seed)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_nothing_sounds_beyond_the_end(settings: Settings, tmp_path: Path) -> None:
    """Notes that sound on are cut there, later ones left out."""
    render(None, tmp_path / "out.mid", 20.0, settings=settings)
    notes = read_midi(tmp_path / "out.mid")
    assert notes["onset_ms"].max() < 20_000
    assert (notes["onset_ms"] + notes["duration_ms"]).max() <= 20_000


def test_existing_file_is_replaced_and_nothing_else_is_left(
    settings: Settings, tmp_path: Path
) -> None:
    """No temporary file stays, no numbered copy appears."""
    (tmp_path / "out.mid").write_text("old")
    render(None, tmp_path / "out.mid", 5.0, settings=settings)
    assert ["out.mid"] == [path.name for path in tmp_path.iterdir()]
    assert (tmp_path / "out.mid").read_bytes().startswith(b"MThd")


def test_existing_file_stays_when_rendering_fails(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole or not at all."""
    (tmp_path / "out.mid").write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("streamer.offline.render.play_out", fail)
    with pytest.raises(RecordingError, match="No space left"):
        render(None, tmp_path / "out.mid", 5.0, settings=settings)
    assert ["out.mid"] == [path.name for path in tmp_path.iterdir()]
    assert (tmp_path / "out.mid").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "said"), [("missing/out.mid", "there is no folder"), (".", "is a folder")]
)
def test_target_that_cannot_be_is_refused_before_anything_is_drawn(
    settings: Settings, tmp_path: Path, name: str, said: str
) -> None:
    """A folder that is not there, or a folder itself."""
    with pytest.raises(RecordingError, match=said):
        render(None, tmp_path / name, 5.0, settings=settings)


def test_primed_render_continues_the_file(settings: Settings, tmp_path: Path) -> None:
    """It starts at its own zero, and sounds other than unprimed."""
    source = to_array(Note(60 + i % 12, 200.0 * i, 150.0, 60) for i in range(50))
    write_midi(tmp_path / "source.mid", source)
    primed = replace(settings, model=replace(settings.model, prime=tmp_path / "source.mid"))
    render(None, tmp_path / "a.mid", 10.0, settings=settings)
    render(None, tmp_path / "b.mid", 10.0, settings=primed)
    assert (tmp_path / "a.mid").read_bytes() != (tmp_path / "b.mid").read_bytes()
    assert read_midi(tmp_path / "b.mid")["onset_ms"].min() < 5_000


def test_file_without_a_piano_note_cannot_be_continued(settings: Settings, tmp_path: Path) -> None:
    """One line with the file's name."""
    write_midi(tmp_path / "low.mid", to_array([Note(5, 0.0, 100.0, 60)]))
    primed = replace(settings, model=replace(settings.model, prime=tmp_path / "low.mid"))
    with pytest.raises(MidiFileError, match=r"low\.mid: there must be 1 note or more"):
        render(None, tmp_path / "out.mid", 5.0, settings=primed)


def test_channel_and_controls_reach_the_file(settings: Settings, tmp_path: Path) -> None:
    """Channel 3 as people count, all notes above middle C."""
    changed = replace(settings, port=PortSettings(channel=3), controls=Controls(low=60, high=90))
    render(None, tmp_path / "out.mid", 10.0, settings=changed)
    notes = read_midi(tmp_path / "out.mid")
    assert {2} == {*notes["channel"].tolist()}
    assert notes["pitch"].min() >= 60


def test_offline_scheduler_sends_what_the_generator_drew() -> None:
    """Every strike in its place, and silence at the end."""
    port, generator = FakePort(), FakeGenerator(3)
    drawn: list[Phrase] = []
    play_out(generator.next_phrase, 30_000.0, port, drawn.append)
    struck = {(n.onset_ms, n.channel, n.pitch) for phrase in drawn for n in phrase.notes}
    sent = {
        (at, message[0] & 15, message[1])
        for at, (_, message) in zip(port.places, port.log, strict=True)
        if message[0] & 0xF0 == 0x90
    }
    assert struck == sent
    assert port.receiver.is_silent


def test_stream_ends_at_its_length_in_the_middle_of_a_phrase() -> None:
    """The long note is cut, the late one left out."""
    notes = [Note(60, 500.0, 9000.0, 64), Note(62, 1500.0, 100.0, 64)]
    port = FakePort()
    drawn: list[Phrase] = []
    play_out(lambda: make_phrase(notes), 1000.0, port, drawn.append)
    assert [(60, 500.0)] == [(n.pitch, n.duration_ms) for p in drawn for n in p.notes]
    assert port.receiver.is_silent


def test_plot_is_a_png_with_a_row_a_minute(settings: Settings, tmp_path: Path) -> None:
    """Drawn without any library."""
    render(None, tmp_path / "out.mid", 90.0, plot=tmp_path / "out.png", settings=settings)
    data = (tmp_path / "out.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(data) > 2000
