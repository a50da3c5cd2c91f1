"""Checkpoints to bundles: the graph, the proof that it plays the same, manifest and card."""
