"""The engine: ONNX Runtime behind one call, and the noise that carries every control into a graph.

In: a bundle's graph, a state, noise. Out: a :class:`StepBlock`: notes of each candidate as class
indices, with entropies, log-probabilities and the state after them. Randomness and controls come
in as noise (:func:`gumbel_noise`, :func:`force_classes`), so that the same noise gives the same
notes. :class:`Function` runs a graph that keeps no state.

Threads: one engine is for one thread, which waits in ONNX Runtime without the interpreter's lock.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.engine.engine import Engine, Function, State, StepBlock
    from streamer.engine.noise import FORBID, FORCE, force_classes, gumbel_noise
    from streamer.engine.session import Runtime, open_session
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        engine="Engine Function State StepBlock",
        noise="FORBID FORCE force_classes gumbel_noise",
        session="Runtime open_session",
    )

__all__ = [
    "FORBID", "FORCE", "Engine", "Function", "Runtime", "State", "StepBlock", "force_classes",
    "gumbel_noise", "open_session",
]  # fmt: skip
