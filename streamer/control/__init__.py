"""Control from outside: MIDI input, learnt knobs, scenes, and the clock of another machine.

In: messages of a controller. Out: changes of :class:`streamer.settings.controls.LiveControls`,
and pause, panic or tempo for the scheduler. ``streamer.control.controller`` has the context in
which an input is obeyed; :class:`Bindings` says which knob moves what. Threads: the controller's
own.
"""

from typing import TYPE_CHECKING

from streamer.system.lazy import lazy_names

if TYPE_CHECKING:
    from streamer.control.bindings import Bindings
    from streamer.control.controller import input_owner, wants_input
    from streamer.control.inputs import MidiControl
    from streamer.control.scenes import LiveScene, live_scenes, load_programs
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        bindings="Bindings",
        controller="input_owner wants_input",
        inputs="MidiControl",
        scenes="LiveScene live_scenes load_programs",
    )

__all__ = [
    "Bindings", "LiveScene", "MidiControl", "input_owner", "live_scenes", "load_programs",
    "wants_input",
]  # fmt: skip
