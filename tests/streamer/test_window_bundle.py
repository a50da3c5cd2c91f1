"""Bundles of the window families through the verbs: play, render, check, models; and bad queries.

The bundles are tiny and untrained (:mod:`tests.bundles`). What cannot be is one line and an exit
status; what can be odd and is music all the same plays on.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mido
import pytest

from streamer import cli
from streamer.midi.midifile import read_midi
from tests.bundles import (
    ECHO_MARK,
    write_echo_bundle,
    write_tiny_bundle,
    write_tiny_draw_bundle,
    write_tiny_query_bundle,
)
from tests.seams import seam_figures
from tests.streamer.test_bundle import edit, refusal

WRITERS = {
    "draw": write_tiny_draw_bundle,
    "query": write_tiny_query_bundle,
    "echo": write_echo_bundle,
    "chain": write_tiny_bundle,
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return {name: write(folder, name).path for name, write in WRITERS.items()}


def query_file(
    path: Path,
    notes: list[tuple[float, float, int]],
    *,
    metre: tuple[int, int] = (4, 4),
    bpm: float = 120,
    channel: int = 0,
) -> Path:
    """Write (onset, length, pitch) in quarters."""
    events = []
    for onset, length, pitch in notes:
        events += [(round(onset * 480), 1, pitch), (round((onset + length) * 480), 0, pitch)]
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)))
    track.append(mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1]))
    now = 0
    for tick, on, pitch in sorted(events):
        kind = "note_on" if on else "note_off"
        track.append(mido.Message(kind, note=pitch, time=tick - now, channel=channel))
        now = tick
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(path)
    return path


TUNE = [(0.0, 0.5, 60), (1.5, 0.5, 62), (4.0, 1.0, 64), (7.75, 0.25, 65)]


def render(bundle: Path, out: Path, *more: str, seconds: int = 12) -> int:
    arguments = ["--model", str(bundle), "--duration", str(seconds), "--seed", "2", *more]
    return cli.main(["render", str(out), *arguments])


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert not captured.out
    lines: list[str] = captured.err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("family", ["draw", "query", "echo"])
def test_the_same_seed_renders_the_same_bytes(
    family: str, bundles: dict[str, Path], tmp_path: Path
) -> None:
    one, two = tmp_path / "one.mid", tmp_path / "two.mid"
    assert render(bundles[family], one) == render(bundles[family], two) == 0
    assert one.read_bytes() == two.read_bytes()
    assert len(read_midi(one)) >= 6


@pytest.mark.parametrize("family", ["draw", "query"])
def test_play_check_and_models_know_them(
    family: str, bundles: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = str(bundles[family]), tmp_path / "take.mid"
    command = ["--model", model, "--port", "null", "--input", "off"]
    for seconds in ("1", "8", "64"):  # a busy machine may not come to a note in the first
        if not out.exists():
            words = [*command, "--for", seconds, "--plain", "--record", str(out)]
            assert cli.main(["play", *words]) == 0
    assert len(read_midi(out)) > 0
    capsys.readouterr()
    assert cli.main(["check", "--model", model, "--port", "null"]) == 0
    assert f"{family} ({family}" in capsys.readouterr().out
    config = tmp_path / "perpetuo.toml"
    config.write_text(f'[model]\nbundle_paths = ["{bundles[family].parent}"]\n')
    assert cli.main(["models", "--config", str(config)]) == 0
    assert family in capsys.readouterr().out


def test_a_file_is_answered_bar_by_bar(bundles: dict[str, Path], tmp_path: Path) -> None:
    asked = query_file(tmp_path / "q.mid", TUNE, bpm=97)
    out = tmp_path / "answer.mid"
    assert render(bundles["echo"], out, "--query", str(asked), seconds=10) == 0
    step_ms = 125.0
    notes = [
        (int(n["pitch"]), round(float(n["onset_ms"]) / step_ms))
        for n in read_midi(out)
        if n["pitch"] != ECHO_MARK
    ]
    assert notes == [(60, 0), (62, 6), (64, 16), (65, 31)]


BAD = [
    ([], {}, "holds no notes"),
    ([(0.0, 1.0, 36), (1.0, 1.0, 38)], {"channel": 9}, "all 2 notes are drums"),
    ([(0.0, 1.0, 60)], {"metre": (7, 8)}, "has bars of 7/8"),
    ([(0.0, 1.0, 60)], {"metre": (5, 4)}, "has bars of 5/4"),
    ([(0.0, 1.0, 12)], {}, "none of its 1 notes lies in 48..71"),
]


@pytest.mark.parametrize(("notes", "more", "line"), BAD)
def test_a_query_that_cannot_be_asked_is_one_line(
    notes: list[tuple[float, float, int]],
    more: dict[str, object],
    line: str,
    bundles: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = query_file(tmp_path / "q.mid", notes, **more)  # type: ignore[arg-type]
    assert render(bundles["query"], tmp_path / "out.mid", "--query", str(asked)) != 0
    said = one_line(capsys)
    assert line in said
    assert str(asked) in said
    assert not (tmp_path / "out.mid").exists()


ODD = {
    "600 BPM": (TUNE, {"bpm": 600}),
    "a chord of forty": ([(0.0, 2.0, pitch) for pitch in range(40, 80)], {}),
    "an hour of silence": ([(0.0, 1.0, 60), (7200.0, 1.0, 62)], {}),
    "a note of an hour": ([(0.0, 7200.0, 60), (1.0, 1.0, 62)], {}),
    "three four": (TUNE, {"metre": (3, 4)}),
    "six eight": (TUNE, {"metre": (6, 8)}),
}


@pytest.mark.parametrize("what", ODD)
def test_an_odd_query_is_answered_and_the_stream_plays_on(
    what: str, bundles: dict[str, Path], tmp_path: Path
) -> None:
    notes, more = ODD[what]
    asked = query_file(tmp_path / "q.mid", notes, **more)  # type: ignore[arg-type]
    out = tmp_path / "out.mid"
    assert render(bundles["echo"], out, "--query", str(asked), seconds=40) == 0
    heard = read_midi(out)
    marks = heard[heard["pitch"] == ECHO_MARK]
    assert len(marks) == 20
    assert (heard["pitch"] != ECHO_MARK).any()


def test_a_bundle_whose_graph_that_answers_is_called_otherwise_is_refused(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    """Without it the latents of a bar would be read as those of passes."""
    folder = Path(shutil.copytree(bundles["query"], tmp_path / "tiny"))
    graphs = json.loads((folder / "manifest.json").read_text())["graphs"]
    for graph in graphs:
        graph["name"] = graph["name"].replace("answer", "reply")
    edit(folder, graphs=graphs)
    assert "needs z of the shape ['passes', 'batch'" in refusal(folder)


@pytest.mark.parametrize("bits", ["-1", "1025", "64.5", "many"])
def test_bits_that_cannot_be_are_one_line_with_the_range(
    bits: str, bundles: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render(bundles["query"], tmp_path / "out.mid", f"--bits={bits}") == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "0..1024" in said


@pytest.mark.parametrize("bits", ["1", "3", "1024"])
def test_bits_from_one_to_more_than_the_full_rate_play(
    bits: str, bundles: dict[str, Path], tmp_path: Path
) -> None:
    asked = query_file(tmp_path / "q.mid", TUNE)
    out = tmp_path / "out.mid"
    assert render(bundles["query"], out, "--query", str(asked), "--bits", bits) == 0
    assert len(read_midi(out)) > 0


@pytest.mark.parametrize("family", ["draw", "chain"])
@pytest.mark.parametrize("query", ["q.mid", "live"])
def test_bundles_that_answer_nothing_say_so_in_one_line(
    family: str,
    query: str,
    bundles: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    query_file(tmp_path / "q.mid", TUNE)
    asked = "live" if query == "live" else str(tmp_path / query)
    command = ["--model", str(bundles[family]), "--port", f"file:{tmp_path / 'out.mid'}"]
    assert cli.main(["play", *command, "--for", "1", "--plain", "--query", asked]) != 0
    said = [line for line in capsys.readouterr().err.splitlines() if "answers no query" in line]
    assert len(said) == 1
    assert "--query" in said[0]


def test_a_live_query_needs_an_input_and_a_clock(
    bundles: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["play", "--model", str(bundles["query"]), "--query", "live", "--port", "null"]
    assert cli.main([*command, "--input", "off", "--for", "1"]) == 1
    assert 'model.query must not be live while input.port is "off"' in one_line(capsys)
    assert render(bundles["query"], tmp_path / "out.mid", "--query", "live") == 1
    assert "must not be live in render" in one_line(capsys)


@pytest.mark.parametrize("family", ["draw", "query"])
def test_a_thousand_sections_are_joined_without_a_seam(
    family: str, bundles: dict[str, Path]
) -> None:
    told = seam_figures(bundles[family], 1001, candidates=1)
    assert told["double_onsets"] == 0
    assert told["longest_steps"] <= told["limit_steps"]
    assert told["notes"] > 5000
    for name, figure in told["figures"].items():
        away = abs(figure["seam"] - figure["inside"]) / max(figure["inside_sd"], 1e-9)
        assert away < 1, f"{name}: {figure}"
