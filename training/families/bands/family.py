"""What the family bands registers with training: songs of four tracks, with genres.

Light to import: names and dotted names alone (:mod:`training.family`).
"""

from __future__ import annotations

from training.family import CorpusKind, ModelKind, Span, StudyKind, TrainingFamily

_HERE = "training.families.bands"

FAMILY = TrainingFamily(
    name="bands",
    models=(
        ModelKind(
            name="musae",
            about="an adversarial autoencoder of four tracks with a petal for each genre",
            trainable=f"{_HERE}.trainable:MUSAE",
            space={
                "model.hidden": Span(64, 512),
                "model.layers": Span(1, 3),
                "model.latent": Span(16, 512, logarithmic=True),
                "loop.learning_rate": Span(5e-4, 1e-2, step=0, logarithmic=True),
            },
        ),
    ),
    corpus=CorpusKind(
        name="bands",
        about="songs in 4/4 as drums, bass, harmony and strings, with genres",
        type=f"{_HERE}.bandset:BandSet",
        prepare=f"{_HERE}.preparing",
        tiny=f"{_HERE}.tiny:tiny_bands",
    ),
    studies=(
        StudyKind(
            name="musae",
            about="what a checkpoint plays back, where its genres lie, what lies between",
            module="training.studies.bands.verb",
        ),
    ),
)
