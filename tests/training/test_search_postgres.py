"""A search whose book is a PostgreSQL database: workers share it, die, and it goes away."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest

from streamer.cli import main
from tests.postgresserver import PASSWORD, PostgresServer, programs
from tests.training.searching import TRIALS, command, corpus, one_dies_and_two_go_on
from training.run.book import Book
from training.run.verdict import Verdict

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed (apt: postgresql)"),
    pytest.mark.skipif(
        importlib.util.find_spec("psycopg2") is None, reason="psycopg2-binary is not installed"
    ),
]

WORKERS = 6


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def storage(server: PostgresServer, request: pytest.FixtureRequest) -> str:
    return server.fresh(f"of_{abs(hash(request.node.name))}")


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    return corpus(tmp_path)


def trials_of(storage: str) -> list[Any]:
    driven = storage.replace("postgresql://", "postgresql+psycopg2://")
    return optuna.load_study(study_name="draw", storage=driven).trials


def test_what_a_killed_worker_was_at_is_taken_up_and_none_runs_twice(prepared, tmp_path, storage):
    """One hangs in its first trial and is killed; two that start together do that and the rest."""
    done = one_dies_and_two_go_on(prepared, tmp_path, storage, lambda: trials_of(storage))
    assert [0, 0] == [one.status for one in done], done
    trials = trials_of(storage)
    told = [trial for trial in trials if "told" in trial.user_attrs]
    assert [0, 1, 2] == sorted(map(Book.origin, told))
    # Whoever works on a trial leaves a sign in it: the dead one's is there twice, and no other.
    assert [0, 0, 1, 2] == sorted(Book.origin(one) for one in trials if "sign" in one.user_attrs)
    (again,) = [trial for trial in told if "takes_up" in trial.user_attrs]
    assert (0, trials[0].params) == (Book.origin(again), again.params)
    assert "FAIL" == trials[0].state.name


def test_workers_that_start_together_on_an_empty_database_share_it(storage):
    """Each would make the tables; all but one find them half made."""
    together = threading.Barrier(WORKERS)

    def work(_worker: int) -> list[int]:
        together.wait()
        book, mine = Book("draw", storage, 3, 60.0), []
        book.agree({"--seed": 3})
        while (trial := book.take(12)) is not None:
            mine.append(trial.number)
            assert book.tell(trial, {"score": 1.0})
        return mine

    with ThreadPoolExecutor(WORKERS) as pool:
        numbers = [number for mine in pool.map(work, range(WORKERS)) for number in mine]
    assert [*range(12)] == sorted(numbers)


def tried(chosen: dict[str, float]) -> tuple[Verdict, dict[str, Any]]:
    told = {"chosen": chosen, "score": 1.0, "category": "", "figures": {}}
    return Verdict(1.0, "", {}), told


def test_a_server_that_goes_away_ends_a_worker_with_a_line_and_the_command_goes_on(
    prepared, tmp_path, storage, server, capsys, monkeypatch
):
    shapes: list[dict[str, float]] = []

    def then_it_is_gone(_args: Any, chosen: dict[str, float], *_: Any) -> Any:
        shapes.append(chosen)
        if len(shapes) == 2:
            server.stop()
        return tried(chosen)

    monkeypatch.setattr("training.verbs.search._try", then_it_is_gone)
    again = command(prepared, tmp_path / "out", storage, "--grace", "0.5")
    try:
        assert 1 == main(again)
        err = capsys.readouterr().err
        assert "/searches" not in err  # the database of this test, and not the server's first
        assert "does not answer" in err
        assert "run the same command: what was finished is kept" in err
        assert PASSWORD not in err
        assert 1 == err.count("\n")
        assert 1 == main(again)  # while it is away
        assert 1 == capsys.readouterr().err.count("\n")
    finally:
        server.start()
    assert 0 == main(again)
    assert "best of 3: 1.000" in capsys.readouterr().out
    assert 4 == len(shapes)  # the second was lost with its worker, and is done again
    assert shapes[1] in shapes[2:]


def test_a_server_that_is_back_before_a_trial_ends_ends_nothing(
    prepared, tmp_path, storage, server, capsys, monkeypatch
):
    """An upgrade of the server in the middle of a training: the broken connection is made anew."""
    shapes: list[dict[str, float]] = []

    def restarted(_args: Any, chosen: dict[str, float], *_: Any) -> Any:
        shapes.append(chosen)
        server.stop()
        server.start()
        return tried(chosen)

    monkeypatch.setattr("training.verbs.search._try", restarted)
    assert 0 == main(command(prepared, tmp_path / "out", storage, "--grace", "60"))
    assert TRIALS == len(shapes)
    said = capsys.readouterr()
    assert "" == said.err
    assert "best of 3: 1.000" in said.out


def test_a_database_that_is_not_there_and_a_wrong_password_are_one_line(
    prepared, tmp_path, server, capsys
):
    wrong = server.url().replace(PASSWORD, "guessed")
    nowhere = server.url("nowhere")
    for storage, said in ((nowhere, '"nowhere" does not exist'), (wrong, "authentication failed")):
        assert 1 == main(command(prepared, tmp_path / "out", storage))
        err = capsys.readouterr().err
        assert said in err
        assert "refuses" in err
        assert PASSWORD not in err
        assert "guessed" not in err
        assert 1 == err.count("\n")


def test_a_driver_that_is_not_installed_is_named_as_pip_knows_it(
    prepared, tmp_path, server, capsys, monkeypatch
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "training.run.book.find_spec", lambda name: None if "psycopg" in name else find(name)
    )
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    assert 1 == main(command(prepared, tmp_path / "out", server.url()))
    err = capsys.readouterr().err
    assert "pip install psycopg2-binary" in err
    assert 1 == err.count("\n")
