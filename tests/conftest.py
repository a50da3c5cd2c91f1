"""What every test stands on: one thread, no settings of whoever runs them, steady examples.

With ``-n auto`` one more process runs than there are cores, and the files that take longest begin.
"""

import logging
import os
import pathlib
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")  # the forests of scikit-learn
# The settings file and caches of whoever runs the tests must not change what they show.
_HOME = tempfile.mkdtemp(prefix="perpetuo-tests-")
for _kind in ("CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "STATE_HOME", "RUNTIME_DIR"):
    _name = f"XDG_{_kind}"
    os.environ[_name] = os.path.join(_HOME, _name.lower())

import shutil  # noqa: E402  # after the environment, which libraries read when they are imported

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("perpetuo", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("perpetuo"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "perpetuo")

LONGEST = ("training", "export")
"""Folders whose files take longest: at the end one process would go on with one of them alone."""

SOUNDFONT = "/usr/share/sounds/sf2/TimGM6mb.sf2"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Leave no core idle while a test waits for a port, a process or a clock on the wall."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_unconfigure() -> None:
    """Remove the empty home."""
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_runtest_teardown() -> None:
    """Let no test say for the next ones which lines of the log are heard."""
    logging.getLogger("streamer").setLevel(logging.NOTSET)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first; skip what needs a program that is not installed, and say which.

    No example is traced twice.
    """
    folders = {pathlib.Path(__file__).with_name(name) for name in LONGEST}
    items.sort(key=lambda item: folders.isdisjoint(item.path.parents))
    missing = {
        "jack": "" if shutil.which("jackd") else "jackd2 is not installed",
        "fluidsynth": ""
        if shutil.which("fluidsynth") and os.path.exists(SOUNDFONT)
        else "fluidsynth or timgm6mb-soundfont is not installed",
    }
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            # A hundred examples run the same lines; traced they take three times as long.
            item.add_marker(pytest.mark.no_cover)
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
