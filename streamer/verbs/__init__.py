"""The verbs of the edge, one module each: ``add_arguments(parser)`` declares, ``run(args)`` does.

A module here imports nothing heavy at its top: what a verb needs is imported in its ``run``.
``run`` returns the exit status, or None for 0.
"""
