"""What each family adds to training: its reader, its tensors, its model, its task.

Chain, tunes, windows and bands, a package each; none knows another. :mod:`training.registry` names
them to the verbs.
"""
