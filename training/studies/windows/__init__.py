"""Studies of windows: what docs/results/draw.md and docs/results/query.md state.

In: a checkpoint of ``draw`` or ``query`` and its score file. Out: JSON and pictures
(``perpetuo study draw``, ``perpetuo study query``).
"""
