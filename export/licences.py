"""What may be done with weights, from what they were trained on.

In: the corpora of a checkpoint with the licences that their files state. Out: the collections with
attributions, and the licence of the weights: the strictest that any of them asks for. What it
cannot tell it says, and never guesses something freer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.bundle.manifest import Source

NON_COMMERCIAL, SHARE_ALIKE, ATTRIBUTION = "CC-BY-NC-SA-4.0", "CC-BY-SA-4.0", "CC-BY-4.0"
UNKNOWN = "LicenseRef-unknown"

_KNOWN: dict[str, tuple[str, str]] = {
    "asap-performances": (
        "CC BY-NC-SA 4.0",
        "ASAP dataset, F. Foscarin and others, github.com/fosfrancesco/asap-dataset; "
        "performances of the Yamaha e-Piano Competition, in part by way of MAESTRO",
    ),
    "piano-midi-de": (
        "CC BY-SA 3.0 DE",
        "Classical Piano Midi Page, Bernd Krueger, www.piano-midi.de",
    ),
    "giantmidi-sample": (
        "CC BY 4.0",
        "GiantMIDI-Piano, Q. Kong and others, ByteDance, github.com/bytedance/GiantMIDI-Piano",
    ),
    "pop909": (
        "MIT",
        "POP909, Z. Wang and others, github.com/music-x-lab/POP909-Dataset",
    ),
    "mutopia": ("per file", "The Mutopia Project and its contributors, www.mutopiaproject.org"),
    "bach": (
        "per file",
        "The Mutopia Project and its contributors, www.mutopiaproject.org; works by J. S. Bach",
    ),
    "jazz": (
        "ODbL 1.0",
        "Weimar Jazz Database, The Jazzomat Research Project, M. Pfleiderer and others, "
        "jazzomat.hfm-weimar.de; contents under DbCL 1.0, made available here under the ODbL",
    ),
    "nottingham": (
        "GPL 3.0",
        "Nottingham Music Database, E. Foxley and others; cleaned by jukedeck",
    ),
    "multitrack-free": (
        "per file",
        "Game music of the Freedoom (BSD-3-Clause, contributors of Freedoom), Simutrans (Artistic "
        "License) and EasyRPG RTP (CC BY 4.0) projects and their composers, named in the corpus",
    ),
    "multitrack-mma-synthetic": (
        "made for this project",
        "Accompaniments played by MMA (B. van der Poel, mellowood.ca/mma); its GPL is that of the "
        "program and its grooves, and its manual says nothing of what it plays; chords in part of "
        "POP909 (MIT)",
    ),
    "beethoven-piano": ("per file", "Editors of Beethoven's piano works, named in the corpus"),
}
"""Licence and attribution of the corpora that this project was made with, by folder name."""

# Weights are a work produced from a database, not the database: of such a work the ODbL (4.3) asks
# for a notice that names it, which the table of sources is.
_FREE = (
    "cc0", "public domain", "mit", "bsd", "apache", "isc", "odbl", "artistic",
    "made for this project",
)  # fmt: skip

NOTICES = {
    NON_COMMERCIAL: "Not for commercial use; share under the same terms, and name the sources.",
    SHARE_ALIKE: "Free to use, also for money; share under the same terms, and name the sources.",
    ATTRIBUTION: "Free to use; name the sources.",
    UNKNOWN: "The licence of at least one source is not known, or does not say what becomes of "
    "weights: do not pass them on.",
}


def sources_of(corpus: Mapping[str, Any]) -> list[Source]:
    """Return the collections of a checkpoint.

    Args:
        corpus: Name to ``{"pieces", "notes", "licences"}``, as training notes it.
    """
    found = []
    for name, row in sorted(corpus.items()):
        known, attribution = _KNOWN.get(name, ("", ""))
        stated = ", ".join(sorted(row.get("licences", [])))
        licence = known if known not in ("", "per file") else stated or "unknown"
        found.append(
            Source(name, licence, attribution, int(row.get("pieces", 0)), int(row.get("notes", 0)))
        )
    return found


def weights_licence(sources: list[Source]) -> str:
    """Return the licence that the sources together leave for the weights."""
    texts = [
        part.strip().lower().replace("-", " ")
        for source in sources
        for part in (source.licence.split(",") or [""])
    ]
    if not texts:
        return UNKNOWN
    kinds = {_kind(text) for text in texts}
    for kind in (UNKNOWN, NON_COMMERCIAL, SHARE_ALIKE):
        if kind in kinds:
            return kind
    return ATTRIBUTION


def _kind(text: str) -> str:
    if " nc" in f" {text}" or "noncommercial" in text or "non commercial" in text:
        return NON_COMMERCIAL
    if "by sa" in text:
        return SHARE_ALIKE
    if "cc by" in text or any(text.startswith(free) for free in _FREE):
        return ATTRIBUTION
    return UNKNOWN
