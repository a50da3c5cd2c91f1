"""What the family registers with the edge: codec, live control, source."""

from streamer.registry import Family

FAMILY = Family(
    name="stroll",
    models=("stroll",),
    codecs={"keys": "stroll.codec:KeyCodec"},
    kind="window",
    arguments=("key",),
    controls="stroll.controls:StrollControls",
    open="stroll.source:open_stroll",
    floors="stroll.source:floors",
    check_defaults="stroll.source:check_defaults",
)
