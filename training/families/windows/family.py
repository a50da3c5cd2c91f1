"""What the family windows registers with training: sections and bars as piano rolls.

Light to import: names and dotted names alone (:mod:`training.family`).
"""

from __future__ import annotations

from training.family import CorpusKind, ModelKind, Span, StudyKind, TrainingFamily

_HERE = "training.families.windows"

FAMILY = TrainingFamily(
    name="windows",
    models=(
        ModelKind(
            name="draw",
            about="a recurrent network that writes a section on a canvas in several passes",
            trainable=f"{_HERE}.trainable:DRAW",
            # Table I of [Sabathe2017]; its chunk of 64 to 160 steps in eights is 8 to 20 beats of
            # eight.
            space={
                "data.beats": Span(8, 20),
                "model.latent": Span(5, 1000),
                "model.passes": Span(3, 75),
                "model.hidden": Span(128, 1024),
            },
            judge=f"{_HERE}.judge:judge_signature",
        ),
        ModelKind(
            name="query",
            about="a variational autoencoder of one bar that answers a query",
            trainable=f"{_HERE}.trainable:QUERY",
            space={
                "model.hidden": Span(128, 1024),
                "model.layers": Span(1, 3),
                "model.latent": Span(8, 256),
                "model.kl_weight": Span(0.05, 2.0, step=0, logarithmic=True),
            },
        ),
    ),
    corpus=CorpusKind(
        name="scores",
        about="pieces in beats and bars, whatever their tempo",
        type=f"{_HERE}.scoreset:ScoreSet",
        prepare=f"{_HERE}.preparing",
        tiny=f"{_HERE}.tiny:tiny_scores",
    ),
    studies=(
        StudyKind(
            name="draw",
            about="distances of what DRAW writes from the corpus",
            module="training.studies.windows.draw_verb",
        ),
        StudyKind(
            name="query",
            about="answers over the bits of the channel, motifs, information rate",
            module="training.studies.windows.query_verb",
        ),
    ),
)
