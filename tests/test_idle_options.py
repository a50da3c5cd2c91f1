"""An option that would do nothing is refused with one line, which says what to do instead."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from streamer.cli import main
from streamer.midi.midifile import read_midi
from streamer.music.notes import Note, to_array
from tests.everybundle import MAKERS
from tests.midifiles import write_midi


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("bundles")
    return {name: str(make(folder).path) for name, make in MAKERS.items()}


@pytest.fixture
def tune(tmp_path: Path) -> str:
    path = tmp_path / "tune.mid"
    write_midi(path, to_array(Note(60 + i % 5, 500.0 * i, 450.0, 70) for i in range(64)))
    return str(path)


RENDER = [
    ("chain", "--bits 3", "no use for the control bits; leave --bits out, or choose a bundle of"),
    ("chain", "--set mute_bass=true", "no use for the control mute_bass; leave --set out"),
    ("chain", "--set duet=trade", "the control duet is for a stream that plays"),
    ("chain", "--set keep=true", "the control keep is for a stream that plays"),
    ("chain", "--set taste=1", "the control taste is for a stream that plays"),
    ("chain", "--style bach", "has no styles; leave --style out"),
    ("chain", "--query TUNE", "answers no query; leave --query out"),
    ("chain", "--temperature 1,1,1", "takes one temperature, or 5 (pitch, shift, duration"),
    ("tunes", "--query TUNE", "answers no query; leave --query out"),
    ("tunes", "--bits 3", "no use for the control bits"),
    ("draw", "--prime TUNE", "leave --prime out"),
    ("draw", "--query TUNE", "answers no query"),
    ("draw", "--bits 3", "there is no query; leave it out, or give --query"),
    ("draw", "--style bach", "has no styles"),
    ("query", "--bits 3", "there is no query; leave it out, or give --query"),
    ("query", "--query TUNE --bits 0", "nothing would be heard; let 1 or more through (--bits)"),
    ("query", "--set refinement=0.5", "writes a section in one pass"),
    ("query", "--prime TUNE", "leave --prime out"),
    ("band", "--prime TUNE", "leave --prime out"),
    ("band", "--query TUNE", "leave --query out"),
    ("band", "--temperature 1,1,1", "takes one temperature"),
]


@pytest.mark.parametrize(("bundle", "options", "said"), RENDER)
def test_what_does_nothing_with_a_bundle_is_refused(
    bundle: str,
    options: str,
    said: str,
    bundles: dict[str, str],
    tune: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = options.replace("TUNE", tune).split()
    out = tmp_path / "out.mid"
    assert main(["render", str(out), "--duration", "5", "--model", bundles[bundle], *words]) == 1
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--learn density --port null", "--learn density waits for a knob, and no controller"),
        ("--learn density --input off --port null", "leave --learn out"),
        ("--clock send --port null --input off", "--clock send has nobody who hears it"),
        ("--clock send --port file:x.mid --input off", "play to a MIDI port"),
    ],
)
def test_what_does_nothing_on_this_machine_is_refused(
    options: str,
    said: str,
    bundles: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [*options.split(), "--for", "1", "--plain", "--model", bundles["chain"]]
    assert main(["play", *words]) == 1
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", ["bench --seed 1", "bench --style x", "rate --candidates 3"])
def test_options_that_a_verb_has_no_use_for_are_not_taken(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert "unrecognized arguments" in capsys.readouterr().err


def test_what_a_settings_file_says_for_another_bundle_is_no_mistake(
    bundles: dict[str, str], tmp_path: Path
) -> None:
    """One file serves all bundles; only what is asked for in so many words is refused."""
    config = tmp_path / "perpetuo.toml"
    config.write_text("[controls]\nbits = 64\nmute_bass = true\n")
    words = ["--duration", "1", "--model", bundles["chain"], "--config", str(config)]
    assert main(["render", str(tmp_path / "out.mid"), *words]) == 0


def test_the_debug_log_has_a_line_for_each_note(
    bundles: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = logging.getLogger()
    before = root.level
    words = ["--for", "1", "--plain", "--port", "null", "--input", "off"]
    record = ["--record", str(tmp_path / "take.mid"), "--model", bundles["chain"]]
    try:
        assert main(["play", *words, *record, "--log-level", "debug"]) == 0
    finally:
        root.setLevel(before)
    struck = [line for line in caplog.messages if line.startswith("note ")]
    assert struck
    assert "velocity" in struck[0]
    assert "channel 1, at" in struck[0]
    assert len(struck) == len(read_midi(tmp_path / "take.mid"))
