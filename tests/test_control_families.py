"""A control is obeyed by the families that its declaration names, and by no other."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from streamer.control.bindings import value_of
from streamer.music.notes import Note, Phrase, to_array
from streamer.pipeline import open_source
from streamer.settings.controls import MOMENTARY, Controls, LiveControls, control_specs
from streamer.settings.settings import ModelSettings, Settings
from tests.bandbundles import write_tiny_band_bundle
from tests.bundles import (
    write_tiny_bundle,
    write_tiny_draw_bundle,
    write_tiny_query_bundle,
    write_tiny_tunes_bundle,
)
from tests.midifiles import write_midi

MODELS = {
    "chain": ("chain", write_tiny_bundle, None),
    "chain, asked": ("chain", partial(write_tiny_bundle, asked=True), None),
    "vrash": ("tunes", write_tiny_tunes_bundle, "bach:0.7,jazz:0.3"),
    "draw": ("windows", write_tiny_draw_bundle, None),
    "query": ("windows", write_tiny_query_bundle, None),
    "musae": ("bands", write_tiny_band_bundle, "jazz:0.6,rock:0.4"),
}
"""A model of each family: the family, a tiny bundle of it, its styles."""

BESIDE: dict[str, dict[str, Any]] = {
    "root": {"scale": "major"},
    "scale_lock": {"scale": "major"},
    "again_bars": {"again": 1.0},
    "chord_strength": {"chords": "Am F C G"},
}
"""What must be set for a control to be heard at all."""

MOVED = {
    "recall": 0.0,
    "scale_lock": 0.0,
    "style_mix": 1.0,
    "low": 60,
    "high": 60,
    "scale": "lydian",
    "bits": 0,
    "steadiness": 1.0,
    "chords": "Am F C G",
    "keys": "F#",
}
"""Where a low position of a knob changes nothing, or cannot stand alone."""

BUFFER = ("lead", "candidates", "taste")
"""How far ahead is written, among how many phrases is chosen, and to whose taste (where nobody has
one: tests/streamer/test_taste.py): no note need differ for them."""

WRITTEN = [
    name
    for name, spec in control_specs().items()
    if spec.declared.path == "redraw" and name not in (*BUFFER, *MOMENTARY)
]
PHRASES = 6


class Streams:
    """Plays tiny bundles under controls, each once."""

    def __init__(self, folder: Path) -> None:
        self._paths = {name: write(folder / name).path for name, (_, write, _) in MODELS.items()}
        self._query = folder / "query.mid"
        notes = [Note(60 + i % 12, i * 250.0, 240.0, 80) for i in range(64)]
        write_midi(self._query, to_array(notes))
        self._plain: dict[tuple[str, str], list[Phrase]] = {}

    def plain(self, model: str, name: str) -> list[Phrase]:
        """Return what is played where the control is as it is by default."""
        beside = BESIDE.get(name, {})
        key = (model, str(beside))
        if key not in self._plain:
            self._plain[key] = self.played(model, beside)
        return self._plain[key]

    def played(self, model: str, controls: dict[str, Any]) -> list[Phrase]:
        """Return phrases of a bundle under controls."""
        wanted = ModelSettings(
            model=str(self._paths[model]),
            seed=3,
            phrase_notes=12,
            style=MODELS[model][2],
            query=self._query if model == "query" else None,
        )
        live = LiveControls(Controls.from_values(controls))
        source = open_source(settings=Settings(model=wanted), controls=live)
        return [source.next_phrase() for _ in range(PHRASES)]


@pytest.fixture(scope="module")
def streams(tmp_path_factory) -> Streams:
    return Streams(tmp_path_factory.mktemp("bundles"))


def obeying(streams: Streams, name: str) -> set[str]:
    """Return the families of which a model plays otherwise when the control is moved."""
    value = MOVED.get(name, value_of(name, 10))
    moved = {**BESIDE.get(name, {}), name: value}
    return {
        family
        for model, (family, _, _) in MODELS.items()
        if [phrase.notes for phrase in streams.plain(model, name)]
        != [phrase.notes for phrase in streams.played(model, moved)]
    }


@pytest.mark.parametrize("name", WRITTEN)
def test_the_families_that_are_named_obey_and_no_other(name, streams):
    named = control_specs()[name].families or {family for family, _, _ in MODELS.values()}
    assert {*named} == obeying(streams, name)
