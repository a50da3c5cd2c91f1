"""What a bundle of a band says beyond its graphs: tracks, genres and where they lie.

Part of the manifest (:mod:`streamer.bundle.manifest`), plain data. Written by the exporter from the
training songs, read by whoever plays a band. What it shares with other families that compose a
section at a time (latent, tempo, longest note) is in :mod:`streamer.generators.sectionspec`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from streamer.bundle.codecs import Codec, codec_as
from streamer.bundle.manifest import MOST_COUNTED, Manifest, shape_problems
from streamer.families.bands.codec import STATES, BandCodec
from streamer.families.bands.flower import Flower
from streamer.families.bands.tracks import TRACKS
from streamer.generators import sectionspec

_Program = Annotated[int, msgspec.Meta(ge=0, le=127)]
_Tempo = Annotated[float, msgspec.Meta(ge=10, le=1000)]
_Above = Annotated[float, msgspec.Meta(gt=0)]

ENCODE_GRAPH = "encode"
"""Graph of a band beside ``decode``: states ``(batch, steps, 4)`` to ``mean`` and
``log_variance``. ``decode`` has an output for each track: probabilities ``(batch, steps, 130)``."""


class TrackSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One track over the corpus.

    Attributes:
        name: One of :data:`streamer.families.bands.tracks.TRACKS`.
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
        factors: Directions in which the components vary together
            (:mod:`streamer.families.bands.scatter`), each of as many components; none where each
            varies for itself.
    """

    name: str
    petal: Annotated[int, msgspec.Meta(ge=0, le=1024)]
    windows: Annotated[int, msgspec.Meta(ge=0, le=MOST_COUNTED)]
    bpm: tuple[_Tempo, _Tempo, _Tempo]
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
        tracks: In the order of :data:`streamer.families.bands.tracks.TRACKS`.
        genres: In the order in which they lie around the flower; may be empty.
    """

    prior: Literal["flower", "normal"]
    petals: Annotated[int, msgspec.Meta(ge=1, le=1024)]
    radial_sd: _Above
    other_sd: _Above
    tracks: list[TrackSpec]
    genres: list[GenreSpec] = []

    def flower(self, latent: int) -> Flower:
        """Return the flower in ``latent`` dimensions."""
        return Flower(latent, self.petals, self.radial_sd, self.other_sd)


def bands_of(manifest: Manifest) -> BandSpec | None:
    """Return what a manifest says of its band; None where it says nothing."""
    return manifest.part("bands", BandSpec)


def problems(manifest: Manifest, codec: Codec) -> list[str]:
    """Return what keeps a bundle of a band from being played, a line for each."""
    shared = sectionspec.problems(manifest, codec)
    return [*shared, *_band_problems(manifest), *_graph_problems(manifest, codec)]


def _graph_problems(manifest: Manifest, codec: Codec) -> list[str]:
    """Its graphs write and read the states of the codec."""
    section, band = sectionspec.section_of(manifest), codec_as(codec, BandCodec)
    if section is None:
        return []
    latent: list[int | str] = ["batch", section.latent]
    states: list[int | str] = ["batch", band.steps, STATES]
    wanted: dict[str, dict[str, list[int | str]]] = {
        sectionspec.DECODE_GRAPH: {"z": latent, **dict.fromkeys(TRACKS, states)},
        ENCODE_GRAPH: {"states": ["batch", *band.shape], "mean": latent, "log_variance": latent},
    }
    return [
        line
        for graph in manifest.graphs
        if graph.name in wanted
        for line in shape_problems(graph, wanted[graph.name])
    ]


def _band_problems(manifest: Manifest) -> list[str]:
    spec, section = bands_of(manifest), sectionspec.section_of(manifest)
    if spec is None:
        return ["a band needs the part bands"]
    latent = None if section is None else section.latent
    problems = []
    if tuple(track.name for track in spec.tracks) != TRACKS:
        problems.append(f"bands.tracks must be {', '.join(TRACKS)}")
    names = [genre.name for genre in spec.genres]
    if len({*names}) != len(names):
        problems.append("bands.genres must have names of their own")
    for genre in spec.genres:
        if genre.petal >= spec.petals:
            problems.append(f"genre {genre.name}: petal must be in range 0..{spec.petals - 1}")
        if len(genre.programs) != len(TRACKS) or len(genre.notes_per_beat) != len(TRACKS):
            problems.append(f"genre {genre.name} needs figures of {len(TRACKS)} tracks")
        if len(genre.mean) != latent or len(genre.variance) != latent:
            problems.append(f"genre {genre.name} needs mean and variance of {latent} components")
        if any(len(factor) != latent for factor in genre.factors):
            problems.append(f"genre {genre.name} needs factors of {latent} components")
    return problems
