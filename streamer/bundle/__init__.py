"""Bundles: the folder or ``.zip`` that holds a trained model, found, verified and read.

In: a name or a path. Out: a :class:`Bundle`: manifest, codec, card, and graphs whose hashes hold.
Nothing in one is executed before it is checked, and whatever is wrong is one line
(:class:`streamer.errors.BundleError`). :func:`find_bundles` lists what can play. Bundles are
values, for any thread.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.bundle.bundle import (
        CARD_FILE,
        DIGEST_FILE,
        MANIFEST_FILE,
        Bundle,
        digest_line,
        find_bundles,
        load_bundle,
        read_bundle,
    )
    from streamer.bundle.codecs import Codec, codec_as, codec_from_dict
    from streamer.bundle.manifest import (
        SCHEMA_VERSION,
        STEP_GRAPH,
        GraphSpec,
        Manifest,
        Statistics,
        TensorSpec,
        shape_problems,
    )
    from streamer.bundle.onnxfile import read_graph_facts
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        bundle=(
            "CARD_FILE DIGEST_FILE MANIFEST_FILE Bundle digest_line find_bundles load_bundle "
            "read_bundle"
        ),
        codecs="Codec codec_as codec_from_dict",
        manifest=(
            "SCHEMA_VERSION STEP_GRAPH GraphSpec Manifest Statistics TensorSpec shape_problems"
        ),
        onnxfile="read_graph_facts",
    )

__all__ = [
    "CARD_FILE", "DIGEST_FILE", "MANIFEST_FILE", "SCHEMA_VERSION", "STEP_GRAPH", "Bundle",
    "Codec", "GraphSpec", "Manifest", "Statistics", "TensorSpec", "codec_as", "codec_from_dict",
    "digest_line", "find_bundles", "load_bundle", "read_bundle", "read_graph_facts",
    "shape_problems",
]  # fmt: skip
