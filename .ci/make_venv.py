"""Make a virtual environment with pip from nothing but python3: ``python3 make_venv.py FOLDER``.

Debian ships python3 without ensurepip (package python3-venv). Then pip's own wheel is fetched from
PyPI, its hash compared, and it installs itself; no root is needed. Runs on any Python 3, so that
an old one can say so. Called by the Makefile.
"""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import urllib.request

OLDEST = (3, 11)
CANDIDATES = ("python3.12", "python3.11", "python3.13", "python3.14")
PIP_URL = (
    "https://files.pythonhosted.org/packages/07/25/"
    "ee8c38ae72d66b844ce8eb9711ba905dba21ca1a8a0c960057c41cd23337/pip-26.3-py3-none-any.whl"
)
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
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
    """Install pip from PyPI into the environment of ``python``; it updates itself when asked.

    Raises:
        OSError: PyPI cannot be reached.
        ValueError: What came is not the pip that is meant.
        subprocess.CalledProcessError: The wheel would not install.
    """
    with urllib.request.urlopen(PIP_URL, timeout=TIMEOUT_SECONDS) as answer:
        data = answer.read()
    if hashlib.sha256(data).hexdigest() != PIP_SHA256:
        raise ValueError("the hash of %s is wrong" % PIP_URL)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, os.path.basename(PIP_URL))
        with open(path, "wb") as file:
            file.write(data)
        command = [python, path + "/pip", "install", "--quiet", "--no-index", path]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_venv.py FOLDER")
    main(sys.argv[1])
