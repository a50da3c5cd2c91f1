"""What the family tunes registers: melodies of a style, tune after tune.

Light to import: names and dotted names alone (:mod:`streamer.registry`).
"""

from __future__ import annotations

from streamer.registry import Family

_HERE = "streamer.families.tunes"

FAMILY = Family(
    name="tunes",
    about="tunes with a beginning and an end",
    models=("lm", "vae", "vrash"),
    codecs={"tune": f"{_HERE}.codec:TuneCodec"},
    kind="step",
    arguments=("pitch_class", "octave", "length"),
    tempered=True,
    parts={
        "tunes": f"{_HERE}.spec:TunesSpec",
        "classifiers": f"{_HERE}.spec:Classifiers",
        "fingerprint": f"{_HERE}.spec:FingerprintSpec",
    },
    problems=f"{_HERE}.spec:problems",
    settings={"tunes": f"{_HERE}.settings:TuneSettings"},
    open=f"{_HERE}.source:open_tunes",
    floors=f"{_HERE}.floors:floors",
    check_defaults=f"{_HERE}.source:check_defaults",
)
