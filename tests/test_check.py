"""`perpetuo check`: what would keep a machine from playing has a line with its remedy."""

import json
import os
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from sys import executable

import pytest

from streamer import cli
from streamer.checks import check
from streamer.checks import midi as checkmidi
from streamer.checks.finding import Finding
from streamer.errors import PortError
from streamer.ports.base import PortInfo
from streamer.settings.midi import ClockSettings, InputSettings
from streamer.settings.settings import ModelSettings, PortSettings, RecordSettings, Settings
from tests.bundles import write_tiny_bundle
from tests.faults import children

PIANO = PortInfo("Digital Piano:MIDI 1", "output", "alsa", "hardware", "Digital Piano:MIDI 1 20:0")

KEYS = PortInfo("Keys:MIDI 1", "input", "alsa", "hardware", "Keys:MIDI 1 24:0")
OWN = PortInfo("virtual", "output", "builtin", "builtin", "Perpetuo")


@pytest.fixture
def tiny(tmp_path) -> Path:
    return write_tiny_bundle(tmp_path).path


@pytest.fixture
def piano(monkeypatch) -> None:
    monkeypatch.setattr(checkmidi, "list_ports", lambda: [PIANO])


def port(spec: str) -> Finding:
    return checkmidi.check_port(Settings(port=PortSettings(port=spec)))


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
    assert {"engine", "port", "input", "MIDI clock", "recording", "clock", "real time"} <= {
        row["what"] for row in findings
    }


def test_an_own_scene_that_cannot_be_used_is_a_note_and_one_that_is_named_a_failure(
    tiny, tmp_path, piano, capsys
):
    config, scenes = tmp_path / "perpetuo.toml", tmp_path / "scenes"
    scenes.mkdir()
    (scenes / "wrong.toml").write_text("[controls]\ndensity = 9\n")
    config.write_text("")
    common = ["check", "--config", str(config), "--model", str(tiny), "--port", "null", "--json"]
    assert cli.main(common) == 0
    rows = [row for row in json.loads(capsys.readouterr().out) if row["what"] == "scenes"]
    assert [("scenes", "note")] == [(row["what"], row["level"]) for row in rows]
    assert "controls.density must be in range" in rows[0]["text"]
    config.write_text('[model]\nscene = "wrong"\n')
    assert cli.main(common) == 1
    assert "wrong.toml: controls.density must be" in capsys.readouterr().out


def test_settings_in_a_home_that_may_not_be_entered_are_the_defaults(tiny, piano, monkeypatch):
    there = Path.exists

    def forbidden(path: Path) -> bool:
        if path.name == "perpetuo.toml":
            raise PermissionError(13, "Permission denied", str(path))
        return there(path)

    monkeypatch.setattr(check, "load_settings", lambda config, overrides: Settings())
    monkeypatch.setattr(check, "check_bundle", lambda settings: Finding("bundle", "ok", ""))
    monkeypatch.setattr(check, "default_config_path", lambda: Path("/nonexistent/perpetuo.toml"))
    monkeypatch.setattr(Path, "exists", forbidden)
    assert Finding("settings", "ok", "the defaults") in check.check_all(None, {})


def test_a_connected_port_is_found_by_part_of_its_name(piano):
    assert Finding("port", "ok", "Digital Piano:MIDI 1 (alsa)") == port("digital")
    assert Finding("port", "ok", "Digital Piano:MIDI 1 (alsa)") == port("auto")


def test_an_unknown_port_is_a_failure_that_offers_the_nearest(piano):
    finding = port("Digitl Piano")
    assert finding.level == "fail"
    assert "did you mean 'Digital Piano:MIDI 1'?" in finding.text


def test_no_hardware_is_no_failure_for_auto(monkeypatch):
    monkeypatch.setattr(checkmidi, "list_ports", list)
    assert port("auto").level == "note"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """What MIDI systems there are, as a function that sets it up."""

    def set_up(ports=(), problems=None, node=False):
        monkeypatch.setattr(checkmidi, "list_ports", lambda: list(ports))
        monkeypatch.setattr(checkmidi, "midi_problems", lambda: problems or {})
        path = tmp_path / "seq"
        if node:
            path.touch()
        monkeypatch.setattr(checkmidi.backends, "ALSA_SEQUENCER", path)

    return set_up


def systems(port: str = "auto") -> list[Finding]:
    return checkmidi.check_systems(Settings(port=PortSettings(port=port)))


def test_midi_systems_that_are_not_there_are_noted_one_by_one(machine):
    machine(problems={"alsa": "no sequencer", "jack": "no server"})
    assert [Finding("ALSA", "note", "no sequencer"), Finding("JACK", "note", "no server")] == (
        systems()
    )


def test_a_midi_system_that_is_shut_to_us_is_a_failure_where_it_is_wanted(machine):
    machine(problems={"alsa": "add the user to the group audio"}, node=True)
    assert [Finding("ALSA", "fail", "add the user to the group audio")] == systems()
    assert "note" == systems("synth")[0].level


def test_a_usable_midi_system_says_how_many_ports_it_has(machine):
    machine([PIANO, KEYS, OWN], {"jack": "no server"})
    assert Finding("ALSA", "ok", "outputs: 1, inputs: 1") == systems()[0]
    machine([OWN])
    assert "ok" == systems()[0].level
    machine()
    assert "note" == systems()[0].level


def heard(port: str = "auto", mode: str = "internal", to: str = "auto", **more) -> list[Finding]:
    settings = Settings(
        port=PortSettings(port=to),
        input=InputSettings(port=port, **more),
        clock=ClockSettings(mode=mode),
    )
    finding = checkmidi.check_input(settings)
    return [finding, checkmidi.check_midi_clock(settings, finding)]


def test_the_input_that_would_be_heard_is_named(machine):
    machine([PIANO, KEYS, OWN])
    assert Finding("input", "ok", "Keys:MIDI 1 (alsa)") == heard()[0]
    assert Finding("input", "ok", "Keys:MIDI 1 (alsa)") == heard("keys")[0]
    assert Finding("input", "ok", "a port of our own, Perpetuo in") == heard("virtual")[0]
    assert Finding("input", "ok", "a port of our own, Perpetuo in") == heard(deny=("keys",))[0]
    assert Finding("input", "ok", "no controller is heard") == heard("off")[0]
    missing = heard("Kezs")[0]
    assert "note" == missing.level
    assert "is waited for; did you mean 'Keys:MIDI 1'?" in missing.text


def test_the_clock_source_is_named(machine):
    machine([PIANO, KEYS, OWN])
    assert "internal: none" in heard()[1].text
    assert Finding("MIDI clock", "ok", "sent, 120 BPM") == heard(mode="send")[1]
    assert "note" == heard(mode="send", to="synth")[1].level
    assert (
        Finding("MIDI clock", "ok", "followed from Keys:MIDI 1 (alsa)") == heard(mode="follow")[1]
    )


def test_a_clock_to_follow_and_nothing_to_hear_it_by_is_a_failure(machine):
    machine(problems={"alsa": "no sequencer"})
    assert ["fail", "fail"] == [finding.level for finding in heard(mode="follow")]
    assert ["note", "ok"] == [finding.level for finding in heard()]
    assert "fail" == heard("keys")[0].level


def test_jack_is_looked_for_where_it_is_asked_for(machine):
    machine([OWN], {"jack": "no JACK server runs"})
    assert "no JACK server runs; start it" in port("jack").text
    synth = PortInfo("fluidsynth:midi", "output", "jack", "software", "fluidsynth:midi")
    machine([PIANO, synth, OWN])
    assert Finding("port", "ok", "fluidsynth:midi (jack)") == port("jack:fluidsynth")
    assert "fail" == port("jack:digital").level


def test_jack_without_what_speaks_to_it_is_told_what_brings_that(machine, monkeypatch):
    machine([OWN])
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    found = port("jack")
    assert "fail" == found.level
    assert "python-rtmidi, which speaks to it, is not installed" in found.text
    assert "[midi]" in found.text


def test_denied_hardware_is_said_to_be_there(machine):
    machine([PIANO, OWN])
    settings = Settings(port=PortSettings(deny=("piano",)))
    assert "no hardware output is allowed" in checkmidi.check_port(settings).text


def test_every_output_is_looked_for(machine):
    machine([PIANO, OWN])
    settings = Settings(port=PortSettings(port=("digital@3", "nowhere@1=2", "null")))
    assert ["ok", "fail", "ok"] == [f.level for f in checkmidi.check_ports(settings)]


def test_a_synth_that_is_not_installed_is_a_failure(monkeypatch, tmp_path):
    soundfont = tmp_path / "piano.sf2"
    soundfont.touch()
    monkeypatch.setattr(checkmidi, "find_soundfont", lambda wanted: soundfont)
    monkeypatch.setattr(checkmidi, "find_fluidsynth", lambda: "/usr/bin/fluidsynth")
    monkeypatch.setattr(checkmidi, "probe_synth", lambda soundfont: None)
    assert Finding("port", "ok", f"FluidSynth with {soundfont}") == port("synth")

    def mute(soundfont: Path) -> None:
        raise PortError("fluidsynth has ended: no sound device")

    monkeypatch.setattr(checkmidi, "probe_synth", mute)
    assert Finding("port", "fail", "fluidsynth has ended: no sound device") == port("synth")

    def missing() -> str:
        raise PortError("fluidsynth is not on PATH")

    monkeypatch.setattr(checkmidi, "find_fluidsynth", missing)
    assert Finding("port", "fail", "fluidsynth is not on PATH") == port("synth")


def test_a_port_of_our_own_needs_a_midi_system(monkeypatch):
    monkeypatch.setattr(checkmidi, "list_ports", lambda: [OWN])
    assert port("virtual").level == "ok"
    monkeypatch.setattr(checkmidi, "list_ports", list)
    assert port("virtual").level == "fail"


def test_playing_to_nobody_always_works():
    assert port("null").level == "ok"


def test_a_recording_needs_a_folder_that_can_be_written(tmp_path):
    def record(path: Path) -> Finding:
        return check.check_record(Settings(record=RecordSettings(path)))

    assert record(tmp_path / "x.mid").level == "ok"
    assert "mkdir -p" in record(tmp_path / "none" / "x.mid").text
    assert record(tmp_path).level == "fail"


def test_the_onnxruntime_that_crashes_the_pi_4_is_a_failure(monkeypatch):
    monkeypatch.setattr(check, "version", lambda name: "1.21.0")
    assert "crashes on the Pi 4" in check.check_engine(Settings()).text


def test_no_onnxruntime_is_a_failure(monkeypatch):
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(check, "version", missing)
    assert Finding(
        "engine", "fail", f"no onnxruntime: {executable} -m pip install onnxruntime"
    ) == (check.check_engine(Settings()))


def test_a_slow_clock_source_is_noted(monkeypatch, tmp_path):
    source = tmp_path / "current_clocksource"
    source.write_text("hpet\n")
    monkeypatch.setattr(check, "CLOCK_SOURCE", source)
    assert check.check_clock().level == "note"
    source.write_text("tsc\n")
    assert check.check_clock().text.startswith("tsc")


def test_priority_that_is_refused_is_noted_with_the_line_that_allows_it(monkeypatch, caplog):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    heard = []
    monkeypatch.setattr(check.realtime.logger, "setLevel", heard.append)
    finding = check.check_realtime(50)
    assert finding.level == "note"
    assert "@audio - rtprio 50" in finding.text
    assert [] == caplog.records


def test_priority_that_nobody_asked_for_is_ok():
    assert Finding("real time", "ok", "not asked for") == check.check_realtime(0)


BROKEN_LIBRARIES = {
    "not loadable": "raise ImportError('libstdc++.so.6: version `GLIBCXX_3.4.32' + chr(39) + "
    "' not found')",
    "half there": "raise AttributeError('partially initialized module')",
    "missing a part": "import onnxruntime_part_that_is_not_there",
    "another processor's": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
}


@pytest.mark.parametrize("name", BROKEN_LIBRARIES)
def test_an_engine_that_cannot_run_is_found_by_check(name, tmp_path, monkeypatch, tiny):
    (tmp_path / "onnxruntime.py").write_text(BROKEN_LIBRARIES[name])
    monkeypatch.syspath_prepend(str(tmp_path))
    finding = check.check_engine(Settings(model=ModelSettings(model=str(tiny))))
    assert "fail" == finding.level
    assert " -m pip install " in finding.text
    assert "\n" not in finding.text
    if name == "another processor's":
        assert "SIGILL" in finding.text


@pytest.mark.parametrize("name", [name for name in BROKEN_LIBRARIES if name[0] != "a"])
@pytest.mark.parametrize("verb", ["render", "play"])
def test_an_engine_that_cannot_be_loaded_is_one_line_with_the_remedy(name, verb, tmp_path, tiny):
    (tmp_path / "onnxruntime.py").write_text(BROKEN_LIBRARIES[name])
    words = {
        "render": ["render", "out.mid", "--duration", "1"],
        "play": ["play", "--port", "null", "--input", "off", "--for", "1"],
    }[verb]
    ended = children.command([*words, "--model", str(tiny)], python_path=tmp_path, folder=tmp_path)
    assert 1 == ended.status
    assert not ended.lost
    lines = [line for line in ended.stderr.splitlines() if line.startswith("perpetuo ")]
    assert 1 == len(lines)
    assert "onnxruntime cannot be loaded (" in lines[0]
    assert "-m pip install --force-reinstall onnxruntime" in lines[0]


def test_an_engine_that_runs_a_step_is_fine(tiny):
    assert "ok" == check.check_engine(Settings(model=ModelSettings(model=str(tiny)))).level


def test_an_engine_is_looked_at_without_a_bundle_that_can_be_used():
    assert "ok" == check.check_engine(Settings(model=ModelSettings(model="no-such"))).level
