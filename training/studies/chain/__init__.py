"""Studies of the chain: what docs/results/chain.md states.

In: a checkpoint and its tensor file. Out: JSON and pictures of losses, entropies, selection and
endless streams (``perpetuo study chain``).
"""
