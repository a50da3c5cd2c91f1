"""``perpetuo study all``: each figure has one command, and the command is one that there is."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest

from streamer.cli import build_parser, main
from training.registry import studies
from training.studies.every import FIGURES
from training.verbs.study import OTHERS

ROOT = Path(__file__).parents[2]


class Typed(Exception):
    """The words of a command are what it takes."""


def typed(monkeypatch, module, words):
    """Let a module parse its words, and do nothing more."""
    parse = argparse.ArgumentParser.parse_args

    def stop(self, args=None, namespace=None):
        parse(self, args, namespace)
        raise Typed

    run = import_module(module).main
    with monkeypatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", stop)
        patched.setattr(sys, "argv", [module, *words])
        with pytest.raises(Typed):
            run()


@pytest.mark.parametrize("words", [["--no-such-option"], ["x", "-o", "y", "--sed", "3"], []])
def test_a_command_of_a_module_with_an_option_that_there_is_not_is_found(
    words, monkeypatch, capsys
):
    with pytest.raises(SystemExit):
        typed(monkeypatch, "training.evaluation.figure_one", [*words, "--seeed", "1"])
    assert "usage:" in capsys.readouterr().err


def test_each_figure_is_one_command_that_can_be_typed(capsys, monkeypatch):
    assert 0 == main(["study", "all", "--list"])
    lines = capsys.readouterr().out.splitlines()
    assert len(FIGURES) == len(lines)
    for figure, line in zip(FIGURES, lines, strict=True):
        words = shlex.split(line, comments=True)
        if words[0] == "python":
            assert ["python", "-m"] == words[:2]
            typed(monkeypatch, words[2], words[3:])
            continue
        args = build_parser(words[1:]).parse_args(words[1:])
        assert ([figure.name] if figure.name else None) == getattr(args, "only", None)


def test_no_figure_of_any_study_lacks_its_command():
    """What ``--only`` can choose from, or a study that has nothing to choose."""
    known = {(figure.study, figure.name) for figure in FIGURES}
    for study in (*studies(), "bench"):
        parser = argparse.ArgumentParser()
        module = studies()[study].module if study in studies() else OTHERS[study][1]
        import_module(module).add_arguments(parser)
        only = [action.choices for action in parser._actions if action.dest == "only"]
        assert {(study, name) for name in (only[0] if only else [""])} <= known


def test_what_is_in_the_results_has_a_command_there():
    """A picture of a study is named after it, or after it and its model."""
    names = {name for figure in FIGURES for name in (figure.name, figure.study) if name}
    for path in (ROOT / "docs/results").rglob("*.png"):
        own = path.stem.rpartition("-")[2] if path.stem not in names else path.stem
        assert own in names | {"figure1", "tree"}, path


def test_what_a_figure_redraws_is_a_paper_that_is_cited():
    keys = set(re.findall(r"^### \[(\w+)\]$", (ROOT / "docs/papers.md").read_text(), re.MULTILINE))
    assert {figure.redraws.split(",")[0] for figure in FIGURES if figure.redraws} <= keys


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "give --list, or --quick with -o DIR"),
        (
            ["--list", "--only", "opera"],
            "--only opera: there is chain, ear, controls, playable, draw, search, query",
        ),
    ],
)
def test_what_cannot_be_is_one_line(capsys, more, said):
    assert 1 == main(["study", "all", *more])
    err = capsys.readouterr().err
    assert said in err
    assert 1 == err.count("\n")
