"""Listening tests without a browser: what is made, what is refused, what the figures recover."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from streamer.cli import main
from streamer.errors import DataError
from tests.training.listening.listeners import answers_of, write_folder
from training.listening.answers import KEY_FORMAT, SCALES, read_answers
from training.listening.statistics import holm, least_p, needed, signed_rank, summarise

LIKES = {"good": {"structure": 0.9, "musicality": 0.7}, "bad": {}, "worse": {"musicality": -0.3}}


def key_of(*systems: str, pairs: int = 6) -> dict[str, Any]:
    made = [
        {"id": f"{a}{b}{i}", "clips": [{"clip": f"{s}{a}{b}{i}", "system": s, "source": ""}
                                       for s in (a, b)]}
        for n, a in enumerate(systems) for b in systems[n + 1 :] for i in range(pairs)
    ]  # fmt: skip
    return {"format": KEY_FORMAT, "test": "t", "title": "T", "systems": list(systems),
            "scales": [s.name for s in SCALES], "pairs": made}  # fmt: skip


def written(folder: Path, key: dict[str, Any], listeners: int) -> Path:
    (folder / "key.json").write_text(json.dumps(key))
    for number in range(listeners):
        text = json.dumps(answers_of(key, number, LIKES))
        (folder / f"answers-{number}.json").write_text(text)
    return folder


def test_the_figures_recover_what_listeners_like(tmp_path):
    """Structure and musicality of one system are liked; nothing else is, and nothing else found."""
    folder = written(tmp_path, key_of("good", "bad"), 14)
    found = summarise(read_answers([folder]))
    assert ("listener", 14) == (found["unit"], found["listeners"])
    tests = {row["scale"]: row for row in found["tests"]}
    for scale, added in (("structure", 0.9), ("musicality", 0.7)):
        assert tests[scale]["p_holm"] < 0.05
        assert tests[scale]["difference"] == pytest.approx(added, abs=0.35)
    assert min(tests[scale]["p_holm"] for scale in ("coherence", "creativity")) > 0.05
    liked, other = (found["systems"][name]["structure"] for name in ("good", "bad"))
    assert liked["mean"] - other["mean"] == pytest.approx(tests["structure"]["difference"])
    assert 0.05 < liked["se"] < 0.35


def test_listeners_who_like_nothing_better_are_seldom_taken_for_some_who_do():
    """Of 40 tests of four scales each, none differs in truth: at 5 % two are expected."""
    key = key_of("good", "bad", pairs=4)
    false = 0
    for test in range(40):
        rows = [answers_of(key, 100 * test + n, {"good": {}, "bad": {}}) for n in range(8)]
        found = summarise(_direct(key, rows))
        false += min(row["p_holm"] for row in found["tests"]) < 0.05
    assert false <= 2  # 0 of 40 measured: Holm is strict where marks hang together


def _direct(key: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
    from training.listening.answers import Answers, _row

    clips = {pair["id"]: pair["clips"] for pair in key["pairs"]}
    marked = [
        _row(data["session"], pair["id"], clips[pair["id"]], pair)
        for data in rows
        for pair in data["pairs"]
    ]
    return Answers(key, tuple(row for row in marked if row is not None))


def test_three_systems_are_compared_two_by_two(tmp_path, capsys):
    folder = written(tmp_path, key_of("good", "bad", "worse", pairs=2), 7)
    assert 0 == main(["listen-test", "--read", str(folder), "--json", str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert "7 listeners, 42 pairs marked; an observation is a listener" in out
    found = json.loads((tmp_path / "out").read_text())
    assert 12 == len(found["tests"])
    assert all(row["p_holm"] >= row["p"] for row in found["tests"])
    assert "over 12 tests; the least that 7 listeners can reach is 0.19" in out
    assert "nothing can be found at 0.05: 9 listeners are needed, or fewer systems" in out


@pytest.mark.parametrize("systems", range(2, 9))
def test_with_as_many_listeners_as_are_needed_all_of_one_mind_are_found_and_with_fewer_not(systems):
    tests = 4 * systems * (systems - 1) // 2
    for listeners, found in ((needed(tests), True), (needed(tests) - 1, False)):
        p = [signed_rank(np.arange(1, listeners + 1))[1], *[1.0] * (tests - 1)]
        assert least_p(listeners, tests) == pytest.approx(holm(p)[0])
        assert found == (holm(p)[0] < 0.05)


def test_with_few_listeners_pairs_are_what_is_counted(tmp_path, capsys):
    folder = written(tmp_path, key_of("good", "bad", pairs=9), 2)
    assert 0 == main(["listen-test", "--read", str(folder)])
    assert "pair (too few listeners)" in capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 2, 7, 12, 25])
def test_the_signed_rank_test_is_scipys_where_nothing_is_tied(count):
    values = np.random.default_rng(count).normal(0.4, 1.0, count)
    w, p, n = signed_rank(values)
    theirs = stats.wilcoxon(values, method="exact")
    assert (count, pytest.approx(theirs.pvalue)) == (n, p)
    assert theirs.statistic == pytest.approx(min(w, count * (count + 1) / 2 - w))


def test_the_signed_rank_test_is_exact_with_ties_and_zeros():
    """Counted over all signs by hand: |d| = 1, 1, 2 have ranks 1.5, 1.5, 3."""
    w, p, n = signed_rank([1.0, 1.0, 2.0, 0.0])
    assert (6.0, 0.25, 3) == (w, p, n)
    assert (0.0, 1.0, 0) == signed_rank([0.0, 0.0])


def test_holm_takes_the_least_p_times_all_tests():
    assert [0.03, 0.06, 0.06] == pytest.approx(holm([0.01, 0.04, 0.03]))
    assert [1.0, 1.0] == holm([0.9, 0.8])


def _broken(name: str, data: dict[str, Any]) -> str:
    """Return a listener's file with something wrong with it."""
    first = data["pairs"][0]
    clip = first["order"][0]
    if name == "mark missing":
        del first["marks"][clip]["structure"]
    elif name == "pair missing":
        data["pairs"].pop()
    elif name == "another test":
        data["test"] = "other"
    elif name == "foreign":
        data = {"hello": "world"}
    elif name == "mark of 6":
        first["marks"][clip]["structure"] = 6
    elif name == "clip of nobody":
        first["order"][0] = "nobody"
    text = json.dumps(data)
    return text[: len(text) // 2] if name == "half" else text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mark missing", "1 of 6 pairs lack marks; have the listener finish them, or"),
        ("pair missing", "1 of 6 pairs lack marks"),
        ("another test", "answers to another test than the key's"),
        ("foreign", "no perpetuo listening answers of this version"),
        ("half", "not whole JSON"),
        ("mark of 6", "damaged; have the answers saved again"),
        ("clip of nobody", "damaged; have the answers saved again"),
    ],
)
def test_a_file_that_cannot_be_counted_is_one_line(tmp_path, capsys, name, said):
    key = key_of("good", "bad")
    folder = written(tmp_path, key, 3)
    (folder / "answers-1.json").write_text(_broken(name, answers_of(key, 1, LIKES)))
    assert 1 == main(["listen-test", "--read", str(folder)])
    out, err = capsys.readouterr()
    assert ("", 1) == (out, err.count("\n"))
    assert f"answers-1.json: {said}" in err


def test_what_lacks_marks_can_be_left_out(tmp_path):
    key = key_of("good", "bad")
    folder = written(tmp_path, key, 3)
    (folder / "answers-1.json").write_text(_broken("mark missing", answers_of(key, 1, LIKES)))
    assert 17 == len(read_answers([folder], partial=True).marked)


def test_one_listener_is_not_counted_twice(tmp_path):
    folder = written(tmp_path, key_of("good", "bad"), 2)
    (folder / "copy.json").write_text((folder / "answers-0.json").read_text())
    with pytest.raises(DataError, match="the same session as"):
        read_answers([folder])


def test_answers_without_a_key_are_one_line(tmp_path, capsys):
    folder = written(tmp_path, key_of("good", "bad"), 2)
    (folder / "key.json").unlink()
    assert 1 == main(["listen-test", "--read", str(folder)])
    assert "no key.json beside the answers; say --key" in capsys.readouterr().err


def test_a_folder_holds_a_page_that_names_nobody(tmp_path, capsys):
    for name, step in (("rising", 1), ("leaping", 7)):
        write_folder(tmp_path / name, 3, step)
    line = ["listen-test", str(tmp_path / "rising"), f"jumping={tmp_path / 'leaping'}"]
    line += ["-o", str(tmp_path / "test"), "--pairs", "2", "--seconds", "3", "--synth", "own"]
    assert 0 == main(line)
    key = json.loads((tmp_path / "test/key.json").read_text())
    assert ["rising", "jumping"] == key["systems"]
    clips = {clip["clip"] for pair in key["pairs"] for clip in pair["clips"]}
    assert {f"{clip}.wav" for clip in clips} == {
        path.name for path in (tmp_path / "test/page/clips").iterdir()
    }
    text = (tmp_path / "test/page/index.html").read_text()
    for secret in ("rising", "jumping", "leaping", str(tmp_path)):
        assert secret not in text
    assert "://" not in text
    capsys.readouterr()
    assert 1 == main(line)
    assert (
        "test is there already; name another folder, or empty this one" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["A"], "there are 1 systems, and a test compares 2 to 8"),
        (["A", "A", "--pairs", "0"], "--pairs must be in range 1..100, not 0"),
        (["A", "A", "--seconds", "1"], "--seconds must be in range 3..600, not 1"),
        (["A", "A", "--pairs", "9", "--seconds", "3"], "3 files to be heard, and 9 pairs want 9"),
        (["A", "no/where", "--pairs", "2"], "no/where: there is no such folder, file or bundle"),
        (["A", "A", "--partial"], "--key, --partial and --json belong to --read"),
    ],
)
def test_a_test_that_cannot_be_is_one_line(tmp_path, capsys, monkeypatch, options, said):
    write_folder(tmp_path / "A", 3, 1)
    monkeypatch.chdir(tmp_path)
    assert 1 == main(["listen-test", *options, "-o", "test", "--synth", "own"])
    err = capsys.readouterr().err
    assert said in err
    assert 1 == err.count("\n")
    assert ["A"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.fluidsynth
def test_fluidsynth_plays_where_it_is_installed(tmp_path):
    write_folder(tmp_path / "A", 1, 1)
    line = ["listen-test", str(tmp_path / "A"), str(tmp_path / "A"), "-o", str(tmp_path / "t")]
    assert 0 == main([*line, "--pairs", "1", "--seconds", "3", "--synth", "fluidsynth"])
    clips = list((tmp_path / "t/page/clips").glob("*.ogg"))
    assert 2 == len(clips)
    assert all(clip.read_bytes().startswith(b"OggS") for clip in clips)
