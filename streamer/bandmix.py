"""The mixing desk of a band: which channels are silent, how loud each is, what they sound like.

In: ``[band]``, the live controls, the programmes of the genre. Out: channels to silence, and
messages for the synth. Called by whoever runs a scheduler: the daemon, and render.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamer.bandsettings import BandSettings
from streamer.controls import Controls
from streamer.events import control, program_change
from streamer.midisettings import SynthSettings
from streamer.synth import BANK_LSB, BANK_MSB
from streamer.tracks import DRUMS, TRACKS

CHANNEL_VOLUME = 7


class Mixer:
    """Knows which track lies on which channel.

    Args:
        settings: Channels, and what is sent at all.
        synth: Its banks, which all channels but the drums' get.
    """

    def __init__(self, settings: BandSettings, synth: SynthSettings | None = None) -> None:
        self._settings, self._synth = settings, synth or SynthSettings()

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each track, 0..15."""
        return self._settings.channels

    def muted(self, controls: Controls) -> frozenset[int]:
        """Return the channels that are silent: muted ones; beside a solo all that have none."""
        silent = muted(controls)
        pairs = zip(TRACKS, self.channels, strict=True)
        return frozenset(channel for track, channel in pairs if track in silent)

    def volumes(self, controls: Controls) -> list[bytes]:
        """Return the channel volumes."""
        if not self._settings.volumes:
            return []
        return [
            control(channel, CHANNEL_VOLUME, getattr(controls, f"volume_{track}"))
            for track, channel in zip(TRACKS, self.channels, strict=True)
        ]

    def greeting(self, controls: Controls, programs: Sequence[int]) -> list[bytes]:
        """Return what a synth is told before it plays: banks, programmes, volumes.

        Args:
            controls: Live.
            programs: Of each track, 0..127.
        """
        said = []
        for track, channel in enumerate(self.channels):
            if not self._settings.program_changes:
                break
            banks = ((BANK_MSB, self._synth.bank_msb), (BANK_LSB, self._synth.bank_lsb))
            for number, value in banks:
                if value is not None and track != DRUMS:
                    said.append(control(channel, number, value))
            said.append(program_change(channel, programs[track]))
        return said + self.volumes(controls)


def audible(controls: Controls) -> tuple[str, ...]:
    """Return the tracks that are heard: not muted, and with a solo where any track has one."""
    solos = [track for track in TRACKS if getattr(controls, f"solo_{track}")]
    return tuple(
        track
        for track in TRACKS
        if not getattr(controls, f"mute_{track}") and (not solos or track in solos)
    )


def muted(controls: Controls) -> tuple[str, ...]:
    """Return the tracks that are silent."""
    heard = audible(controls)
    return tuple(track for track in TRACKS if track not in heard)
