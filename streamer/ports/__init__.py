"""Ports: where the notes go, and where controllers are heard.

In: a port as a person writes it (:func:`open_port`, :func:`open_outputs`). Out: a :class:`Port`
that takes messages: an output of ALSA or JACK that may come and go (:class:`LivePort`), a soft
synth, a file, several of them, or nothing. :func:`list_ports` says what there is. python-rtmidi is
touched by one thread alone, the :class:`MidiOwner`'s.

Threads: one opens and closes, the scheduler's sends; each class says which is which.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.ports.base import Port, PortInfo, PortLost
    from streamer.ports.echo import EchoFilter
    from streamer.ports.fluidsynth import SynthPort
    from streamer.ports.listening import open_input
    from streamer.ports.live import LivePort
    from streamer.ports.names import AutoRules
    from streamer.ports.opening import (
        is_live,
        list_ports,
        make_owner,
        midi_problems,
        open_outputs,
        open_port,
    )
    from streamer.ports.owner import MidiOwner
    from streamer.ports.recorder import MidiFileSink
    from streamer.ports.rotation import RotatingSink
    from streamer.ports.sinks import ChannelPort, FanOutPort, NullPort
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        base="Port PortInfo PortLost",
        echo="EchoFilter",
        fluidsynth="SynthPort",
        listening="open_input",
        live="LivePort",
        names="AutoRules",
        opening="is_live list_ports make_owner midi_problems open_outputs open_port",
        owner="MidiOwner",
        recorder="MidiFileSink",
        rotation="RotatingSink",
        sinks="ChannelPort FanOutPort NullPort",
    )

__all__ = [
    "AutoRules", "ChannelPort", "EchoFilter", "FanOutPort", "LivePort", "MidiFileSink",
    "MidiOwner", "NullPort", "Port", "PortInfo", "PortLost", "RotatingSink", "SynthPort",
    "is_live", "list_ports", "make_owner", "midi_problems", "open_input", "open_outputs",
    "open_port",
]  # fmt: skip
