"""Render: the same bytes for the same seed, a report that adds up, files that are whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.bundle import Bundle
from streamer.controls import Controls
from streamer.errors import MidiFileError, RecordingError
from streamer.midifile import read_midi, write_midi
from streamer.notes import NOTE_DTYPE, Note, Phrase, to_array
from streamer.offline import play_out
from streamer.render import render
from streamer.roll import roll_picture, to_png
from streamer.settings import ModelSettings, PortSettings, Settings
from streamer.testing import FakeGenerator, FakePort, make_phrase
from tests.bundles import write_tiny_bundle


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
    render(settings, tmp_path / "a.mid", 30.0)
    render(settings, tmp_path / "b.mid", 30.0)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_other_seed_gives_other_bytes(settings: Settings, tmp_path: Path) -> None:
    """The seed is in use."""
    other = replace(settings, model=replace(settings.model, seed=8))
    render(settings, tmp_path / "a.mid", 10.0)
    render(other, tmp_path / "b.mid", 10.0)
    assert (tmp_path / "a.mid").read_bytes() != (tmp_path / "b.mid").read_bytes()


def test_report_has_every_key_and_adds_up(settings: Settings, tmp_path: Path) -> None:
    """The notes are those in the file; kept and dropped are all that were drawn."""
    report = render(settings, tmp_path / "out.mid", 60.0)
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
    seed = render(drawn, tmp_path / "a.mid", 5.0)["seed"]
    render(replace(settings, model=replace(settings.model, seed=seed)), tmp_path / "b.mid", 5.0)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_nothing_sounds_beyond_the_end(settings: Settings, tmp_path: Path) -> None:
    """Notes that sound on are cut there, later ones left out."""
    render(settings, tmp_path / "out.mid", 20.0)
    notes = read_midi(tmp_path / "out.mid")
    assert notes["onset_ms"].max() < 20_000
    assert (notes["onset_ms"] + notes["duration_ms"]).max() <= 20_000


def test_existing_file_is_replaced_and_nothing_else_is_left(
    settings: Settings, tmp_path: Path
) -> None:
    """No temporary file stays, no numbered copy appears."""
    (tmp_path / "out.mid").write_text("old")
    render(settings, tmp_path / "out.mid", 5.0)
    assert ["out.mid"] == [path.name for path in tmp_path.iterdir()]
    assert (tmp_path / "out.mid").read_bytes().startswith(b"MThd")


def test_existing_file_stays_when_rendering_fails(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole or not at all."""
    (tmp_path / "out.mid").write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("streamer.render.play_out", fail)
    with pytest.raises(RecordingError, match="No space left"):
        render(settings, tmp_path / "out.mid", 5.0)
    assert ["out.mid"] == [path.name for path in tmp_path.iterdir()]
    assert (tmp_path / "out.mid").read_text() == "old"


@pytest.mark.parametrize("name", ["missing/out.mid", "."])
def test_target_that_cannot_be_is_refused_before_anything_is_drawn(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    """A folder that is not there, or a folder itself."""
    with pytest.raises(RecordingError, match="must be a file in a folder that exists"):
        render(settings, tmp_path / name, 5.0)


def test_primed_render_continues_the_file(settings: Settings, tmp_path: Path) -> None:
    """It starts at its own zero, and sounds other than unprimed."""
    source = to_array(Note(60 + i % 12, 200.0 * i, 150.0, 60) for i in range(50))
    write_midi(tmp_path / "source.mid", source)
    primed = replace(settings, model=replace(settings.model, prime=tmp_path / "source.mid"))
    render(settings, tmp_path / "a.mid", 10.0)
    render(primed, tmp_path / "b.mid", 10.0)
    assert (tmp_path / "a.mid").read_bytes() != (tmp_path / "b.mid").read_bytes()
    assert read_midi(tmp_path / "b.mid")["onset_ms"].min() < 5_000


def test_file_without_a_piano_note_cannot_be_continued(settings: Settings, tmp_path: Path) -> None:
    """One line with the file's name."""
    write_midi(tmp_path / "low.mid", to_array([Note(5, 0.0, 100.0, 60)]))
    primed = replace(settings, model=replace(settings.model, prime=tmp_path / "low.mid"))
    with pytest.raises(MidiFileError, match=r"low\.mid: there must be 1 note or more"):
        render(primed, tmp_path / "out.mid", 5.0)


def test_channel_and_controls_reach_the_file(settings: Settings, tmp_path: Path) -> None:
    """Channel 3 as people count, all notes above middle C."""
    changed = replace(settings, port=PortSettings(channel=3), controls=Controls(low=60, high=90))
    render(changed, tmp_path / "out.mid", 10.0)
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
    render(settings, tmp_path / "out.mid", 90.0, tmp_path / "out.png")
    data = (tmp_path / "out.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    assert (1440, 2 * 282) == (width, height)


def test_roll_shows_a_note_at_its_key_and_time() -> None:
    """Half a second of the highest key, from second 10 on, is the only colour in its line."""
    picture = roll_picture(to_array([Note(108, 10_000.0, 500.0, 127)]))
    coloured = np.flatnonzero((picture[1] == (200, 30, 30)).all(axis=1))
    assert [*range(240, 252)] == coloured.tolist()


def test_roll_of_nothing_is_an_empty_row() -> None:
    """And a valid picture."""
    picture = roll_picture(np.zeros(0, NOTE_DTYPE))
    assert (282, 1440, 3) == picture.shape
    assert to_png(picture).endswith(b"IEND\xaeB`\x82")
