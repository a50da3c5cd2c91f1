"""What ``perpetuo bench`` compares the engine with: the same model in plainer forms.

In: a bundle. Out: a function that plays a few notes, one candidate, and says how many. Reached
through the entry-point group ``perpetuo.baselines``, because the edge has neither torch nor onnx;
what each form is of a family, the family registers.
"""

from __future__ import annotations

from collections.abc import Callable

from export.registry import family_of
from streamer.bundle.bundle import Bundle
from streamer.registry import opened

Player = Callable[[], int]


def torch_eager(bundle: Bundle) -> Player:
    """Return a player of the model as one writes it down in torch.

    Raises:
        ImportError: torch is not installed.
        ValueError: The bundle's family has no such form.
    """
    return _player("torch_eager", bundle)


def torch_tables(bundle: Bundle) -> Player:
    """Return a player of this project's torch module, with tables where it can.

    Raises:
        ImportError: torch is not installed.
        ValueError: The bundle's family has no such form.
    """
    return _player("torch_tables", bundle)


def five_sessions(bundle: Bundle) -> Player:
    """Return a player of one session for each submodel and a Python loop.

    Raises:
        ImportError: onnx is not installed.
        ValueError: The bundle's family has no such form.
    """
    return _player("five_sessions", bundle)


def _player(name: str, bundle: Bundle) -> Player:
    family = family_of(bundle.manifest.family)
    if family is None or name not in family.baselines:
        raise ValueError(f"no such form of family {bundle.manifest.family}")
    player: Player = opened(family.baselines[name])(bundle)
    return player
