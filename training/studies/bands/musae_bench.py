"""What all studies of MusAE stand on: a model with its corpus.

In: a model of family ``musae`` and the band file it was trained on. Needs torch and numpy alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.families.bands.codec import BAR_STEPS, BandCodec
from streamer.families.bands.key import in_key
from streamer.families.bands.section import StateNoise, draw_states
from training.corpora.splits import HELD_OUT
from training.families.bands.bandset import BandSet, Windows, cut_windows
from training.families.bands.model import Musae

MOST_WINDOWS = 2048
OVERFIT_UPDATES = 3000


class BandSongs(ABC):
    """Something that encodes bands, and the corpus whose windows it is shown.

    Attributes:
        bands: The corpus.
        most: Windows of a split that are looked at; a larger split is thinned evenly.
    """

    bands: BandSet
    most: int

    @property
    @abstractmethod
    def codec(self) -> BandCodec:
        """What a window is."""

    @property
    @abstractmethod
    def genres(self) -> tuple[str, ...]:
        """Those that have a petal."""

    @abstractmethod
    def encode(self, states: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the latents' means, ``(n, latent)``."""

    def every(self, *splits: str) -> Windows:
        """Return all windows of some splits."""
        indices = [i for split in splits for i in self.bands.indices(split)]
        return cut_windows(self.bands, indices, self.codec)

    def windows(self, *splits: str) -> Windows:
        """Return windows of some splits, thinned evenly to :attr:`most`."""
        found = self.every(*splits)
        thin = np.linspace(0, len(found) - 1, min(len(found), self.most)).astype(np.int64)
        return replace(found, states=found.states[thin], song=found.song[thin])

    @cached_property
    def training(self) -> Windows:
        """Windows that the model learnt from."""
        return self.windows("train")

    @cached_property
    def held_out(self) -> Windows:
        """Windows of songs that the model never saw; of all songs where there are no others."""
        found = self.windows(*HELD_OUT)
        return found if len(found) else self.training

    def tags(self, windows: Windows) -> list[tuple[str, ...]]:
        """Return the genres of the song that each window is of."""
        return [self.bands.pieces[song].tags for song in windows.song]


@dataclass
class BandBench(BandSongs):
    """A model and its corpus.

    Attributes:
        model: In evaluation mode, on the device where it is to run.
        bands: Its corpus; test and validation songs are what is played back.
        seed: Of all that is drawn.
        updates: Most updates of the study ``overfit``.
        most: Windows of a split that are looked at; a larger split is thinned evenly.
        name: What it is called in a table of several.
        runs: Further benches to compare with.
    """

    model: Musae
    bands: BandSet
    seed: int = 0
    updates: int = OVERFIT_UPDATES
    most: int = MOST_WINDOWS
    name: str = "model"
    runs: list[BandBench] = field(default_factory=list)

    @property
    def codec(self) -> BandCodec:
        """What a window is."""
        return self.model.codec

    @property
    def genres(self) -> tuple[str, ...]:
        """Those that have a petal."""
        return tuple(self.model.genres)

    @property
    def bars(self) -> int:
        """Length of a window."""
        return int(self.model.codec.beats // 4)

    @torch.no_grad()
    def encode(self, states: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the latents' means, ``(n, latent)``."""
        parts = [
            self.model.encode(torch.from_numpy(part).to(self.model.device))[0].cpu().numpy()
            for part in self._parts(states)
        ]
        return np.concatenate(parts)

    @torch.no_grad()
    def posterior(
        self, states: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return means and variances of the latents, ``(n, latent)`` each."""
        means, variances = [], []
        for part in self._parts(states):
            mean, log_variance = self.model.encode(torch.from_numpy(part).to(self.model.device))
            means.append(mean.cpu().numpy())
            variances.append(log_variance.exp().cpu().numpy())
        return np.concatenate(means), np.concatenate(variances)

    @torch.no_grad()
    def probabilities(self, z: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Yield what latents are thought to play, some at a time, ``(n, steps, 4, 130)``."""
        for part in self._parts(z):
            logits = self.model.decode(torch.from_numpy(part).to(self.model.device))
            yield torch.softmax(logits, dim=-1).cpu().numpy()

    def perform(self, z: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return states as the stream draws them, at a temperature of 1, ``(n, steps, 4)``."""
        found = [
            draw_states(in_key(window), StateNoise.draw(rng, BAR_STEPS), 1.0)
            for shown in self.probabilities(z)
            for window in shown
        ]
        return np.stack(found)

    @torch.no_grad()
    def decode(self, z: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the likeliest states, ``(n, steps, 4)``."""
        return self.play(z)[0]

    @torch.no_grad()
    def play(self, z: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Return the likeliest states, and how unsure each track is of them, nats, ``(n, 4)``."""
        states, unsure = [], []
        for part in self._parts(z):
            logits = self.model.decode(torch.from_numpy(part).to(self.model.device))
            log_p = torch.log_softmax(logits, dim=-1)
            states.append(logits.argmax(-1).to(torch.uint8).cpu().numpy())
            unsure.append(-(log_p.exp() * log_p).sum(-1).mean(1).double().cpu().numpy())
        return np.concatenate(states), np.concatenate(unsure)

    def _parts(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Return pieces that fit a cache, or a large card."""
        size = 64 if self.model.device.type == "cpu" else 512
        return [values[i : i + size] for i in range(0, len(values), size)]
