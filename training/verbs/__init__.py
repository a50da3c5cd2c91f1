"""The verbs that training adds to ``perpetuo``, one module each.

``add_arguments(parser)`` declares the options, ``run(args)`` does the work and returns the exit
status, or None for 0. Modules here import torch in ``run`` alone, so that ``--help`` is quick.
"""
