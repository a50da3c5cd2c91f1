"""Build a Debian package: ``build_deb.py OUT [--arch amd64|arm64] [--pythons 3.11,...]``.

Out: ``perpetuo_VERSION_ARCH.deb``. It holds the edge's wheel, every wheel that it needs for each
Python named (Debian 12 has 3.11, Debian 13 and Raspberry Pi OS 13 have 3.13), and what
``systemd/install.sh`` puts in place. Its installation makes the environment in /opt/perpetuo from
these wheels alone, without the internet, and starts the service; its removal leaves settings, its
purge nothing. Needs dpkg-deb, pip and the package index.
"""

from __future__ import annotations

import argparse
import email
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from streamer.version import __version__  # noqa: E402  # after the path

EXTRAS = "metrics,live,mqtt"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
WHEELS = "usr/share/perpetuo/wheels"

CONTROL = """\
Package: perpetuo
Version: {version}
Architecture: {arch}
Maintainer: Perpetuo <perpetuo@localhost>
Depends: python3 (>= 3.11), python3-venv, libasound2 | libasound2t64, adduser
Recommends: systemd
Section: sound
Priority: optional
Homepage: https://pypi.org/project/perpetuo-midi/
Description: music that never stops, into a live MIDI port
 Small neural models write expressive notes a few seconds ahead and play them
 to a synth, for weeks, as a service or from the command line.
"""

POSTINST = """\
#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
venv=/opt/perpetuo/venvs/deb-{version}
if [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \\
        --find-links /{wheels} 'perpetuo-midi[{extras}]'
    # python-rtmidi may have no wheel for this Python: ALSA's own library plays then.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \\
        --find-links /{wheels} python-rtmidi 2>/dev/null ||
        echo "perpetuo: ALSA is played to without python-rtmidi, JACK is not"
    touch "$venv/complete"
fi
ln -sfn "$venv" /opt/perpetuo/venv
ln -sfn /opt/perpetuo/venv/bin/perpetuo /usr/bin/perpetuo
for old in /opt/perpetuo/venvs/*; do [ "$old" = "$venv" ] || rm -rf "$old"; done
if [ -d /run/systemd/system ]; then
    systemd-sysusers perpetuo.conf || true
    systemctl daemon-reload
    systemctl --quiet enable perpetuo
    systemctl restart perpetuo || echo "perpetuo: not started; journalctl -u perpetuo -n 50"
fi
"""

PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --quiet disable --now perpetuo || true
fi
"""

POSTRM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then
    rm -rf /opt/perpetuo
    [ ! -L /usr/bin/perpetuo ] || rm -f /usr/bin/perpetuo
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
fi
if [ "$1" = purge ]; then
    rm -rf /var/lib/perpetuo /var/lib/private/perpetuo /etc/perpetuo
    ! getent passwd perpetuo >/dev/null || deluser --quiet --system perpetuo || true
fi
"""


def main() -> None:
    """Build the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--arch", choices=sorted(MACHINES), default="amd64")
    parser.add_argument("--pythons", default="3.11,3.13", help="versions that it can be put on")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        tree = Path(work) / "perpetuo"
        wheels = tree / WHEELS
        wheels.mkdir(parents=True)
        gather(wheels, Path(work) / "dist", args.arch, args.pythons.split(","))
        lay_out(tree, args.arch)
        target = args.out / f"perpetuo_{__version__}_{args.arch}.deb"
        run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def gather(wheels: Path, dist: Path, arch: str, pythons: list[str]) -> None:
    """Put the edge's wheel and all that it needs into a folder."""
    run(sys.executable, ROOT / ".ci" / "build_wheels.py", dist)
    edge = next(dist.glob("perpetuo_midi-*.whl"))
    for python in pythons:
        platforms = [
            word
            for number in ("2_28", "2_27", "2_17", "2_34")
            for word in ("--platform", f"manylinux_{number}_{MACHINES[arch]}")
        ]
        download = [
            sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check",
            "--only-binary=:all:", "--python-version", python, "--implementation", "cp",
            *platforms, "-d", str(wheels),
        ]  # fmt: skip
        run(*download, *needs(edge, python, MACHINES[arch]))
    shutil.copy(edge, wheels)


def needs(wheel: Path, python: str, machine: str) -> list[str]:
    """Return what a wheel and its extras need on another Python: pip asks its own in `download`."""
    with zipfile.ZipFile(wheel) as packed:
        name = next(name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        listed = email.message_from_bytes(packed.read(name)).get_all("Requires-Dist", [])
    there = {"python_version": python, "platform_machine": machine, "sys_platform": "linux"}
    found = []
    for one in map(Requirement, listed):
        extras = ("", *EXTRAS.split(","))
        if one.marker is None or any(one.marker.evaluate({**there, "extra": x}) for x in extras):
            found.append(f"{one.name}{one.specifier}")
    return found


def lay_out(tree: Path, arch: str) -> None:
    """Write what is installed beside the wheels, and what is done at installation."""
    run("bash", ROOT / "systemd" / "install.sh", "--root", tree)
    unit = tree / "lib" / "systemd" / "system"
    unit.mkdir(parents=True)
    (tree / "etc/systemd/system/perpetuo.service").rename(unit / "perpetuo.service")
    shutil.rmtree(tree / "etc" / "systemd")
    about = tree / "DEBIAN"
    about.mkdir()
    places = {"version": __version__, "arch": arch, "wheels": WHEELS, "extras": EXTRAS}
    (about / "control").write_text(CONTROL.format(**places), encoding="utf-8")
    kept = sorted(path for path in (tree / "etc").rglob("*") if path.is_file())
    conffiles = [f"/{path.relative_to(tree)}\n" for path in kept]
    (about / "conffiles").write_text("".join(conffiles), encoding="utf-8")
    for name, text in (("postinst", POSTINST), ("prerm", PRERM), ("postrm", POSTRM)):
        for key, value in places.items():
            text = text.replace(f"{{{key}}}", value)
        (about / name).write_text(text, encoding="utf-8")
        (about / name).chmod(0o755)


def run(*command: object) -> None:
    """Run a command; what fails ends the build with its output."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
