"""The verbs of training, one module each: ``register(subparsers)`` adds it, ``run(args)`` does it.

A module here imports nothing heavy at its top; see :mod:`streamer.verbs`.
"""
