"""Ratings: rows that last, and bad ones named by line; a session that stops goes on later."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from streamer import __version__, cli
from streamer.errors import BundleError, DataError, StreamerError
from streamer.families.tunes.codec import to_tune
from streamer.families.tunes.features import tune_features
from streamer.families.tunes.rating import Beginning, rate
from streamer.families.tunes.ratings import (
    COLUMNS,
    Rating,
    append_rating,
    parse_tune,
    read_ratings,
    tune_text,
)
from streamer.music.notes import Note, Phrase
from streamer.settings.settings import Settings
from streamer.testing import FakePort, ManualClock
from streamer.verbs.beginnings import RATED_NOTES, draw_beginning, play_to_port, write_to_folder
from tests.bundles import write_tiny_bundle, write_tiny_tunes_bundle

TUNE = to_tune([60, 62, 64, 65, 67, 69, 71, 72, 60], [12, 6, 6, 12, 12, 6, 6, 24, 0])


def row(rating: int = 4, seed: int = 0, style: str = "folk") -> Rating:
    features = tuple(tune_features([TUNE])[0].tolist())
    return Rating(rating, style, "tunes", "1.0", seed, TUNE, features)


def beginning(seed: int) -> Beginning:
    notes = tuple(Note(60 + i, 250.0 * i, 200.0, 70) for i in range(9))
    phrase = Phrase(notes, np.zeros((9, 3), dtype=np.float32), 0.0, 2000.0)
    return Beginning(seed, "tunes", TUNE, (phrase,))


def answers(*given: str):
    left = list(given)
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        if not left:
            raise EOFError
        return left.pop(0)

    return ask, questions


def session(path, *given: str, draw=beginning, **more):
    played: list[int] = []

    def play(one: Beginning) -> str:
        played.append(one.seed)
        return ""

    ask, questions = answers(*given)
    rated = rate(path, draw, play, ask, bundle="tunes", style="folk", **more)
    return rated, played, questions


def test_what_is_appended_is_read_again(tmp_path):
    path = tmp_path / "r.csv"
    for rating in (1, 5):
        append_rating(path, row(rating))
    found = read_ratings(path)
    assert [r.rating for r in found] == [1, 5]
    assert [r.good for r in found] == [False, True]
    assert found[0].tune.tolist() == TUNE.tolist()
    assert found[0].features == pytest.approx(row().features, rel=1e-5)
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (0, "7", "rating must be a whole number in range 1..5, not '7'"),
        (0, "3.5", "rating must be a whole number in range 1..5, not '3.5'"),
        (0, "", "rating must be a whole number in range 1..5, not ''"),
        (4, "-1", "seed must be a whole number of 0 or more, not '-1'"),
        (5, "60:12 62", "a note must be PITCH:LENGTH, not '62'"),
        (5, "60:12 200:12", "a note must be in range 0:0..127:65535, not '200:12'"),
        (5, "60:12", "notes must be 8 or more, not 1"),
        (6, "1 2 x", "features must be numbers"),
        (6, "1 2 3", "features must be 16 numbers, not 3"),
    ],
)
def test_a_bad_row_is_named_by_its_line_with_what_is_allowed(tmp_path, column, value, said):
    path = tmp_path / "r.csv"
    append_rating(path, row())
    cells = path.read_text().splitlines()[1].split(",")
    cells[column] = value
    path.write_text(path.read_text() + ",".join(cells) + "\n")
    with pytest.raises(DataError) as caught:
        read_ratings(path)
    assert f"line 3: {said}" in str(caught.value)
    assert "correct or remove" in str(caught.value)


def test_every_bad_row_is_named_at_once_and_many_are_counted(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(",".join(COLUMNS) + "\n" + "9\n" * 12)
    with pytest.raises(DataError, match=r"line 2: .*line 9: .*and 4 more"):
        read_ratings(path)


def test_another_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="line 1 must be rating,style"):
        read_ratings(path)
    with pytest.raises(DataError, match="no such file; make one with perpetuo rate"):
        read_ratings(tmp_path / "none.csv")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="no file of ratings"):
        read_ratings(path)


def test_text_of_a_tune_is_read_as_that_tune():
    assert parse_tune(tune_text(TUNE)).tolist() == TUNE.tolist()


def test_each_answer_is_on_the_disk_before_the_next_question(tmp_path):
    path, seen = tmp_path / "r.csv", []

    def ask(question: str) -> str:
        seen.append(len(read_ratings(path)) if path.exists() else 0)
        return "q" if len(seen) == 3 else "4"

    rate(path, beginning, lambda one: "", ask, bundle="tunes")
    assert seen == [0, 1, 2]


def test_skip_leaves_no_row_replay_plays_again_and_nonsense_asks_again(tmp_path):
    path = tmp_path / "r.csv"
    rated, played, questions = session(path, "s", "r", "six", "5", "q")
    assert rated == 1
    assert played == [0, 1, 1, 2]
    assert "'six' is none of these" in questions[3]
    assert [(r.rating, r.seed, r.style, r.version) for r in read_ratings(path)] == [
        (5, 1, "folk", __version__)
    ]


def test_a_session_goes_on_where_the_last_one_stopped(tmp_path):
    path = tmp_path / "r.csv"
    assert session(path, "1", "2", "q")[1] == [0, 1, 2]
    assert session(path, "3", "q")[1] == [2, 3]
    assert [r.seed for r in read_ratings(path)] == [0, 1, 2]


def test_another_style_begins_at_its_own_first_seed(tmp_path):
    path = tmp_path / "r.csv"
    session(path, "1", "q")
    ask, _ = answers("2", "q")
    rate(path, beginning, lambda one: "", ask, bundle="tunes", style="jazz", first_seed=0)
    assert [(r.style, r.seed) for r in read_ratings(path)] == [("folk", 0), ("jazz", 0)]


def test_the_count_and_the_end_of_input_end_a_session(tmp_path):
    assert session(tmp_path / "a.csv", "1", "1", "1", count=2)[0] == 2
    assert session(tmp_path / "b.csv", "1")[0] == 1


def test_a_file_with_bad_rows_is_refused_before_anything_is_played(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(",".join(COLUMNS) + "\n9,,,,,,\n")
    with pytest.raises(DataError, match="line 2: rating"):
        session(path, "1")


def test_beginnings_that_are_too_short_are_passed_over(tmp_path):
    def draw(seed: int) -> Beginning | None:
        return beginning(seed) if seed >= 3 else None

    assert session(tmp_path / "r.csv", "1", "q", draw=draw)[1] == [3, 4]
    with pytest.raises(StreamerError, match="100 seeds from 0"):
        session(tmp_path / "r2.csv", "1", draw=lambda seed: None)


def test_what_is_written_is_heard_out(tmp_path):
    from streamer.midi.midifile import read_midi

    path = write_to_folder(beginning(7), tmp_path)
    assert path == str(tmp_path / "rate-tunes-7.mid")
    notes = read_midi(tmp_path / "rate-tunes-7.mid")
    assert notes["pitch"].tolist() == list(range(60, 69))
    assert notes["duration_ms"][-1] == pytest.approx(200, abs=2)
    write_to_folder(beginning(7), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["rate-tunes-7.mid"]


def test_what_is_played_is_heard_out_and_nothing_sounds_after_it():
    clock = ManualClock()
    port = FakePort(clock)
    play_to_port(beginning(0), port, clock)
    struck = [m[1] for m in port.messages if m[0] == 0x90 and m[2]]
    assert struck == list(range(60, 69))
    assert port.receiver.is_silent


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny_tunes_bundle(tmp_path_factory.mktemp("bundles")).path


def settings_for(bundle) -> Settings:
    base = Settings()
    return replace(base, model=replace(base.model, model=str(bundle), style="jazz"))


def test_a_beginning_is_a_tune_and_the_phrases_that_play_it(tiny):
    found = draw_beginning(settings_for(tiny), 3)
    again = draw_beginning(settings_for(tiny), 3)
    assert found.seed == 3
    assert found.bundle == "tiny-tunes"
    assert 24 <= len(found.tune) <= RATED_NOTES + 16
    assert sum(len(phrase.notes) for phrase in found.phrases) == len(found.tune)
    assert found.tune.tolist() == again.tune.tolist()
    assert draw_beginning(settings_for(tiny), 4).tune.tolist() != found.tune.tolist()


def test_a_bundle_that_plays_no_tunes_is_not_rated(tmp_path):
    bundle = write_tiny_bundle(tmp_path)
    settings = replace(Settings(), model=replace(Settings().model, model=str(bundle.path)))
    with pytest.raises(BundleError, match="plays no tunes, and only tunes are rated"):
        draw_beginning(settings, 0)


def test_without_a_terminal_the_verb_is_one_line(tmp_path, capsys):
    assert cli.main(["rate", "-o", str(tmp_path / "r.csv")]) == 1
    error = capsys.readouterr().err
    assert "on a terminal" in error
    assert error.count("\n") == 1


def test_the_verb_asks_writes_and_goes_on(tiny, tmp_path, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = tmp_path / "r.csv"
    for text in ("4\nr\n2\n", "5\nq\n"):
        monkeypatch.setattr("sys.stdin", Terminal(text))
        monkeypatch.setattr("sys.stdout", shown := Terminal())
        arguments = ["rate", "--model", str(tiny), "--style", "bach", "-o", str(out)]
        assert cli.main(arguments) == 0
        assert "rated, in" in shown.getvalue()
    found = read_ratings(out)
    assert [(r.rating, r.seed, r.style) for r in found] == [(4, 0, "bach"), (2, 1, "bach"),
                                                            (5, 2, "bach")]  # fmt: skip
    assert (tmp_path / "rate-tiny-tunes-2.mid").is_file()
    out.write_text(out.read_text() + "6,,,,,,\n")
    monkeypatch.setattr("sys.stdin", Terminal("1\n"))
    monkeypatch.setattr("sys.stdout", Terminal())
    assert cli.main(arguments) == 1
    assert "line 5: rating must be a whole number in range 1..5" in capsys.readouterr().err
