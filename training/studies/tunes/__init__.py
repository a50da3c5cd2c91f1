"""Studies of tunes: what docs/results/vrash.md states.

In: a checkpoint or a bundle of ``vrash`` and its tune file. Out: JSON and pictures of likelihood,
latents, filters, endless streams and the performance layer (``perpetuo study vrash``).
"""
