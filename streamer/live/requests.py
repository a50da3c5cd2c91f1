"""What other threads ask of the scheduler: to end, to stand still, to say or play something else.

In: calls from any thread. Out: flags and queues that the scheduler looks at in its next turn, and a
wake so that the turn comes at once. No caller waits.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from dataclasses import replace

from streamer.live.beatline import BeatLine
from streamer.live.sendtime import SendTime
from streamer.midi.clock import Followed
from streamer.settings.controls import Controls
from streamer.system.clock import Wake


class Requests:
    """Requests that wait for the scheduler's thread; any thread makes them.

    Args:
        wake: Ends the scheduler's wait.
        beats: Those of the music.
    """

    def __init__(self, wake: Wake, beats: BeatLine) -> None:
        self._wake, self._beats = wake, beats
        self._rate, self._steered = 1.0, SendTime()
        self.early_seconds = 0.0
        """How much sooner than it is meant all is sent, seconds (:mod:`streamer.ports.delays`)."""
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._to_mute = frozenset[int]()
        self._stop, self._panic, self._pause, self._halt = (threading.Event() for _ in range(4))
        self._hush, self._yield, self._cut_off = (threading.Event() for _ in range(3))
        self._level = 1.0

    def stop(self) -> None:
        """End the run within a moment; what sounds is silenced by it."""
        self._stop.set()
        self._wake.set()

    def panic(self) -> None:
        """Silence everything at once, tails too; the music goes on after it."""
        self._panic.set()
        self._wake.set()

    def let_go(self, *, cut: bool = False) -> None:
        """Strike nothing more of what was taken from the buffer; the stream's time runs on.

        What sounds ends when it was to end, and the pedal comes up with it.

        Args:
            cut: End what sounds at once, and lift the pedal.
        """
        if cut:
            self._cut_off.set()
        self._yield.set()
        self._wake.set()

    def steer(self, controls: Controls) -> None:
        """Obey these controls in every note that leaves from now on, and in the speed of playing.

        What sounds keeps its key.
        """
        self._steered = SendTime.of(controls)
        self._wake.set()

    def follow(self, rate: float, *, halted: bool) -> None:
        """Obey another machine's clock: the speed of playing, and whether it stands.

        Raises:
            ValueError: ``rate`` is not above 0.
        """
        if not rate > 0:
            raise ValueError(f"rate must be above 0, not {rate}")
        if rate == self._rate and halted is self._halt.is_set():
            return
        self._rate = rate
        if halted:
            self._halt.set()
        else:
            self._halt.clear()
        self._wake.set()

    def beat(self, followed: Followed) -> None:
        """Take note of another machine's beat, on which music with beats of its own is laid."""
        self._beats.hear(replace(followed, at=followed.at - self.early_seconds))

    def put_beat(self, at: float, tempo_bpm: float) -> None:
        """Let a beat fall on a moment (:meth:`streamer.live.beatline.BeatLine.put_beat`)."""
        self._beats.put_beat(at - self.early_seconds, tempo_bpm)
        self._wake.set()

    @property
    def follows(self) -> bool:
        """Whether another machine gives the tempo."""
        return self._beats.follows

    def pause(self) -> None:
        """Silence everything and hold the music where it is."""
        self._pause.set()
        self._wake.set()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._pause.clear()
        self._wake.set()

    def dim(self, level: float) -> None:
        """Let notes be so loud from now on, 0..1 of what they are; 0 holds the music, silent.

        Raises:
            ValueError: ``level`` is out of range.
        """
        if not 0 <= level <= 1:
            raise ValueError(f"level must be in range 0..1, not {level}")
        # Held first and let go last: at level 0 notes are as loud as they are written.
        if level == 0:
            self._hush.set()
            self._level = level
        else:
            self._level = level
            self._hush.clear()
        self._wake.set()

    def mute(self, channels: frozenset[int]) -> None:
        """Let these channels be silent from now on, and no others: what sounds there ends.

        The music goes on in silence: a channel that is let go is heard from its next note on.
        """
        self._to_mute = channels
        self._wake.set()

    def tell(self, messages: Iterable[bytes]) -> None:
        """Send control or program changes now, and to each synth that comes from now on."""
        for message in messages:
            self._said.put(message)
        self._wake.set()

    @property
    def paused(self) -> bool:
        """Whether the music is held by :meth:`pause`."""
        return self._pause.is_set()

    @property
    def halted(self) -> bool:
        """Whether the music is held by another machine's Stop."""
        return self._halt.is_set()

    @property
    def hushed(self) -> bool:
        """Whether the music is held because it has faded out (:meth:`dim`)."""
        return self._hush.is_set()
