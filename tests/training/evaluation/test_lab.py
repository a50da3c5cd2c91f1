"""`perpetuo evaluate` from files to table, JSON and page, with all that can be wrong with files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.cli import main
from streamer.errors import DataError
from streamer.families.chain.codec import published_codec
from streamer.families.chain.settings import RecallSettings
from streamer.music.notes import NOTE_DTYPE, NoteArray
from streamer.pipeline import open_source
from streamer.settings.settings import Settings
from tests.bundles import write_tiny_bundle
from tests.midifiles import write_midi
from tests.training.evaluation.pieces import tune
from training.evaluation.compare import compare, make_reference
from training.evaluation.musicset import MusicSet, measure_sets
from training.families.chain.tensors import PieceInfo, TensorSet
from training.lab.lab import Laboratory, LabSettings, evaluate
from training.lab.report import problems, table, to_html, to_json, to_markdown

QUICK = {"rates": 2, "processes": 1}
LIGHT = ("figures", "signature", "distributions", "drift")


@pytest.fixture(scope="module", autouse=True)
def _small_forests() -> Iterator[None]:
    """The report is tested here; whole forests, which take most of its time, in their own file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.evaluation.two_sample.TREES", 12)
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen made-up works as MIDI files."""
    folder = tmp_path_factory.mktemp("corpus") / "real"
    folder.mkdir()
    for i in range(16):
        write_midi(folder / f"work {chr(97 + i)}.mid", tune(i, 900))
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six works of another kind: low and slow."""
    folder = tmp_path_factory.mktemp("other") / "low"
    folder.mkdir()
    for i in range(6):
        piece = tune(100 + i, 900)
        piece["pitch"] -= 12
        piece["duration_ms"] *= 2
        write_midi(folder / f"low {chr(97 + i)}.mid", piece)
    return folder


@pytest.fixture(scope="module")
def lab(corpus: Path, other: Path) -> Laboratory:
    """What is found without controls."""
    return evaluate(LabSettings((f"slow={other}",), corpus, controls=False, **QUICK))


def test_sets_stand_side_by_side_with_controls(corpus: Path, other: Path) -> None:
    lab = evaluate(LabSettings((str(other),), corpus, corpus, **QUICK))
    sets = lab.report["sets"]
    assert list(sets) == ["real", "low", "shuffled", "markov", "random 20..100", "random 0..127"]
    low, real = sets["low"], sets["real"]
    assert low["pieces"] == 6
    assert low["signature"]["median"]["value"] > real["signature"]["median"]["value"]
    assert (
        sets["random 0..127"]["signature"]["median"]["value"] > low["signature"]["median"]["value"]
    )
    assert sets["shuffled"]["two_sample"]["all"]["value"] > 0.95
    assert real["plagiarism"]["exact"]["largest"] >= 890
    assert real["mutual_information"] == {
        "problem": "fewer than 10,000 pairs of notes; give more files or longer ones"
    }
    assert sum(real["signature"]["categories"]) == pytest.approx(1.0)


def test_the_reference_and_the_real_column_share_no_work(corpus: Path) -> None:
    lab = evaluate(LabSettings((str(corpus),), corpus, controls=False, measures=LIGHT, **QUICK))
    assert lab.reference is not None
    held = next(s for s in lab.sets if s.name == "real")
    assert not {*held.works} & {*lab.reference.real.works}
    assert len({*held.works} | {*lab.reference.real.works}) == 16


def test_prepared_tensors_keep_to_their_splits(corpus: Path, tmp_path: Path) -> None:
    pieces = [tune(i, 900) for i in range(12)]
    splits = ["train"] * 6 + ["valid"] * 3 + ["test"] * 3
    infos = [
        PieceInfo(f"{i}.mid", "made", f"work {i}", "CC0-1.0", split)
        for i, split in enumerate(splits)
    ]
    path = tmp_path / "made.npz"
    TensorSet.from_pieces(pieces, infos, published_codec(), {}).save(path)
    lab = evaluate(
        LabSettings((str(corpus),), path, path, controls=False,
                    measures=("signature", "plagiarism"), **QUICK)
    )  # fmt: skip
    assert lab.report["reference"]["pieces"] == 6
    held = next(s for s in lab.sets if s.name == "real")
    assert held.works == [f"work {i}" for i in range(6, 12)]
    assert lab.report["sets"]["real"]["plagiarism"]["exact"]["largest"] < 200
    assert lab.report["sets"]["real 2"]["plagiarism"]["exact"]["largest"] >= 890


def test_the_report_comes_in_all_its_forms(lab: Laboratory) -> None:
    header, rows = table(lab)
    assert header == ["", "real", "slow"]
    assert all(len(row) == 3 for row in rows)
    assert json.loads(to_json(lab))["sets"]["slow"]["pieces"] == 6
    page = to_html(lab)
    assert "data:image/png;base64," in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert to_markdown(lab).count("\n") == len(rows) + 2


def test_bad_files_are_named_and_the_others_measured(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    write_midi(folder / "good.mid", tune(1))
    write_midi(folder / "one note.mid", tune(1, 1))
    write_midi(folder / "silence.mid", np.zeros(0, dtype=NOTE_DTYPE))
    drums = tune(2)
    drums["channel"] = 9
    write_midi(folder / "drums.mid", drums)
    (folder / "broken.mid").write_bytes(b"MThd\0\0\0\x06")
    (folder / "empty.mid").write_bytes(b"")
    write_midi(folder / "torn.mid", tune(3))
    (folder / "torn.mid").write_bytes((folder / "torn.mid").read_bytes()[:-9])
    lab = evaluate(LabSettings((str(folder),), corpus, controls=False, **QUICK))
    mixed = lab.report["sets"]["mixed"]
    assert mixed["pieces"] == 3
    left_out = {Path(s["file"]).name: s["reason"] for s in mixed["skipped"]}
    assert set(left_out) == {"silence.mid", "drums.mid", "broken.mid", "empty.mid"}
    lines = problems(lab)
    assert all("\n" not in line for line in lines)
    assert any("mixed/torn.mid: the file ends 9 bytes early; " in line for line in lines)
    assert any("two sample: the two-sample test needs 5" in line for line in lines)


def test_sources_with_nothing_to_measure_are_a_failure(corpus: Path, tmp_path: Path) -> None:
    """No table of dashes that ends with status 0."""
    (tmp_path / "empty.mid").write_bytes(b"")
    with pytest.raises(DataError, match="nothing in there can be measured"):
        evaluate(LabSettings((str(tmp_path),), corpus))


def test_a_reference_that_is_too_small_is_one_line_and_the_rest_goes_on(
    other: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    for i in range(2):
        write_midi(folder / f"{chr(97 + i)}.mid", tune(i, 200))
    lab = evaluate(LabSettings((str(other),), folder, controls=False, measures=LIGHT, **QUICK))
    low = lab.report["sets"]["low"]
    assert "needs at least 16" in low["signature"]["problem"]
    assert low["figures"]["velocity_mean"]["value"] > 0


def test_times_that_are_not_finite_are_left_out_by_name() -> None:
    own = MusicSet("made", "files")
    bad = tune(0)
    bad["onset_ms"][3] = np.nan
    own.add(bad, "bad", "bad")
    own.add(tune(1), "good", "good")
    assert own.files == ["good"]
    assert [(s.file, s.reason) for s in own.skipped] == [("bad", "not-finite")]


def test_several_processes_measure_the_same() -> None:
    def measured(processes: int) -> list[dict[str, float]]:
        own = MusicSet("made", "files")
        for i in range(17):
            own.add(tune(i, 150), str(i), str(i))
        measure_sets([own], 0, processes)
        return [m.figures for m in own.measures]

    assert repr(measured(1)) == repr(measured(2))


def test_a_planted_copy_is_named_with_its_source() -> None:
    def made(name: str, pieces: list[NoteArray]) -> MusicSet:
        own = MusicSet(name, "files")
        for i, piece in enumerate(pieces):
            own.add(piece, f"{name} {i}", f"{name} {i}")
        measure_sets([own], 0, 1)
        return own

    train, thief = made("train", [tune(i) for i in range(8)]), [tune(i) for i in range(50, 56)]
    stolen = train.pieces[5][300:340].copy()
    stolen["onset_ms"] += thief[2]["onset_ms"][99] + 100.0 - stolen["onset_ms"][0]
    thief[2] = np.concatenate([thief[2][:100], stolen])
    reference = make_reference(train, train)
    found = compare(made("thief", thief), reference, np.random.default_rng(0), ["plagiarism"])[
        "plagiarism"
    ]
    worst = found["exact"]["worst"][0]
    assert worst["file"] == "thief 2"
    assert worst["source"] == "train 5"
    assert worst["notes"] >= 40


def test_a_bundle_is_rendered_with_each_seed_and_judged_by_a_model(
    corpus: Path, tmp_path: Path
) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny").path
    settings = LabSettings(
        (str(bundle),), corpus, model=str(bundle), seeds=(3, 4), minutes=0.5, controls=False,
        measures=LIGHT, selection=True, **QUICK,
    )  # fmt: skip
    lab = evaluate(settings)
    tiny = lab.report["sets"]["tiny"]
    assert tiny["kind"] == "bundle"
    assert next(s for s in lab.sets if s.name == "tiny").files == ["tiny seed 3", "tiny seed 4"]
    found = tiny["selection"]["measures"]["realness"]["played - passed over"]
    assert found["low"] <= found["value"] <= found["high"]
    nats = lab.report["sets"]["real"]["model"]["nats"]
    parts = sum(nats[name]["value"] for name in ("pitch", "shift", "duration", "velocity", "pedal"))
    assert parts == pytest.approx(nats["total"]["value"], rel=1e-5)


def test_the_command_prints_a_table_and_writes_the_same_report_for_the_same_seed(
    lab: Laboratory,
    corpus: Path,
    other: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = {name: tmp_path / f"out.{name}" for name in ("json", "html", "markdown", "plots")}
    arguments = ["evaluate", f"slow={other}", "--reference", str(corpus), "--no-controls",
                 "--rates", str(QUICK["rates"]), "--processes", "1"]  # fmt: skip
    for name, path in out.items():
        arguments += [f"--{name}", str(path)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "two-sample AUC, velocity" in shown
    assert all(path.stat().st_size > 0 for path in out.values())
    assert to_json(lab) == out["json"].read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-bundle"], "no-such-bundle"),
        (["./nowhere.mid"], "nowhere.mid"),
        (["{other}", "--reference", "{empty}"], "can be used as a reference"),
        (["{other}", "--json", "{empty}"], "is a folder"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    arguments: list[str],
    message: str,
    corpus: Path,
    other: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    filled = [a.format(other=other, empty=empty) for a in arguments]
    if "--reference" not in filled:
        filled += ["--reference", str(corpus)]
    assert main(["evaluate", *filled, "--processes", "1"]) == 1
    said = capsys.readouterr().err.strip()
    assert message in said
    assert "\n" not in said


def test_a_bundle_is_rendered_as_is_asked_and_the_report_says_so(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = []

    def opened(*, settings: Settings) -> Any:
        rendered.append(settings)
        return open_source(settings=settings)

    monkeypatch.setattr("streamer.pipeline.open_source", opened)
    bundle = write_tiny_bundle(tmp_path).path
    asked = ["--ranking", "any", "--set", "recall.echo_share=0.8", "--set", "density=0.5"]
    how = [
        "--seeds",
        "4",
        "--minutes",
        "0.1",
        "--no-controls",
        "--measures",
        "figures",
        "--limit",
        "2",
    ]
    out = tmp_path / "out.json"
    line = ["evaluate", str(bundle), "--reference", str(corpus), "--json", str(out), *asked, *how]
    assert 0 == main([*line, "--rates", "0", "--processes", "1"])
    (settings,) = rendered
    assert (str(bundle), 4, "any") == (
        settings.model.model, settings.model.seed, settings.model.ranking
    )  # fmt: skip
    assert 0.8 == settings.stage(RecallSettings).echo_share
    assert 0.5 == settings.controls.density
    told = json.loads(out.read_text())["drawing"]
    assert {"recall.echo_share", "controls.density", "model.ranking"} == set(told)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ranking", "any"], "none is named"),
        (["--set", "recall.echo=1"], "recall.echo is unknown; known are"),
        (["--set", "recall.echo_share=2"], "must be in range 0.0..1.0"),
        (["--set", "model.seed=3"], "is said by --seeds here"),
        (["--set", "density"], "must be NAME=VALUE"),
    ],
)
def test_what_cannot_be_set_for_a_render_is_one_line(
    options: list[str], said: str, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 != main(["evaluate", str(corpus), "--reference", str(corpus), *options])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [["--minutes", "0"], ["--seeds", "x"], ["--limit", "0"], ["--rates", "-1"]]
)
def test_options_out_of_range_are_usage_errors(option: list[str], corpus: Path) -> None:
    assert main(["evaluate", str(corpus), "--reference", str(corpus), *option]) == 2
