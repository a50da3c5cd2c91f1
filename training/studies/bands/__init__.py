"""Studies of bands: what docs/results/musae.md states.

In: a checkpoint of ``musae`` and its band file. Out: JSON and pictures of reconstruction, genres,
interpolation and restyling (``perpetuo study musae``).
"""
