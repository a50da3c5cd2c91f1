"""Scenes: named TOML files of bundle, style and controls; those that ship lie in this folder.

In: a name, and the folder of a person's own. Out: a :class:`Scene`, unchecked; the settings say
what its values may be (:func:`streamer.settings.reading.scene_values`). Any thread.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.scenes.reader import Scene, list_scenes, read_scene
    from streamer.scenes.writer import save_scene
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        reader="Scene list_scenes read_scene",
        writer="save_scene",
    )

__all__ = ["Scene", "list_scenes", "read_scene", "save_scene"]
