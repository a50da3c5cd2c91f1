"""A sixth family in a package of its own: a stroll over a keyboard, one step after the other.

The model is a table: given the key before, how likely each key is. ``family.py`` is what the edge
registers, ``training.py`` and ``exporting.py`` what training and export do; the three modules are
light to import, and all else is opened when it is used.
"""
