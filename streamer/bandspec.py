"""What a bundle of a band says beyond its graphs: tracks, genres and where they lie.

Part of the manifest (:mod:`streamer.manifest`), plain data. Written by the exporter from the
training songs, read by whoever plays a band. What it shares with other families that compose a
section at a time (latent, tempo, longest note) is in :mod:`streamer.windowspec`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from streamer.bands import TRACKS
from streamer.flower import Flower

_Program = Annotated[int, msgspec.Meta(ge=0, le=127)]
_Above = Annotated[float, msgspec.Meta(gt=0)]

ENCODE_GRAPH = "encode"
"""Graph of a band beside ``decode``: states ``(batch, steps, 4)`` to ``mean`` and
``log_variance``. ``decode`` has an output for each track: probabilities ``(batch, steps, 130)``."""


class TrackSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One track over the corpus.

    Attributes:
        name: One of :data:`streamer.bands.TRACKS`.
        program: The General MIDI programme that most songs give it.
        low: Lowest pitch but for one strike in a thousand.
        high: Highest, likewise.
        notes_per_beat: Low, middle and high quantile over windows.
    """

    name: str
    program: _Program
    low: _Program
    high: _Program
    notes_per_beat: tuple[float, float, float]


class GenreSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One genre.

    Attributes:
        name: What ``--style`` takes.
        petal: Its place on the flower, 0..petals - 1; neighbours are related.
        windows: Training windows behind the figures.
        bpm: Low, middle and high quantile over its songs, quarter notes a minute.
        programs: The programme that most of its songs give each track.
        notes_per_beat: Median of each track.
        mean: Of its encodings, each latent component.
        variance: The same.
        factors: Directions in which the components vary together (:mod:`streamer.scatter`), each
            of as many components; none where each varies for itself.
    """

    name: str
    petal: Annotated[int, msgspec.Meta(ge=0)]
    windows: int
    bpm: tuple[float, float, float]
    programs: list[_Program]
    notes_per_beat: list[float]
    mean: list[float]
    variance: list[float]
    factors: list[list[float]] = []


class BandSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a player of a band needs to know.

    Attributes:
        prior: ``flower``, or ``normal`` (then petals mean nothing).
        petals: Of the flower; one more lies at its centre.
        radial_sd: Standard deviation along the radius.
        other_sd: Standard deviation in all other directions.
        tracks: In the order of :data:`streamer.bands.TRACKS`.
        genres: In the order in which they lie around the flower; may be empty.
    """

    prior: Literal["flower", "normal"]
    petals: Annotated[int, msgspec.Meta(ge=1)]
    radial_sd: _Above
    other_sd: _Above
    tracks: list[TrackSpec]
    genres: list[GenreSpec] = []

    def flower(self, latent: int) -> Flower:
        """Return the flower of so many dimensions."""
        return Flower(latent, self.petals, self.radial_sd, self.other_sd)


def band_problems(spec: BandSpec | None, latent: int | None) -> list[str]:
    """Return what keeps a band's part of the manifest from being used.

    Args:
        spec: The manifest's part.
        latent: Components of z, as ``window`` says.
    """
    if spec is None:
        return []
    found = []
    if tuple(track.name for track in spec.tracks) != TRACKS:
        found.append(f"bands.tracks must be {', '.join(TRACKS)}")
    names = [genre.name for genre in spec.genres]
    if len({*names}) != len(names):
        found.append("bands.genres must have names of their own")
    for genre in spec.genres:
        if genre.petal >= spec.petals:
            found.append(f"genre {genre.name}: petal must be in range 0..{spec.petals - 1}")
        if len(genre.programs) != len(TRACKS) or len(genre.notes_per_beat) != len(TRACKS):
            found.append(f"genre {genre.name} needs figures of {len(TRACKS)} tracks")
        if len(genre.mean) != latent or len(genre.variance) != latent:
            found.append(f"genre {genre.name} needs mean and variance of {latent} components")
        if any(len(factor) != latent for factor in genre.factors):
            found.append(f"genre {genre.name} needs factors of {latent} components")
    return found
