"""`perpetuo check`: what would keep a machine from playing has a line with its remedy."""

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from streamer import check, cli
from streamer.errors import PortError
from streamer.ports.base import PortInfo
from streamer.settings import PortSettings, RecordSettings, Settings
from tests.bundles import write_tiny_bundle

PIANO = PortInfo("Digital Piano:MIDI 1", "output", "alsa", "hardware", "Digital Piano:MIDI 1 20:0")

OWN = PortInfo("virtual", "output", "builtin", "builtin", "Perpetuo")


@pytest.fixture
def tiny(tmp_path) -> Path:
    return write_tiny_bundle(tmp_path).path


@pytest.fixture
def piano(monkeypatch) -> None:
    monkeypatch.setattr(check, "list_ports", lambda: [PIANO])


def port(spec: str) -> check.Finding:
    return check.check_port(Settings(port=PortSettings(port=spec)))


def test_a_machine_that_can_play_has_status_0(tiny, tmp_path, piano, capsys):
    out = tmp_path / "out.mid"
    assert cli.main(["check", "--model", str(tiny), "--port", f"file:{out}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [] == [line for line in lines if line.startswith("FAIL")]
    assert any("tiny (chain" in line for line in lines)
    assert not out.exists()


def test_what_keeps_from_playing_has_status_1_and_the_rest_is_still_looked_at(tmp_path, capsys):
    config = tmp_path / "perpetuo.toml"
    config.write_text("[buffer]\nlow_secs = 1\n[port]\nchannel = 0\n")
    arguments = ["check", "--config", str(config), "--model", "no-such", "--port", "null", "--json"]
    assert cli.main(arguments) == 1
    findings = json.loads(capsys.readouterr().out)
    failed = [row["what"] for row in findings if row["level"] == "fail"]
    assert ["settings", "settings", "bundle"] == failed
    assert {"engine", "MIDI", "port", "recording", "clock", "real time"} <= {
        row["what"] for row in findings
    }


def test_a_connected_port_is_found_by_part_of_its_name(piano):
    assert check.Finding("port", "ok", "Digital Piano:MIDI 1 (alsa)") == port("digital")
    assert check.Finding("port", "ok", "Digital Piano:MIDI 1 (alsa)") == port("auto")


def test_an_unknown_port_is_a_failure_that_offers_the_nearest(piano):
    finding = port("Digitl Piano")
    assert finding.level == "fail"
    assert "did you mean 'Digital Piano:MIDI 1'?" in finding.text


def test_no_hardware_is_no_failure_for_auto(monkeypatch):
    monkeypatch.setattr(check, "list_ports", list)
    assert port("auto").level == "note"


def test_no_midi_system_is_noted_with_the_reasons(monkeypatch):
    monkeypatch.setattr(check, "list_ports", list)
    monkeypatch.setattr(check, "midi_problems", lambda: {"alsa": "no rights", "jack": "no server"})
    assert check.Finding("MIDI", "note", "no live ports: no rights; no server") == (
        check.check_midi_system()
    )


def test_one_usable_midi_system_is_enough(monkeypatch):
    monkeypatch.setattr(check, "list_ports", lambda: [PIANO, OWN])
    monkeypatch.setattr(check, "midi_problems", lambda: {"jack": "no server"})
    assert check.Finding("MIDI", "ok", "ports can be opened; not used: no server") == (
        check.check_midi_system()
    )


def test_a_synth_that_is_not_installed_is_a_failure(monkeypatch, tmp_path):
    soundfont = tmp_path / "piano.sf2"
    soundfont.touch()
    monkeypatch.setattr(check, "find_soundfont", lambda wanted: soundfont)
    monkeypatch.setattr(check, "find_fluidsynth", lambda: "/usr/bin/fluidsynth")
    assert check.Finding("port", "ok", f"FluidSynth with {soundfont}") == port("synth")

    def missing() -> str:
        raise PortError("fluidsynth is not on PATH")

    monkeypatch.setattr(check, "find_fluidsynth", missing)
    assert check.Finding("port", "fail", "fluidsynth is not on PATH") == port("synth")


def test_a_port_of_our_own_needs_a_midi_system(monkeypatch):
    monkeypatch.setattr(check, "list_ports", lambda: [OWN])
    assert port("virtual").level == "ok"
    monkeypatch.setattr(check, "list_ports", list)
    assert port("virtual").level == "fail"


def test_playing_to_nobody_always_works():
    assert port("null").level == "ok"


def test_a_recording_needs_a_folder_that_can_be_written(tmp_path):
    def record(path: Path) -> check.Finding:
        return check.check_record(Settings(record=RecordSettings(path)))

    assert record(tmp_path / "x.mid").level == "ok"
    assert "mkdir -p" in record(tmp_path / "none" / "x.mid").text
    assert record(tmp_path).level == "fail"


def test_the_onnxruntime_that_crashes_the_pi_4_is_a_failure(monkeypatch):
    monkeypatch.setattr(check, "version", lambda name: "1.21.0")
    assert "crashes on the Pi 4" in check.check_engine().text


def test_no_onnxruntime_is_a_failure(monkeypatch):
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(check, "version", missing)
    assert check.Finding("engine", "fail", "no onnxruntime: pip install onnxruntime") == (
        check.check_engine()
    )


def test_a_slow_clock_source_is_noted(monkeypatch, tmp_path):
    source = tmp_path / "current_clocksource"
    source.write_text("hpet\n")
    monkeypatch.setattr(check, "CLOCK_SOURCE", source)
    assert check.check_clock().level == "note"
    source.write_text("tsc\n")
    assert check.check_clock().text.startswith("tsc")


def test_priority_that_is_refused_is_noted_with_the_line_that_allows_it(monkeypatch, caplog):
    monkeypatch.setattr(check.realtime, "become_realtime", lambda priority: "SCHED_OTHER")
    finding = check.check_realtime(50)
    assert finding.level == "note"
    assert "@audio - rtprio 50" in finding.text
    assert [] == caplog.records


def test_priority_that_nobody_asked_for_is_ok():
    assert check.Finding("real time", "ok", "not asked for") == check.check_realtime(0)
