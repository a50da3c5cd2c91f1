"""The words that add an extra work from where they are read."""

from __future__ import annotations

import json
import sys
from importlib import metadata

import pytest

from streamer.system import installing
from streamer.system.installing import checkout, how_to_add, how_to_install, wheel_file

PIP = f"{sys.executable} -m pip install"


class Installed:
    """A distribution that remembers where it came from."""

    def __init__(self, url: str | None) -> None:
        self._url = url

    def read_text(self, name: str) -> str | None:
        assert "direct_url.json" == name
        return None if self._url is None else json.dumps({"url": self._url})


@pytest.fixture
def no_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(
        installing, "__file__", str(tmp_path / "site" / "streamer" / "system" / "x")
    )


def test_a_checkout_names_make_and_an_editable_install():
    root = checkout()
    assert root is not None
    assert f"make -C {root} install" == how_to_add("train")
    assert f"{PIP} -e '{root}[metrics]'" == how_to_add("metrics")


def test_an_installation_from_the_index_names_our_own_distribution(no_checkout, monkeypatch):
    monkeypatch.setattr(metadata, "distribution", lambda _: Installed(None))
    assert f"{PIP} 'perpetuo-midi[train]'" == how_to_add("train")


def test_an_installation_from_a_wheel_names_the_wheel(no_checkout, monkeypatch, tmp_path):
    wheel = tmp_path / "a b" / "perpetuo_midi-1-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.touch()
    monkeypatch.setattr(metadata, "distribution", lambda _: Installed(wheel.as_uri()))
    assert wheel == wheel_file()
    assert f"{PIP} 'perpetuo-midi[midi] @ {wheel.as_uri()}'" == how_to_add("midi")
    assert f"--find-links '{wheel.parent}'" in how_to_add("export")


def test_a_wheel_that_is_gone_is_not_named(no_checkout, monkeypatch, tmp_path):
    gone = (tmp_path / "gone.whl").as_uri()
    monkeypatch.setattr(metadata, "distribution", lambda _: Installed(gone))
    assert f"{PIP} 'perpetuo-midi[metrics]'" == how_to_add("metrics")


def test_a_library_is_named_with_the_python_that_wants_it():
    assert f"{PIP} 'onnxruntime>=1.22'" == how_to_install("onnxruntime>=1.22")


def test_a_verb_of_the_lab_that_is_not_installed_says_what_brings_it(monkeypatch, capsys):
    from streamer import cli

    monkeypatch.setattr(cli, "_other_verbs", list)
    assert 1 == cli.main(["train", "chain"])
    err = capsys.readouterr().err
    assert err.startswith("perpetuo train: it comes with the train extra: ")
    assert 1 == err.count("\n")
