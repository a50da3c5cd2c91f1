"""What a person can set: settings, read once, and live controls, changed while the stream plays.

In: a TOML file, options of the command, or plain Python values. Out: :class:`Settings`, frozen
dataclasses by stage, checked together by :func:`load_settings` with all mistakes at once
(:class:`streamer.errors.ConfigError`); and :class:`LiveControls`, which hands out one immutable
snapshot (:class:`Controls`) to whoever asks. Annotations carry the legal ranges (:class:`Range`).

Threads: settings are values; :class:`LiveControls` may be read and updated from any thread.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.settings.controls import Controls, LiveControls, control_specs
    from streamer.settings.midi import (
        LIVE_QUERY,
        ClockSettings,
        InputSettings,
        PortSettings,
        SynthSettings,
    )
    from streamer.settings.reading import load_settings, parse_setting, setting_names
    from streamer.settings.schema import Control, ControlGroup, Range
    from streamer.settings.settings import (
        BufferSettings,
        FilterSettings,
        LogSettings,
        ModelSettings,
        RecordSettings,
        SchedulerSettings,
        ServiceSettings,
        Settings,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        controls="Controls LiveControls control_specs",
        midi="LIVE_QUERY ClockSettings InputSettings PortSettings SynthSettings",
        reading="load_settings parse_setting setting_names",
        schema="Control ControlGroup Range",
        settings=(
            "BufferSettings FilterSettings LogSettings ModelSettings RecordSettings "
            "SchedulerSettings ServiceSettings Settings"
        ),
    )

__all__ = [
    "LIVE_QUERY", "BufferSettings", "ClockSettings", "Control", "ControlGroup", "Controls",
    "FilterSettings", "InputSettings", "LiveControls", "LogSettings", "ModelSettings",
    "PortSettings", "Range", "RecordSettings", "SchedulerSettings", "ServiceSettings",
    "Settings", "SynthSettings", "control_specs", "load_settings", "parse_setting",
    "setting_names",
]  # fmt: skip
