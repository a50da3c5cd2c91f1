"""The tracks of a band: names and order, one definition for settings, codec and models."""

TRACKS = ("drums", "bass", "harmony", "strings")
"""The tracks of a band; harmony is guitar or piano, strings are whatever else plays."""

DRUMS = 0
