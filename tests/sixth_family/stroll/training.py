"""What the family registers with training: a model, its corpus, a study."""

from training.family import CorpusKind, ModelKind, Span, StudyKind, TrainingFamily

FAMILY = TrainingFamily(
    name="stroll",
    models=(
        ModelKind(
            name="stroll",
            about="a table of which key follows which",
            trainable="stroll.model:STROLL",
            space={"model.sharpness": Span(0.5, 2.0, step=0)},
        ),
    ),
    corpus=CorpusKind(
        name="strolls",
        about="top lines of MIDI files, key after key",
        type="stroll.corpus:StrollSet",
        prepare="stroll.corpus",
        tiny="stroll.corpus:tiny_strolls",
    ),
    studies=(StudyKind(name="stroll", about="how even the model is", module="stroll.study"),),
    presets="stroll:presets",
)
