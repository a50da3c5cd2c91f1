"""Windows: whole sections of a piano roll, drawn by ``draw`` or as answers of ``query``.

In: a bundle of one of them, settings, live controls. Out: a :class:`WindowGenerator`
(:func:`open_windows`), whose sections follow a path through a latent space and are joined with
ties; or answers to bars that a file holds or a person plays. One thread, the generator's; a live
query is heard from the controller's.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.families.windows.bitchannel import allocate, full_bits, transmit
    from streamer.families.windows.codec import RollCodec
    from streamer.families.windows.generator import WindowGenerator
    from streamer.families.windows.queryfile import read_query
    from streamer.families.windows.section import cell_entropies, spread
    from streamer.families.windows.source import open_windows
    from streamer.families.windows.ties import tie_evidence
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        bitchannel="allocate full_bits transmit",
        codec="RollCodec",
        generator="WindowGenerator",
        queryfile="read_query",
        section="cell_entropies spread",
        source="open_windows",
        ties="tie_evidence",
    )

__all__ = [
    "RollCodec", "WindowGenerator", "allocate", "cell_entropies", "full_bits", "open_windows",
    "read_query", "spread", "tie_evidence", "transmit",
]  # fmt: skip
