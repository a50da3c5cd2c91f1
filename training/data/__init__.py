"""From MIDI files to windows of classes: corpora, tensor files and batches."""
