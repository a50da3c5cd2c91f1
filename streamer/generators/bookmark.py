"""Bookmarks: a place in a stream from which it can go on, in another process, note for note.

In: a generator at the boundary of a phrase, and what it obeys. Out: some KB, and from these the
same generator again. A bookmark holds the hash of the bundle's graphs, the seed, the controls, what
the bundle was asked for (``[model]``) and the state of the generator
(:mod:`streamer.system.snapshots`). It comes from anywhere: what is damaged, too large, of another
bundle or version is refused in one line. Nothing in it is executed.

Thread: the generator's; :class:`BookmarkShelf` is read by any.
"""

from __future__ import annotations

import hashlib
import logging
import re
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from streamer.bundle.bundle import Bundle
from streamer.errors import BundleError
from streamer.settings.controls import MOMENTARY, Controls
from streamer.settings.settings import ModelSettings
from streamer.system.marks import Marked
from streamer.system.snapshots import Unfit, put_back, taken

logger = logging.getLogger(__name__)

MAGIC = b"perpetuo bookmark 1\n"
"""What a file begins with; the number is that of the form."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""How a bundle is called; a path is none."""

MOST_BYTES = 1024 * 1024
MOST_UNPACKED = 16 * 1024 * 1024

MOST_HELD = 48
"""Places of a live stream that are held: what is written ahead, and the phrase that sounds."""

ASKED = (
    "style", "temperature", "candidates", "phrase_notes", "redraws", "ranking", "judge",
)  # fmt: skip
"""Keys of ``[model]`` on which the notes depend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """A place in a stream.

    Attributes:
        bundle: Name of the bundle.
        digest: Of its graphs (:func:`digest_of`).
        seed: With which the stream began.
        controls: What they were, by name.
        model: What of ``[model]`` was asked for.
        beat: Quarters since the beginning, of music that counts them.
        state: That of the generator, as data.
    """

    bundle: str
    digest: str
    seed: int
    controls: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    beat: float | None = None
    state: Any = None

    def to_bytes(self) -> bytes:
        """Return what its file holds."""
        document = {name: getattr(self, name) for name in self.__slots__}
        return MAGIC + zlib.compress(msgspec.msgpack.encode(document), 9)

    def settings(self) -> dict[str, Any]:
        """Return the settings with which it goes on, ``"stage.key"`` to value, unchecked."""
        held = {f"model.{k}": v for k, v in self.model.items() if k in ASKED and v is not None}
        return {"model.model": self.bundle, "model.seed": self.seed, **held}

    def put_back(self, bundle: Bundle, generator: Marked) -> None:
        """Let a generator, made anew, go on from here.

        Raises:
            BundleError: It is of another bundle, or its state does not fit.
        """
        if digest_of(bundle) != self.digest:
            raise BundleError(
                f"the bookmark is of bundle {self.bundle[:60]} ({self.digest[:12]}), not of "
                f"{bundle.manifest.name} ({digest_of(bundle)[:12]}) as it is here; give --model "
                "the bundle that it was made with"
            )
        try:
            put_back(generator, self.state)
        except Unfit as error:
            raise BundleError(
                f"the bookmark cannot be gone on from: {error}; make another with this version"
            ) from error


def digest_of(bundle: Bundle) -> str:
    """Return the hash of all that a bundle's notes depend on: its graphs and tables."""
    manifest = bundle.manifest
    parts = [manifest.codec_fingerprint, *sorted(spec.sha256 for spec in manifest.graphs)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def read_bookmark(path: Path) -> Bookmark:
    """Read a bookmark; what it says of the music is checked when it is put back.

    Raises:
        BundleError: It is none, in one line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    if not data.startswith(MAGIC[:-3]):
        raise BundleError(f"{path}: is no bookmark; `perpetuo keep --bookmark FILE` makes one")
    if not data.startswith(MAGIC):
        raise BundleError(f"{path}: is a bookmark of another version; make another with this one")
    if len(data) > MOST_BYTES:
        raise BundleError(f"{path}: must be {MOST_BYTES >> 20} MiB at most; make another")
    try:
        reader = zlib.decompressobj()
        content = reader.decompress(data[len(MAGIC) :], MOST_UNPACKED)
        if reader.unconsumed_tail or not reader.eof:
            raise ValueError("it is cut short, or too large")
        return _checked(msgspec.msgpack.decode(content))
    except (zlib.error, msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise BundleError(f"{path}: is damaged ({error}); make another") from error


def _checked(document: Any) -> Bookmark:
    kinds = {"bundle": str, "digest": str, "seed": int, "controls": dict, "model": dict}
    if not isinstance(document, dict) or {*document} != {*Bookmark.__slots__}:
        raise ValueError("it has not what a bookmark has")
    for name, kind in kinds.items():
        if not isinstance(document[name], kind) or isinstance(document[name], bool):
            raise ValueError(f"its {name} is none")
    if not 0 <= document["seed"] < 2**63 or not NAME.fullmatch(document["bundle"]):
        raise ValueError("its seed or its bundle is none")
    beat = document["beat"]
    if beat is not None and (not isinstance(beat, float) or not 0 <= beat < 1e12):
        raise ValueError("its beat is none")
    Controls.from_values(document["controls"])
    return Bookmark(**document)


@dataclass(frozen=True, slots=True)
class Place:
    """What it takes to go on from before a phrase.

    Attributes:
        state: Of the generator (:meth:`BookmarkShelf.look`).
        controls: Under which the phrase was drawn.
        beat: As :attr:`Bookmark.beat`.
    """

    state: bytes
    controls: Controls
    beat: float | None


class BookmarkShelf:
    """The last places of a live stream; the generator's thread adds, any thread reads.

    Args:
        bundle: What plays.
        seed: With which it began.
        model: What was asked for.
    """

    def __init__(self, bundle: Bundle, seed: int, model: ModelSettings) -> None:
        self._bundle, self._seed, self._model = bundle, seed, model
        self._fits = True
        self._held: deque[tuple[float, Place]] = deque(maxlen=MOST_HELD)

    def look(self, generator: object) -> bytes | None:
        """Return the state of a generator, before it draws; None of one that has none to give.

        This is done with each phrase, and nothing that a family of another package holds may end
        the music.
        """
        if not self._fits or not isinstance(generator, Marked):
            return None
        try:
            return msgspec.msgpack.encode(taken(generator))
        except (TypeError, ValueError, OverflowError) as error:
            self._fits = False
            logger.warning("this bundle's music cannot be bookmarked: %s", error)
            return None

    def add(self, start_ms: float, place: Place) -> None:
        """Hold the place before a phrase that is written; those behind it were drawn again."""
        held = list(self._held)
        while held and held[-1][0] >= start_ms:
            held.pop()
        self._held = deque([*held, (start_ms, place)], maxlen=MOST_HELD)

    def forget(self, place_ms: float) -> None:
        """Hold no place at another or after it, in ms of the stream: nobody hears what follows."""
        self._held = deque((one for one in self._held if one[0] < place_ms), maxlen=MOST_HELD)

    @property
    def places(self) -> Sequence[tuple[float, Place]]:
        """What is held: the ms of the stream, and the place there; any thread."""
        return list(self._held)

    def at(self, now_ms: float) -> Bookmark | None:
        """Return the place before the phrase that sounds; None where nothing does yet."""
        held = self.places
        found = [one for one in held if one[0] <= now_ms] or held[:1]
        if not found:
            return None
        place = found[-1][1]
        plain = Controls().values()
        return Bookmark(
            bundle=self._bundle.manifest.name,
            digest=digest_of(self._bundle),
            seed=self._seed,
            controls={
                name: value
                for name, value in place.controls.values().items()
                if value != plain[name] and name not in MOMENTARY
            },
            model={key: getattr(self._model, key) for key in ASKED},
            beat=place.beat,
            state=msgspec.msgpack.decode(place.state),
        )
