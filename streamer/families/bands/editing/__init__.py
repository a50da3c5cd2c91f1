"""Bands made of files: interpolation between two songs, and restyling of one.

In: ``.mid`` files and a bundle that has an encoder (:func:`open_editor`). Out: a four-channel
``.mid`` file, a report, and a picture where one is wanted. Behind ``perpetuo interpolate`` and
``perpetuo restyle``. One thread, no clock.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.families.bands.editing.editor import BandEditor, likeliest, open_editor
    from streamer.families.bands.editing.figures import metrics
    from streamer.families.bands.editing.picture import PathPicture, draw_path, plotter_for
    from streamer.families.bands.editing.score import play_passages, write_score
    from streamer.families.bands.editing.walk import WALKS
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        editor="BandEditor likeliest open_editor",
        figures="metrics",
        picture="PathPicture draw_path plotter_for",
        score="play_passages write_score",
        walk="WALKS",
    )

__all__ = [
    "WALKS", "BandEditor", "PathPicture", "draw_path", "likeliest", "metrics", "open_editor",
    "play_passages", "plotter_for", "write_score",
]  # fmt: skip
