"""Generators: what all families share on the way from a model's output to a phrase.

:class:`Generator` is what the stream asks for phrases, whichever family is behind it;
:class:`Chooser` filters and ranks K candidates and commits one; :class:`Performer` lays what was
committed one after the other. In: candidates. Out: phrases, and figures of what was drawn and
dropped. Threads: one, the generator's; others may read the figures.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.generators.base import (
        LEAST_MS,
        ChannelMixer,
        Choosing,
        Generator,
        Listener,
        Opened,
        Turns,
        onset_within,
    )
    from streamer.generators.choosing import Candidates, Choice, Chooser
    from streamer.generators.performer import Performer
    from streamer.generators.sections import WindowSettings, step_angle, window_settings
    from streamer.generators.sectionspec import ANSWER_GRAPH, DECODE_GRAPH, WindowSpec
    from streamer.generators.stats import GenerationStats, Playing
    from streamer.generators.styles import moved_share
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        base="LEAST_MS ChannelMixer Choosing Generator Listener Opened Turns onset_within",
        choosing="Candidates Choice Chooser",
        performer="Performer",
        sections="WindowSettings step_angle window_settings",
        sectionspec="ANSWER_GRAPH DECODE_GRAPH WindowSpec",
        stats="GenerationStats Playing",
        styles="moved_share",
    )

__all__ = [
    "ANSWER_GRAPH", "DECODE_GRAPH", "LEAST_MS", "Candidates", "ChannelMixer", "Choice",
    "Chooser", "Choosing", "GenerationStats", "Generator", "Listener", "Opened", "Performer",
    "Playing", "Turns", "WindowSettings", "WindowSpec", "moved_share", "onset_within", "step_angle",
    "window_settings",
]  # fmt: skip
