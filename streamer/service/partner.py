"""The machine's part in a duet: what a person plays goes into the model, what it draws is heard.

In: a :class:`streamer.control.duet.Duet`, which knows whose turn it is, and the notes of the
person. Out: the model's state, filled while they play; phrases in the buffer when the machine takes
over; silence at once when it does not, with all forgotten that nobody has heard.

A note of the person is taken into the model's terms: as far apart and as long as the stream's own
ms are, with transposition and loudness of the controls taken off. One that was still held when it
was taken in is taken in again with its true length, as soon as the person is silent.

Threads: the generator's; :meth:`Partner.let_go` and :meth:`Partner.obey` may be called by any, and
return at once.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from streamer.control.duet import Duet, Phase, Played
from streamer.control.shadow import Shadow
from streamer.live.buffer import RollingBuffer, until
from streamer.live.scheduler import Scheduler
from streamer.music.notes import ARGUMENTS, Note, Phrase
from streamer.pipeline import Source
from streamer.service.accounts import Forgotten, Loose
from streamer.service.duetguard import objection
from streamer.service.noting import Noting
from streamer.service.turns import TurnWriting
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.duet import DuetControls
from streamer.system.clock import Clock

logger = logging.getLogger(__name__)

LEAD_SECONDS = 0.01
"""The first note of a turn leaves so long after it is drawn: the scheduler has to look."""

OPENING_MS = 1.0
"""The rest with which a stream begins in which the person plays first."""

LEAST_ANSWER_SECONDS = 1.0
"""An answer is so long at least."""

ANSWER_SECONDS = 8.0
"""And so long where nothing was played that it could answer."""

ENDING_SHARE = 0.25
"""An answer ends in the longest rest within this share of its length from where it should."""

LAST_MS = 1.0
"""So long after its onset the last note of an answer counts as struck."""

MOST_OF_A_CALL = 512
"""Notes that another bundle is told, which takes over while the machine listens."""

MOST_AGAIN = 128
"""Of more notes none is taken in again for the sake of its length."""

HEARS = 0.1
"""How often it is looked what is to be accompanied, seconds."""

LOOK_SECONDS = 0.05
"""How often it is looked whether an answer is over."""

IDLE_SECONDS = 0.25
"""And whether another bundle is to take over, while the machine listens."""


class Partner:
    """Plays a duet; see the module.

    Args:
        buffer: Where phrases are put.
        writing: Puts them there; its source draws, and takes in what is heard.
        controls: Live.
        scheduler: Sends them.
        clock: Time.
        hears: Whether an input is heard.

    Attributes:
        duet: Whose turn it is.
    """

    def __init__(
        self,
        *,
        buffer: RollingBuffer,
        writing: TurnWriting,
        controls: LiveControls,
        scheduler: Scheduler,
        clock: Clock,
        hears: Callable[[], bool] = lambda: True,
    ) -> None:
        self._buffer, self._writing, self._controls = buffer, writing, controls
        self._scheduler, self._clock, self._hears = scheduler, clock, hears
        self.duet = Duet(self._possible(controls.snapshot()), self.let_go)
        self._shadow = Shadow(self._possible(controls.snapshot()), scheduler.along.send)
        self._noting = Noting(scheduler.along.note)
        self._writing.finish = self._finish
        self._playing = self.duet.phase is Phase.OFF
        self._opened = self._all_written = False
        self._forgotten: Forgotten | None = None
        self._at: float | None = None
        self._loose = Loose()
        self._ends_ms: float | None = None
        self._answer_ms = 0.0
        self._known = writing.source
        self._call: deque[Played] = deque(maxlen=MOST_OF_A_CALL)

    @property
    def _source(self) -> Source:
        return self._writing.source

    def _possible(self, controls: Controls) -> Controls:
        """Return the controls, without a duet that what plays cannot play."""
        mode = controls.of(DuetControls).duet
        if objection(mode, self._source, hears=self._hears()):
            return controls.with_changes({"duet": "off"})
        return controls

    def obey(self, controls: Controls) -> None:
        """Obey these controls; any thread."""
        possible = self._possible(controls)
        self.duet.obey(possible)
        self._shadow.obey(possible)
        self._buffer.rouse()

    def hear(self, message: bytes, at: float) -> None:
        """Take in what a person plays (:meth:`streamer.control.duet.Duet.hear`); input's thread."""
        self.duet.hear(message, at)
        self._shadow.hear(message)
        self._noting.hear(message, wanted=self.duet.mode != "off")

    def close(self) -> None:
        """End every wait, and in the notes what the person has not ended; when all is silent."""
        self._noting.end()
        self.duet.close()

    def let_go(self, turn: int, cut: bool) -> None:
        """Let nothing more be heard of what is written; any thread."""
        now = self._clock.now()
        place_ms, phrases = self._buffer.forget(now, turn)
        self._scheduler.let_go(cut=cut)
        if self._forgotten is None:
            self._forgotten = Forgotten(now, place_ms, phrases)

    def wait(self) -> bool:
        """Wait until a phrase is to be drawn; return False when the buffer is closed."""
        while not self._buffer.closed:
            if self.look():
                return not self._buffer.closed
            phase, now = self.duet.phase, self._clock.now()
            if phase is Phase.ALONG:
                self._buffer.wait_for_space(min(self._writing.seconds_left() or HEARS, HEARS))
            elif phase is Phase.OFF or (phase is Phase.PLAYING and not self._all_written):
                self._buffer.wait_for_space(self._writing.seconds_left())
            elif phase in (Phase.LISTENING, Phase.PLAYING):
                due = self.duet.due() if phase is Phase.LISTENING else now + LOOK_SECONDS
                # What is due already waits for music that is held.
                due = min(due, now + IDLE_SECONDS) if due > now else now + LOOK_SECONDS
                self._clock.wait_until(due, self.duet.moved)
                self.duet.moved.clear()
        return False

    def look(self) -> bool:
        """Do what is due, short of drawing; return whether a phrase is to be drawn now."""
        self._source.let_go()
        if self._controls.snapshot().of(DuetControls).duet_now:
            self._controls.update(duet_now=False)
        if self._writing.source is not self._known:
            self._meet()
        now = self._clock.now()
        phase, turn = self.duet.look(now, held=self._scheduler.held)
        self._writing.turn = turn
        if phase is Phase.YIELDING:
            self._go_back(turn)
        elif phase in (Phase.LISTENING, Phase.THINKING) and self._writing.adopt():
            self._meet()
        elif phase is Phase.LISTENING:
            self._listen(now)
        elif phase is Phase.THINKING:
            return True
        elif phase is Phase.PLAYING and self._all_written:
            if self._buffer.seconds_ahead() <= 0.0:
                self._end(turn)
        else:
            if phase is Phase.ALONG:
                self._accompany(now)
            due = self._writing.coming is not None or self._writing.seconds_left() == 0.0
            return due or self._buffer.has_space
        return False

    def _accompany(self, now: float) -> None:
        """Take in what the person plays while the machine does."""
        played, listener = self.duet.take(now), self._source.listener
        if played and listener is not None:
            self._hear(played, now)
            if listener.follow():
                self._writing.refresh()

    def _meet(self) -> None:
        """Let another source than before hear what has been played since the machine did."""
        self._known = self._source
        self._loose.clear()
        controls = self._controls.snapshot()
        self.obey(controls)
        if problem := objection(controls.of(DuetControls).duet, self._source, hears=self._hears()):
            logger.warning("it plays by itself: %s", problem)
        call, self._at = [*self._call], None
        self._hear(call, self._clock.now())

    def write(self) -> None:
        """Draw a phrase and put it in place; the first of a turn begins at once.

        Raises:
            EngineError: The model cannot be run.
        """
        if self.duet.phase is Phase.THINKING:
            self._take_over()
        else:
            self._writing.write()

    def _take_over(self) -> None:
        """Begin the machine's turn."""
        now, rate, end, at = self._clock.now(), self._buffer.rate, self._source.mark(), self._at
        turn, call_seconds = self._writing.turn or 0, self.duet.call_seconds
        last = self.duet.take_all()
        self._call.extend(last)
        self._hear(last, now)
        silent = 0.0 if self._at is None else max(now - self._at, 0.0)
        if self._source.listener is not None:
            self._source.listener.rest(silent * 1000.0 * rate)
        self._all_written, self._ends_ms = False, None
        if self.duet.mode == "trade":
            seconds = max(call_seconds, LEAST_ANSWER_SECONDS) if call_seconds else ANSWER_SECONDS
            self._answer_ms = seconds * 1000.0 * rate
            self._ends_ms = self._buffer.place_ms(now) + self._answer_ms
        self._loose.clear()
        if self._writing.begin(LEAD_SECONDS) is None:
            self._source.go_back(end)
            self._at = at
            return
        self._playing, self._at = True, None
        self._call.clear()
        self.duet.begun(turn)

    def _finish(self, phrase: Phrase) -> Phrase:
        """Return what of a phrase is written: an answer ends where there is a rest."""
        if self._ends_ms is None or self.duet.mode != "trade":
            return phrase
        place_ms = ending_of(phrase, self._ends_ms, ENDING_SHARE * self._answer_ms)
        if place_ms is None:
            return phrase
        self._all_written = True
        if place_ms < phrase.end_ms and self._source.cut(self._source.trail, phrase, place_ms):
            return until(phrase, place_ms)
        return phrase

    def _end(self, turn: int) -> None:
        """End the machine's turn: all is said, and has been heard."""
        now = self._clock.now()
        self._scheduler.let_go()
        self._all_written = False
        self._stand(now, self._buffer.place_ms(now))
        self.duet.over(turn)

    def _go_back(self, turn: int) -> None:
        """Let the model's state be what has been heard."""
        forgotten, self._forgotten = self._forgotten, None
        self._all_written = False
        if forgotten is not None:
            place_ms = forgotten.place_ms
            written = [(phrase, before) for phrase, before in forgotten.phrases if before]
            for source in (self._source, *(before.source for _, before in written)):
                source.unshelve(place_ms)
            for phrase, before in written:
                if before.source is not self._source:
                    continue
                if phrase.start_ms >= place_ms:
                    self._source.go_back(before.mark)
                    break
                if self._source.cut(before.trail, phrase, place_ms):
                    break
            self._stand(forgotten.at, place_ms)
        self.duet.yielded(turn)

    def _stand(self, now: float, place_ms: float) -> None:
        """Take note of when the place was heard from which the source goes on."""
        if self._playing:
            self._playing = False
            passed_ms = max(place_ms - self._source.performer.mark()[0], 0.0)
            self._at = now - passed_ms / (1000.0 * self._buffer.rate)

    def _listen(self, now: float) -> None:
        """Take in what the person plays."""
        if not self._opened:
            self._open()
        played = self.duet.take(now)
        if played:
            self._call.extend(played)
            self._hear(played, now)
        elif self._loose.is_known and self.duet.is_silent:
            self._source.go_back(self._loose.mark)
            self._at, again = self._loose.at, self._loose.played
            self._loose.clear()
            self._hear(again, now)

    def _open(self) -> None:
        """Let the stream's time run before anything is written in it."""
        self._opened = True
        if self._source.performer.mark()[0] == 0.0:
            nothing = np.zeros((0, len(ARGUMENTS)), dtype=np.float32)
            self._source.performer.rest(OPENING_MS)
            self._buffer.put(Phrase((), nothing, 0.0, OPENING_MS))

    def _hear(self, played: Sequence[Played], now: float) -> None:
        """Take in notes, each as long as it is by now."""
        listener = self._source.listener
        if not played or listener is None:
            return
        at = played[0].at if self._at is None else self._at
        if len(self._loose.played) > MOST_AGAIN:
            self._loose.clear()
        unknown = listener.counts_length and any(one.until is None for one in played)
        if unknown and self._loose.mark is None:
            self._loose.mark, self._loose.at = self._source.mark(), at
        if self._loose.mark is not None:
            self._loose.played += played
        controls, per_second = self._controls.snapshot(), 1000.0 * self._buffer.rate
        notes = [
            Note(
                pitch=one.key[1] - controls.transpose,
                onset_ms=max(one.at - at, 0.0) * per_second,
                duration_ms=max(one.seconds(now) * per_second, 1.0),
                velocity=min(max(round(one.velocity / controls.velocity_scale), 1), 127),
                pedal=one.pedal,
            )
            for one in played
            if 0 <= one.key[1] - controls.transpose <= 127
        ]
        if notes:
            self._at = max(at, played[-1].at)
            listener.hear(notes)


def ending_of(phrase: Phrase, ends_ms: float, about_ms: float) -> float | None:
    """Return where a phrase ends that may be the last, in ms of the stream; None for not yet.

    Args:
        phrase: As it is laid.
        ends_ms: Where the music is to end, about.
        about_ms: It may end so much sooner or later: in the longest rest.
    """
    if phrase.end_ms < ends_ms or not phrase.notes:
        return None
    onsets = [note.onset_ms for note in phrase.notes]
    rests = [
        (after - onset, onset)
        for onset, after in zip(onsets, onsets[1:], strict=False)
        if abs(onset - ends_ms) <= about_ms
    ]
    before = [onset for onset in onsets if onset <= ends_ms]
    return LAST_MS + (max(rests)[1] if rests else max(before, default=onsets[0]))
