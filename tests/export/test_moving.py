"""How far DRAW's path goes from one section to the next: as far as its corpus."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from export.families.windows.moving import usual_walk
from streamer.bundle.bundle import load_bundle
from streamer.cli import main
from streamer.families.windows.codec import RollCodec
from streamer.generators.sectionspec import WindowSpec, section_of
from tests.bundles import write_tiny_draw_bundle, write_tiny_query_bundle
from tests.scores import scores
from training.families.windows.scoreset import ScoreSet

CODEC = RollCodec("roll", 4, 16, 0, 127)
PASSES, LATENT = 3, 4


def one_key(z, reach=6):
    """Cells of sections whose only key is as high as the second pass's first latent says."""
    cells = np.zeros((z.shape[1], CODEC.steps, CODEC.pitches), np.bool_)
    pitch = np.clip(60 + reach * z[1, :, 0], 0, 127).round().astype(int)
    cells[np.arange(len(pitch)), :, pitch] = True
    return cells


def leaping(semitones: int) -> ScoreSet:
    """Pieces whose every fourth beat lies so many semitones above or below the one before."""
    return scores(
        *(
            [(b, 1.0, 48 + k + (semitones if b // 4 % 2 else 0)) for b in range(64)]
            for k in range(4)
        )
    )


def test_sections_that_overlap_are_compared_without_what_they_share() -> None:
    """The steps in which a section goes over to the next are in both, and made them too alike."""
    plain = WindowSpec(latent=LATENT, passes=PASSES)
    overlapping = msgspec.structs.replace(plain, overlap=8)
    shares = []

    def spy(z):
        shares.append(z.shape)
        return one_key(z)

    walks = [
        usual_walk(spy, RollCodec("roll", 4, steps, 0, 127), spec, leaping(7)).walk
        for steps, spec in ((16, plain), (24, overlapping))
    ]
    assert shares
    assert walks[0] == walks[1]


def test_a_bundle_is_measured_anew_and_plays(tmp_path: Path, capsys) -> None:
    pieces = [[(i * 0.5, 0.5, 50 + k + 5 * (i // 8 % 3)) for i in range(96)] for k in range(4)]
    scores(*pieces).save(tmp_path / "scores.npz")
    old = write_tiny_draw_bundle(tmp_path)
    out = tmp_path / "new"
    command = ["bundle", "restate", str(old.path), str(tmp_path / "scores.npz"), "-o", str(out)]
    assert main(command) == 0
    assert "from one section to the next" in capsys.readouterr().out
    new = load_bundle(out)
    was, now = section_of(old.manifest), section_of(new.manifest)
    assert new.manifest.graphs == old.manifest.graphs
    assert now.walk is not None
    assert msgspec.structs.replace(now, walk=was.walk) == was
    render = ["render", str(tmp_path / "x.mid"), "--model", str(out), "--duration", "20"]
    assert main([*render, "--seed", "1"]) == 0


def test_what_cannot_be_measured_anew_is_one_line(tmp_path: Path, capsys) -> None:
    scores([(0, 1.0, 60), (1, 1.0, 64)]).save(tmp_path / "short.npz")
    corpus = str(tmp_path / "short.npz")
    for bundle, said in (
        (write_tiny_query_bundle(tmp_path), "nothing of a bundle of family query is restated"),
        (write_tiny_draw_bundle(tmp_path), "give the scores that the model was trained on"),
    ):
        assert main(["bundle", "restate", str(bundle.path), corpus]) == 1
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1
