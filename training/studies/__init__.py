"""Studies: what docs/design says must be shown of a family, as commands that write JSON and PNG.

In: a trained model or a bundle, and a prepared corpus. Out: for each study one JSON and one
picture, as docs/results shows them. A package for each family; what all draw with is in ``plots``.
"""
