"""Prepare MIDI files and train a model on them: a tiny one, in a minute; others take a night.

python examples/10-train.py FOLDER [RUN]    (needs the extra train)
"""

import sys
from pathlib import Path

import torch

from training import load_preset, make_task
from training.families.chain import prepare
from training.run import Trainer

folder = Path(sys.argv[1])
run = Path(sys.argv[2] if sys.argv[2:] else "run")

if __name__ == "__main__":  # files are read in several processes
    run.mkdir(exist_ok=True)
    corpus = prepare([folder])
    corpus.save(run / "corpus.npz")
    print(f"{len(corpus.indices('train'))} pieces to train on")

    preset = load_preset("chain-tiny")  # "chain" is what the bundle piano was trained with
    task = make_task(preset, corpus, seed=0, device=torch.device("cpu"))
    trainer = Trainer(task, preset.loop, run, {"preset": preset.name, "seed": 0})
    best = trainer.run(lambda line, done: print(f"{done:4.0%}  {line}"))
    print(f"{run}/best.pt: held out, {task.unit.line(best)}")
