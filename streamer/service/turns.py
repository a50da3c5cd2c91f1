"""Writing where turns are taken with a person: a turn begins at once, in the midst of a rest.

In: a source that has been silent, or another that is to take over. Out: a first phrase in the
buffer, from now on. Thread: the generator's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamer.music.notes import Phrase
from streamer.pipeline import Source
from streamer.service.following import Before
from streamer.service.writing import FIRST_CANDIDATES, FIRST_PHRASE_NOTES, Writing


class TurnWriting(Writing):
    """Fills a buffer in turns; else as :class:`streamer.service.writing.Writing`.

    Args:
        args: As of that.
        heard: Returns the source that is heard.
        more: As of that.
    """

    def __init__(self, *args: Any, heard: Callable[[], Source], **more: Any) -> None:
        super().__init__(*args, **more)
        self._heard = heard

    def refresh(self) -> None:
        """Let what is written be drawn again, soon: what it is drawn by has changed."""
        self._obeyed = None

    def adopt(self) -> bool:
        """Let a source that is about to take over do so in silence; return whether there is one.

        It is heard from :meth:`begin` on.
        """
        coming = self.coming
        if coming is None:
            return False
        self._go_on_with(coming, self._wanted, 0.0, [])
        return True

    def begin(self, lead_seconds: float) -> Phrase | None:
        """Draw a first phrase that begins now, where nothing is written ahead, and put it in place.

        It is short, and drawn few times, so that it is heard soon.

        Args:
            lead_seconds: From when it is drawn until it begins.

        Returns:
            The phrase; None where its turn is over meanwhile, or the buffer is closed. Then the
            source is as it was.

        Raises:
            EngineError: The model cannot be run.
        """
        source, buffer, end = self._source, self._buffer, self._source.mark()
        self._obeyed, self._first = self._wanted, False
        source.generator.set_candidates(min(self._candidates(), FIRST_CANDIDATES))
        place_ms = max(buffer.place_ms(self._clock.now()), buffer.end_ms)
        if self._heard() is not source:  # nor will be by what was forgotten since
            self._numbers += 1
            source.begin(place_ms, self._numbers)
            self._opens(self._numbers, source)
        else:
            source.performer.rest(place_ms)
        mark, place = source.mark(), source.place(source.look())
        phrase = source.next_phrase(FIRST_PHRASE_NOTES)
        trail = source.trail
        later_ms = buffer.place_ms(self._clock.now(), lead_seconds) - phrase.start_ms
        phrase, mark = source.put_off(phrase, mark, max(later_ms, 0.0))
        phrase = self.finish(phrase)
        before = Before(source, mark, trail, place)
        if buffer.closed or not buffer.put(phrase, before, self.turn):
            source.go_back(end)
            return None
        self._tell([(phrase, before)])
        return phrase
