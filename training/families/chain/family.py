"""What the family chain registers with training: piano, note by note.

Light to import: names and dotted names alone (:mod:`training.family`).
"""

from __future__ import annotations

from training.family import CorpusKind, ModelKind, Span, StudyKind, TrainingFamily

_HERE = "training.families.chain"

FAMILY = TrainingFamily(
    name="chain",
    models=(
        ModelKind(
            name="chain",
            about="chained LSTMs that sample one argument of a note after the other",
            trainable=f"{_HERE}.trainable:CHAIN",
            space={
                "model.hidden": Span(64, 256),
                "model.layers": Span(1, 3),
                "model.dropout": Span(0.0, 0.4, step=0),
                "loop.learning_rate": Span(5e-4, 1e-2, step=0, logarithmic=True),
            },
        ),
    ),
    corpus=CorpusKind(
        name="pieces",
        about="piano pieces, all tracks but the drums as one part",
        type=f"{_HERE}.tensors:TensorSet",
        prepare=f"{_HERE}.preparing",
        tiny=f"{_HERE}.tiny:tiny_pieces",
    ),
    studies=(
        StudyKind(
            name="chain",
            about="likelihood, attention and entropy of a checkpoint; the stream of a bundle",
            module="training.studies.chain.verb",
        ),
        StudyKind(
            name="ear",
            about="what a bundle's ear hears, does and costs",
            module="training.studies.chain.ear",
        ),
        StudyKind(
            name="controls",
            about="whether what is asked of a stream is heard, and nothing else with it",
            module="training.studies.chain.controls",
        ),
        StudyKind(
            name="playable",
            about="restrikes, notes of no length and chords: what two hands can do",
            module="training.studies.chain.playable",
        ),
    ),
)
