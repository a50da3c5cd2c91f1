"""A band's bundle as an editor of songs: files to latents, latents to states.

In: settings, the name of a bundle of family ``musae``, songs as bands
    (:mod:`streamer.families.bands.bandfile`).
Out: windows of them, their latents, and what latents play. One thread.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.bundle.bundle import Bundle, load_bundle
from streamer.engine.engine import Function
from streamer.engine.session import Runtime
from streamer.errors import BundleError, ConfigError, MidiFileError
from streamer.families.bands.bandfile import BandPiece, read_band
from streamer.families.bands.codec import (
    BAR_STEPS,
    HOLD,
    PITCHES,
    SILENCE,
    STEPS_PER_BEAT,
    TRACKS,
    BandCodec,
    States,
    longest_silence,
)
from streamer.families.bands.section import entropies_of
from streamer.families.bands.spec import ENCODE_GRAPH, GenreSpec, bands_of
from streamer.generators.sectionspec import DECODE_GRAPH, section_of
from streamer.settings.settings import ModelSettings

DEFAULT_BAND = "band"
"""The bundle that is taken where none is named and the settings name no band."""

_BATCH = 32


@dataclass(frozen=True)
class Played:
    """What latents play.

    Attributes:
        states: ``(n, steps, 4)``.
        entropies: Of the network's own distributions, nats, ``(n, steps, 4)``.
    """

    states: States
    entropies: NDArray[np.float32]


class BandEditor:
    """Encodes and decodes with a bundle.

    Args:
        bundle: Of a band.
        runtime: What inference runs on; a CPU where none is given.

    Raises:
        BundleError: The bundle is no band, or counts its steps otherwise than files are read.
        EngineError: ONNX Runtime refuses a graph.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime | None = None) -> None:
        manifest, codec = bundle.manifest, bundle.codec
        spec, window = bands_of(manifest), section_of(manifest)
        if spec is None or window is None or not isinstance(codec, BandCodec):
            raise BundleError(
                f"bundle {manifest.name} is no band of four tracks (family {manifest.family}); "
                "give one of family musae with --model (`perpetuo models` lists them)"
            )
        if codec.steps_per_beat != STEPS_PER_BEAT or codec.steps % BAR_STEPS:
            raise BundleError(
                f"bundle {manifest.name} counts {codec.steps} steps of {codec.steps_per_beat} a "
                f"beat; whole bars of {BAR_STEPS} steps are wanted: export it again"
            )
        self.bundle, self.codec = bundle, codec
        self.spec, self.window = spec, window
        self._encode = Function(bundle, ENCODE_GRAPH, runtime)
        self._decode = Function(bundle, DECODE_GRAPH, runtime)

    @property
    def bars(self) -> int:
        """Length of a window."""
        return self.codec.steps // BAR_STEPS

    def genre(self, name: str) -> GenreSpec:
        """Return a genre of the bundle.

        Raises:
            ConfigError: There is none of that name; the nearest is offered and all are listed.
        """
        found = {genre.name: genre for genre in self.spec.genres}
        if name in found:
            return found[name]
        where = f"bundle {self.bundle.manifest.name} has no genre {name!r}"
        if not found:
            raise ConfigError([f"{where}: it has none at all; give another with --model"])
        near = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError([f"{where}; {hint}it has {', '.join(found)}"])

    def read(self, path: Path) -> BandPiece:
        """Read a song that has at least one window.

        Raises:
            MidiFileError: It cannot be read, is no band, or is too short.
        """
        piece = read_band(path)
        if piece.bars < self.bars:
            raise MidiFileError(
                f"{path}: {piece.bars} bars; at least {self.bars}, a window of bundle "
                f"{self.bundle.manifest.name}: choose a longer song",
                "too-short",
            )
        return piece

    def first_bar(self, path: Path, piece: BandPiece, asked: int | None, count: int) -> int:
        """Return from where windows of a song are taken, as its states count bars, from 0.

        Args:
            path: Named in the error line.
            piece: The song.
            asked: Bar of the file, from 1; None chooses (:meth:`fullest_bar`).
            count: Windows that are wanted on end.

        Raises:
            ConfigError: There are not as many bars from there on.
        """
        needed = self.bars * count
        if piece.bars < needed:
            raise ConfigError(
                [f"{path}: {piece.bars} bars; {needed} are wanted: ask for fewer --windows"]
            )
        if asked is None:
            return self.fullest_bar(piece, count)
        low, high = piece.first_bar + 1, piece.first_bar + piece.bars - needed + 1
        if not low <= asked <= high:
            where = f"{low}..{high} for {needed} bars"
            raise ConfigError([f"{path}: --from-bar must be in range {where}, not {asked}"])
        return asked - low

    def windows(self, piece: BandPiece, first: int, count: int) -> States:
        """Return windows that follow each other, ``(count, steps, 4)``; silence beyond the end.

        Args:
            piece: A song.
            first: Bar in which the first begins, from 0 as the piece's states count.
            count: How many.
        """
        starts = BAR_STEPS * (first + self.bars * np.arange(count))
        return np.stack([self.codec.window(piece.states, int(start)) for start in starts])

    def encode(self, states: States) -> NDArray[np.float32]:
        """Return the latents' means, ``(n, latent)``."""
        parts = [states[i : i + _BATCH] for i in range(0, len(states), _BATCH)]
        return np.concatenate([self._encode(states=part)["mean"] for part in parts])

    def play(self, z: NDArray[np.float32]) -> Played:
        """Return what latents play: the likeliest (:func:`likeliest`).

        Args:
            z: ``(n, latent)``.
        """
        parts = [self._decode(z=z[i : i + _BATCH]) for i in range(0, len(z), _BATCH)]
        shown = np.concatenate(
            [np.stack([part[track] for track in TRACKS], axis=2) for part in parts]
        )
        return Played(likeliest(shown), entropies_of(shown))

    def fullest_bar(self, piece: BandPiece, count: int = 1) -> int:
        """Return the bar from which a song is best heard: the first where all four tracks play.

        No track rests there for more than a bar on end, as in training; where there is no such
        place, it is where most notes begin.

        Args:
            piece: A song.
            count: Windows that are wanted on end.
        """
        fullest, most = 0, -1
        for bar in range(max(piece.bars - self.bars * count, 0) + 1):
            windows = self.windows(piece, bar, count)
            if longest_silence(windows).max() <= BAR_STEPS:
                return bar
            strikes = int((windows < PITCHES).sum())
            if strikes > most:
                fullest, most = bar, strikes
        return fullest


def likeliest(probabilities: NDArray[np.float32]) -> States:
    """Return the likeliest states: whether a note begins, goes on or is silent, then which pitch.

    As in the stream (:func:`streamer.families.bands.section.draw_states`), a strike whose pitch is
    in doubt is not lost to *hold*: there are as many notes as the network means.

    Args:
        probabilities: ``(..., 130)``.
    """
    struck = probabilities[..., :PITCHES]
    kinds = [struck.sum(-1), probabilities[..., HOLD], probabilities[..., SILENCE]]
    kind = np.argmax(kinds, axis=0)
    states = np.choose(kind, [struck.argmax(-1), HOLD, SILENCE])
    return np.asarray(states, dtype=np.uint8)


def open_editor(model: ModelSettings, asked: str | None = None) -> BandEditor:
    """Open the band that a person means.

    Args:
        model: Settings.
        asked: What was named on the command line; None takes the settings' bundle if it is a band,
            and :data:`DEFAULT_BAND` else.

    Raises:
        BundleError: There is no such bundle, or it cannot be used.
        EngineError: ONNX Runtime refuses it.
    """
    bundle = load_bundle(asked or model.model, model.bundle_paths)
    if asked is None and bands_of(bundle.manifest) is None:
        bundle = load_bundle(DEFAULT_BAND, model.bundle_paths)
    return BandEditor(bundle, Runtime(model.provider))
