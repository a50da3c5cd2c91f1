"""The folder of a listening test: a page with its clips to hand out, and a key to keep.

In: a plan and the names of systems. Out, in one folder: ``page/index.html`` with ``page/clips``,
whose names say nothing of who plays, and ``key.json``, which does. The page works from the disk
(``file://``) or from any server of files, and asks the network for nothing.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from streamer.errors import ConfigError
from streamer.system.atomic import write_whole
from streamer.version import __version__
from training.evaluation.asked import label_of
from training.listening.answers import KEY_FORMAT, SCALES
from training.listening.material import excerpts_of, names_of
from training.listening.page import page
from training.listening.sound import SYNTHS, Player

MOST_SYSTEMS, MOST_PAIRS = 8, 100
SECONDS = (3.0, 600.0)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""


@dataclass(frozen=True, kw_only=True)
class TestPlan:
    """What is to be compared, and how.

    Attributes:
        systems: ``[NAME=]SOURCE`` for each: a bundle, a folder of MIDI files, or a file.
        pairs: How many pairs each two systems are heard in.
        seconds: Length of a clip.
        seed: Of the excerpts and of names; the order is drawn anew for each listener, by the page.
        title: What the page is called.
        synth: ``auto``, ``fluidsynth`` or ``own``.
        soundfont: For FluidSynth; None finds one.
    """

    __test__ = False  # no test of pytest's

    systems: tuple[str, ...]
    pairs: int = 8
    seconds: float = 20.0
    seed: int = 0
    title: str = "Listening test"
    synth: str = "auto"
    soundfont: Path | None = None

    def problems(self) -> list[str]:
        """Return what cannot be, a line each."""
        found = []
        if not 2 <= len(self.systems) <= MOST_SYSTEMS:
            found.append(
                f"there are {len(self.systems)} systems, and a test compares 2 to {MOST_SYSTEMS}"
            )
        if not 1 <= self.pairs <= MOST_PAIRS:
            found.append(f"--pairs must be in range 1..{MOST_PAIRS}, not {self.pairs}")
        low, high = SECONDS
        if not low <= self.seconds <= high:
            found.append(f"--seconds must be in range {low:g}..{high:g}, not {self.seconds:g}")
        if self.synth not in SYNTHS:
            found.append(f"--synth must be of {', '.join(SYNTHS)}, not {self.synth}")
        return found


def make_test(plan: TestPlan, folder: Path, progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Write the folder and return what its key says.

    Raises:
        ConfigError: The plan cannot be, or the folder holds something; all mistakes at once.
        DataError: A source has too little music.
        StreamerError: A bundle, the synth or the folder cannot be used.
    """
    problems = plan.problems()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        problems.append(f"{folder} is there already; name another folder, or empty this one")
    if problems:
        raise ConfigError(problems)
    labels, sources = zip(*(label_of(text) for text in plan.systems), strict=True)
    names = names_of(labels, sources)
    player = Player(plan.synth, plan.soundfont)
    rng = np.random.default_rng(plan.seed)
    excerpts = []
    for i, (name, source) in enumerate(zip(names, sources, strict=True)):
        progress(f"reading {name}", i, len(names))
        excerpts.append(excerpts_of(source, plan.pairs, plan.seconds, plan.seed))
    made = [
        [{"clip": _random_name(rng), "system": name, "source": one.source} for one in mine]
        for name, mine in zip(names, excerpts, strict=True)
    ]
    pairs = [
        {"id": _random_name(rng), "clips": [made[a][i], made[b][i]]}
        for a, b in combinations(range(len(names)), 2)
        for i in range(plan.pairs)
    ]
    rng.shuffle(pairs)
    key: dict[str, Any] = {
        "format": KEY_FORMAT, "version": __version__, "test": _random_name(rng),
        "title": plan.title, "systems": names, "scales": [scale.name for scale in SCALES],
        "seconds": plan.seconds, "seed": plan.seed, "sound": player.name, "pairs": pairs,
    }  # fmt: skip
    with _appearing(folder) as new:
        clips, done = new / "page" / "clips", 0
        for row, mine in zip(made, excerpts, strict=True):
            for about, excerpt in zip(row, mine, strict=True):
                player.play(excerpt, clips / f"{about['clip']}{player.suffix}")
                done += 1
                progress(f"playing {about['system']}", done, plan.pairs * len(names))
        write_whole(new / "page" / "index.html", page(key, player.suffix))
        write_whole(new / "key.json", json.dumps(key, indent=1) + "\n")
    return key


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Give a new folder that takes its name only when the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield new
        new.chmod(0o755)
        new.replace(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _random_name(rng: np.random.Generator) -> str:
    return rng.bytes(6).hex()
