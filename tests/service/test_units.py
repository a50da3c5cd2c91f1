"""The files that systemd and its kin read: nothing in them is unknown, and little is open."""

import configparser
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from streamer.checks.check import check_realtime
from streamer.settings.reading import load_settings, setting_names
from streamer.settings.settings import Settings

SYSTEMD = Path(__file__).parents[2] / "systemd"
SERVICE, OWN = SYSTEMD / "perpetuo.service", SYSTEMD / "user" / "perpetuo.service"

MOST_EXPOSED = 1.7
"""Of 10 in the words of `systemd-analyze security`; it is 1.1 today, and 1.7 with the network."""

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyze(*arguments, **environ):
    return subprocess.run(
        ["systemd-analyze", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environ},
    )


def placed(folder, unit, *dropins):
    """Copy a unit to where it can be analyzed: its program is not installed here."""
    text = unit.read_text().replace("ExecStart=/opt/perpetuo/venv/bin/perpetuo", "ExecStart=true")
    text = text.replace("ExecStart=%h/.local/bin/perpetuo", "ExecStart=true")
    assert "ExecStart=true play --plain" in text
    target = folder / unit.name
    target.write_text(text)
    for dropin in dropins:
        (folder / f"{unit.name}.d").mkdir(exist_ok=True)
        shutil.copy(dropin, folder / f"{unit.name}.d")
    return str(target)


def keys(path):
    """The settings of a unit, by section; of those that are given twice, the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str
    parser.read(path)
    return parser


@needs_analyze
@pytest.mark.parametrize("dropins", [[], [SYSTEMD / "network.conf"]], ids=["alone", "network"])
def test_systemd_finds_nothing_to_say_about_the_service(tmp_path, dropins):
    """It prints unknown keys and returns 0 all the same: any output is a mistake."""
    answer = analyze("verify", "--man=no", placed(tmp_path, SERVICE, *dropins))
    assert ("", "", 0) == (answer.stdout, answer.stderr, answer.returncode)


@needs_analyze
def test_systemd_finds_nothing_to_say_about_the_service_of_a_person(tmp_path):
    answer = analyze(
        "verify", "--man=no", "--user", placed(tmp_path, OWN), XDG_RUNTIME_DIR=str(tmp_path)
    )
    assert ("", "", 0) == (answer.stdout, answer.stderr, answer.returncode)


@needs_analyze
def test_an_unknown_key_would_be_found(tmp_path):
    target = Path(placed(tmp_path, SERVICE))
    target.write_text(target.read_text().replace("WatchdogSec=", "WatchdogSecs="))
    answer = analyze("verify", "--man=no", str(target))
    assert "WatchdogSecs" in answer.stdout + answer.stderr


@needs_analyze
@pytest.mark.parametrize("dropins", [[], [SYSTEMD / "network.conf"]], ids=["alone", "network"])
def test_little_of_the_machine_is_open_to_the_service(tmp_path, dropins):
    target = placed(tmp_path, SERVICE, *dropins)
    answer = analyze("security", "--no-pager", "--offline=true", target)
    found = re.search(r"Overall exposure level for perpetuo\.service: ([\d.]+)", answer.stdout)
    assert found, answer.stderr
    assert float(found[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("path", [SERVICE, OWN], ids=["machine", "person"])
def test_both_services_are_watched_restarted_and_told_apart_from_failures(path):
    unit = keys(path)
    service = unit["Service"]
    expected = {
        "Type": "notify",
        "WatchdogSec": "10",
        "Restart": "on-failure",
        "ExecReload": "kill -HUP $MAINPID",
        # play ends with these when it was stopped, and everything was silenced.
        "SuccessExitStatus": "130 143",
        "StateDirectory": "perpetuo",
        # The table of what sounds must be there for the start after a crash.
        "RuntimeDirectory": "perpetuo",
        "RuntimeDirectoryPreserve": "yes",
        "NoNewPrivileges": "yes",
        "MemoryDenyWriteExecute": "yes",
    }
    assert expected == {name: service[name] for name in expected}
    assert "ORT_DISABLE_TELEMETRY=1" in service["Environment"].split()
    assert {"StartLimitIntervalSec", "StartLimitBurst"} <= set(unit["Unit"])


@pytest.mark.parametrize("path", [SERVICE, OWN], ids=["machine", "person"])
def test_nothing_in_a_unit_forbids_real_time_or_midi_devices(path):
    service = keys(path)["Service"]
    for forbidding in (
        "RestrictRealtime",
        "PrivateDevices",
        "LimitNPROC",
        "CPUQuota",
        "ProcSubset",
    ):
        assert forbidding not in service
    assert int(service["LimitRTPRIO"]) >= Settings().scheduler.realtime_priority
    # An @resources taken out of the filter would forbid sched_setscheduler.
    assert "~@resources" not in path.read_text()


def test_the_service_reaches_the_sequencer_and_no_network():
    service = keys(SERVICE)["Service"]
    expected = {
        "DevicePolicy": "closed",
        "DeviceAllow": "char-alsa rw",
        "SupplementaryGroups": "audio",
        "PrivateNetwork": "yes",
        "RestrictAddressFamilies": "AF_UNIX",
        "DynamicUser": "yes",
    }
    assert expected == {name: service[name] for name in expected}


def uncommented():
    """The settings file with every setting that it names set."""
    text = (SYSTEMD / "perpetuo.toml").read_text()
    return re.sub(r"^#([a-z_]+ = |\[\[)", r"\1", text, flags=re.MULTILINE)


def test_the_settings_file_is_valid_as_it_is_shipped():
    assert isinstance(load_settings(SYSTEMD / "perpetuo.toml"), Settings)


def test_every_setting_that_the_file_shows_is_valid(tmp_path):
    path = tmp_path / "perpetuo.toml"
    path.write_text(uncommented())
    assert isinstance(load_settings(path), Settings)


def test_the_file_shows_every_setting_that_there_is():
    """Who adds a setting explains it in systemd/perpetuo.toml."""
    shown = [
        f"{stage}.{key}" for stage, table in tomllib.loads(uncommented()).items() for key in table
    ]
    missing = [name for name in setting_names() if name not in shown]
    assert [] == missing, f"explain in systemd/perpetuo.toml: {missing}"
    assert len(set(shown)) == len(shown)


def test_the_file_shows_defaults_where_there_are_any():
    text = (SYSTEMD / "perpetuo.toml").read_text()
    wrong, defaults = [], load_settings(Path(os.devnull)).values()
    for stage, table in tomllib.loads(uncommented()).items():
        if isinstance(table, list):  # [[day]]: a plan has no defaults
            continue
        for key, shown in table.items():
            default = defaults[f"{stage}.{key}"]
            commented = f"\n#{key} = " in text
            if commented and default not in (None, ()) and shown != default:
                wrong.append(f"[{stage}] {key} = {default}")
    assert [] == wrong, f"the default has changed; write in systemd/perpetuo.toml: {wrong}"


def test_the_limits_allow_people_the_priority_that_is_asked_for():
    lines = (SYSTEMD / "limits.conf").read_text().splitlines()
    limits = [line.split() for line in lines if line and not line.startswith("#")]
    priority = Settings().scheduler.realtime_priority
    assert ["@audio", "-", "rtprio", str(priority)] in limits
    assert (
        "@audio - rtprio" in check_realtime(priority).text or check_realtime(priority).level == "ok"
    )


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="no systemd-sysusers here")
def test_sysusers_makes_an_account_in_the_group_audio(tmp_path):
    (tmp_path / "etc").mkdir()
    answer = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(SYSTEMD / "sysusers.conf")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 0 == answer.returncode, answer.stderr
    account = next(
        line
        for line in (tmp_path / "etc/passwd").read_text().splitlines()
        if line.startswith("perpetuo:")
    )
    assert "nologin" in account
    groups = (tmp_path / "etc/group").read_text().splitlines()
    assert any(re.fullmatch(r"audio:x:\d+:perpetuo", line) for line in groups)


def test_udev_rules_have_one_rule_a_line_and_balanced_quotes():
    lines = (SYSTEMD / "udev.rules").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert 2 == len(rules)
    part = r'[A-Z]+(\{[^}]+\})?(==|\+=|=)"[^"]*"'
    for rule in rules:
        assert re.fullmatch(rf"{part}(, {part})*", rule)
