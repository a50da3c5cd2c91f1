"""From phrases to messages in time: rolling buffer, scheduler, beat, MIDI clock out.

In: phrases, put into a :class:`RollingBuffer` by the generator's thread. Out: messages sent to a
port when they are due, by the :class:`Scheduler` in a thread of its own, which does nothing slow
between a deadline and its send. It notes what sounds, drops what is too late, and silences
everything at the end.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.live.beatline import BeatLine
    from streamer.live.buffer import RollingBuffer
    from streamer.live.clockout import ClockSender
    from streamer.live.events import EventMaker
    from streamer.live.lateness import LatenessHistogram
    from streamer.live.scheduler import Scheduler
    from streamer.live.sendtime import SendTime
    from streamer.live.synth import Voices, fit_note
    from streamer.live.timeline import Timeline
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        beatline="BeatLine",
        buffer="RollingBuffer",
        clockout="ClockSender",
        events="EventMaker",
        lateness="LatenessHistogram",
        scheduler="Scheduler",
        sendtime="SendTime",
        synth="Voices fit_note",
        timeline="Timeline",
    )

__all__ = [
    "BeatLine", "ClockSender", "EventMaker", "LatenessHistogram", "RollingBuffer", "Scheduler",
    "SendTime", "Timeline", "Voices", "fit_note",
]  # fmt: skip
