"""The book of a search: which shapes were tried, by whom, and what came of them.

In: a storage of optuna's, of one process or shared by many (a journal file on a shared disk, a
database). Out: trials, each given to one worker. Whoever works on a trial shows signs of life in
it; one that shows none for a while is put aside, and its shape is given to the next that asks. What
is compared is whether the sign has changed, by the clock of whoever looks, so that clocks of
several machines need not agree. A trial whose worker was thought dead and was not is told to
nobody: none counts twice. A shape that cannot be trained is told as failed, and so should be one in
which :data:`MOST_DEATHS` workers died: it is not handed round for ever.
"""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError, DataError
from streamer.system.installing import how_to_install

logger = logging.getLogger(__name__)

BEATS_IN_GRACE = 6
"""Signs of life that a worker gives in the time after which it is thought dead."""

MOST_DEATHS = 3
"""Workers that may die in one shape before nobody tries it again: it may be what kills them."""

OPENING_TRIES, OPENING_SECONDS = 8, 0.25
"""How often, and how far apart, a database is opened whose tables another worker is making."""

SEED_STRIDE = 7919
"""Between the seeds of the draws of one trial and the next."""

_STORAGES = ("sqlalchemy", "psycopg", "psycopg2", "pymysql", "MySQLdb", "sqlite3", "redis")
"""Packages whose errors mean that a storage does not answer."""

_REFUSALS = ("authentication failed", "does not exist", "permission denied", "no pg_hba.conf entry")
"""In the words of a server that is there."""

MOST_WORDS = 240
"""Characters of a server's complaint that are passed on: its address comes first."""

_DRIVERS = {"postgresql": ("psycopg2", "psycopg")}
"""Of which the first that is installed is taken: what SQLAlchemy takes depends on its version."""

_PACKAGES = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]", "MySQLdb": "mysqlclient"}
"""What a driver is called where it is installed from, if not as it is imported."""


class TrialLost(DataError):
    """A trial is another worker's by now: this one was silent for too long."""


class Book:
    """A search that is shared.

    Args:
        name: Of the study in the storage.
        storage: URL of a database, path of a journal file, or ``journal:PATH``.
        seed: Of all draws; the trial's number is added.
        grace_seconds: Without a sign of life for so long a worker is thought dead.
        alone: Whether nobody else works on it: what runs is then a leftover of a kill.
        timer: Only grows.

    Raises:
        ConfigError: The storage is no URL that is understood, or its driver is not installed.
        DataError: It cannot be reached.
    """

    def __init__(
        self,
        name: str,
        storage: str,
        seed: int,
        grace_seconds: float,
        *,
        alone: bool = False,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        import optuna

        self._optuna, self.seed, self._grace = optuna, seed, grace_seconds
        self._timer, self._where = timer, shown(storage)
        self._signs: dict[int, tuple[int, float]] = {}
        with self._reachable():
            self._study = optuna.create_study(
                study_name=name,
                storage=_open(optuna, storage),
                sampler=optuna.samplers.RandomSampler(seed=seed),
                load_if_exists=True,
            )
        if alone:
            for trial in self._of("RUNNING"):
                self._put_aside(trial)

    def agree(self, given: Mapping[str, Any]) -> None:
        """Go on only if this search is the one that the book was begun for.

        Raises:
            ConfigError: Another worker was given something else; all differences at once.
        """
        with self._reachable():
            known = self._study.user_attrs.get("given")
            if known is None:
                self._study.set_user_attr("given", dict(given))
                known = self._study.user_attrs["given"]
        problems = [
            f"{name} is {given.get(name)}, and {value} of the workers that began this search "
            f"({self._where}); give all the same, or begin another with --output and --storage"
            for name, value in known.items()
            if given.get(name) != value
        ]
        if problems:
            raise ConfigError(problems)

    def finished(self) -> list[dict[str, Any]]:
        """Return what was told of each finished trial, in the order of their numbers."""
        with self._reachable():
            trials = self._study.get_trials(deepcopy=False)
        whole = [t for t in trials if t.state.name == "COMPLETE" and "told" in t.user_attrs]
        told = [dict(trial.user_attrs["told"]) for trial in whole]
        for one in told:  # books of versions that took a NaN for a score
            if one.get("score") is not None and not math.isfinite(one["score"]):
                one.update(score=None, failed=f"its score is {one['score']}")
        return told

    def take(self, wanted: int) -> Any:
        """Return a trial that is this worker's, or None where nothing is to be done at present.

        Args:
            wanted: Trials in all; no more are ever begun.

        Returns:
            A trial; its ``number``, or that of the one whose shape it takes up, is
            :meth:`origin`.
        """
        with self._reachable():
            self._bury()
            states = [t.state.name for t in self._study.get_trials(deepcopy=False)]
            if "WAITING" not in states and wanted <= len([s for s in states if s != "FAIL"]):
                return None
            trial = self._study.ask()
            # Two that asked at once: of all that count, those behind the last wanted step back.
            before = [
                t for t in self._study.get_trials(deepcopy=False)
                if t.number < trial.number and t.state.name != "FAIL"
            ]  # fmt: skip
            if len(before) >= wanted:
                with suppress(ValueError, self._optuna.exceptions.UpdateFinishedTrialError):
                    self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
                return None
            seed = self.seed + SEED_STRIDE * trial.number
            self._study.sampler = self._optuna.samplers.RandomSampler(seed=seed)
        return trial

    @staticmethod
    def origin(trial: Any) -> int:
        """Return the number of the trial that this one is, or takes up."""
        return int(trial.user_attrs.get("takes_up", trial.number))

    @staticmethod
    def deaths(trial: Any) -> int:
        """Return how many workers died in the shape that this trial takes up."""
        return int(trial.user_attrs.get("deaths", 0))

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Draw the shape of a trial in the block.

        Raises:
            DataError: The storage does not answer.
            TrialLost: The trial was given to another worker meanwhile.
        """
        with self._reachable():
            yield

    @contextmanager
    def alive(self, trial: Any) -> Iterator[None]:
        """Show signs of life in a trial for as long as the block runs, or it is another's."""
        stop = threading.Event()

        def beat() -> None:
            count = 0
            while not stop.is_set():
                count += 1
                try:
                    with self._reachable():
                        trial.set_user_attr("sign", count)
                except TrialLost:
                    return
                except DataError:  # away for a moment: what matters is told at the end
                    logger.debug("no sign of life: %s does not answer", self._where)
                stop.wait(self._grace / BEATS_IN_GRACE)

        thread = threading.Thread(target=beat, name="signs of life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(self._grace)

    def tell(self, trial: Any, told: Mapping[str, Any]) -> bool:
        """Write down what came of a trial.

        Args:
            trial: As :meth:`take` gave it.
            told: ``score``, finite, the lower the better; or None, and ``failed`` says why.

        Returns:
            Whether it counts: not if another worker took it up.
        """
        score = told["score"]
        with self._reachable():
            try:
                trial.set_user_attr("told", dict(told))
                self._study.tell(trial, math.inf if score is None else score)
            except (ValueError, self._optuna.exceptions.UpdateFinishedTrialError):
                self.say_lost(trial)
                return False
        return True

    def say_lost(self, trial: Any) -> None:
        """Warn that a trial is another worker's."""
        logger.warning(
            "trial %d was given to another worker meanwhile: this one was silent for over "
            "%g s; raise --grace if that happens again", trial.number, self._grace,
        )  # fmt: skip

    def give_back(self, trial: Any) -> None:
        """Leave a trial to whoever asks next, with its shape."""
        with self._reachable():
            self._put_aside(self._study.trials[trial.number], died=False)

    def _bury(self) -> None:
        """Put trials aside whose workers are dead."""
        now = self._timer()
        for trial in self._of("RUNNING"):
            sign = int(trial.user_attrs.get("sign", 0))
            last, since = self._signs.get(trial.number, (-1, now))
            if sign != last:
                self._signs[trial.number] = (sign, now)
            elif now - since > self._grace:
                self._put_aside(trial)

    def _of(self, state: str) -> list[Any]:
        wanted = (getattr(self._optuna.trial.TrialState, state),)
        return list(self._study.get_trials(deepcopy=False, states=wanted))

    def _put_aside(self, trial: Any, *, died: bool = True) -> None:
        """End a trial as failed, and ask for its shape anew; of several that try one succeeds."""
        deaths = self.deaths(trial) + died
        try:
            self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)
        except (ValueError, self._optuna.exceptions.UpdateFinishedTrialError):
            return
        again = {"takes_up": self.origin(trial), "deaths": deaths}
        self._study.enqueue_trial(trial.params, user_attrs=again)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        """Turn what a storage that is gone raises into one line."""
        try:
            yield
        except (ConfigError, DataError):
            raise
        except self._optuna.exceptions.UpdateFinishedTrialError as error:
            raise TrialLost("the trial was given to another worker meanwhile") from error
        except Exception as error:
            package = type(error).__module__.split(".")[0]
            internal = isinstance(error, self._optuna.exceptions.StorageInternalError)
            if not (isinstance(error, OSError) or internal or package in _STORAGES):
                raise
            raise DataError(f"--storage {self._where}: {_complaint(error, internal)}") from error


def _complaint(error: Exception, internal: bool) -> str:
    """Return what is wrong with a storage, and what to do, on one line."""
    # Where optuna wraps an error, its own words are a guess at the reason.
    cause = error.__cause__ if internal and error.__cause__ else error
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    first = re.sub(r"^\([\w.]+\) ", "", lines[0])[:MOST_WORDS]
    if any(words in first for words in _REFUSALS):
        return f"refuses ({first}); correct the URL, or what this user may do there"
    remedy = "when it is there again, run the same command: what was finished is kept"
    return f"does not answer ({first}); {remedy}"


def shown(storage: str) -> str:
    """Return a storage's name for people, without a password."""
    head, at, tail = storage.rpartition("@")
    scheme, slashes, user = head.partition("://")
    return f"{scheme}{slashes}{user.split(':')[0]}@{tail}" if at and slashes else storage


def _open(optuna: Any, storage: str) -> Any:
    """Open a storage; its errors are the storage's own, but for what a person mistyped."""
    if "://" not in storage:
        path = Path(storage.removeprefix("journal:"))
        if not path.parent.is_dir():
            raise ConfigError([f"--storage {path}: there is no folder {path.parent}; make it"])
        backend = optuna.storages.journal.JournalFileBackend(str(path))
        return optuna.storages.JournalStorage(backend)
    try:
        return _open_database(optuna, _with_driver(storage))
    except Exception as error:
        if not isinstance(error, ImportError | ValueError) and (
            type(error).__name__ not in ("ArgumentError", "NoSuchModuleError")
        ):
            raise
        missing = getattr(error.__cause__ or error, "name", None) or ""
        missing = _PACKAGES.get(missing, missing)
        remedy = f"install its driver: {how_to_install(missing)}" if missing else (
            "name it as sqlite:///FILE, postgresql://USER@HOST/NAME, or the path of a journal file"
        )  # fmt: skip
        raise ConfigError([f"--storage {shown(storage)}: cannot be opened; {remedy}"]) from error


def _open_database(optuna: Any, url: str) -> Any:
    """Open a database; of workers that start together on an empty one all but one make too late."""
    tries = 0
    while True:
        tries += 1
        try:
            # A connection that broke while a trial was trained is made anew, and not an error.
            return optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        except Exception as error:
            made = type(error).__name__ in ("IntegrityError", "ProgrammingError")
            if tries == OPENING_TRIES or not (made or "already exists" in str(error)):
                raise
        time.sleep(OPENING_SECONDS)


def _with_driver(url: str) -> str:
    """Return a URL that names its driver where we have a choice; where none is there the first."""
    scheme, rest = url.split("://", 1)
    drivers = _DRIVERS.get(scheme, ())
    found = next((name for name in drivers if find_spec(name)), (*drivers, "")[0])
    return f"{scheme}+{found}://{rest}" if found else url
