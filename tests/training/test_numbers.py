"""Every number that a verb of training or export takes has a range, and beyond it is one line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module

import pytest

from export import cli as export_cli
from streamer.cli import Parser, main
from streamer.errors import ConfigError
from streamer.verbs.numbers import Number, Whole
from training import cli as training_cli
from training.registry import load_preset, make_task, presets, tiny_corpus

OWN = {
    ("listen-test", "--pairs"), ("listen-test", "--seconds"),
    ("export", "--phrase-notes"), ("export", "--candidates"),
}  # fmt: skip
"""Options that are judged together, all mistakes at once; by :func:`main` below."""

NUMBERS = (int, float)


def options() -> Iterator[tuple[str, argparse.Action]]:
    """Yield the options of all verbs, sub-verbs and studies."""
    modules = {
        verb: module
        for cli in (training_cli, export_cli)
        for verb, (_, module) in cli.VERBS.items()
    }
    for verb, others in training_cli.OTHERS.items():
        modules |= {f"{verb} {name}": module for name, module in others.items()}
    for verb, module in modules.items():
        yield from _of(module, verb)


def _of(module: str, verb: str) -> Iterator[tuple[str, argparse.Action]]:
    parser = Parser(prog="perpetuo")
    import_module(module).add_arguments(parser)
    yield from _walk(parser, verb)


def _walk(parser: argparse.ArgumentParser, verb: str) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            yield verb, action
            continue
        for name, sub in action.choices.items():
            module = getattr(sub, "module", None)
            yield from _of(module, f"{verb} {name}") if module else _walk(sub, f"{verb} {name}")


def test_every_number_has_a_range_and_what_lies_beyond_is_refused() -> None:
    found = 0
    for verb, action in options():
        if not action.option_strings or (verb, action.option_strings[-1]) in OWN:
            continue
        assert action.type not in NUMBERS, (verb, action.option_strings)
        if not isinstance(action.type, Whole | Number):
            continue
        found += 1
        beyond = (action.type.low - 1, action.type.high * 2 + 1, "nan", "word", "1e999", "")
        for wrong in map(str, beyond):
            with pytest.raises(argparse.ArgumentTypeError, match=r"must be .*in range .*\.\..*not"):
                action.type(wrong)
        default = action.default
        assert default is None or default == action.type(str(default)), (verb, action)
    assert found > 50


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("train chain --tensors x.npz --threads 0", "--threads: must be a whole number"),
        ("train baseline gated --tensors x.npz -o y --rate -1", "--rate: must be in range"),
        ("train ear --bundle piano --corpus x.npz -o y --hidden 2", "in range 4..512, not 2"),
        ("search draw --tensors x.npz -o y --grace nan", "--grace: must be in range 0.1.."),
        ("study ear --bundle piano --tensors x.npz -o y --streams 0", "--streams: must be"),
        ("prepare pieces x -o y.npz --seed -1", "--seed: must be a whole number in range 0.."),
        ("listen-test a b -o y --pairs 0 --seconds nan", "--pairs must be in range 1..100, not 0"),
        ("export x --candidates 0 --phrase-notes 3", "--candidates must be in range 1..64, not 0"),
        ("train chain --tensors x.npz --set loop.learning_rate=-1", "loop.learning_rate must be"),
        ("train chain --tensors x.npz --set loop.epochs=0", "loop.epochs must be in range 1.."),
        ("train chain --tensors x.npz --set loop.epochs=1.5", "must be a whole number, not 1.5"),
        ("train chain --tensors x.npz --set data.batch=word", "batch: must be a whole number, not"),
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_told_before_any_file_is_read(command, said, capsys) -> None:
    assert main(command.split()) in (1, 2)
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert "x.npz" not in err


@pytest.mark.parametrize(
    ("entry", "value"),
    [("data.batch", 0), ("data.steps", -1), ("data.share", 9.0), ("data.velocity", -1)],
)
def test_how_a_corpus_is_cut_has_ranges_too(entry, value) -> None:
    import torch

    preset = load_preset("chain-tiny", {entry: value})
    with pytest.raises(ConfigError, match=entry.partition(".")[2]):
        make_task(preset, tiny_corpus("chain"), 0, torch.device("cpu"))


@pytest.mark.parametrize("name", presets())
def test_every_preset_holds_what_its_dataclasses_declare(name) -> None:
    assert name == load_preset(name).name


@pytest.mark.parametrize(
    "line", ["baseline gated --tensors x.npz -o y", "ear --bundle piano --corpus x.npz -o y",
             "encoder --tensors x.npz -o y.npz", "filter --tunes x.npz -o y"],
)  # fmt: skip
def test_what_one_process_does_is_refused_to_several(line, capsys, monkeypatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert 1 == main(["train", *line.split()])
    err = capsys.readouterr().err
    assert "torchrun started 4 processes" in err
    assert 1 == err.count("\n")
