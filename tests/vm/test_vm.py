"""What says whether the virtual machine's scenarios passed; no machine is started here."""

import json
import sys

import pytest

from tests.vm import arm64, run
from tests.vm.guest.machine import Receiver, tracebacks
from tests.vm.image import Broken, Unavailable

SCENARIO = run.SCENARIOS[0]


@pytest.fixture
def receiver():
    """A receiver to which lines are read out."""
    made = Receiver.__new__(Receiver)
    made.heard, made.struck, made.pedals, made.strays = [], {}, {}, 0
    return made


def judged(monkeypatch, tmp_path, lines, ended=""):
    monkeypatch.setattr(run, "boot", lambda *arguments: (lines, ended))
    return run.judge(SCENARIO, tmp_path, 100.0, "")


def check(ok):
    return {"check": "it plays", "ok": ok, "seen": ""}


def test_aseqdumps_lines_become_what_a_synth_would_sound(receiver):
    receiver.hear("Source  Event                  Ch  Data\n", 1.0)
    receiver.hear(" 24:0   Port subscribed            20:0 -> 130:0\n", 1.0)
    receiver.hear(" 24:0   Control change          0, controller 64, value 127\n", 2.0)
    receiver.hear(" 24:0   Note on                 0, note 60, velocity 64\n", 2.0)
    receiver.hear(" 24:0   Note on                15, note 61, velocity 0\n", 2.5)
    assert receiver.struck == {(0, 60): 2.0}
    assert receiver.strays == 1
    assert not receiver.silent
    receiver.hear(" 24:0   Note off                0, note 60, velocity 0\n", 3.0)
    receiver.hear(" 24:0   Control change          0, controller 123, value 0\n", 3.0)
    assert receiver.struck == {}
    assert not receiver.silent
    receiver.hear(" 24:0   Control change          0, controller 64, value 0\n", 3.0)
    assert receiver.silent
    assert receiver.notes() == [(2.0, 60, 64)]
    assert receiver.notes(since=2.1) == []


def test_tracebacks_are_counted_and_the_watchdogs_dump_is_none():
    text = "Fatal Python error: Aborted\nThread 0x00 (most recent call first):\n"
    assert tracebacks(text) == 0
    assert tracebacks(text + "Traceback (most recent call last):\n") == 1


@pytest.mark.parametrize(
    ("lines", "ended", "verdict"),
    [
        ([check(True), {"exit": 0}], "", "passed"),
        ([check(False), {"exit": 1}], "", "failed"),
        ([check(True)], "", "failed"),
        ([check(True)], "not over after 9 s", "failed"),
        ([check(True)], f"{run.OVER} after 9 s", "skipped"),
        ([check(False)], f"{run.OVER} after 9 s", "failed"),
        ([], "qemu ended with 1: no disk", "failed"),
    ],
)
def test_a_scenario_passes_only_when_it_says_so_itself(
    monkeypatch, tmp_path, lines, ended, verdict
):
    assert judged(monkeypatch, tmp_path, lines, ended)["verdict"] == verdict


def test_what_qemu_ends_with_is_told():
    ended = run.watch([sys.executable, "-c", "raise SystemExit('no disk')"], 60.0, 60.0)
    assert ended == "qemu ended with 1: no disk"


def test_a_machine_that_cannot_be_made_is_reported_with_the_reason(monkeypatch, tmp_path, capsys):
    def refuse(say):
        raise Unavailable("there is no apt-get")

    monkeypatch.setattr(run, "make_ready", refuse)
    for words, status in (([], 0), (["--required"], 1)):
        monkeypatch.setattr(sys, "argv", ["run", "--work", str(tmp_path), *words])
        assert run.main() == status
        assert "alsa SKIPPED: there is no apt-get" in capsys.readouterr().out
    results = json.loads((tmp_path / "results.json").read_text())
    assert {result["verdict"] for result in results} == {"skipped"}


def test_a_checkout_that_does_not_install_is_a_failure(monkeypatch, tmp_path, capsys):
    def fail(work, say):
        raise Broken("the wheel cannot be built")

    monkeypatch.setattr(run, "make_ready", lambda say: None)
    monkeypatch.setattr(run, "make_image", fail)
    monkeypatch.setattr(sys, "argv", ["run", "--work", str(tmp_path)])
    assert run.main() == 1
    assert "FAILED: the wheel cannot be built" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "status", "word"),
    [
        ({"same_bytes": True, "same_leading_notes": 90}, 0, "the same bytes"),
        ({"same_bytes": False, "same_leading_notes": 32}, 0, "the same 32 notes at first"),
        ({"same_bytes": False, "same_leading_notes": 31}, 1, "is another"),
    ],
)
def test_two_processors_agree_in_bytes_or_in_the_first_phrase(
    monkeypatch, tmp_path, capsys, found, status, word
):
    monkeypatch.setattr(arm64, "compare", lambda *arguments: found)
    monkeypatch.setattr(sys, "argv", ["arm64", "--work", str(tmp_path)])
    assert arm64.main() == status
    assert word in capsys.readouterr().out
