"""The stream without a clock: rendering to a file, and its picture.

In: settings. Out: a ``.mid`` file and a report (``streamer.offline.render``), and a piano roll
(:func:`draw_roll`). The scheduler is the one that plays live, run on a :class:`LeapingClock`: what
is written is what would have been played. One thread.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.offline.playout import LeapingClock, play_out
    from streamer.offline.render import report
    from streamer.offline.roll import draw_roll, roll_picture
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        playout="LeapingClock play_out",
        render="report",
        roll="draw_roll roll_picture",
    )

__all__ = ["LeapingClock", "draw_roll", "play_out", "report", "roll_picture"]
