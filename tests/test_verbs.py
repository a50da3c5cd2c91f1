"""The verbs of the edge, from options to output, on the tiny bundle."""

import json
from pathlib import Path

import pytest

from streamer import cli
from streamer.ports.base import PortInfo
from tests.bundles import write_tiny_bundle, write_tiny_tunes_bundle


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles")).path


def render(tiny: Path, out: Path, *more: str) -> int:
    arguments = ["--model", str(tiny), "--duration", "10", "--seed", "5", *more]
    return cli.main(["render", str(out), *arguments])


def test_render_says_what_it_wrote_in_one_line(tiny, tmp_path, capsys):
    out = tmp_path / "out.mid"
    assert render(tiny, out) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"{out}: ")
    assert "10 s of music" in line
    assert "seed 5" in line
    assert out.read_bytes()[:4] == b"MThd"


def test_render_repeats_itself(tiny, tmp_path):
    assert render(tiny, tmp_path / "one.mid") == render(tiny, tmp_path / "two.mid") == 0
    assert (tmp_path / "one.mid").read_bytes() == (tmp_path / "two.mid").read_bytes()


def test_render_reports_in_json_to_a_file_or_to_stdout(tiny, tmp_path, capsys):
    report = tmp_path / "report.json"
    assert render(tiny, tmp_path / "one.mid", "--json", str(report)) == 0
    assert capsys.readouterr().out == ""
    assert render(tiny, tmp_path / "two.mid", "--json", "-") == 0
    written, printed = json.loads(report.read_text()), json.loads(capsys.readouterr().out)
    keys = {
        "bundle", "seed", "duration_s", "notes", "candidates", "kept", "dropped", "entropy",
        "wall_s",
    }  # fmt: skip
    assert keys <= set(written)
    different = {key for key in written if written[key] != printed[key]}
    assert different <= {"wall_s", "inference_s"}


def test_render_without_a_seed_says_which_it_drew(tiny, tmp_path, capsys):
    out = tmp_path / "out.mid"
    assert cli.main(["render", str(out), "--model", str(tiny), "--duration", "5"]) == 0
    first = out.read_bytes()
    seed = capsys.readouterr().out.rsplit("seed ", 1)[1].strip()
    again = ["render", str(out), "--model", str(tiny), "--duration", "5", "--seed", seed]
    assert cli.main(again) == 0
    assert first == out.read_bytes()


def test_render_to_a_folder_that_is_not_there_fails_in_one_line(tiny, tmp_path, capsys):
    assert render(tiny, tmp_path / "none" / "out.mid") == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_render_draws_a_piano_roll(tiny, tmp_path):
    plot = tmp_path / "roll.png"
    assert render(tiny, tmp_path / "out.mid", "--plot", str(plot)) == 0
    assert plot.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_an_unknown_model_is_one_line_that_says_what_to_do(tmp_path, capsys):
    assert cli.main(["render", str(tmp_path / "x.mid"), "--model", "no-such"]) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "no-such" in err


def test_models_lists_what_the_settings_point_at(tiny, tmp_path, capsys):
    config = tmp_path / "perpetuo.toml"
    config.write_text(f"[model]\nbundle_paths = [{json.dumps(str(tiny.parent))}]\n")
    assert cli.main(["models", "--config", str(config)]) == 0
    line = next(row for row in capsys.readouterr().out.splitlines() if row.startswith("tiny"))
    assert "chain" in line
    assert "CC0-1.0" in line
    assert cli.main(["models", "--config", str(config), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    row = next(row for row in rows if row["name"] == "tiny")
    assert set(row) == {
        "name", "family", "kind", "bytes", "licence", "corpus", "styles", "path",
    }  # fmt: skip
    assert row["bytes"] > 1000


def test_ports_are_a_table_or_json(monkeypatch, capsys):
    found = [PortInfo("Piano", "output", "alsa", "hardware", "Piano 20:0")]
    monkeypatch.setattr("streamer.ports.opening.list_ports", lambda: found)
    assert cli.main(["ports"]) == 0
    assert "Piano  output  hardware  alsa\n" == capsys.readouterr().out
    assert cli.main(["ports", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["address"] == "Piano 20:0"


def test_play_hands_the_options_on_and_returns_how_it_ended(monkeypatch, tmp_path):
    seen = []

    def play(settings, seconds, plain, load, learn, resume):
        assert (learn, resume) == ("density", None)
        seen.append((settings.port.port, settings.record.path, seconds, plain, load() == settings))
        return 143

    monkeypatch.setattr("streamer.service.daemon.play", play)
    monkeypatch.setattr("sys.stdin", None)
    take = tmp_path / "take.mid"
    arguments = [
        "--learn",
        "density",
        "--port",
        "synth",
        "--record",
        str(take),
        "--for",
        "2.5",
        "--plain",
    ]
    assert cli.main(["play", *arguments]) == 143
    assert [("synth", take, 2.5, True, True)] == seen


def test_bench_prints_a_row_a_figure_or_json(monkeypatch, tmp_path, capsys):
    report = {"engine": {"ms_per_note": {"p50": 0.25, "p99": 0.5}}, "bundle": "tiny"}
    monkeypatch.setattr("streamer.bench.report.run", lambda settings, seconds: report)
    assert cli.main(["bench"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [
        ["engine.ms_per_note.p50", "0.25"],
        ["engine.ms_per_note.p99", "0.5"],
        ["bundle", "tiny"],
    ] == rows
    assert cli.main(["bench", "--json"]) == 0
    assert report == json.loads(capsys.readouterr().out)
    target = tmp_path / "bench.json"
    assert cli.main(["bench", "--json", str(target)]) == 0
    assert report == json.loads(target.read_text())


@pytest.fixture(scope="module")
def tunes(tmp_path_factory):
    return write_tiny_tunes_bundle(tmp_path_factory.mktemp("tunes")).path


def test_models_lists_the_styles_of_a_bundle(tunes, tmp_path, capsys):
    config = tmp_path / "perpetuo.toml"
    config.write_text(f"[model]\nbundle_paths = [{json.dumps(str(tunes.parent))}]\n")
    assert cli.main(["models", "--config", str(config)]) == 0
    assert "styles: bach, folk, jazz, pop" in capsys.readouterr().out


def test_render_plays_tunes_of_the_styles_that_are_named(tunes, tmp_path, capsys):
    out = ["render", str(tmp_path / "o.mid"), "--model", str(tunes), "--seed", "1", "--json", "-"]
    assert cli.main([*out, "--style", "bach:0.7,jazz:0.3", "--duration", "20"]) == 0
    assert json.loads(capsys.readouterr().out)["tune"]["style"] == "bach 70%, jazz 30%"


@pytest.mark.parametrize(
    ("style", "line"),
    [
        ("polka", "has no style 'polka'; it has bach, folk, jazz, pop"),
        ("bach:0,jazz:0", "model.style must have weights that sum to more than 0"),
        ("bach:-1", "model.style must have weights of 0 or more, but bach has -1"),
        ("bach;jazz", "has no style 'bach;jazz'"),
        (":1", "model.style must be names with weights, such as bach:0.7,jazz:0.3"),
    ],
)
def test_style_that_cannot_be_is_one_line(tunes, tmp_path, capsys, style, line):
    args = ["render", str(tmp_path / "o.mid"), "--model", str(tunes), f"--style={style}"]
    assert cli.main(args) == 1
    err = capsys.readouterr().err
    assert line in err
    assert len(err.splitlines()) == 1
