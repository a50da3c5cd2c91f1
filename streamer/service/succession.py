"""Which source is heard, which one follows it, and what synths are told between the two.

In: a first source, others as they take over, the live controls. Out: the source that is heard, the
channels that are silent, volumes, and at each opening all that synths are told from then on. What
is heard is another source than what writes for as long as the phrase in play takes.

Threads: :meth:`Succession.expect` is the generator's, :meth:`Succession.open` the scheduler's and
never waits; the others belong to any.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Protocol

from streamer.generators.base import ChannelMixer
from streamer.generators.stats import added
from streamer.pipeline import Source
from streamer.settings.controls import Controls

logger = logging.getLogger(__name__)


class Desk(Protocol):
    """What is moved of the scheduler."""

    def mute(self, channels: frozenset[int]) -> None:
        """Let these channels be silent from now on, and no others."""
        ...

    def tell(self, messages: Iterable[bytes]) -> None:
        """Send control or program changes now."""
        ...


class Succession:
    """Knows what is heard.

    Args:
        first: What is heard until another opens; all that follow have its live controls.
    """

    def __init__(self, first: Source) -> None:
        self._heard, self._controls = first, first.controls
        self._coming: dict[int, Source] = {}
        self._counted: dict[str, Any] = {}
        self._volumes = list(first.greeting)
        self._muted = False
        self._desk: Desk | None = None

    def attach(self, desk: Desk) -> None:
        """Take note of what channels are muted with."""
        self._desk = desk

    @property
    def heard(self) -> Source:
        """The source that is heard."""
        return self._heard

    def figures(self) -> dict[str, Any]:
        """Return the figures of the source that is heard, with the counts of those before it."""
        return added(self._counted, self._heard.generator.stats.to_dict())

    def expect(self, number: int, source: Source) -> None:
        """Have a source ready for its opening, which may not come: another may be in its place.

        Args:
            number: Of the opening (:attr:`streamer.music.notes.Phrase.opens`), above those before.
            source: What is heard from there on.
        """
        self._coming = {**self._coming, number: source}

    def open(self, number: int) -> list[bytes]:
        """Let a source be the one that is heard.

        Args:
            number: Of its opening.

        Returns:
            All that synths are told from now on.
        """
        found = self._coming.get(number)
        if found is not None and found is not self._heard:
            self._counted = self.figures()
            self._heard = found
        self._coming = {n: one for n, one in self._coming.items() if n > number}
        source, controls = self._heard, self._controls.snapshot()
        self._volumes = [] if source.mixer is None else source.mixer.volumes(controls)
        self._mix(source.mixer, controls)
        return source.told(controls)

    def obey(self, controls: Controls) -> None:
        """Let the tracks of what is heard be as loud as is asked for, or silent."""
        source = self._heard
        self._mix(source.mixer, controls)
        if self._heard is not source:  # another opened meanwhile, and its channels count
            self._mix(self._heard.mixer, self._controls.snapshot())

    def _mix(self, mixer: ChannelMixer | None, controls: Controls) -> None:
        if self._desk is None:
            return
        if mixer is None:
            self._desk.mute(frozenset())
            return
        self._desk.mute(mixer.muted(controls))
        volumes = mixer.volumes(controls)
        self._desk.tell(one for one in volumes if one not in self._volumes)
        self._volumes = volumes
        silent = not mixer.audible(controls)
        if silent and not self._muted:
            logger.warning("all tracks are muted; the music goes on in silence")
        self._muted = silent
