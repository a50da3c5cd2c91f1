"""What a stream writes to files while it plays: looked at first of all, opened last of all.

In: the settings. Out: a port that records as it sends. A start that fails leaves the files as they
were. Thread: main.
"""

from __future__ import annotations

from contextlib import ExitStack

from streamer.live.along import Aside
from streamer.ports.base import Port
from streamer.ports.sinks import ChannelPort, FanOutPort
from streamer.settings.settings import Settings
from streamer.system.atomic import check_targets
from streamer.system.reading import named_path


def check_files(settings: Settings) -> None:
    """Refuse files that could not be written, before anything is opened.

    Raises:
        RecordingError: One cannot, or two are one file.
    """
    played = (name.partition(":")[2] for name in settings.port.names if name.startswith("file:"))
    targets = {f"file:{path}": named_path(path) for path in played}
    check_targets(**{"record.path": settings.record.path, **targets})


def recorded(port: Port, settings: Settings, opened: ExitStack) -> tuple[Port, Aside]:
    """Open the recordings beside a port, last of all; they are closed with ``opened``.

    Returns:
        What the scheduler sends to, and what records a message that is not sent.
    """
    record, sinks = settings.record, list[Port]()
    if record.path is not None:
        from streamer.ports.recorder import MidiFileSink

        sinks.append(MidiFileSink(record.path).start())
        opened.callback(sinks[-1].close)
    if record.folder is not None:
        from streamer.ports.rotation import RotatingSink

        limit_bytes = int(record.limit_mb * 1e6)
        sinks.append(RotatingSink(record.folder, record.minutes * 60.0, limit_bytes).start())
        opened.callback(sinks[-1].close)

    def note(message: bytes, heard_ms: float) -> None:
        for sink in sinks:
            sink.send(message, heard_ms)

    if not sinks:
        return port, note
    channel = settings.port.channel - 1
    return FanOutPort([port], [ChannelPort(sink, channel) for sink in sinks]), note
