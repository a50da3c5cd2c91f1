"""The way out: messages to a port that may go and come, and the table of what sounds there.

In: messages with their place in the music. Out: the same at the port, no faster than its cable
carries, and a table of sounding notes that is never behind it. The scheduler's thread alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from streamer.live.pacing import Pacer
from streamer.live.tape import Tape
from streamer.midi.messages import CONTROL_PEDAL, control, note_off
from streamer.midi.sounding import FORGOTTEN_SECONDS, Key, SoundingTable, insist
from streamer.ports.base import Port, PortLost
from streamer.system.clock import Clock

logger = logging.getLogger(__name__)

_DOUBTED = -1
"""No port has this epoch."""


class Sender:
    """Sends to a port and keeps the book of what sounds.

    Args:
        port: Where messages go; it is not closed here.
        clock: Time.
        pacer: How fast messages may follow each other.
        table: What sounds; what is in it already is silenced first.
        now_ms: The present as a place in the music, ms.
        flush: Lets no output be behind when all was silenced.

    Attributes:
        table: As given.
        tape: Where each place lies as heard, for ports that write down what they get.
        owners: The event that each key belongs to that is down, by its serial number.
        epoch: That of the port when it was last met; 0 for no port.
        port_losses: Times that the port went away.
    """

    def __init__(
        self,
        port: Port,
        clock: Clock,
        pacer: Pacer,
        table: SoundingTable,
        now_ms: Callable[[], float],
        flush: Callable[[], object] = lambda: None,
    ) -> None:
        self._port, self._clock, self._pacer, self._now_ms = port, clock, pacer, now_ms
        self.table, self.tape, self._flush = table, Tape(), flush
        self.owners: dict[Key, int] = {}
        self.epoch = self.port_losses = 0
        table.use(0)

    def meet(self, epoch: int, greeting: Iterable[bytes]) -> None:
        """Meet a port that went, came, or came back since the last look at it.

        What the one before it may sound is silenced.

        Args:
            epoch: Of the port now; 0 for none.
            greeting: What a synth is told when it comes.
        """
        if self.epoch and not epoch:
            self.port_losses += 1
            logger.warning("port %s is gone; waiting for it", self._port.name)
        elif epoch:
            logger.info("playing to %s", self._port.name)
        if self.epoch:
            self._doubt()
        self.silence()
        self.epoch = epoch
        if epoch:
            self.insist(greeting)

    def doubt_if_away(self) -> bool:
        """Whether the port has been away since the last look: what was released may sound yet."""
        away = self._port.epoch != self.epoch
        if away:
            self._doubt()
        return away

    def _doubt(self) -> None:
        """Count as sounding what the port may not have heard the end of."""
        self.table.doubt(self._clock.now() - FORGOTTEN_SECONDS)

    def send(self, message: bytes, at_ms: float) -> bool:
        """Send one message and keep the book; a port that is gone is met at the next turn.

        Args:
            message: One MIDI message.
            at_ms: Its place in the music.

        Returns:
            Whether it left.
        """
        if self._pacer.limits:
            self._clock.wait_until(self._pacer.free_at, threading.Event())
            self._pacer.occupy(message, self._clock.now())
        self.table.before(message)
        try:
            self._port.send(message, self.tape.heard_ms(at_ms))
        except PortLost as error:
            logger.debug("not sent: %s", error)
            if self._port.epoch:
                # Back already, or it never was away: what it has heard is not certain any more.
                self.epoch = _DOUBTED
            return False
        self.table.after(message, self._clock.now())
        return True

    def insist(self, messages: Iterable[bytes]) -> None:
        """Send messages now, whatever becomes of single ones."""
        at_ms = self._now_ms()
        insist(messages, lambda message: self.send(message, at_ms))

    def silence(self, *, panic: bool = False) -> None:
        """End everything that sounds; with ``panic`` tails too."""
        self.insist(self.table.silence(panic=panic))
        self._flush()
        self.owners.clear()

    @property
    def channels(self) -> frozenset[int]:
        """Channels on which something sounds, or the pedal is down."""
        return self.table.pedals | {channel for channel, _ in self.table.keys}

    def release(self, channels: frozenset[int]) -> None:
        """End what sounds on some channels."""
        at_ms = self._now_ms()
        for key in self.table.keys:
            if key[0] in channels:
                self.send(note_off(*key), at_ms)
                self.owners.pop(key, None)
        for channel in sorted(self.table.pedals & channels):
            self.send(control(channel, CONTROL_PEDAL, 0), at_ms)
