"""Music that never stops, for Python: load a bundle, render it, or play it live and steer it.

    from streamer import Stream, load_bundle, render

    bundle = load_bundle("piano")
    render(bundle, "out.mid", seconds=60, seed=1)
    with Stream(bundle, port="virtual") as stream:
        stream.controls.update(density=0.5)
        stream.wait(60)

docs/python.md has it on one page, examples/ a dozen programs. The package is the edge: it imports
neither ``training`` nor ``export``, nor any library of theirs. What is not named here is found in
its rooms (docs/architecture.md), each with a face of its own.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names
from streamer.version import __version__ as __version__

if TYPE_CHECKING:
    from streamer.bundle.bundle import Bundle, find_bundles, load_bundle
    from streamer.errors import StreamerError
    from streamer.offline.render import render
    from streamer.pipeline import Source, open_source
    from streamer.service.embedded import Stream
    from streamer.settings.controls import Controls, LiveControls
    from streamer.settings.settings import Settings
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        **{
            "bundle.bundle": "Bundle find_bundles load_bundle",
            "errors": "StreamerError",
            "offline.render": "render",
            "pipeline": "Source open_source",
            "service.embedded": "Stream",
            "settings.controls": "Controls LiveControls",
            "settings.settings": "Settings",
        },
    )

__all__ = [
    "Bundle", "Controls", "LiveControls", "Settings", "Source", "Stream", "StreamerError",
    "__version__", "find_bundles", "load_bundle", "open_source", "render",
]  # fmt: skip
