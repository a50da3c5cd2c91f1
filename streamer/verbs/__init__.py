"""The verbs of the edge, one module each: ``register(subparsers)`` adds it, ``run(args)`` does it.

A module here imports nothing heavy at its top: what a verb needs is imported in its ``run``, so
that ``perpetuo --help`` answers at once. ``run`` returns the exit status.
"""
