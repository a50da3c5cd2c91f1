"""What the family tunes registers with training: melodies of a style.

Light to import: names and dotted names alone (:mod:`training.family`).
"""

from __future__ import annotations

from training.family import CorpusKind, ModelKind, Span, StudyKind, TrainingFamily

_HERE = "training.families.tunes"

_SPACE = {
    "model.hidden": Span(64, 512),
    "model.depth": Span(1, 5),
    "loop.learning_rate": Span(5e-4, 2e-2, step=0, logarithmic=True),
}

FAMILY = TrainingFamily(
    name="tunes",
    models=(
        ModelKind(
            name="lm",
            about="a recurrent language model of melodies, without a latent",
            trainable=f"{_HERE}.trainable:LM",
            space=_SPACE,
        ),
        ModelKind(
            name="vae",
            about="a variational autoencoder of melodies, which sees nothing but its latent",
            trainable=f"{_HERE}.trainable:VAE",
            space=_SPACE,
        ),
        ModelKind(
            name="vrash",
            about="the variational autoencoder of melodies supported by history",
            trainable=f"{_HERE}.trainable:VRASH",
            space=_SPACE,
        ),
    ),
    corpus=CorpusKind(
        name="tunes",
        about="melodic tracks, one line each, with style labels",
        type=f"{_HERE}.tuneset:TuneSet",
        prepare=f"{_HERE}.preparing",
        tiny=f"{_HERE}.tiny:tiny_tunes",
    ),
    studies=(
        StudyKind(
            name="vrash",
            about="likelihoods of lm, vae and vrash side by side; the stream of a bundle",
            module="training.studies.tunes.verb",
        ),
    ),
)
