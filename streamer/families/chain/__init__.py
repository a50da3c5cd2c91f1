"""Chain: expressive piano, note after note, from chained LSTMs.

In: a bundle of family ``chain``, settings, live controls. Out: a :class:`StepGenerator`, which
draws candidate phrases of some thirty notes, chooses one, and goes on from its state. With it: the
codec between notes and classes (:class:`ChainCodec`), steering by controls, recall of figures, and
the feedback that keeps an endless stream like its corpus. One thread, the generator's.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.families.chain.codec import (
        ChainCodec,
        fitted_codec,
        normalised_entropy,
        published_codec,
    )
    from streamer.families.chain.continuity import with_velocity
    from streamer.families.chain.drawing import StepSettings
    from streamer.families.chain.generator import StepGenerator
    from streamer.families.chain.settings import RecallSettings
    from streamer.families.chain.source import open_chain, step_settings
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        codec="ChainCodec fitted_codec normalised_entropy published_codec",
        continuity="with_velocity",
        drawing="StepSettings",
        generator="StepGenerator",
        settings="RecallSettings",
        source="open_chain step_settings",
    )

__all__ = [
    "ChainCodec", "RecallSettings", "StepGenerator", "StepSettings", "fitted_codec",
    "normalised_entropy", "open_chain", "published_codec", "step_settings", "with_velocity",
]  # fmt: skip
