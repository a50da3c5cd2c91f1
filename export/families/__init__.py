"""What each family adds to an export: its graphs, its statistics, its proof.

Chain, tunes, windows and bands, a package each; none knows another. :mod:`export.registry` names
them to the pipeline, which asks each through :class:`export.family.FamilyExport`.
"""
