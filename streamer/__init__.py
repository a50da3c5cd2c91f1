"""The edge: loads a bundle, generates notes ahead of time and sends them to a MIDI port in time."""

__version__ = "0.1.0"
