"""Make a virtual environment with pip from nothing but python3: ``python3 make_venv.py FOLDER``.

Debian ships python3 without ensurepip (package python3-venv). Then pip's own wheel is fetched from
PyPI, its hash compared, and it installs itself; no root is needed. Runs on any Python 3, so that
an old one can say so. Called by the Makefile.
"""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import urllib.request

OLDEST = (3, 11)
CANDIDATES = ("python3.12", "python3.11", "python3.13", "python3.14")
PIP_INDEX = "https://pypi.org/pypi/pip/json"
TIMEOUT_SECONDS = 60


def main(folder):
    """Make the environment, or leave with one line that says why not."""
    if sys.version_info < OLDEST:
        newer = [path for path in map(shutil.which, CANDIDATES) if path]
        if not newer:
            sys.exit("perpetuo needs Python 3.11 or newer, not %d.%d" % sys.version_info[:2])
        os.execv(newer[0], [newer[0], *sys.argv])
    if struct.calcsize("P") != 8:
        sys.exit("perpetuo needs a 64-bit system (ONNX Runtime has no 32-bit ARM build)")
    python = os.path.join(folder, "bin", "python")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=False, **quiet)
    if made.returncode == 0:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    try:
        install_pip(python)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit("no pip, and none could be fetched (%s): sudo apt install python3-venv" % error)


def install_pip(python):
    """Install pip from PyPI into the environment of ``python``.

    Raises:
        OSError: PyPI cannot be reached.
        ValueError: What came is not what PyPI's index promised.
        subprocess.CalledProcessError: The wheel would not install.
    """
    with urllib.request.urlopen(PIP_INDEX, timeout=TIMEOUT_SECONDS) as answer:
        files = json.load(answer)["urls"]
    wheel = next(file for file in files if file["packagetype"] == "bdist_wheel")
    with urllib.request.urlopen(wheel["url"], timeout=TIMEOUT_SECONDS) as answer:
        data = answer.read()
    if hashlib.sha256(data).hexdigest() != wheel["digests"]["sha256"]:
        raise ValueError("the hash of %s is wrong" % wheel["filename"])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, wheel["filename"])
        with open(path, "wb") as file:
            file.write(data)
        command = [python, path + "/pip", "install", "--quiet", "--no-index", path]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_venv.py FOLDER")
    main(sys.argv[1])
