"""The verbs that export adds to ``perpetuo``, one module each.

``add_arguments(parser)`` declares the options, ``run(args)`` does the work and returns the exit
status. Modules here import torch and onnx in ``run`` alone, so that ``--help`` is quick.
"""
