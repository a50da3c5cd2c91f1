"""The workshop: corpora to tensors, tensors to checkpoints, and what the music is worth."""
