"""Which bundle plays: chosen by name while another plays, loaded beside it, and handed to it.

In: names of bundles that are listed, and what a scene says of one (``[model]``), from any thread.
Out: a source that is loaded and tried out, for the stream to go on with; or one line why not, for
whoever asked, while what plays plays on. One is loaded at a time, and the last that was asked for
wins. No path comes in: a client names what :class:`streamer.bundle.listing.Shelf` lists.

What a person has set under ``[model]`` holds for the bundle that is set there. Of another it is
what is the machine's own (candidates, seed, folders); its style, temperatures and files are not for
it, unless a scene says so.

Threads: one of its own loads, and has no real-time priority; all methods are for any.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Protocol

from streamer.bundle.bundle import Bundle, read_bundle
from streamer.bundle.listing import Listed, Shelf
from streamer.errors import StreamerError
from streamer.generators.bookmark import ASKED
from streamer.pipeline import Source, family_for, open_source
from streamer.selection.filters import Filter
from streamer.service.writing import FIRST_CANDIDATES, FIRST_PHRASE_NOTES
from streamer.settings.controls import LiveControls
from streamer.settings.midi import LIVE_QUERY
from streamer.settings.reading import is_name
from streamer.settings.settings import ModelSettings, Settings
from streamer.surfaces.desk import Refusal
from streamer.system.clock import Clock
from streamer.system.interrupt import Interrupt
from streamer.system.memory import free_bytes
from streamer.system.realtime import settle, step_back

logger = logging.getLogger(__name__)

OWN = ("style", "temperature", "phrase_notes", "ranking", "prime", "query")
"""Keys of ``[model]`` that are set for one bundle and do not hold for another."""

SIZE_TIMES, SIZE_BYTES = 3, 24_000_000
"""Memory that a bundle takes while it is loaded, at most: times its size, and beside it."""

END_SECONDS = 5.0
"""How long the end of a stream waits for a bundle that is being loaded."""


class Stage(Protocol):
    """What a source is handed to: the stream."""

    @property
    def source(self) -> Source:
        """What is heard."""
        ...

    @property
    def coming(self) -> Source | None:
        """What will be heard when the phrase in play has ended."""
        ...

    def take_over(self, source: Source, takes_seconds: float = 0.0) -> None:
        """Go on with a source when the phrase in play has ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What was asked for.

    Attributes:
        model: Bundle, style, how phrases are drawn.
        told: Given its name when the stream has it, or why it does not.
    """

    model: ModelSettings
    told: Future[str]


class BundleChoice:
    """Chooses what plays.

    Args:
        settings: As they were read at the start.
        controls: Live; every source obeys them.
        clock: Time.
        free: Bytes that may still be taken; None where nobody knows.
        filters: What every source has (:func:`streamer.pipeline.open_source`).
    """

    def __init__(
        self,
        settings: Settings,
        controls: LiveControls,
        clock: Clock,
        free: Callable[[], int | None] = free_bytes,
        filters: tuple[Filter, ...] = (),
    ) -> None:
        self._filters = filters
        self._settings, self._controls, self._clock, self._free = settings, controls, clock, free
        self._shelf = Shelf(lambda: settings.model.bundle_paths)
        self._own: Bundle | None = None
        self._stage: Stage | None = None
        self._shelved = False
        self._first = settings.model
        self._lock = threading.Lock()
        self._wish: _Wish | None = None
        self._loading: _Wish | None = None
        self._interrupt: Interrupt | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._settled: set[str] = set()

    @property
    def first(self) -> ModelSettings:
        """With what the stream is to begin."""
        return self._first

    def attach(self, stage: Stage, *, shelved: bool = False) -> None:
        """Hand sources to a stream from now on.

        Args:
            stage: The stream; what it began with can be chosen again by its name, wherever it lies.
            shelved: Whether places are held for bookmarks.
        """
        bundle = stage.source.bundle
        self._own = None if is_name(self._settings.model.model) else bundle
        self._shelved, self._stage = shelved, stage

    @property
    def present(self) -> ModelSettings:
        """What is loaded, or comes, or plays; the last that was asked for."""
        wish = self._wish or self._loading
        if wish is not None:
            return wish.model
        return self.playing

    @property
    def playing(self) -> ModelSettings:
        """What plays, or will when the phrase in play has ended."""
        stage = self._stage
        return self._first if stage is None else (stage.coming or stage.source).model

    @property
    def coming(self) -> str | None:
        """The name of the bundle that is on its way; None where none is."""
        wish = self._wish or self._loading
        if wish is not None:
            return wish.model.model
        source = None if self._stage is None else self._stage.coming
        return None if source is None else source.bundle.manifest.name

    def listed(self) -> list[Listed]:
        """Return the bundles that can be chosen; it reads a disk."""
        found = self._shelf.all()
        own = self._own
        if own is None:
            return found
        manifest, family = own.manifest, family_for(own)
        mine = Listed(
            name=manifest.name,
            family=family.name,
            about=family.about,
            licence=manifest.licence,
            styles=tuple(manifest.styles),
            path=own.path,
        )
        return [mine, *(one for one in found if one.name != mine.name)]

    def model_of(self, changes: Mapping[str, Any]) -> ModelSettings:
        """Return what is asked for.

        Args:
            changes: Keys of ``[model]`` to values, the bundle's name among them where it is to be
                another than :attr:`present`.
        """
        configured, present = self._settings.model, self.present
        name = changes.get("model", present.model)
        base = present
        if "model" in changes:
            own = {key: getattr(ModelSettings(), key) for key in OWN}
            base = configured if self._is_configured(name) else replace(configured, **own)
        return replace(base, **{**changes, "model": name})

    def choose(self, changes: Mapping[str, Any]) -> Future[str] | None:
        """Let another bundle follow, or the same in another way.

        Args:
            changes: As of :meth:`model_of`.

        Returns:
            What is told when the stream has it: its name, or a :class:`Refusal`. None where it
            plays, or is on its way, already.

        Raises:
            Refusal: 404 where no bundle is called so, 422 where that is no name, 409 where none can
                be changed.
        """
        wanted = self.model_of(changes)
        if wanted == self.present:
            return None
        if self._stage is None:
            self._first = wanted
            return None
        self._find(wanted.model)
        if LIVE_QUERY in (self.present.query, wanted.query):
            raise Refusal(
                409, "a stream that answers what is played (--query live) keeps its bundle; start "
                "again, without --query or with it",
            )  # fmt: skip
        return self._ask(wanted)

    def kept(self) -> dict[str, Any]:
        """Return what a restart goes on with: keys of ``[model]``; none where it is configured."""
        playing = self.playing
        if self._is_configured(playing.model) or not is_name(playing.model):
            base = self._settings.model
            named: dict[str, Any] = {}
        else:
            base = self.model_of({"model": playing.model})
            named = {"model": playing.model}
        changed = {key: getattr(playing, key) for key in ASKED}
        return named | {k: v for k, v in changed.items() if v is not None and v != getattr(base, k)}

    def begin_as_configured(self) -> None:
        """Begin with the bundle of the configuration after all."""
        self._first = self._settings.model

    def close(self) -> None:
        """Give up what is being loaded; nothing is handed on any more."""
        with self._lock:
            self._closed = True
            wish, self._wish = self._wish, None
            thread = self._thread
        if self._interrupt is not None:
            self._interrupt.end_runs()
        if wish is not None:
            wish.told.set_exception(Refusal(409, "the stream ends"))
        if thread is not None:
            thread.join(END_SECONDS)

    def _is_configured(self, name: str) -> bool:
        """Whether a name is that of the bundle that the configuration names."""
        if self._own is not None:
            return name == self._own.manifest.name
        return name == self._settings.model.model

    def _find(self, name: str) -> Listed:
        """Return the bundle of a name (Refusal)."""
        if self._own is not None and name == self._settings.model.model:
            name = self._own.manifest.name
        if not is_name(name) or not name.isprintable():
            raise Refusal(
                422, f"a bundle must be a name that `perpetuo models` lists, not {name[:60]!r}"
            )
        found = {one.name: one for one in self.listed()}
        if name in found:
            return found[name]
        from difflib import get_close_matches

        near = get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(found)[:20])}"
        raise Refusal(404, f"no bundle is called {name[:60]!r}; {hint}")

    def _ask(self, wanted: ModelSettings) -> Future[str]:
        wish = _Wish(model=wanted, told=Future())
        with self._lock:
            if self._closed:
                raise Refusal(409, "the stream ends")
            before, self._wish = self._wish, wish
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="bundle", daemon=True)
                self._thread.start()
        if before is not None:
            before.told.set_exception(_overtaken(before, wish))
        return wish.told

    def _work(self) -> None:
        """Load what is asked for, until nothing is."""
        step_back()
        while True:
            with self._lock:
                self._loading, self._wish = self._wish, None
                wish = self._loading
                if wish is None or self._closed:
                    self._thread = None
                    return
            try:
                source, takes_seconds = self._load(wish.model)
            except Refusal as error:
                logger.warning("bundle %s is not taken on: %s", wish.model.model, error)
                self._settle(wish, error)
                continue
            self._hand_on(wish, source, takes_seconds)
            self._tidy(source.bundle)
            del source

    def _tidy(self, bundle: Bundle) -> None:
        """Let later collections be short: what a family brings with its first bundle stays.

        Of what stays nothing is ever collected, so that what comes and goes is none of it.
        """
        family = family_for(bundle).name
        if family in self._settled:
            gc.collect()
        else:
            self._settled.add(family)
            settle()

    def _hand_on(self, wish: _Wish, source: Source, takes_seconds: float) -> None:
        with self._lock:
            later, closed, stage = self._wish, self._closed, self._stage
            if later is None and not closed and stage is not None:
                stage.take_over(source, takes_seconds)
        if later is not None:
            self._settle(wish, _overtaken(wish, later))
        elif closed:
            self._settle(wish, Refusal(409, "the stream ends"))
        else:
            name = source.bundle.manifest.name
            logger.info("bundle %s follows when the phrase in play has ended", name)
            self._settle(wish, name)

    def _settle(self, wish: _Wish, outcome: str | Refusal) -> None:
        self._loading = None
        if isinstance(outcome, Refusal):
            wish.told.set_exception(outcome)
        else:
            wish.told.set_result(outcome)

    def _load(self, wanted: ModelSettings) -> tuple[Source, float]:
        """Return a source that can play, and how long a short phrase takes it (Refusal)."""
        listed = self._find(wanted.model)
        self._refuse_too_large(listed)
        settings = replace(self._settings, model=wanted, asked=frozenset())
        self._interrupt = Interrupt()  # each its own: it holds what it can end
        try:
            source = open_source(
                read_bundle(listed.path),
                settings,
                self._controls,
                filters=self._filters,
                interrupt=self._interrupt,
                shelved=self._shelved,
            )
            beginning, began = source.mark(), self._clock.now()
            source.generator.set_candidates(min(source.candidates, FIRST_CANDIDATES))
            source.next_phrase(FIRST_PHRASE_NOTES)
            took_seconds = self._clock.now() - began
            source.go_back(beginning)
        except StreamerError as error:
            raise Refusal(422, f"{error}; {self._stays()}") from error
        except MemoryError as error:
            raise Refusal(
                409, f"bundle {listed.name} is too large for the memory that is free; "
                f"{self._stays()}",
            ) from error  # fmt: skip
        except Exception as error:
            logger.debug("bundle %s failed", listed.name, exc_info=error)
            raise Refusal(
                422, f"bundle {listed.name} cannot be opened ({type(error).__name__}: "
                f"{str(error)[:120]}); {self._stays()}",
            ) from error  # fmt: skip
        return source, took_seconds

    def _refuse_too_large(self, listed: Listed) -> None:
        try:
            paths = [listed.path] if listed.path.is_file() else [*listed.path.iterdir()]
            size = sum(path.stat().st_size for path in paths)
        except OSError as error:
            raise Refusal(
                422, f"bundle {listed.name} cannot be read ({error.strerror}); {self._stays()}"
            ) from error
        needs, free = SIZE_TIMES * size + SIZE_BYTES, self._free()
        if free is not None and needs > free:
            raise Refusal(
                409, f"bundle {listed.name} takes about {needs / 1e6:.0f} MB while it is loaded, "
                f"and {free / 1e6:.0f} MB of memory are free; end another program, or raise "
                "MemoryMax= of the service",
            )  # fmt: skip

    def _stays(self) -> str:
        stage = self._stage
        return "" if stage is None else f"{stage.source.bundle.manifest.name} plays on"


def _overtaken(wish: _Wish, later: _Wish) -> Refusal:
    return Refusal(409, f"{wish.model.model} gives way: {later.model.model} was chosen after it")
