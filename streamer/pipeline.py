"""The front half of the stream, as play and render share it: settings -> bundle -> phrases to play.

In: a bundle, the settings and the live controls. Out: a :class:`Source`, which is asked for phrase
after phrase. Nothing here knows of clocks, threads or ports, nor which family plays: the registry
opens it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamer.bundle.bundle import Bundle, load_bundle
from streamer.engine.session import Runtime
from streamer.errors import BundleError
from streamer.generators.base import ChannelMixer, Generator, Listener, Opened, Turns
from streamer.generators.bookmark import Bookmark, BookmarkShelf, Place
from streamer.generators.performer import Performer
from streamer.generators.returning import Returning
from streamer.live.synth import synth_greeting
from streamer.midi.greeting import Greeting
from streamer.midi.messages import channel_of, is_program
from streamer.music.notes import Phrase
from streamer.registry import Family, built_in, family_of, opened
from streamer.selection.filters import Filter
from streamer.selection.judging import judges_for
from streamer.settings.controls import Controls, LiveControls, control_specs
from streamer.settings.midi import SynthSettings
from streamer.settings.settings import ModelSettings, Settings
from streamer.settings.taste import LET_GO
from streamer.system.interrupt import Interrupt
from streamer.system.marks import Marked

logger = logging.getLogger(__name__)

OWN_OPTIONS = ("bits", "chords", "duet", "keys")
"""Controls that an option of their own name sets."""

SEED_BITS = 32
"""Seeds that are drawn stay short enough to be typed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where phrases come from; one thread.

    Attributes:
        bundle: What plays.
        generator: Draws and chooses.
        performer: Lays phrases one after the other.
        controls: Live.
        seed: That of the generator, also when it was drawn.
        candidates: Candidates a phrase when nothing keeps the machine from it.
        synth: What the notes are to be fitted to as they leave.
        turns: With a person who plays; None where the music plays by itself.
        mixer: Of music with tracks; None where there are none.
        greeting: What a synth is told before it plays.
        interrupt: Ends the inference of this source, and of no other.
        shelf: Where the place before each phrase is held; None where nobody asks.
        listener: Takes in what a person plays; None where nothing does.
        model: What it was asked for: bundle, style, how phrases are drawn.
        returning: Lets the last bars come back, before the performer; None does not.
    """

    bundle: Bundle
    generator: Generator
    performer: Performer
    controls: LiveControls
    seed: int
    candidates: int
    synth: SynthSettings = field(default_factory=SynthSettings)
    turns: Turns | None = None
    mixer: ChannelMixer | None = None
    greeting: Greeting = field(default_factory=Greeting)
    interrupt: Interrupt = field(default_factory=Interrupt)
    shelf: BookmarkShelf | None = None
    listener: Listener | None = None
    model: ModelSettings = field(default_factory=ModelSettings)
    returning: Returning | None = None

    @property
    def _drawn_from(self) -> Generator | Returning:
        return self.generator if self.returning is None else self.returning

    def vary(self) -> None:
        """Let some of what comes back be drawn anew; any thread."""
        if self.returning is not None:
            self.returning.vary()

    def let_go(self) -> None:
        """Switch off the wishes of the moment, which were taken note of."""
        controls = self.controls.snapshot()
        pressed = {name: False for name in LET_GO if controls.value(name)}
        if pressed:
            self.controls.update(**pressed)

    def told(self, controls: Controls) -> list[bytes]:
        """Return what a synth is told before the source's first phrase: banks, programs, volumes.

        Args:
            controls: As they are then.
        """
        if self.mixer is None:
            return [*synth_greeting(self.synth)]
        return self.mixer.greeting(controls)

    def begin(self, place_ms: float, number: int) -> None:
        """Lay the next phrase where another source has ended.

        Args:
            place_ms: In ms of the stream.
            number: Of this beginning in the stream (:attr:`streamer.music.notes.Phrase.opens`).
        """
        self.performer.begin(place_ms, number)

    def next_phrase(self, notes: int | None = None) -> Phrase:
        """Return the next phrase as it is written; the first starts at 0."""
        drawn_from = self._drawn_from
        phrase = drawn_from.next_phrase(notes)
        return self.performer.perform(phrase, drawn_from.beat_ms)

    def look(self) -> bytes | None:
        """Return the generator's state as bookmarks hold it; None where nobody can ask for one."""
        if self.shelf is None or not isinstance(self.generator, Marked):
            return None
        return self.shelf.look(self._drawn_from)

    def place(self, state: bytes | None) -> Place | None:
        """Return the place before the phrase that is about to be drawn.

        Args:
            state: Of :meth:`look`, with nothing drawn since.
        """
        if state is None:
            return None
        return Place(state, self.controls.snapshot(), self.performer.mark()[1])

    def shelve(self, phrase: Phrase, place: Place | None) -> None:
        """Hold the place before a phrase that has been written."""
        if self.shelf is not None and place is not None:
            self.shelf.add(phrase.start_ms, place)

    def unshelve(self, place_ms: float) -> None:
        """Hold no place from here on, in ms of the stream: what was written there is forgotten."""
        if self.shelf is not None:
            self.shelf.forget(place_ms)

    def mark(self) -> Any:
        """Return where the stream stands, to go back to."""
        return self._drawn_from.mark(), self.performer.mark()

    def go_back(self, mark: Any) -> None:
        """Let the next phrase be drawn again from a mark.

        Raises:
            EngineError: The model cannot be run.
        """
        generator, performer = mark
        self._drawn_from.go_back(generator)
        self.performer.go_back(performer)

    def put_off(self, phrase: Phrase, mark: Any, later_ms: float) -> tuple[Phrase, Any]:
        """Return the phrase that was drawn last, laid later, and the mark from before it, too.

        Args:
            phrase: As :meth:`next_phrase` gave it.
            mark: Of :meth:`mark`, just before.
            later_ms: By how much, ms of the stream, 0 or more.
        """
        generator, (end_ms, beat) = mark
        return self.performer.put_off(phrase, later_ms), (generator, (end_ms + later_ms, beat))

    @property
    def trail(self) -> Any:
        """See :attr:`streamer.generators.base.Generator.trail`."""
        return self._drawn_from.trail

    def cut(self, trail: Any, phrase: Phrase, place_ms: float) -> bool:
        """Let the next phrase take the place of the rest of one.

        Args:
            trail: :attr:`trail` after the phrase.
            phrase: As it is written; it contains the place.
            place_ms: The next phrase starts there, or soon after, in ms of the stream.

        Returns:
            Whether it does; not where the phrase can only be heard to its end.

        Raises:
            EngineError: The model cannot be run.
        """
        if trail is None:
            return False
        kept_ms = self._drawn_from.cut(trail, phrase, place_ms - phrase.start_ms)
        if kept_ms is not None:
            self.performer.cut(phrase, kept_ms)
        return kept_ms is not None


def open_source(
    bundle: Bundle | str | os.PathLike[str] | None = None,
    settings: Settings | None = None,
    controls: LiveControls | Controls | None = None,
    *,
    seed: int | None = None,
    filters: Iterable[Filter] = (),
    interrupt: Interrupt | None = None,
    resume: Bookmark | None = None,
    shelved: bool = False,
) -> Source:
    """Load the bundle and make the generator, primed where that is wanted.

    Args:
        bundle: What plays, or its name or path; None takes the one that the settings name.
        settings: All of them may matter to the family that plays; None takes the defaults.
        controls: Live, or as they are at the start; None takes those of the settings.
        seed: The same seed, bundle, settings and version give the same notes; None takes that of
            the settings, or draws one.
        filters: More that drops candidates, after the hard filters and the judges.
        interrupt: Ends the source's inference; one of its own where none is given.
        resume: Where to go on from; its settings and controls are those that are given.
        shelved: Whether the places of the stream are held, for bookmarks.

    Raises:
        BundleError: There is no such bundle, or it cannot be used.
        ConfigError: The settings and the controls leave nothing to be heard.
        EngineError: ONNX Runtime refuses it.
        MidiFileError: A file that is asked for cannot be read.
    """
    settings = settings or Settings()
    if not isinstance(controls, LiveControls):
        controls = LiveControls(controls or settings.controls)
    if not isinstance(bundle, Bundle):
        bundle = _load(bundle, settings.model)
    seed = _seed(settings) if seed is None else seed
    rng = np.random.Generator(np.random.SFC64(seed))
    drops = (*judges_for(bundle, settings), *filters)
    runtime = Runtime(settings.model.provider, interrupt or Interrupt())
    _refuse_idle_controls(bundle, settings)
    found: Opened = opened(family_for(bundle).open)(bundle, settings, controls, rng, drops, runtime)
    returning = Returning(found.generator, controls, seed, found.listener)
    source = Source(
        bundle=bundle,
        generator=found.generator,
        performer=Performer(),
        controls=controls,
        seed=seed,
        candidates=found.generator.candidates,
        synth=settings.synth,
        turns=found.turns,
        mixer=found.mixer,
        interrupt=runtime.interrupt,
        shelf=BookmarkShelf(bundle, seed, settings.model) if shelved else None,
        model=settings.model,
        listener=None if found.listener is None else returning,
        returning=returning,
    )
    _settle(source, resume)
    return source


def _seed(settings: Settings) -> int:
    """Return the seed of the settings, or draw one."""
    if settings.model.seed is not None:
        return settings.model.seed
    import secrets

    return secrets.randbits(SEED_BITS)


def _settle(source: Source, resume: Bookmark | None) -> None:
    """Put a bookmark's state back, and tell the synth, and what comes back, of the programs.

    All graphs are open: what was held of them is let go of.

    Raises:
        BundleError: The bookmark does not fit.
    """
    bundle, returning = source.bundle, source.returning
    bundle.let_go()
    if resume is not None and returning is not None:
        if not isinstance(source.generator, Marked):
            raise BundleError(f"bundle {bundle.manifest.name} cannot go on from a bookmark")
        resume.put_back(bundle, returning)
        source.performer.go_back((0.0, resume.beat))  # the beats go on from it
    told = source.told(source.controls.snapshot())
    source.greeting.put(told)
    if returning is None:
        return
    try:
        returning.settle({channel_of(one): one[1] for one in told if is_program(one)})
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise BundleError(
            f"the bookmark cannot be gone on from: {error}; make another with this version"
        ) from error


def _refuse_idle_controls(bundle: Bundle, settings: Settings) -> None:
    """Refuse controls that options ask for and nothing obeys (BundleError)."""
    for name in sorted(settings.asked):
        table, _, control = name.partition(".")
        if table == "controls":
            option = f"--{control}" if control in OWN_OPTIONS else "--set"
            refuse_idle_control(bundle, control, option)


def _load(wanted: str | os.PathLike[str] | None, model: ModelSettings) -> Bundle:
    """Return the bundle that is to play; a line on one that cannot names the scene, if any."""
    try:
        return load_bundle(model.model if wanted is None else wanted, model.bundle_paths, hold=True)
    except BundleError as error:
        if model.scene is None or wanted is not None:
            raise
        raise BundleError(f"scene {model.scene}: {error}") from error


def refuse_idle_control(bundle: Bundle, name: str, option: str) -> None:
    """Refuse a control that a person asks for and that nothing obeys (BundleError).

    Args:
        bundle: What plays.
        name: Of the control.
        option: By which it was asked for.
    """
    families = control_specs()[name].families
    if families and family_for(bundle).name not in families:
        models = [model for one in built_in() if one.name in families for model in one.models]
        raise BundleError(
            f"bundle {bundle.manifest.name} (family {bundle.manifest.family}) has no use for the "
            f"control {name}; leave {option} out, or choose a bundle of family "
            f"{' or '.join(models)} (`perpetuo models`)"
        )


def check_defaults(bundle: Bundle) -> None:
    """Refuse a bundle whose defaults its family could not play by.

    Raises:
        BundleError: A default is out of range, or no family that is installed plays the bundle.
    """
    opened(family_for(bundle).check_defaults)(bundle)


def family_for(bundle: Bundle) -> Family:
    """Return the family that plays a bundle.

    Raises:
        BundleError: None that is installed does.
    """
    manifest = bundle.manifest
    family = family_of(manifest.family, bundle.codec.name)
    if family is None:
        raise BundleError(
            f"bundle {manifest.name} is of family {manifest.family}, which is not installed; "
            "install its package, or choose another (`perpetuo models`)"
        )
    return family
