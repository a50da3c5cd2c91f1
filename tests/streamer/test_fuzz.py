"""Files that a stranger may have written: taken or refused with one line, never anything else.

PERPETUO_FUZZ=100000 pytest tests/streamer/test_fuzz.py -s
"""

import hashlib
import json
import re
import sys

import numpy as np
import pytest

from export.bundle import encode_manifest
from streamer.bundle.bundle import DIGEST_FILE, load_bundle
from streamer.control.bindings import Bindings
from streamer.control.scenes import load_programs
from streamer.engine.engine import Engine
from streamer.errors import BundleError, ConfigError, EngineError, MidiFileError
from streamer.families.chain.generator import StepGenerator
from streamer.families.chain.source import step_settings
from streamer.midi.midifile import read_midi
from streamer.music.notes import NOTE_DTYPE
from streamer.selection.judging import filters_for
from streamer.service.saved import restore
from streamer.settings.controls import Controls, LiveControls
from streamer.settings.reading import load_settings, setting_names
from streamer.settings.settings import Settings
from tests.bundles import write_tiny_bundle
from tests.fuzzing import LONG, TIMEOUT_SECONDS, Documents, damaged, fuzz, odd_value
from tests.midifiles import write_midi
from tests.service_manager import CHECKOUT

pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS)

TOML_TOKENS = (
    b"[", b"]", b"[[", b"]]", b"{", b"}", b'"', b"'", b'"""', b"\n", b"=", b",", b"#", b".",
    b"\\u0000", b"\\n", b"inf", b"nan", b"-", b"1979-05-27T07:32:00Z", b"25:61:61",
    b"0x" + b"f" * 5000,
    b"9" * 5000, b"[" * 3000, b"{a=" * 1000, b"1e999", b"true", b"\xff", b"\r", b"\x00",
    b"[model]\n", b"a.b.c=1\n", b'"a\\nb"=1\n', "\u2028".encode(),
)  # fmt: skip
JSON_TOKENS = (
    b"[", b"]", b"{", b"}", b'"', b",", b":", b"null", b"true", b"NaN", b"Infinity", b"1e999",
    b"9" * 5000, b"-", b"\\u0000", b"\\ud800", b"[" * 5000, b'{"a":' * 2000, b"\xff", b"\n",
    b'"schema_version": 2,', b'"x": 1,',
)  # fmt: skip
MIDI_TOKENS = (
    b"MThd", b"MTrk", b"\xff\x2f\x00", b"\xff\x51\x03\x00\x00\x00", b"\xff\x51\x03\xff\xff\xff",
    b"\x90\x3c\x40", b"\x80\x3c\x00", b"\xb0\x40\x7f", b"\xf0\x05", b"\xf7", b"\xff\xff\xff\x7f",
    b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\xe7\x28", b"\x80\x00", b"RIFF", bytes(4),
)  # fmt: skip


def one_line(problems):
    """A refusal is lines that a person can read, one for each mistake."""
    lines = [str(problem) for problem in problems]
    assert lines, "refused without a word"
    assert all(line.strip() and len(line.splitlines()) == 1 for line in lines), lines
    return False


def whole_config():
    """Every setting that systemd/perpetuo.toml shows, set; one text for each table."""
    text = (CHECKOUT / "systemd" / "perpetuo.toml").read_text(encoding="utf-8")
    text = re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE)
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    return [f"[{table}" for table in re.split(r"^\[", text, flags=re.MULTILINE)[1:]]


def test_any_text_of_a_settings_file_is_taken_or_refused_with_one_line_a_mistake(tmp_path, capsys):
    tables, path = whole_config(), tmp_path / "perpetuo.toml"

    def make(chance):
        text = "\n".join(chance.sample(tables, chance.choice((1, 1, 2, 3))))
        return damaged(text.encode(), chance, TOML_TOKENS)

    def check(data):
        path.write_bytes(data)
        try:
            load_settings(path)
        except ConfigError as error:
            return one_line(error.problems)
        return True

    report(capsys, "settings, text", fuzz(make, check))


def test_any_values_of_settings_are_taken_or_refused_with_one_line_a_mistake(capsys):
    names = setting_names()

    def make(chance):
        return {chance.choice(names): odd_value(chance) for _ in range(chance.choice((1, 1, 2, 6)))}

    def check(values):
        try:
            load_settings(None, values)
        except ConfigError as error:
            return one_line(error.problems)
        return True

    report(capsys, "settings, values", fuzz(make, check))


def test_any_presets_saved_controls_and_bindings_are_read_or_left(tmp_path, capsys):
    texts = {
        "presets.toml": b'[[preset]]\nname = "one"\ndensity = 0.5\nscale = "blues"\n'
        b'[[preset]]\nname = "two"\nlow = 40\nhigh = 80\n',
        "controls.json": b'{"schema": 1, "configured": {"density": 1.0, "low": 0, "scale": "off"}, '
        b'"last": {"density": 2.0, "low": 40, "scale": "blues"}}',
        "bindings.json": b'{"schema": 1, "cc": {"1": "density", "74": "temperature"}}',
    }

    def make(chance):
        name = chance.choice(list(texts))
        tokens = TOML_TOKENS if name.endswith("toml") else JSON_TOKENS
        return name, damaged(texts[name], chance, tokens)

    def check(case):
        name, data = case
        path = tmp_path / name
        path.write_bytes(data)
        if name == "controls.json":
            return restore(path, Controls()) != Controls()
        if name == "bindings.json":
            return Bindings(path).moved(74, 1.0) is not None
        try:
            load_programs(path, path.parent, Controls())
        except ConfigError as error:
            return one_line(error.problems)
        return True

    report(capsys, "presets, saved controls, bindings", fuzz(make, check))


class Bundles:
    """A bundle whose manifest or graph is written anew for each case."""

    def __init__(self, folder):
        bundle = write_tiny_bundle(folder)
        self.path = bundle.path
        self.manifest = json.loads(encode_manifest(bundle.manifest))
        self.documents = Documents(self.manifest)
        self.graph = (self.path / "chain.onnx").read_bytes()
        (self.path / DIGEST_FILE).unlink()
        self.taken = 0

    def write_manifest(self, data):
        (self.path / "manifest.json").write_bytes(data)

    def load(self, play_each=20):
        """Load it and make what plays it; now and then let it play."""
        try:
            bundle = load_bundle(self.path)
            drawn = step_settings(bundle, Settings())
            filters = filters_for(bundle, Settings())
            self.taken += 1
            if self.taken % play_each == 0 and drawn.candidates <= 64 and drawn.phrase_notes <= 64:
                rng = np.random.Generator(np.random.SFC64(1))
                controls = LiveControls(Controls())
                StepGenerator(Engine(bundle), drawn, rng, controls, filters).next_phrase(4)
        except (BundleError, EngineError) as error:
            return one_line([error])
        return True


def test_any_manifest_is_taken_or_refused_with_one_line(tmp_path, capsys):
    bundles = Bundles(tmp_path)
    text = json.dumps(bundles.manifest).encode()

    def make(chance):
        if chance.random() < 0.7:
            document = bundles.documents.changed(chance)
            return json.dumps(document).encode("utf-8", "surrogatepass")
        return damaged(text, chance, JSON_TOKENS)

    def check(data):
        bundles.write_manifest(data)
        return bundles.load()

    report(capsys, "manifests", fuzz(make, check))


def test_any_graph_is_taken_or_refused_with_one_line_before_onnx_runtime_sees_it(tmp_path, capsys):
    bundles = Bundles(tmp_path)

    def check(data):
        bundles.manifest["graphs"][0]["sha256"] = hashlib.sha256(data).hexdigest()
        bundles.write_manifest(json.dumps(bundles.manifest).encode())
        (bundles.path / "chain.onnx").write_bytes(data)
        try:
            load_bundle(bundles.path)
        except BundleError as error:
            return one_line([error])
        return True

    report(capsys, "ONNX graphs", fuzz(lambda chance: damaged(bundles.graph, chance), check))


def midi_files(folder):
    """A few files, of every kind of event."""
    notes = np.zeros(40, NOTE_DTYPE)
    notes["onset_ms"] = np.arange(40) * 125.0
    notes["duration_ms"], notes["velocity"] = 200.0, 64
    notes["pitch"] = 40 + np.arange(40) % 30
    notes["pedal"] = np.arange(40) % 3 == 0
    notes["channel"] = np.arange(40) % 2
    write_midi(folder / "a.mid", notes, program=4)
    running = b"".join(bytes((0, pitch, 64, 96, pitch, 0)) for pitch in range(40, 80))
    track = b"\x00\xff\x03\x04name\x00\xff\x58\x04\x06\x03\x18\x08\x00\x90" + running[1:]
    tempo = b"\x00\xff\x51\x03\x07\xa1\x20\x83\x60\xff\x51\x03\x05\x00\x00\x00\xf0\x03\x41\x10\xf7"
    end = b"\x00\xff\x2f\x00"
    chunks = [b"MTrk" + len(t + end).to_bytes(4, "big") + t + end for t in (tempo, track)]
    yield (folder / "a.mid").read_bytes()
    yield b"MThd\0\0\0\x06\0\x01\0\x02\x01\xe0" + b"".join(chunks)
    yield b"MThd\0\0\0\x06\0\0\0\x01\xe7\x28" + chunks[1]
    yield b"RIFF\0\0\0\0RMIDdata\0\0\0\0MThd\0\0\0\x06\0\0\0\x01\0\x60" + chunks[1]


def test_any_midi_file_is_read_or_refused_with_one_line(tmp_path, capsys):
    files, path = list(midi_files(tmp_path)), tmp_path / "case.mid"

    def make(chance):
        return damaged(chance.choice(files), chance, MIDI_TOKENS)

    def check(data):
        path.write_bytes(data)
        try:
            notes = read_midi(path)
        except MidiFileError as error:
            return one_line([error])
        assert np.isfinite(notes["onset_ms"]).all()
        assert (notes["duration_ms"] > 0).all()
        assert (notes["onset_ms"] >= 0).all()
        return True

    report(capsys, "MIDI files", fuzz(make, check))


def report(capsys, what, line):
    with capsys.disabled():
        if LONG:
            sys.stdout.write(f"\n{what}: {line}\n")
