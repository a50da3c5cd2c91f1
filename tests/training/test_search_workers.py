"""Several workers of one search: each trial is one worker's, the dead leave theirs to others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from streamer.cli import main
from tests.training.searching import command, corpus, one_dies_and_two_go_on
from training.run.book import MOST_DEATHS, Book, shown
from training.run.verdict import Verdict

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    return corpus(tmp_path)


def trials_of(storage: str) -> list[Any]:
    backend = optuna.storages.journal.JournalFileBackend(storage)
    return optuna.load_study(
        study_name="draw", storage=optuna.storages.JournalStorage(backend)
    ).trials


def test_what_a_killed_worker_was_at_is_taken_up_and_nothing_is_counted_twice(prepared, tmp_path):
    """One worker hangs in its first trial and is killed; two others share the rest and that."""
    storage = str(tmp_path / "book")
    done = one_dies_and_two_go_on(prepared, tmp_path, storage, lambda: trials_of(storage))
    assert [0, 0] == [one.status for one in done], done
    trials = trials_of(storage)
    told = [trial for trial in trials if "told" in trial.user_attrs]
    assert 3 == len(told)
    assert {0, 1, 2} == {Book.origin(trial) for trial in told}
    (again,) = [trial for trial in told if trial.user_attrs.get("takes_up") == 0]
    assert again.params == trials[0].params
    assert "FAIL" == trials[0].state.name
    for name in ("one", "two"):
        assert 3 == len(json.loads((tmp_path / name / "search.json").read_text())["trials"])


class ByHand:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def book_at(tmp_path: Path, clock: ByHand, scheme: str = "") -> Book:
    return Book("draw", f"{scheme}{tmp_path / 'book'}", 3, 10.0, timer=clock)


@pytest.mark.parametrize("scheme", ["journal:", "sqlite:///"])
def test_no_more_are_begun_than_wanted_and_a_live_one_is_left_alone(tmp_path, scheme):
    clock = ByHand()
    ours, theirs = book_at(tmp_path, clock, scheme), book_at(tmp_path, clock, scheme)
    first, second = ours.take(2), theirs.take(2)
    assert (0, 1) == (first.number, second.number)
    for number in range(4):
        clock.now += 9.0
        second.set_user_attr("sign", number + 1)
        assert ours.take(2) is None  # its sign has changed since
        first.set_user_attr("sign", number + 1)
    clock.now += 11.0
    assert second.number == Book.origin(ours.take(2))
    assert not theirs.tell(second, {"score": 1.0})
    assert ours.tell(first, {"score": 2.0})
    assert [{"score": 2.0}] == ours.finished()


def test_draws_follow_from_the_number_of_a_trial_whoever_draws(tmp_path):
    clock = ByHand()
    one, two = book_at(tmp_path, clock), book_at(tmp_path, clock)
    drawn = [book.take(4).suggest_int("x", 0, 10**6) for book in (one, two, one, two)]
    assert 4 == len(set(drawn))
    (tmp_path / "book").unlink()
    again = book_at(tmp_path, clock)
    assert drawn == [again.take(4).suggest_int("x", 0, 10**6) for _ in range(4)]


def test_a_trial_that_is_given_back_keeps_its_shape_and_its_seed(tmp_path):
    book = book_at(tmp_path, ByHand())
    trial = book.take(1)
    shape = trial.suggest_int("x", 0, 10**6)
    book.give_back(trial)
    again = book.take(1)
    assert (trial.number, shape) == (Book.origin(again), again.suggest_int("x", 0, 10**6))
    assert book.take(1) is None


def test_a_shape_in_which_three_workers_died_is_tried_no_more(tmp_path):
    clock = ByHand()
    deaths = []
    for _ in range(MOST_DEATHS + 1):
        book = book_at(tmp_path, clock)
        trial = book.take(1)
        deaths.append((Book.origin(trial), book.deaths(trial)))
        for _ in range(2):  # another looks, and looks again later
            clock.now += 11.0
            book._bury()
    assert [(0, 0), (0, 1), (0, 2), (0, MOST_DEATHS)] == deaths


def test_a_worker_that_was_thought_dead_and_comes_back_goes_on_with_another(
    prepared, tmp_path, capsys, monkeypatch
):
    """It was stopped between being given a trial and drawing its shape."""
    storage, taken = str(tmp_path / "book"), []
    take = Book.take

    def and_sleeps(self: Book, wanted: int) -> Any:
        trial = take(self, wanted)
        if not taken:
            other = optuna.load_study(study_name="draw", storage=self._study._storage)
            other.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        taken.append(trial)
        return trial

    monkeypatch.setattr(Book, "take", and_sleeps)
    monkeypatch.setattr("training.verbs.search._try", _tried)
    assert 0 == main(command(prepared, tmp_path / "out", storage, "--trials", "1"))
    said = capsys.readouterr()
    assert "trial 0 was given to another worker meanwhile" in said.err
    assert "Traceback" not in said.err
    assert said.out.startswith("1/1: 1.000")


def test_signs_of_life_end_with_the_trial(tmp_path, capsys):
    book = book_at(tmp_path, ByHand())
    trial = book.take(1)
    book.give_back(trial)
    with book.alive(trial):
        pass
    assert "Traceback" not in capsys.readouterr().err


def _tried(_args: Any, chosen: dict[str, float], *_: Any) -> tuple[Verdict, dict[str, Any]]:
    told = {"chosen": chosen, "score": 1.0, "category": "", "figures": {}}
    return Verdict(1.0, "", {}), told


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("no/where/book", "--storage no/where/book: there is no folder no/where; make it"),
        ("what://x", "--storage what://x: cannot be opened; name it as sqlite:///FILE"),
        ("sqlite:////no/where/book.db", "does not answer"),
        ("postgresql://me:secret@127.0.0.1:1/db", "--storage postgresql://me@127.0.0.1:1/db: "),
    ],
)
def test_a_storage_that_cannot_be_had_is_one_line(
    prepared,
    tmp_path,
    capsys,
    storage,
    said,
):
    assert 1 == main(command(prepared, tmp_path / "out", storage))
    err = capsys.readouterr().err
    assert said in err
    assert "secret" not in err
    assert 1 == err.count("\n")


def test_a_storage_that_goes_away_in_a_search_is_one_line(
    prepared,
    tmp_path,
    capsys,
    monkeypatch,
):
    folder = tmp_path / "shared"
    folder.mkdir()

    def tried(*_: object) -> tuple[Verdict, dict[str, Any]]:
        folder.rename(tmp_path / "gone")
        return Verdict(1.0, "", {}), {"score": 1.0}

    monkeypatch.setattr("training.verbs.search._try", tried)
    assert 1 == main(command(prepared, tmp_path / "out", str(folder / "book")))
    err = capsys.readouterr().err
    assert "does not answer" in err
    assert "run the same command: what was finished is kept" in err
    assert 1 == err.count("\n")


def test_a_worker_that_was_given_something_else_is_one_line_each(
    prepared,
    tmp_path,
    capsys,
    monkeypatch,
):
    storage = f"sqlite:///{tmp_path}/book.db"
    assert 0 == main(command(prepared, tmp_path / "one", storage, "--trials", "1"))
    monkeypatch.setattr("training.verbs.search.__version__", "0.0.0")
    line = command(prepared, tmp_path / "two", storage, "--budget", "0.2")
    assert 1 == main(line)
    err = capsys.readouterr().err
    assert "the version of perpetuo is 0.0.0, and " in err
    assert "--budget is 0.2, and 0.1 of the workers that began this search" in err
    assert 2 == err.count("\n")


def test_a_password_is_not_shown():
    assert "postgresql://me@host/db" == shown("postgresql://me:secret@host/db")
    assert "sqlite:///a@b.db" == shown("sqlite:///a@b.db")
    assert "book" == shown("book")
