"""The install script, told to do nothing or to put files elsewhere; nothing here needs root."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
SCRIPT = SYSTEMD / "install.sh"

STUBS = ("systemctl", "systemd-sysusers", "udevadm", "apt-get", "usermod", "userdel")


@pytest.fixture
def machine(tmp_path):
    """A machine on which every command that would change it writes that it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in STUBS:
        stub = folder / name
        stub.write_text(f'#!/bin/sh\necho "$0 $*" >>{tmp_path}/called\n')
        stub.chmod(0o755)
    python_stub(folder / "python3", "64 3.11 new /usr")
    return tmp_path


def python_stub(path, answer):
    """A Python that says of itself what the script asks."""
    path.write_text(f'#!/bin/sh\necho "{answer}"\n')
    path.chmod(0o755)
    return path


def install(machine, *arguments, **environ):
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env={
            "PATH": f"{machine}/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(machine / "home"),
            **environ,
        },
    )


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_help_names_every_option():
    text = subprocess.run(
        ["bash", str(SCRIPT), "--help"], capture_output=True, text=True, check=True
    )
    handled = set(re.findall(r"^\s+(--[a-z-]+)\)", SCRIPT.read_text(), re.MULTILINE))
    handled |= {"--wheels", "--python", "--root"}
    assert handled == set(re.findall(r"^  (--[a-z-]+)", text.stdout, re.MULTILINE))


def test_dry_run_says_what_would_be_done_and_does_nothing(machine):
    answer = install(machine, "--dry-run", "--network", "--python", str(machine / "bin/python3"))
    assert ("", 0) == (answer.stderr, answer.returncode)
    lines = answer.stdout.splitlines()
    made = lines.pop(0)
    assert re.fullmatch(
        rf"would make: /opt/perpetuo/venvs/[0-9a-f]{{12}} with {machine}/bin/python3", made
    )
    assert [
        "would write: /etc/systemd/system/perpetuo.service",
        "would write: /etc/systemd/system/perpetuo.service.d/network.conf",
        "would write: /usr/lib/sysusers.d/perpetuo.conf",
        "would write: /etc/security/limits.d/perpetuo.conf",
        "would write: /etc/udev/rules.d/70-perpetuo.rules",
        "would write: /opt/perpetuo/README.md",
        "would write: /etc/perpetuo/perpetuo.toml",
        "would run: systemd-sysusers /usr/lib/sysusers.d/perpetuo.conf",
        "would run: udevadm control --reload",
        "would run: systemctl daemon-reload",
        "would run: systemctl --quiet enable perpetuo",
        "would run: systemctl restart perpetuo",
    ] == lines
    assert not (machine / "called").exists()


def test_dry_run_for_a_person_stays_in_the_persons_folders(machine):
    python = str(machine / "bin/python3")
    answer = install(machine, "--dry-run", "--user", "--python", python)
    home = machine / "home"
    assert ("", 0) == (answer.stderr, answer.returncode)
    assert [
        f"would write: {home}/.config/systemd/user/perpetuo.service",
        f"would write: {home}/.config/perpetuo/perpetuo.toml",
        "would run: systemctl --user daemon-reload",
        "would run: systemctl --user --quiet enable perpetuo",
        "would run: systemctl --user restart perpetuo",
    ] == answer.stdout.splitlines()[1:]


def test_files_are_put_once_and_a_second_time_changes_nothing(machine):
    root = machine / "root"
    first = install(machine, "--root", str(root), "--network")
    assert ("", 0) == (first.stderr, first.returncode)
    files = tree(root)
    assert {
        "etc/perpetuo/perpetuo.toml",
        "etc/security/limits.d/perpetuo.conf",
        "etc/systemd/system/perpetuo.service",
        "etc/systemd/system/perpetuo.service.d/network.conf",
        "etc/udev/rules.d/70-perpetuo.rules",
        "opt/perpetuo/README.md",
        "usr/lib/sysusers.d/perpetuo.conf",
    } == set(files)
    assert (
        files["etc/systemd/system/perpetuo.service"] == (SYSTEMD / "perpetuo.service").read_bytes()
    )
    second = install(machine, "--root", str(root), "--network")
    assert ("", "", 0) == (second.stdout, second.stderr, second.returncode)
    assert files == tree(root)
    assert not (machine / "called").exists()


def test_where_avahi_is_the_network_is_told_of_the_page(machine):
    root = machine / "root"
    (root / "etc/avahi/services").mkdir(parents=True)
    install(machine, "--root", str(root))
    assert "etc/avahi/services/perpetuo.service" not in tree(root)
    install(machine, "--root", str(root), "--network")
    told = tree(root)["etc/avahi/services/perpetuo.service"]
    types = [found.text for found in ET.fromstring(told).iter("type")]
    assert ["_http._tcp", "_oscjson._tcp", "_osc._udp"] == types


def test_settings_of_the_person_are_never_overwritten(machine):
    root = machine / "root"
    install(machine, "--root", str(root))
    config = root / "etc/perpetuo/perpetuo.toml"
    config.write_text("[port]\nchannel = 7\n")
    install(machine, "--root", str(root))
    assert "[port]\nchannel = 7\n" == config.read_text()
    news = config.with_name("perpetuo.toml.new")
    assert news.read_bytes() == (SYSTEMD / "perpetuo.toml").read_bytes()


def test_uninstall_keeps_settings_and_purge_leaves_nothing(machine):
    root = machine / "root"
    install(machine, "--root", str(root), "--network")
    kept = install(machine, "--root", str(root), "--uninstall")
    assert {"etc/perpetuo/perpetuo.toml"} == set(tree(root))
    assert f"kept: {root}/etc/perpetuo/perpetuo.toml" in kept.stdout
    install(machine, "--root", str(root), "--uninstall", "--purge")
    assert {} == tree(root)
    again = install(machine, "--root", str(root), "--uninstall")
    assert ("nothing of perpetuo is installed\n", 0) == (again.stdout, again.returncode)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ("32 3.11 new /usr", "has 32 bits, and ONNX Runtime has no 32-bit ARM build"),
        ("64 3.9 old /usr", "is too old"),
        ("64 3.11 new /home/me/.pyenv", "lives in a home, which the service cannot see"),
    ],
)
def test_a_python_that_cannot_play_is_one_line_with_the_remedy(machine, answer, line):
    python = python_stub(machine / "bin/own", answer)
    run = install(machine, "--dry-run", "--python", str(python))
    assert (1, "") == (run.returncode, run.stdout)
    assert 1 == len(run.stderr.splitlines())
    assert line in run.stderr


def test_a_person_may_use_a_python_of_their_own(machine):
    python = python_stub(machine / "bin/own", "64 3.12 new /home/me/.pyenv")
    assert 0 == install(machine, "--dry-run", "--user", "--python", str(python)).returncode


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--frob"], "there is no option --frob"),
        (["--wheels"], "--wheels needs a value"),
        (["--wheels", "/nonexistent"], "--wheels /nonexistent: no such folder"),
        (["--purge"], "--purge goes with --uninstall"),
        (["--user", "--network"], "--network is for the service of the machine"),
    ],
)
def test_a_wrong_option_is_one_line(machine, arguments, line):
    run = install(machine, *arguments)
    assert (1, "") == (run.returncode, run.stdout)
    assert run.stderr.startswith(f"install.sh: {line}")
    assert 1 == len(run.stderr.splitlines())


def test_without_systemd_the_other_way_to_play_is_named(machine):
    (machine / "bin/systemctl").unlink()
    for name in ("bash", "uname", "cat", "dirname", "id", "env"):
        os.symlink(shutil.which(name), machine / "bin" / name)
    run = install(machine, "--dry-run", PATH=f"{machine}/bin")
    assert 1 == run.returncode
    assert "make play" in run.stderr


@pytest.mark.skipif(os.getuid() == 0, reason="root may install")
def test_installing_for_the_machine_without_root_is_one_line(machine):
    run = install(machine)
    assert 1 == run.returncode
    assert "needs root: sudo" in run.stderr


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize(
    "script", ["systemd/install.sh", "systemd/usb-gadget/perpetuo-gadget", ".ci/test_deb"]
)
def test_shellcheck_finds_nothing(script):
    command = ["shellcheck", str(SCRIPT.parents[1] / script)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "" == run.stdout
