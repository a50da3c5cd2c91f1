"""The mixing desk of a band: which channels are silent, how loud each is, what they sound like.

In: ``[band]``, the live controls, the programmes of the genre. Out: channels to silence, and
messages for the synth.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamer.families.bands.controls import BandControls
from streamer.families.bands.settings import BandSettings
from streamer.families.bands.tracks import DRUMS, TRACKS
from streamer.midi.messages import BANK_LSB, BANK_MSB, CHANNEL_VOLUME, control, program_change
from streamer.settings.controls import Controls
from streamer.settings.midi import SynthSettings


class Mixer:
    """Knows which track lies on which channel; a :class:`streamer.generators.base.ChannelMixer`.

    Args:
        settings: Channels, and what is sent at all.
        synth: Its banks, which all channels but the drums' get.
        programs: Of each track at the start, 0..127.
    """

    def __init__(
        self,
        settings: BandSettings,
        synth: SynthSettings | None = None,
        programs: Sequence[int] = (0,) * len(TRACKS),
    ) -> None:
        self._settings, self._synth = settings, synth or SynthSettings()
        self._programs = tuple(programs)

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each track, 0..15."""
        return self._settings.channels

    @property
    def names(self) -> dict[int, str]:
        """The name of the track on each channel."""
        return dict(zip(self.channels, TRACKS, strict=True))

    def muted(self, controls: Controls) -> frozenset[int]:
        """Return the channels that are silent: muted ones; beside a solo all that have none."""
        silent = self.silent(controls)
        pairs = zip(TRACKS, self.channels, strict=True)
        return frozenset(channel for track, channel in pairs if track in silent)

    def audible(self, controls: Controls) -> tuple[str, ...]:
        """Return the tracks that are heard (:func:`audible`)."""
        return audible(controls)

    def silent(self, controls: Controls) -> tuple[str, ...]:
        """Return the tracks that are not."""
        heard = audible(controls)
        return tuple(track for track in TRACKS if track not in heard)

    def volumes(self, controls: Controls) -> list[bytes]:
        """Return the channel volumes."""
        if not self._settings.volumes:
            return []
        return [
            control(channel, CHANNEL_VOLUME, volume)
            for volume, channel in zip(
                controls.of(BandControls).volumes, self.channels, strict=True
            )
        ]

    def greeting(self, controls: Controls) -> list[bytes]:
        """Return what a synth is told before it plays: banks, programmes, volumes."""
        said = []
        for track, channel in enumerate(self.channels):
            if not self._settings.program_changes:
                break
            banks = ((BANK_MSB, self._synth.bank_msb), (BANK_LSB, self._synth.bank_lsb))
            for number, value in banks:
                if value is not None and track != DRUMS:
                    said.append(control(channel, number, value))
            said.append(program_change(channel, self._programs[track]))
        return said + self.volumes(controls)


def audible(controls: Controls) -> tuple[str, ...]:
    """Return the tracks that are heard: not muted, and with a solo where any track has one."""
    desk = controls.of(BandControls)
    soloing = any(desk.solos)
    states = zip(TRACKS, desk.mutes, desk.solos, strict=True)
    return tuple(track for track, mute, solo in states if not mute and (solo or not soloing))
